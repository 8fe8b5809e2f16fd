/* SPDX-License-Identifier: Apache-2.0
 *
 * test_dedup.c - events that may be copies: who leads, who follows, what is kept of it, and that nothing unsettled is ever suppressed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "desk.h"

static struct desk desk;

static const struct tn_claim_answer nothing = {.claim = TN_CLAIM_NOTHING}, done = {.claim = TN_CLAIM_DONE, .fingerprint = 7},
	error = {.claim = TN_CLAIM_ERROR}, elsewhere = {.claim = TN_CLAIM_ELSEWHERE, .recheck_ms = 5000};
static const struct tn_claim_answer both_new[] = {{.claim = TN_CLAIM_NOTHING}, {.claim = TN_CLAIM_NOTHING}};
static const struct desk_key key_1 = {1, 7, 1}, key_2 = {2, 7, 1}, other_payload = {1, 8, 1};

static void open_desk(bool answers)
{
	desk_init(&desk);
	desk.terms.answers = answers;
	desk.dedup.window_ms = 300000;
	desk_open(&desk);
}

static void offer_batch(enum tn_ack_when ack_when, const struct desk_key *keys, uint32_t count)
{
	assert_int_equal(desk_offer_keys(&desk, ack_when, keys, count), TN_OK);
	desk_obey(&desk);
}

static void offer(enum tn_ack_when ack_when, const struct desk_key *key)
{
	offer_batch(ack_when, key, 1);
}

static void offer_two(enum tn_ack_when ack_when)
{
	static const struct desk_key two[] = {{1, 7, 1}, {2, 7, 1}};
	offer_batch(ack_when, two, 2);
}

/* The first of its key, which nobody knows; journaled or started. */
static void offer_first(enum tn_ack_when ack_when)
{
	offer(ack_when, &key_1);
	assert_int_equal(desk.claim_count, 1);
	assert_int_equal(desk.claims[0].key_count, 1);
	assert_int_equal(desk.claims[0].keys[0].bytes[0], 1);
	desk_claimed(&desk, 0, &nothing, 1);
}

static const struct tn_op *seen_op(void)
{
	for (uint32_t i = 0; desk.batch != NULL && i < desk.batch->count; i++) {
		if (desk.batch->ops[i].kind == TN_PUT_SEEN || desk.batch->ops[i].kind == TN_DROP_SEEN)
			return &desk.batch->ops[i];
	}
	return NULL;
}

static void nothing_starts_before_the_store_has_said_what_it_knows(void **state)
{
	open_desk(false);
	offer(TN_ACK_SETTLED, &key_1);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(desk_books(&desk)->unclaimed, 1);
	desk.claim_count = 1;
	desk_claimed(&desk, 0, &nothing, 1);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk_books(&desk)->unclaimed, 0);
	desk_close(&desk);
}

static void the_key_of_a_journaled_event_rides_in_its_batch(void **state)
{
	open_desk(true);
	offer_first(TN_ACK_JOURNALED);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 1);
	assert_int_equal(seen_op()->seen.key.bytes[0], 1);
	assert_int_equal(seen_op()->seen.fingerprint, 7);
	assert_int_equal(seen_op()->seen.expires_ms, desk.now_ms + 300000);
	assert_int_equal(seen_op()->seen.event_seq, desk_row(&desk, 0)->key.event_seq);
	assert_memory_equal(&desk_row(&desk, 0)->dedup_key, &seen_op()->seen.key, 16);
	assert_int_equal(desk_books(&desk)->keys_in_progress, 1);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_JOURNALED);
	assert_int_equal(desk_books(&desk)->keys_in_progress, 0);
	desk_close(&desk);
}

static void a_copy_of_one_being_journaled_waits_and_is_a_duplicate(void **state)
{
	open_desk(true);
	offer_first(TN_ACK_JOURNALED);
	offer(TN_ACK_JOURNALED, &key_1);
	assert_int_equal(desk.claim_count + desk.answer_count, 0);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answer_count, 2);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_JOURNALED);
	assert_int_equal(desk.settlements[1].answer, TN_ANSWER_DUPLICATE);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk_books(&desk)->deduplicated, 1);
	assert_int_equal(desk_books(&desk)->skipped, 1);
	desk_close(&desk);
}

static void a_copy_of_what_the_store_knows_is_a_duplicate_at_once(void **state)
{
	open_desk(true);
	offer(TN_ACK_JOURNALED, &key_1);
	desk_claimed(&desk, 0, &done, 1);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_DUPLICATE);
	assert_null(desk.batch);
	assert_int_equal(desk_books(&desk)->memory_bytes, 0);
	assert_int_equal(desk_books(&desk)->matched, 0);
	desk_close(&desk);
}

