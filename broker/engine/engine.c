/* SPDX-License-Identifier: Apache-2.0
 *
 * engine.c - the turn: time in, decisions out.
 *
 * Called by whoever runs the loop: the host, the simulator, the bench. Owns the engine; the steps are in the files of their nouns.
 * One delivery of a journaled request, end to end:
 *
 *   tn_engine_offer     admission.c admitted, its block taken; waits in the journal's line
 *   next: STORE         batch.c     event and OPEN row
 *   tn_engine_stored    journal.c   OK: answered, its deliveries PENDING
 *   next: ACK, START    arrival.c, attempt.c
 *   tn_engine_result    delivery.c  DELIVERED: ended, its row to be dropped
 *   next: CREDIT, STORE stream.c, batch.c
 *   tn_engine_stored    the block is given back
 */
#include "core.h"
#include "arrival.h"
#include "attempt.h"
#include "lane.h"
#include "moves.h"
#include "stream.h"
#include "target.h"
#include "txn.h"

const struct tn_engine_config tn_engine_config_default = {
	.max_in_flight = 4096,
	.memory_bytes = 64 << 20,
	.window = 1000,
	.park_after_ms = 10000,
	.settle_deadline_ms = 15000,
	.recover_window_ms = 600000,
	.revoke_grace_ms = 5000,
	.page_rows = 256,
	.page_bytes = 1 << 20,
	.max_uncommitted = TN_BATCH_OPS,
	.next_seq = 1,
};

static void init_lists(struct tn_engine *engine)
{
	struct tn_list *lists[] = {&engine->arrivals, &engine->tenures, &engine->answers, &engine->streams, &engine->streams_dirty,
		&engine->remembered, &engine->graveyard, &engine->ready_under, &engine->ready_over, &engine->scans,
		&engine->settled, &engine->loaded, &engine->lanes_touched, &engine->lanes_standing, &engine->lanes_released,
		&engine->txns, &engine->txns_touched, &engine->slots_free, &engine->lingering, &engine->cancels};
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		tn_list_init(lists[i]);
}

static void init_numbers(struct tn_engine *engine, const struct tn_engine_config *config, uint64_t seed)
{
	engine->config = *config;
	engine->random.state = seed;
	engine->hash_key = tn_random_next(&engine->random);
	engine->next_seq = config->next_seq > 0 ? config->next_seq : 1;
	engine->quarter = config->max_in_flight / 4 > 0 ? config->max_in_flight / 4 : 1;
	engine->scan_bytes = config->page_bytes < config->memory_bytes / 4 ? config->page_bytes : config->memory_bytes / 4;
	engine->lane_seq = (uint64_t)(engine->now_ms + 1) << TN_LANE_SEQ_BITS; /* the run before may have ended in this millisecond */
	engine->reader.end_seq = engine->next_seq;
	engine->reader.stage = config->recover && config->store_rows > 0 ? TN_SCAN_FOR_TRIED : TN_SCAN_FOR_DUE;
}

static enum tn_status init_parts(struct tn_engine *engine)
{
	tn_heap_init(&engine->backoffs, engine->alloc);
	tn_heap_init(&engine->target_times, engine->alloc);
	if (tn_map_init(&engine->by_key, engine->alloc) != TN_OK || tn_map_init(&engine->by_id, engine->alloc) != TN_OK ||
		tn_map_init(&engine->streams_by_number, engine->alloc) != TN_OK ||
		tn_map_init(&engine->lanes, engine->alloc) != TN_OK || tn_map_init(&engine->lanes_blocked, engine->alloc) != TN_OK)
		return TN_NO_MEMORY;
	engine->own_tenure = tn_lease_tenure(engine, 0);
	if (engine->own_tenure == NULL)
		return TN_NO_MEMORY;
	if (tn_dedup_init(engine) != TN_OK || tn_target_new_nobody(engine) != TN_OK)
		return TN_NO_MEMORY;
	return tn_journal_init(engine);
}

enum tn_status tn_engine_new(const struct tn_engine_config *config, struct tn_alloc alloc, uint64_t seed, int64_t now_ms,
	struct tn_engine **out_engine)
{
	struct tn_engine *engine = alloc.resize(alloc.arg, NULL, 0, sizeof(*engine));
	if (engine == NULL)
		return TN_NO_MEMORY;
	memset(engine, 0, sizeof(*engine));
	engine->alloc = alloc;
	engine->now_ms = now_ms;
	engine->books.oldest_accepted_ms = INT64_MAX;
	init_lists(engine);
	init_numbers(engine, config, seed);
	if (config->note == NULL)
		engine->config.note_detail = TN_NOTES_DECISIONS;
	tn_failure_init_builtins(engine);
	if (init_parts(engine) != TN_OK) {
		tn_engine_free(engine);
		return TN_NO_MEMORY;
	}
	engine->intake_limit_bytes = engine->config.memory_bytes - engine->scan_bytes;
	*out_engine = engine;
	return TN_OK;
}

/* --- Time --- */

static void wake_deliveries(struct tn_engine *engine)
{
	struct tn_heap_node *node;
	while ((node = tn_heap_pop_due(&engine->backoffs, engine->now_ms)) != NULL)
		tn_delivery_due(engine, TN_OWNER(node, struct tn_delivery, timer));
}

static void wake_targets(struct tn_engine *engine)
{
	struct tn_heap_node *node;
	while ((node = tn_heap_pop_due(&engine->target_times, engine->now_ms)) != NULL)
		tn_target_wake(engine, TN_OWNER(node, struct tn_target, timer));
}

