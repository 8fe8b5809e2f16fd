/* SPDX-License-Identifier: Apache-2.0
 *
 * notes.c - the engine's decisions as log lines, never more of one kind than a person can read.
 *
 * A dead target may mean thousands of parked deliveries a second: each kind of note has a budget of lines, and what was left out is
 * counted and said with the next line. At log level debug everything is written. Bus thread.
 */
#include "bus_parts.h"

#include "turnout/base64.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { KINDS = TN_NOTE_UNMATCHED + 1, LINES_A_WINDOW = 5, WINDOW_MS = 1000 };

struct kind {
	int64_t window_start_ms;
	unsigned lines;
	uint64_t left_out; /* since the last line */
};
struct notes {
	struct tn_bus *bus;
	struct kind kinds[KINDS];
	uint64_t suppressed;
};

static const struct {
	enum tn_log_level level;
	const char *message;
} wording[KINDS] = {
	[TN_NOTE_RETRY] = {TN_LOG_DEBUG, "delivery will be tried again"},
	[TN_NOTE_PARKED] = {TN_LOG_INFO, "delivery parked"},
	[TN_NOTE_DEAD] = {TN_LOG_WARN, "delivery dead-lettered"},
	[TN_NOTE_DROPPED] = {TN_LOG_WARN, "delivery dropped by policy"},
	[TN_NOTE_TIMEOUT] = {TN_LOG_DEBUG, "attempt timed out"},
	[TN_NOTE_LATE_SUCCESS] = {TN_LOG_INFO, "target answered after its timeout"},
	[TN_NOTE_ORPHAN] = {TN_LOG_INFO, "attempt outlived its source's stream"},
	[TN_NOTE_COMMIT_UNKNOWN] = {TN_LOG_ERROR, "store commit failed; the same batch is submitted again"},
	[TN_NOTE_COMMIT_REFUSED] = {TN_LOG_ERROR, "store is full; free disk space or raise store.max_size"},
	[TN_NOTE_TARGET_PAUSED] = {TN_LOG_WARN, "target paused"},
	[TN_NOTE_PARK_FULL] = {TN_LOG_WARN, "park cap of target reached"},
	[TN_NOTE_NO_TARGET] = {TN_LOG_WARN, "rule or target of a stored delivery is gone"},
	[TN_NOTE_MEMORY_FULL] = {TN_LOG_WARN, "memory limit reached; sources wait"},
	[TN_NOTE_STALE_ACK] = {TN_LOG_DEBUG, "answer for a stream that ended was dropped"},
	[TN_NOTE_LANE_BLOCKED] = {TN_LOG_ERROR, "lane stands still: a dead letter blocks it; see `turnout lanes list`"},
	[TN_NOTE_DEAD_FULL] = {TN_LOG_ERROR, "target rests: it has all the dead letters it may have; redrive or purge some"},
	[TN_NOTE_BREAKER_OPENED] = {TN_LOG_WARN, "breaker of target opened; no attempts until it is probed"},
	[TN_NOTE_BREAKER_HALF_OPEN] = {TN_LOG_INFO, "breaker of target half-open; probing"},
	[TN_NOTE_BREAKER_CLOSED] = {TN_LOG_INFO, "breaker of target closed"},
	[TN_NOTE_REPLY_REFUSED] = {TN_LOG_WARN, "target's reply refused by a full store; it will be asked again"},
};

struct notes *tn_notes_new(struct tn_bus *bus)
{
	struct notes *notes = calloc(1, sizeof *notes);
	if (!notes)
		abort();
	notes->bus = bus;
	return notes;
}

void tn_notes_free(struct notes *notes)
{
	free(notes);
}

uint64_t tn_notes_suppressed(const struct notes *notes)
{
	return notes->suppressed;
}

/* May this line be written? Counts it either way. */
static bool take_line(struct notes *notes, struct kind *kind)
{
	int64_t now_ms = tn_clock_mono_ms(&notes->bus->clock);
	if (now_ms - kind->window_start_ms >= WINDOW_MS) {
		kind->window_start_ms = now_ms;
		kind->lines = 0;
	}
	if (kind->lines < LINES_A_WINDOW || notes->bus->log.level == TN_LOG_DEBUG) {
		kind->lines++;
		return true;
	}
	kind->left_out++;
	notes->suppressed++;
	return false;
}

/* --- A line --- */

struct facts {
	char text[1200];
	size_t len;
};

static void add(struct facts *facts, const char *format, ...) TN_PRINTF(2, 3);
static void add(struct facts *facts, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	size_t room = sizeof facts->text - facts->len;
	int len = vsnprintf(facts->text + facts->len, room, format, args);
	va_end(args);
	facts->len += len < 0 ? 0 : (size_t)len < room ? (size_t)len : room - 1;
}

/* Only what says something: the breaker of a target has no rule, what was never tried no status. Each begins with a space. */
static void add_facts(struct facts *facts, const struct notes *notes, const struct tn_note *note, uint64_t left_out)
{
	static const struct tn_id none;
	char id[TN_ID_TEXT_SIZE], message[512];
	int64_t wait_ms = note->due_ms ? note->due_ms - tn_bus_engine_ms(notes->bus) : 0;
	if (note->rule.len > 0)
		add(facts, " rule=%.*s", TN_STR_ARG(note->rule));
	if (note->target.len > 0)
		add(facts, " target=%.*s", TN_STR_ARG(note->target));
	if (memcmp(&note->id, &none, sizeof none) != 0) {
		tn_base32_id(note->id.bytes, id);
		add(facts, " delivery=%s attempts=%u", id, note->attempts);
	}
	if (note->code)
		add(facts, " code=%s", note->code);
	if (note->status)
		add(facts, " status=%d", note->status);
	if (wait_ms > 0) /* else it was due before this was written */
		add(facts, " next_ms=%lld", (long long)wait_ms);
	if (left_out > 0)
		add(facts, " left_out=%llu", (unsigned long long)left_out);
	if (note->message.len > 0)
		add(facts, " why=%s", tn_log_quote(note->message.bytes, note->message.len, message, sizeof message));
}

static void write_line(const struct notes *notes, const struct tn_note *note, uint64_t left_out)
{
	struct facts facts;
	facts.len = 0;
	add_facts(&facts, notes, note, left_out);
	tn_log_write(&notes->bus->log, wording[note->kind].level, wording[note->kind].message, "%s", facts.len > 0 ? facts.text + 1 : "");
}

void tn_notes_write(void *arg, const struct tn_note *note)
{
	struct notes *notes = arg;
	struct kind *kind = &notes->kinds[note->kind];
	enum tn_log_level level = wording[note->kind].level;
	tn_stories_note(notes->bus, note);
	if (note->kind == TN_NOTE_DROPPED)
		tn_drops_count(notes->bus->drops, note->rule, note->target);
	if (!wording[note->kind].message || level < notes->bus->log.level || !take_line(notes, kind))
		return;
	write_line(notes, note, kind->left_out);
	kind->left_out = 0;
}
