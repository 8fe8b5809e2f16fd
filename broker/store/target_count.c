/* SPDX-License-Identifier: Apache-2.0
 *
 * target_count.c - how many rows, and how many bytes, of each target are PARKED and DEAD.
 *
 * Called by row_index.c with each change, and by scan.c. The counts equal the entries of `states` by construction, for
 * both are changed with the same numbers in the same transaction; in a transaction they are changed in memory and
 * written once, at its end.
 */
#include "target_count.h"

#include <stdlib.h>
#include "key.h"
#include "record.h"

enum { COUNT_VERSION = 1, COUNT_BYTES = 8 * 4 }; /* to change it: as in row_record.c */

/* --- Reading --- */

static int scan_states(
        const struct tn_environment *environment, MDB_txn *txn, enum tn_row_state state, struct tn_target_count *count)
{
	MDB_cursor *cursor;
	uint8_t from[TN_KEY_STATE];
	tn_key_put_state(from, state, (struct tn_row_key){0});
	MDB_val key = tn_val(from, sizeof from), value;
	int rc = mdb_cursor_open(txn, environment->dbi[TN_DB_STATES], &cursor);
	if (rc != 0)
		return rc;
	for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); rc == 0;
	        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
		if (key.mv_size == 0 || *(const uint8_t *)key.mv_data != state)
			break;
		tn_target_count_add_entry(count, key, value);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

void tn_target_count_add_entry(struct tn_target_count *count, MDB_val key, MDB_val value)
{
	if (key.mv_size != TN_KEY_STATE || value.mv_size != TN_VALUE_STATE ||
	        tn_bytes_get32(value.mv_data) != count->target_no)
		return;
	uint32_t bytes = tn_bytes_get32((const uint8_t *)value.mv_data + 4);
	uint8_t state = *(const uint8_t *)key.mv_data;
	count->parked_rows += state == TN_ROW_PARKED;
	count->parked_bytes += state == TN_ROW_PARKED ? bytes : 0;
	count->dead_rows += state == TN_ROW_DEAD;
	count->dead_bytes += state == TN_ROW_DEAD ? bytes : 0;
}

int tn_target_count_load(
        const struct tn_environment *environment, MDB_txn *txn, uint32_t target_no, struct tn_target_count *out_count)
{
	uint8_t bytes[TN_KEY_TARGET], version;
	struct tn_str content;
	tn_bytes_put32(bytes, target_no);
	MDB_val key = tn_val(bytes, sizeof bytes), value;
	int rc = mdb_get(txn, environment->dbi[TN_DB_TARGETS], &key, &value);
	if (rc == MDB_NOTFOUND) {
		*out_count = (struct tn_target_count){.target_no = target_no};
		return 0;
	}
	if (rc != 0)
		return rc;
	if (!tn_record_open(
	            tn_val_str(value), tn_str_make((char *)bytes, sizeof bytes), COUNT_VERSION, &version, &content) ||
	        content.len != COUNT_BYTES)
		return MDB_CORRUPTED;
	const uint8_t *fields = (const uint8_t *)content.bytes;
	*out_count = (struct tn_target_count){
	        .target_no = target_no,
	        .parked_rows = tn_bytes_get64(fields),
	        .parked_bytes = tn_bytes_get64(fields + 8),
	        .dead_rows = tn_bytes_get64(fields + 16),
	        .dead_bytes = tn_bytes_get64(fields + 24),
	};
	return 0;
}

int tn_target_count_read(
        const struct tn_environment *environment, MDB_txn *txn, uint32_t target_no, struct tn_target_count *out_count)
{
	int rc = tn_target_count_load(environment, txn, target_no, out_count);
	if (rc != MDB_CORRUPTED)
		return rc;
	struct tn_target_count count = {.target_no = target_no, .changed = true};
	rc = scan_states(environment, txn, TN_ROW_PARKED, &count);
	if (rc == 0)
		rc = scan_states(environment, txn, TN_ROW_DEAD, &count);
	if (rc == 0)
		*out_count = count;
	return rc;
}

