/* SPDX-License-Identifier: Apache-2.0
 *
 * moves.c - whoever moves dead letters, one at a time: redrives, purges, imports, and the keeper of their queues.
 *
 * The engine has one call's moves under way; this remembers whose they are. Bus thread.
 */
#include "bus_parts.h"

enum tn_status tn_bus_move(struct tn_bus *bus, const struct tn_moves *moves, tn_bus_moved *done, void *arg)
{
	struct tn_moves mine = *moves;
	mine.token = bus->move.token + 1;
	enum tn_status status = tn_engine_move(bus->engine, &mine);
	if (status == TN_OK)
		bus->move = (struct move_call){.token = mine.token, .done = done, .arg = arg};
	tn_turn_want(bus);
	return status;
}

bool tn_bus_moves_ended(const struct tn_bus *bus, uint64_t *out_as_of)
{
	return tn_engine_moves_ended(bus->engine, out_as_of);
}

void tn_bus_moves_forget(struct tn_bus *bus, void *arg)
{
	if (bus->move.arg == arg)
		bus->move.done = NULL;
}

void tn_moves_ended(struct tn_bus *bus, const struct tn_command *command)
{
	struct move_call call = bus->move;
	bus->move.done = NULL;
	if (call.done && call.token == command->token)
		call.done(call.arg, command->moved);
}
