/* SPDX-License-Identifier: Apache-2.0
 *
 * names.c - the persistent numbers of target names: the same for ever, so that rows and indexes can carry a number.
 *
 * Called by store.c at open and for lookups, by writer.c when a name is new. Names are never deleted and numbers never used again.
 */
#include "names.h"

#include <stdlib.h>
#include "record.h"

enum { NAME_VERSION = 1 }; /* to change it: as in row_record.c */

void tn_names_init(struct tn_names *names)
{
	*names = (struct tn_names){0};
	pthread_mutex_init(&names->lock, NULL);
}

void tn_names_fini(struct tn_names *names)
{
	pthread_mutex_destroy(&names->lock);
	tn_arena_fini(&names->arena);
	free(names->names);
}

bool tn_names_find(struct tn_names *names, struct tn_str name, uint32_t *out_number)
{
	bool found = false;
	pthread_mutex_lock(&names->lock);
	for (uint32_t i = 0; i < names->count && !found; i++) {
		found = tn_str_equal(names->names[i].name, name);
		if (found)
			*out_number = names->names[i].number;
	}
	pthread_mutex_unlock(&names->lock);
	return found;
}

uint32_t tn_names_next(struct tn_names *names)
{
	pthread_mutex_lock(&names->lock);
	uint32_t next = names->highest + 1;
	pthread_mutex_unlock(&names->lock);
	return next;
}

void tn_names_add(struct tn_names *names, struct tn_str name, uint32_t number)
{
	pthread_mutex_lock(&names->lock);
	if (names->count == names->capacity) {
		names->capacity = names->capacity ? names->capacity * 2 : 16;
		names->names = realloc(names->names, names->capacity * sizeof *names->names);
		if (!names->names)
			abort();
	}
	names->names[names->count++] = (struct tn_name){tn_arena_copy(&names->arena, name), number};
	if (names->highest < number)
		names->highest = number;
	pthread_mutex_unlock(&names->lock);
}

int tn_names_put(struct tn_apply *apply, struct tn_str name, uint32_t number)
{
	uint8_t key[TN_KEY_TARGET];
	tn_bytes_put32(key, number);
	tn_record_begin(&apply->record);
	tn_buf_add_str(&apply->record, name);
	tn_record_seal(&apply->record, NAME_VERSION, tn_str_make((char *)key, sizeof key));
	MDB_val mdb_key = tn_val(key, sizeof key), value = tn_val(apply->record.bytes, apply->record.len);
	return mdb_put(apply->txn, apply->environment->dbi[TN_DB_NAMES], &mdb_key, &value, 0);
}

/* --- Damaged names --- */

/* A row that carries number knows the name too. MDB_NOTFOUND: no such row. name lives in apply's arena. */
static int ask_rows(struct tn_apply *apply, uint32_t number, struct tn_str *out_name)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	struct tn_row row;
	int rc = mdb_cursor_open(apply->txn, apply->environment->dbi[TN_DB_ROWS], &cursor);
	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		tn_arena_reset(&apply->arena);
		if (key.mv_size == TN_KEY_ROW &&
			tn_row_record_read(tn_val_str(value), tn_key_get_row(key.mv_data), &apply->arena, &row) &&
			row.target_no == number && row.target.len > 0) {
			*out_name = row.target;
			break;
		}
	}
	mdb_cursor_close(cursor);
	return rc;
}

static int move_damaged(struct tn_apply *apply, uint32_t number)
{
	uint8_t key[TN_KEY_TARGET], bad_key[1 + TN_KEY_TARGET] = {'n'};
	struct tn_buf copy = {0};
	tn_bytes_put32(key, number);
	tn_bytes_put32(bad_key + 1, number);
	MDB_val mdb_key = tn_val(key, sizeof key), mdb_bad_key = tn_val(bad_key, sizeof bad_key), value;
	int rc = mdb_get(apply->txn, apply->environment->dbi[TN_DB_NAMES], &mdb_key, &value);
	if (rc != 0)
		return rc;
	tn_buf_add(&copy, value.mv_data, value.mv_size);
	value = tn_val(copy.bytes, copy.len);
	rc = mdb_put(apply->txn, apply->environment->dbi[TN_DB_BAD], &mdb_bad_key, &value, 0);
	tn_buf_fini(&copy);
	apply->meta.bad_records++;
	return rc;
}

static int repair_name(struct tn_names *names, struct tn_apply *apply, uint32_t number)
{
	struct tn_str name;
	int rc = move_damaged(apply, number);
	if (rc != 0)
		return rc;
	rc = ask_rows(apply, number, &name);
	if (rc == 0) {
		rc = tn_names_put(apply, name, number);
		tn_names_add(names, name, number);
		return rc;
	}
	/* No row has it, so nothing is lost but the number, which stays taken by an empty name. */
	return rc == MDB_NOTFOUND ? tn_names_put(apply, TN_STR(""), number) : rc;
}

int tn_names_load(struct tn_names *names, struct tn_apply *apply)
{
	MDB_cursor *cursor;
	MDB_val key, value;
	uint32_t damaged[64], damaged_count = 0;
	int rc = mdb_cursor_open(apply->txn, apply->environment->dbi[TN_DB_NAMES], &cursor);
	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
		uint8_t version;
		struct tn_str name;
		if (key.mv_size != TN_KEY_TARGET)
			continue;
		uint32_t number = tn_bytes_get32(key.mv_data);
		names->highest = number;
		if (tn_record_open(tn_val_str(value), tn_val_str(key), NAME_VERSION, &version, &name)) {
			if (name.len > 0)
				tn_names_add(names, name, number);
		} else if (damaged_count < sizeof damaged / sizeof *damaged)
			damaged[damaged_count++] = number;
	}
	mdb_cursor_close(cursor);
	rc = rc == MDB_NOTFOUND ? 0 : rc;
	for (uint32_t i = 0; i < damaged_count && rc == 0; i++)
		rc = repair_name(names, apply, damaged[i]);
	return rc;
}
