/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics.c - the bus in the Prometheus text format; every name with its help.
 *
 * Called by admin.c for GET /metrics. Reads views, owns nothing. Bus thread.
 */
#include "admin_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "turnout/connector.h"

static void head(struct tn_buf *out, const char *name, const char *type, const char *help)
{
	tn_buf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(struct tn_buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	tn_buf_addf(out, "%s %" PRIu64 "\n", name, value);
}

/* Label values: backslash, quote and newline are escaped; names of rules and targets have none of them. */
static void labelled(struct tn_buf *out, const char *name, const char *label, struct tn_str of, uint64_t value)
{
	tn_buf_addf(out, "%s{%s=\"%.*s\"} %" PRIu64 "\n", name, label, TN_STR_ARG(of), value);
}

static void add_books(struct tn_buf *out, const struct tn_books *books)
{
	const struct {
		const char *name, *help;
		uint64_t value;
	} counters[] = {
		{"turnout_events_accepted_total", "Events admitted", books->accepted},
		{"turnout_events_unmatched_total", "Events that no rule matched", books->unmatched},
		{"turnout_deliveries_matched_total", "Books, left: deliveries made by matching", books->matched},
		{"turnout_deliveries_recovered_total", "Books, left: rows found at start", books->recovered},
		{"turnout_deliveries_redriven_total", "Books, left: dead letters sent again", books->redriven},
		{"turnout_deliveries_delivered_total", "Books, right: accepted by their target", books->delivered},
		{"turnout_deliveries_dead_total", "Books, right: dead-lettered", books->dead},
		{"turnout_deliveries_dropped_total", "Books, right: dropped by explicit policy", books->dropped},
		{"turnout_deliveries_released_total", "Books, right: given back to their source undone", books->released},
		{"turnout_attempts_total", "Attempts started", books->attempts},
		{"turnout_retries_total", "Failed attempts that will be repeated", books->retried},
		{"turnout_parks_total", "Times a delivery was parked", books->parks},
		{"turnout_late_success_total", "Successes that came after the attempt's timeout", books->late_success},
		{"turnout_replies_total", "Events that targets answered with, taken", books->replies},
		{"turnout_replies_refused_total", "Replies the store had no room for; their deliveries are repeated", books->replies_refused},
		{"turnout_staged_aborted_total", "Deliveries staged in a transaction that was aborted; they go again", books->staged_aborted},
		{"turnout_reply_loop_total", "Replies to replies, beyond limits.reply_hops: dead letters", books->reply_loop},
		{"turnout_quarantined_total", "Events that ended the process too often: dead letters", books->quarantined},
		{"turnout_extended_total", "Leases of sources that were extended", books->extended},
		{"turnout_orphaned_attempts_total", "Attempts that outlived their source's stream", books->orphaned_attempts},
		{"turnout_store_commit_unknown_total", "Commits with unknown outcome, repeated", books->commit_unknown},
		{"turnout_store_commit_refused_total", "Batches refused by a full store", books->commit_refused},
		{"turnout_acks_sent_total", "Answers and acks to sources", books->ack_sent},
		{"turnout_stale_acks_total", "Acks dropped because their stream had ended", books->stale_acks},
		{"turnout_poison_total", "Messages that could not be read as an event", books->poison},
		{"turnout_no_target_total", "Deliveries dead-lettered because rule or target is gone", books->no_target},
		{"turnout_offers_full_total", "Offers that had to wait for room", books->refused_full},
		{"turnout_deduplicated_total", "Events that were copies of one that is durable or settled", books->deduplicated},
		{"turnout_dedup_conflict_total", "Events whose idempotency key belonged to another payload", books->dedup_conflict},
		{"turnout_dedup_unknown_total", "Events admitted although their keys could not be looked up", books->dedup_unknown},
	};
	for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
		single(out, counters[i].name, "counter", counters[i].help, counters[i].value);
	single(out, "turnout_deliveries_parked", "gauge", "Books, right: deliveries waiting in the store", books->parked);
	const char *hand = "turnout_deliveries_in_hand";
	head(out, hand, "gauge", "Books, right: deliveries in hand by state");
	labelled(out, hand, "state", TN_STR("pending"), books->pending);
	labelled(out, hand, "state", TN_STR("backoff"), books->backoff);
	labelled(out, hand, "state", TN_STR("inflight"), books->inflight);
	labelled(out, hand, "state", TN_STR("staged"), books->staged);
	labelled(out, hand, "state", TN_STR("parking"), books->parking);
	labelled(out, hand, "state", TN_STR("burying"), books->burying);
	single(out, "turnout_books_closed", "gauge", "1: matched + recovered + redriven = delivered + dead + dropped + released + parked + in hand",
		tn_books_closed(books));
	single(out, "turnout_dedup_in_progress", "gauge", "Idempotency keys of events at work", books->keys_in_progress);
	single(out, "turnout_store_uncommitted", "gauge", "Deliveries at their end that are not durable yet: a crash repeats at most these and those in flight",
		books->uncommitted);
	single(out, "turnout_memory_bytes", "gauge", "Events and deliveries in hand, charged to limits.memory", books->memory_bytes);
}

typedef uint64_t (*target_value)(const struct tn_target_view *view);

static uint64_t view_in_flight(const struct tn_target_view *view)
{
	return view->in_flight;
}

static uint64_t view_pending(const struct tn_target_view *view)
{
	return view->pending;
}

static uint64_t view_backoff(const struct tn_target_view *view)
{
	return view->backoff;
}

static uint64_t view_parked(const struct tn_target_view *view)
{
	return view->parked;
}

static uint64_t view_paused(const struct tn_target_view *view)
{
	return view->paused_until_ms != 0 || view->dead_full;
}

static uint64_t view_parked_bytes(const struct tn_target_view *view)
{
	return view->parked_bytes;
}

static uint64_t view_park_full(const struct tn_target_view *view)
{
	return view->park_full;
}

static uint64_t view_limit(const struct tn_target_view *view)
{
	return view->limit;
}

static uint64_t view_tokens(const struct tn_target_view *view)
{
	return view->tokens;
}

static uint64_t view_over_budget(const struct tn_target_view *view)
{
	return view->over_budget;
}

static uint64_t view_budget_waits(const struct tn_target_view *view)
{
	return view->budget_waits;
}

static uint64_t view_breaker(const struct tn_target_view *view)
{
	return view->breaker;
}

static uint64_t view_breaker_opened(const struct tn_target_view *view)
{
	return view->breaker_opened;
}

static uint64_t view_delivered(const struct tn_target_view *view)
{
	return view->delivered;
}

static uint64_t view_retried(const struct tn_target_view *view)
{
	return view->retried;
}

static uint64_t view_dead(const struct tn_target_view *view)
{
	return view->dead;
}

static uint64_t view_dropped(const struct tn_target_view *view)
{
	return view->dropped;
}

static uint64_t view_redriven(const struct tn_target_view *view)
{
	return view->redriven;
}

static uint64_t view_redrive_failed(const struct tn_target_view *view)
{
	return view->redrive_failed;
}

static uint64_t view_redrive_delivered(const struct tn_target_view *view)
{
	return view->redrive_delivered;
}


static uint64_t view_lanes_waiting(const struct tn_target_view *view)
{
	return view->lanes_waiting;
}

static uint64_t view_lanes_blocked(const struct tn_target_view *view)
{
	return view->lanes_blocked;
}

static void add_targets(struct tn_buf *out, const struct tn_engine *engine)
{
	static const struct {
		const char *name, *type, *help;
		target_value value;
	} rows[] = {
		{"turnout_target_in_flight", "gauge", "Attempts under way", view_in_flight},
		{"turnout_target_pending", "gauge", "Deliveries waiting for a slot", view_pending},
		{"turnout_target_backoff", "gauge", "Deliveries waiting in memory for their next try", view_backoff},
		{"turnout_target_parked", "gauge", "Deliveries waiting in the store", view_parked},
		{"turnout_target_lanes_waiting", "gauge", "Keys of an ordered target with something that waits its turn", view_lanes_waiting},
		{"turnout_target_lanes_blocked", "gauge", "Keys of an ordered target that a dead letter blocks", view_lanes_blocked},
		{"turnout_target_paused", "gauge", "1 while Retry-After or a full dead-letter queue holds the target", view_paused},
		{"turnout_target_breaker", "gauge", "Circuit breaker: 0 closed, 1 half-open, 2 open", view_breaker},
		{"turnout_target_breaker_opened_total", "counter", "Times the circuit breaker opened", view_breaker_opened},
		{"turnout_target_parked_bytes", "gauge", "What those deliveries and their events take, for the park cap", view_parked_bytes},
		{"turnout_target_park_full", "gauge", "1: as many or as much as may be is parked", view_park_full},
		{"turnout_target_limit", "gauge", "Attempts at once as things are: max_in_flight, or less with adaptive concurrency", view_limit},
		{"turnout_target_rate_tokens", "gauge", "Attempts the rate allows at this moment; 0 without a rate", view_tokens},
		{"turnout_target_over_retry_budget", "gauge", "Retries that wait for the retry budget", view_over_budget},
		{"turnout_target_retry_budget_waits_total", "counter", "Times a retry had to wait for the retry budget", view_budget_waits},
		{"turnout_target_delivered_total", "counter", "Accepted", view_delivered},
		{"turnout_target_retried_total", "counter", "Failed attempts that will be repeated", view_retried},
		{"turnout_target_dead_total", "counter", "Dead-lettered", view_dead},
		{"turnout_target_dropped_total", "counter", "Dropped by explicit policy", view_dropped},
		{"turnout_target_redriven_total", "counter", "Dead letters sent again", view_redriven},
		{"turnout_target_redrive_delivered_total", "counter", "Redriven ones whose first attempt was accepted", view_redrive_delivered},
		{"turnout_target_redrive_failed_total", "counter", "Redriven ones whose first attempt failed", view_redrive_failed},
	};
	struct tn_target_view view;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		head(out, rows[i].name, rows[i].type, rows[i].help);
		for (uint32_t t = 0; t < tn_engine_target_count(engine); t++)
			if (tn_engine_target_view(engine, t, &view))
				labelled(out, rows[i].name, "target", view.name, rows[i].value(&view));
	}
}

