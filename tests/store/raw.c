/* SPDX-License-Identifier: Apache-2.0
 *
 * raw.c - a closed store as LMDB sees it, for tests that count or damage what is in it.
 */
#include "raw.h"

#include <lmdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "key.h"

static MDB_env *open_env(const char *path)
{
	MDB_env *env;
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
	assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
	return env;
}

uint64_t raw_count(const char *path, const char *db)
{
	MDB_env *env = open_env(path);
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_stat stat;
	assert_int_equal(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, db, 0, &dbi), 0);
	assert_int_equal(mdb_stat(txn, dbi, &stat), 0);
	mdb_txn_abort(txn);
	mdb_env_close(env);
	return stat.ms_entries;
}

void raw_flip(const char *path, const char *db, const void *key, size_t key_len, int64_t bit)
{
	MDB_env *env = open_env(path);
	MDB_txn *txn;
	MDB_dbi dbi;
	uint8_t key_copy[64];
	memcpy(key_copy, key, key_len);
	MDB_val mdb_key = {key_len, key_copy}, value;
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, db, 0, &dbi), 0);
	assert_int_equal(mdb_get(txn, dbi, &mdb_key, &value), 0);
	uint8_t *copy = malloc(value.mv_size);
	assert_non_null(copy);
	memcpy(copy, value.mv_data, value.mv_size);
	uint64_t at = (uint64_t)(bit < 0 ? (int64_t)value.mv_size * 8 + bit : bit);
	copy[at / 8] ^= (uint8_t)(1u << at % 8);
	value.mv_data = copy;
	assert_int_equal(mdb_put(txn, dbi, &mdb_key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	free(copy);
	mdb_env_close(env);
}

static void change_entry(const char *path, const char *db, const void *key, size_t key_len, bool put)
{
	MDB_env *env = open_env(path);
	MDB_txn *txn;
	MDB_dbi dbi;
	uint8_t key_copy[64];
	memcpy(key_copy, key, key_len);
	MDB_val mdb_key = {key_len, key_copy}, value = {0, key_copy};
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, db, 0, &dbi), 0);
	assert_int_equal(put ? mdb_put(txn, dbi, &mdb_key, &value, 0) : mdb_del(txn, dbi, &mdb_key, NULL), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

void raw_delete(const char *path, const char *db, const void *key, size_t key_len)
{
	change_entry(path, db, key, key_len, false);
}

void raw_put(const char *path, const char *db, const void *key, size_t key_len)
{
	change_entry(path, db, key, key_len, true);
}

void raw_fill(const char *path, const char *db, uint64_t count)
{
	MDB_env *env = open_env(path);
	MDB_txn *txn;
	MDB_dbi dbi;
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, db, 0, &dbi), 0);
	for (uint64_t i = 0; i < count; i++) {
		uint8_t key[8], byte = 0;
		tn_bytes_put64(key, i);
		MDB_val mdb_key = {sizeof key, key}, value = {1, &byte};
		assert_int_equal(mdb_put(txn, dbi, &mdb_key, &value, 0), 0);
	}
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

void raw_flip_row(const char *path, uint64_t seq, uint32_t route, int64_t bit)
{
	uint8_t key[TN_KEY_ROW];
	tn_key_put_row(key, (struct tn_row_key){seq, route});
	raw_flip(path, "rows", key, sizeof key, bit);
}

void raw_flip_event(const char *path, uint64_t seq, int64_t bit)
{
	uint8_t key[TN_KEY_EVENT];
	tn_bytes_put64(key, seq);
	raw_flip(path, "events", key, sizeof key, bit);
}
