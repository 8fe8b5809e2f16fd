/* SPDX-License-Identifier: Apache-2.0
 *
 * test_stream.c - streams that are not what is said of them, and streams that share a place in the map.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <stdlib.h>
#include "core.h"
#include "desk.h"

static struct desk desk;

static enum tn_status say(uint32_t stream, uint32_t epoch, enum tn_stream_event event)
{
	struct tn_position position = {.source = 1, .stream = stream, .epoch = epoch};
	return tn_engine_stream(desk.engine, position, event, 1000);
}

static enum tn_status offer_at(uint32_t stream, uint32_t epoch)
{
	struct tn_match match = {.route = &desk.routes[0]};
	struct tn_offer offer = {.event = desk.event, .matches = &match, .match_count = 1};
	struct tn_arrival arrival = {.position = {.source = 1, .stream = stream, .epoch = epoch, .low = 1}, .offers = &offer, .count = 1};
	return tn_engine_offer(desk.engine, &arrival);
}

static void an_offer_of_another_stream_or_epoch_is_closed(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(offer_at(2, 1), TN_CLOSED);
	assert_int_equal(offer_at(1, 2), TN_CLOSED);
	assert_int_equal(offer_at(1, 1), TN_OK);
	desk_close(&desk);
}

static void the_end_of_another_stream_or_epoch_changes_nothing(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(say(2, 1, TN_STREAM_LOST), TN_OK);
	assert_int_equal(say(1, 9, TN_STREAM_LOST), TN_OK);
	desk_obey(&desk);
	assert_false(desk.stream_done);
	assert_int_equal(offer_at(1, 1), TN_OK);
	desk_close(&desk);
}

static void a_stream_ends_once(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(offer_at(1, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(say(1, 1, TN_STREAM_REVOKED), TN_OK);
	desk_tick(&desk, 500);
	assert_int_equal(say(1, 1, TN_STREAM_REVOKED), TN_OK); /* its grace does not begin again */
	desk_tick(&desk, 500);
	assert_true(desk.stream_done);
	desk.stream_done = false;
	assert_int_equal(say(1, 1, TN_STREAM_LOST), TN_OK);
	assert_int_equal(say(1, 1, TN_STREAM_REVOKED), TN_OK);
	desk_obey(&desk);
	assert_false(desk.stream_done);
	desk_close(&desk);
}

static void a_drain_ends_streams_that_are_being_revoked(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(offer_at(1, 1), TN_OK);
	desk_obey(&desk);
	assert_int_equal(say(1, 1, TN_STREAM_REVOKED), TN_OK);
	tn_engine_drain(desk.engine, 100);
	desk_obey(&desk);
	assert_false(desk.stream_done);
	desk_tick(&desk, 100);
	assert_true(desk.stream_done);
	assert_true(desk.drained);
	assert_true(desk.timed_out);
	desk_close(&desk);
}

static void credit_that_was_owed_is_not_given_when_it_is_no_longer(void **state)
{
	desk_init(&desk);
	desk_open(&desk);
	assert_int_equal(offer_at(1, 1), TN_OK);
	assert_int_equal(say(2, 1, TN_STREAM_OPENED), TN_OK);
	tn_engine_drain(desk.engine, 100);
	desk_obey(&desk);
	assert_int_equal(desk.credit_count, 0);
	desk_close(&desk);
}

/* --- Two streams in one place --- */

enum { TRIED = 300000 };
struct hashed {
	uint32_t hash, source, stream;
};

static int compare(const void *a, const void *b)
{
	const struct hashed *one = a, *other = b;
	return one->hash < other->hash ? -1 : one->hash > other->hash;
}

/* Two that share a hash: of one source, or of two. */
static const struct hashed *find_pair(const struct hashed *streams, bool one_source)
{
	for (uint32_t i = 1; i < TRIED; i++) {
		if (streams[i].hash == streams[i - 1].hash && (streams[i].source == streams[i - 1].source) == one_source)
			return &streams[i - 1];
	}
	fail_msg("no two of %d streams share a hash", TRIED);
	return NULL;
}

