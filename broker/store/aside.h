/* SPDX-License-Identifier: Apache-2.0
 *
 * aside.h - records that cannot be read go to the `bad` database, so that they block nobody and are not lost.
 */
#ifndef STORE_ASIDE_H
#define STORE_ASIDE_H

#include "apply.h"

/* LMDB codes. Looks again first: a row that is fine, with an event that is fine, stays. A row whose event cannot be read goes with it. */
int tn_aside_row(struct tn_apply *apply, struct tn_row_key key);
/* A damaged row that another is about to replace: its event stays. */
int tn_aside_replaced_row(struct tn_apply *apply, struct tn_row_key key);
/* An entry of `due`, or of `lanes`, goes whose row is not PARKED until then, or there (any more). */
int tn_aside_due(struct tn_apply *apply, const struct tn_due *due);
int tn_aside_lane(struct tn_apply *apply, const struct tn_lane_place *place);
/* Moves the value under key (of up to 64 bytes) to `bad`, where kind stands before its key. Absent is fine. */
int tn_aside_record(struct tn_apply *apply, enum tn_db db, char kind, const void *key, size_t len);

#endif