void tn_engine_tick(struct tn_engine *engine, int64_t now_ms)
{
	if (now_ms > engine->now_ms || TN_PLANT(25))
		engine->now_ms = now_ms;
	wake_targets(engine);
	tn_attempt_tick(engine);
	wake_deliveries(engine);
	tn_lease_tick(engine);
	tn_dedup_tick(engine);
	tn_stream_tick(engine);
	tn_txn_tick(engine);
	tn_journal_tick(engine);
	tn_drain_tick(engine);
}

static int64_t start_deadline(const struct tn_engine *engine)
{
	bool some = !tn_list_empty(&engine->ready_under) || !tn_list_empty(&engine->ready_over);
	return some && engine->start_at_ms > engine->now_ms ? engine->start_at_ms : INT64_MAX;
}

int64_t tn_engine_deadline(const struct tn_engine *engine)
{
	int64_t times[] = {tn_heap_deadline(&engine->backoffs), tn_heap_deadline(&engine->target_times),
		tn_attempt_deadline(engine), tn_lease_deadline(engine), tn_stream_deadline(engine), tn_journal_deadline(engine),
		tn_scan_deadline(engine), tn_txn_deadline(engine), start_deadline(engine), tn_heap_deadline(&engine->claims.times),
		engine->draining && !engine->drained ? engine->drain_end_ms : INT64_MAX};
	int64_t deadline_ms = INT64_MAX;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		deadline_ms = tn_time_min(deadline_ms, times[i]);
	return deadline_ms;
}

/* --- Decisions --- */

static bool next_start(struct tn_engine *engine, struct tn_command *out_command)
{
	uint32_t limit = engine->config.max_in_flight;
	while (engine->in_flight < limit && engine->orphans < limit && engine->start_at_ms <= engine->now_ms && !tn_journal_lags(engine)) {
		struct tn_link *link = tn_list_first(&engine->ready_under);
		if (link == NULL)
			link = tn_list_first(&engine->ready_over);
		if (link == NULL)
			return false;
		if (tn_attempt_start(engine, TN_OWNER(link, struct tn_target, ring), out_command) == TN_OK)
			return true;
		if (engine->ask_again) /* a death: what that changes, of lanes and transactions, comes before another start */
			return false;
	}
	return false;
}

static bool next_room(struct tn_engine *engine, struct tn_command *out_command)
{
	if (!engine->room_owed)
		return false;
	engine->room_owed = false;
	*out_command = (struct tn_command){.kind = TN_ROOM};
	return true;
}

static bool next_once(struct tn_engine *engine, struct tn_command *out_command)
{
	do {
		tn_lane_advance_all(engine);
		tn_txn_advance_all(engine);
	} while (!tn_list_empty(&engine->lanes_touched));
	return tn_attempt_next(engine, out_command) || tn_txn_next(engine, out_command) || tn_dedup_next(engine, out_command) ||
	       tn_arrival_next(engine, out_command) || tn_stream_next(engine, out_command) ||
	       tn_lease_next(engine, out_command) || tn_journal_next(engine, out_command) || tn_moves_next(engine, out_command) ||
	       next_start(engine, out_command) || tn_scan_next(engine, out_command) ||
	       next_room(engine, out_command) || tn_drain_next(engine, out_command);
}

/* Looking for a start may bury what turned out too old, which gives those asked before something to say. */
bool tn_engine_next(struct tn_engine *engine, struct tn_command *out_command)
{
	do {
		engine->ask_again = false;
		if (next_once(engine, out_command))
			return true;
	} while (engine->ask_again || !tn_list_empty(&engine->lanes_touched) || !tn_list_empty(&engine->txns_touched));
	return false;
}

const struct tn_books *tn_engine_books(const struct tn_engine *engine)
{
	return &engine->books;
}

/* --- The end: whatever is in hand is let go, as if the process had died --- */

static void free_loaded(struct tn_engine *engine)
{
	struct tn_link *link;
	while ((link = tn_list_pop(&engine->loaded)) != NULL) {
		struct tn_parcel *parcel = TN_OWNER(link, struct tn_parcel, link);
		tn_failure_unref(engine, parcel->deliveries->last);
		tn_parcel_drop(parcel);
		tn_budget_give(engine, parcel, parcel->size);
	}
}

void tn_engine_free(struct tn_engine *engine)
{
	if (engine == NULL)
		return;
	for (uint32_t i = 0; i < engine->journal.failure_count && engine->journal.outstanding; i++)
		tn_failure_unref(engine, engine->journal.failures[i]);
	tn_attempt_free_all(engine);
	engine->full = false; /* nobody is told of room any more */
	tn_arrival_free_all(engine);
	free_loaded(engine);
	tn_stream_free_all(engine);
	tn_txn_free_all(engine);
	tn_lease_free_all(engine);
	tn_target_free_all(engine);
	tn_journal_fini(engine);
	tn_moves_fini(engine);
	tn_heap_fini(&engine->backoffs);
	tn_heap_fini(&engine->target_times);
	tn_map_fini(&engine->by_key);
	tn_map_fini(&engine->by_id);
	tn_map_fini(&engine->streams_by_number);
	tn_dedup_fini(engine);
	tn_map_fini(&engine->lanes);
	tn_map_fini(&engine->lanes_blocked);
	engine->alloc.resize(engine->alloc.arg, engine, sizeof(*engine), 0);
}
