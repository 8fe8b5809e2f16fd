/* SPDX-License-Identifier: Apache-2.0
 *
 * connector.h - one vtable a transport. A connector reports and obeys; it never parses an event, sleeps, retries, drops or matches.
 *
 * A source hands over undecoded messages with a position, as many as it has credit for, and obeys credit, ack, extend, release and
 * stream_done. A target gets attempts and answers each exactly once with a verdict. Adding a connector: its files, one row in
 * connectors/registry.c, one line in connectors/meson.build; the contract tests then run on it.
 */
#ifndef TURNOUT_CONNECTOR_H
#define TURNOUT_CONNECTOR_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/clock.h"
#include "turnout/engine.h"
#include "turnout/error.h"
#include "turnout/option.h"
#include "turnout/wire.h"

struct event_base;
struct tn_source;
struct tn_target;

struct tn_message {                       /* as the wire had it; nobody has looked inside yet */
	struct tn_position position;      /* source is filled in by the host */
	enum tn_ack_when ack_when;
	const struct tn_header *headers;
	uint32_t header_count;
	struct tn_str content_type;       /* the transport's own place for it; bytes NULL: look in the headers */
	struct tn_str key, body;
	bool has_body;
	int64_t time_ms;                  /* the transport's own timestamp (wall clock), or 0 */
};

/* What became of a message that the source must answer without the engine (HTTP 4xx): the wire error. Only where `answers`. */
struct tn_refusal {
	int status;                       /* HTTP status */
	const struct tn_wire_error *error;
	int64_t retry_after_ms;           /* 0: none */
};

/* What the bus lends a connector instance. The calls: any thread, unless said otherwise. */
struct tn_host {
	struct event_base *base;          /* the loop the instance lives on */
	const struct tn_clock *clock;
	const char *name;                 /* of this source or target */
	uint32_t worker, worker_count;    /* which of how many instances (TN_EACH_WORKER) */
	const struct tn_address_policy *addresses; /* where connections may go (address.h); borrowed for the life of the instance; NULL:
	                                  * the default */
	void *arg;                        /* first argument of every call below */
	/* Source. The stream number answered is what positions carry. lease_ms 0: no lease. */
	uint32_t (*stream_open)(void *arg, const char *name, uint32_t epoch, int64_t lease_ms);
	void (*stream_end)(void *arg, uint32_t stream, uint32_t epoch, bool lost, int64_t grace_ms);
	/* Source, on its own loop. Copies. TN_OK: the answer comes as ack, release or refuse. TN_FULL: keep it, its credit unused, until
	 * credit is called again (a count of 0 will do).
	 * Where the connector `answers`, refuse may be called before this returns. */
	enum tn_status (*message)(void *arg, const struct tn_message *message);
	/* Target. Copies. reply is the answer as a message, or NULL (replies are not in this version). */
	void (*result)(void *arg, const struct tn_result *result, const struct tn_message *reply);
	void (*ready)(void *arg, uint32_t room); /* a target: this many attempts fit now; forget my HOLD */
	void (*stopped)(void *arg);       /* answers stop(); the instance is not touched after it */
};

/* Something that a source counts since it was opened and operators want to see. */
struct tn_source_count {
	const char *name, *help;          /* constants: the metric is turnout_source_<name>_total */
	uint64_t value;
};
enum { TN_SOURCE_COUNTS_MAX = 16 };

struct tn_source_ops { /* on the instance's own loop; none blocks */
	/* options: the struct its option table fills. TN_BUSY, TN_IO, TN_INVALID with the error. Borrows host and options for life. */
	enum tn_status (*open)(const struct tn_host *host, const void *options, struct tn_source **out_source, struct tn_error *error);
	void (*credit)(struct tn_source *source, uint32_t stream, uint32_t count); /* may hand over so many more; nothing without it */
	void (*ack)(struct tn_source *source, struct tn_position position, const struct tn_settlement *settlement);
	/* Where `answers`. The engine never had this message: the credit it used is the source's again. */
	void (*refuse)(struct tn_source *source, struct tn_position position, const struct tn_refusal *refusal);
	void (*extend)(struct tn_source *source, struct tn_position position);
	void (*release)(struct tn_source *source, struct tn_position position, int64_t delay_ms);
	void (*stream_done)(struct tn_source *source, uint32_t stream, uint32_t epoch);
	size_t (*describe)(const char *stream_name, struct tn_position position, char *out_json, size_t size); /* Any thread: pure */
	void (*pause)(struct tn_source *source, bool draining); /* draining: take nothing new (HTTP: 503), keep answering; false: go on */
	/* Where `answers`; NULL: it cannot. Until why is NULL, whoever comes is turned away with it (HTTP: 503), credit or none; what was
	 * handed over goes on. why: constant text. */
	void (*shed)(struct tn_source *source, const char *why);
	void (*stop)(struct tn_source *source); /* flush answers, close; ends with host->stopped */
	/* Answers how many of the TN_SOURCE_COUNTS_MAX it filled: always the same ones in the same order. NULL: none. */
	size_t (*counts)(struct tn_source *source, struct tn_source_count *out_counts);
};
struct tn_target_ops {
	enum tn_status (*open)(const struct tn_host *host, const void *options, struct tn_target **out_target, struct tn_error *error);
	void (*deliver)(struct tn_target *target, const struct tn_attempt *attempt); /* borrows until the result */
	void (*cancel)(struct tn_target *target, uint64_t token); /* hurry the one result */
	/* Every attempt is answered before. May be called from within host->result. Ends with host->stopped, never before it returns. */
	void (*stop)(struct tn_target *target);
};

enum tn_placement { TN_ONE_LOOP, TN_EACH_WORKER };

struct tn_connector {
	const char *name;
	const char *help;                            /* one line */
	const struct tn_option *source_options, *target_options; /* tables ended by a row without a name; common ones are the host's */
	size_t source_options_size, target_options_size;
	enum tn_placement placement;
	bool answers;                                /* its sender waits for a verdict on each message (HTTP) */
	bool cumulative_ack, shared_group;
	bool lasting_positions;                      /* what describe() says of a position means the same message after a restart */
	const struct tn_wire *wire;
	const struct tn_source_ops *source;          /* NULL: cannot be a source */
	const struct tn_target_ops *target;          /* NULL: cannot be a target */
	/* After parsing: what a table cannot say. NULL: nothing. */
	enum tn_status (*check_source)(const void *options, struct tn_error *error);
	enum tn_status (*check_target)(const void *options, struct tn_error *error);
	/* Where a target sends, for people: never credentials, user-info or query values. */
	void (*describe_target)(const void *options, char *out, size_t size);
};

/* connectors/registry.c. By name; NULL: none. */
const struct tn_connector *tn_registry_find(struct tn_str name);
/* All, ended by NULL. */
const struct tn_connector *const *tn_registry_all(void);
/* True for a connector that is known by name and comes in a later version. */
bool tn_registry_later(struct tn_str name);

#endif
