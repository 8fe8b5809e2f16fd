/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_batch_answer.c - any bytes as the answer to a batch: an item fails only when it is named, and nothing is read beyond the end.
 */
#include "event_check.h"

#include "http_batch.h"
#include "turnout/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { COUNT = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct tn_item items[COUNT] = {0};
	bool failed[COUNT] = {false};
	struct tn_error error = {0};
	char *copy = malloc(len ? len : 1); /* of that size, so that a byte too many is seen */
	memcpy(copy, bytes, len);
	for (int i = 0; i < COUNT; i++)
		memset(&items[i].id, i, sizeof items[i].id);
	if (tn_http_batch_read(tn_str_make(copy, len), items, COUNT, failed, &error) != TN_OK) {
		MUST(error.message[0]);
	} else {
		for (int i = 0; i < COUNT; i++) {
			char id[TN_ID_TEXT_SIZE];
			tn_base32_id(items[i].id.bytes, id);
			MUST(!failed[i] || memmem(copy, len, id, sizeof id - 1) || memchr(copy, '\\', len));
		}
	}
	free(copy);
	return 0;
}
