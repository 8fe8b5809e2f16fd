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
/* An entry of `due` whose row is not PARKED until then (any more) goes. */
int tn_aside_due(struct tn_apply *apply, const struct tn_due *due);

#endif
