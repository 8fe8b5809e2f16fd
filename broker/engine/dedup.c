/* SPDX-License-Identifier: Apache-2.0
 *
 * dedup.c - events that may be copies (delivery-semantics section 11): one at work, its copies behind it, what is done in the store.
 *
 * Called by admission.c with arrivals whose events have idempotency keys, by arrivals as they settle, by the journal, and with the
 * answers to CLAIM. Only keys in progress are in memory: the first event of a key leads, copies that come meanwhile follow it. Who
 * leads asks the store; an arrival goes on (into the books, to the journal, to its targets) when it is known of all its events what
 * they are, so what waits has an arrival before it to wait for, never one behind it.
 *
 *            no leader                                   nothing known
 *   arrives ----------> WANTING --CLAIM--> ASKED ------------------------> AT_WORK --settled--> KEEPING --row durable--> GONE
 *      |                   ^                 | done: it and its                |   JOURNALED: its row rides with the event's --> GONE
 *      | leader            |                 | followers are copies --> GONE   | refused, but perhaps written
 *      '------> FOLLOWING -' its leader was given back, or refused             '---------> VOIDING --row taken back--> GONE
 *
 * Never a loss: a row is put only with the event's own (JOURNALED) or after it settled; a leader that is not settled after all hands
 * its key to the first follower. A key leaves memory only when its row is durable, so a look into the store after a look into the map
 * misses nothing. What may be lost is a row: that costs a duplicate.
 */
#include "core.h"
#include "arrival.h"
#include "lane.h"
#include "stream.h"

enum tn_status tn_dedup_init(struct tn_engine *engine)
{
	struct tn_claims *claims = &engine->claims;
	tn_list_init(&claims->wanted);
	tn_list_init(&claims->out);
	tn_list_init(&claims->resolved);
	tn_heap_init(&claims->times, engine->alloc);
	return tn_map_init(&claims->by_key, engine->alloc);
}

void tn_dedup_fini(struct tn_engine *engine)
{
	tn_heap_fini(&engine->claims.times);
	tn_map_fini(&engine->claims.by_key);
}

static uint32_t hash_key(const struct tn_engine *engine, const struct tn_id *key)
{
	uint64_t low, high;
	memcpy(&low, key->bytes, sizeof(low));
	memcpy(&high, key->bytes + sizeof(low), sizeof(high));
	return tn_map_hash(low ^ (high * 0x9e3779b97f4a7c15u), engine->hash_key);
}

static struct tn_mark *find_leader(const struct tn_engine *engine, const struct tn_id *key)
{
	struct tn_map_node *node = tn_map_find(&engine->claims.by_key, hash_key(engine, key));
	for (; node != NULL; node = tn_map_find_next(node)) {
		struct tn_mark *mark = TN_OWNER(node, struct tn_mark, node);
		if (tn_id_equal(&mark->parcel->dedup_key, key))
			return mark;
	}
	return NULL;
}

static struct tn_arrival_in_hand *arrival_of(const struct tn_mark *mark)
{
	return mark->parcel->arrival;
}

/* Its arrival may be freed by this. */
static void let_go(struct tn_engine *engine, struct tn_mark *mark)
{
	tn_map_remove(&engine->claims.by_key, &mark->node);
	engine->books.keys_in_progress = engine->claims.by_key.count;
	tn_link_leave(&mark->link);
	arrival_of(mark)->wanting -= mark->state == TN_MARK_WANTING;
	mark->state = TN_MARK_GONE;
	mark->parcel->mark = NULL;
	tn_arrival_unpin(engine, arrival_of(mark));
}

/* --- Waiting to be told --- */

static void want(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	if (arrival->wanting > 0 && !tn_link_in_list(&arrival->claim) && !tn_heap_holds(&arrival->claim_timer))
		tn_list_push(&engine->claims.wanted, &arrival->claim);
}

static void ask_for(struct tn_mark *mark)
{
	mark->state = TN_MARK_WANTING;
	arrival_of(mark)->wanting++;
}

static void lead(struct tn_engine *engine, struct tn_mark *mark)
{
	tn_map_put(&engine->claims.by_key, &mark->node, hash_key(engine, &mark->parcel->dedup_key));
	engine->books.keys_in_progress = engine->claims.by_key.count;
	ask_for(mark);
}

static void stop_asking(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	tn_link_leave(&arrival->claim);
	tn_heap_remove(&engine->claims.times, &arrival->claim_timer);
	arrival->claim_token = 0;
}

