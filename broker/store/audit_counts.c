/* SPDX-License-Identifier: Apache-2.0
 *
 * audit_counts.c - counters against what they count; idempotency keys; names, strikes and kept values.
 *
 * Called by audit.c, after the rows were compared with the indexes: counters are compared with the index that they
 * belong to.
 */
#include <stdio.h>
#include "audit.h"
#include "record.h"
#include "seen.h"

/* --- States --- */

static const char *const state_names[] = {"", "open", "tried", "parked", "dead"};

static int count_states(struct tn_auditing *auditing, uint64_t rows[5], struct tn_target_counts *counts)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(auditing->txn, auditing->environment->dbi[TN_DB_STATES], &cursor);
	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0 && (rc = tn_audit_step(auditing)) == 0) {
		uint8_t state = key.mv_size == TN_KEY_STATE ? *(const uint8_t *)key.mv_data : 0;
		if (state < TN_ROW_OPEN || state > TN_ROW_DEAD || value.mv_size != TN_VALUE_STATE)
			continue; /* a finding already */
		rows[state]++;
		tn_target_count_add_entry(tn_target_count_of(counts, tn_bytes_get32(value.mv_data)), key, value);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static void compare_states(struct tn_auditing *auditing, const uint64_t rows[5])
{
	const struct tn_store_flows *flows = &auditing->meta.flows;
	for (unsigned i = TN_ROW_OPEN; i <= TN_ROW_DEAD; i++) {
		uint64_t in = flows->put[i], out = flows->dropped[i] + flows->aside[i];
		for (unsigned j = TN_ROW_OPEN; j <= TN_ROW_DEAD; j++) {
			in += flows->moved[j][i];
			out += flows->moved[i][j];
		}
		if (auditing->meta.rows[i] != rows[i])
			tn_audit_find(auditing->out, "COUNT_OF_ROWS", tn_audit_advice_repair, state_names[i],
			        "counted %llu, and there are %llu", (unsigned long long)auditing->meta.rows[i],
			        (unsigned long long)rows[i]);
		if (in - out != auditing->meta.rows[i])
			tn_audit_find(auditing->out, "FLOW_OF_ROWS", tn_audit_advice_repair, state_names[i],
			        "%llu came and %llu went since the store was made, and %llu are counted",
			        (unsigned long long)in, (unsigned long long)out,
			        (unsigned long long)auditing->meta.rows[i]);
	}
}

/* --- Targets --- */

static bool same_counts(const struct tn_target_count *a, const struct tn_target_count *b)
{
	return a->parked_rows == b->parked_rows && a->parked_bytes == b->parked_bytes && a->dead_rows == b->dead_rows &&
	       a->dead_bytes == b->dead_bytes;
}

static int compare_target(struct tn_auditing *auditing, const struct tn_target_count *counted)
{
	struct tn_target_count kept;
	char text[112];
	int rc = tn_target_count_load(auditing->environment, auditing->txn, counted->target_no, &kept);
	snprintf(text, sizeof text, "target number %u", (unsigned)counted->target_no);
	if (rc == MDB_CORRUPTED)
		tn_audit_find(auditing->out, "COUNT_DAMAGED", tn_audit_advice_repair, text,
		        "what is counted for the target cannot be read");
	else if (rc == 0 && !same_counts(counted, &kept))
		tn_audit_find(auditing->out, "COUNT_OF_TARGET", tn_audit_advice_repair, text,
		        "counted parked %llu, dead %llu (%llu and %llu bytes); there are %llu and %llu (%llu and %llu)",
		        (unsigned long long)kept.parked_rows, (unsigned long long)kept.dead_rows,
		        (unsigned long long)kept.parked_bytes, (unsigned long long)kept.dead_bytes,
		        (unsigned long long)counted->parked_rows, (unsigned long long)counted->dead_rows,
		        (unsigned long long)counted->parked_bytes, (unsigned long long)counted->dead_bytes);
	return rc == MDB_CORRUPTED ? 0 : rc;
}

/* Every target that has a record is compared, also with nothing. */
static int add_recorded_targets(struct tn_auditing *auditing, struct tn_target_counts *counts)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(auditing->txn, auditing->environment->dbi[TN_DB_TARGETS], &cursor);
	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
		if (key.mv_size == TN_KEY_TARGET)
			tn_target_count_of(counts, tn_bytes_get32(key.mv_data));
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int tn_audit_counts(struct tn_auditing *auditing)
{
	uint64_t rows[5] = {0};
	struct tn_target_counts counts = {0};
	int rc = count_states(auditing, rows, &counts);
	if (rc == 0)
		compare_states(auditing, rows);
	if (rc == 0)
		rc = add_recorded_targets(auditing, &counts);
	for (uint32_t i = 0; i < counts.count && rc == 0; i++)
		rc = compare_target(auditing, &counts.items[i]);
	tn_target_count_fini(&counts);
	return rc;
}

/* --- Idempotency keys --- */

static int check_seen(struct tn_auditing *auditing, MDB_val key, MDB_val value)
{
	struct tn_seen seen;
	char text[112];
	if (tn_seen_read(tn_val_str(value), tn_val_str(key), &seen))
		auditing->out->seen++;
	else
		tn_audit_find(auditing->out, "SEEN_DAMAGED", tn_audit_advice_record,
		        tn_audit_hex_text("keys", key, text),
		        "an idempotency key's record cannot be read: its event may be taken twice");
	return 0;
}

int tn_audit_seen(struct tn_auditing *auditing)
{
	return tn_audit_each(auditing, TN_DB_SEEN, check_seen);
}

/* --- Names, strikes, kept values --- */

static bool is_sealed(MDB_val key, MDB_val value)
{
	uint8_t version;
	struct tn_str content;
	return tn_record_open(tn_val_str(value), tn_val_str(key), UINT8_MAX, &version, &content);
}

static int check_name(struct tn_auditing *auditing, MDB_val key, MDB_val value)
{
	char text[112];
	auditing->out->names++;
	if (key.mv_size != TN_KEY_TARGET || !is_sealed(key, value))
		tn_audit_find(auditing->out, "NAME_DAMAGED",
		        "the name is read from the target's rows when the store is opened next",
		        tn_audit_hex_text("names", key, text), "the name of a target cannot be read");
	return 0;
}

static int check_strike(struct tn_auditing *auditing, MDB_val key, MDB_val value)
{
	char text[112];
	auditing->out->strikes++;
	if (!is_sealed(key, value))
		tn_audit_find(auditing->out, "STRIKE_DAMAGED", "nothing: it counts from one when it is struck again",
		        tn_audit_hex_text("strikes", key, text), "a strike of the crash guard cannot be read");
	return 0;
}

static int check_kept(struct tn_auditing *auditing, MDB_val key, MDB_val value)
{
	char text[112];
	auditing->out->kept++;
	if (!is_sealed(key, value))
		tn_audit_find(auditing->out, "KEPT_DAMAGED",
		        "a task, such as a redrive, is not resumed: start it again",
		        tn_audit_hex_text("kept", key, text), "what was kept for a task cannot be read");
	return 0;
}

int tn_audit_notes(struct tn_auditing *auditing)
{
	int rc = tn_audit_each(auditing, TN_DB_NAMES, check_name);
	if (rc == 0)
		rc = tn_audit_each(auditing, TN_DB_STRIKES, check_strike);
	if (rc == 0)
		rc = tn_audit_each(auditing, TN_DB_KEPT, check_kept);
	return rc == 0 ? tn_audit_count(auditing, TN_DB_BAD, &auditing->out->aside) : rc;
}
