/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_http_request.c - whatever bytes a client sends: no crash, and no difference between one read and many.
 */
#include <stddef.h>
#include <stdint.h>

#include "turnout/http_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	tn_http_parse_probe((const char *)data, size);
	return 0;
}
