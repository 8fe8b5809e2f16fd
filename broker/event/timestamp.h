/* SPDX-License-Identifier: Apache-2.0
 *
 * timestamp.h - RFC 3339 as CloudEvents uses it. Any thread.
 */
#ifndef EVENT_TIMESTAMP_H
#define EVENT_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/str.h"

struct tn_timestamp {
	int64_t seconds; /* since 1970 in UTC, fraction cut off; of a leap second, the second before it */
	bool leap;       /* it was 23:59:60 UTC */
};

#define TN_TIMESTAMP_TEXT_SIZE 21

/* An offset is needed; T and Z in either case; any number of fraction digits; second 60 only at 23:59 UTC. */
bool tn_timestamp_parse(struct tn_str text, struct tn_timestamp *out);
/* "2018-04-05T17:31:00Z" and a NUL; false: outside the years 0 to 9999. */
bool tn_timestamp_format(struct tn_timestamp time, char out[TN_TIMESTAMP_TEXT_SIZE]);

#endif
