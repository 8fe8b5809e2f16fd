/* SPDX-License-Identifier: Apache-2.0
 *
 * dlq.h - dead letters: how one looks to people, which ones are meant, and what an operator can do to them.
 *
 * A dead letter is a DEAD row of the store with its event (store.h). While a bus runs its engine makes the moves (tn_engine_move); with
 * no bus running a tool makes them here, under the store's lock. Either way a record is moved by one put, so it is always in one place.
 */
#ifndef TURNOUT_DLQ_H
#define TURNOUT_DLQ_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/arena.h"
#include "turnout/error.h"
#include "turnout/status.h"
#include "turnout/store.h"
#include "turnout/str.h"

/* --- Names: 16 hex digits of the event's sequence, a dash, the route: they sort by time. --- */

#define TN_DLQ_ID_SIZE 32
/* "000000000000002a-0" and a NUL. Returns out. */
char *tn_dlq_id_format(struct tn_row_key key, char out[TN_DLQ_ID_SIZE]);
/* False: not such a name. */
bool tn_dlq_id_parse(struct tn_str text, struct tn_row_key *out_key);

/* --- The record --- */

struct tn_dlq_target {                    /* what a row does not know of its target */
	struct tn_str kind;               /* "http"; bytes NULL: not known (any more) */
	struct tn_str dest;               /* without credentials, user-info and query values; bytes NULL: not known */
};
struct tn_dlq_view {                      /* how records are shown; a value, any thread */
	struct tn_str bus;
	int64_t wall_offset_ms;           /* wall clock = engine time + this; 0 with no bus running */
	/* May be NULL: targets are not known. Fills in out_target, whose strings live until the next call. */
	void (*describe_target)(void *arg, struct tn_str name, struct tn_dlq_target *out_target);
	void *arg;
};

/* Appends the record of delivery-semantics section 8 as one JSON object, without a newline behind it (the event's own JSON data may
 * have line breaks in it; tn_dlq_export_line has none). What a row does not hold is null:
 * last_attempt_at where no attempt was made or an older version wrote the row, sent_sha256 (hex) where nothing was sent, dedup_key where its
 * source does not deduplicate. `source` is the row's origin where that is a JSON object with a member `name`, else
 * {"position": origin}. The event is the original one; a raw event's bytes are in event_raw_base64. */
void tn_dlq_record_json(const struct tn_dlq_view *view, const struct tn_row *row, const struct tn_event *event, struct tn_buf *out);
/* The same, short: no event data, no message, no response sample; `event` has id, source and type only. */
void tn_dlq_line_json(const struct tn_dlq_view *view, const struct tn_row *row, const struct tn_event *event, struct tn_buf *out);
/* For people: id, time, rule -> target, code, attempts, the event's type and id. One line, without a newline or control characters. */
void tn_dlq_line_text(const struct tn_dlq_view *view, const struct tn_row *row, const struct tn_event *event, struct tn_buf *out);

/* --- Which ones --- */

struct tn_dlq_selection {                 /* all that is set must hold; {0} selects nothing */
	bool all;                         /* every dead letter that the rest does not rule out */
	const struct tn_row_key *ids;     /* or these */
	uint32_t id_count;
	struct tn_str rule, target, code; /* bytes NULL: any */
	struct tn_str error_class;        /* as the record's error.class */
	struct tn_str queue;              /* "default" is what names none */
	int64_t dead_after_ms, dead_before_ms; /* engine time: from, and to (exclusive); 0: any */
	/* By event pattern, or whatever else; NULL: any. */
	bool (*matches)(void *arg, const struct tn_row *row, const struct tn_event *event);
	void *arg;
};
/* As in the record: "retry", "throttle", "config", "permanent", "poison"; NULL: there is none. */
const char *tn_dlq_class(const struct tn_row *row, const struct tn_event *event);
bool tn_dlq_is_class(struct tn_str text);
/* Sorts ids and drops what is named twice; answers how many are left. A redrive takes each record once. */
uint32_t tn_dlq_unique(struct tn_row_key *ids, uint32_t count);
bool tn_dlq_selects(const struct tn_dlq_selection *selection, const struct tn_row *row, const struct tn_event *event);

struct tn_dlq_cursor {                    /* {0}: from the start. A value: kept, sent away, taken up again at any time */
	struct tn_row_key after;
	uint32_t ids_done;
	bool done;                        /* nothing behind it, as of then */
	uint64_t rows_read;               /* up to here, selected or not */
};
struct tn_dlq_limits {                    /* what one call reads, selected or not */
	uint32_t max_rows;                /* [256] */
	size_t max_bytes;                 /* [1 MiB] */
};
extern const struct tn_dlq_limits tn_dlq_limits_default;

/* Called for each selected record; row and event live for the call. False: enough; the cursor then stands behind this record. */
typedef bool tn_dlq_visit(void *arg, const struct tn_row *row, const struct tn_event *event);

/* Any thread. One page from cursor on, which moves behind it; bounded work. An id that is no dead letter (any more) is passed over. */
enum tn_status tn_dlq_read(struct tn_store *store, const struct tn_dlq_selection *selection, const struct tn_dlq_limits *limits,
	struct tn_dlq_cursor *cursor, tn_dlq_visit *visit, void *arg, struct tn_error *error) TN_MUST_CHECK;
/* Any thread. Page after page to the end, or until visit has enough. */
enum tn_status tn_dlq_each(struct tn_store *store, const struct tn_dlq_selection *selection, tn_dlq_visit *visit, void *arg,
	struct tn_error *error) TN_MUST_CHECK;

/* --- What is done to them --- */

