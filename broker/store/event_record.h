/* SPDX-License-Identifier: Apache-2.0
 *
 * event_record.h - an event as the store keeps it: its frozen form (event.h) under a seal.
 */
#ifndef STORE_EVENT_RECORD_H
#define STORE_EVENT_RECORD_H

#include <stdbool.h>
#include "environment.h"
#include "turnout/event.h"

/* Replaces out with the sealed record. */
void tn_event_record_write(struct tn_buf *out, uint64_t event_seq, const struct tn_event *event);
/* Returns owned; NULL: damaged. record is any bytes. */
struct tn_event *tn_event_record_read(struct tn_str record, uint64_t event_seq);
/* tn_store_row_bytes of the event in the store; of no event when it is absent or damaged. LMDB code. */
int tn_event_record_weigh(const struct tn_environment *environment, MDB_txn *txn, uint64_t event_seq, uint32_t *out_bytes);

#endif