static void a_key_with_another_payload_is_a_conflict_for_a_sender_that_waits(void **state)
{
	open_desk(true);
	offer_first(TN_ACK_JOURNALED);
	offer(TN_ACK_JOURNALED, &other_payload);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_CONFLICT);
	desk_commit(&desk, TN_COMMIT_OK);
	offer(TN_ACK_JOURNALED, &other_payload); /* and when only the store knows */
	desk_claimed(&desk, 0, &done, 1);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_CONFLICT);
	assert_int_equal(desk_books(&desk)->dedup_conflict, 2);
	assert_int_equal(desk_books(&desk)->matched, 1);
	desk_close(&desk);
}

static void a_key_with_another_payload_is_a_new_event_without_a_key_elsewhere(void **state)
{
	open_desk(false);
	offer(TN_ACK_SETTLED, &other_payload);
	desk_claimed(&desk, 0, &done, 1);
	assert_int_equal(desk.start_count, 1);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_SETTLED);
	desk_tick(&desk, 50);
	assert_null(desk.batch);
	assert_int_equal(desk_books(&desk)->dedup_conflict, 1);
	desk_close(&desk);
}

static void a_settled_event_is_acked_at_once_and_its_key_kept_soon_after(void **state)
{
	open_desk(false);
	offer_first(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk.answer_count, 1);
	assert_null(desk.batch);
	offer(TN_ACK_SETTLED, &key_1); /* before the key is in the store */
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_DUPLICATE);
	desk_tick(&desk, 20);
	assert_int_equal(desk_ops(&desk, TN_PUT_SEEN), 1);
	assert_int_equal(seen_op()->seen.event_seq, 0);
	assert_int_equal(desk_books(&desk)->keys_in_progress, 1);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->keys_in_progress, 0);
	assert_int_equal(desk_books(&desk)->memory_bytes, 0);
	desk_close(&desk);
}

static void a_strict_source_hears_of_it_when_the_key_is_durable(void **state)
{
	open_desk(false);
	desk.dedup.strict = true;
	offer_first(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk.answer_count, 0);
	assert_int_equal(desk_ops(&desk, TN_PUT_SEEN), 1); /* and it does not wait for company */
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.answer_count, 0);
	desk_tick(&desk, 200);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_SETTLED);
	assert_int_equal(desk.settlements[0].delivered, 1);
	desk_close(&desk);
}

static void a_key_the_store_has_no_room_for_costs_a_duplicate_at_most(void **state)
{
	open_desk(false);
	offer_first(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_DELIVERED);
	desk_tick(&desk, 20);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk_books(&desk)->keys_in_progress, 0);
	assert_int_equal(desk_books(&desk)->memory_bytes, 0);
	desk_close(&desk);
}

static void a_copy_joins_the_one_at_work_and_is_settled_with_it(void **state)
{
	open_desk(false);
	offer_first(TN_ACK_SETTLED);
	uint64_t start = desk.starts[0].token;
	offer(TN_ACK_SETTLED, &key_1);
	assert_int_equal(desk.claim_count + desk.start_count + desk.answer_count, 0);
	desk_answer_to(&desk, start, TN_DELIVERED);
	assert_int_equal(desk.answer_count, 2);
	assert_int_equal(desk.settlements[1].answer, TN_ANSWER_DUPLICATE);
	desk_close(&desk);
}

static void a_sender_that_waits_for_delivery_hears_that_its_event_is_at_work(void **state)
{
	open_desk(true);
	offer_first(TN_ACK_SETTLED);
	offer(TN_ACK_SETTLED, &key_1);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_BUSY);
	assert_int_equal(desk_books(&desk)->accepted, 1);
	desk_close(&desk);
}

static void a_copy_takes_over_when_the_first_one_is_refused(void **state)
{
	open_desk(true);
	offer_first(TN_ACK_JOURNALED);
	offer(TN_ACK_JOURNALED, &key_1);
	offer(TN_ACK_JOURNALED, &key_1);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_UNAVAILABLE);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.claim_count, 1);
	desk_claimed(&desk, 0, &nothing, 1);
	desk_tick(&desk, 200);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 1);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answer_count, 2);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_JOURNALED);
	assert_int_equal(desk.settlements[1].answer, TN_ANSWER_DUPLICATE);
	desk_close(&desk);
}

