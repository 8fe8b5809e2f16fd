/* SPDX-License-Identifier: Apache-2.0
 *
 * event_record.h - an event as the store keeps it: its frozen form (event.h) under a seal.
 */
#ifndef STORE_EVENT_RECORD_H
#define STORE_EVENT_RECORD_H

#include <stdbool.h>
#include "environment.h"
#include "turnout/store.h"

/* Why an event is raw that the guard keeps from being looked into. */
#define TN_EVENT_UNREAD "not looked at: the process ended at work on it too often"

/* Replaces out with the sealed record. */
void tn_event_record_write(struct tn_buf *out, uint64_t event_seq, const struct tn_event *event);
/* Returns owned; NULL: damaged. record is any bytes. guard: NULL for none. */
struct tn_event *tn_event_record_read(struct tn_str record, uint64_t event_seq, const struct tn_store_guard *guard, enum tn_store_reader reader);
/* tn_store_row_bytes of the event in the store; of no event when it is absent or damaged. LMDB code. */
int tn_event_record_weigh(const struct tn_environment *environment, MDB_txn *txn, uint64_t event_seq, uint32_t *out_bytes);

#endif
