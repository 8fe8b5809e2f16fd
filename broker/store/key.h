/* SPDX-License-Identifier: Apache-2.0
 *
 * key.h - the keys of the store's databases. All sort by bytes; all ascend as events come in, which is what LMDB likes best.
 *
 *   database   key                                            value
 *   events     event_seq                                      sealed event (record.h)
 *   rows       event_seq, route_no                            sealed row (row_record.h)
 *   states     state, event_seq, route_no                     target_no: scans by state and target touch no row they do not want
 *   due        target_no, not_before_ms, event_seq, route_no  nothing; PARKED rows only
 *   parked     target_no                                      number of PARKED rows; absent: 0
 *   names      target_no                                      sealed target name
 *   meta       "format", "state"                              format number; sealed counters (meta.h)
 *   bad        'e' or 'r' or 'n' or 'm', then the key it had  the damaged record as it was found
 */
#ifndef STORE_KEY_H
#define STORE_KEY_H

#include "bytes.h"
#include "turnout/store.h"

enum { TN_KEY_EVENT = 8, TN_KEY_ROW = 12, TN_KEY_STATE = 13, TN_KEY_DUE = 24, TN_KEY_TARGET = 4 };

struct tn_due {
	uint32_t target_no;
	int64_t not_before_ms;
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
static inline struct tn_due tn_key_get_due(const uint8_t *bytes)
{
	return (struct tn_due){tn_bytes_get32(bytes), (int64_t)(tn_bytes_get64(bytes + 4) ^ UINT64_C(1) << 63),
		tn_key_get_row(bytes + 12)};
}

#endif
