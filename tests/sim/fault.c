/* SPDX-License-Identifier: Apache-2.0
 *
 * fault.c - the kinds of faults by name, and the drawing of a few of them for each seed.
 */
#include <stdio.h>
#include <string.h>

#include "world.h"

#define NAME_OF(kind, name) name,
static const char *const names[] = {SIM_FAULTS(NAME_OF)};
_Static_assert(FAULT_COUNT <= 64, "they are bits of a uint64_t");

const char *sim_fault_name(uint32_t fault)
{
	return names[fault];
}

static bool add_named(const char *name, size_t len, uint64_t *faults)
{
	for (uint32_t i = 0; i < FAULT_COUNT; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) {
			*faults |= (uint64_t)1 << i;
			return true;
		}
	}
	fprintf(stderr, "turnout-sim: no fault is called '%.*s' (--list names them)\n", (int)len, name);
	return false;
}

bool sim_parse_faults(const char *list, uint64_t *out_faults)
{
	uint64_t faults = 0;
	if (strcmp(list, "none") == 0) {
		*out_faults = 0;
		return true;
	}
	for (const char *name = list;; name += strcspn(name, ",") + 1) {
		size_t len = strcspn(name, ",");
		if (!add_named(name, len, &faults))
			return false;
		if (name[len] == '\0')
			break;
	}
	*out_faults = faults;
	return true;
}

void sim_print_faults(FILE *out, uint64_t faults, const char *between)
{
	const char *separator = "";
	for (uint32_t i = 0; i < FAULT_COUNT; i++) {
		if (faults & (uint64_t)1 << i) {
			fprintf(out, "%s%s", separator, names[i]);
			separator = between;
		}
	}
	if (faults == 0)
		fputs("none", out);
}

void sim_draw_faults(struct world *world, uint64_t allowed)
{
	uint32_t kinds = 3 + sim_upto(world, 5);
	while (kinds > 0) {
		uint64_t bit = (uint64_t)1 << sim_upto(world, FAULT_COUNT - 1);
		kinds -= !(world->faults & bit);
		world->faults |= bit;
	}
	world->faults &= allowed;
}

bool sim_has(const struct world *world, enum fault fault)
{
	return !world->healing && (world->faults & (uint64_t)1 << fault);
}
