/* SPDX-License-Identifier: Apache-2.0
 *
 * fold.h - comparing text without case: Unicode simple case folding, code point by code point (event-patterns.md section 6).
 *
 * One side, the pattern's, is folded once when it is compiled; the other is folded while it is compared. All text is well-formed UTF-8.
 * Pure; any thread.
 */
#ifndef TURNOUT_RULES_FOLD_H
#define TURNOUT_RULES_FOLD_H

#include "turnout/str.h"

/* The code point's folding, itself when it has none. */
uint32_t tn_fold_code(uint32_t code);
/* Appends text folded. */
void tn_fold_add(struct tn_buf *out, struct tn_str text);

bool tn_fold_equal(struct tn_str text, struct tn_str folded);
bool tn_fold_starts(struct tn_str text, struct tn_str folded);
bool tn_fold_ends(struct tn_str text, struct tn_str folded);

#endif
