/* SPDX-License-Identifier: Apache-2.0
 *
 * test_full_disk.c - a store on a disk that is really full: a small tmpfs, and a file of somebody else's that fills it.
 *
 * The tmpfs is mounted in a mount namespace of this process, so it goes with it. That needs root (as in CI), or a system that lets
 * users make namespaces of their own; without either the test fails and says so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include "raw.h"

enum { DISK_MIB = 12, MAP_MIB = 64 };

static char mount_point[256];

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0)
		errno = 0;
	close(fd);
}

static bool enter_namespace(void)
{
	char users[64], groups[64];
	if (geteuid() == 0)
		return unshare(CLONE_NEWNS) == 0;
	snprintf(users, sizeof users, "0 %u 1", (unsigned)geteuid());
	snprintf(groups, sizeof groups, "0 %u 1", (unsigned)getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
		return false;
	write_file("/proc/self/uid_map", users);
	write_file("/proc/self/setgroups", "deny");
	write_file("/proc/self/gid_map", groups);
	return true;
}

static int mount_disk(void **state)
{
	char options[64];
	make_temp_folder(mount_point, sizeof mount_point);
	snprintf(options, sizeof options, "size=%dm,mode=0777", DISK_MIB);
	/* In a chroot "/" is no mount of its own (EINVAL); then the tmpfs may be seen outside until it is unmounted below. */
	if (!enter_namespace() || (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 && errno != EINVAL) ||
		mount("tmpfs", mount_point, "tmpfs", 0, options) != 0)
		fail_msg("cannot mount a small tmpfs: %s; run this test as root, or where users may make namespaces", strerror(errno));
	assert_int_equal(setenv("TMPDIR", mount_point, 1), 0);
	return 0;
}

static int unmount_disk(void **state)
{
	umount2(mount_point, MNT_DETACH);
	rmdir(mount_point);
	return 0;
}

static int set_up(void **state)
{
	*state = fixture_new(MAP_MIB * MIB);
	return 0;
}

static int tear_down(void **state)
{
	char ballast[300];
	snprintf(ballast, sizeof ballast, "%s/ballast", mount_point);
	unlink(ballast);
	fixture_free(*state);
	return 0;
}

/* Fills the rest of the disk, up to `leave` bytes. */
static void put_ballast(uint64_t leave)
{
	char path[300], page[4096] = {0};
	snprintf(path, sizeof path, "%s/ballast", mount_point);
	int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
	assert_true(fd >= 0);
	while (write(fd, page, sizeof page) == (ssize_t)sizeof page)
		;
	off_t size = lseek(fd, 0, SEEK_END);
	assert_int_equal(ftruncate(fd, size > (off_t)leave ? size - (off_t)leave : 0), 0);
	close(fd);
}

static void remove_ballast(void)
{
	char path[300];
	snprintf(path, sizeof path, "%s/ballast", mount_point);
	assert_int_equal(unlink(path), 0);
}

/* The same batch number until it is not UNKNOWN; at most so often. */
static enum tn_commit insist(struct fixture *fixture, const struct tn_op *ops, uint32_t count, unsigned times)
{
	struct tn_batch batch = {.number = ++fixture->number, .ops = ops, .count = count};
	enum tn_commit commit = TN_COMMIT_UNKNOWN;
	for (unsigned i = 0; i < times && commit == TN_COMMIT_UNKNOWN; i++)
		commit = tn_store_apply(fixture->store, &batch);
	return commit;
}

static enum tn_commit put_open(struct fixture *fixture, uint64_t seq, size_t bytes)
{
	struct tn_event *event = make_event(seq, bytes);
	struct tn_row row = make_row(seq, 0, TN_ROW_OPEN, 1, 0);
	struct tn_op ops[] = {op_event(seq, event), op_put(&row)};
	enum tn_commit commit = apply(fixture, ops, 2);
	tn_event_unref(event);
	return commit;
}

static uint64_t fill(struct fixture *fixture)
{
	uint64_t count = 0;
	enum tn_commit commit;
	while ((commit = put_open(fixture, count + 1, 50000)) == TN_COMMIT_OK)
		count++;
	assert_int_equal(commit, TN_COMMIT_REFUSED);
	return count;
}

/* What the store holds back for itself behind the end of its file. */
static uint64_t ballast_bytes(const struct fixture *fixture)
{
	char path[300];
	struct stat st;
	snprintf(path, sizeof path, "%s/data.mdb", fixture->path);
	assert_int_equal(stat(path, &st), 0);
	uint64_t blocks = (uint64_t)st.st_blocks * 512, length = (uint64_t)st.st_size;
	return blocks > length ? blocks - length : 0;
}

