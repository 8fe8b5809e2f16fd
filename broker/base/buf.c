/* SPDX-License-Identifier: Apache-2.0
 *
 * buf.c - a growing run of bytes. Aborts when there is no memory (str.h says why).
 *
 * Called by everybody but the engine. Each buffer has one owner. Any thread.
 */
#include "turnout/str.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void tn_buf_fini(struct tn_buf *buf)
{
	free(buf->bytes);
	*buf = (struct tn_buf){0};
}

char *tn_buf_reserve(struct tn_buf *buf, size_t more)
{
	if (more > SIZE_MAX / 4 - buf->len)
		abort();
	size_t need = buf->len + more;
	if (need > buf->capacity || !buf->bytes) {
		size_t capacity = buf->capacity ? buf->capacity * 2 : 64;
		if (capacity < need)
			capacity = need;
		char *bytes = realloc(buf->bytes, capacity);
		if (!bytes)
			abort();
		buf->bytes = bytes;
		buf->capacity = capacity;
	}
	return buf->bytes + buf->len;
}

void tn_buf_add(struct tn_buf *buf, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	memcpy(tn_buf_reserve(buf, len), bytes, len);
	buf->len += len;
}

void tn_buf_add_str(struct tn_buf *buf, struct tn_str str)
{
	tn_buf_add(buf, str.bytes, str.len);
}

void tn_buf_add_text(struct tn_buf *buf, const char *text)
{
	tn_buf_add(buf, text, strlen(text));
}

void tn_buf_add_byte(struct tn_buf *buf, char byte)
{
	*tn_buf_reserve(buf, 1) = byte;
	buf->len++;
}

void tn_buf_vaddf(struct tn_buf *buf, const char *format, va_list args)
{
	va_list again;
	assert(format); /* with sanitizers gcc warns of a NULL that nobody passes */
	va_copy(again, args);
	int len = vsnprintf(NULL, 0, format, args);
	if (len > 0) {
		tn_buf_reserve(buf, (size_t)len + 1);
		vsnprintf(buf->bytes + buf->len, (size_t)len + 1, format, again);
		buf->len += (size_t)len;
	}
	va_end(again);
}

void tn_buf_addf(struct tn_buf *buf, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	tn_buf_vaddf(buf, format, args);
	va_end(args);
}

void tn_buf_add_u64(struct tn_buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof digits;
	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	tn_buf_add(buf, digits + at, sizeof digits - at);
}

void tn_buf_add_i64(struct tn_buf *buf, int64_t value)
{
	uint64_t magnitude = (uint64_t)value;
	if (value < 0) {
		tn_buf_add_byte(buf, '-');
		magnitude = 0 - magnitude;
	}
	tn_buf_add_u64(buf, magnitude);
}

const char *tn_buf_terminate(struct tn_buf *buf)
{
	*tn_buf_reserve(buf, 1) = 0;
	return buf->bytes;
}