static struct tn_position position_of(const struct hashed *stream, uint32_t epoch)
{
	return (struct tn_position){.source = stream->source, .stream = stream->stream, .epoch = epoch, .low = 1};
}

static void are_two(const struct hashed *pair)
{
	struct tn_arrival none = {.position = position_of(&pair[1], 3)};
	assert_int_equal(tn_engine_stream(desk.engine, position_of(&pair[0], 3), TN_STREAM_OPENED, 0), TN_OK);
	assert_int_equal(tn_engine_offer(desk.engine, &none), TN_CLOSED);
	assert_int_equal(tn_engine_stream(desk.engine, position_of(&pair[1], 3), TN_STREAM_OPENED, 0), TN_OK);
	assert_int_equal(tn_engine_offer(desk.engine, &none), TN_OK);
	assert_int_equal(tn_engine_stream(desk.engine, position_of(&pair[1], 3), TN_STREAM_LOST, 0), TN_OK);
	none.position = position_of(&pair[0], 3);
	assert_int_equal(tn_engine_offer(desk.engine, &none), TN_OK);
}

static void streams_with_the_same_hash_are_two(void **state)
{
	static struct hashed streams[TRIED];
	desk_init(&desk);
	desk_open(&desk);
	for (uint32_t i = 0; i < TRIED; i++) {
		struct hashed *stream = &streams[i];
		*stream = (struct hashed){.source = 1 + i % 2, .stream = i + 10};
		uint64_t number = ((uint64_t)stream->source << 32) | stream->stream;
		stream->hash = tn_map_hash(number, desk.engine->hash_key);
	}
	qsort(streams, TRIED, sizeof(streams[0]), compare);
	are_two(find_pair(streams, true));
	are_two(find_pair(streams, false));
	desk_close(&desk);
}

/* --- No memory when a stream is lost --- */

static void what_cannot_be_remembered_is_matched_anew(void **state)
{
	desk_init(&desk);
	desk.policy.system.base_ms = 60000;
	desk.config.window = 100000;
	desk_open(&desk);
	struct tn_match matches[2] = {{.route = &desk.routes[0], .id.bytes = {1}}, {.route = &desk.routes[1], .id.bytes = {2}}};
	struct tn_offer offers[2] = {{.event = desk.event, .matches = &matches[0], .match_count = 1},
		{.event = desk.event, .matches = &matches[1], .match_count = 1}};
	struct tn_arrival arrival = {.position = {.source = 1, .stream = 1, .epoch = 1, .low = 1}, .offers = offers, .count = 2};
	assert_int_equal(tn_engine_offer(desk.engine, &arrival), TN_OK);
	desk_obey(&desk);
	desk_answer(&desk, 0, TN_RETRY);
	desk_commit(&desk, TN_COMMIT_OK);
	assert_int_equal(desk_books(&desk)->parked, 1);
	while (desk.engine->heap_room < desk.engine->backoffs.capacity) /* no place is left in the heap of waiting deliveries */
		assert_int_equal(desk_offer_to(&desk, TN_ACK_SETTLED, 3), TN_OK);
	desk.fail_after = 0;
	assert_int_equal(say(1, 1, TN_STREAM_LOST), TN_OK);
	desk.fail_after = -1;
	assert_int_equal(say(1, 2, TN_STREAM_OPENED), TN_OK);
	arrival.position.epoch = 2;
	assert_int_equal(tn_engine_offer(desk.engine, &arrival), TN_OK);
	desk_obey(&desk);
	assert_int_equal(desk_books(&desk)->joined, 0);
	desk_close(&desk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_offer_of_another_stream_or_epoch_is_closed),
		cmocka_unit_test(the_end_of_another_stream_or_epoch_changes_nothing),
		cmocka_unit_test(a_stream_ends_once),
		cmocka_unit_test(a_drain_ends_streams_that_are_being_revoked),
		cmocka_unit_test(credit_that_was_owed_is_not_given_when_it_is_no_longer),
		cmocka_unit_test(streams_with_the_same_hash_are_two),
		cmocka_unit_test(what_cannot_be_remembered_is_matched_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