static void add_drops(struct tn_buf *out, const struct tn_bus *bus)
{
	const char *name = "turnout_rule_dropped_total";
	struct tn_bus_drop drop;
	head(out, name, "counter", "Dropped by explicit policy; without names: of rules beyond the first thousand");
	for (size_t i = 0; tn_bus_drop(bus, i, &drop); i++)
		tn_buf_addf(out, "%s{rule=\"%.*s\",target=\"%.*s\"} %" PRIu64 "\n", name, TN_STR_ARG(drop.rule), TN_STR_ARG(drop.target),
			drop.count);
}

static uint64_t view_dead_rows(const struct tn_target_view *view)
{
	return view->dead_rows;
}

static uint64_t view_dead_bytes(const struct tn_target_view *view)
{
	return view->dead_bytes;
}

static uint64_t view_dead_full(const struct tn_target_view *view)
{
	return view->dead_full;
}

static void queue_line(struct tn_buf *out, const char *name, const struct tn_target_view *view, uint64_t value)
{
	struct tn_str queue = view->queue.len > 0 ? view->queue : TN_STR("default");
	tn_buf_addf(out, "%s{queue=\"%.*s\",target=\"%.*s\"} %" PRIu64 "\n", name, TN_STR_ARG(queue), TN_STR_ARG(view->name), value);
}

