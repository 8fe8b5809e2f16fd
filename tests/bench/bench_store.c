/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_store.c - commits and operations a second, by batch size. Prints; asserts nothing: `bench_store [FOLDER] [SECONDS]`.
 *
 * A batch is what a bus with durable HTTP events writes: new events of 1 KiB, each with one OPEN row, and as many drops of old rows. One
 * batch is under way while the next one is made, as an engine does it.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "turnout/store.h"

enum { EVENT_BYTES = 1024, LARGEST = 1024, KEPT = 4096 };

struct bench {
	struct tn_store *store;
	struct tn_event *event;
	pthread_mutex_t lock;
	pthread_cond_t came;
	uint64_t completed, failed;
	uint64_t seq;
};
struct slot {
	struct tn_row rows[LARGEST];
	struct tn_op ops[3 * LARGEST];
	struct tn_batch batch;
};

static double now_s(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void on_completed(void *arg, uint64_t batch, enum tn_commit commit)
{
	struct bench *bench = arg;
	pthread_mutex_lock(&bench->lock);
	bench->completed = batch;
	bench->failed += commit != TN_COMMIT_OK;
	pthread_cond_signal(&bench->came);
	pthread_mutex_unlock(&bench->lock);
}

static void await(struct bench *bench, uint64_t batch)
{
	pthread_mutex_lock(&bench->lock);
	while (bench->completed < batch)
		pthread_cond_wait(&bench->came, &bench->lock);
	pthread_mutex_unlock(&bench->lock);
}

static struct tn_event *make_event(void)
{
	static const struct tn_attribute attributes[] = {
		{{"id", 2}, {"8a1f", 4}, TN_STRING},
		{{"source", 6}, {"/shop", 5}, TN_STRING},
		{{"type", 4}, {"order.created", 13}, TN_STRING},
	};
	static char data[EVENT_BYTES];
	memset(data, 'x', sizeof data);
	struct tn_event_parts parts = {.attributes = attributes, .attribute_count = 3, .has_data = true, .data = {data, sizeof data}};
	return tn_event_new(&parts);
}

static void fill(struct bench *bench, struct slot *slot, uint64_t number, uint32_t events)
{
	uint32_t count = 0;
	for (uint32_t i = 0; i < events; i++) {
		uint64_t seq = ++bench->seq;
		slot->rows[i] = (struct tn_row){.key = {seq, 0}, .state = TN_ROW_OPEN, .rule = TN_STR("orders"), .target = TN_STR("billing"),
			.target_no = 1};
		slot->ops[count++] = (struct tn_op){.kind = TN_PUT_EVENT, .key = {seq, 0}, .event = bench->event};
		slot->ops[count++] = (struct tn_op){.kind = TN_PUT_ROW, .key = {seq, 0}, .row = &slot->rows[i]};
		if (seq > KEPT)
			slot->ops[count++] = (struct tn_op){.kind = TN_DROP_ROW, .key = {seq - KEPT, 0}};
	}
	slot->batch = (struct tn_batch){.number = number, .next_seq = bench->seq + 1, .ops = slot->ops, .count = count};
}

static void measure(struct bench *bench, struct slot slots[2], uint64_t *number, uint32_t events, double seconds)
{
	struct tn_store_facts before, after;
	uint64_t ops = 0, first = *number;
	tn_store_facts(bench->store, &before);
	double start = now_s(), end = start;
	for (; end - start < seconds; end = now_s()) {
		struct slot *slot = &slots[++*number % 2];
		fill(bench, slot, *number, events);
		ops += slot->batch.count;
		if (*number > first + 1)
			await(bench, *number - 1);
		tn_store_submit(bench->store, &slot->batch);
	}
	await(bench, *number);
	end = now_s();
	tn_store_facts(bench->store, &after);
	printf("%6" PRIu32 " events a batch: %9.0f commits/s %10.0f events/s %10.0f ops/s   %" PRIu64 " MiB in use\n", events,
		(double)(after.commits - before.commits) / (end - start), (double)(*number - first) * events / (end - start),
		(double)ops / (end - start), after.used_bytes >> 20);
}

static void remove_store(const char *folder)
{
	static const char *const files[] = {"data.mdb", "lock.mdb", "turnout.lock"};
	char path[5000];
	for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, files[i]);
		unlink(path);
	}
	rmdir(folder);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {1, 32, 256, LARGEST};
	char folder[4096];
	struct bench bench = {.lock = PTHREAD_MUTEX_INITIALIZER, .came = PTHREAD_COND_INITIALIZER};
	struct tn_error error = {0};
	double seconds = argc > 2 ? atof(argv[2]) : 2;
	snprintf(folder, sizeof folder, "%s/bench_store.XXXXXX", argc > 1 ? argv[1] : ".");
	if (!mkdtemp(folder)) {
		perror(folder);
		return 1;
	}
	struct tn_store_options options = {.path = folder, .max_size_bytes = UINT64_C(1) << 30, .completed = on_completed, .arg = &bench};
	if (tn_store_open(&options, &bench.store, &error) != TN_OK) {
		fprintf(stderr, "%s\n", error.message);
		return 1;
	}
	struct slot *slots = calloc(2, sizeof *slots);
	if (!slots)
		return 1;
	bench.event = make_event();
	uint64_t number = 0;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
		measure(&bench, slots, &number, sizes[i], seconds);
	tn_store_close(bench.store);
	remove_store(folder);
	if (bench.failed > 0)
		printf("%" PRIu64 " batches failed\n", bench.failed);
	tn_event_unref(bench.event);
	free(slots);
	return bench.failed > 0;
}
