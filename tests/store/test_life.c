/* SPDX-License-Identifier: Apache-2.0
 *
 * test_life.c - a store that is filled, emptied and filled again, at random, up to the brim: whenever it is opened its
 * file is sound and everything adds up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include "fixture.h"

enum { ROUNDS = 24, BATCHES = 10, OPS = 60 };

static uint64_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 17;
}

struct life {
	struct fixture *fixture;
	uint64_t random, next_seq, oldest; /* what is older was dropped */
	int64_t now_ms;
	uint32_t target_no;
	struct tn_op ops[3 * OPS];
	struct tn_row rows[OPS];
	struct tn_event *events[OPS];
	uint32_t op_count, row_count, event_count;
};

static uint64_t pick(struct life *life, uint64_t below)
{
	return next_random(&life->random) % below;
}

static void add_put(struct life *life, uint64_t seq, bool with_event)
{
	struct tn_row *row = &life->rows[life->row_count++];
	enum tn_row_state state = (enum tn_row_state)(TN_ROW_OPEN + pick(life, 4));
	if (state == TN_ROW_TRIED && with_event)
		state = TN_ROW_OPEN; /* no row of the event would need it */
	*row = make_row(seq, 0, state, life->target_no, (int64_t)pick(life, 1000));
	if (pick(life, 2)) {
		row->lane = make_id((uint8_t)(1 + pick(life, 9)));
		row->lane_seq = seq;
	}
	if (with_event) {
		size_t bytes = pick(life, 10) ? pick(life, 1500) : pick(life, 60000);
		life->events[life->event_count] = make_event(seq, bytes);
		life->ops[life->op_count++] = op_event(seq, life->events[life->event_count++]);
	}
	life->ops[life->op_count++] = op_put(row);
}

static void add_step(struct life *life)
{
	uint64_t seq = life->oldest + pick(life, life->next_seq - life->oldest + 1);
	struct tn_seen seen = {
	        .key = make_id((uint8_t)pick(life, 200)), .expires_ms = life->now_ms + (int64_t)pick(life, 300)};
	switch (pick(life, 7)) {
	case 0:
	case 1:
	case 2:
		add_put(life, life->next_seq++, true);
		break;
	case 3:
		life->ops[life->op_count++] = op_on(TN_REDRIVE_ROW, seq, 0);
		break;
	case 4:
		life->ops[life->op_count++] =
		        (struct tn_op){.kind = pick(life, 5) ? TN_PUT_SEEN : TN_DROP_SEEN, .seen = seen};
		break;
	case 5:
		life->ops[life->op_count++] = op_on(TN_PURGE_ROW, seq, 0);
		break;
	default:
		life->ops[life->op_count++] = op_on(TN_DROP_ROW, seq, 0);
	}
}

static enum tn_commit live_a_batch(struct life *life, bool growing)
{
	life->op_count = life->row_count = life->event_count = 0;
	life->now_ms += 10;
	for (unsigned i = 0; i < OPS; i++)
		if (growing)
			add_step(life);
		else if (life->oldest < life->next_seq)
			life->ops[life->op_count++] = op_on(TN_DROP_ROW, life->oldest++, 0);
	enum tn_commit commit = apply_at(life->fixture, life->ops, life->op_count, life->now_ms);
	for (uint32_t i = 0; i < life->event_count; i++)
		tn_event_unref(life->events[i]);
	return commit;
}

static struct tn_audit audit; /* too large for the stack */

static void assert_adds_up(struct fixture *fixture)
{
	assert_int_equal(tn_store_audit(fixture->store, NULL, NULL, &audit, NULL), TN_OK);
	for (uint32_t i = 0; i < audit.listed_count; i++)
		print_message("%s %s: %s\n", audit.listed[i].code, audit.listed[i].key, audit.listed[i].text);
	assert_int_equal(audit.findings, 0);
	assert_int_equal(audit.aside, 0);
}

static void a_store_that_lives_hard_adds_up_whenever_it_is_opened(void **state)
{
	const char *seed = getenv("TURNOUT_TEST_SEED");
	struct life life = {.random = seed ? strtoull(seed, NULL, 10) : 1, .next_seq = 1, .oldest = 1};
	unsigned refused = 0;
	life.fixture = fixture_new(4 * MIB);
	life.fixture->max_seen = 100;
	fixture_reopen(life.fixture);
	assert_int_equal(tn_store_number(life.fixture->store, TN_STR("a-target"), &life.target_no, NULL), TN_OK);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned i = 0; i < BATCHES; i++) {
			enum tn_commit commit = live_a_batch(&life, round % 6 < 4);
			assert_int_not_equal(commit, TN_COMMIT_UNKNOWN);
			refused += commit == TN_COMMIT_REFUSED;
		}
		assert_adds_up(life.fixture);
		fixture_reopen(life.fixture);
		assert_adds_up(life.fixture);
	}
	assert_true(refused > 0); /* it was full at times */
	assert_true(refused < ROUNDS * BATCHES / 2);
	fixture_free(life.fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(a_store_that_lives_hard_adds_up_whenever_it_is_opened),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
