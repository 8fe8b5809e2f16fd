/* SPDX-License-Identifier: Apache-2.0
 *
 * test_flips.c - bits turned over anywhere in the store's file: it is refused with a reason, or what was damaged is
 * found or set aside; what is still shown is as it was; and nothing crashes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "fixture.h"
#include "row_record.h"

enum { EVENTS = 60, TARGETS = 3, PAGE = 4096 };

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 17;
}

/* --- A store with real events, and what is in it --- */

static enum tn_row_state state_of(uint64_t seq)
{
	static const enum tn_row_state states[] = {TN_ROW_OPEN, TN_ROW_PARKED, TN_ROW_PARKED, TN_ROW_DEAD};
	return states[seq % 4];
}

static struct tn_row row_of(uint64_t seq, uint32_t target_no, const char *target)
{
	static const struct tn_outcome outcome = {
	        .verdict = TN_RETRY, .status = 503, .code = "HTTP_503", .message = {"busy", 4}};
	struct tn_row row = make_row(seq, 0, state_of(seq), target_no, (int64_t)seq * 10);
	row.target = tn_str_from(target);
	row.last = &outcome;
	if (state_of(seq) == TN_ROW_PARKED && seq % 3 == 0) {
		row.lane = make_id((uint8_t)(seq % 5 + 1));
		row.lane_seq = seq;
	}
	return row;
}

static size_t data_bytes(uint64_t seq)
{
	return seq % 7 == 0 ? 9000 : 50 + seq * 13 % 900; /* some on pages of their own */
}

static void fill(struct fixture *fixture)
{
	char names[TARGETS][16];
	uint32_t numbers[TARGETS];
	for (unsigned i = 0; i < TARGETS; i++) {
		snprintf(names[i], sizeof names[i], "target-%u", i);
		assert_int_equal(tn_store_number(fixture->store, tn_str_from(names[i]), &numbers[i], NULL), TN_OK);
	}
	for (uint64_t seq = 1; seq <= EVENTS + 20; seq++) {
		struct tn_event *event = make_event(seq, data_bytes(seq));
		struct tn_row row = row_of(seq, numbers[seq % TARGETS], names[seq % TARGETS]);
		struct tn_op ops[] = {op_event(seq, event), op_put(&row),
		        {.kind = TN_PUT_SEEN,
		                .seen = {.key = make_id((uint8_t)seq),
		                        .event_seq = seq,
		                        .expires_ms = 100000 + (int64_t)seq}}};
		assert_int_equal(apply(fixture, ops, 3), TN_COMMIT_OK);
		tn_event_unref(event);
	}
	for (uint64_t seq = EVENTS + 1; seq <= EVENTS + 20; seq++) { /* so that there are free pages */
		struct tn_op drop = op_on(TN_DROP_ROW, seq, 0);
		assert_int_equal(apply(fixture, &drop, 1), TN_COMMIT_OK);
	}
}

/* How many rows are shown. Each is as it was put, with its event. */
static uint32_t count_good_rows(struct fixture *fixture)
{
	uint32_t count = 0;
	for (enum tn_row_state state = TN_ROW_OPEN; state <= TN_ROW_DEAD; state++) {
		struct tn_scan what = scan_state(state);
		struct tn_page page;
		if (tn_store_scan(fixture->store, &what, &page, NULL) != TN_OK)
			continue;
		for (uint32_t i = 0; i < page.count; i++) {
			uint64_t seq = page.rows[i].key.event_seq;
			assert_in_range(seq, 1, EVENTS);
			assert_int_equal(page.rows[i].state, state_of(seq));
			assert_int_equal(page.rows[i].tries.not_before_ms, seq * 10);
			assert_true(is_event_of(page.events[i], seq));
			assert_int_equal(tn_event_data(page.events[i]).len, data_bytes(seq));
		}
		count += page.count;
		tn_page_fini(&page);
	}
	return count;
}

/* --- The file --- */

struct image {
	char path[400];
	uint8_t *bytes;
	size_t len;
};

static struct image load(struct fixture *fixture)
{
	struct image image;
	struct stat info;
	snprintf(image.path, sizeof image.path, "%s/data.mdb", fixture->path);
	int fd = open(image.path, O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &info), 0);
	image.len = (size_t)info.st_size;
	image.bytes = malloc(image.len);
	assert_non_null(image.bytes);
	assert_int_equal(pread(fd, image.bytes, image.len, 0), image.len);
	close(fd);
	return image;
}

