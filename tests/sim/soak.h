/* SPDX-License-Identifier: Apache-2.0
 *
 * soak.h - the figures of a long run that is many short ones; see soak.c.
 */
#ifndef TURNOUT_TESTS_SIM_SOAK_H
#define TURNOUT_TESTS_SIM_SOAK_H

#include <stdbool.h>
#include <stdint.h>

struct sim_soak {
	uint64_t next, clean, inputs;
};

/* A file that is not there changes nothing. False: it cannot be used, and it was said why. */
bool sim_soak_load(const char *path, struct sim_soak *out_soak);
bool sim_soak_save(const char *path, const struct sim_soak *soak);

#endif
