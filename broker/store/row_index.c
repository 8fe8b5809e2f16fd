/* SPDX-License-Identifier: Apache-2.0
 *
 * row_index.c - what stands beside a row so that it is found: its entries in `states`, `due` and `lanes`, and its
 * counters.
 *
 * Called by apply.c whenever a row comes, goes, or changes what it is found by; by aside.c for rows that cannot be
 * read. The counters change with an entry of `states` and with nothing else, so they equal its entries by construction.
 * Writer thread only.
 */
#include "row_index.h"

static int put_entry(
        struct tn_apply *apply, enum tn_db db, const void *key, size_t key_len, const void *value, size_t value_len)
{
	MDB_val mdb_key = tn_val(key, key_len), mdb_value = tn_val(value, value_len);
	return mdb_put(apply->txn, apply->environment->dbi[db], &mdb_key, &mdb_value, 0);
}

/* --- `states`, and the counters --- */

static int enter_state(struct tn_apply *apply, struct tn_row_key row, const struct tn_row_head *head, uint32_t bytes)
{
	uint8_t key[TN_KEY_STATE], value[TN_VALUE_STATE];
	tn_key_put_state(key, head->state, row);
	tn_bytes_put32(value, head->target_no);
	tn_bytes_put32(value + 4, bytes);
	int rc = tn_target_count_change(
	        &apply->counts, apply->environment, apply->txn, head->target_no, head->state, bytes, 1);
	if (rc == 0)
		rc = put_entry(apply, TN_DB_STATES, key, sizeof key, value, sizeof value);
	apply->meta.rows[head->state]++;
	return rc;
}

static int leave_state(struct tn_apply *apply, struct tn_row_key row, enum tn_row_state state, bool *out_was)
{
	uint8_t key[TN_KEY_STATE];
	tn_key_put_state(key, state, row);
	MDB_val mdb_key = tn_val(key, sizeof key), value;
	int rc = mdb_get(apply->txn, apply->environment->dbi[TN_DB_STATES], &mdb_key, &value);
	*out_was = rc == 0;
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	if (value.mv_size == TN_VALUE_STATE)
		rc = tn_target_count_change(&apply->counts, apply->environment, apply->txn,
		        tn_bytes_get32(value.mv_data), state, tn_bytes_get32((const uint8_t *)value.mv_data + 4), -1);
	if (rc == 0)
		rc = tn_apply_delete(apply, TN_DB_STATES, key, sizeof key);
	if (apply->meta.rows[state] > 0)
		apply->meta.rows[state]--;
	return rc;
}

/* --- Public --- */

int tn_row_index_enter(struct tn_apply *apply, struct tn_row_key row, const struct tn_row_head *head, uint32_t bytes)
{
	uint8_t due_key[TN_KEY_DUE], lane_key[TN_KEY_LANE];
	int rc = enter_state(apply, row, head, bytes);
	if (rc != 0 || head->state != TN_ROW_PARKED)
		return rc;
	struct tn_due due = tn_row_index_due(row, head);
	tn_key_put_due(due_key, &due);
	rc = put_entry(apply, TN_DB_DUE, due_key, sizeof due_key, "", 0);
	if (rc != 0 || !tn_row_index_has_lane(head))
		return rc;
	struct tn_lane_place place = tn_row_index_lane(row, head);
	tn_key_put_lane(lane_key, &place);
	return put_entry(apply, TN_DB_LANES, lane_key, sizeof lane_key, "", 0);
}

int tn_row_index_leave(struct tn_apply *apply, struct tn_row_key row, const struct tn_row_head *head)
{
	uint8_t due_key[TN_KEY_DUE], lane_key[TN_KEY_LANE];
	bool was;
	int rc = leave_state(apply, row, head->state, &was);
	if (rc != 0 || head->state != TN_ROW_PARKED)
		return rc;
	struct tn_due due = tn_row_index_due(row, head);
	tn_key_put_due(due_key, &due);
	rc = tn_apply_delete(apply, TN_DB_DUE, due_key, sizeof due_key);
	if (rc != 0 || !tn_row_index_has_lane(head))
		return rc;
	struct tn_lane_place place = tn_row_index_lane(row, head);
	tn_key_put_lane(lane_key, &place);
	return tn_apply_delete(apply, TN_DB_LANES, lane_key, sizeof lane_key);
}

int tn_row_index_forget(struct tn_apply *apply, struct tn_row_key row)
{
	for (enum tn_row_state state = TN_ROW_OPEN; state <= TN_ROW_DEAD; state++) {
		bool was;
		int rc = leave_state(apply, row, state, &was);
		if (rc != 0)
			return rc;
		if (was)
			apply->meta.flows.aside[state]++;
	}
	return 0;
}