static void a_key_in_doubt_is_taken_back_before_its_event_is_dropped(void **state)
{
	open_desk(true);
	offer_first(TN_ACK_JOURNALED);
	desk_commit(&desk, TN_COMMIT_UNKNOWN);
	desk_tick(&desk, 100);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_UNAVAILABLE);
	assert_int_equal(desk.batch->ops[0].kind, TN_DROP_SEEN);
	assert_int_equal(desk_ops(&desk, TN_DROP_ROW), 1);
	desk_tick(&desk, 200);
	offer(TN_ACK_JOURNALED, &key_1); /* must not find the row that is being taken back */
	assert_int_equal(desk.claim_count, 0);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	desk_tick(&desk, 200);
	assert_int_equal(desk.batch->ops[0].kind, TN_DROP_SEEN);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.claim_count, 1);
	desk_claimed(&desk, 0, &nothing, 1);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 1);
	desk_close(&desk);
}

static void a_key_that_is_taken_back_waits_for_nothing_but_the_pause_of_a_full_store(void **state)
{
	open_desk(true);
	offer_first(TN_ACK_JOURNALED);
	desk_commit(&desk, TN_COMMIT_UNKNOWN);
	desk_tick(&desk, 100);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.batch->ops[0].kind, TN_DROP_SEEN); /* at once, not after 20 ms as other drops */
	desk_commit(&desk, TN_COMMIT_REFUSED);
	int64_t again_ms = tn_engine_deadline(desk.engine);
	assert_in_range(again_ms, desk.now_ms + 100, desk.now_ms + 200);
	desk_tick(&desk, again_ms - desk.now_ms - 1);
	assert_null(desk.batch);
	desk_tick(&desk, 1);
	assert_int_equal(desk.batch->ops[0].kind, TN_DROP_SEEN);
	desk_close(&desk);
}

/* Source 1's stream 1 loses the first copy; a second stream brings the event again. */
static void offer_in_second_stream(void)
{
	struct tn_position second = {.source = 1, .stream = 2, .epoch = 1};
	assert_int_equal(tn_engine_open_stream(desk.engine, second, &desk.terms), TN_OK);
	struct tn_match match = {.route = &desk.routes[0], .id = {{9}}};
	struct tn_offer one = {.event = desk.event, .dedup_key = {{1}}, .fingerprint = 7, .matches = &match, .match_count = 1};
	struct tn_arrival arrival = {.position = second, .ack_when = TN_ACK_SETTLED, .offers = &one, .count = 1, .dedup = desk.dedup};
	assert_int_equal(tn_engine_offer(desk.engine, &arrival), TN_OK);
	desk_obey(&desk);
}

static void a_copy_takes_over_what_a_lost_stream_gave_back(void **state)
{
	open_desk(false);
	offer_first(TN_ACK_SETTLED);
	desk_answer(&desk, 0, TN_RETRY); /* backs off */
	offer_in_second_stream();
	assert_int_equal(desk.claim_count, 0);
	desk_end_stream(&desk, 1, TN_STREAM_LOST);
	assert_int_equal(desk.claim_count, 1);
	desk_claimed(&desk, 0, &nothing, 1);
	assert_int_equal(desk.start_count, 1);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_SETTLED);
	desk_close(&desk);
}

static void an_attempt_that_outlives_its_stream_settles_the_copy(void **state)
{
	open_desk(false);
	offer_first(TN_ACK_SETTLED);
	uint64_t start = desk.starts[0].token;
	desk_end_stream(&desk, 1, TN_STREAM_LOST);
	offer_in_second_stream();
	assert_int_equal(desk.start_count + desk.answer_count, 0);
	desk_answer_to(&desk, start, TN_DELIVERED);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_DUPLICATE);
	desk_close(&desk);
}

static void what_waits_for_the_store_when_its_stream_ends_is_forgotten(void **state)
{
	for (int revoked = 0; revoked < 2; revoked++) {
		open_desk(false);
		offer(TN_ACK_SETTLED, &key_1);
		struct tn_command claim = desk.claims[0];
		desk_end_stream(&desk, 1, revoked ? TN_STREAM_REVOKED : TN_STREAM_LOST);
		assert_true(desk.stream_done);
		assert_int_equal(desk_books(&desk)->memory_bytes, 0);
		assert_int_equal(desk_books(&desk)->unclaimed, 0);
		desk.claims[0] = claim;
		desk.claim_count = 1;
		desk_claimed(&desk, 0, &nothing, 1); /* too late */
		assert_int_equal(desk.start_count, 0);
		desk_close(&desk);
	}
}

