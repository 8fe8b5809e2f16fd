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
#include "format_2.h"
#include "key.h"
#include "raw.h"

static const char *const databases_1[] = {"meta", "events", "rows", "states", "due", "parked", "names", "bad", NULL};
static const char *const databases_2[] = {"meta", "events", "rows", "states", "due", "lanes", "targets", "names", "seen", "expiry",
	"strikes", "kept", "bad", NULL};

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

/* So many more entries of `expiry`, without their keys in `seen`. */
static void write_more_expiry(MDB_txn *txn, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		uint8_t key[24] = {0x80, 0, 0, 0, 0x10};
		tn_bytes_put32(key + 16, i);
		write_entry(txn, "expiry", (MDB_val){sizeof key, key}, (MDB_val){0, NULL});
	}
}

static void write_store(const char *path, const char *const *databases, const struct format_entry *entries, size_t count,
	void (*write_more)(MDB_txn *txn, uint32_t count), uint32_t more)
{
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;
	uint8_t key[64], value[512];
	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_set_maxdbs(env, 16), 0);
	assert_int_equal(mdb_env_open(env, path, 0, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	for (size_t i = 0; databases[i]; i++)
		assert_int_equal(mdb_dbi_open(txn, databases[i], MDB_CREATE, &dbi), 0);
	for (size_t i = 0; i < count; i++)
		write_entry(txn, entries[i].db, from_hex(entries[i].key, key), from_hex(entries[i].value, value));
	write_more(txn, more);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void write_old_store(const char *path, uint32_t more_states)
{
	write_store(path, databases_1, format_1, sizeof format_1 / sizeof *format_1, write_more_states, more_states);
}

static void write_store_of_format_2(const char *path, uint32_t more_expiry)
{
	write_store(path, databases_2, format_2, sizeof format_2 / sizeof *format_2, write_more_expiry, more_expiry);
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

/* --- Format 2 --- */

static uint32_t count_seen(struct fixture *fixture, int64_t now_ms, struct tn_seen seen[3])
{
	struct tn_id keys[] = {make_id(1), make_id(2), make_id(3)};
	bool found[3];
	assert_int_equal(tn_store_seen(fixture->store, keys, 3, now_ms, seen, found, NULL), TN_OK);
	return (uint32_t)found[0] + found[1] + found[2];
}

static void idempotency_keys_are_known_after_an_upgrade(void **state)
{
	struct fixture *fixture = *state;
	struct tn_seen seen[3];
	write_store_of_format_2(fixture->path, 100);
	fixture_open(fixture);
	fixture_reopen(fixture);
	assert_int_equal(facts_of(fixture).bad_records, 0);
	assert_int_equal(facts_of(fixture).seen, 3);
	assert_int_equal(facts_of(fixture).engine_ms, 699);
	assert_int_equal(count_rows(fixture, TN_ROW_TRIED), 1);
	assert_int_equal(count_seen(fixture, 699, seen), 3);
	assert_int_equal(seen[0].fingerprint, 1001);
	assert_int_equal(seen[1].event_seq, 2);
	assert_int_equal(seen[1].expires_ms, 10000);
	assert_int_equal(count_seen(fixture, 700, seen), 2);
	assert_int_equal(count_seen(fixture, 5000, seen), 1);
}

static void a_key_is_put_and_dropped_after_an_upgrade_as_before(void **state)
{
	struct fixture *fixture = *state;
	struct tn_seen seen[3];
	write_store_of_format_2(fixture->path, 0);
	fixture_open(fixture);
	struct tn_op ops[] = {{.kind = TN_DROP_SEEN, .seen.key = make_id(1)},
		{.kind = TN_PUT_SEEN, .seen = {.key = make_id(2), .expires_ms = 20000}}};
	assert_int_equal(apply(fixture, ops, 2), TN_COMMIT_OK);
	assert_int_equal(count_seen(fixture, 699, seen), 2);
	assert_int_equal(count_seen(fixture, 10000, seen), 1);
}

static void keys_are_forgotten_where_there_is_no_room_for_two_of_each(void **state)
{
	struct fixture *fixture = *state;
	struct tn_seen seen[3];
	fixture->max_size_bytes = 2 * MIB;
	write_store_of_format_2(fixture->path, 12000);
	fixture_open(fixture);
	assert_int_equal(facts_of(fixture).seen, 0);
	assert_int_equal(count_seen(fixture, 699, seen), 0);
	assert_int_equal(count_rows(fixture, TN_ROW_TRIED), 1);
	put(fixture, make_row(9, 0, TN_ROW_OPEN, 1, 0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        TEST(everything_is_there),
	        TEST(what_was_parked_and_dead_is_counted_by_target),
	        TEST(what_was_there_counts_as_put),
	        TEST(a_store_with_many_rows_is_upgraded_whole),
	        TEST(idempotency_keys_are_known_after_an_upgrade),
	        TEST(a_key_is_put_and_dropped_after_an_upgrade_as_before),
	        TEST(keys_are_forgotten_where_there_is_no_room_for_two_of_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
