/* SPDX-License-Identifier: Apache-2.0
 *
 * log.c - one line a fact, as text or JSON, with one write(2) each.
 *
 * Called by whoever decides. Any thread: a line is built on the caller's stack and written whole.
 */
#include "turnout/log.h"
#include "turnout/log_sink.h"
#include "turnout/str.h"

#include <stdio.h>
#include <unistd.h>

enum { LINE_SIZE = 4096, FACTS_SIZE = 3072 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};

struct line {
	char bytes[LINE_SIZE];
	size_t len;
};

static void put(struct line *line, const char *bytes, size_t len)
{
	if (len > LINE_SIZE - 4 - line->len)
		len = LINE_SIZE - 4 - line->len;
	memcpy(line->bytes + line->len, bytes, len);
	line->len += len;
}

static void put_text(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

/* Control characters and what JSON or a terminal would trip over; an already quoted value keeps its escapes. */
static void put_escaped(struct line *line, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)bytes[i];
		char code[8];
		if (c < 0x20 || c == 0x7f)
			put(line, code, (size_t)snprintf(code, sizeof code, "\\u%04x", c));
		else if (c == '"' || c == '\\')
			put(line, (const char[]){'\\', (char)c}, 2);
		else
			put(line, bytes + i, 1);
	}
}

/* One pair of "key=value key="quoted value"": the value ends at a space outside quotes, or at the end. */
struct pair {
	const char *key, *value;
	size_t key_len, value_len;
	bool quoted;
};

static const char *next_pair(const char *at, struct pair *pair)
{
	while (*at == ' ')
		at++;
	if (!*at)
		return NULL;
	const char *equals = strchr(at, '=');
	if (!equals)
		return NULL;
	pair->key = at;
	pair->key_len = (size_t)(equals - at);
	const char *value = equals + 1;
	pair->quoted = *value == '"';
	if (pair->quoted) {
		const char *end = ++value;
		while (*end && *end != '"')
			end += end[0] == '\\' && end[1] ? 2 : 1;
		pair->value = value;
		pair->value_len = (size_t)(end - value);
		return *end ? end + 1 : end;
	}
	pair->value = value;
	pair->value_len = strcspn(value, " ");
	return value + pair->value_len;
}

static void put_json(struct line *line, const struct tn_log *log, enum tn_log_level level, const char *message, const char *time,
	const char *facts)
{
	struct pair pair;
	put_text(line, "{\"time\":\"");
	put_text(line, time);
	put_text(line, "\",\"level\":\"");
	put_text(line, level_names[level]);
	put_text(line, "\",\"bus\":\"");
	put_text(line, log->bus ? log->bus : "");
	put_text(line, "\",\"msg\":\"");
	put_text(line, message);
	put_text(line, "\"");
	while ((facts = next_pair(facts, &pair))) {
		if (pair.key_len + pair.value_len * 6 + 8 > LINE_SIZE - 8 - line->len)
			break; /* a member that does not fit whole would break the line's JSON */
		put_text(line, ",\"");
		put_escaped(line, pair.key, pair.key_len);
		put_text(line, "\":\"");
		if (pair.quoted)
			put(line, pair.value, pair.value_len);
		else
			put_escaped(line, pair.value, pair.value_len);
		put_text(line, "\"");
	}
	put_text(line, "}");
}

static void put_plain(struct line *line, enum tn_log_level level, const char *message, const char *time, const char *facts)
{
	put_text(line, time);
	put_text(line, " ");
	put_text(line, level_names[level]);
	put_text(line, strlen(level_names[level]) == 4 ? "  " : " ");
	put_text(line, message);
	if (*facts) {
		put_text(line, "  ");
		for (; *facts; facts++)
			put(line, (unsigned char)*facts < 0x20 || *facts == 0x7f ? "?" : facts, 1);
	}
}

void tn_log_write(const struct tn_log *log, enum tn_log_level level, const char *message, const char *facts, ...)
{
	if (!log || level < log->level)
		return;
	char text[FACTS_SIZE], time[TN_TIME_TEXT_SIZE];
	va_list args;
	va_start(args, facts);
	vsnprintf(text, sizeof text, facts, args);
	va_end(args);
	tn_clock_format(tn_clock_wall_ms(log->clock), time);
	struct line line;
	line.len = 0;
	if (log->format == TN_LOG_JSON)
		put_json(&line, log, level, message, time, text);
	else
		put_plain(&line, level, message, time, text);
	line.bytes[line.len++] = '\n';
	if (log->sink)
		tn_log_sink_put(log->sink, line.bytes, line.len);
	else if (write(log->fd, line.bytes, line.len) < 0 && log->dropped)
		__atomic_add_fetch(log->dropped, 1, __ATOMIC_RELAXED);
}

char *tn_log_quote(const char *bytes, unsigned long len, char *out, unsigned long size)
{
	static const char hex[] = "0123456789abcdef";
	size_t at = 0;
	out[at++] = '"';
	for (size_t i = 0; i < len && at + 8 < size; i++) {
		unsigned char c = (unsigned char)bytes[i];
		if (c == '"' || c == '\\') {
			out[at++] = '\\';
			out[at++] = (char)c;
		} else if (c < 0x20 || c == 0x7f) {
			memcpy(out + at, "\\u00", 4);
			out[at + 4] = hex[c >> 4];
			out[at + 5] = hex[c & 15];
			at += 6;
		} else {
			out[at++] = (char)c;
		}
	}
	out[at++] = '"';
	out[at] = 0;
	return out;
}