static void without_an_answer_for_a_second_an_event_is_admitted(void **state)
{
	open_desk(false);
	offer(TN_ACK_SETTLED, &key_1);
	struct tn_command claim = desk.claims[0];
	desk_tick(&desk, 999);
	assert_int_equal(desk.start_count, 0);
	desk_tick(&desk, 1);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk_books(&desk)->dedup_unknown, 1);
	desk.claims[0] = claim;
	desk.claim_count = 1;
	desk_claimed(&desk, 0, &done, 1); /* too late */
	assert_int_equal(desk_books(&desk)->deduplicated, 0);
	desk_close(&desk);
}

static void a_source_that_holds_asks_again_until_there_is_an_answer(void **state)
{
	open_desk(false);
	desk.dedup.hold = true;
	offer(TN_ACK_SETTLED, &key_1);
	desk_claimed(&desk, 0, &error, 1);
	assert_int_equal(desk.start_count + desk.claim_count, 0);
	desk_tick(&desk, 1000);
	assert_int_equal(desk.claim_count, 1);
	desk_tick(&desk, 1000); /* no answer at all */
	assert_int_equal(desk.claim_count, 0);
	desk_tick(&desk, 1000);
	desk_claimed(&desk, 0, &nothing, 1);
	assert_int_equal(desk.start_count, 1);
	assert_int_equal(desk_books(&desk)->dedup_unknown, 0);
	desk_close(&desk);
}

static void a_sender_that_waits_is_told_to_come_again_when_its_key_cannot_be_looked_up(void **state)
{
	open_desk(true);
	desk.dedup.hold = true;
	offer(TN_ACK_JOURNALED, &key_1);
	desk_claimed(&desk, 0, &error, 1);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_UNAVAILABLE);
	assert_true(desk.settlements[0].retry_after_ms > 0);
	assert_int_equal(desk_books(&desk)->keys_in_progress, 0);
	desk_close(&desk);
}

static void a_key_at_work_elsewhere_is_asked_for_again_when_its_lease_is_over(void **state)
{
	open_desk(false);
	offer(TN_ACK_SETTLED, &key_1);
	desk_claimed(&desk, 0, &elsewhere, 1);
	desk_tick(&desk, 4999);
	assert_int_equal(desk.claim_count, 0);
	desk_tick(&desk, 1);
	assert_int_equal(desk.claim_count, 1);
	desk_claimed(&desk, 0, &done, 1);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_DUPLICATE);
	desk_close(&desk);
}

static void a_batch_may_be_partly_copies(void **state)
{
	open_desk(true);
	static const struct desk_key batch[] = {{1, 7, 2}, {2, 7, 1}, {0, 0, 1}, {3, 7, 0}, {2, 7, 1}};
	offer_batch(TN_ACK_JOURNALED, batch, 5);
	assert_int_equal(desk.claims[0].key_count, 2); /* one a key; none for what matches nothing */
	struct tn_claim_answer answers[] = {done, nothing};
	desk_claimed(&desk, 0, answers, 2);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 2);
	assert_int_equal(desk_ops(&desk, TN_PUT_EVENT), 2);
	assert_int_equal(desk_ops(&desk, TN_PUT_SEEN), 1);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_JOURNALED);
	assert_int_equal(desk.start_count, 2);
	assert_int_equal(desk_books(&desk)->deduplicated, 2); /* one of the store's, one within the batch */
	assert_int_equal(desk_books(&desk)->skipped, 3);
	assert_int_equal(desk_books(&desk)->matched, 2);
	desk_close(&desk);
}

static void a_batch_with_one_conflict_is_not_taken_at_all(void **state)
{
	open_desk(true);
	offer_two(TN_ACK_JOURNALED);
	struct tn_claim_answer answers[] = {nothing, {.claim = TN_CLAIM_DONE, .fingerprint = 8}};
	desk_claimed(&desk, 0, answers, 2);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_CONFLICT);
	assert_null(desk.batch);
	assert_int_equal(desk_books(&desk)->keys_in_progress, 0);
	assert_int_equal(desk_books(&desk)->memory_bytes, 0);
	desk_close(&desk);
}

static void a_batch_waits_for_the_copies_in_it_and_starts_what_is_new(void **state)
{
	open_desk(false);
	offer_first(TN_ACK_SETTLED);
	uint64_t start = desk.starts[0].token;
	offer_two(TN_ACK_SETTLED);
	assert_int_equal(desk.claims[0].key_count, 1);
	assert_int_equal(desk.claims[0].keys[0].bytes[0], 2);
	desk_claimed(&desk, 0, &nothing, 1);
	assert_int_equal(desk.start_count, 0);
	desk_answer_to(&desk, start, TN_DELIVERED);
	assert_int_equal(desk.start_count, 1);
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_SETTLED);
	assert_int_equal(desk.settlements[0].delivered, 1);
	desk_close(&desk);
}

