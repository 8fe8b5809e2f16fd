/* SPDX-License-Identifier: Apache-2.0
 *
 * random.c - splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
 *
 * Called by the engine, the simulator and tests. Owns nothing.
 */
#include "turnout/random.h"

uint64_t tn_random_next(struct tn_random *random)
{
	uint64_t z = (random->state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t tn_random_upto(struct tn_random *random, uint64_t limit)
{
	if (limit == UINT64_MAX)
		return tn_random_next(random);
	return (uint64_t)(((unsigned __int128)tn_random_next(random) * (limit + 1)) >> 64);
}