static void save(const struct image *image)
{
	int fd = open(image->path, O_WRONLY | O_TRUNC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, image->bytes, image->len, 0), image->len);
	close(fd);
}

struct tally {
	unsigned refused, found, aside, unharmed;
};

static struct tn_audit audit; /* too large for the stack */

/* Opens what is there now, and sees that nothing was lost in silence. */
static void look_at(struct fixture *fixture, uint64_t at, struct tally *tally)
{
	struct tn_error error = {0};
	if (fixture_try_open(fixture, &error) != TN_OK) {
		assert_true(strlen(error.message) > 20);
		tally->refused++;
		return;
	}
	assert_int_equal(tn_store_audit(fixture->store, NULL, NULL, &audit, &error), TN_OK);
	uint32_t rows = count_good_rows(fixture);
	if (audit.findings == 0 && audit.aside == 0 && rows != EVENTS)
		fail_msg("byte %llu: %u rows of %u are shown, and nothing was found or set aside",
		        (unsigned long long)at, rows, EVENTS);
	if (audit.findings > 0) {
		tally->found++;
		if (tn_store_repair(fixture->store, &error) != TN_OK)
			fail_msg("byte %llu: no repair: %s", (unsigned long long)at, error.message);
		assert_int_equal(tn_store_audit(fixture->store, NULL, NULL, &audit, &error), TN_OK);
		for (uint32_t i = 0; i < audit.listed_count;
		        i++) /* a name is read again when the store is opened next */
			assert_string_equal(audit.listed[i].code, "ROW_TARGET");
		count_good_rows(fixture);
	} else if (audit.aside > 0) {
		tally->aside++;
	} else {
		tally->unharmed++;
	}
	fixture_close(fixture);
}

static void flip_some(unsigned times, unsigned flips_a_time, uint64_t seed)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	struct tally tally = {0};
	fill(fixture);
	assert_int_equal(count_good_rows(fixture), EVENTS);
	fixture_close(fixture);
	struct image image = load(fixture);
	uint8_t *sound = malloc(image.len);
	assert_non_null(sound);
	memcpy(sound, image.bytes, image.len);
	for (unsigned i = 0; i < times; i++) {
		uint64_t at = 0;
		memcpy(image.bytes, sound, image.len);
		for (unsigned j = 0; j < flips_a_time; j++) {
			at = next_random(&seed) % image.len;
			if (next_random(&seed) % 2) /* half of them where pages say what they are */
				at = at / PAGE * PAGE + next_random(&seed) % 160;
			image.bytes[at] ^= (uint8_t)(1u << next_random(&seed) % 8);
		}
		save(&image);
		look_at(fixture, at, &tally);
	}
	print_message("of %u: refused %u, found %u, set aside %u, unharmed %u\n", times, tally.refused, tally.found,
	        tally.aside, tally.unharmed);
	assert_true(tally.refused > 0 && tally.found > 0 && tally.unharmed > 0);
	memcpy(image.bytes, sound, image.len);
	save(&image);
	fixture_open(fixture);
	assert_int_equal(count_good_rows(fixture), EVENTS);
	free(sound);
	free(image.bytes);
	fixture_free(fixture);
}

static uint64_t seed_or(uint64_t usual)
{
	const char *text = getenv("TURNOUT_TEST_SEED");
	return text ? strtoull(text, NULL, 10) : usual;
}

static void one_bit_turned_over_is_refused_found_set_aside_or_harmless(void **state)
{
	flip_some(400, 1, seed_or(1));
}

static void several_bits_turned_over_are_refused_found_set_aside_or_harmless(void **state)
{
	flip_some(100, 5, seed_or(2));
}

static void a_file_cut_short_is_refused_or_whole(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	struct tally tally = {0};
	fill(fixture);
	fixture_close(fixture);
	struct image image = load(fixture);
	size_t len = image.len;
	for (size_t cut = PAGE / 2; cut < len; cut += len / 24) {
		image.len = len - cut;
		save(&image);
		look_at(fixture, image.len, &tally);
	}
	assert_true(tally.refused > 15);
	assert_int_equal(tally.found + tally.aside, 0);
	free(image.bytes);
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(one_bit_turned_over_is_refused_found_set_aside_or_harmless),
	        cmocka_unit_test(several_bits_turned_over_are_refused_found_set_aside_or_harmless),
	        cmocka_unit_test(a_file_cut_short_is_refused_or_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