static void a_batch_with_two_copies_takes_over_once(void **state)
{
	open_desk(true);
	offer_first(TN_ACK_JOURNALED);
	static const struct desk_key batch[] = {{1, 7, 1}, {1, 7, 1}};
	offer_batch(TN_ACK_JOURNALED, batch, 2);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.claims[0].key_count, 1);
	desk_claimed(&desk, 0, &nothing, 1);
	desk_tick(&desk, 200);
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 1);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_JOURNALED);
	assert_int_equal(desk_books(&desk)->deduplicated, 1);
	desk_close(&desk);
}

static void a_drain_gives_back_what_waits_and_keeps_what_settled(void **state)
{
	open_desk(false);
	offer_first(TN_ACK_SETTLED);
	uint64_t start = desk.starts[0].token;
	offer(TN_ACK_SETTLED, &key_1);
	tn_engine_drain(desk.engine, 10000);
	desk_obey(&desk);
	assert_int_equal(desk.answers[0].kind, TN_RELEASE);
	desk_answer_to(&desk, start, TN_DELIVERED);
	assert_int_equal(desk_ops(&desk, TN_PUT_SEEN), 1);
	assert_false(desk.drained);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_true(desk.drained);
	desk_close(&desk);
}

static void a_durable_copy_that_waits_when_the_bus_drains_is_told_to_come_again(void **state)
{
	open_desk(true);
	offer_first(TN_ACK_JOURNALED);
	offer(TN_ACK_JOURNALED, &key_1);
	tn_engine_drain(desk.engine, 10000);
	desk_obey(&desk);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_UNAVAILABLE);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_JOURNALED);
	desk_close(&desk);
}

static void a_failing_allocation_refuses_an_offer_with_a_key(void **state)
{
	open_desk(false);
	for (int fails = 0; fails < 2; fails++) {
		desk.fail_after = fails;
		assert_int_equal(desk_offer_keys(&desk, TN_ACK_SETTLED, &key_1, 1), TN_NO_MEMORY);
		desk.fail_after = -1;
		assert_int_equal(desk_books(&desk)->keys_in_progress, 0);
		assert_int_equal(desk_books(&desk)->memory_bytes, 0);
	}
	desk_close(&desk);
}

static void an_engine_may_end_in_the_middle_of_all_this(void **state)
{
	open_desk(false);
	offer_first(TN_ACK_SETTLED);
	offer(TN_ACK_SETTLED, &key_1);
	static const struct desk_key second = {2, 7, 1}, third = {3, 7, 1};
	offer(TN_ACK_SETTLED, &second);
	offer(TN_ACK_SETTLED, &third);
	desk_claimed(&desk, 0, &nothing, 1);
	desk_answer(&desk, 0, TN_DELIVERED); /* its key waits for the store */
	desk_close(&desk);
}

static void a_strict_batch_waits_for_the_rest_when_one_key_is_durable(void **state)
{
	open_desk(false);
	desk.dedup.strict = true;
	offer_two(TN_ACK_SETTLED);
	desk_claimed(&desk, 0, both_new, 2);
	assert_int_equal(desk.start_count, 2);
	uint64_t second = desk.starts[1].token;
	desk_answer(&desk, 0, TN_DELIVERED);
	assert_non_null(seen_op());
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answer_count, 0);
	desk_answer_to(&desk, second, TN_DELIVERED);
	assert_int_equal(desk.answer_count, 0);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.settlements[0].delivered, 2);
	desk_close(&desk);
}

static void a_strict_batch_whose_keys_wait_together_is_answered_once(void **state)
{
	open_desk(false);
	desk.dedup.strict = true;
	offer_two(TN_ACK_SETTLED);
	desk_claimed(&desk, 0, both_new, 2);
	struct tn_outcome delivered = {.verdict = TN_DELIVERED};
	for (uint32_t i = 0; i < 2; i++)
		tn_engine_result(desk.engine, &(struct tn_result){.token = desk.starts[i].token, .count = 1, .outcomes = &delivered});
	desk_obey(&desk);
	assert_int_equal(desk_ops(&desk, TN_PUT_SEEN), 2);
	assert_int_equal(desk.answer_count, 0);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk.answer_count, 1);
	desk_close(&desk);
}

