/* SPDX-License-Identifier: Apache-2.0
 *
 * test_crash.c - a process that writes is killed at random moments: what was answered OK is there, and what is there fits together.
 *
 * Batch n is the same in every life: event n comes with two OPEN rows; event n - 10 loses its first row and its second goes DEAD; the dead
 * row of event n - 20 is purged. So the store after batches 1..n is known, and a killed store must be that of some n between the last
 * answered and the last submitted: batches are whole, and in order. When a life ends depends on the batches it was answered, and on chance
 * between two of them, but never on how fast the machine is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "raw.h"
#include "turnout/random.h"

enum { LIVES = 50, OUTSTANDING = 8, OPEN_FOR = 10, DEAD_UNTIL = 20, MOST_BATCHES = 40, LONGEST_REST_US = 5000 };

struct work { /* one batch and all that it borrows */
	struct tn_event *event;
	struct tn_row rows[3];
	struct tn_op ops[6];
	struct tn_batch batch;
};

static void make_work(struct work *work, uint64_t n)
{
	uint32_t count = 0;
	work->event = make_event(n, 50 + n * 37 % 5000);
	work->rows[0] = make_row(n, 0, TN_ROW_OPEN, 1, 0);
	work->rows[1] = make_row(n, 1, TN_ROW_OPEN, 1, 0);
	work->ops[count++] = op_event(n, work->event);
	work->ops[count++] = op_put(&work->rows[0]);
	work->ops[count++] = op_put(&work->rows[1]);
	if (n > OPEN_FOR) {
		work->rows[2] = make_row(n - OPEN_FOR, 1, TN_ROW_DEAD, 1, 0);
		work->ops[count++] = op_on(TN_DROP_ROW, n - OPEN_FOR, 0);
		work->ops[count++] = op_put(&work->rows[2]);
	}
	if (n > DEAD_UNTIL)
		work->ops[count++] = op_on(TN_PURGE_ROW, n - DEAD_UNTIL, 1);
	work->batch = (struct tn_batch){.number = n, .next_seq = n + 1, .ops = work->ops, .count = count};
}

/* --- The process that is killed --- */

static void report(void *arg, uint64_t batch, enum tn_commit commit)
{
	const int *pipe_end = arg;
	if (commit != TN_COMMIT_OK || write(*pipe_end, &batch, sizeof batch) != sizeof batch)
		_exit(3);
}

static void live(const char *path, int report_end, int credit_end)
{
	struct tn_store *store;
	struct tn_store_facts facts;
	struct tn_store_options options = {.path = path, .max_size_bytes = 16 * MIB, .completed = report, .arg = &report_end};
	if (tn_store_open(&options, &store, NULL) != TN_OK)
		_exit(2);
	tn_store_facts(store, &facts);
	for (uint64_t n = facts.next_seq;; n++) {
		char credit;
		struct work *work = malloc(sizeof *work);
		if (!work || read(credit_end, &credit, 1) != 1)
			_exit(0);
		make_work(work, n);
		tn_store_submit(store, &work->batch);
	}
}

/* --- The process that looks --- */

static void give_credit(int fd, unsigned count)
{
	char bytes[OUTSTANDING] = {0};
	assert_int_equal(write(fd, bytes, count), count);
}

static int64_t clock_us(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

/* Reads answers until that batch is answered and for so long after it, then kills; answers the last batch that was answered OK. */
static uint64_t watch_and_kill(pid_t child, int report_end, int credit_end, uint64_t answered, uint64_t until, int64_t rest_us)
{
	int64_t kill_us = INT64_MAX;
	bool killed = false;
	give_credit(credit_end, OUTSTANDING);
	for (;;) {
		if (answered >= until && kill_us == INT64_MAX)
			kill_us = clock_us() + rest_us;
		if (!killed && clock_us() >= kill_us) {
			assert_int_equal(kill(child, SIGKILL), 0);
			killed = true;
		}
		struct pollfd ready = {.fd = report_end, .events = POLLIN};
		poll(&ready, 1, 1);
		if (ready.revents & POLLIN) {
			if (read(report_end, &answered, sizeof answered) != sizeof answered)
				break;
			if (!killed)
				give_credit(credit_end, 1);
		} else if (ready.revents) {
			break;
		}
	}
	int how;
	assert_int_equal(waitpid(child, &how, 0), child);
	assert_true(killed); /* it did not end by itself, so it made all that it was to make */
	assert_true(WIFSIGNALED(how));
	assert_int_equal(WTERMSIG(how), SIGKILL);
	return answered;
}

static void assert_rows(struct fixture *fixture, enum tn_row_state state, uint64_t first_seq, uint64_t last_seq, uint32_t first_route)
{
	struct tn_page page = scan(fixture, scan_state(state));
	uint32_t at = 0;
	for (uint64_t seq = first_seq; seq <= last_seq; seq++)
		for (uint32_t route = first_route; route < 2; route++, at++) {
			assert_true(at < page.count);
			assert_int_equal(page.rows[at].key.event_seq, seq);
			assert_int_equal(page.rows[at].key.route_no, route);
			assert_true(is_event_of(page.events[at], seq));
			assert_int_equal(tn_event_data(page.events[at]).len, 50 + seq * 37 % 5000);
		}
	assert_int_equal(at, page.count);
	assert_int_equal(facts_of(fixture).rows[state], page.count);
	tn_page_fini(&page);
}

/* The store is exactly what batches 1..n make of it. */
static void assert_store_of(struct fixture *fixture, uint64_t n)
{
	uint64_t first_open = n > OPEN_FOR ? n - OPEN_FOR + 1 : 1, first_dead = n > DEAD_UNTIL ? n - DEAD_UNTIL + 1 : 1;
	assert_rows(fixture, TN_ROW_OPEN, first_open, n, 0);
	assert_rows(fixture, TN_ROW_DEAD, first_dead, first_open - 1, 1);
	assert_int_equal(facts_of(fixture).bad_records, 0);
	fixture_close(fixture);
	assert_int_equal(raw_count(fixture->path, "events"), n - first_dead + 1);
	assert_int_equal(raw_count(fixture->path, "rows"), raw_count(fixture->path, "states"));
	fixture_open(fixture);
}

static void what_was_answered_is_there_after_kill_9(void **state)
{
	struct fixture *fixture = fixture_new(16 * MIB);
	struct tn_random random = {4711};
	uint64_t there = 0;
	fixture_close(fixture);
	for (unsigned i = 0; i < LIVES; i++) {
		int reports[2], credits[2];
		assert_int_equal(pipe(reports), 0);
		assert_int_equal(pipe(credits), 0);
		pid_t child = fork();
		assert_true(child >= 0);
		if (child == 0) {
			close(reports[0]);
			close(credits[1]);
			live(fixture->path, reports[1], credits[0]);
		}
		close(reports[1]);
		close(credits[0]);
		uint64_t until = there + tn_random_upto(&random, MOST_BATCHES); /* none: while it opens the store, too */
		int64_t rest_us = (int64_t)tn_random_upto(&random, LONGEST_REST_US);
		uint64_t answered = watch_and_kill(child, reports[0], credits[1], there, until, rest_us);
		close(reports[0]);
		close(credits[1]);

		fixture_open(fixture);
		there = facts_of(fixture).next_seq - 1;
		assert_true(there >= answered);
		assert_true(there <= answered + OUTSTANDING);
		assert_store_of(fixture, there);
		fixture_close(fixture);
	}
	fixture_free(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_answered_is_there_after_kill_9),
	};
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
