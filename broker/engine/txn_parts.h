/* SPDX-License-Identifier: Apache-2.0
 *
 * txn_parts.h - what the files of a transaction do for each other: txn.c, txn_take.c and txn_end.c. Others need txn.h only.
 */
#ifndef TURNOUT_BROKER_ENGINE_TXN_PARTS_H
#define TURNOUT_BROKER_ENGINE_TXN_PARTS_H

#include "txn.h"

/* txn.c */
void tn_txn_touch_all(struct tn_engine *engine, struct tn_txn *txn); /* its streams, and itself */

/* txn_take.c */
void tn_txn_collect(struct tn_engine *engine, struct tn_txn *txn); /* from the streams that were touched; opens it with the first */
bool tn_txn_is_full(const struct tn_engine *engine, const struct tn_txn *txn); /* OPEN: it is to take no more */

/* txn_end.c */
void tn_txn_abort(struct tn_engine *engine, struct tn_txn *txn); /* OPEN, or COMMIT was not said yet: all it took goes back */
/* A result of an attempt whose transaction was aborted meanwhile. False: it is like any other. */
bool tn_txn_takes_late(struct tn_engine *engine, struct tn_delivery *delivery, const struct tn_outcome *outcome);

#endif
