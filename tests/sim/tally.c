/* SPDX-License-Identifier: Apache-2.0
 *
 * tally.c - what the seeds of one run reached together: which states of deliveries met which inputs of the engine, how many inputs a
 * seed had, how many kinds of faults.
 *
 * A state is met by an input when the turn before left something in that state behind. Read from the public books only.
 */
#include <inttypes.h>
#include <stdio.h>

#include "world.h"

/* --- States: a gauge of the books, or rows on the scripted disk --- */

enum state { BOOK_PENDING, BOOK_BACKOFF, BOOK_INFLIGHT, BOOK_PARKING, BOOK_BURYING, BOOK_PARKED, BOOK_OPEN_ROW, BOOK_TRIED_ROW,
	BOOK_STAGED, BOOK_ENDS, DISK_DEAD, LATE_ATTEMPT, BATCH_OUT, SCAN_OUT, DRAINING, STATE_COUNT };
static const char *const state_names[] = {"pending", "backoff", "inflight", "parking", "burying", "parked", "open", "tried", "staged", "ended",
	"dead", "late", "batch", "scan", "drain"};
_Static_assert(sizeof(state_names) / sizeof(state_names[0]) == STATE_COUNT, "one name a state");
_Static_assert((int)STATE_COUNT <= (int)SIM_STATES, "room for them");

static uint64_t bit(enum state state, bool met)
{
	return (uint64_t)met << state;
}

void sim_tally_turn(struct world *world)
{
	const struct tn_books *books = tn_engine_books(world->engine);
	bool dead = false, late = false;
	if (world->tally == NULL)
		return;
	for (uint32_t i = 0; i < world->disk.count && !dead; i++)
		dead = world->disk.rows[i].state == TN_ROW_DEAD;
	for (uint32_t i = 0; i < world->attempt_end && !late; i++)
		late = world->attempts[i].used && world->attempts[i].cancelled;
	world->met_states = bit(BOOK_PENDING, books->pending > 0) | bit(BOOK_BACKOFF, books->backoff > 0) |
		bit(BOOK_INFLIGHT, books->inflight > 0) | bit(BOOK_PARKING, books->parking > 0) | bit(BOOK_BURYING, books->burying > 0) |
		bit(BOOK_PARKED, books->parked > 0) | bit(BOOK_OPEN_ROW, books->open_rows > 0) | bit(BOOK_TRIED_ROW, books->tried_rows > 0) |
		bit(BOOK_STAGED, books->staged > 0) | bit(BOOK_ENDS, books->delivered + books->dead + books->dropped + books->released > 0) | bit(DISK_DEAD, dead) |
		bit(LATE_ATTEMPT, late) | bit(BATCH_OUT, world->disk.batch != NULL) | bit(SCAN_OUT, world->disk.scan != NULL) |
		bit(DRAINING, world->draining);
}

/* --- Inputs: a fact told to the engine, and what kind of it --- */

struct input {
	const char *name;
	uint8_t fact, from, to;          /* details from..to */
	bool (*is)(int64_t a, int64_t b); /* and this, if not NULL */
	uint64_t never;                  /* states that cannot meet it, by bit */
};

static bool is_failed_page(int64_t last, int64_t next_due_ms)
{
	return last == 0;
}
static bool is_move_redrive(int64_t move, int64_t count)
{
	return move == TN_MOVE_REDRIVE;
}
static bool is_move_resend(int64_t move, int64_t count)
{
	return move == TN_MOVE_RESEND;
}
static bool is_jump_ahead(int64_t at_ms, int64_t more_ms)
{
	return more_ms > 10000;
}
static bool is_jump_back(int64_t at_ms, int64_t more_ms)
{
	return more_ms < 0;
}

