/* SPDX-License-Identifier: Apache-2.0
 *
 * quarantine.h - what the process died at work on, and how often: at three strikes it is buried without being looked
 * at.
 *
 * Delivery-semantics section 13. Strikes are kept in the store under a name, a hash of what came or of what it became:
 *
 *   a message          its body and the headers that make an event of it; and its position, where positions outlive the
 * process a stored event     its sequence in the store a delivery         its delivery id (the process died while its
 * target was handed it)
 *
 * The names are strangers to one another, so one table holds them all.
 */
#ifndef TURNOUT_QUARANTINE_H
#define TURNOUT_QUARANTINE_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/id.h"
#include "turnout/store.h"

enum { TN_QUARANTINE_STRIKES = 3, TN_QUARANTINE_TEXT = 17 };

uint64_t tn_quarantine_stored_event(uint64_t event_seq);
uint64_t tn_quarantine_delivery(const struct tn_id *id);
/* Sixteen hexadecimal digits. Returns out. */
char *tn_quarantine_format(uint64_t name, char out[TN_QUARANTINE_TEXT]);
bool tn_quarantine_parse(struct tn_str text, uint64_t *out_name);

/* By which names a dead letter may be in quarantine: those of its row, and of the message that it is. Answers how many
 * (0: it did not die of that). */
enum { TN_QUARANTINE_NAMES = 3 };
uint32_t tn_quarantine_names(
        const struct tn_row *row, const struct tn_event *event, uint64_t out_names[TN_QUARANTINE_NAMES]);

/* Appends {"strikes": [{"hash": "...", "strikes": 2, "quarantined": false, "where": {...}}, ...]}, by hash. TN_IO. */
enum tn_status tn_quarantine_write(struct tn_store *store, struct tn_buf *out, struct tn_error *error) TN_MUST_CHECK;

#endif