/* It goes on with the next decision, not within this one: others may be in the middle of theirs. */
static void resolve(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	if (--arrival->unresolved > 0 && !arrival->conflict)
		return;
	stop_asking(engine, arrival);
	tn_list_push(&engine->claims.resolved, &arrival->claim);
}

/* --- Copies --- */

static void let_go_event(struct tn_engine *engine, struct tn_parcel *parcel)
{
	for (uint32_t i = 0; i < parcel->count; i++) {
		tn_lane_leave(engine, &parcel->deliveries[i], TN_STATE_NEW);
		tn_delivery_hold_or_let_go(engine, &parcel->deliveries[i]);
	}
}

static void skip(struct tn_engine *engine, struct tn_mark *mark)
{
	struct tn_parcel *parcel = mark->parcel;
	struct tn_arrival_in_hand *arrival = parcel->arrival;
	arrival->duplicates++;
	arrival->unsettled -= parcel->count;
	let_go_event(engine, parcel);
	let_go(engine, mark);
}

static void skip_followers(struct tn_engine *engine, struct tn_mark *mark)
{
	struct tn_link *link;
	while ((link = tn_list_pop(&mark->followers)) != NULL) {
		struct tn_mark *follower = TN_OWNER(link, struct tn_mark, link);
		resolve(engine, arrival_of(follower));
		skip(engine, follower);
	}
}

/* A copy in the same arrival cannot wait for it, and is settled with it in any case. */
static void skip_twins(struct tn_engine *engine, struct tn_mark *mark)
{
	for (struct tn_link *link = tn_list_first(&mark->followers), *next; link != NULL; link = next) {
		struct tn_mark *follower = TN_OWNER(link, struct tn_mark, link);
		next = tn_list_next(&mark->followers, link);
		if (arrival_of(follower) != arrival_of(mark))
			continue;
		resolve(engine, arrival_of(follower));
		skip(engine, follower);
	}
}

/* The event of a leader is not done after all: its first follower leads from now on. */
static void hand_on(struct tn_engine *engine, struct tn_mark *mark)
{
	tn_map_remove(&engine->claims.by_key, &mark->node);
	struct tn_link *link = tn_list_pop(&mark->followers);
	if (link != NULL) {
		struct tn_mark *next = TN_OWNER(link, struct tn_mark, link);
		tn_list_append(&next->followers, &mark->followers);
		lead(engine, next);
		skip_twins(engine, next);
		want(engine, arrival_of(next));
	}
	let_go(engine, mark);
}

/* The key belongs to another payload: a sender that waits is told so, everybody else's event is a new one, without a key. */
static void disown(struct tn_engine *engine, struct tn_mark *mark)
{
	struct tn_arrival_in_hand *arrival = arrival_of(mark);
	engine->books.dedup_conflict++;
	arrival->conflict = arrival->conflict || arrival->stream->terms.answers;
	hand_on(engine, mark);
}

/* --- Done --- */

int64_t tn_dedup_expiry(const struct tn_engine *engine, const struct tn_mark *mark)
{
	int64_t window_ms = arrival_of(mark)->dedup.window_ms;
	return tn_time_add(engine->now_ms, TN_PLANT(8) ? -window_ms : window_ms);
}

static void keep(struct tn_engine *engine, struct tn_mark *mark)
{
	struct tn_arrival_in_hand *arrival = arrival_of(mark);
	mark->state = TN_MARK_KEEPING;
	mark->expires_ms = tn_dedup_expiry(engine, mark);
	arrival->keeping += arrival->dedup.strict;
	skip_followers(engine, mark);
	tn_journal_keep(engine, mark);
}

/* --- Admitted --- */

/* True: its sender waits, and is to come again later. */
static bool enter(struct tn_engine *engine, struct tn_mark *mark)
{
	struct tn_arrival_in_hand *arrival = arrival_of(mark);
	struct tn_mark *leader = find_leader(engine, &mark->parcel->dedup_key);
	if (leader == NULL) {
		lead(engine, mark);
		arrival->unresolved++;
	} else if (leader->fingerprint != mark->fingerprint) {
		disown(engine, mark);
	} else if (arrival_of(leader) == arrival || leader->state == TN_MARK_KEEPING) {
		skip(engine, mark);
	} else if (arrival->ack_when == TN_ACK_SETTLED && arrival->stream->terms.answers) {
		return true;
	} else {
		mark->state = TN_MARK_FOLLOWING;
		tn_list_push(&leader->followers, &mark->link);
		arrival->unresolved++;
	}
	return false;
}