#define NO(state) ((uint64_t)1 << (state))
static const struct input inputs[] = { /* the first that fits */
	{"tick back", SIM_TICK, 0, 0, is_jump_back}, {"tick far", SIM_TICK, 0, 0, is_jump_ahead}, {"tick", SIM_TICK, 0, 0},
	{"offer", SIM_OFFER, TN_OK, TN_OK, NULL, NO(DRAINING)}, {"offer: full", SIM_OFFER, TN_FULL, TN_FULL, NULL, NO(DRAINING)},
	{"offer: no", SIM_OFFER, 0, 255},
	{"delivered", SIM_RESULT, TN_DELIVERED, TN_DELIVERED}, {"retry", SIM_RESULT, TN_RETRY, TN_RETRY},
	{"throttled", SIM_RESULT, TN_THROTTLED, TN_THROTTLED}, {"config", SIM_RESULT, TN_MISCONFIGURED, TN_MISCONFIGURED},
	{"rejected", SIM_RESULT, TN_REJECTED, TN_REJECTED}, {"hold", SIM_RESULT, TN_HOLD, TN_HOLD},
	{"late success", SIM_RESULT, SIM_LATE | TN_DELIVERED, SIM_LATE | TN_DELIVERED}, {"late failure", SIM_RESULT, SIM_LATE, 255},
	{"claim: new", SIM_CLAIMED, TN_CLAIM_NOTHING, TN_CLAIM_NOTHING}, {"claim: done", SIM_CLAIMED, TN_CLAIM_DONE, TN_CLAIM_DONE},
	{"claim: wait", SIM_CLAIMED, TN_CLAIM_ELSEWHERE, TN_CLAIM_ELSEWHERE}, {"claim: error", SIM_CLAIMED, TN_CLAIM_ERROR, 255},
	{"ready", SIM_READY, 0, 255},
	{"commit ok", SIM_STORED, TN_COMMIT_OK, TN_COMMIT_OK}, {"refused", SIM_STORED, TN_COMMIT_REFUSED, TN_COMMIT_REFUSED},
	{"unknown", SIM_STORED, TN_COMMIT_UNKNOWN, TN_COMMIT_UNKNOWN},
	{"page of rows", SIM_PAGE, 1, 255}, {"page failed", SIM_PAGE, 0, 0, is_failed_page}, {"page empty", SIM_PAGE, 0, 0},
	{"stream opens", SIM_STREAM, TN_STREAM_OPENED, TN_STREAM_OPENED, NULL, NO(DRAINING)},
	{"revoked", SIM_STREAM, TN_STREAM_REVOKED, TN_STREAM_REVOKED}, {"stream lost", SIM_STREAM, TN_STREAM_LOST, TN_STREAM_LOST},
	{"reload", SIM_RELOAD, TN_OK, TN_OK}, {"reload: no", SIM_RELOAD, 1, 255},
	{"redrive", SIM_MOVE, 0, 255, is_move_redrive}, {"resend", SIM_MOVE, 0, 255, is_move_resend}, {"purge", SIM_MOVE, 0, 255},
	{"drain", SIM_DRAIN, 0, 255, NULL, NO(DRAINING)}, {"crash", SIM_CRASH, 0, 255},
	{"operator", SIM_OPERATOR, 0, 255},
	{"committed", SIM_TXN, TN_TXN_COMMITTED, TN_TXN_COMMITTED}, {"aborted", SIM_TXN, TN_TXN_ABORTED, TN_TXN_ABORTED},
	{"fenced", SIM_TXN, TN_TXN_FENCED, TN_TXN_FENCED},
};
enum { INPUT_COUNT = sizeof(inputs) / sizeof(inputs[0]) };
_Static_assert((int)INPUT_COUNT <= (int)SIM_INPUT_KINDS, "room for them");

static const struct input *input_of(enum sim_fact fact, uint32_t detail, int64_t a, int64_t b)
{
	for (uint32_t i = 0; i < INPUT_COUNT; i++) {
		const struct input *input = &inputs[i];
		if (input->fact == fact && detail >= input->from && detail <= input->to && (input->is == NULL || input->is(a, b)))
			return input;
	}
	return NULL; /* a command, or what the world did by itself */
}

void sim_tally_fact(struct world *world, enum sim_fact fact, uint32_t detail, int64_t a, int64_t b)
{
	const struct input *input = input_of(fact, detail, a, b);
	if (input == NULL)
		return;
	world->facts_given++;
	if (world->tally == NULL)
		return;
	world->tally->given[input - inputs]++;
	for (uint32_t state = 0; state < STATE_COUNT; state++)
		world->tally->met[state][input - inputs] += world->met_states >> state & 1;
}

/* --- Seeds --- */

static uint32_t count_bits(uint64_t bits)
{
	return (uint32_t)__builtin_popcountll(bits);
}

void sim_tally_seed(const struct world *world)
{
	struct sim_tally *tally = world->tally;
	if (tally == NULL)
		return;
	uint32_t kinds = count_bits(world->faults);
	if (tally->seeds == 0 || world->facts_given < tally->fewest_inputs)
		tally->fewest_inputs = world->facts_given;
	if (tally->seeds == 0 || kinds < tally->fewest_kinds)
		tally->fewest_kinds = kinds;
	for (uint32_t fault = 0; fault < FAULT_COUNT; fault++)
		tally->drawn[fault] += world->faults >> fault & 1;
	tally->seeds++;
	tally->inputs += world->facts_given;
	tally->kinds += kinds;
}

void sim_print_tally(const struct sim_tally *tally)
{
	uint64_t seeds = tally->seeds > 0 ? tally->seeds : 1;
	printf("inputs a seed: at least %u, %" PRIu64 " on average; kinds of faults: at least %u of %d, %" PRIu64 ".%" PRIu64
	       " on average\n",
		tally->fewest_inputs, tally->inputs / seeds, tally->fewest_kinds, (int)FAULT_COUNT, tally->kinds / seeds,
		tally->kinds * 10 / seeds % 10);
}

static void print_input(const struct sim_tally *tally, uint32_t number)
{
	printf("%-13s", inputs[number].name);
	for (uint32_t state = 0; state < STATE_COUNT; state++) {
		if ((inputs[number].never & NO(state)) && tally->met[state][number] == 0)
			printf("%9s", ".");
		else
			printf("%9" PRIu64, tally->met[state][number]);
	}
	putchar('\n');
}

void sim_print_pairs(const struct sim_tally *tally)
{
	uint32_t met = 0, possible = 0;
	printf("%-13s", "");
	for (uint32_t state = 0; state < STATE_COUNT; state++)
		printf("%9s", state_names[state]);
	putchar('\n');
	for (uint32_t i = 0; i < INPUT_COUNT; i++) {
		print_input(tally, i);
		for (uint32_t state = 0; state < STATE_COUNT; state++) {
			bool can_be = !(inputs[i].never & NO(state)) || tally->met[state][i] > 0; /* what was met can be */
			possible += can_be;
			met += tally->met[state][i] > 0;
		}
	}
	printf("pairs of state and input: %u of %u reached ('.': cannot be)\n", met, possible);
	for (uint32_t i = 0; i < FAULT_COUNT; i++)
		printf("%s%s %" PRIu64, i == 0 ? "seeds by fault: " : ", ", sim_fault_name(i), tally->drawn[i]);
	putchar('\n');
}
