/* SPDX-License-Identifier: Apache-2.0
 *
 * str.h - a borrowed run of bytes, and a growing one that owns them.
 *
 * tn_str never owns and is never NUL-terminated by promise. tn_buf owns its bytes; growing it aborts when there is no memory,
 * so whatever is sized by input is checked against a limit first.
 */
#ifndef TURNOUT_STR_H
#define TURNOUT_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include "turnout/status.h"

struct tn_str {
	const char *bytes;
	size_t len;
};

#define TN_STR(literal) ((struct tn_str){(literal), sizeof(literal) - 1})
/* For printf: printf("%.*s", TN_STR_ARG(name)). */
#define TN_STR_ARG(str) (int)(str).len, (str).bytes ? (str).bytes : ""

static inline struct tn_str tn_str_from(const char *text)
{
	return (struct tn_str){text, text ? strlen(text) : 0};
}
static inline struct tn_str tn_str_make(const char *bytes, size_t len)
{
	return (struct tn_str){bytes, len};
}
static inline bool tn_str_equal(struct tn_str a, struct tn_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.bytes, b.bytes, a.len) == 0);
}
static inline bool tn_str_is(struct tn_str a, const char *text)
{
	return tn_str_equal(a, tn_str_from(text));
}
/* The part from `from` (clamped) to the end. */
static inline struct tn_str tn_str_tail(struct tn_str a, size_t from)
{
	return from >= a.len ? (struct tn_str){a.bytes + a.len, 0} : (struct tn_str){a.bytes + from, a.len - from};
}
/* ASCII case only. */
bool tn_str_equal_nocase(struct tn_str a, struct tn_str b);
bool tn_str_starts(struct tn_str a, struct tn_str prefix);
bool tn_str_starts_nocase(struct tn_str a, struct tn_str prefix);
bool tn_str_ends(struct tn_str a, struct tn_str suffix);
/* Without leading and trailing bytes of `set` (a C string). */
struct tn_str tn_str_trim(struct tn_str a, const char *set);
/* Offset of the first such byte, or SIZE_MAX. */
size_t tn_str_find(struct tn_str a, char byte);
/* Negative, 0, positive: by bytes, shorter first. */
int tn_str_compare(struct tn_str a, struct tn_str b);
/* Decimal digits only, no sign, no leading zero but "0" itself; false: not that, or above limit. */
bool tn_str_to_u64(struct tn_str a, uint64_t limit, uint64_t *out_value);
/* Returns owned a NUL-terminated copy (free()). Aborts without memory. */
char *tn_str_dup(struct tn_str a);
/* Edit distance for "did you mean": capped, ASCII case ignored. Small names only. */
unsigned tn_str_distance(struct tn_str a, struct tn_str b);

struct tn_buf { /* {0} is an empty one */
	char *bytes;
	size_t len, capacity;
};

void tn_buf_fini(struct tn_buf *buf);
/* Empties, keeps the memory. */
static inline void tn_buf_clear(struct tn_buf *buf)
{
	buf->len = 0;
}
static inline struct tn_str tn_buf_str(const struct tn_buf *buf)
{
	return (struct tn_str){buf->bytes, buf->len};
}
/* Makes room for `more` bytes after len and returns where they go; the caller adds to len. */
char *tn_buf_reserve(struct tn_buf *buf, size_t more);
void tn_buf_add(struct tn_buf *buf, const void *bytes, size_t len);
void tn_buf_add_str(struct tn_buf *buf, struct tn_str str);
void tn_buf_add_text(struct tn_buf *buf, const char *text);
void tn_buf_add_byte(struct tn_buf *buf, char byte);
void tn_buf_addf(struct tn_buf *buf, const char *format, ...) TN_PRINTF(2, 3);
void tn_buf_vaddf(struct tn_buf *buf, const char *format, va_list args) TN_PRINTF(2, 0);
/* Decimal, without printf. */
void tn_buf_add_u64(struct tn_buf *buf, uint64_t value);
void tn_buf_add_i64(struct tn_buf *buf, int64_t value);
/* A NUL after the last byte, not counted in len; returns bytes. */
const char *tn_buf_terminate(struct tn_buf *buf);

#endif
