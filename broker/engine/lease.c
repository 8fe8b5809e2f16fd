/* SPDX-License-Identifier: Apache-2.0
 *
 * lease.c - how long a position may stay unsettled in memory, and, where its source only lent it, saying in time that it is still at work.
 *
 * Called by stream.c when a stream opens, by arrival.c as positions come and are answered, and each tick. Streams of equal terms
 * share one tenure; within it everything falls due in order of acceptance, so each queue is a list and needs no heap.
 *
 *   lent     first EXTEND after a third of the lease, and so on each third until the answer (delivery-semantics section 3)
 *   overdue  unsettled for settle_ms, at most half the lease: what waits is parked; looked at again each settle_ms
 */
#include "core.h"
#include "arrival.h"

static struct tn_tenure *find(const struct tn_engine *engine, int64_t lease_ms)
{
	for (struct tn_link *link = tn_list_first(&engine->tenures); link != NULL; link = tn_list_next(&engine->tenures, link)) {
		struct tn_tenure *tenure = TN_OWNER(link, struct tn_tenure, link);
		if (tenure->lease_ms == lease_ms)
			return tenure;
	}
	return NULL;
}

struct tn_tenure *tn_lease_tenure(struct tn_engine *engine, int64_t lease_ms)
{
	lease_ms = tn_time_max(lease_ms, 0);
	struct tn_tenure *tenure = find(engine, lease_ms);
	if (tenure != NULL)
		return tenure;
	tenure = tn_budget_take_furniture(engine, sizeof(*tenure));
	if (tenure == NULL)
		return NULL;
	tenure->lease_ms = lease_ms;
	tenure->settle_ms = engine->config.settle_deadline_ms;
	if (lease_ms > 0)
		tenure->settle_ms = tn_time_max(1, tn_time_min(tenure->settle_ms, lease_ms / 2));
	tn_list_init(&tenure->overdue);
	tn_list_init(&tenure->lent);
	tn_list_push(&engine->tenures, &tenure->link);
	return tenure;
}

static int64_t next_extension(const struct tn_engine *engine, const struct tn_tenure *tenure)
{
	return tn_time_add(engine->now_ms, tn_time_max(1, tenure->lease_ms / 3));
}

void tn_lease_enter(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, struct tn_tenure *tenure)
{
	arrival->tenure = tenure;
	arrival->overdue_ms = tn_time_add(engine->now_ms, tenure->settle_ms);
	tn_list_push(&tenure->overdue, &arrival->overdue);
	if (tenure->lease_ms == 0)
		return;
	arrival->extend_ms = next_extension(engine, tenure);
	tn_list_push(&tenure->lent, &arrival->lent);
}

/* --- Still at work --- */

static struct tn_arrival_in_hand *first_lent(const struct tn_tenure *tenure)
{
	struct tn_link *link = tn_list_first(&tenure->lent);
	return link == NULL ? NULL : TN_OWNER(link, struct tn_arrival_in_hand, lent);
}

bool tn_lease_next(struct tn_engine *engine, struct tn_command *out_command)
{
	for (struct tn_link *link = tn_list_first(&engine->tenures); link != NULL; link = tn_list_next(&engine->tenures, link)) {
		struct tn_tenure *tenure = TN_OWNER(link, struct tn_tenure, link);
		struct tn_arrival_in_hand *arrival = first_lent(tenure);
		if (arrival == NULL || arrival->extend_ms > engine->now_ms)
			continue;
		tn_link_leave(&arrival->lent);
		arrival->extend_ms = next_extension(engine, tenure);
		if (!TN_PLANT(27))
			tn_list_push(&tenure->lent, &arrival->lent);
		engine->books.extended++;
		*out_command = (struct tn_command){.kind = TN_EXTEND, .position = arrival->position};
		return true;
	}
	return false;
}

/* --- Overdue: an event may not stay unsettled in memory for ever --- */

/* While memory is full, waiting deliveries get an eighth of the time. */
static int64_t head_start(const struct tn_engine *engine, const struct tn_tenure *tenure)
{
	return engine->full ? tenure->settle_ms - tenure->settle_ms / 8 : 0;
}

static void check_overdue(struct tn_engine *engine, struct tn_tenure *tenure)
{
	struct tn_link *link;
	int64_t until_ms = tn_time_add(engine->now_ms, head_start(engine, tenure));
	int64_t again_ms = tn_time_add(engine->now_ms, tenure->settle_ms);
	while ((link = tn_list_first(&tenure->overdue)) != NULL) {
		struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, overdue);
		if (arrival->overdue_ms > until_ms || arrival->overdue_ms >= again_ms)
			return;
		tn_link_leave(link);
		arrival->overdue_ms = again_ms;
		tn_list_push(&tenure->overdue, link);
		tn_arrival_park_waiting(engine, arrival);
	}
}

void tn_lease_tick(struct tn_engine *engine)
{
	for (struct tn_link *link = tn_list_first(&engine->tenures); link != NULL && !engine->draining;
		link = tn_list_next(&engine->tenures, link))
		check_overdue(engine, TN_OWNER(link, struct tn_tenure, link));
}

int64_t tn_lease_deadline(const struct tn_engine *engine)
{
	int64_t deadline_ms = INT64_MAX;
	for (struct tn_link *link = tn_list_first(&engine->tenures); link != NULL; link = tn_list_next(&engine->tenures, link)) {
		const struct tn_tenure *tenure = TN_OWNER(link, const struct tn_tenure, link);
		const struct tn_arrival_in_hand *lent = first_lent(tenure);
		if (lent != NULL)
			deadline_ms = tn_time_min(deadline_ms, lent->extend_ms);
		struct tn_link *first = tn_list_first(&tenure->overdue);
		if (first == NULL || engine->draining)
			continue;
		int64_t due_ms = TN_OWNER(first, const struct tn_arrival_in_hand, overdue)->overdue_ms - head_start(engine, tenure);
		deadline_ms = tn_time_min(deadline_ms, tn_time_max(due_ms, engine->now_ms + 1));
	}
	return deadline_ms;
}

void tn_lease_free_all(struct tn_engine *engine)
{
	struct tn_link *link;
	while ((link = tn_list_pop(&engine->tenures)) != NULL)
		tn_budget_give_furniture(engine, TN_OWNER(link, struct tn_tenure, link), sizeof(struct tn_tenure));
}
