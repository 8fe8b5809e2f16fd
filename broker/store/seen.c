/* SPDX-License-Identifier: Apache-2.0
 *
 * seen.c - idempotency keys that were accepted, until they expire.
 *
 * Called by apply.c (put, drop), commit.c (sweep, write, committed), store.c (load), and by anybody who asks which keys
 * are there. One database, in the order in which keys expire: what is put in one commit stands side by side on the last
 * page or two, and what expires goes from the first. A hash as key would have each event change a page of its own,
 * which costs more than the event. Where a key's row stands is in memory (seen_index.h); what is there decides.
 *
 *   put, put, ... --> work.puts --write: sorted, appended--> rows --commit--> index
 *
 * A key that is lost - evicted, damaged, with an expired clock, not in the index - costs a duplicate and never an
 * event, so space is taken from keys first. A key that is dropped must be gone, though, or it would keep an event out
 * that nobody has: where the index may not know of it the rows are searched.
 *
 * Expiry is checked on read; sweeping only gives room back, a page's worth at a time.
 */
#include "seen.h"

#include <stdlib.h>
#include "aside.h"
#include "record.h"
#include "store_private.h"

/* Version 1 stood by key and told when it expires (format 2, see upgrade.c). To change it: as in row_record.c. */
enum { SEEN_VERSION = 2, SEEN_BYTES = 8 * 2 };
enum { SWEEP_AT_ONCE = 64, SWEEP_A_PUT = 2, EVICT_A_PUT = 2, SWEEP_LATE_MS = 10000 };
enum { LONGEST_ASIDE = 64 };
enum { DEFAULT_LIMIT = 1000000, MAP_BYTES_A_KEY = 1024 };

uint64_t tn_seen_limit(uint64_t max_seen, uint64_t map_bytes)
{
	uint64_t limit = max_seen > 0 ? max_seen : DEFAULT_LIMIT;
	return limit < map_bytes / MAP_BYTES_A_KEY ? limit : map_bytes / MAP_BYTES_A_KEY;
}

/* --- The record --- */

static struct tn_str key_str(const uint8_t key[TN_KEY_SEEN])
{
	return tn_str_make((const char *)key, TN_KEY_SEEN);
}

bool tn_seen_read(struct tn_str record, struct tn_str key, struct tn_seen *out_seen)
{
	uint8_t version;
	struct tn_str content;
	if (key.len != TN_KEY_SEEN || !tn_record_open(record, key, SEEN_VERSION, &version, &content) ||
	        version != SEEN_VERSION || content.len != SEEN_BYTES)
		return false;
	const uint8_t *bytes = (const uint8_t *)content.bytes;
	*out_seen = (struct tn_seen){.fingerprint = tn_bytes_get64(bytes), .event_seq = tn_bytes_get64(bytes + 8)};
	out_seen->expires_ms = tn_key_get_seen((const uint8_t *)key.bytes, &out_seen->key);
	return true;
}

static void write_record(struct tn_buf *out, const struct tn_seen *seen, uint8_t key[TN_KEY_SEEN])
{
	tn_key_put_seen(key, seen->expires_ms, &seen->key);
	tn_record_begin(out);
	uint8_t *bytes = (uint8_t *)tn_buf_reserve(out, SEEN_BYTES);
	tn_bytes_put64(bytes, seen->fingerprint);
	tn_bytes_put64(bytes + 8, seen->event_seq);
	out->len += SEEN_BYTES;
	tn_record_seal(out, SEEN_VERSION, key_str(key));
}

int tn_seen_append(MDB_cursor *cursor, const struct tn_seen *seen)
{
	uint8_t key[TN_KEY_SEEN];
	struct tn_buf record = {0};
	write_record(&record, seen, key);
	MDB_val mdb_key = tn_val(key, sizeof key), value = tn_val(record.bytes, record.len);
	int rc = mdb_cursor_put(cursor, &mdb_key, &value, MDB_APPEND);
	tn_buf_fini(&record);
	return rc;
}

/* --- A transaction's work --- */

void tn_seen_begin(struct tn_seen_work *work, struct tn_seen_index *index, uint64_t limit)
{
	work->index = index;
	work->limit = limit;
	work->put_count = work->come.count = work->gone.count = 0;
}

void tn_seen_fini(struct tn_seen_work *work)
{
	free(work->puts);
	free(work->come.items);
	free(work->gone.items);
	*work = (struct tn_seen_work){0};
}