static void a_batch_with_a_copy_of_one_at_work_is_busy_whatever_else_is_in_it(void **state)
{
	open_desk(true);
	offer_first(TN_ACK_SETTLED);
	offer_two(TN_ACK_SETTLED);
	assert_int_equal(desk.claim_count, 0);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_BUSY);
	desk_close(&desk);
}

static void one_key_that_cannot_be_looked_up_refuses_the_batch(void **state)
{
	const struct tn_claim_answer half[] = {error, nothing};
	open_desk(true);
	desk.dedup.hold = true;
	offer_two(TN_ACK_SETTLED);
	desk_claimed(&desk, 0, half, 2);
	assert_int_equal(desk.start_count, 0);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_UNAVAILABLE);
	desk_close(&desk);
}

static void a_drain_that_ends_before_its_batch_is_durable_says_nothing_of_the_key(void **state)
{
	open_desk(true);
	offer_first(TN_ACK_JOURNALED);
	assert_non_null(seen_op());
	tn_engine_drain(desk.engine, 1000);
	desk_obey(&desk);
	desk_tick(&desk, 1000);
	assert_true(desk.drained && desk.timed_out);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_UNAVAILABLE);
	desk_close(&desk);
}

static void a_drain_gives_back_a_batch_of_which_only_a_copy_is_done(void **state)
{
	const struct tn_claim_answer half[] = {done, nothing};
	desk_init(&desk);
	desk.dedup.window_ms = 300000;
	desk.limits[0].max_in_flight = 1;
	desk_open(&desk);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 1), TN_OK);
	desk_obey(&desk);
	offer_two(TN_ACK_SETTLED);
	desk_claimed(&desk, 0, half, 2);
	assert_int_equal(desk.start_count, 0);
	tn_engine_drain(desk.engine, 10000);
	desk_obey(&desk);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.answers[0].kind, TN_RELEASE);
	assert_int_equal(desk_books(&desk)->released, 1);
	desk_close(&desk);
}

static void a_drain_waits_until_a_key_in_doubt_is_taken_back(void **state)
{
	open_desk(true);
	offer_first(TN_ACK_JOURNALED);
	desk_commit(&desk, TN_COMMIT_UNKNOWN);
	desk_tick(&desk, 10000);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	while (seen_op() == NULL || seen_op()->kind != TN_DROP_SEEN)
		desk_tick(&desk, 1000);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	tn_engine_drain(desk.engine, 60000);
	desk_obey(&desk);
	assert_false(desk.drained);
	while (desk.batch == NULL)
		desk_tick(&desk, 1000);
	assert_int_equal(seen_op()->kind, TN_DROP_SEEN);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_true(desk.drained);
	desk_close(&desk);
}

static void keys_that_share_a_hash_are_two(void **state)
{
	/* low ^ high * K is what they are hashed by */
	struct tn_id ids[2];
	for (uint64_t high = 1; high <= 2; high++) {
		uint64_t words[] = {high * 0x9e3779b97f4a7c15u, high};
		memcpy(ids[high - 1].bytes, words, sizeof(words));
	}
	open_desk(true);
	struct tn_match match = {.route = &desk.routes[0], .id.bytes = {1}};
	struct tn_offer offers[2] = {{.event = desk.event, .dedup_key = ids[0], .matches = &match, .match_count = 1},
		{.event = desk.event, .dedup_key = ids[1], .matches = &match, .match_count = 1}};
	struct tn_arrival arrival = {.position = {.source = 1, .stream = 1, .epoch = 1, .low = 1}, .ack_when = TN_ACK_SETTLED,
		.offers = offers, .count = 2, .dedup = desk.dedup};
	assert_int_equal(tn_engine_offer(desk.engine, &arrival), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.claims[0].key_count, 2);
	desk_close(&desk);
}

static void more_keys_than_a_batch_takes_go_into_two(void **state)
{
	desk_init(&desk);
	desk.dedup.window_ms = 300000;
	desk.config.window = 2000;
	desk_open(&desk);
	for (uint32_t i = 0; i < 1500; i++) {
		struct tn_match match = {.route = &desk.routes[i % DESK_TARGETS], .id.bytes = {1, (uint8_t)i, (uint8_t)(i >> 8)}};
		struct tn_offer one = {.event = desk.event, .dedup_key.bytes = {2, (uint8_t)i, (uint8_t)(i >> 8)}, .matches = &match,
			.match_count = 1};
		struct tn_arrival arrival = {.position = {.source = 1, .stream = 1, .epoch = 1, .low = i + 1}, .offers = &one,
			.count = 1, .dedup = desk.dedup};
		assert_int_equal(tn_engine_offer(desk.engine, &arrival), TN_OK);
		desk_obey(&desk);
		desk_claimed(&desk, 0, &nothing, 1);
		struct tn_outcome delivered = {.verdict = TN_DELIVERED};
		tn_engine_result(desk.engine, &(struct tn_result){.token = desk.starts[0].token, .count = 1, .outcomes = &delivered});
		desk_obey(&desk);
	}
	uint32_t kept = 0, batches = 0;
	desk_tick(&desk, 1000);
	for (; desk.batch != NULL; batches++) {
		kept += desk_ops(&desk, TN_PUT_SEEN);
		desk_commit(&desk, TN_COMMIT_OK);
		desk_tick(&desk, 1000);
	}
	assert_int_equal(kept, 1500);
	assert_true(batches > 1);
	desk_close(&desk);
}