/* --- Changing --- */

static struct tn_target_count *find(struct tn_target_counts *counts, uint32_t target_no)
{
	for (uint32_t i = counts->count; i > 0; i--) /* the latest is the likeliest */
		if (counts->items[i - 1].target_no == target_no)
			return &counts->items[i - 1];
	return NULL;
}

static struct tn_target_count *append(struct tn_target_counts *counts, uint32_t target_no)
{
	if (counts->count == counts->capacity) {
		counts->capacity = counts->capacity ? counts->capacity * 2 : 16;
		counts->items = realloc(counts->items, counts->capacity * sizeof *counts->items);
		if (!counts->items)
			abort();
	}
	counts->items[counts->count] = (struct tn_target_count){.target_no = target_no};
	return &counts->items[counts->count++];
}

struct tn_target_count *tn_target_count_of(struct tn_target_counts *counts, uint32_t target_no)
{
	struct tn_target_count *count = find(counts, target_no);
	return count ? count : append(counts, target_no);
}

static void add(uint64_t *number, uint64_t by, int change)
{
	if (change > 0)
		*number += by;
	else
		*number -= *number < by ? *number : by;
}

int tn_target_count_change(struct tn_target_counts *counts, const struct tn_environment *environment, MDB_txn *txn,
        uint32_t target_no, enum tn_row_state state, uint32_t bytes, int change)
{
	if (state != TN_ROW_PARKED && state != TN_ROW_DEAD)
		return 0;
	struct tn_target_count *count = find(counts, target_no), read;
	if (!count) {
		int rc = tn_target_count_read(environment, txn, target_no, &read);
		if (rc != 0)
			return rc;
		count = append(counts, target_no);
		*count = read;
	}
	add(state == TN_ROW_PARKED ? &count->parked_rows : &count->dead_rows, 1, change);
	add(state == TN_ROW_PARKED ? &count->parked_bytes : &count->dead_bytes, bytes, change);
	count->changed = true;
	return 0;
}

static int save(const struct tn_target_count *count, const struct tn_environment *environment, MDB_txn *txn)
{
	uint8_t key_bytes[TN_KEY_TARGET];
	tn_bytes_put32(key_bytes, count->target_no);
	MDB_val key = tn_val(key_bytes, sizeof key_bytes);
	if (count->parked_rows == 0 && count->dead_rows == 0) {
		int rc = mdb_del(txn, environment->dbi[TN_DB_TARGETS], &key, NULL);
		return rc == MDB_NOTFOUND ? 0 : rc;
	}
	struct tn_buf record = {0};
	tn_record_begin(&record);
	uint8_t *fields = (uint8_t *)tn_buf_reserve(&record, COUNT_BYTES);
	tn_bytes_put64(fields, count->parked_rows);
	tn_bytes_put64(fields + 8, count->parked_bytes);
	tn_bytes_put64(fields + 16, count->dead_rows);
	tn_bytes_put64(fields + 24, count->dead_bytes);
	record.len += COUNT_BYTES;
	tn_record_seal(&record, COUNT_VERSION, tn_str_make((char *)key_bytes, sizeof key_bytes));
	MDB_val value = tn_val(record.bytes, record.len);
	int rc = mdb_put(txn, environment->dbi[TN_DB_TARGETS], &key, &value, 0);
	tn_buf_fini(&record);
	return rc;
}

int tn_target_count_save(struct tn_target_counts *counts, const struct tn_environment *environment, MDB_txn *txn)
{
	int rc = 0;
	for (uint32_t i = 0; i < counts->count && rc == 0; i++)
		if (counts->items[i].changed) {
			rc = save(&counts->items[i], environment, txn);
			counts->items[i].changed = false;
		}
	return rc;
}

void tn_target_count_fini(struct tn_target_counts *counts)
{
	free(counts->items);
	*counts = (struct tn_target_counts){0};
}
