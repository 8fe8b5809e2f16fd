/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_row_record.c - any bytes as a row record: as they are, and under a seal that fits, so that the fields are reached.
 */
#include <stdlib.h>

#include "key.h"
#include "record.h"
#include "row_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tn_row_key key = {7, 1};

/* What was read can be written, and is then read again. */
static void check(struct tn_str record)
{
	struct tn_arena arena = {0};
	struct tn_buf again = {0};
	struct tn_row row, back;
	struct tn_row_head head;
	bool has_head = tn_row_record_head(record, key, &head);
	if (tn_row_record_read(record, key, &arena, &row)) {
		tn_row_record_write(&again, &row);
		if (!has_head || head.state != row.state || head.target_no != row.target_no ||
			!tn_row_record_read(tn_buf_str(&again), key, &arena, &back) || !tn_str_equal(row.origin, back.origin) ||
			row.tries.not_before_ms != back.tries.not_before_ms)
			abort();
	}
	tn_buf_fini(&again);
	tn_arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t key_bytes[TN_KEY_ROW];
	struct tn_buf sealed = {0};
	check(tn_str_make((const char *)data, size));

	tn_key_put_row(key_bytes, key);
	tn_record_begin(&sealed);
	tn_buf_add(&sealed, data, size);
	tn_record_seal(&sealed, 2, tn_str_make((const char *)key_bytes, sizeof key_bytes));
	check(tn_buf_str(&sealed));
	tn_buf_fini(&sealed);
	return 0;
}