static uint64_t age_seconds(const struct tn_bus *bus, int64_t since_ms)
{
	int64_t now_ms = tn_bus_engine_ms(bus);
	return since_ms == 0 || since_ms > now_ms ? 0 : (uint64_t)(now_ms - since_ms) / 1000;
}

static void add_parked_age(struct tn_buf *out, const struct tn_bus *bus)
{
	const char *oldest = "turnout_target_parked_oldest_seconds";
	struct tn_target_view view;
	head(out, oldest, "gauge", "Age of the event of the oldest parked delivery, as of some seconds ago; 0: there is none");
	for (uint32_t t = 0; t < tn_engine_target_count(tn_bus_engine(bus)); t++)
		if (tn_engine_target_view(tn_bus_engine(bus), t, &view))
			labelled(out, oldest, "target", view.name, age_seconds(bus, tn_bus_oldest_parked_ms(bus, t)));
}

static void add_dead_letters(struct tn_buf *out, const struct tn_bus *bus)
{
	static const struct {
		const char *name, *help;
		target_value value;
	} rows[] = {
		{"turnout_dead_letters", "Dead letters in the store, by the target's queue", view_dead_rows},
		{"turnout_dead_letter_bytes", "What they count for against the queue's max_size", view_dead_bytes},
		{"turnout_dead_letters_full", "1: the target rests, it has all the dead letters it may have", view_dead_full},
	};
	const struct tn_engine *engine = tn_bus_engine(bus);
	const char *oldest = "turnout_dead_letter_oldest_seconds";
	struct tn_target_view view;
	struct tn_bus_keeping keeping;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		head(out, rows[i].name, "gauge", rows[i].help);
		for (uint32_t t = 0; t < tn_engine_target_count(engine); t++)
			if (tn_engine_target_view(engine, t, &view))
				queue_line(out, rows[i].name, &view, rows[i].value(&view));
	}
	head(out, oldest, "gauge", "Age of the oldest dead letter, as of some seconds ago; 0: there is none");
	for (uint32_t t = 0; t < tn_engine_target_count(engine); t++) {
		if (tn_engine_target_view(engine, t, &view))
			queue_line(out, oldest, &view, age_seconds(bus, tn_bus_oldest_dead_ms(bus, t)));
	}
	tn_bus_keeping(bus, &keeping);
	single(out, "turnout_dead_letters_expired_total", "counter", "Purged when their queue's retention was over", keeping.expired);
	single(out, "turnout_dead_letters_dropped_total", "counter", "Purged by overflow: drop_oldest", keeping.dropped);
}

