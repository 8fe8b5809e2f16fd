/* SPDX-License-Identifier: Apache-2.0
 *
 * upgrade.c - brings a store that an older version wrote up to today's format.
 *
 * Called by environment.c at open, in the transaction that writes the new format number: it happens whole or not at
 * all. Work grows with the PARKED and DEAD rows, and is done once.
 *
 *   format 1 -> 2   `states` says how many bytes a PARKED or DEAD row counts for; `targets` counts rows and bytes in
 * place of `parked`. `lanes` stays empty: no row of format 1 has a lane.
 */
#include "upgrade.h"

#include <string.h>
#include "event_record.h"
#include "key.h"
#include "target_count.h"

/* The entry under cursor gets its bytes, and is counted. */
static int upgrade_entry(const struct tn_environment *environment, MDB_txn *txn, MDB_cursor *cursor, MDB_val old_key,
        MDB_val old_value, struct tn_target_counts *counts)
{
	uint8_t bytes[TN_KEY_STATE], new_value[TN_VALUE_STATE];
	uint32_t size = 0;
	if (old_key.mv_size != sizeof bytes || old_value.mv_size != TN_KEY_TARGET)
		return 0;
	memcpy(bytes, old_key.mv_data, sizeof bytes); /* what LMDB lends may move */
	enum tn_row_state state = (enum tn_row_state)bytes[0];
	uint32_t target_no = tn_bytes_get32(old_value.mv_data);
	int rc = 0;
	if (state == TN_ROW_PARKED || state == TN_ROW_DEAD)
		rc = tn_event_record_weigh(environment, txn, tn_key_get_row(bytes + 1).event_seq, &size);
	if (rc != 0)
		return rc;
	tn_bytes_put32(new_value, target_no);
	tn_bytes_put32(new_value + 4, size);
	MDB_val key = tn_val(bytes, sizeof bytes), value = tn_val(new_value, sizeof new_value);
	rc = mdb_cursor_put(cursor, &key, &value, 0);
	return rc == 0 ? tn_target_count_change(counts, environment, txn, target_no, state, size, 1) : rc;
}

static int upgrade_states(const struct tn_environment *environment, MDB_txn *txn, struct tn_target_counts *counts)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(txn, environment->dbi[TN_DB_STATES], &cursor);
	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		rc = upgrade_entry(environment, txn, cursor, key, value, counts);
		if (rc != 0)
			break;
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int drop_parked(MDB_txn *txn)
{
	MDB_dbi parked;
	int rc = mdb_dbi_open(txn, "parked", 0, &parked);
	if (rc == 0)
		rc = mdb_drop(txn, parked, 1);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int tn_upgrade_from_1(const struct tn_environment *environment, MDB_txn *txn)
{
	struct tn_target_counts counts = {0};
	int rc = upgrade_states(environment, txn, &counts);
	if (rc == 0)
		rc = tn_target_count_save(&counts, environment, txn);
	if (rc == 0)
		rc = drop_parked(txn);
	tn_target_count_fini(&counts);
	return rc;
}
