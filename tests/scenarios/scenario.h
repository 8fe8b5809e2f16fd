/* SPDX-License-Identifier: Apache-2.0
 *
 * scenario.h - one scenario file: a real engine, a clock that stands still until it is told, and a store that is a table.
 *
 * README.md in this folder is the language. A line is a verb and its words; a verb is a function here and a row in the table of
 * script.c. What the engine does becomes a happening: a kind, whom it is about, and fields; `expect` finds it by these. So a new command
 * of the engine needs a case in world.c and a row in expect.c's table of kinds, a new input needs a verb in acts.c, a new setting a row in
 * setup.c's tables.
 *
 *   main.c    files and the report          script.c  lines, words, the table of verbs    text.c    numbers, times, names
 *   setup.c   engine, sources, targets, rules, events    acts.c  what the world does to the engine
 *   world.c   the engine's commands, and the clock       shelf.c the store        expect.c  what must have happened
 */
#ifndef TURNOUT_TESTS_SCENARIOS_SCENARIO_H
#define TURNOUT_TESTS_SCENARIOS_SCENARIO_H

#include <stdarg.h>
#include "turnout/engine.h"
#include "turnout/map.h"

enum {
	SCN_NAME = 32, SCN_WORDS = 64, SCN_SOURCES = 8, SCN_TARGETS = 32, SCN_PAIRS = 64, SCN_ROUTES = 128, SCN_EVENTS = 512,
	SCN_POSITIONS = 1024, SCN_ATTEMPTS = 512, SCN_HAPPENINGS = 1024, SCN_FIELDS = 32, SCN_ROWS = 2048, SCN_CODES = 64,
	SCN_STARTS = 2048,
	SCN_ZERO_MS = 1000000, /* engine time of the scenario's 0s */
};

/* --- What happened: kind, whom it is about, fields --- */

enum scn_type { SCN_TEXT, SCN_NUMBER, SCN_TIME };
struct scn_field {
	const char *key;
	enum scn_type type;
	int64_t number;                 /* TIME: milliseconds */
	char text[SCN_NAME];
};
struct scn_happening {
	const char *kind;
	char who[2][SCN_NAME];
	struct scn_field fields[SCN_FIELDS];
	uint32_t field_count;
	bool taken, optional;           /* optional: need not be expected (notes) */
};

/* --- The world --- */

struct scn_source {
	char name[SCN_NAME];
	enum tn_ack_when ack_when;
	struct tn_stream_terms terms;
	bool open, ending, closed;      /* closed: not opened at start */
	uint32_t epoch, credit, unanswered;
	uint64_t txn, txn_end;          /* the last one that was named; the position its commit goes up to */
};
struct scn_target {
	char name[SCN_NAME];
	struct tn_target_limits limits;
	bool removed;                   /* with the next reload */
	bool answers;                   /* each attempt at once, with outcome */
	struct tn_outcome outcome;
};
struct scn_pair {                       /* rule and target, for delivery ids */
	char rule[SCN_NAME];
	uint32_t target_no;
};
struct scn_route {                      /* one revision of a pair */
	uint32_t pair;
	struct tn_route route;
	struct tn_policy policy;
	bool current;
};
struct scn_event {
	char name[SCN_NAME];
	struct tn_event *event;
};
struct scn_position {                   /* one arrival: low is its index + 1 */
	uint32_t source, epoch, event, run;
	bool open;
};
struct scn_attempt {
	const struct tn_attempt *attempt;
	uint32_t event, pair, number;
	bool used, cancelled;
};
struct scn_start {                      /* every attempt at a target ever: for schedules */
	uint32_t event, pair;
	int64_t at_ms;
};
struct scn_row {
	struct tn_row row;              /* its pointers are our own */
	struct tn_outcome last;
	uint32_t event, pair;
	struct tn_event *bytes;
	char origin[SCN_NAME];
};
enum scn_store { SCN_STORE_WORKS, SCN_STORE_WAITS, SCN_STORE_FULL };
struct scn_shelf {
	struct scn_row rows[SCN_ROWS];  /* by key */
	uint32_t count;
	uint64_t next_seq;
	enum scn_store mode;
	bool unreadable;
	const struct tn_batch *batch;   /* the outstanding one */
	const struct tn_scan *scan;
};

struct scenario {
	const char *path;
	uint32_t line;
	bool failed, trace;
	const char *const *words;       /* of this line */
	uint32_t word_count;

	struct tn_engine *engine;       /* NULL: not started, or crashed */
	struct tn_engine_config config;
	int64_t now_ms, removal_grace_ms;
	bool memory_fails, sources_open;
	size_t allocated_bytes;
	uint32_t run;
	uint64_t moves;

	struct scn_source sources[SCN_SOURCES];
	struct scn_target targets[SCN_TARGETS]; /* number - 1 */
	struct scn_pair pairs[SCN_PAIRS];
	struct scn_route routes[SCN_ROUTES];
	struct tn_route poison;
	struct scn_event events[SCN_EVENTS];
	struct scn_position positions[SCN_POSITIONS];
	struct scn_attempt attempts[SCN_ATTEMPTS];
	struct scn_start starts[SCN_STARTS];
	struct scn_happening happenings[SCN_HAPPENINGS];
	char codes[SCN_CODES][SCN_NAME];
	uint32_t source_count, target_count, pair_count, route_count, event_count, position_count, start_count, happening_count, code_count;
	struct scn_shelf shelf;
};

/* main.c: says file:line and what is wrong; the scenario ends. Always false, so that it can be returned. */
bool scn_fail(struct scenario *scenario, const char *format, ...) TN_PRINTF(2, 3);

