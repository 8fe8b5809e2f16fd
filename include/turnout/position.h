/* SPDX-License-Identifier: Apache-2.0
 *
 * position.h - where a source has an event: a plain value, good for this run.
 */
#ifndef TURNOUT_POSITION_H
#define TURNOUT_POSITION_H

#include <stdint.h>

struct tn_position {
	uint32_t source, stream;  /* stream: partition, channel, consumer, HTTP worker; numbers given by the host */
	uint32_t epoch;           /* this assignment or connection of the stream */
	uint64_t high, low;       /* offset, tag, sequence, entry id: only the connector reads them */
};

#endif
