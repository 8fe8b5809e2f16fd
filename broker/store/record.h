/* SPDX-License-Identifier: Apache-2.0
 *
 * record.h - the seal around whatever the store writes: a version byte, a checksum over key and content, the content.
 *
 * A record that was damaged, or that stands under a key that is not its own, does not open.
 */
#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/str.h"

enum { TN_RECORD_SEAL = 9 }; /* bytes in front of the content */

/* Any change of up to 8 neighbouring bytes (on an 8 byte boundary) is always noticed; any other but once in 2^64. */
uint64_t tn_record_checksum(uint8_t version, struct tn_str key, struct tn_str content);
/* Empties out and leaves room for the seal; the caller appends the content. */
void tn_record_begin(struct tn_buf *out);
/* Fills in the seal of what was appended since tn_record_begin. */
void tn_record_seal(struct tn_buf *out, uint8_t version, struct tn_str key);
/* False: damaged, too short, or a version that is 0 or above newest. out_content borrows from record. */
bool tn_record_open(struct tn_str record, struct tn_str key, uint8_t newest, uint8_t *out_version, struct tn_str *out_content);

#endif
