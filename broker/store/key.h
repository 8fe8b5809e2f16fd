/* SPDX-License-Identifier: Apache-2.0
 *
 * key.h - the keys of the store's databases. All sort by bytes; all ascend as events come in, which is what LMDB likes best.
 *
 *   database   key                                            value
 *   events     event_seq                                      sealed event (record.h)
 *   rows       event_seq, route_no                            sealed row (row_record.h)
 *   states     state, event_seq, route_no                     target_no: scans by state and target touch no row they do not want;
 *                                                             and, of PARKED and DEAD rows, the bytes that `targets` counts for it
 *   due        target_no, not_before_ms, event_seq, route_no  nothing; PARKED rows only
 *   lanes      target_no, lane, lane_seq, event_seq, route_no nothing; PARKED rows that have a lane
 *   targets    target_no                                      sealed counts of its PARKED and DEAD rows (target_count.h); absent: none
 *   names      target_no                                      sealed target name
 *   keys       expires_ms, idempotency key                    sealed rest of tn_seen (seen.c)
 *   strikes    hash                                           sealed count and place (strikes.c)
 *   kept       name                                           sealed value (keep.c)
 *   meta       "format", "state"                              format number; sealed counters (meta.h)
 *   bad        'e' event, 'r' row, 'n' name, 'm' meta,        the damaged record as it was found
 *              's' seen, 'k' strike, 't' kept; its key
 */
#ifndef STORE_KEY_H
#define STORE_KEY_H

#include <string.h>
#include "bytes.h"
#include "turnout/store.h"

enum {
	TN_KEY_EVENT = 8,
	TN_KEY_ROW = 12,
	TN_KEY_STATE = 13,
	TN_KEY_DUE = 24,
	TN_KEY_LANE = 40,
	TN_KEY_TARGET = 4,
	TN_KEY_SEEN = 24,
	TN_VALUE_STATE = 8,
};

struct tn_due {
	uint32_t target_no;
	int64_t not_before_ms;
	struct tn_row_key row;
};
struct tn_lane_place {
	uint32_t target_no;
	struct tn_id lane;
	uint64_t lane_seq;
	struct tn_row_key row;
};

static inline void tn_key_put_row(uint8_t out[TN_KEY_ROW], struct tn_row_key key)
{
	tn_bytes_put64(out, key.event_seq);
	tn_bytes_put32(out + 8, key.route_no);
}
static inline struct tn_row_key tn_key_get_row(const uint8_t *bytes)
{
	return (struct tn_row_key){tn_bytes_get64(bytes), tn_bytes_get32(bytes + 8)};
}
static inline void tn_key_put_state(uint8_t out[TN_KEY_STATE], enum tn_row_state state, struct tn_row_key key)
{
	out[0] = (uint8_t)state;
	tn_key_put_row(out + 1, key);
}
/* The sign bit is turned over so that times before 0 sort before times after it. */
static inline void tn_key_put_due(uint8_t out[TN_KEY_DUE], const struct tn_due *due)
{
	tn_bytes_put32(out, due->target_no);
	tn_bytes_put64(out + 4, (uint64_t)due->not_before_ms ^ UINT64_C(1) << 63);
	tn_key_put_row(out + 12, due->row);
}
static inline void tn_key_put_lane(uint8_t out[TN_KEY_LANE], const struct tn_lane_place *place)
{
	tn_bytes_put32(out, place->target_no);
	memcpy(out + 4, place->lane.bytes, sizeof place->lane.bytes);
	tn_bytes_put64(out + 20, place->lane_seq);
	tn_key_put_row(out + 28, place->row);
}
static inline struct tn_lane_place tn_key_get_lane(const uint8_t *bytes)
{
	struct tn_lane_place place = {.target_no = tn_bytes_get32(bytes), .lane_seq = tn_bytes_get64(bytes + 20),
		.row = tn_key_get_row(bytes + 28)};
	memcpy(place.lane.bytes, bytes + 4, sizeof place.lane.bytes);
	return place;
}
static inline void tn_key_put_seen(uint8_t out[TN_KEY_SEEN], int64_t expires_ms, const struct tn_id *key)
{
	tn_bytes_put64(out, (uint64_t)expires_ms ^ UINT64_C(1) << 63);
	memcpy(out + 8, key->bytes, sizeof key->bytes);
}
static inline int64_t tn_key_get_seen(const uint8_t *bytes, struct tn_id *out_key)
{
	memcpy(out_key->bytes, bytes + 8, sizeof out_key->bytes);
	return (int64_t)(tn_bytes_get64(bytes) ^ UINT64_C(1) << 63);
}
static inline struct tn_due tn_key_get_due(const uint8_t *bytes)
{
	return (struct tn_due){tn_bytes_get32(bytes), (int64_t)(tn_bytes_get64(bytes + 4) ^ UINT64_C(1) << 63),
		tn_key_get_row(bytes + 12)};
}

#endif
