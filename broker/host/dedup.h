/* SPDX-License-Identifier: Apache-2.0
 *
 * dedup.h - the idempotency key of an event: by what it is told from another one. Private to broker/host.
 */
#ifndef TURNOUT_HOST_DEDUP_H
#define TURNOUT_HOST_DEDUP_H

#include "turnout/config.h"

/* What a key is computed from, beside the event. */
struct dedup_message {
	struct tn_str bus, source;         /* names: the scope */
	const struct tn_message *message;  /* its headers */
	bool wrapped;                      /* its one event was made here: its id is new each time */
};

/* Any thread. False: this event has no key. index: of the event within its message. */
bool tn_dedup_key(const struct tn_dedup_config *config, const struct dedup_message *message, const struct tn_event *event, size_t index,
	struct tn_id *out_key);
/* Any thread. Of type and data: what must not differ under one key. Kept in stores: never change it. */
uint64_t tn_dedup_fingerprint(const struct tn_event *event);
/* May stand in a list of paths: an attribute's name, or "data" and member names behind it. */
bool tn_dedup_path_is_valid(struct tn_str path);

#endif
