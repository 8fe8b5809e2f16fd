/* SPDX-License-Identifier: Apache-2.0
 *
 * test_folder.c - a new store's names are durable before it is used, and what the power left of a new file is no obstacle. This program has
 * its own fsync, which the store finds first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fixture.h"

static struct stat synced[16];
static unsigned sync_count;
static int failure;

int fsync(int fd)
{
	if (failure != 0) {
		errno = failure;
		return -1;
	}
	if (sync_count < sizeof synced / sizeof *synced && fstat(fd, &synced[sync_count]) == 0)
		sync_count++;
	return 0;
}

static bool was_synced(const char *path)
{
	struct stat info;
	assert_int_equal(stat(path, &info), 0);
	for (unsigned i = 0; i < sync_count; i++)
		if (synced[i].st_dev == info.st_dev && synced[i].st_ino == info.st_ino)
			return true;
	return false;
}

static void an_opened_store_and_its_folder_keep_their_names(void **state)
{
	char parent[300];
	sync_count = 0;
	struct fixture *fixture = fixture_new(MIB);
	snprintf(parent, sizeof parent, "%s/..", fixture->path);
	assert_true(was_synced(fixture->path));
	assert_true(was_synced(parent));
	fixture_free(fixture);
}

static void a_folder_that_cannot_be_synced_is_an_error(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct tn_error error = {0};
	fixture_close(fixture);
	failure = EIO;
	assert_int_equal(fixture_try_open(fixture, &error), TN_IO);
	assert_non_null(strstr(error.message, "cannot sync the store folder"));
	failure = EINVAL; /* a file system that does not know this */
	assert_int_equal(fixture_try_open(fixture, &error), TN_OK);
	fixture_free(fixture);
}

static void check_lock_file_size(const struct fixture *fixture)
{
	char name[300];
	struct stat info;
	snprintf(name, sizeof name, "%s/turnout.lock", fixture->path);
	assert_int_equal(stat(name, &info), 0);
	assert_int_equal(info.st_size, 512);
}

/* A disk that became full meanwhile has no room for it to grow. */
static void the_lock_file_keeps_its_size(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	char socket[256] = "untouched";
	check_lock_file_size(fixture);
	fixture_close(fixture);
	check_lock_file_size(fixture);
	assert_int_equal(tn_store_holder(fixture->path, socket, sizeof socket), TN_NOT_FOUND);
	fixture_free(fixture);
}

static void the_table_of_readers_has_its_room_on_the_disk(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	char name[300];
	struct stat info;
	snprintf(name, sizeof name, "%s/lock.mdb", fixture->path);
	assert_int_equal(stat(name, &info), 0);
	assert_true(info.st_blocks * 512 >= info.st_size);
	fixture_free(fixture);
}

static void write_data_file(const struct fixture *fixture, const uint8_t *bytes, size_t len)
{
	char name[300];
	snprintf(name, sizeof name, "%s/data.mdb", fixture->path);
	FILE *file = fopen(name, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

/* What LMDB writes first, as the file of a store that was opened and never written to has it at least in part. */
static void fill_metas(uint8_t bytes[8192])
{
	const uint32_t magic = 0xBEEFC0DE;
	memset(bytes, 0, 8192);
	bytes[10] = bytes[4096 + 10] = 8;
	bytes[4096] = 1;
	memcpy(bytes + 16, &magic, sizeof magic);
	memcpy(bytes + 4096 + 16, &magic, sizeof magic);
}

static void a_file_that_the_power_left_half_made_is_begun_anew(void **state)
{
	uint8_t whole[8192], torn[8192];
	fill_metas(whole);
	for (unsigned lost = 0; lost < 4; lost++) {
		struct fixture *fixture = fixture_new(MIB);
		struct tn_error error = {0};
		fixture_close(fixture);
		memcpy(torn, whole, sizeof torn);
		if (lost & 1)
			memset(torn, 0, 512);
		if (lost & 2)
			memset(torn + 4096, 0, 512);
		write_data_file(fixture, torn, lost == 3 ? 5000 : sizeof torn);
		assert_int_equal(fixture_try_open(fixture, &error), TN_OK);
		fixture_free(fixture);
	}
}

static void a_small_file_of_another_program_is_left_alone(void **state)
{
	struct fixture *fixture = fixture_new(MIB);
	struct tn_error error = {0};
	char name[300], text[6] = "";
	fixture_close(fixture);
	write_data_file(fixture, (const uint8_t *)"notes", 5);
	assert_int_equal(fixture_try_open(fixture, &error), TN_INVALID);
	snprintf(name, sizeof name, "%s/data.mdb", fixture->path);
	FILE *file = fopen(name, "rb");
	assert_non_null(file);
	assert_int_equal(fread(text, 1, sizeof text, file), 5);
	assert_string_equal(text, "notes");
	fclose(file);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_opened_store_and_its_folder_keep_their_names),
		cmocka_unit_test(a_folder_that_cannot_be_synced_is_an_error),
		cmocka_unit_test(the_lock_file_keeps_its_size),
		cmocka_unit_test(the_table_of_readers_has_its_room_on_the_disk),
		cmocka_unit_test(a_file_that_the_power_left_half_made_is_begun_anew),
		cmocka_unit_test(a_small_file_of_another_program_is_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
