/* SPDX-License-Identifier: Apache-2.0
 *
 * event_feed.h - where `turnout send` gets its events: lines of CloudEvents JSON, or as many made-up ones as wanted.
 */
#ifndef TURNOUT_TOOLS_EVENT_FEED_H
#define TURNOUT_TOOLS_EVENT_FEED_H

#include "lines.h"
#include "turnout/event.h"

struct tn_event_feed_options {
	const char *path; /* lines from here; NULL with make: none are read */
	bool make; /* make events up */
	uint64_t count; /* at most so many; 0: all lines, or without end */
	uint64_t size; /* bytes of a made-up event's data, at least */
	const char *id_prefix; /* of made-up ids; NULL: random, so that no two runs send the same event */
	const char *type, *source; /* of made-up events; NULL: turnout.test, /turnout/send */
	const char *data; /* JSON text instead of the made-up data; NULL: {"sequence":N,"pad":"..."} */
};

enum tn_event_feed_next {
	TN_EVENT_FEED_EVENT,
	TN_EVENT_FEED_BAD, /* this line is no event: error says where and why; go on with the next */
	TN_EVENT_FEED_LATER,
	TN_EVENT_FEED_END,
	TN_EVENT_FEED_ERROR, /* the input cannot be read on */
};

struct tn_event_feed;
/* Returns owned. */
enum tn_status tn_event_feed_new(const struct tn_event_feed_options *options, struct tn_event_feed **out_feed,
        struct tn_error *error) TN_MUST_CHECK;
void tn_event_feed_free(struct tn_event_feed *feed);
/* Returns owned in *out_event. */
enum tn_event_feed_next tn_event_feed_next(
        struct tn_event_feed *feed, struct tn_event **out_event, struct tn_error *error);
/* What can be waited on when it said LATER; -1: made-up events never wait. */
int tn_event_feed_fd(const struct tn_event_feed *feed);

#endif
