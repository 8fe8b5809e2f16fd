/* SPDX-License-Identifier: Apache-2.0
 *
 * target_text.h - one target of `turnout status` for a person: what it does, what is wrong with it, and what to do about that.
 */
#ifndef TURNOUT_TOOLS_TARGET_TEXT_H
#define TURNOUT_TOOLS_TARGET_TEXT_H

#include <jansson.h>
#include <stdint.h>

#include "turnout/config.h"

/* target: a member of "targets" in the bus's status; file: the configuration, for the commands it names; now_ms: wall clock. Prints a
 * line, and one more for each thing that needs somebody. */
void tn_target_text_print(const json_t *target, const char *file, int64_t now_ms);
/* What the line has no room for: counters since the start, and its dead letters. */
void tn_target_text_print_more(const json_t *target);
/* " (did you mean billing?)" if the configuration has a target of nearly that name, else ""; returns out. */
const char *tn_target_text_suggest(const struct tn_config *config, const char *name, char out[160]);
/* As "1.6 KiB"; returns out. */
const char *tn_target_text_size(uint64_t bytes, char out[24]);

#endif
