/* SPDX-License-Identifier: Apache-2.0
 *
 * log.h - one line a fact: a constant lower-case sentence, and key=value pairs. Never payloads or secrets.
 *
 *   tn_log_warn(log, "delivery parked", "rule=%s target=%s due_ms=%" PRId64, rule, target, due_ms);
 *
 * error: someone must act. warn: we coped. info: life cycle. debug: per event. Any thread. A logger is owned by its bus: no globals.
 */
#ifndef TURNOUT_LOG_H
#define TURNOUT_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/clock.h"
#include "turnout/status.h"

struct tn_log_sink;

enum tn_log_level { TN_LOG_DEBUG, TN_LOG_INFO, TN_LOG_WARN, TN_LOG_ERROR };
enum tn_log_format { TN_LOG_TEXT, TN_LOG_JSON };

struct tn_log {                     /* a value; set up once, before threads */
	int fd;
	enum tn_log_level level;
	enum tn_log_format format;
	const struct tn_clock *clock;
	const char *bus;
	uint64_t *dropped;          /* counts lines that could not be written; may be NULL */
	struct tn_log_sink *sink;   /* log_sink.h: where lines go if fd stalls; NULL: they wait for it */
};

/* One write(2), or the sink's. Facts: key=value separated by spaces; a value with spaces or quotes is quoted by the caller with %s of tn_log_quote, or
 * simply stands last. In JSON format each pair becomes a member. */
void tn_log_write(const struct tn_log *log, enum tn_log_level level, const char *message, const char *facts, ...) TN_PRINTF(4, 5);
#define tn_log_debug(log, message, ...) \
	((log)->level <= TN_LOG_DEBUG ? tn_log_write((log), TN_LOG_DEBUG, (message), __VA_ARGS__) : (void)0)
#define tn_log_info(log, message, ...) tn_log_write((log), TN_LOG_INFO, (message), __VA_ARGS__)
#define tn_log_warn(log, message, ...) tn_log_write((log), TN_LOG_WARN, (message), __VA_ARGS__)
#define tn_log_error(log, message, ...) tn_log_write((log), TN_LOG_ERROR, (message), __VA_ARGS__)
/* Writes text as a double-quoted value with control characters escaped; cut to size. Returns out. */
char *tn_log_quote(const char *bytes, unsigned long len, char *out, unsigned long size);

#endif
