/* SPDX-License-Identifier: Apache-2.0
 *
 * shed.c - twice a second: is there more than can be done? Then sources whose senders wait for an answer say 503 at
 * once.
 *
 * Started by bus.c. Sources of brokers need none of it: they have no credit and pause. How much of the store is journal
 * is estimated from the number of its rows, since rows of all kinds share its pages. Bus thread.
 */
#include "shed.h"
#include "bus_parts.h"

#include <event2/event.h>
#include <stdlib.h>

enum { SAMPLE_MS = 500, MEMORY_MS = 1000, LAG_LIMIT_MS = 500, LAG_MS = 5000, JOURNAL_STOP = 80, JOURNAL_GO = 75 };

struct shedding {
	struct tn_bus *bus;
	struct event *timer;
	struct tn_shed_judge judge;
	int64_t due_ms, lag_ms;
};

/* --- Judging --- */

static bool lasts(int64_t *since_ms, bool now, int64_t now_ms, int64_t limit_ms)
{
	if (!now)
		*since_ms = 0;
	else if (*since_ms == 0)
		*since_ms = now_ms > 0 ? now_ms : 1;
	return now && now_ms - *since_ms >= limit_ms;
}

enum tn_shed tn_shed_judge(struct tn_shed_judge *judge, const struct tn_shed_sample *sample)
{
	bool memory = lasts(&judge->memory_since_ms, sample->memory_full, sample->now_ms, MEMORY_MS);
	bool lag = lasts(&judge->lag_since_ms, sample->lag_ms > LAG_LIMIT_MS, sample->now_ms, LAG_MS);
	uint64_t limit = judge->reason == TN_SHED_JOURNAL ? JOURNAL_GO : JOURNAL_STOP;
	bool journal = sample->journal_bytes > sample->journal_limit_bytes / 100 * limit;
	judge->reason = journal ? TN_SHED_JOURNAL : memory ? TN_SHED_MEMORY : lag ? TN_SHED_LAG : TN_SHED_NO;
	return judge->reason;
}

/* --- Sampling --- */

static struct tn_shed_sample take_sample(struct shedding *shedding)
{
	struct tn_store_facts facts;
	struct tn_bus *bus = shedding->bus;
	int64_t now_ms = tn_clock_mono_ms(&bus->clock);
	tn_store_facts(bus->store, &facts);
	uint64_t rows = facts.rows[TN_ROW_OPEN] + facts.rows[TN_ROW_PARKED] + facts.rows[TN_ROW_DEAD];
	shedding->lag_ms = now_ms > shedding->due_ms ? now_ms - shedding->due_ms : 0;
	shedding->due_ms = now_ms + SAMPLE_MS;
	return (struct tn_shed_sample){.now_ms = now_ms,
	        .lag_ms = shedding->lag_ms,
	        .memory_full = tn_engine_full(bus->engine),
	        .journal_bytes =
	                rows > 0 ? (uint64_t)((double)facts.used_bytes * (double)facts.rows[TN_ROW_OPEN] / (double)rows)
	                         : 0,
	        .journal_limit_bytes = facts.max_bytes / 2};
}

static void change(struct tn_bus *bus, enum tn_shed before, enum tn_shed now)
{
	static const char *const why[] = {NULL, "more events are in hand than limits.memory allows",
	        "the journal is nearly full", "the bus is too busy"};
	if (now != TN_SHED_NO)
		tn_log_warn(&bus->log, "senders are turned away", "why=\"%s\"", why[now]);
	else
		tn_log_info(&bus->log, "senders are let in again", "after=\"%s\"", why[before]);
	tn_sources_shed(bus, why[now]);
	if (now == TN_SHED_MEMORY)
		tn_intake_turn_away(bus, why[now]);
}

static void wait(struct shedding *shedding)
{
	event_add(shedding->timer, &(struct timeval){.tv_usec = SAMPLE_MS * 1000});
}

static void on_sample(evutil_socket_t fd, short what, void *arg)
{
	struct shedding *shedding = arg;
	enum tn_shed before = shedding->judge.reason;
	struct tn_shed_sample sample = take_sample(shedding);
	enum tn_shed now = tn_shed_judge(&shedding->judge, &sample);
	if (now != before && shedding->bus->sources_open && shedding->bus->phase < TN_BUS_DRAINING)
		change(shedding->bus, before, now);
	wait(shedding);
}

struct shedding *tn_shedding_new(struct tn_bus *bus)
{
	struct shedding *shedding = calloc(1, sizeof *shedding);
	if (!shedding || !(shedding->timer = evtimer_new(bus->workers[0].base, on_sample, shedding)))
		abort();
	shedding->bus = bus;
	shedding->due_ms = tn_clock_mono_ms(&bus->clock) + SAMPLE_MS;
	wait(shedding);
	return shedding;
}

void tn_shedding_free(struct shedding *shedding)
{
	if (!shedding)
		return;
	event_free(shedding->timer);
	free(shedding);
}

void tn_bus_shedding(const struct tn_bus *bus, struct tn_bus_shed *out_view)
{
	static const char *const names[] = {NULL, "memory", "journal", "lag"};
	*out_view = (struct tn_bus_shed){0};
	if (bus->shedding)
		*out_view = (struct tn_bus_shed){
		        .reason = names[bus->shedding->judge.reason], .lag_ms = bus->shedding->lag_ms};
}
