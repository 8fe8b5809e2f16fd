/* SPDX-License-Identifier: Apache-2.0
 *
 * obey.c - carries out what the engine decided, command by command; a crash may come between any two.
 */
#include <inttypes.h>

#include "world.h"

static void drained(struct world *world, const struct tn_command *command)
{
	world->drained = true;
	if (!world->draining)
		sim_fail(world, "DRAINED, and nobody asked");
	if (!command->timed_out && (sim_active_attempts(world, 0) > 0 || world->disk.batch != NULL || !sim_txn_idle(world)))
		sim_fail(world, "DRAINED in time, with attempts, a batch or the end of a transaction under way");
	for (uint32_t i = 0; i < world->source_count; i++) {
		if (world->sources[i].unanswered > 0 || world->sources[i].open)
			sim_fail(world, "DRAINED before every stream was done");
	}
	if (command->timed_out)
		world->duplicating_faults++;
}

static void carry_out(struct world *world, const struct tn_command *command)
{
	switch (command->kind) {
	case TN_START:
		sim_started(world, command);
		break;
	case TN_CANCEL:
		sim_cancelled(world, command);
		break;
	case TN_ACK:
		sim_acked(world, command);
		break;
	case TN_RELEASE:
		sim_released(world, command);
		break;
	case TN_CREDIT:
		sim_credit(world, command);
		break;
	case TN_STREAM_DONE:
		sim_stream_done(world, command);
		break;
	case TN_STORE:
		sim_stored(world, command);
		break;
	case TN_SCAN:
		sim_scanned(world, command);
		break;
	case TN_DRAINED:
		drained(world, command);
		break;
	case TN_ROOM:
		world->full = false;
		break;
	case TN_MOVED:
		sim_moved(world, command);
		break;
	case TN_TXN_COMMIT:
	case TN_TXN_ABORT:
		sim_txn_commanded(world, command);
		break;
	case TN_CLAIM:
		sim_claimed(world, command);
		break;
	case TN_EXTEND:
		sim_extended(world, command);
		break;
	}
}

static int64_t number_of(const struct tn_command *command)
{
	switch (command->kind) {
	case TN_START:
		return (int64_t)(command->attempt->target_no * 2u + command->attempt->purpose);
	case TN_CANCEL:
		return (int64_t)command->token;
	case TN_STORE:
		return (int64_t)sim_hash_batch(command->batch);
	case TN_SCAN:
		return command->scan->until_ms;
	case TN_CREDIT:
		return command->credit;
	case TN_ACK:
		return command->settlement->answer;
	default:
		return 0;
	}
}

/* START: event.match as event * 10 + match, as in the trace of results. */
static int64_t subject_of(const struct tn_command *command)
{
	uint32_t event, match;
	if (command->kind == TN_ACK || command->kind == TN_RELEASE || command->kind == TN_EXTEND)
		return (int64_t)command->position.low;
	if (command->kind != TN_START)
		return (int64_t)command->token;
	sim_split_id(&command->attempt->items[0].id, &event, &match);
	return (int64_t)event * 10 + match;
}

void sim_obey(struct world *world)
{
	struct tn_command command;
	uint64_t before = tn_engine_books(world->engine)->uncommitted;
	while (!world->failed && tn_engine_next(world->engine, &command)) {
		uint64_t after = tn_engine_books(world->engine)->uncommitted;
		if (command.kind == TN_START && before >= world->config.max_uncommitted && after >= before)
			sim_fail(world, "an attempt while %" PRIu64 " ends of deliveries are not durable", before);
		before = after;
		sim_say(world, SIM_COMMAND, command.kind, subject_of(&command), number_of(&command));
		carry_out(world, &command);
		if (sim_has(world, FAULT_CRASH) && sim_upto(world, 400) == 0) {
			sim_crash(world);
			return;
		}
	}
}
