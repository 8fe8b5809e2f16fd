/* SPDX-License-Identifier: Apache-2.0
 *
 * keep.c - a few small values by name, for tasks that must go on after a restart.
 *
 * Called by whoever has such a task, rarely. Any thread asks; the writer's thread changes.
 */
#include <stdlib.h>
#include "apply.h"
#include "aside.h"
#include "record.h"
#include "store_private.h"

enum { KEPT_VERSION = 1 }; /* to change it: as in row_record.c */

struct keep_change { /* one call on the writer's thread */
	struct tn_str name, value;
	bool too_many;
};

static bool read_record(struct tn_str name, MDB_val value, struct tn_str *out_value)
{
	uint8_t version;
	return tn_record_open(tn_val_str(value), name, KEPT_VERSION, &version, out_value);
}

/* --- On the writer's thread --- */

static int put_record(struct tn_apply *apply, const struct keep_change *change)
{
	tn_record_begin(&apply->record);
	tn_buf_add_str(&apply->record, change->value);
	tn_record_seal(&apply->record, KEPT_VERSION, change->name);
	MDB_val key = tn_val(change->name.bytes, change->name.len),
	        value = tn_val(apply->record.bytes, apply->record.len);
	return mdb_put(apply->txn, apply->environment->dbi[TN_DB_KEPT], &key, &value, 0);
}

static int keep_once(struct tn_apply *apply, void *arg)
{
	struct keep_change *change = arg;
	MDB_val key = tn_val(change->name.bytes, change->name.len), value;
	struct tn_str old;
	MDB_stat stat;
	change->too_many = false;
	int rc = mdb_get(apply->txn, apply->environment->dbi[TN_DB_KEPT], &key, &value);
	if (rc == 0 && !read_record(change->name, value, &old))
		rc = tn_aside_record(apply, TN_DB_KEPT, 't', change->name.bytes, change->name.len);
	else if (rc == MDB_NOTFOUND && change->value.len > 0) {
		rc = mdb_stat(apply->txn, apply->environment->dbi[TN_DB_KEPT], &stat);
		change->too_many = rc == 0 && stat.ms_entries >= TN_STORE_KEPT;
	}
	if ((rc != 0 && rc != MDB_NOTFOUND) || change->too_many)
		return rc;
	return change->value.len > 0 ? put_record(apply, change)
	                             : tn_apply_delete(apply, TN_DB_KEPT, change->name.bytes, change->name.len);
}

/* --- Public --- */

enum tn_status tn_store_keep(struct tn_store *store, struct tn_str name, struct tn_str value, struct tn_error *error)
{
	struct keep_change change = {.name = name, .value = value};
	if (name.len == 0 || name.len > TN_STORE_KEPT_NAME || value.len > TN_STORE_KEPT_VALUE) {
		tn_error_set(error,
		        "the store keeps values of up to %d bytes under names of 1 to %d bytes, not %zu under %zu",
		        TN_STORE_KEPT_VALUE, TN_STORE_KEPT_NAME, value.len, name.len);
		return TN_INVALID;
	}
	enum tn_status status = tn_writer_call(
	        store, keep_once, &change, value.len > 0 ? TN_SPACE_ROWS : TN_SPACE_SETTLE, "keep a value", error);
	if (status == TN_OK && change.too_many) {
		tn_error_set(error, "the store %s keeps %d values already", store->path, TN_STORE_KEPT);
		return TN_FULL;
	}
	return status;
}

enum tn_status tn_store_kept(struct tn_store *store, struct tn_str name, struct tn_buf *out, struct tn_error *error)
{
	struct tn_store_reading reading;
	struct tn_str value;
	bool found = false, damaged = false;
	MDB_val key = tn_val(name.bytes, name.len), mdb_value;
	int rc = tn_store_begin_reading(store, &reading);
	if (rc == 0)
		rc = mdb_get(reading.txn, reading.environment->dbi[TN_DB_KEPT], &key, &mdb_value);
	if (rc == 0) {
		found = read_record(name, mdb_value, &value);
		damaged = !found;
		if (found)
			tn_buf_add_str(out, value);
	}
	enum tn_status status = tn_store_end_reading(&reading, rc == MDB_NOTFOUND ? 0 : rc, error);
	if (status != TN_OK || found)
		return status;
	tn_error_set(error, "the store %s keeps %s under the name %.*s", store->path,
	        damaged ? "damaged bytes" : "nothing", TN_STR_ARG(name));
	return damaged ? TN_INVALID : TN_NOT_FOUND;
}
