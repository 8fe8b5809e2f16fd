/* SPDX-License-Identifier: Apache-2.0
 *
 * raw.h - a closed store as LMDB sees it, for tests that count or damage what is in it.
 */
#ifndef TEST_STORE_RAW_H
#define TEST_STORE_RAW_H

#include "fixture.h"

/* Entries of a database ("rows", "events", ...). The store is closed. */
uint64_t raw_count(const char *path, const char *db);
/* Turns one bit of the value over; bit counts from the value's first bit, and from its end when negative. */
void raw_flip(const char *path, const char *db, const void *key, size_t key_len, int64_t bit);
/* Deletes an entry, which is there. */
void raw_delete(const char *path, const char *db, const void *key, size_t key_len);
/* Puts an entry with no value. */
void raw_put(const char *path, const char *db, const void *key, size_t key_len);
/* So many entries more: a key of 8 bytes, its number from 0 on, and a byte that no record can be. */
void raw_fill(const char *path, const char *db, uint64_t count);
void raw_flip_row(const char *path, uint64_t seq, uint32_t route, int64_t bit);
void raw_flip_event(const char *path, uint64_t seq, int64_t bit);

#endif
