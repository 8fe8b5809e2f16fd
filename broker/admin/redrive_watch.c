/* SPDX-License-Identifier: Apache-2.0
 *
 * redrive_watch.c - what became of what a redrive moved.
 *
 * Called by redrive_task.c. The engine counts the first attempts of redriven deliveries at each target; this remembers where those counts stood
 * when the redrive first moved something there. Other redrives to the same target are counted along: it is the target that is judged.
 * Bus thread.
 */
#include "redrive_watch.h"

#include <stdlib.h>

struct watched {
	uint32_t target_no;
	uint64_t moved, delivered, failed, opened; /* the latter three: as the engine had them at first */
};

static bool find_view(const struct redrive_watch *watch, uint32_t target_no, struct tn_target_view *out_view)
{
	const struct tn_engine *engine = tn_bus_engine(watch->bus);
	for (uint32_t i = 0; i < tn_engine_target_count(engine); i++)
		if (tn_engine_target_view(engine, i, out_view) && out_view->target_no == target_no)
			return true;
	return false;
}

static struct watched *find_watched(struct redrive_watch *watch, uint32_t target_no)
{
	struct tn_target_view view;
	for (uint32_t i = 0; i < watch->count; i++)
		if (watch->targets[i].target_no == target_no)
			return &watch->targets[i];
	watch->targets = realloc(watch->targets, (watch->count + 1) * sizeof *watch->targets);
	if (!watch->targets)
		abort();
	struct watched *watched = &watch->targets[watch->count++];
	*watched = (struct watched){.target_no = target_no};
	if (find_view(watch, target_no, &view)) {
		watched->delivered = view.redrive_delivered;
		watched->failed = view.redrive_failed;
		watched->opened = view.breaker_opened;
	}
	return watched;
}

void tn_redrive_watch_moved(struct redrive_watch *watch, uint32_t target_no)
{
	find_watched(watch, target_no)->moved++;
}

void tn_redrive_watch_results(const struct redrive_watch *watch, uint64_t *out_delivered, uint64_t *out_failed)
{
	struct tn_target_view view;
	*out_delivered = *out_failed = 0;
	for (uint32_t i = 0; i < watch->count; i++)
		if (find_view(watch, watch->targets[i].target_no, &view)) {
			*out_delivered += view.redrive_delivered - watch->targets[i].delivered;
			*out_failed += view.redrive_failed - watch->targets[i].failed;
		}
}

/* How much of what was moved there is not tried yet; 0 for a target that is gone. */
static uint64_t find_left(const struct redrive_watch *watch, const struct watched *watched, struct tn_target_view *out_view)
{
	if (!find_view(watch, watched->target_no, out_view))
		return 0;
	uint64_t tried = out_view->redrive_delivered + out_view->redrive_failed - watched->delivered - watched->failed;
	return watched->moved > tried ? watched->moved - tried : 0;
}

struct tn_str tn_redrive_watch_busy(const struct redrive_watch *watch, uint64_t most)
{
	struct tn_target_view view;
	for (uint32_t i = 0; i < watch->count; i++)
		if (find_left(watch, &watch->targets[i], &view) >= most)
			return view.name;
	return (struct tn_str){0};
}

void tn_redrive_watch_each_open(const struct redrive_watch *watch, void (*visit)(void *arg, struct tn_str target), void *arg)
{
	struct tn_target_view view;
	for (uint32_t i = 0; i < watch->count; i++)
		if (find_left(watch, &watch->targets[i], &view) > 0 && view.breaker == TN_BREAKER_OPEN)
			visit(arg, view.name);
}

struct tn_str tn_redrive_watch_opened(const struct redrive_watch *watch)
{
	struct tn_target_view view;
	for (uint32_t i = 0; i < watch->count; i++)
		if (find_view(watch, watch->targets[i].target_no, &view) && view.breaker == TN_BREAKER_OPEN &&
			view.breaker_opened > watch->targets[i].opened)
			return view.name;
	return (struct tn_str){0};
}

void tn_redrive_watch_fini(struct redrive_watch *watch)
{
	free(watch->targets);
	*watch = (struct redrive_watch){0};
}
