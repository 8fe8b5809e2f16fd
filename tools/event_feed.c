/* SPDX-License-Identifier: Apache-2.0
 *
 * event_feed.c - events read a line each, or made up and numbered.
 *
 * Called by command_send.c, one event at a time. A made-up event carries its number as extension `sequence`, so that a
 * receiver can tell what is missing, and has a fresh id.
 */
#include "event_feed.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "turnout/clock.h"
#include "turnout/id.h"
#include "turnout/json.h"
#include "turnout/wire.h"

#define DATA_LIMIT (16u << 20)

struct tn_event_feed {
	struct tn_event_feed_options options;
	struct tn_lines lines;
	uint64_t given;
	char prefix[TN_UUID_TEXT_SIZE];
	struct tn_buf text; /* the made-up event */
};

enum tn_status tn_event_feed_new(
        const struct tn_event_feed_options *options, struct tn_event_feed **out_feed, struct tn_error *error)
{
	struct tn_event_feed *feed;

	if (options->size > DATA_LIMIT) {
		tn_error_set(error, "data of %" PRIu64 " bytes is over the limit of %u", options->size, DATA_LIMIT);
		return TN_TOO_LARGE;
	}
	if (options->data && !tn_json_valid(tn_str_from(options->data), TN_JSON_DEPTH_LIMIT)) {
		tn_error_set(error, "--data is not JSON (a text needs quotes: --data '\"text\"')");
		return TN_INVALID;
	}
	feed = calloc(1, sizeof(*feed));
	if (!feed)
		abort();
	feed->options = *options;
	feed->lines.fd = -1;
	tn_uuid_random(feed->prefix);
	if (!options->make) {
		enum tn_status status = tn_lines_init(&feed->lines, options->path, error);

		if (status != TN_OK) {
			tn_event_feed_free(feed);
			return status;
		}
	}
	*out_feed = feed;
	return TN_OK;
}

void tn_event_feed_free(struct tn_event_feed *feed)
{
	if (!feed)
		return;
	tn_lines_fini(&feed->lines);
	tn_buf_fini(&feed->text);
	free(feed);
}

int tn_event_feed_fd(const struct tn_event_feed *feed)
{
	return feed->lines.fd;
}

static void add_member(struct tn_buf *text, const char *name, const char *value)
{
	tn_buf_addf(text, ",\"%s\":", name);
	tn_json_quote(text, tn_str_from(value));
}

static void add_made_data(struct tn_event_feed *feed)
{
	size_t start = feed->text.len;

	tn_buf_addf(&feed->text, "{\"sequence\":%" PRIu64 ",\"pad\":\"", feed->given);
	while (feed->text.len - start + 2 < feed->options.size)
		tn_buf_add_byte(&feed->text, 'x');
	tn_buf_add_text(&feed->text, "\"}");
}

/* Writes event number `given` as CloudEvents JSON into text. */
static void make_event(struct tn_event_feed *feed)
{
	const struct tn_event_feed_options *options = &feed->options;
	char id[320], time[TN_TIME_TEXT_SIZE], sequence[24];

	snprintf(
	        id, sizeof(id), "%.256s-%" PRIu64, options->id_prefix ? options->id_prefix : feed->prefix, feed->given);
	snprintf(sequence, sizeof(sequence), "%" PRIu64, feed->given);
	tn_buf_clear(&feed->text);
	tn_buf_add_text(&feed->text, "{\"specversion\":\"1.0\"");
	add_member(&feed->text, "id", id);
	add_member(&feed->text, "source", options->source ? options->source : "/turnout/send");
	add_member(&feed->text, "type", options->type ? options->type : "turnout.test");
	add_member(&feed->text, "time", tn_clock_format(tn_clock_wall_ms(&tn_clock_system), time));
	add_member(&feed->text, "sequence", sequence);
	tn_buf_add_text(&feed->text, ",\"datacontenttype\":\"application/json\",\"data\":");
	if (options->data)
		tn_buf_add_text(&feed->text, options->data);
	else
		add_made_data(feed);
	tn_buf_add_byte(&feed->text, '}');
}

static enum tn_event_feed_next next_line(struct tn_event_feed *feed, struct tn_str *out_text, struct tn_error *error)
{
	switch (tn_lines_next(&feed->lines, out_text, error)) {
	case TN_LINES_LINE:
		return TN_EVENT_FEED_EVENT;
	case TN_LINES_LATER:
		return TN_EVENT_FEED_LATER;
	case TN_LINES_END:
		return TN_EVENT_FEED_END;
	case TN_LINES_ERROR:
		break;
	}
	return TN_EVENT_FEED_ERROR;
}

enum tn_event_feed_next tn_event_feed_next(
        struct tn_event_feed *feed, struct tn_event **out_event, struct tn_error *error)
{
	enum tn_event_feed_next next = TN_EVENT_FEED_EVENT;
	struct tn_wire_error fault;
	struct tn_str text;

	if (feed->options.count > 0 && feed->given == feed->options.count)
		return TN_EVENT_FEED_END;
	if (feed->options.make) {
		make_event(feed);
		text = tn_buf_str(&feed->text);
	} else {
		next = next_line(feed, &text, error);
	}
	if (next != TN_EVENT_FEED_EVENT)
		return next;
	feed->given++;
	if (tn_event_from_json(text, tn_clock_wall_ms(&tn_clock_system), out_event, &fault) == TN_OK)
		return TN_EVENT_FEED_EVENT;
	if (feed->options.make)
		tn_error_set(error, "these options make no CloudEvent: %s", fault.message);
	else
		tn_error_at(error, feed->lines.name, (uint32_t)feed->lines.number, 0, "not a CloudEvent: %s",
		        fault.message);
	return feed->options.make ? TN_EVENT_FEED_ERROR : TN_EVENT_FEED_BAD;
}