static void add_sources(struct tn_buf *out, const struct tn_bus *bus)
{
	struct tn_source_view view;
	size_t count = tn_bus_source_count(bus);
	head(out, "turnout_source_messages_total", "counter", "Messages and requests handed over");
	for (size_t i = 0; i < count; i++) {
		tn_bus_source_view(bus, i, &view);
		labelled(out, "turnout_source_messages_total", "source", view.name, view.messages);
	}
	head(out, "turnout_source_refused_total", "counter", "Messages refused with a reason");
	for (size_t i = 0; i < count; i++) {
		tn_bus_source_view(bus, i, &view);
		labelled(out, "turnout_source_refused_total", "source", view.name, view.refused);
	}
	head(out, "turnout_source_over_rate_total", "counter", "Messages refused because their source was over its rate");
	for (size_t i = 0; i < count; i++) {
		tn_bus_source_view(bus, i, &view);
		labelled(out, "turnout_source_over_rate_total", "source", view.name, view.over_rate);
	}
	const char *oldest = "turnout_source_unsettled_oldest_seconds";
	head(out, oldest, "gauge", "Age of the source's oldest event, of this run, that is neither settled nor parked; 0: there is none");
	for (size_t i = 0; i < count; i++) {
		tn_bus_source_view(bus, i, &view);
		labelled(out, oldest, "source", view.name, age_seconds(bus, view.oldest_ms));
	}
}

struct counted_source {
	struct tn_str name;
	struct tn_source_count counts[TN_SOURCE_COUNTS_MAX];
	size_t count;
};

static const struct tn_source_count *find_count(const struct counted_source *source, const char *name)
{
	for (size_t i = 0; i < source->count; i++)
		if (strcmp(source->counts[i].name, name) == 0)
			return &source->counts[i];
	return NULL;
}

static bool counted_before(const struct counted_source *sources, size_t end, const char *name)
{
	for (size_t i = 0; i < end; i++)
		if (find_count(&sources[i], name))
			return true;
	return false;
}

/* All sources that count it: the lines of one name stand together. */
static void add_source_count(
	struct tn_buf *out, const struct counted_source *sources, size_t count, const struct tn_source_count *shown)
{
	char name[96];
	snprintf(name, sizeof name, "turnout_source_%s_total", shown->name);
	head(out, name, "counter", shown->help);
	for (size_t i = 0; i < count; i++) {
		const struct tn_source_count *found = find_count(&sources[i], shown->name);
		if (found)
			labelled(out, name, "source", sources[i].name, found->value);
	}
}

static void add_source_counts(struct tn_buf *out, struct tn_bus *bus)
{
	struct tn_source_view view;
	size_t count = tn_bus_source_count(bus);
	struct counted_source *sources = calloc(count ? count : 1, sizeof *sources);
	if (!sources)
		abort();
	for (size_t i = 0; i < count; i++) {
		tn_bus_source_view(bus, i, &view);
		sources[i].name = view.name;
		sources[i].count = tn_bus_source_counts(bus, i, sources[i].counts);
	}
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < sources[i].count; j++)
			if (!counted_before(sources, i, sources[i].counts[j].name))
				add_source_count(out, sources, count, &sources[i].counts[j]);
	free(sources);
}