static void refuse(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, enum tn_reply_kind reply)
{
	tn_dedup_forget(engine, arrival);
	tn_arrival_answer(engine, arrival, reply);
}

void tn_dedup_enter(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	bool busy = false;
	arrival->state = TN_ARRIVAL_CLAIMING;
	engine->claims.times_room++;
	engine->books.unclaimed += arrival->delivery_count;
	for (uint32_t i = 0; i < arrival->mark_count; i++)
		busy = enter(engine, &arrival->marks[i]) || busy;
	if (arrival->conflict)
		refuse(engine, arrival, TN_REPLY_CONFLICT);
	else if (busy)
		refuse(engine, arrival, TN_REPLY_BUSY);
	else if (arrival->unresolved == 0)
		tn_arrival_go(engine, arrival);
	else
		want(engine, arrival);
}

void tn_dedup_forget(struct tn_engine *engine, struct tn_arrival_in_hand *arrival)
{
	stop_asking(engine, arrival);
	for (uint32_t i = 0; i < arrival->mark_count; i++) {
		struct tn_mark *mark = &arrival->marks[i];
		if (mark->parcel->mark != NULL) /* else it is gone already */
			hand_on(engine, mark);
	}
	engine->books.unclaimed -= arrival->delivery_count;
	arrival->unsettled = 0;
	for (uint32_t i = 0; i < arrival->count; i++)
		let_go_event(engine, &arrival->parcels[i]);
}

/* --- What the store knows --- */

static void take_on(struct tn_engine *engine, struct tn_mark *mark)
{
	mark->state = TN_MARK_AT_WORK;
	mark->unsettled = mark->parcel->count;
	if (TN_PLANT(6) && arrival_of(mark)->ack_when == TN_ACK_SETTLED)
		keep(engine, mark);
	resolve(engine, arrival_of(mark));
}

/* Nobody can say what it is. True: its sender is to come again later. */
static bool pass_or_hold(struct tn_engine *engine, struct tn_mark *mark, int64_t *rest_ms)
{
	const struct tn_arrival_in_hand *arrival = arrival_of(mark);
	if (!arrival->dedup.hold) {
		engine->books.dedup_unknown++;
		take_on(engine, mark);
		return false;
	}
	ask_for(mark);
	*rest_ms = tn_time_max(*rest_ms, TN_CLAIM_WAIT_MS);
	return arrival->stream->terms.answers;
}

static bool judge(struct tn_engine *engine, struct tn_mark *mark, const struct tn_claim_answer *answer, int64_t *rest_ms)
{
	struct tn_arrival_in_hand *arrival = arrival_of(mark);
	switch (answer->claim) {
	case TN_CLAIM_NOTHING:
		take_on(engine, mark);
		return false;
	case TN_CLAIM_DONE:
		if (answer->fingerprint == mark->fingerprint) {
			skip_followers(engine, mark);
			skip(engine, mark);
		} else {
			disown(engine, mark);
		}
		resolve(engine, arrival);
		return false;
	case TN_CLAIM_ELSEWHERE:
		ask_for(mark);
		*rest_ms = tn_time_max(*rest_ms, tn_time_min(tn_time_max(answer->recheck_ms, 1), TN_RECHECK_MAX_MS));
		return false;
	case TN_CLAIM_ERROR:
		break;
	}
	return pass_or_hold(engine, mark, rest_ms);
}

/* answers NULL: there are none. */
static void answered(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, const struct tn_claim_answer *answers, uint32_t count)
{
	static const struct tn_claim_answer none = {.claim = TN_CLAIM_ERROR};
	int64_t rest_ms = 0;
	bool unavailable = false;
	uint32_t n = 0;
	stop_asking(engine, arrival);
	for (uint32_t i = 0; i < arrival->mark_count; i++) {
		if (arrival->marks[i].state != TN_MARK_ASKED)
			continue;
		unavailable = judge(engine, &arrival->marks[i], n < count ? &answers[n] : &none, &rest_ms) || unavailable;
		n++;
	}
	if (unavailable)
		refuse(engine, arrival, TN_REPLY_UNAVAILABLE);
	else if (!tn_link_in_list(&arrival->claim) && rest_ms > 0)
		tn_heap_set(&engine->claims.times, &arrival->claim_timer, tn_time_add(engine->now_ms, rest_ms));
	else
		want(engine, arrival); /* some may have come to lead meanwhile */
}