static void intake_stops_before_the_disk_is_full(void **state)
{
	uint64_t count = fill(*state);
	struct tn_store_facts facts = facts_of(*state);
	assert_true(facts.nearly_full);
	assert_true(facts.free_disk_bytes + ballast_bytes(*state) > MIB / 4);
	assert_int_equal(facts.commit_unknown, 0);
	assert_int_equal(count_rows(*state, TN_ROW_OPEN), count);
}

static void nothing_answered_is_lost_when_others_fill_the_disk(void **state)
{
	struct fixture *fixture = *state;
	uint64_t count = fill(fixture);
	put_ballast(0);
	struct tn_page page = scan(fixture, scan_state(TN_ROW_OPEN));
	assert_int_equal(page.count, count);
	tn_page_fini(&page);
	fixture_reopen(fixture);
	page = scan(fixture, scan_state(TN_ROW_OPEN));
	assert_int_equal(page.count, count);
	for (uint32_t i = 0; i < page.count; i++)
		assert_true(is_event_of(page.events[i], i + 1));
	tn_page_fini(&page);
}

static void drops_go_through_on_a_full_disk_or_once_it_has_room(void **state)
{
	struct fixture *fixture = *state;
	uint64_t count = fill(fixture);
	put_ballast(0);
	struct tn_op drops[] = {op_on(TN_DROP_ROW, 1, 0), op_on(TN_DROP_ROW, 2, 0)};
	enum tn_commit commit = insist(fixture, drops, 2, 3);
	if (commit != TN_COMMIT_OK) {
		assert_int_equal(commit, TN_COMMIT_UNKNOWN);
		remove_ballast();
		fixture->number--;
		assert_int_equal(insist(fixture, drops, 2, 1), TN_COMMIT_OK);
	}
	assert_int_equal(count_rows(fixture, TN_ROW_OPEN), count - 2);
	assert_int_equal(facts_of(fixture).rows[TN_ROW_OPEN], count - 2);
}

static void a_commit_that_the_disk_broke_is_unknown_then_refused_and_leaves_nothing(void **state)
{
	struct fixture *fixture = *state;
	assert_int_equal(put_open(fixture, 1, 100), TN_COMMIT_OK);
	/* Enough free for the rule of intake, too little for this event. */
	put_ballast(5 * MIB);
	struct tn_event *event = make_event(2, 8 * MIB);
	struct tn_row row = make_row(2, 0, TN_ROW_OPEN, 1, 0);
	struct tn_op ops[] = {op_event(2, event), op_put(&row)};
	assert_int_equal(insist(fixture, ops, 2, 1), TN_COMMIT_UNKNOWN);
	/* It failed again, and then a commit of nothing but the counters did not: nothing of it is left. */
	fixture->number--;
	assert_int_equal(insist(fixture, ops, 2, 1), TN_COMMIT_REFUSED);
	assert_int_equal(count_rows(fixture, TN_ROW_OPEN), 1);
	remove_ballast();
	assert_int_equal(insist(fixture, ops, 2, 1), TN_COMMIT_OK);
	tn_event_unref(event);
	fixture_reopen(fixture);
	struct tn_page page = scan(fixture, scan_state(TN_ROW_OPEN));
	assert_int_equal(page.count, 2);
	assert_true(is_event_of(page.events[1], 2));
	assert_int_equal(tn_event_data(page.events[1]).len, 8 * MIB);
	tn_page_fini(&page);
}

static void intake_goes_on_when_the_disk_has_room_again(void **state)
{
	struct fixture *fixture = *state;
	put_ballast(MIB / 4);
	assert_int_equal(put_open(fixture, 1, 100), TN_COMMIT_REFUSED);
	remove_ballast();
	assert_int_equal(put_open(fixture, 1, 100), TN_COMMIT_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(intake_stops_before_the_disk_is_full),
		TEST(nothing_answered_is_lost_when_others_fill_the_disk),
		TEST(drops_go_through_on_a_full_disk_or_once_it_has_room),
		TEST(a_commit_that_the_disk_broke_is_unknown_then_refused_and_leaves_nothing),
		TEST(intake_goes_on_when_the_disk_has_room_again),
	};
	return cmocka_run_group_tests(tests, mount_disk, unmount_disk);
}
