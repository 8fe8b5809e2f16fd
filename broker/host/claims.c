/* SPDX-License-Identifier: Apache-2.0
 *
 * claims.c - idempotency keys in the bus's own store: looked up within the call, so that an event waits for nothing.
 *
 * Called by turn.c with the engine's CLAIM. A lookup is one short read transaction of the store, for all keys of one request. Bus thread.
 */
#include "bus_parts.h"

#include <stdlib.h>

enum { LOG_PAUSE_MS = 10000 };

struct tn_claim_store {
	struct tn_bus *bus;
	struct tn_claim_host host;
	/* Scratch, reused. */
	struct tn_seen *seen;
	bool *found;
	struct tn_claim_answer *answers;
	uint32_t capacity;
	int64_t log_again_ms;             /* a store that cannot be read is not told of with every event */
};

static void make_room(struct tn_claim_store *store, uint32_t count)
{
	if (count <= store->capacity)
		return;
	store->capacity = count;
	store->seen = realloc(store->seen, count * sizeof *store->seen);
	store->found = realloc(store->found, count * sizeof *store->found);
	store->answers = realloc(store->answers, count * sizeof *store->answers);
	if (!store->seen || !store->found || !store->answers)
		abort();
}

static void log_failure(struct tn_claim_store *store, const struct tn_error *error)
{
	int64_t now_ms = tn_clock_mono_ms(&store->bus->clock);
	char text[1024], quoted[1200];
	if (now_ms < store->log_again_ms)
		return;
	store->log_again_ms = now_ms + LOG_PAUSE_MS;
	tn_error_format(error, text, sizeof text);
	tn_log_error(&store->bus->log, "idempotency keys could not be looked up", "error=%s",
		tn_log_quote(text, strlen(text), quoted, sizeof quoted));
}

static void ask(struct tn_claim_store *store, uint64_t token, const struct tn_id *keys, uint32_t count, int64_t now_ms)
{
	struct tn_error error = {0};
	make_room(store, count);
	enum tn_status status = tn_store_seen(store->bus->store, keys, count, now_ms, store->seen, store->found, &error);
	if (status != TN_OK)
		log_failure(store, &error);
	for (uint32_t i = 0; i < count; i++) {
		store->answers[i] = (struct tn_claim_answer){.claim = TN_CLAIM_NOTHING};
		if (status != TN_OK)
			store->answers[i].claim = TN_CLAIM_ERROR;
		else if (store->found[i])
			store->answers[i] = (struct tn_claim_answer){.claim = TN_CLAIM_DONE, .fingerprint = store->seen[i].fingerprint};
	}
	store->host.answered(store->host.arg, token, store->answers, count);
}

static void close_store(struct tn_claim_store *store)
{
	free(store->seen);
	free(store->found);
	free(store->answers);
	free(store);
}

static const struct tn_claim_ops own_store_ops = {.name = "store", .ask = ask, .close = close_store};

/* --- The bus's side --- */

static void on_answered(void *arg, uint64_t token, const struct tn_claim_answer *answers, uint32_t count)
{
	struct tn_bus *bus = arg;
	tn_engine_claimed(bus->engine, token, answers, count);
}

void tn_claims_open(struct tn_bus *bus)
{
	bus->claim_store = calloc(1, sizeof *bus->claim_store);
	if (!bus->claim_store)
		abort();
	*bus->claim_store = (struct tn_claim_store){.bus = bus, .host = {.arg = bus, .answered = on_answered}};
	bus->claim_ops = &own_store_ops;
}

void tn_claims_ask(struct tn_bus *bus, const struct tn_command *command)
{
	bus->claim_ops->ask(bus->claim_store, command->token, command->keys, command->key_count, tn_bus_engine_ms(bus));
}

void tn_claims_close(struct tn_bus *bus)
{
	if (bus->claim_ops)
		bus->claim_ops->close(bus->claim_store);
}