enum tn_dlq_action { TN_DLQ_REDRIVE, TN_DLQ_PURGE };
enum { TN_DLQ_MAX_REDRIVES = 10, TN_DLQ_PAGE_ITEMS = 256 };
/* Of what goes elsewhere than to its own target: the most targets of one letter, and operations of a page: 2 a letter, and one a target. */
enum { TN_DLQ_WAYS = 500, TN_DLQ_PAGE_OPS = 1000 };

/* Where a redrive sends: to the rule and target it died of; to the targets that rule has now; to what today's rules make of the event. */
enum tn_dlq_to { TN_DLQ_TO_TARGET, TN_DLQ_TO_RULE, TN_DLQ_TO_BUS };
struct tn_dlq_ways {                      /* of one letter; lives until the next question */
	const struct tn_match *matches;
	uint32_t count;                   /* up to TN_DLQ_WAYS; 0: there is none, or there are more */
	uint64_t revision;                /* of the rules */
};

struct tn_dlq_terms {
	enum tn_dlq_action action;
	struct tn_dlq_selection selection;
	bool force;                       /* redrive also what was redriven max_redrives times */
	uint32_t max_redrives;            /* 0: TN_DLQ_MAX_REDRIVES */
	/* Is there still such a rule and target? False: the record stays, counted as no_target. NULL: not asked. Redrive only. */
	bool (*has_route)(void *arg, struct tn_str rule, struct tn_str target);
	enum tn_dlq_to to;
	/* Not TO_TARGET: it must be there, and is asked instead. No way: the record stays, counted as no_target or no_match. */
	void (*find_ways)(void *arg, const struct tn_row *row, const struct tn_event *event, struct tn_dlq_ways *out_ways);
	/* Called for each record that is to be moved; may be NULL. */
	void (*chosen)(void *arg, const struct tn_row *row, const struct tn_event *event);
	void *arg;
};
struct tn_dlq_tally {
	uint64_t selected, done;          /* done: moved, or, of a dry run, to be moved */
	uint64_t no_target, too_often;    /* selected, and left where they are */
	uint64_t no_match;                /* likewise: TO_BUS, and no rule takes them (or they would go more than TN_DLQ_WAYS ways) */
};
struct tn_dlq_item {
	struct tn_row_key key;
	uint32_t target_no;
	uint64_t bytes;                   /* tn_store_row_bytes of its event */
	struct tn_id id;                  /* of its delivery */
	/* Not TO_TARGET: the rows of this event that take its place, PARKED, without keys, tries and new places in lanes (engine.h, RESEND);
	 * the page's. */
	struct tn_row *rows;
	uint32_t row_count;
	struct tn_event *event;
};
struct tn_dlq_page {                      /* what is to be moved next, and what was passed over on the way to it; {0} before its first use */
	struct tn_dlq_item items[TN_DLQ_PAGE_ITEMS];
	uint32_t count;
	struct tn_dlq_tally tally;        /* done: count. Add it up once they are moved */
	uint32_t ops;
	struct tn_arena arena;
};
void tn_dlq_page_fini(struct tn_dlq_page *page);
void tn_dlq_tally_add(struct tn_dlq_tally *tally, const struct tn_dlq_tally *more);
/* Any thread. One page of the store from cursor on, at most `most` items (up to TN_DLQ_PAGE_ITEMS); it may hold none although there are
 * more to come. */
enum tn_status tn_dlq_page_read(struct tn_store *store, const struct tn_dlq_terms *terms, uint32_t most, struct tn_dlq_cursor *cursor,
	struct tn_dlq_page *out_page, struct tn_error *error) TN_MUST_CHECK;

/* --- With no bus running --- */

struct tn_dlq_progress;
struct tn_dlq_offline {
	const char *store_path;
	uint64_t store_max_size_bytes;
	struct tn_dlq_terms terms;
	bool dry_run;                     /* count only */
	int64_t wall_now_ms;
	/* Its started_ms and cutoff_ms name the kept task of progress_queue (kept_task.h): goes on with that, keeps how far it is with each
	 * page, forgets it at the end. NULL: from the start. */
	struct tn_dlq_progress *progress;
	struct tn_str progress_queue;
};

/* Opens the store (TN_BUSY: a bus has it; the error names its admin socket), moves what is selected in batches of 256, closes it. Whatever
 * ends it half way, each record is in one place, and the same call goes on from there; out_tally is filled in in any case, and goes on from progress. TN_NOT_FOUND:
 * there is no store, or no such task any more. TN_FULL: it has no room for the move. TN_IO. */
enum tn_status tn_dlq_apply_offline(const struct tn_dlq_offline *offline, struct tn_dlq_tally *out_tally, struct tn_error *error)
	TN_MUST_CHECK;
/* Puts dead letters into a closed store, all or none, under new keys (which are filled in). */
enum tn_status tn_dlq_insert_offline(struct tn_store *store, struct tn_row *rows, struct tn_event *const *events, uint32_t count,
	struct tn_error *error) TN_MUST_CHECK;

/* --- Away and back: one structured CloudEvent a line --- */

enum { TN_DLQ_LINE_MAX = 4 * 1024 * 1024, TN_DLQ_IMPORT_LINES = 100 };
/* Appends the record as the data of a CloudEvent of type "turnout.deadletter" on one line, with a newline. It is complete: the event is
 * byte for byte what it was. */
void tn_dlq_export_line(const struct tn_dlq_view *view, const struct tn_row *row, const struct tn_event *event, struct tn_buf *out);
/* The inverse: a DEAD row without key and target number, its strings in arena. wall_offset_ms as in the view. Returns owned the event.
 * TN_INVALID says what is wrong. */
enum tn_status tn_dlq_import_line(struct tn_str line, int64_t wall_offset_ms, struct tn_arena *arena, struct tn_row *out_row,
	struct tn_event **out_event, struct tn_error *error) TN_MUST_CHECK;

#endif
