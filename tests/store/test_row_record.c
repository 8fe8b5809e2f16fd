/* SPDX-License-Identifier: Apache-2.0
 *
 * test_row_record.c - a row as bytes: all of it comes back, and nothing that was damaged does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "row_record.h"

static const struct tn_outcome full_outcome = {
	.verdict = TN_THROTTLED,
	.function_error = true,
	.credential = true,
	.status = -429,
	.retry_after_ms = 30000,
	.code = "HTTP_429",
	.message = {"too many", 8},
	.sample = {"\0\xff", 2},
	.sent_sha256 = {"0123456789abcdef0123456789abcde\xff", TN_DIGEST_SIZE},
};

static struct tn_row full_row(void)
{
	struct tn_row row = {
		.key = {0x0102030405060708, 9},
		.state = TN_ROW_DEAD,
		.tries = {3, 4, -5, 6, INT64_MIN, 77},
		.rule = TN_STR("big-orders"),
		.target = TN_STR("billing"),
		.target_no = 0xfffffffe,
		.rule_revision = UINT64_MAX,
		.origin = TN_STR("{\"topic\":\"t\"}"),
		.last = &full_outcome,
		.dead_ms = 1234567890123,
		.condition = TN_CONDITION_DECLINED,
		.redrives = 2,
		.lane_seq = 0x1122334455667788,
		.hops = 5,
		.queue = TN_STR("slow"),
		.blocks = true,
	};
	memset(row.id.bytes, 0xab, 16);
	memset(row.lane.bytes, 0xcd, 16);
	memset(row.dedup_key.bytes, 0xef, 16);
	return row;
}

static struct tn_row plain_row(void)
{
	return (struct tn_row){.key = {1, 0}, .state = TN_ROW_OPEN};
}

static void assert_same_row(const struct tn_row *a, const struct tn_row *b)
{
	assert_int_equal(tn_row_key_compare(&a->key, &b->key), 0);
	assert_int_equal(a->state, b->state);
	assert_true(tn_id_equal(&a->id, &b->id));
	assert_true(tn_id_equal(&a->lane, &b->lane));
	assert_int_equal(a->tries.system, b->tries.system);
	assert_int_equal(a->tries.function, b->tries.function);
	assert_int_equal(a->tries.accepted_ms, b->tries.accepted_ms);
	assert_int_equal(a->tries.first_ms, b->tries.first_ms);
	assert_int_equal(a->tries.not_before_ms, b->tries.not_before_ms);
	assert_true(tn_str_equal(a->rule, b->rule));
	assert_true(tn_str_equal(a->target, b->target));
	assert_int_equal(a->target_no, b->target_no);
	assert_int_equal(a->rule_revision, b->rule_revision);
	assert_true(tn_str_equal(a->origin, b->origin));
	assert_int_equal(a->dead_ms, b->dead_ms);
	assert_int_equal(a->condition, b->condition);
	assert_int_equal(a->redrives, b->redrives);
	assert_int_equal(a->tries.last_ms, b->tries.last_ms);
	assert_int_equal(a->lane_seq, b->lane_seq);
	assert_int_equal(a->blocks, b->blocks);
	assert_int_equal(a->hops, b->hops);
	assert_true(tn_id_equal(&a->dedup_key, &b->dedup_key));
	assert_true(tn_str_equal(a->queue, b->queue));
}

static void a_row_comes_back_whole(void **state)
{
	struct tn_row row = full_row(), back;
	struct tn_buf record = {0};
	struct tn_arena arena = {0};
	tn_row_record_write(&record, &row);
	assert_true(tn_row_record_read(tn_buf_str(&record), row.key, &arena, &back));
	assert_same_row(&row, &back);
	tn_buf_fini(&record);
	tn_arena_fini(&arena);
}

static void its_last_outcome_comes_back_whole(void **state)
{
	struct tn_row row = full_row(), back;
	struct tn_buf record = {0};
	struct tn_arena arena = {0};
	tn_row_record_write(&record, &row);
	assert_true(tn_row_record_read(tn_buf_str(&record), row.key, &arena, &back));
	assert_int_equal(back.last->verdict, TN_THROTTLED);
	assert_true(back.last->function_error && back.last->credential);
	assert_false(back.last->maybe_done || back.last->declined);
	assert_int_equal(back.last->status, -429);
	assert_int_equal(back.last->retry_after_ms, 30000);
	assert_string_equal(back.last->code, "HTTP_429");
	assert_true(tn_str_equal(back.last->message, full_outcome.message));
	assert_true(tn_str_equal(back.last->sample, full_outcome.sample));
	assert_true(tn_str_equal(back.last->sent_sha256, full_outcome.sent_sha256));
	tn_buf_fini(&record);
	tn_arena_fini(&arena);
}

static void a_row_without_an_outcome_has_none_afterwards(void **state)
{
	struct tn_row row = plain_row(), back;
	struct tn_buf record = {0};
	struct tn_arena arena = {0};
	tn_row_record_write(&record, &row);
	assert_true(tn_row_record_read(tn_buf_str(&record), row.key, &arena, &back));
	assert_same_row(&row, &back);
	assert_null(back.last);
	tn_buf_fini(&record);
	tn_arena_fini(&arena);
}

static void any_one_bit_turned_over_is_noticed(void **state)
{
	struct tn_row row = full_row(), back;
	struct tn_row_head head;
	struct tn_buf record = {0};
	struct tn_arena arena = {0};
	tn_row_record_write(&record, &row);
	for (size_t bit = 0; bit < record.len * 8; bit++) {
		record.bytes[bit / 8] ^= (char)(1 << bit % 8);
		assert_false(tn_row_record_read(tn_buf_str(&record), row.key, &arena, &back));
		assert_false(tn_row_record_head(tn_buf_str(&record), row.key, &head));
		record.bytes[bit / 8] ^= (char)(1 << bit % 8);
	}
	tn_buf_fini(&record);
	tn_arena_fini(&arena);
}

static void a_record_cut_short_or_with_more_behind_it_is_noticed(void **state)
{
	struct tn_row row = full_row(), back;
	struct tn_buf record = {0};
	struct tn_arena arena = {0};
	tn_row_record_write(&record, &row);
	for (size_t len = 0; len < record.len; len++)
		assert_false(tn_row_record_read(tn_str_make(record.bytes, len), row.key, &arena, &back));
	tn_buf_add_byte(&record, 0);
	assert_false(tn_row_record_read(tn_buf_str(&record), row.key, &arena, &back));
	tn_buf_fini(&record);
	tn_arena_fini(&arena);
}

static void a_record_under_another_key_is_not_believed(void **state)
{
	struct tn_row row = full_row(), back;
	struct tn_buf record = {0};
	struct tn_arena arena = {0};
	tn_row_record_write(&record, &row);
	struct tn_row_key other = {row.key.event_seq, row.key.route_no + 1};
	assert_false(tn_row_record_read(tn_buf_str(&record), other, &arena, &back));
	tn_buf_fini(&record);
	tn_arena_fini(&arena);
}

/* What version 1 wrote, for as long as there are stores with it. */
static const uint8_t version_1[] = {
	0x01, 0x59, 0x33, 0x54, 0xe0, 0x53, 0x7a, 0x09, 0x17, 0x04, 0x01, 0x03, 0xff, 0xff, 0xff, 0xfe,
	0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x04, 0x80, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfb, 0x00, 0x00, 0x00, 0x00,
	0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x01, 0x1f, 0x71, 0xfb, 0x04, 0xcb, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab,
	0xab, 0xab, 0xab, 0xab, 0xcd, 0xcd, 0xcd, 0xcd, 0xcd, 0xcd, 0xcd, 0xcd, 0xcd, 0xcd, 0xcd, 0xcd,
	0xcd, 0xcd, 0xcd, 0xcd, 0x00, 0x00, 0x00, 0x0a, 0x62, 0x69, 0x67, 0x2d, 0x6f, 0x72, 0x64, 0x65,
	0x72, 0x73, 0x00, 0x00, 0x00, 0x07, 0x62, 0x69, 0x6c, 0x6c, 0x69, 0x6e, 0x67, 0x00, 0x00, 0x00,
	0x0d, 0x7b, 0x22, 0x74, 0x6f, 0x70, 0x69, 0x63, 0x22, 0x3a, 0x22, 0x74, 0x22, 0x7d, 0x03, 0x05,
	0xff, 0xff, 0xfe, 0x53, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x75, 0x30, 0x00, 0x00, 0x00, 0x08,
	0x48, 0x54, 0x54, 0x50, 0x5f, 0x34, 0x32, 0x39, 0x00, 0x00, 0x00, 0x08, 0x74, 0x6f, 0x6f, 0x20,
	0x6d, 0x61, 0x6e, 0x79, 0x00, 0x00, 0x00, 0x02, 0x00, 0xff,
};

static void a_record_of_version_1_is_read(void **state)
{
	struct tn_row row = full_row(), back;
	struct tn_arena arena = {0};
	row.last = NULL;
	row.tries.last_ms = 0;
	row.lane_seq = 0;
	row.blocks = false;
	row.hops = 0;
	row.dedup_key = (struct tn_id){0};
	row.queue = (struct tn_str){0};
	assert_true(tn_row_record_read(tn_str_make((const char *)version_1, sizeof version_1), row.key, &arena, &back));
	assert_same_row(&row, &back);
	assert_string_equal(back.last->code, "HTTP_429");
	assert_int_equal(back.last->sent_sha256.len, 0);
	tn_arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_row_comes_back_whole),
		cmocka_unit_test(its_last_outcome_comes_back_whole),
		cmocka_unit_test(a_row_without_an_outcome_has_none_afterwards),
		cmocka_unit_test(any_one_bit_turned_over_is_noticed),
		cmocka_unit_test(a_record_cut_short_or_with_more_behind_it_is_noticed),
		cmocka_unit_test(a_record_under_another_key_is_not_believed),
		cmocka_unit_test(a_record_of_version_1_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
