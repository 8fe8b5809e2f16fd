/* SPDX-License-Identifier: Apache-2.0
 *
 * error.c - fills in and prints a failure that a person will read.
 *
 * Called wherever input is refused. Owns nothing. Any thread.
 */
#include "turnout/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tn_error_set(struct tn_error *error, const char *format, ...)
{
	if (!error)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(error->message, sizeof error->message, format, args);
	va_end(args);
}

void tn_error_at(struct tn_error *error, const char *file, uint32_t line, uint32_t column, const char *format, ...)
{
	if (!error)
		return;
	va_list args;
	va_start(args, format);
	vsnprintf(error->message, sizeof error->message, format, args);
	va_end(args);
	snprintf(error->file, sizeof error->file, "%s", file ? file : "");
	error->line = line;
	error->column = column;
}

char *tn_error_format(const struct tn_error *error, char *out, size_t size)
{
	char place[300] = "";
	if (error->line && error->column)
		snprintf(place, sizeof place, "%s%s%u:%u: ", error->file, error->file[0] ? ":" : "", error->line,
			error->column);
	else if (error->line)
		snprintf(place, sizeof place, "%s%s%u: ", error->file, error->file[0] ? ":" : "", error->line);
	else if (error->file[0])
		snprintf(place, sizeof place, "%s: ", error->file);
	snprintf(out, size, "%s%s", place, error->message);
	return out;
}
