/* SPDX-License-Identifier: Apache-2.0
 *
 * soak.c - how many seeds were clean so far, in a small file, so that a long run can be many short ones.
 *
 * Three lines: the next seed, how many were clean, how many inputs they had. Replaced whole. The figures are of one build: whoever
 * wants to keep several apart names the file after the commit.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "soak.h"

static const char format[] = "next %" PRIu64 "\nclean %" PRIu64 "\ninputs %" PRIu64 "\n";

bool sim_soak_load(const char *path, struct sim_soak *out_soak)
{
	struct sim_soak soak;
	FILE *file = fopen(path, "r");
	if (file == NULL) {
		if (errno != ENOENT)
			fprintf(stderr, "turnout-sim: %s: %s\n", path, strerror(errno));
		return errno == ENOENT;
	}
	int fields = fscanf(file, "next %" SCNu64 " clean %" SCNu64 " inputs %" SCNu64, &soak.next, &soak.clean, &soak.inputs);
	fclose(file);
	if (fields != 3) {
		fprintf(stderr, "turnout-sim: %s is not a state file (next, clean, inputs)\n", path);
		return false;
	}
	*out_soak = soak;
	return true;
}

bool sim_soak_save(const char *path, const struct sim_soak *soak)
{
	char beside[4096];
	if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
		return false;
	FILE *file = fopen(beside, "w");
	bool written = file != NULL && fprintf(file, format, soak->next, soak->clean, soak->inputs) > 0;
	if (file != NULL)
		written &= fclose(file) == 0;
	if (!written || rename(beside, path) != 0) {
		fprintf(stderr, "turnout-sim: %s: %s\n", path, strerror(errno));
		return false;
	}
	return true;
}
