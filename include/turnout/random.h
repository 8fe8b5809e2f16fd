/* SPDX-License-Identifier: Apache-2.0
 *
 * random.h - a small, fast, seeded sequence (splitmix64). Not for secrets. Who embeds it owns its sequence.
 */
#ifndef TURNOUT_RANDOM_H
#define TURNOUT_RANDOM_H

#include <stdint.h>

struct tn_random {
	uint64_t state;
};

uint64_t tn_random_next(struct tn_random *random);
/* Uniform in 0..limit (inclusive), without modulo bias worth noticing. */
uint64_t tn_random_upto(struct tn_random *random, uint64_t limit);

#endif
