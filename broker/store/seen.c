/* SPDX-License-Identifier: Apache-2.0
 *
 * seen.c - idempotency keys that were accepted, until they expire.
 *
 * Called by apply.c (put), commit.c (sweep) and scan.c (find). Two databases: `seen` by key, and `expiry`, which says
 * what goes first. A key that is lost - evicted, damaged, with an expired clock - costs a duplicate and never an event,
 * so space is taken from keys first.
 *
 * Expiry is checked on read; sweeping only gives room back.
 */
#include "seen.h"

#include "aside.h"
#include "record.h"

enum { SEEN_VERSION = 1, SEEN_BYTES = 8 * 3 }; /* to change it: as in row_record.c */
enum { SWEEP_ALWAYS = 64, SWEEP_A_PUT = 2, EVICT_A_PUT = 2 };
enum { DEFAULT_LIMIT = 1000000, MAP_BYTES_A_KEY = 1024 };

uint64_t tn_seen_limit(uint64_t max_seen, uint64_t map_bytes)
{
	uint64_t limit = max_seen > 0 ? max_seen : DEFAULT_LIMIT;
	return limit < map_bytes / MAP_BYTES_A_KEY ? limit : map_bytes / MAP_BYTES_A_KEY;
}

/* --- The record --- */

static struct tn_str id_str(const struct tn_id *id)
{
	return tn_str_make((const char *)id->bytes, sizeof id->bytes);
}

bool tn_seen_read(struct tn_str record, const struct tn_id *key, struct tn_seen *out_seen)
{
	uint8_t version;
	struct tn_str content;
	if (!tn_record_open(record, id_str(key), SEEN_VERSION, &version, &content) || content.len != SEEN_BYTES)
		return false;
	const uint8_t *bytes = (const uint8_t *)content.bytes;
	*out_seen = (struct tn_seen){
	        .key = *key,
	        .fingerprint = tn_bytes_get64(bytes),
	        .event_seq = tn_bytes_get64(bytes + 8),
	        .expires_ms = (int64_t)tn_bytes_get64(bytes + 16),
	};
	return true;
}

static void write_record(struct tn_buf *out, const struct tn_seen *seen)
{
	tn_record_begin(out);
	uint8_t *bytes = (uint8_t *)tn_buf_reserve(out, SEEN_BYTES);
	tn_bytes_put64(bytes, seen->fingerprint);
	tn_bytes_put64(bytes + 8, seen->event_seq);
	tn_bytes_put64(bytes + 16, (uint64_t)seen->expires_ms);
	out->len += SEEN_BYTES;
	tn_record_seal(out, SEEN_VERSION, id_str(&seen->key));
}

/* --- Reading --- */

static int load(const struct tn_environment *environment, MDB_txn *txn, const struct tn_id *id,
        struct tn_seen *out_seen, bool *out_damaged)
{
	MDB_val key = tn_val(id->bytes, sizeof id->bytes), value;
	int rc = mdb_get(txn, environment->dbi[TN_DB_SEEN], &key, &value);
	*out_damaged = rc == 0 && !tn_seen_read(tn_val_str(value), id, out_seen);
	return rc;
}

