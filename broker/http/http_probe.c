/* SPDX-License-Identifier: Apache-2.0
 *
 * http_probe.c - the request parser alone, fed the same bytes whole and one by one.
 *
 * Called by the fuzzer and by the parser's tests: how the network cuts the bytes must not matter. Owns nothing. Any thread.
 */
#include "http_parser.h"

#include <assert.h>
#include <stdlib.h>
#include "turnout/http_server.h"

struct probe {
	struct tn_http_parser parser;
	int requests;
	uint64_t body, sum; /* bytes of bodies, and something that changes when they do */
};

static void note(struct probe *probe, struct tn_str str)
{
	for (size_t i = 0; i < str.len; i++)
		probe->sum = probe->sum * 31 + (uint8_t)str.bytes[i];
}

static void note_span(struct probe *probe, struct tn_http_span span, const char *bytes, size_t len)
{
	assert((size_t)span.at + span.len <= len);
	note(probe, tn_str_make(bytes + span.at, span.len));
}

static void note_step(struct probe *probe, enum tn_http_step step, const char *bytes, size_t len)
{
	if (step == TN_HTTP_STEP_HEAD) {
		note_span(probe, probe->parser.method, bytes, len);
		note_span(probe, probe->parser.target, bytes, len);
		note_span(probe, probe->parser.path, bytes, len);
		for (uint32_t i = 0; i < probe->parser.field_count; i++) {
			note_span(probe, probe->parser.fields[i].name, bytes, len);
			note_span(probe, probe->parser.fields[i].value, bytes, len);
		}
	} else if (step == TN_HTTP_STEP_BODY) {
		note(probe, probe->parser.piece);
		probe->body += probe->parser.piece.len;
	} else if (step == TN_HTTP_STEP_END) {
		probe->requests++;
	}
}

/* stride: how many bytes become visible at a time. */
static void run_probe(struct probe *probe, const char *bytes, size_t len, size_t stride)
{
	static const struct tn_http_parser_limits limits = {80 * 1024, 256, 1024 * 1024};
	*probe = (struct probe){0};
	tn_http_parser_init(&probe->parser, &limits);
	size_t at = 0, visible = 0;
	while (visible < len) {
		visible = len - visible < stride ? len : visible + stride;
		enum tn_http_step step;
		do {
			size_t used = 0;
			step = tn_http_parser_next(&probe->parser, bytes + at, visible - at, &used);
			note_step(probe, step, bytes + at, used);
			at += used;
			assert(at <= visible);
		} while (step != TN_HTTP_STEP_MORE && step != TN_HTTP_STEP_REFUSED);
		if (step == TN_HTTP_STEP_REFUSED)
			break;
	}
	tn_http_parser_fini(&probe->parser);
}

int tn_http_parse_probe(const char *bytes, size_t len)
{
	struct probe whole, piecemeal;
	run_probe(&whole, bytes, len, len ? len : 1);
	run_probe(&piecemeal, bytes, len, 1);
	if (whole.parser.status != piecemeal.parser.status || whole.requests != piecemeal.requests ||
		whole.body != piecemeal.body || whole.sum != piecemeal.sum)
		abort();
	return whole.parser.status ? whole.parser.status : whole.requests;
}
