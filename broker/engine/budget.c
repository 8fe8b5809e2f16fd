/* SPDX-License-Identifier: Apache-2.0
 *
 * budget.c - the memory budget: what is in hand costs bytes; intake stops when they are spent and resumes at half.
 *
 * Called by whoever takes or gives memory. A page's worth is kept back from intake, so that due rows can always be loaded and a
 * backlog cannot starve itself.
 */
#include "core.h"
#include "stream.h"

void tn_budget_charge(struct tn_engine *engine, size_t bytes)
{
	engine->books.memory_bytes += bytes;
}

static void become_full(struct tn_engine *engine)
{
	if (engine->full)
		return;
	engine->full = true;
	tn_books_note_target(engine, TN_NOTE_MEMORY_FULL, NULL, "MEMORY_FULL", 0);
}

void tn_budget_refund(struct tn_engine *engine, size_t bytes)
{
	assert(engine->books.memory_bytes >= bytes);
	engine->books.memory_bytes -= bytes;
	if (!engine->full || engine->books.memory_bytes > engine->intake_limit_bytes / 2)
		return;
	engine->full = false;
	engine->room_owed = true;
	tn_stream_say_all(engine);
}

bool tn_engine_full(const struct tn_engine *engine)
{
	return engine->full;
}

bool tn_budget_admits(struct tn_engine *engine, size_t bytes)
{
	uint64_t after = engine->books.memory_bytes + bytes;
	if (!engine->full && (after <= engine->intake_limit_bytes || tn_list_empty(&engine->arrivals))) {
		if (after >= engine->intake_limit_bytes)
			become_full(engine);
		return true;
	}
	become_full(engine);
	return false;
}

void *tn_budget_take(struct tn_engine *engine, size_t size)
{
	void *block = engine->alloc.resize(engine->alloc.arg, NULL, 0, size);
	if (block != NULL)
		tn_budget_charge(engine, size);
	return block;
}

void tn_budget_give(struct tn_engine *engine, void *block, size_t size)
{
	if (block == NULL)
		return;
	engine->alloc.resize(engine->alloc.arg, block, size, 0);
	tn_budget_refund(engine, size);
}

void *tn_budget_take_furniture(struct tn_engine *engine, size_t size)
{
	void *block = engine->alloc.resize(engine->alloc.arg, NULL, 0, size);
	if (block != NULL)
		memset(block, 0, size);
	return block;
}

void tn_budget_give_furniture(struct tn_engine *engine, void *block, size_t size)
{
	if (block != NULL)
		engine->alloc.resize(engine->alloc.arg, block, size, 0);
}
