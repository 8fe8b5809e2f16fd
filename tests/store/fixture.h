/* SPDX-License-Identifier: Apache-2.0
 *
 * fixture.h - a store in a folder of its own, and short words for rows, events and batches.
 */
#ifndef TEST_STORE_FIXTURE_H
#define TEST_STORE_FIXTURE_H

#include <pthread.h>
#include "turnout/store.h"

#define MIB (UINT64_C(1024) * 1024)
enum { COMPLETIONS = 8192 };

struct completion {
	uint64_t batch;
	enum tn_commit commit;
};
struct fixture {
	char path[256];
	uint64_t max_size_bytes, max_seen;
	struct tn_store *store;
	pthread_mutex_t lock;
	pthread_cond_t came;
	struct completion completions[COMPLETIONS];
	uint32_t completed;
	uint64_t number;                  /* of the last batch */
};

/* Makes the folder (under TMPDIR) and opens a store of that size in it. Fails the test. */
struct fixture *fixture_new(uint64_t max_size_bytes);
/* Closes, removes the folder. */
void fixture_free(struct fixture *fixture);
void fixture_open(struct fixture *fixture);
void fixture_close(struct fixture *fixture);
void fixture_reopen(struct fixture *fixture);
enum tn_status fixture_try_open(struct fixture *fixture, struct tn_error *error);
/* Waits (10 s at most, then fails the test) until so many completions came. */
void fixture_await(struct fixture *fixture, uint32_t completed);
/* A new empty folder, without a store. */
void make_temp_folder(char *out, size_t size);
void remove_folder(const char *path);

/* Returns owned: an event with that many bytes of data; the data depends on seq. */
struct tn_event *make_event(uint64_t seq, size_t data_bytes);
/* Does event look like make_event(seq, any)? */
bool is_event_of(const struct tn_event *event, uint64_t seq);
struct tn_row make_row(uint64_t seq, uint32_t route, enum tn_row_state state, uint32_t target_no, int64_t not_before_ms);

/* A PARKED row of target 1 in a lane. */
struct tn_row make_lane_row(uint64_t seq, struct tn_id lane, uint64_t lane_seq);
/* Sixteen bytes of that. */
struct tn_id make_id(uint8_t byte);

struct tn_op op_put(const struct tn_row *row);
struct tn_op op_event(uint64_t seq, struct tn_event *event);
struct tn_op op_on(enum tn_op_kind kind, uint64_t seq, uint32_t route);
/* One batch with the next number, waited for. */
enum tn_commit apply(struct fixture *fixture, const struct tn_op *ops, uint32_t count);
enum tn_commit apply_at(struct fixture *fixture, const struct tn_op *ops, uint32_t count, int64_t now_ms);
/* Event and row in one batch; asserts that it is OK. */
void put(struct fixture *fixture, struct tn_row row);

struct tn_scan scan_state(enum tn_row_state state);
struct tn_scan scan_due(uint32_t target_no, int64_t until_ms);
struct tn_scan scan_lane(uint32_t target_no, struct tn_id lane);
/* Asserts that it can be read. */
struct tn_page scan(struct fixture *fixture, struct tn_scan what);
uint32_t count_rows(struct fixture *fixture, enum tn_row_state state);
struct tn_store_facts facts_of(struct fixture *fixture);

#endif