static void add_row(struct tn_seen_rows *rows, const struct tn_id *key, int64_t expires_ms)
{
	if (rows->count == rows->capacity) {
		rows->capacity = rows->capacity ? rows->capacity * 2 : 64;
		rows->items = realloc(rows->items, rows->capacity * sizeof *rows->items);
		if (!rows->items)
			abort();
	}
	rows->items[rows->count++] = (struct tn_seen_place){*key, expires_ms};
}

void tn_seen_committed(struct tn_seen_work *work, bool certain, int64_t now_ms)
{
	tn_seen_index_add(work->index, work->come.items, work->come.count, now_ms);
	if (certain) /* also what came and went at once */
		tn_seen_index_remove(work->index, work->gone.items, work->gone.count, now_ms);
}

/* --- Reading --- */

int tn_seen_count(const struct tn_environment *environment, MDB_txn *txn, uint64_t *out_count)
{
	MDB_stat stat;
	int rc = mdb_stat(txn, environment->dbi[TN_DB_SEEN], &stat);
	if (rc == 0)
		*out_count = stat.ms_entries;
	return rc;
}

static int find_at(const struct tn_environment *environment, MDB_txn *txn, const struct tn_id *id, int64_t expires_ms,
        struct tn_seen *out_seen, bool *out_found)
{
	uint8_t key[TN_KEY_SEEN];
	tn_key_put_seen(key, expires_ms, id);
	MDB_val mdb_key = tn_val(key, sizeof key), value;
	int rc = mdb_get(txn, environment->dbi[TN_DB_SEEN], &mdb_key, &value);
	*out_found = rc == 0 && tn_seen_read(tn_val_str(value), key_str(key), out_seen);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int find_in(struct tn_store_reading *reading, const struct tn_id *key, const struct tn_seen_places *places,
        struct tn_seen *out_seen, bool *out_found)
{
	int rc = 0;
	for (uint32_t i = 0; i < places->count && rc == 0 && !*out_found; i++)
		rc = find_at(reading->environment, reading->txn, key, places->expires_ms[i], out_seen, out_found);
	return rc;
}

/* Most keys are new, and cost no read transaction. */
enum tn_status tn_store_seen(struct tn_store *store, const struct tn_id *keys, uint32_t count, int64_t now_ms,
        struct tn_seen *out, bool *out_found, struct tn_error *error)
{
	struct tn_store_reading reading;
	struct tn_seen_places places;
	bool is_reading = false;
	int rc = 0;
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		out_found[i] = false;
		tn_seen_index_find(&store->seen_index, &keys[i], now_ms, &places);
		if (places.count == 0)
			continue;
		if (!is_reading)
			rc = tn_store_begin_reading(store, &reading);
		is_reading = true;
		if (rc == 0)
			rc = find_in(&reading, &keys[i], &places, &out[i], &out_found[i]);
	}
	return is_reading ? tn_store_end_reading(&reading, rc, error) : TN_OK;
}

static uint64_t count_entries(const struct tn_environment *environment, MDB_txn *txn)
{
	uint64_t count = 0;
	return tn_seen_count(environment, txn, &count) == 0 ? count : 0;
}

int tn_seen_load(const struct tn_environment *environment, MDB_txn *txn, struct tn_seen_index *index, int64_t now_ms)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	int rc = mdb_cursor_open(txn, environment->dbi[TN_DB_SEEN], &cursor);
	if (rc != 0)
		return rc;
	tn_seen_index_reserve(index, count_entries(environment, txn), now_ms);
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		struct tn_seen_place place;
		if (key.mv_size != TN_KEY_SEEN)
			continue;
		place.expires_ms = tn_key_get_seen(key.mv_data, &place.key);
		if (place.expires_ms > now_ms)
			tn_seen_index_add(index, &place, 1, now_ms);
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* --- Dropping --- */

/* The row under the cursor; a damaged one is set aside. */
static int drop_row(struct tn_apply *apply, MDB_cursor *cursor, MDB_val key, MDB_val value)
{
	struct tn_seen seen;
	if (!tn_seen_read(tn_val_str(value), tn_val_str(key), &seen) && key.mv_size <= LONGEST_ASIDE) {
		uint8_t copy[LONGEST_ASIDE];
		memcpy(copy, key.mv_data, key.mv_size);
		return tn_aside_record(apply, TN_DB_SEEN, 's', copy, key.mv_size);
	}
	if (key.mv_size == TN_KEY_SEEN)
		add_row(&apply->seen->gone, &seen.key, seen.expires_ms);
	return mdb_cursor_del(cursor, 0);
}

