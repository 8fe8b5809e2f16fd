/* SPDX-License-Identifier: Apache-2.0
 *
 * status.c - the bus at a glance, as one JSON object, for `turnout status`.
 *
 * Called by admin.c for GET /status. Built with jansson: not a hot path. Bus thread.
 */
#include "admin_parts.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *text(struct tn_str str)
{
	return json_stringn(str.bytes ? str.bytes : "", str.len);
}

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *books_json(const struct tn_books *books)
{
	json_t *all = json_pack("{s:o s:o s:o s:o s:o s:o s:o s:o s:{s:o s:o s:o s:o s:o s:o} s:b s:o s:o s:o s:o}", "matched", number(books->matched),
		"recovered", number(books->recovered), "redriven", number(books->redriven), "delivered", number(books->delivered), "dead",
		number(books->dead), "dropped", number(books->dropped), "released", number(books->released), "parked",
		number(books->parked), "in_hand", "pending", number(books->pending), "backoff", number(books->backoff), "inflight",
		number(books->inflight), "staged", number(books->staged), "parking", number(books->parking), "burying",
		number(books->burying), "closed", tn_books_closed(books), "accepted", number(books->accepted), "unmatched",
		number(books->unmatched), "attempts", number(books->attempts), "retried", number(books->retried));
	json_object_set_new(all, "deduplicated", number(books->deduplicated));
	json_object_set_new(all, "dedup_conflict", number(books->dedup_conflict));
	json_object_set_new(all, "dedup_in_progress", number(books->keys_in_progress));
	return all;
}

static const char *const breaker_states[] = {"closed", "half_open", "open"};

static json_t *breaker_json(const struct tn_bus *bus, const struct tn_target_view *view)
{
	json_t *breaker = json_pack("{s:s s:o}", "state", breaker_states[view->breaker], "opened", number(view->breaker_opened));
	if (view->breaker != TN_BREAKER_CLOSED)
		json_object_set_new(breaker, "code", json_string(view->breaker_code ? view->breaker_code : ""));
	if (view->breaker == TN_BREAKER_OPEN && view->breaker_until_ms != INT64_MAX) {
		char until[TN_TIME_TEXT_SIZE];
		tn_clock_format(tn_bus_wall_of(bus, view->breaker_until_ms), until);
		json_object_set_new(breaker, "until", json_string(until));
	}
	return breaker;
}

static json_t *targets_json(const struct tn_bus *bus)
{
	const struct tn_engine *engine = tn_bus_engine(bus);
	json_t *list = json_array();
	struct tn_target_view view;
	for (uint32_t i = 0; i < tn_engine_target_count(engine); i++) {
		if (!tn_engine_target_view(engine, i, &view))
			continue;
		json_t *target = json_pack("{s:o s:i s:i s:o s:o s:o s:o s:o s:o s:o}", "name", text(view.name), "in_flight",
			(int)view.in_flight, "max_in_flight", (int)view.max_in_flight, "pending", number(view.pending), "backoff",
			number(view.backoff), "parked", number(view.parked), "delivered", number(view.delivered), "retried",
			number(view.retried), "dead", number(view.dead), "dropped", number(view.dropped));
		if (view.removed)
			json_object_set_new(target, "removed", json_true());
		json_object_set_new(target, "breaker", breaker_json(bus, &view));
		json_object_set_new(target, "parked_bytes", number(view.parked_bytes));
		json_object_set_new(target, "limit", number(view.limit));
		if (view.rate.count > 0)
			json_object_set_new(target, "rate", json_pack("{s:i s:I s:i}", "count", (int)view.rate.count, "period_ms",
				(json_int_t)view.rate.period_ms, "tokens", (int)view.tokens));
		if (view.park_full)
			json_object_set_new(target, "park_full", json_pack("{s:o s:o s:s}", "max_parked", number(view.max_parked),
				"max_parked_bytes", number(view.max_parked_bytes), "then", view.pauses ? "pause_source" : "dead_letter"));
		if (view.over_budget > 0)
			json_object_set_new(target, "over_retry_budget", number(view.over_budget));
		if (view.lanes > 0)
			json_object_set_new(target, "lanes", json_pack("{s:i s:i s:i}", "known", (int)view.lanes, "waiting",
				(int)view.lanes_waiting, "blocked", (int)view.lanes_blocked));
		if (view.paused_until_ms) {
			char until[TN_TIME_TEXT_SIZE];
			tn_clock_format(tn_bus_wall_of(bus, view.paused_until_ms), until);
			json_object_set_new(target, "paused_until", json_string(until));
			json_object_set_new(target, "paused_by", json_string(view.pause_code ? view.pause_code : ""));
		}
		json_object_set_new(target, "dead_letters", json_pack("{s:o s:o s:o s:o s:b}", "queue",
			text(view.queue.len > 0 ? view.queue : TN_STR("default")), "rows", number(view.dead_rows), "bytes",
			number(view.dead_bytes), "max_bytes", number(view.dead_max_bytes), "full", view.dead_full));
		json_array_append_new(list, target);
	}
	return list;
}

