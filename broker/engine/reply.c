/* SPDX-License-Identifier: Apache-2.0
 *
 * reply.c - a target's answer that is an event: durable before the delivery it answers counts as done (delivery-semantics section 10).
 *
 * Called by admission.c with a reply, offered while its attempt still runs; by attempt.c with that attempt's result; by arrival.c
 * when the reply is durable, or refused. A reply is an arrival of its own, without a stream: nobody waits for its answer but the parent.
 *
 *   offer(parent's token) --> JOURNALING --durable--> its deliveries start; the parent is DELIVERED
 *   result DELIVERED: the parent gives its slot back and stays INFLIGHT meanwhile
 *                                        --refused--> the parent has failed, REPLY_REFUSED: tried again, with the same ids in the reply
 */
#include "core.h"
#include "arrival.h"
#include "attempt.h"

static void forget_asker(struct tn_slot *slot)
{
	if (slot->reply != NULL)
		slot->reply->asker = NULL;
	slot->reply = NULL;
}

enum tn_status tn_reply_may_come(struct tn_engine *engine, uint64_t token, size_t bytes)
{
	const struct tn_slot *slot = tn_attempt_find(engine, token);
	if (slot == NULL || slot->state != TN_SLOT_RUNNING || slot->attempt.purpose != TN_TO_TARGET || slot->attempt.txn != 0 ||
		slot->count > 1 || slot->replied)
		return TN_NOT_FOUND;
	if (engine->drained || tn_journal_refuses(engine))
		return TN_FULL;
	/* What is in hand makes room only by getting done: a quarter above the budget is for its replies. */
	size_t limit = engine->config.memory_bytes + engine->config.memory_bytes / 4;
	return engine->books.memory_bytes + bytes > limit ? TN_FULL : TN_OK;
}

void tn_reply_enter(struct tn_engine *engine, struct tn_arrival_in_hand *reply, uint64_t token)
{
	struct tn_slot *slot = tn_attempt_find(engine, token);
	slot->replied = true;
	slot->reply = reply;
	reply->asker = slot;
	reply->reply_bytes = reply->size;
	for (uint32_t i = 0; i < reply->count; i++)
		reply->reply_bytes += reply->parcels[i].cost;
	engine->reply_bytes += reply->reply_bytes;
	engine->books.replies++;
}

bool tn_reply_keeps(struct tn_engine *engine, struct tn_slot *slot, const struct tn_outcome *outcome)
{
	struct tn_arrival_in_hand *reply = slot->reply;
	bool refused = slot->reply_refused && outcome->verdict == TN_DELIVERED;
	forget_asker(slot);
	slot->replied = slot->reply_refused = false;
	if (outcome->verdict != TN_DELIVERED || (reply == NULL && !refused) || TN_PLANT(30))
		return false;
	engine->books.replying++;
	if (refused)
		tn_reply_ended(engine, slot->load.delivery, false);
	else
		reply->parent = slot->load.delivery;
	return true;
}

void tn_reply_forget(struct tn_slot *slot)
{
	forget_asker(slot);
	slot->replied = slot->reply_refused = false;
}

void tn_reply_ended(struct tn_engine *engine, struct tn_delivery *parent, bool durable)
{
	engine->books.replying--;
	if (durable) {
		tn_books_note_end(engine, parent, TN_STATE_DELIVERED, 0);
		tn_delivery_end(engine, parent, TN_STATE_DELIVERED);
		return;
	}
	engine->books.replies_refused++;
	tn_books_note(engine, TN_NOTE_REPLY_REFUSED, parent, "REPLY_REFUSED", 0);
	tn_delivery_answered(engine, parent, &engine->builtin[TN_FAILURE_REPLY_REFUSED]->outcome);
}

void tn_reply_settled(struct tn_engine *engine, struct tn_arrival_in_hand *reply, bool durable)
{
	struct tn_delivery *parent = reply->parent;
	reply->parent = NULL;
	if (reply->asker != NULL)
		reply->asker->reply_refused = !durable;
	if (reply->asker != NULL)
		forget_asker(reply->asker);
	if (parent != NULL)
		tn_reply_ended(engine, parent, durable);
}