/* Leads key 1, and waits behind another for key 2. */
static void offer_both_keys(void)
{
	offer(TN_ACK_JOURNALED, &key_2);
	desk_claimed(&desk, 0, &nothing, 1); /* it is being journaled */
	offer_two(TN_ACK_JOURNALED);
	assert_int_equal(desk.claims[0].key_count, 1);
}

static void an_arrival_that_waits_to_ask_again_takes_over_a_key_and_asks_for_both_in_its_time(void **state)
{
	open_desk(true);
	offer_both_keys();
	desk_claimed(&desk, 0, &elsewhere, 1);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.claim_count, 0);
	desk_tick(&desk, 5000);
	assert_int_equal(desk.claim_count, 1);
	assert_int_equal(desk.claims[0].key_count, 2);
	desk_close(&desk);
}

static void an_arrival_that_is_asking_takes_over_a_key_and_asks_for_it_next(void **state)
{
	open_desk(true);
	offer_both_keys();
	struct tn_command claim = desk.claims[0];
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.claim_count, 0);
	tn_engine_claimed(desk.engine, claim.token, &nothing, 1);
	desk_obey(&desk);
	assert_int_equal(desk.claim_count, 1);
	assert_int_equal(desk.claims[0].key_count, 1);
	assert_int_equal(desk.claims[0].keys[0].bytes[0], 2);
	desk_close(&desk);
}

static void a_batch_with_two_conflicts_is_answered_once(void **state)
{
	const struct desk_key keys[] = {{1, 8, 1}, {2, 8, 1}};
	const struct tn_claim_answer both[] = {done, done};
	open_desk(true);
	offer_batch(TN_ACK_JOURNALED, keys, 2);
	desk_claimed(&desk, 0, both, 2);
	assert_int_equal(desk.answer_count, 1);
	assert_int_equal(desk.settlements[0].answer, TN_ANSWER_CONFLICT);
	assert_int_equal(desk_books(&desk)->dedup_conflict, 2);
	desk_close(&desk);
}

/* Positions are acknowledged in order: what is journaled behind goes its own way, what is open goes back. */
static void a_drain_gives_back_what_was_not_looked_up_and_what_is_open_behind_it(void **state)
{
	desk_init(&desk);
	desk.terms.cumulative = true;
	desk.dedup.window_ms = 300000;
	desk_open(&desk);
	offer(TN_ACK_SETTLED, &key_1);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_JOURNALED, 2), TN_OK);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 3), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk.start_count, 1);
	tn_engine_drain(desk.engine, 10000);
	desk_obey(&desk);
	assert_int_equal(desk.answer_count, 2);
	assert_int_equal(desk.answers[0].kind, TN_RELEASE);
	assert_int_equal(desk.answers[0].position.low, 1);
	assert_int_equal(desk.answers[1].kind, TN_RELEASE);
	assert_int_equal(desk.answers[1].position.low, 3);
	desk_close(&desk);
}