static json_t *sources_json(const struct tn_bus *bus)
{
	json_t *list = json_array();
	struct tn_source_view view;
	for (size_t i = 0; i < tn_bus_source_count(bus); i++) {
		tn_bus_source_view(bus, i, &view);
		json_t *source = json_pack("{s:o s:s s:b s:o s:o s:o}", "name", text(view.name), "kind", view.kind, "open",
			view.open, "messages", number(view.messages), "refused", number(view.refused), "answered", number(view.answered));
		if (view.rate.len > 0) {
			json_object_set_new(source, "rate", text(view.rate));
			json_object_set_new(source, "over_rate", number(view.over_rate));
		}
		json_array_append_new(list, source);
	}
	return list;
}

static json_t *store_json(const struct tn_bus *bus)
{
	struct tn_store_facts facts;
	tn_store_facts(tn_bus_store(bus), &facts);
	return json_pack("{s:o s:o s:o s:o s:o s:o s:o s:b s:o}", "open", number(facts.rows[TN_ROW_OPEN]), "tried",
		number(facts.rows[TN_ROW_TRIED]), "parked", number(facts.rows[TN_ROW_PARKED]), "dead", number(facts.rows[TN_ROW_DEAD]),
		"used_bytes", number(facts.used_bytes), "max_bytes", number(facts.max_bytes), "free_disk_bytes",
		number(facts.free_disk_bytes), "nearly_full", facts.nearly_full, "bad_records", number(facts.bad_records));
}

void tn_status_write(struct tn_bus *bus, struct tn_buf *out)
{
	static const char *const phases[] = {"starting", "ready", "draining", "stopped"};
	struct tn_bus_counts counts;
	char started[TN_TIME_TEXT_SIZE];
	const struct tn_books *books = tn_engine_books(tn_bus_engine(bus));
	tn_bus_counts(bus, &counts);
	tn_clock_format(counts.started_ms, started);
	json_t *status = json_pack("{s:o s:s s:s s:{s:o s:o s:o s:o s:b} s:o s:o s:o s:o}", "bus", text(tn_bus_config(bus)->bus), "phase",
		phases[tn_bus_phase(bus)], "started", started, "rules", "count", number(counts.rules), "revision",
		number(counts.revision), "reloads", number(counts.reloads), "reload_errors", number(counts.reload_errors), "failing",
		counts.reload_failing, "books", books_json(books), "sources", sources_json(bus), "targets", targets_json(bus), "store",
		store_json(bus));
	int64_t now_ms = tn_bus_engine_ms(bus);
	if (books->oldest_accepted_ms <= now_ms)
		json_object_set_new(status, "oldest_in_hand_ms", number((uint64_t)(now_ms - books->oldest_accepted_ms)));
	json_object_set_new(status, "now_ms", number((uint64_t)now_ms));
	json_object_set_new(status, "memory", json_pack("{s:o s:o s:o}", "in_hand_bytes", number(books->memory_bytes), "max_bytes",
		number(tn_bus_config(bus)->memory_bytes), "resident_bytes", number(tn_metrics_resident_bytes())));
	json_object_set_new(json_object_get(status, "books"), "parks", number(books->parks));
	struct tn_bus_shed shed;
	tn_bus_shedding(bus, &shed);
	if (shed.reason)
		json_object_set_new(status, "shedding", json_string(shed.reason));
	json_object_set_new(status, "clock_ahead_ms", number((uint64_t)tn_bus_clock_ahead_ms(bus)));
	char *json = json_dumps(status, JSON_COMPACT);
	json_decref(status);
	if (!json)
		abort();
	tn_buf_add_text(out, json);
	free(json);
}