void tn_engine_claimed(struct tn_engine *engine, uint64_t token, const struct tn_claim_answer *answers, uint32_t count)
{
	struct tn_list *out = &engine->claims.out;
	for (struct tn_link *link = tn_list_first(out); link != NULL; link = tn_list_next(out, link)) {
		struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, claim);
		if (arrival->claim_token == token) {
			answered(engine, arrival, answers, count);
			return;
		}
	}
}

void tn_dedup_tick(struct tn_engine *engine)
{
	struct tn_heap_node *node;
	while ((node = tn_heap_pop_due(&engine->claims.times, engine->now_ms)) != NULL) {
		struct tn_arrival_in_hand *arrival = TN_OWNER(node, struct tn_arrival_in_hand, claim_timer);
		if (arrival->claim_token != 0)
			answered(engine, arrival, NULL, 0);
		else
			want(engine, arrival);
	}
}

/* --- The end of a leader --- */

/* JOURNALED ones have left the map by then, or are being taken back. */
void tn_dedup_settled(struct tn_engine *engine, struct tn_mark *mark, enum tn_delivery_state state)
{
	if (mark->state != TN_MARK_AT_WORK || arrival_of(mark)->ack_when == TN_ACK_JOURNALED)
		return;
	if (state == TN_STATE_RELEASED && !TN_PLANT(7))
		hand_on(engine, mark);
	else if (--mark->unsettled == 0)
		keep(engine, mark);
}

void tn_dedup_journaled(struct tn_engine *engine, struct tn_mark *mark)
{
	skip_followers(engine, mark);
	let_go(engine, mark);
}

void tn_dedup_refused(struct tn_engine *engine, struct tn_mark *mark, bool doubtful)
{
	if (!doubtful) {
		hand_on(engine, mark);
		return;
	}
	mark->state = TN_MARK_VOIDING;
	tn_journal_void(engine, mark);
}

void tn_dedup_stored(struct tn_engine *engine, struct tn_mark *mark, bool ok)
{
	struct tn_arrival_in_hand *arrival = arrival_of(mark);
	if (mark->state == TN_MARK_VOIDING) {
		if (ok)
			hand_on(engine, mark);
		else
			tn_journal_void(engine, mark);
		return;
	}
	if (!ok && arrival->dedup.strict) {
		tn_journal_keep(engine, mark);
		return;
	}
	arrival->pins++;
	let_go(engine, mark);
	if (arrival->dedup.strict && --arrival->keeping == 0)
		tn_arrival_answer_kept(engine, arrival);
	tn_arrival_unpin(engine, arrival);
}

/* --- Decisions --- */

static void ask(struct tn_engine *engine, struct tn_arrival_in_hand *arrival, struct tn_command *out_command)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < arrival->mark_count; i++) {
		if (arrival->marks[i].state != TN_MARK_WANTING)
			continue;
		arrival->marks[i].state = TN_MARK_ASKED;
		arrival->keys[count++] = arrival->marks[i].parcel->dedup_key;
	}
	arrival->wanting = 0;
	arrival->claim_token = ++engine->claims.last_token;
	tn_list_push(&engine->claims.out, &arrival->claim);
	tn_heap_set(&engine->claims.times, &arrival->claim_timer, tn_time_add(engine->now_ms, TN_CLAIM_WAIT_MS));
	*out_command = (struct tn_command){
		.kind = TN_CLAIM, .token = arrival->claim_token, .keys = arrival->keys, .key_count = count};
}

bool tn_dedup_next(struct tn_engine *engine, struct tn_command *out_command)
{
	struct tn_link *link;
	while ((link = tn_list_pop(&engine->claims.resolved)) != NULL) {
		struct tn_arrival_in_hand *arrival = TN_OWNER(link, struct tn_arrival_in_hand, claim);
		if (arrival->conflict)
			refuse(engine, arrival, TN_REPLY_CONFLICT);
		else
			tn_arrival_go(engine, arrival);
	}
	if ((link = tn_list_pop(&engine->claims.wanted)) == NULL)
		return false;
	ask(engine, TN_OWNER(link, struct tn_arrival_in_hand, claim), out_command);
	return true;
}
