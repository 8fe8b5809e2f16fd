/* SPDX-License-Identifier: Apache-2.0
 *
 * binary.h - binary mode: attributes in headers, data as the body. Any thread.
 */
#ifndef EVENT_BINARY_H
#define EVENT_BINARY_H

#include "draft.h"
#include "turnout/wire.h"

/* The attribute part of a header's name, or bytes NULL when it has none of the dialect's prefixes. */
struct tn_str tn_binary_strip_prefix(const struct tn_wire *wire, struct tn_str header_name, unsigned *out_prefix);
/* Reads headers and body into draft. content_type: as found, bytes NULL when there is none. */
enum tn_status tn_binary_decode(const struct tn_wire *wire, const struct tn_wire_input *input, struct tn_str content_type,
	struct tn_draft *draft, struct tn_wire_error *error) TN_MUST_CHECK;
void tn_binary_encode(const struct tn_wire *wire, const struct tn_event *event, struct tn_encoded *out);
/* Room for count headers; what was there is forgotten. */
void tn_encoded_reserve(struct tn_encoded *encoded, size_t count);

#endif
