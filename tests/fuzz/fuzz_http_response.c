/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_http_response.c - whatever bytes a server answers: no crash, and no difference between one read and many.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "http_response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_status(void *arg, int32_t status)
{
	tn_buf_addf(arg, "[%d]", status);
}

static bool on_header(void *arg, struct tn_str name, struct tn_str value)
{
	tn_buf_add_str(arg, name);
	tn_buf_add_byte(arg, '=');
	tn_buf_add_str(arg, value);
	return true;
}

static void on_headers_end(void *arg)
{
	tn_buf_add_byte(arg, '|');
}

static bool on_body(void *arg, struct tn_str bytes)
{
	tn_buf_add_str(arg, bytes);
	return true;
}

static size_t read_all(struct tn_http_response *response, struct tn_str text, size_t piece)
{
	size_t used = 0;
	tn_http_response_start(response, false);
	while (used < text.len && response->state < TN_RESPONSE_DONE) {
		struct tn_str rest = tn_str_tail(text, used);
		if (rest.len > piece)
			rest.len = piece;
		used += tn_http_response_feed(response, rest);
	}
	return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tn_http_response_ops ops = {on_status, on_header, on_headers_end, on_body};
	struct tn_buf seen[2] = {{0}, {0}};
	struct tn_http_response whole = {.ops = &ops, .arg = &seen[0]}, pieces = {.ops = &ops, .arg = &seen[1]};
	struct tn_str text = {(const char *)data, size};
	size_t used = read_all(&whole, text, SIZE_MAX), used_in_pieces = read_all(&pieces, text, size % 7 + 1);
	/* Over the limit of a head the two may stop at different bytes. */
	bool same = whole.state == pieces.state && whole.keep == pieces.keep && used == used_in_pieces &&
		tn_str_equal(tn_buf_str(&seen[0]), tn_buf_str(&seen[1]));
	if (!same && size < 60000)
		abort();
	tn_http_response_close(&whole);
	tn_http_response_fini(&whole);
	tn_http_response_fini(&pieces);
	tn_buf_fini(&seen[0]);
	tn_buf_fini(&seen[1]);
	return 0;
}
