/* SPDX-License-Identifier: Apache-2.0
 *
 * audit.c - does the store add up? One read transaction over everything in it.
 *
 * Called by the admin room on a thread of its own, and by `turnout audit` where no bus runs. Changes nothing. What
 * belongs together is checked both ways: that each row is found by every index is audit_rows.c, and that the indexes
 * have as many entries as that, and no other, is audit_rows.c too; counters are in audit_counts.c.
 */
#include "audit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "store_private.h"

enum { STEPS_A_QUESTION = 256 };

const char tn_audit_advice_record[] = "the record is set aside when it is met, or by `turnout audit --repair`; what it "
                                      "stood for is lost here: look for it at its source";
const char tn_audit_advice_repair[] =
        "stop the bus and run `turnout audit --repair`: indexes and counters are made anew from the rows";
const char tn_audit_advice_report[] = "please report this";

/* --- Findings --- */

void tn_audit_find(
        struct tn_audit *audit, const char *code, const char *advice, const char *key, const char *format, ...)
{
	if (audit->findings++ >= TN_AUDIT_LISTED)
		return;
	struct tn_audit_finding *finding = &audit->listed[audit->listed_count++];
	va_list args;
	va_start(args, format);
	*finding = (struct tn_audit_finding){.code = code, .advice = advice};
	snprintf(finding->key, sizeof finding->key, "%s", key);
	vsnprintf(finding->text, sizeof finding->text, format, args);
	va_end(args);
}

char *tn_audit_row_text(struct tn_row_key row, char out[112])
{
	snprintf(out, 112, "%016llx-%u", (unsigned long long)row.event_seq, (unsigned)row.route_no);
	return out;
}

char *tn_audit_hex_text(const char *database, MDB_val key, char out[112])
{
	size_t at = (size_t)snprintf(out, 112, "%s ", database);
	const uint8_t *bytes = key.mv_data;
	for (size_t i = 0; i < key.mv_size && at + 3 < 112; i++, at += 2)
		snprintf(out + at, 3, "%02x", bytes[i]);
	return out;
}

/* --- Steps --- */

int tn_audit_step(struct tn_auditing *auditing)
{
	if (++auditing->steps % STEPS_A_QUESTION != 0 || !auditing->goes_on || auditing->goes_on(auditing->arg))
		return 0;
	return ECANCELED;
}

int tn_audit_each(struct tn_auditing *auditing, enum tn_db db,
        int (*each)(struct tn_auditing *auditing, MDB_val key, MDB_val value))
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(auditing->txn, auditing->environment->dbi[db], &cursor);
	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		rc = tn_audit_step(auditing);
		if (rc == 0)
			rc = each(auditing, key, value);
		if (rc != 0)
			break;
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int tn_audit_get(
        struct tn_auditing *auditing, enum tn_db db, const void *key, size_t len, MDB_val *out_value, bool *out_found)
{
	MDB_val mdb_key = tn_val(key, len);
	int rc = mdb_get(auditing->txn, auditing->environment->dbi[db], &mdb_key, out_value);
	*out_found = rc == 0;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int tn_audit_count(struct tn_auditing *auditing, enum tn_db db, uint64_t *out_count)
{
	MDB_stat stat;
	int rc = mdb_stat(auditing->txn, auditing->environment->dbi[db], &stat);
	if (rc == 0)
		*out_count = stat.ms_entries;
	return rc;
}

int tn_audit_was_set_aside(struct tn_auditing *auditing, char kind, const void *key, size_t len, bool *out_was)
{
	uint8_t bad_key[1 + 64];
	MDB_val value;
	bad_key[0] = (uint8_t)kind;
	memcpy(bad_key + 1, key, len);
	return tn_audit_get(auditing, TN_DB_BAD, bad_key, 1 + len, &value, out_was);
}

/* --- Public --- */

static int load_meta(struct tn_auditing *auditing)
{
	int rc = tn_meta_load(auditing->environment, auditing->txn, &auditing->meta);
	if (rc != MDB_CORRUPTED)
		return rc;
	tn_audit_find(auditing->out, "META_DAMAGED", tn_audit_advice_repair, "meta",
	        "the store's own counters cannot be read");
	auditing->meta = (struct tn_meta){.next_seq = UINT64_MAX};
	return 0;
}

enum tn_status tn_store_audit(struct tn_store *store, bool (*goes_on)(void *arg), void *arg, struct tn_audit *out_audit,
        struct tn_error *error)
{
	static int (*const parts[])(struct tn_auditing * auditing) = {
	        load_meta,
	        tn_audit_rows,
	        tn_audit_indexes,
	        tn_audit_counts,
	        tn_audit_seen,
	        tn_audit_notes,
	};
	struct tn_store_reading reading;
	*out_audit = (struct tn_audit){0};
	int rc = tn_store_begin_reading(store, &reading);
	struct tn_auditing auditing = {.environment = reading.environment,
	        .txn = reading.txn,
	        .out = out_audit,
	        .goes_on = goes_on,
	        .arg = arg};
	for (size_t i = 0; i < sizeof parts / sizeof *parts && rc == 0; i++)
		rc = parts[i](&auditing);
	tn_arena_fini(&auditing.arena);
	tn_buf_fini(&auditing.named);
	enum tn_status status = tn_store_end_reading(&reading, rc == ECANCELED ? 0 : rc, error);
	if (status != TN_OK || rc == 0)
		return status;
	tn_error_set(error, "the audit of the store %s was ended before it was done", store->path);
	return TN_CLOSED;
}