static void a_key_in_doubt_goes_on_being_taken_back_when_the_store_has_no_room_for_what_is_beside_it(void **state)
{
	open_desk(true);
	assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 2), TN_OK);
	desk_obey(&desk);
	uint64_t under_way = desk.starts[0].token;
	offer_first(TN_ACK_JOURNALED);
	desk_commit(&desk, TN_COMMIT_UNKNOWN);
	desk_tick(&desk, 100);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk.batch->ops[0].kind, TN_DROP_SEEN);
	desk_answer_to(&desk, under_way, TN_REJECTED);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	desk_tick(&desk, 1000);
	assert_int_equal(desk_ops(&desk, TN_DROP_SEEN), 1);
	assert_int_equal(desk_row(&desk, 0)->state, TN_ROW_DEAD);
	desk_commit(&desk, TN_COMMIT_REFUSED);
	assert_int_equal(desk_ops(&desk, TN_DROP_SEEN), 1); /* at once; the dead letter rests */
	assert_int_equal(desk_ops(&desk, TN_PUT_ROW), 0);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_starts_before_the_store_has_said_what_it_knows),
		cmocka_unit_test(the_key_of_a_journaled_event_rides_in_its_batch),
		cmocka_unit_test(a_copy_of_one_being_journaled_waits_and_is_a_duplicate),
		cmocka_unit_test(a_copy_of_what_the_store_knows_is_a_duplicate_at_once),
		cmocka_unit_test(a_key_with_another_payload_is_a_conflict_for_a_sender_that_waits),
		cmocka_unit_test(a_key_with_another_payload_is_a_new_event_without_a_key_elsewhere),
		cmocka_unit_test(a_settled_event_is_acked_at_once_and_its_key_kept_soon_after),
		cmocka_unit_test(a_strict_source_hears_of_it_when_the_key_is_durable),
		cmocka_unit_test(a_key_the_store_has_no_room_for_costs_a_duplicate_at_most),
		cmocka_unit_test(a_copy_joins_the_one_at_work_and_is_settled_with_it),
		cmocka_unit_test(a_sender_that_waits_for_delivery_hears_that_its_event_is_at_work),
		cmocka_unit_test(a_copy_takes_over_when_the_first_one_is_refused),
		cmocka_unit_test(a_key_in_doubt_is_taken_back_before_its_event_is_dropped),
		cmocka_unit_test(a_key_that_is_taken_back_waits_for_nothing_but_the_pause_of_a_full_store),
		cmocka_unit_test(a_copy_takes_over_what_a_lost_stream_gave_back),
		cmocka_unit_test(an_attempt_that_outlives_its_stream_settles_the_copy),
		cmocka_unit_test(what_waits_for_the_store_when_its_stream_ends_is_forgotten),
		cmocka_unit_test(without_an_answer_for_a_second_an_event_is_admitted),
		cmocka_unit_test(a_source_that_holds_asks_again_until_there_is_an_answer),
		cmocka_unit_test(a_sender_that_waits_is_told_to_come_again_when_its_key_cannot_be_looked_up),
		cmocka_unit_test(a_key_at_work_elsewhere_is_asked_for_again_when_its_lease_is_over),
		cmocka_unit_test(a_batch_may_be_partly_copies),
		cmocka_unit_test(a_batch_with_one_conflict_is_not_taken_at_all),
		cmocka_unit_test(a_batch_waits_for_the_copies_in_it_and_starts_what_is_new),
		cmocka_unit_test(a_batch_with_two_copies_takes_over_once),
		cmocka_unit_test(a_drain_gives_back_what_waits_and_keeps_what_settled),
		cmocka_unit_test(a_durable_copy_that_waits_when_the_bus_drains_is_told_to_come_again),
		cmocka_unit_test(a_failing_allocation_refuses_an_offer_with_a_key),
		cmocka_unit_test(an_engine_may_end_in_the_middle_of_all_this),
		cmocka_unit_test(a_strict_batch_waits_for_the_rest_when_one_key_is_durable),
		cmocka_unit_test(a_strict_batch_whose_keys_wait_together_is_answered_once),
		cmocka_unit_test(a_batch_with_a_copy_of_one_at_work_is_busy_whatever_else_is_in_it),
		cmocka_unit_test(one_key_that_cannot_be_looked_up_refuses_the_batch),
		cmocka_unit_test(a_drain_that_ends_before_its_batch_is_durable_says_nothing_of_the_key),
		cmocka_unit_test(a_drain_gives_back_a_batch_of_which_only_a_copy_is_done),
		cmocka_unit_test(a_drain_waits_until_a_key_in_doubt_is_taken_back),
		cmocka_unit_test(keys_that_share_a_hash_are_two),
		cmocka_unit_test(more_keys_than_a_batch_takes_go_into_two),
		cmocka_unit_test(an_arrival_that_waits_to_ask_again_takes_over_a_key_and_asks_for_both_in_its_time),
		cmocka_unit_test(an_arrival_that_is_asking_takes_over_a_key_and_asks_for_it_next),
		cmocka_unit_test(a_batch_with_two_conflicts_is_answered_once),
		cmocka_unit_test(a_drain_gives_back_what_was_not_looked_up_and_what_is_open_behind_it),
		cmocka_unit_test(a_key_in_doubt_goes_on_being_taken_back_when_the_store_has_no_room_for_what_is_beside_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