int tn_seen_find(const struct tn_environment *environment, MDB_txn *txn, const struct tn_id *key, int64_t now_ms,
        struct tn_seen *out_seen, bool *out_found)
{
	struct tn_seen seen;
	bool damaged;
	int rc = load(environment, txn, key, &seen, &damaged);
	*out_found = rc == 0 && !damaged && seen.expires_ms > now_ms;
	if (*out_found)
		*out_seen = seen;
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int tn_seen_count(const struct tn_environment *environment, MDB_txn *txn, uint64_t *out_count)
{
	MDB_stat stat;
	int rc = mdb_stat(txn, environment->dbi[TN_DB_SEEN], &stat);
	if (rc == 0)
		*out_count = stat.ms_entries;
	return rc;
}

/* --- Dropping --- */

static int delete_expiry(struct tn_apply *apply, const struct tn_id *id, int64_t expires_ms)
{
	uint8_t key[TN_KEY_EXPIRY];
	tn_key_put_expiry(key, expires_ms, id);
	return tn_apply_delete(apply, TN_DB_EXPIRY, key, sizeof key);
}

/* The key that an entry of `expiry` stands for, unless it expires at another time by now: then the entry was left
 * behind by a damaged record. */
static int drop_entry(struct tn_apply *apply, const struct tn_id *id, int64_t expires_ms)
{
	struct tn_seen seen;
	bool damaged;
	int rc = load(apply->environment, apply->txn, id, &seen, &damaged);
	if (rc == 0 && damaged)
		rc = tn_aside_seen(apply, id);
	else if (rc == 0 && seen.expires_ms == expires_ms)
		rc = tn_apply_delete(apply, TN_DB_SEEN, id->bytes, sizeof id->bytes);
	return rc == 0 || rc == MDB_NOTFOUND ? delete_expiry(apply, id, expires_ms) : rc;
}

/* Up to limit of those that expire first and not after until_ms. */
static int drop_first(struct tn_apply *apply, uint64_t limit, int64_t until_ms)
{
	MDB_cursor *cursor;
	int rc = mdb_cursor_open(apply->txn, apply->environment->dbi[TN_DB_EXPIRY], &cursor);
	if (rc != 0)
		return rc;
	while (limit-- > 0 && rc == 0) {
		MDB_val key, value;
		struct tn_id id;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
		if (rc != 0 || key.mv_size != TN_KEY_EXPIRY)
			break;
		int64_t expires_ms = tn_key_get_expiry(key.mv_data, &id);
		if (expires_ms > until_ms)
			break;
		rc = drop_entry(apply, &id, expires_ms);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int tn_seen_sweep(struct tn_apply *apply)
{
	return drop_first(apply, SWEEP_ALWAYS + SWEEP_A_PUT * (uint64_t)apply->seen_puts, apply->meta.engine_ms);
}

int tn_seen_drop(struct tn_apply *apply, const struct tn_id *key)
{
	struct tn_seen seen;
	bool damaged;
	int rc = load(apply->environment, apply->txn, key, &seen, &damaged);
	if (rc != 0)
		return rc == MDB_NOTFOUND ? 0 : rc;
	return damaged ? tn_aside_seen(apply, key) : drop_entry(apply, key, seen.expires_ms);
}

/* --- Putting --- */

int tn_seen_put(struct tn_apply *apply, const struct tn_seen *seen)
{
	struct tn_seen old;
	bool damaged;
	int rc = load(apply->environment, apply->txn, &seen->key, &old, &damaged);
	if (rc == 0 && damaged)
		rc = tn_aside_seen(apply, &seen->key);
	else if (rc == 0 && old.expires_ms != seen->expires_ms)
		rc = delete_expiry(apply, &seen->key, old.expires_ms);
	if (rc != 0 && rc != MDB_NOTFOUND)
		return rc;

	uint8_t expiry[TN_KEY_EXPIRY];
	tn_key_put_expiry(expiry, seen->expires_ms, &seen->key);
	write_record(&apply->record, seen);
	MDB_val key = tn_val(seen->key.bytes, sizeof seen->key.bytes),
	        value = tn_val(apply->record.bytes, apply->record.len);
	MDB_val expiry_key = tn_val(expiry, sizeof expiry), nothing = tn_val("", 0);
	rc = mdb_put(apply->txn, apply->environment->dbi[TN_DB_SEEN], &key, &value, 0);
	if (rc == 0)
		rc = mdb_put(apply->txn, apply->environment->dbi[TN_DB_EXPIRY], &expiry_key, &nothing, 0);

	uint64_t count = 0;
	apply->seen_puts++;
	if (rc == 0)
		rc = tn_seen_count(apply->environment, apply->txn, &count);
	if (rc == 0 && count > apply->max_seen)
		rc = drop_first(apply, count - apply->max_seen < EVICT_A_PUT ? count - apply->max_seen : EVICT_A_PUT,
		        INT64_MAX);
	return rc;
}
