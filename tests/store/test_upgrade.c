/* SPDX-License-Identifier: Apache-2.0
 *
 * test_upgrade.c - a store of an older format: everything in it is there afterwards, and counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <lmdb.h>
#include <stdio.h>
#include <string.h>
#include "format_1.h"
#include "key.h"
#include "raw.h"

static const char *const old_databases[] = {"meta", "events", "rows", "states", "due", "parked", "names", "bad"};

static MDB_val from_hex(const char *hex, uint8_t *bytes)
{
	size_t len = strlen(hex) / 2;
	for (size_t i = 0; i < len; i++) {
		unsigned byte;
		assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
		bytes[i] = (uint8_t)byte;
	}
	return (MDB_val){len, bytes};
}

static void write_entry(MDB_txn *txn, const char *db, MDB_val key, MDB_val value)
{
	MDB_dbi dbi;
	assert_int_equal(mdb_dbi_open(txn, db, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
}

/* So many more entries of PARKED rows in `states`, without the rows. */
static void write_more_states(MDB_txn *txn, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint8_t key[TN_KEY_STATE], value[4] = {0, 0, 0, 2};
		tn_key_put_state(key, TN_ROW_PARKED, (struct tn_row_key){1000 + i, 0});
		write_entry(txn, "states", (MDB_val){sizeof key, key}, (MDB_val){sizeof value, value});
	}
}

static void write_old_store(const char *path, uint32_t more_states)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	uint8_t key[64], value[512];
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
	assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	for (size_t i = 0; i < sizeof old_databases / sizeof *old_databases; i++)
		assert_int_equal(mdb_dbi_open(txn, old_databases[i], MDB_CREATE, &dbi), 0);
	for (size_t i = 0; i < sizeof format_1 / sizeof *format_1; i++)
		write_entry(txn, format_1[i].db, from_hex(format_1[i].key, key), from_hex(format_1[i].value, value));
	write_more_states(txn, more_states);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static int set_up(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	fixture_close(fixture);
	remove_folder(fixture->path);
	make_temp_folder(fixture->path, sizeof fixture->path);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	fixture_free(*state);
	return 0;
}

static void remember_target(void *arg, const struct tn_store_target *target)
{
	struct tn_store_target *targets = arg;
	targets[target->number] = *target;
}

static void everything_is_there(void **state)
{
	struct fixture *fixture = *state;
	write_old_store(fixture->path, 0);
	fixture_open(fixture);
	fixture_reopen(fixture);
	struct tn_store_facts facts = facts_of(fixture);
	assert_int_equal(facts.next_seq, 9);
	assert_int_equal(facts.engine_ms, 800);
	assert_int_equal(facts.bad_records, 0);
	assert_int_equal(count_rows(fixture, TN_ROW_OPEN), 1);
	assert_int_equal(count_rows(fixture, TN_ROW_TRIED), 1);
	assert_int_equal(count_rows(fixture, TN_ROW_PARKED), 2);
	struct tn_page page = scan(fixture, scan_state(TN_ROW_DEAD));
	assert_int_equal(page.count, 1);
	assert_true(is_event_of(page.events[0], 2));
	assert_string_equal(page.rows[0].last->code, "HTTP_503");
	assert_int_equal(page.rows[0].tries.system, 4);
	assert_true(tn_id_is_zero(&page.rows[0].lane));
	tn_page_fini(&page);
	page = scan(fixture, scan_due(2, 600));
	assert_int_equal(page.count, 1);
	assert_true(is_event_of(page.events[0], 1));
	tn_page_fini(&page);
}

static void what_was_parked_and_dead_is_counted_by_target(void **state)
{
	struct fixture *fixture = *state;
	struct tn_store_target targets[3] = {0};
	write_old_store(fixture->path, 0);
	fixture_open(fixture);
	assert_int_equal(tn_store_each_number(fixture->store, remember_target, targets), TN_OK);
	assert_int_equal(targets[1].parked_rows, 1);
	assert_int_equal(targets[1].dead_rows, 1);
	assert_int_equal(targets[2].parked_rows, 1);
	assert_int_equal(targets[2].dead_rows, 0);
	struct tn_event *event = make_event(1, 20);
	assert_int_equal(targets[1].parked_bytes, tn_store_row_bytes(event));
	assert_int_equal(targets[1].dead_bytes, tn_store_row_bytes(event));
	tn_event_unref(event);

	/* And the counts go down to nothing with the rows. */
	struct tn_op ops[] = {op_on(TN_DROP_ROW, 1, 0), op_on(TN_DROP_ROW, 1, 1), op_on(TN_PURGE_ROW, 2, 0)};
	assert_int_equal(apply(fixture, ops, 3), TN_COMMIT_OK);
	fixture_close(fixture);
	assert_int_equal(raw_count(fixture->path, "targets"), 0);
	fixture_open(fixture);
}

static void what_was_there_counts_as_put(void **state)
{
	struct fixture *fixture = *state;
	write_old_store(fixture->path, 0);
	fixture_open(fixture);
	struct tn_store_facts facts = facts_of(fixture);
	assert_int_equal(facts.flows.put[TN_ROW_PARKED], 2);
	assert_int_equal(facts.flows.put[TN_ROW_DEAD], 1);
	struct tn_op redrive = op_on(TN_REDRIVE_ROW, 2, 0);
	assert_int_equal(apply(fixture, &redrive, 1), TN_COMMIT_OK);
	facts = facts_of(fixture);
	assert_int_equal(facts.flows.put[TN_ROW_DEAD], 1);
	assert_int_equal(facts.flows.redriven, 1);
}

static void a_store_with_many_rows_is_upgraded_whole(void **state)
{
	struct fixture *fixture = *state;
	struct tn_store_target targets[3] = {0};
	write_old_store(fixture->path, 5000);
	fixture_open(fixture);
	assert_int_equal(tn_store_each_number(fixture->store, remember_target, targets), TN_OK);
	assert_int_equal(targets[2].parked_rows, 5001);
	fixture_close(fixture);
	assert_int_equal(raw_count(fixture->path, "states"), 5005);
	fixture_open(fixture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(everything_is_there),
	        TEST(what_was_parked_and_dead_is_counted_by_target),
	        TEST(what_was_there_counts_as_put),
	        TEST(a_store_with_many_rows_is_upgraded_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
