/* SPDX-License-Identifier: Apache-2.0
 *
 * meta.c - what the store knows of itself: the counters that are written with every batch.
 *
 * Called by apply.c in each write transaction, and by store.c at open. Writer thread, or before there is one.
 */
#include "meta.h"

#include "key.h"
#include "record.h"

/* To change the record: as in row_record.c. Version 1 had no flows: the rows it counted were put when the counting began. */
enum { META_VERSION = 2, META_BYTES_1 = 8 * 7, FLOW_NUMBERS = 4 + 16 + 4 + 4 + 2, META_BYTES = META_BYTES_1 + 8 * FLOW_NUMBERS };

static const char state_key[] = "state";

static struct tn_str record_key(void)
{
	return tn_str_make(state_key, sizeof state_key - 1);
}

/* Calls back for each number of flows, in their order on disk. */
static void each_flow(struct tn_store_flows *flows, void (*each)(uint64_t *flow, uint8_t **at), uint8_t *at)
{
	for (unsigned state = TN_ROW_OPEN; state <= TN_ROW_DEAD; state++) {
		each(&flows->put[state], &at);
		each(&flows->dropped[state], &at);
		each(&flows->aside[state], &at);
		for (unsigned to = TN_ROW_OPEN; to <= TN_ROW_DEAD; to++)
			each(&flows->moved[state][to], &at);
	}
	each(&flows->purged, &at);
	each(&flows->redriven, &at);
}

static void read_flow(uint64_t *flow, uint8_t **at)
{
	*flow = tn_bytes_get64(*at);
	*at += 8;
}

static void write_flow(uint64_t *flow, uint8_t **at)
{
	tn_bytes_put64(*at, *flow);
	*at += 8;
}

int tn_meta_load(const struct tn_environment *environment, MDB_txn *txn, struct tn_meta *out_meta)
{
	uint8_t version;
	struct tn_str content;
	MDB_val key = tn_val(state_key, sizeof state_key - 1), value;

	int rc = mdb_get(txn, environment->dbi[TN_DB_META], &key, &value);
	if (rc == MDB_NOTFOUND) {
		*out_meta = (struct tn_meta){.next_seq = 1};
		return 0;
	}
	if (rc != 0)
		return rc;
	if (!tn_record_open(tn_val_str(value), record_key(), META_VERSION, &version, &content) ||
		content.len != (version == 1 ? META_BYTES_1 : META_BYTES))
		return MDB_CORRUPTED;
	const uint8_t *bytes = (const uint8_t *)content.bytes;
	struct tn_meta meta = {.next_seq = tn_bytes_get64(bytes), .engine_ms = (int64_t)tn_bytes_get64(bytes + 8)};
	for (unsigned state = TN_ROW_OPEN; state <= TN_ROW_DEAD; state++)
		meta.rows[state] = tn_bytes_get64(bytes + 8 + 8 * state);
	meta.bad_records = tn_bytes_get64(bytes + 48);
	if (version == 1) {
		memcpy(meta.flows.put, meta.rows, sizeof meta.rows);
	} else {
		uint8_t numbers[8 * FLOW_NUMBERS];
		memcpy(numbers, bytes + META_BYTES_1, sizeof numbers);
		each_flow(&meta.flows, read_flow, numbers);
	}
	*out_meta = meta;
	return 0;
}

int tn_meta_save(const struct tn_environment *environment, MDB_txn *txn, const struct tn_meta *meta)
{
	struct tn_buf record = {0};
	tn_record_begin(&record);
	uint8_t *bytes = (uint8_t *)tn_buf_reserve(&record, META_BYTES);
	tn_bytes_put64(bytes, meta->next_seq);
	tn_bytes_put64(bytes + 8, (uint64_t)meta->engine_ms);
	for (unsigned state = TN_ROW_OPEN; state <= TN_ROW_DEAD; state++)
		tn_bytes_put64(bytes + 8 + 8 * state, meta->rows[state]);
	tn_bytes_put64(bytes + 48, meta->bad_records);
	struct tn_store_flows flows = meta->flows;
	each_flow(&flows, write_flow, bytes + META_BYTES_1);
	record.len += META_BYTES;
	tn_record_seal(&record, META_VERSION, record_key());

	MDB_val key = tn_val(state_key, sizeof state_key - 1), value = tn_val(record.bytes, record.len);
	int rc = mdb_put(txn, environment->dbi[TN_DB_META], &key, &value, 0);
	tn_buf_fini(&record);
	return rc;
}

static int count_rows(const struct tn_environment *environment, MDB_txn *txn, struct tn_meta *meta)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(txn, environment->dbi[TN_DB_STATES], &cursor);
	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		uint8_t state = key.mv_size == TN_KEY_STATE ? *(const uint8_t *)key.mv_data : 0;
		if (state >= TN_ROW_OPEN && state <= TN_ROW_DEAD)
			meta->rows[state]++;
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Raises next_seq above the last event_seq of a database whose keys begin with one. */
static int pass_last_seq(const struct tn_environment *environment, MDB_txn *txn, enum tn_db db, struct tn_meta *meta)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(txn, environment->dbi[db], &cursor);
	if (rc != 0)
		return rc;
	rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	if (rc == 0 && key.mv_size >= TN_KEY_EVENT && tn_bytes_get64(key.mv_data) >= meta->next_seq)
		meta->next_seq = tn_bytes_get64(key.mv_data) + 1;
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int keep_damaged_record(const struct tn_environment *environment, MDB_txn *txn)
{
	static const char bad_key[] = "mstate";
	MDB_val key = tn_val(state_key, sizeof state_key - 1), value, aside = tn_val(bad_key, sizeof bad_key - 1);
	int rc = mdb_get(txn, environment->dbi[TN_DB_META], &key, &value);
	return rc == 0 ? mdb_put(txn, environment->dbi[TN_DB_BAD], &aside, &value, 0) : rc;
}

int tn_meta_rebuild(const struct tn_environment *environment, MDB_txn *txn, struct tn_meta *out_meta)
{
	MDB_stat bad;
	struct tn_meta meta = {.next_seq = 1};
	int rc = keep_damaged_record(environment, txn);
	if (rc == 0)
		rc = count_rows(environment, txn, &meta);
	if (rc == 0)
		rc = pass_last_seq(environment, txn, TN_DB_EVENTS, &meta);
	if (rc == 0)
		rc = pass_last_seq(environment, txn, TN_DB_ROWS, &meta);
	if (rc == 0)
		rc = mdb_stat(txn, environment->dbi[TN_DB_BAD], &bad);
	if (rc != 0)
		return rc;
	meta.bad_records = bad.ms_entries;
	memcpy(meta.flows.put, meta.rows, sizeof meta.rows);
	rc = tn_meta_save(environment, txn, &meta);
	if (rc == 0)
		*out_meta = meta;
	return rc;
}