static void add_store(struct tn_buf *out, struct tn_store *store)
{
	static const char *const states[] = {"", "open", "tried", "parked", "dead"};
	struct tn_store_facts facts;
	tn_store_facts(store, &facts);
	head(out, "turnout_store_rows", "gauge", "Rows in the store by state");
	for (unsigned i = 1; i < 5; i++)
		labelled(out, "turnout_store_rows", "state", tn_str_from(states[i]), facts.rows[i]);
	single(out, "turnout_store_keys", "gauge", "Idempotency keys in the store, of store.max_keys", facts.seen);
	single(out, "turnout_store_keys_left_out_total", "counter", "Idempotency keys not found for lack of memory: duplicates pass",
		facts.seen_left_out);
	single(out, "turnout_store_used_bytes", "gauge", "Bytes used of store.max_size", facts.used_bytes);
	single(out, "turnout_store_max_bytes", "gauge", "store.max_size", facts.max_bytes);
	single(out, "turnout_store_free_disk_bytes", "gauge", "Free space of the store's file system", facts.free_disk_bytes);
	single(out, "turnout_store_nearly_full", "gauge", "1: intake is refused until there is room", facts.nearly_full);
	single(out, "turnout_store_commits_total", "counter", "Transactions committed", facts.commits);
	single(out, "turnout_store_batches_total", "counter", "Batches applied", facts.batches);
	single(out, "turnout_store_bad_records_total", "counter", "Damaged records moved aside", facts.bad_records);
	single(out, "turnout_trace_written_total", "counter", "Entries written for `turnout trace`", facts.ledger_written);
	single(out, "turnout_trace_dropped_total", "counter", "Entries for `turnout trace` that found no room", facts.ledger_dropped);
}

uint64_t tn_metrics_resident_bytes(void)
{
	unsigned long long size = 0, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");
	if (file && fscanf(file, "%llu %llu", &size, &resident) != 2)
		resident = 0;
	if (file)
		fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void add_process(struct tn_buf *out, const struct tn_bus *bus)
{
	struct tn_bus_counts counts;
	tn_bus_counts(bus, &counts);
	single(out, "turnout_ready", "gauge", "1 while sources are open", tn_bus_phase(bus) == TN_BUS_READY);
	single(out, "turnout_rules", "gauge", "Rules of the running revision", counts.rules);
	single(out, "turnout_rules_revision", "gauge", "Number of the running revision", counts.revision);
	single(out, "turnout_reloads_total", "counter", "Reloads that took effect", counts.reloads);
	single(out, "turnout_reload_errors_total", "counter", "Reloads refused; the old rules went on", counts.reload_errors);
	single(out, "turnout_reload_failing", "gauge", "1: the newest rules or configuration on disk were refused", counts.reload_failing);
	single(out, "turnout_plain_refused_total", "counter", "Requests that were not CloudEvents", counts.plain_refused);
	single(out, "turnout_arrivals_waiting", "gauge", "Decoded arrivals waiting for room", counts.waiting);
	single(out, "turnout_clock_ahead_seconds", "gauge", "How far the wall clock is ahead of the bus's, which does not follow it; 0: it does",
		(uint64_t)(tn_bus_clock_ahead_ms(bus) / 1000));
	static const char *const reasons[] = {"memory", "journal", "lag"};
	struct tn_bus_shed shed;
	tn_bus_shedding(bus, &shed);
	head(out, "turnout_shedding", "gauge", "1: senders are turned away, and why");
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		labelled(out, "turnout_shedding", "reason", tn_str_from(reasons[i]), shed.reason && strcmp(shed.reason, reasons[i]) == 0);
	single(out, "turnout_loop_lag_milliseconds", "gauge", "How late the event loop was when it was last looked at", (uint64_t)shed.lag_ms);
	struct tn_bus_quarantine quarantine;
	tn_bus_quarantine(bus, &quarantine);
	single(out, "turnout_quarantined", "gauge", "Messages, stored events and deliveries that ended the process 3 times", quarantine.held);
	single(out, "turnout_poison_crash_total", "counter", "Dead-lettered unseen because they are quarantined", quarantine.buried);
	single(out, "turnout_crash_strikes", "gauge", "Strikes given at this start, after an unclean exit", quarantine.strikes);
	single(out, "turnout_log_suppressed_total", "counter", "Log lines left out to keep the log readable", counts.notes_suppressed);
	single(out, "turnout_log_dropped_total", "counter", "Log lines that could not be written", counts.log_dropped);
	single(out, "process_resident_memory_bytes", "gauge", "Resident memory", tn_metrics_resident_bytes());
	single(out, "process_start_time_seconds", "gauge", "Start of the process", (uint64_t)(counts.started_ms / 1000));
}

void tn_metrics_write(struct tn_bus *bus, struct tn_buf *out)
{
	const struct tn_engine *engine = tn_bus_engine(bus);
	add_process(out, bus);
	add_books(out, tn_engine_books(engine));
	single(out, "turnout_oldest_in_hand_seconds", "gauge", "Age of the oldest event in hand",
		age_seconds(bus, tn_engine_books(engine)->oldest_accepted_ms));
	add_targets(out, engine);
	add_drops(out, bus);
	add_parked_age(out, bus);
	add_dead_letters(out, bus);
	add_sources(out, bus);
	add_source_counts(out, bus);
	add_store(out, tn_bus_store(bus));
}