/* script.c */
bool scn_run_file(struct scenario *scenario, const char *path); /* false: failed, and it was said why */

/* text.c */
bool scn_number(struct scenario *scenario, const char *word, int64_t *out_number);
bool scn_time(struct scenario *scenario, const char *word, int64_t *out_ms); /* 500ms, 2s, 5m, 1h, 3d; 0 */
bool scn_choice(struct scenario *scenario, const char *word, const char *const *choices, uint32_t *out_index);
void scn_print_time(char *out, size_t size, int64_t ms);
bool scn_is(const char *word, const char *other);
bool scn_same_key(const char *word, size_t i, struct scenario *scenario); /* words[i] is word */
const char *scn_code(struct scenario *scenario, const char *text); /* the same text for as long as the scenario lives */

/* setup.c: by name; UINT32_MAX and a message when there is none. */
uint32_t scn_source(struct scenario *scenario, const char *name);
uint32_t scn_target(struct scenario *scenario, const char *name); /* index; its number is one more */
uint32_t scn_event(struct scenario *scenario, const char *name);
uint32_t scn_event_new(struct scenario *scenario, const char *name, uint64_t data_bytes, bool poison); /* or the known one */
const struct scn_route *scn_current_route(const struct scenario *scenario, uint32_t pair);
uint32_t scn_pair_of(const struct scenario *scenario, const struct tn_route *route); /* SCN_PAIRS: poison */
struct tn_id scn_delivery_id(uint32_t event, uint32_t pair);
void scn_split_id(const struct tn_id *id, uint32_t *out_event, uint32_t *out_pair);

/* world.c */
bool scn_start_engine(struct scenario *scenario);
void scn_stop_engine(struct scenario *scenario);
bool scn_obey(struct scenario *scenario); /* all commands; and what the store answers by itself; the books close */
bool scn_advance(struct scenario *scenario, int64_t until_ms); /* through every deadline on the way */
bool scn_settle_up(struct scenario *scenario); /* everything that happened was expected */
struct scn_happening *scn_happen(struct scenario *scenario, const char *kind, const char *who, const char *whom);
void scn_put_text(struct scn_happening *happening, const char *key, const char *text); /* NULL: not put */
void scn_put_number(struct scn_happening *happening, const char *key, int64_t number);
void scn_put_time(struct scn_happening *happening, const char *key, int64_t ms);
void scn_note(void *arg, const struct tn_note *note);
const char *scn_rule_name(const struct scenario *scenario, uint32_t pair);
const char *scn_target_name(const struct scenario *scenario, uint32_t target_no);
bool scn_answer(struct scenario *scenario, struct scn_attempt *attempt, const struct tn_outcome *outcome);

/* shelf.c */
bool scn_shelf_commit(struct scenario *scenario, enum tn_commit commit, bool applied); /* the outstanding batch */
bool scn_shelf_step(struct scenario *scenario); /* what the store does by itself; false: nothing */
void scn_shelf_crash(struct scenario *scenario, bool applied);
void scn_shelf_clear(struct scenario *scenario);
const struct scn_row *scn_shelf_row(const struct scenario *scenario, uint32_t event, uint32_t target_no);
uint64_t scn_shelf_rows(const struct scenario *scenario, uint32_t target_no, enum tn_row_state state);

/* acts.c, setup.c, expect.c: the verbs. words[0] is the verb itself. */
typedef bool (*scn_verb)(struct scenario *scenario);
bool scn_do_engine(struct scenario *scenario);
bool scn_do_source(struct scenario *scenario);
bool scn_do_target(struct scenario *scenario);
bool scn_do_rule(struct scenario *scenario);
bool scn_do_remove(struct scenario *scenario);
bool scn_do_event(struct scenario *scenario);
bool scn_do_poison(struct scenario *scenario);
bool scn_do_result(struct scenario *scenario);
bool scn_do_answers(struct scenario *scenario);
bool scn_do_ready(struct scenario *scenario);
bool scn_do_txn(struct scenario *scenario);
bool scn_do_breaker(struct scenario *scenario);
bool scn_do_advance(struct scenario *scenario);
bool scn_do_jump(struct scenario *scenario);
bool scn_do_store(struct scenario *scenario);
bool scn_do_stream(struct scenario *scenario);
bool scn_do_reload(struct scenario *scenario);
bool scn_do_move(struct scenario *scenario);
bool scn_do_drain(struct scenario *scenario);
bool scn_do_crash(struct scenario *scenario);
bool scn_do_restart(struct scenario *scenario);
bool scn_do_memory(struct scenario *scenario);
bool scn_do_expect(struct scenario *scenario);

/* Words from..: KEY VALUE pairs. Each key must be one of the table. */
enum scn_setting_type { SCN_SET_NUMBER, SCN_SET_COUNT, SCN_SET_SIZE, SCN_SET_TIME, SCN_SET_BOOL, SCN_SET_CHOICE, SCN_SET_TARGET,
	SCN_SET_TIMES };
struct scn_setting {
	const char *name;
	enum scn_setting_type type;     /* COUNT: uint32_t; SIZE: size_t; NUMBER: int64_t; CHOICE: an enum; TARGET: a target's number */
	size_t offset, count_offset;    /* TIMES: int64_t list with commas, and its uint32_t count */
	const char *const *choices;     /* ends with NULL */
};
bool scn_read_settings(struct scenario *scenario, uint32_t from, const struct scn_setting *settings, void *into);

#endif
