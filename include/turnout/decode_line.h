/* SPDX-License-Identifier: Apache-2.0
 *
 * decode_line.h - one message as a line of JSON in, what it is as a line of JSON out: the core of `turnout decode`.
 *
 * The message: {"transport":"http","headers":{..},"body":".."}. Instead of headers, header_list: [[name, value], ..]. A value is a
 * string, {"base64":..} for raw bytes, or {"type":"bool|int32|int64|float64|timestamp|table","value":..} for a typed one.
 * properties: {"content_type":..} for AMQP. body_base64 instead of body for raw bytes; no body, or null: no value. Other members
 * are ignored. Any thread.
 */
#ifndef TURNOUT_DECODE_LINE_H
#define TURNOUT_DECODE_LINE_H

#include <stdbool.h>
#include "turnout/str.h"
#include "turnout/wire.h"

/* Appends one answer and a newline:
 *   {"mode":"binary","event":{..}}  or structured; the event in its CloudEvents JSON form
 *   {"mode":"batched","events":[..]}   {"mode":"plain"}
 *   {"error":KIND,"attribute":..,"index":..,"status":..,"message":..}  members that do not apply are left out; status: HTTP only
 * wire: the transport, whatever the line says; NULL: the line names it. False: the line is not such a message; the answer then is
 * {"error":"invalid_line","message":..}. */
bool tn_decode_line(struct tn_str line, const struct tn_wire *wire, struct tn_buf *out);

#endif
