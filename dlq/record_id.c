/* SPDX-License-Identifier: Apache-2.0
 *
 * record_id.c - the name of a dead letter: its row key as text.
 *
 * Called by record.c, and by whoever is given such a name. Any thread.
 */
#include "turnout/dlq.h"

#include <inttypes.h>
#include <stdio.h>

enum { SEQ_DIGITS = 16 };

char *tn_dlq_id_format(struct tn_row_key key, char out[TN_DLQ_ID_SIZE])
{
	snprintf(out, TN_DLQ_ID_SIZE, "%016" PRIx64 "-%" PRIu32, key.event_seq, key.route_no);
	return out;
}

static int hex_digit(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

bool tn_dlq_id_parse(struct tn_str text, struct tn_row_key *out_key)
{
	uint64_t seq = 0, route;
	if (text.len < SEQ_DIGITS + 2 || text.bytes[SEQ_DIGITS] != '-')
		return false;
	for (unsigned i = 0; i < SEQ_DIGITS; i++) {
		int digit = hex_digit(text.bytes[i]);
		if (digit < 0)
			return false;
		seq = seq << 4 | (unsigned)digit;
	}
	if (!tn_str_to_u64(tn_str_tail(text, SEQ_DIGITS + 1), UINT32_MAX, &route))
		return false;
	*out_key = (struct tn_row_key){seq, (uint32_t)route};
	return true;
}
