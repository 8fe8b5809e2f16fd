/* SPDX-License-Identifier: Apache-2.0
 *
 * record.c - the seal around whatever the store writes.
 *
 * Called by everything that puts a value into LMDB or takes one out; LMDB itself has no checksums. Any thread.
 */
#include "record.h"

#include <endian.h>
#include "bytes.h"

/* Both steps can be undone (the factor is odd), so two different words never lead from one state to the same state. */
static uint64_t mix(uint64_t state, uint64_t word)
{
	state = (state ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return state ^ state >> 32;
}

static uint64_t mix_bytes(uint64_t state, struct tn_str bytes)
{
	size_t at = 0;
	uint64_t word;

	state = mix(state, bytes.len);
	for (; bytes.len - at >= sizeof word; at += sizeof word) {
		memcpy(&word, bytes.bytes + at, sizeof word);
		state = mix(state, le64toh(word));
	}
	if (at < bytes.len) {
		word = 0;
		memcpy(&word, bytes.bytes + at, bytes.len - at);
		state = mix(state, le64toh(word));
	}
	return state;
}

uint64_t tn_record_checksum(uint8_t version, struct tn_str key, struct tn_str content)
{
	return mix(mix_bytes(mix_bytes(version, key), content), UINT64_C(0x7475726e6f7574));
}

void tn_record_begin(struct tn_buf *out)
{
	tn_buf_clear(out);
	tn_buf_reserve(out, TN_RECORD_SEAL);
	out->len = TN_RECORD_SEAL;
}

void tn_record_seal(struct tn_buf *out, uint8_t version, struct tn_str key)
{
	uint8_t *seal = (uint8_t *)out->bytes;
	seal[0] = version;
	tn_bytes_put64(seal + 1, tn_record_checksum(version, key, tn_str_tail(tn_buf_str(out), TN_RECORD_SEAL)));
}

bool tn_record_open(struct tn_str record, struct tn_str key, uint8_t newest, uint8_t *out_version, struct tn_str *out_content)
{
	if (record.len < TN_RECORD_SEAL)
		return false;
	const uint8_t *seal = (const uint8_t *)record.bytes;
	struct tn_str content = tn_str_tail(record, TN_RECORD_SEAL);
	if (seal[0] == 0 || seal[0] > newest || tn_bytes_get64(seal + 1) != tn_record_checksum(seal[0], key, content))
		return false;
	*out_version = seal[0];
	*out_content = content;
	return true;
}