/* Up to limit of those that expire first and not after until_ms. */
static int drop_first(struct tn_apply *apply, MDB_cursor *cursor, uint64_t limit, int64_t until_ms)
{
	MDB_val key, value;
	struct tn_id id;
	int rc = 0;
	while (limit-- > 0 && rc == 0) {
		rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
		if (rc == 0 && key.mv_size == TN_KEY_SEEN && tn_key_get_seen(key.mv_data, &id) > until_ms)
			break;
		if (rc == 0)
			rc = drop_row(apply, cursor, key, value);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Have so many expired that their page goes as a whole? A few are waited for, but not for long. */
static int sweep_is_due(MDB_cursor *cursor, int64_t now_ms, bool *out_due)
{
	MDB_val key, value;
	struct tn_id id;
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
	*out_due = false;
	for (unsigned i = 0; i < SWEEP_AT_ONCE && rc == 0; i++) {
		int64_t expires_ms = key.mv_size == TN_KEY_SEEN ? tn_key_get_seen(key.mv_data, &id) : INT64_MIN;
		if (expires_ms > now_ms)
			return 0;
		*out_due = (uint64_t)now_ms - (uint64_t)expires_ms >= SWEEP_LATE_MS || i + 1 == SWEEP_AT_ONCE;
		if (*out_due)
			return 0;
		rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

int tn_seen_sweep(struct tn_apply *apply)
{
	MDB_cursor *cursor;
	int64_t now_ms = apply->meta.engine_ms;
	bool due;
	int rc = mdb_cursor_open(apply->txn, apply->environment->dbi[TN_DB_SEEN], &cursor);
	if (rc != 0)
		return rc;
	rc = sweep_is_due(cursor, now_ms, &due);
	if (rc == 0 && due)
		rc = drop_first(apply, cursor, SWEEP_AT_ONCE + SWEEP_A_PUT * (uint64_t)apply->seen->put_count, now_ms);
	mdb_cursor_close(cursor);
	return rc;
}

static int drop_at(struct tn_apply *apply, MDB_cursor *cursor, const struct tn_id *id, int64_t expires_ms)
{
	uint8_t bytes[TN_KEY_SEEN];
	tn_key_put_seen(bytes, expires_ms, id);
	MDB_val key = tn_val(bytes, sizeof bytes), value;
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_KEY);
	if (rc == 0)
		rc = drop_row(apply, cursor, key, value);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

/* From the newest on. MDB_NOTFOUND: there is none. */
static int search(MDB_cursor *cursor, const struct tn_id *id, int64_t *out_expires_ms)
{
	MDB_val key, value;
	struct tn_id found;
	int rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
	for (; rc == 0; rc = mdb_cursor_get(cursor, &key, &value, MDB_PREV)) {
		if (key.mv_size != TN_KEY_SEEN)
			continue;
		*out_expires_ms = tn_key_get_seen(key.mv_data, &found);
		if (tn_id_equal(&found, id))
			break;
	}
	return rc;
}

static int search_and_drop(struct tn_apply *apply, MDB_cursor *cursor, const struct tn_id *id)
{
	int64_t expires_ms;
	int rc = search(cursor, id, &expires_ms);
	while (rc == 0) {
		rc = drop_at(apply, cursor, id, expires_ms);
		if (rc == 0)
			rc = search(cursor, id, &expires_ms);
	}
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static void forget_puts(struct tn_seen_work *work, const struct tn_id *key)
{
	uint32_t kept = 0;
	for (uint32_t i = 0; i < work->put_count; i++)
		if (!tn_id_equal(&work->puts[i].seen.key, key))
			work->puts[kept++] = work->puts[i];
	work->put_count = kept;
}

int tn_seen_drop(struct tn_apply *apply, const struct tn_id *key)
{
	struct tn_seen_index *index = apply->seen->index;
	struct tn_seen_places places;
	MDB_cursor *cursor;
	forget_puts(apply->seen, key);
	int rc = mdb_cursor_open(apply->txn, apply->environment->dbi[TN_DB_SEEN], &cursor);
	if (rc != 0)
		return rc;
	tn_seen_index_find(index, key, INT64_MIN, &places);
	if (places.more || !tn_seen_index_is_whole(index, apply->meta.engine_ms))
		rc = search_and_drop(apply, cursor, key);
	else
		for (uint32_t i = 0; i < places.count && rc == 0; i++)
			rc = drop_at(apply, cursor, key, places.expires_ms[i]);
	mdb_cursor_close(cursor);
	return rc;
}

/* --- Putting --- */

void tn_seen_put(struct tn_apply *apply, const struct tn_seen *seen)
{
	struct tn_seen_work *work = apply->seen;
	if (work->put_count == work->put_capacity) {
		work->put_capacity = work->put_capacity ? work->put_capacity * 2 : 64;
		work->puts = realloc(work->puts, work->put_capacity * sizeof *work->puts);
		if (!work->puts)
			abort();
	}
	work->puts[work->put_count] = (struct tn_seen_put){*seen, work->put_count};
	work->put_count++;
}

static int compare_by_key(const void *a, const void *b)
{
	const struct tn_seen_put *one = a, *other = b;
	int keys = memcmp(one->seen.key.bytes, other->seen.key.bytes, sizeof one->seen.key.bytes);
	return keys != 0 ? keys : one->order < other->order ? -1 : one->order > other->order;
}

static int compare_by_expiry(const void *a, const void *b)
{
	const struct tn_seen_put *one = a, *other = b;
	if (one->seen.expires_ms != other->seen.expires_ms)
		return one->seen.expires_ms < other->seen.expires_ms ? -1 : 1;
	return memcmp(one->seen.key.bytes, other->seen.key.bytes, sizeof one->seen.key.bytes);
}

/* One for each key, in the order in which they are to stand. */
static void sort_puts(struct tn_seen_work *work)
{
	uint32_t kept = 0;
	qsort(work->puts, work->put_count, sizeof *work->puts, compare_by_key);
	for (uint32_t i = 0; i < work->put_count; i++) {
		bool again = kept > 0 && tn_id_equal(&work->puts[kept - 1].seen.key, &work->puts[i].seen.key);
		work->puts[again ? kept - 1 : kept++] = work->puts[i];
	}
	work->put_count = kept;
	qsort(work->puts, work->put_count, sizeof *work->puts, compare_by_expiry);
}

/* Those of its rows that are to be gone: at another time, or damaged. */
static int drop_old(struct tn_apply *apply, MDB_cursor *cursor, const struct tn_seen *seen, bool *out_there)
{
	struct tn_seen_places places;
	struct tn_seen old;
	int rc = 0;
	*out_there = false;
	tn_seen_index_find(apply->seen->index, &seen->key, INT64_MIN, &places);
	for (uint32_t i = 0; i < places.count && rc == 0; i++) {
		if (places.expires_ms[i] == seen->expires_ms)
			rc = find_at(apply->environment, apply->txn, &seen->key, seen->expires_ms, &old, out_there);
		if (rc == 0 && (places.expires_ms[i] != seen->expires_ms || !*out_there))
			rc = drop_at(apply, cursor, &seen->key, places.expires_ms[i]);
	}
	return rc;
}

static int write_put(struct tn_apply *apply, MDB_cursor *cursor, const struct tn_seen *seen, bool *append)
{
	uint8_t bytes[TN_KEY_SEEN];
	MDB_val last, nothing;
	bool there;
	int rc = drop_old(apply, cursor, seen, &there);
	if (rc != 0)
		return rc;
	write_record(&apply->record, seen, bytes);
	if (!*append) { /* what is sorted can be appended from the first that stands behind all others */
		rc = mdb_cursor_get(cursor, &last, &nothing, MDB_LAST);
		*append = rc == MDB_NOTFOUND ||
		          (rc == 0 && last.mv_size == sizeof bytes && memcmp(bytes, last.mv_data, sizeof bytes) > 0);
	}
	MDB_val key = tn_val(bytes, sizeof bytes), value = tn_val(apply->record.bytes, apply->record.len);
	rc = mdb_cursor_put(cursor, &key, &value, *append ? MDB_APPEND : 0);
	if (rc == 0 && !there)
		add_row(&apply->seen->come, &seen->key, seen->expires_ms);
	return rc;
}

static int evict(struct tn_apply *apply, MDB_cursor *cursor)
{
	const struct tn_seen_work *work = apply->seen;
	uint64_t count = 0, most = EVICT_A_PUT * (uint64_t)work->put_count;
	int rc = tn_seen_count(apply->environment, apply->txn, &count);
	if (rc != 0 || count <= work->limit)
		return rc;
	return drop_first(apply, cursor, count - work->limit < most ? count - work->limit : most, INT64_MAX);
}

int tn_seen_write(struct tn_apply *apply)
{
	struct tn_seen_work *work = apply->seen;
	MDB_cursor *cursor;
	bool append = false;
	if (work->put_count == 0)
		return 0;
	int rc = mdb_cursor_open(apply->txn, apply->environment->dbi[TN_DB_SEEN], &cursor);
	if (rc != 0)
		return rc;
	sort_puts(work);
	for (uint32_t i = 0; i < work->put_count && rc == 0; i++)
		rc = write_put(apply, cursor, &work->puts[i].seen, &append);
	if (rc == 0)
		rc = evict(apply, cursor);
	mdb_cursor_close(cursor);
	return rc;
}
