/* SPDX-License-Identifier: Apache-2.0
 *
 * fixture.c - a store in a folder of its own, and short words for rows, events and batches.
 */
#include "fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <ftw.h>
#include <cmocka.h>

/* --- Folders --- */

void make_temp_folder(char *out, size_t size)
{
	const char *parent = getenv("TMPDIR");
	snprintf(out, size, "%s/turnout-test-XXXXXX", parent && *parent ? parent : "/tmp");
	assert_non_null(mkdtemp(out));
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *at)
{
	return remove(path);
}

void remove_folder(const char *path)
{
	nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- The store --- */

static void on_completed(void *arg, uint64_t batch, enum tn_commit commit)
{
	struct fixture *fixture = arg;
	pthread_mutex_lock(&fixture->lock);
	if (fixture->completed < COMPLETIONS)
		fixture->completions[fixture->completed] = (struct completion){batch, commit};
	fixture->completed++;
	pthread_cond_signal(&fixture->came);
	pthread_mutex_unlock(&fixture->lock);
}

void fixture_await(struct fixture *fixture, uint32_t completed)
{
	struct timespec until;
	int late = 0;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10;
	pthread_mutex_lock(&fixture->lock);
	while (fixture->completed < completed && !late)
		late = pthread_cond_timedwait(&fixture->came, &fixture->lock, &until);
	pthread_mutex_unlock(&fixture->lock);
	assert_false(late);
}

enum tn_status fixture_try_open(struct fixture *fixture, struct tn_error *error)
{
	struct tn_store_options options = {
		.path = fixture->path,
		.max_size_bytes = fixture->max_size_bytes,
		.max_seen = fixture->max_seen,
		.admin_socket = "/run/test/admin.sock",
		.completed = on_completed,
		.arg = fixture,
	};
	return tn_store_open(&options, &fixture->store, error);
}

void fixture_open(struct fixture *fixture)
{
	struct tn_error error = {0};
	enum tn_status status = fixture_try_open(fixture, &error);
	if (status != TN_OK)
		fail_msg("cannot open: %s", error.message);
}

void fixture_close(struct fixture *fixture)
{
	tn_store_close(fixture->store);
	fixture->store = NULL;
}

void fixture_reopen(struct fixture *fixture)
{
	fixture_close(fixture);
	fixture_open(fixture);
}

struct fixture *fixture_new(uint64_t max_size_bytes)
{
	struct fixture *fixture = calloc(1, sizeof *fixture);
	assert_non_null(fixture);
	pthread_mutex_init(&fixture->lock, NULL);
	pthread_cond_init(&fixture->came, NULL);
	make_temp_folder(fixture->path, sizeof fixture->path);
	fixture->max_size_bytes = max_size_bytes;
	fixture_open(fixture);
	return fixture;
}

void fixture_free(struct fixture *fixture)
{
	fixture_close(fixture);
	remove_folder(fixture->path);
	pthread_mutex_destroy(&fixture->lock);
	pthread_cond_destroy(&fixture->came);
	free(fixture);
}

/* --- Rows and events --- */

struct tn_event *make_event(uint64_t seq, size_t data_bytes)
{
	char id[32], *data = malloc(data_bytes + 1);
	assert_non_null(data);
	memset(data, 'a' + (int)(seq % 26), data_bytes);
	snprintf(id, sizeof id, "e%llu", (unsigned long long)seq);
	struct tn_attribute attributes[] = {
		{TN_STR("id"), tn_str_from(id), TN_STRING},
		{TN_STR("source"), TN_STR("/test"), TN_STRING},
		{TN_STR("type"), TN_STR("test.made"), TN_STRING},
		{TN_STR("datacontenttype"), TN_STR("text/plain"), TN_STRING},
	};
	struct tn_event_parts parts = {
		.attributes = attributes,
		.attribute_count = sizeof attributes / sizeof *attributes,
		.has_data = true,
		.data = tn_str_make(data, data_bytes),
		.accepted_ms = 1700000000000,
	};
	struct tn_event *event = tn_event_new(&parts);
	free(data);
	return event;
}

bool is_event_of(const struct tn_event *event, uint64_t seq)
{
	char id[32];
	struct tn_str data = tn_event_data(event);
	snprintf(id, sizeof id, "e%llu", (unsigned long long)seq);
	for (size_t i = 0; i < data.len; i++)
		if (data.bytes[i] != 'a' + (char)(seq % 26))
			return false;
	return tn_str_is(tn_event_core(event, TN_CORE_ID), id);
}

struct tn_row make_row(uint64_t seq, uint32_t route, enum tn_row_state state, uint32_t target_no, int64_t not_before_ms)
{
	struct tn_row row = {
		.key = {seq, route},
		.state = state,
		.tries = {.accepted_ms = 1000, .not_before_ms = not_before_ms},
		.rule = TN_STR("a-rule"),
		.target = TN_STR("a-target"),
		.target_no = target_no,
	};
	memset(row.id.bytes, (int)seq, sizeof row.id.bytes);
	return row;
}

struct tn_id make_id(uint8_t byte)
{
	struct tn_id id;
	memset(id.bytes, byte, sizeof id.bytes);
	return id;
}

struct tn_row make_lane_row(uint64_t seq, struct tn_id lane, uint64_t lane_seq)
{
	struct tn_row row = make_row(seq, 0, TN_ROW_PARKED, 1, 100);
	row.lane = lane;
	row.lane_seq = lane_seq;
	return row;
}

/* --- Batches --- */

struct tn_op op_put(const struct tn_row *row)
{
	return (struct tn_op){.kind = TN_PUT_ROW, .key = row->key, .row = row};
}

struct tn_op op_event(uint64_t seq, struct tn_event *event)
{
	return (struct tn_op){.kind = TN_PUT_EVENT, .key = {seq, 0}, .event = event};
}

struct tn_op op_on(enum tn_op_kind kind, uint64_t seq, uint32_t route)
{
	return (struct tn_op){.kind = kind, .key = {seq, route}};
}

enum tn_commit apply_at(struct fixture *fixture, const struct tn_op *ops, uint32_t count, int64_t now_ms)
{
	struct tn_batch batch = {.number = ++fixture->number, .now_ms = now_ms, .ops = ops, .count = count};
	for (uint32_t i = 0; i < count; i++)
		if (batch.next_seq <= ops[i].key.event_seq)
			batch.next_seq = ops[i].key.event_seq + 1;
	return tn_store_apply(fixture->store, &batch);
}

enum tn_commit apply(struct fixture *fixture, const struct tn_op *ops, uint32_t count)
{
	return apply_at(fixture, ops, count, 0);
}

void put(struct fixture *fixture, struct tn_row row)
{
	struct tn_event *event = make_event(row.key.event_seq, 100);
	struct tn_op ops[] = {op_event(row.key.event_seq, event), op_put(&row)};
	assert_int_equal(apply(fixture, ops, 2), TN_COMMIT_OK);
	tn_event_unref(event);
}

/* --- Reading --- */

struct tn_scan scan_state(enum tn_row_state state)
{
	return (struct tn_scan){.order = TN_SCAN_BY_KEY, .state = state, .max_rows = 1000000, .max_bytes = SIZE_MAX};
}

struct tn_scan scan_due(uint32_t target_no, int64_t until_ms)
{
	return (struct tn_scan){.order = TN_SCAN_DUE, .target_no = target_no, .until_ms = until_ms, .after_due_ms = INT64_MIN,
		.max_rows = 1000000, .max_bytes = SIZE_MAX};
}

struct tn_scan scan_lane(uint32_t target_no, struct tn_id lane)
{
	return (struct tn_scan){.order = TN_SCAN_LANE, .target_no = target_no, .lane = lane, .max_rows = 1000000, .max_bytes = SIZE_MAX};
}

struct tn_page scan(struct fixture *fixture, struct tn_scan what)
{
	struct tn_page page;
	struct tn_error error = {0};
	if (tn_store_scan(fixture->store, &what, &page, &error) != TN_OK)
		fail_msg("%s", error.message);
	return page;
}

uint32_t count_rows(struct fixture *fixture, enum tn_row_state state)
{
	struct tn_page page = scan(fixture, scan_state(state));
	uint32_t count = page.count;
	tn_page_fini(&page);
	return count;
}

struct tn_store_facts facts_of(struct fixture *fixture)
{
	struct tn_store_facts facts;
	tn_store_facts(fixture->store, &facts);
	return facts;
}
