/* SPDX-License-Identifier: Apache-2.0
 *
 * hash.h - a fast hash of bytes, to know them again: the crash guard's names. The same in every run; not for tables
 * that outsiders fill, and no digest.
 */
#ifndef TURNOUT_HASH_H
#define TURNOUT_HASH_H

#include <stdint.h>
#include "turnout/str.h"

/* Chained: the hash of several pieces takes the hash of those before as its seed. Piece borders count. Any thread. */
uint64_t tn_hash_bytes(struct tn_str bytes, uint64_t seed);

#endif
