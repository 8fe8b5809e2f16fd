/* SPDX-License-Identifier: Apache-2.0
 *
 * dlq_print.c - what `turnout dlq` says.
 */
#include "dlq.h"

#include <stdio.h>
#include <stdlib.h>

#include "command.h"

int dlq_complain(const char *message)
{
	fprintf(stderr, "turnout dlq: %s\n", message);
	return TN_EXIT_UNUSABLE;
}

int dlq_complain_error(const struct tn_error *error)
{
	char text[1024];
	return dlq_complain(tn_error_format(error, text, sizeof text));
}

int dlq_complain_answer(long status, const struct tn_buf *answer)
{
	json_t *problem = json_loadb(answer->bytes ? answer->bytes : "", answer->len, 0, NULL);
	const char *detail = json_string_value(json_object_get(problem, "detail"));
	char text[700];
	snprintf(text, sizeof text, "%s", detail ? detail : "the bus refused the request");
	json_decref(problem);
	dlq_complain(text);
	return status == 404 || status == 409 ? TN_EXIT_FINDINGS : TN_EXIT_UNUSABLE;
}

const char *dlq_string(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));
	return text ? text : "-";
}

uint64_t dlq_count(const json_t *object, const char *name)
{
	return (uint64_t)json_integer_value(json_object_get(object, name));
}

static void print_text(const json_t *record)
{
	const json_t *event = json_object_get(record, "event");
	json_int_t attempts = json_integer_value(json_object_get(record, "attempts"));
	printf("%s  %s  %s -> %s  %s after %" JSON_INTEGER_FORMAT " attempt%s  %s %s\n", dlq_string(record, "id"), dlq_string(record, "dead_at"),
		dlq_string(json_object_get(record, "rule"), "name"), dlq_string(json_object_get(record, "target"), "id"),
		dlq_string(json_object_get(record, "error"), "code"), attempts, attempts == 1 ? "" : "s", dlq_string(event, "type"),
		dlq_string(event, "id"));
}

void dlq_print_json(const json_t *value)
{
	char *text = json_dumps(value, JSON_COMPACT);
	if (!text)
		abort();
	puts(text);
	free(text);
}

void dlq_print_line(struct dlq *dlq, const json_t *record)
{
	if (dlq->tally)
		dlq_tally_add(dlq->tally, record);
	else
		(dlq->json ? dlq_print_json : print_text)(record);
	dlq->printed++;
}

static void print_break(unsigned depth)
{
	printf("\n%*s", (int)depth * 2, "");
}

/* Only white space is added: numbers and texts of an event are shown as they were sent. The record is good JSON without any. */
void dlq_print_indented(struct tn_str record)
{
	unsigned depth = 0;
	bool quoted = false;
	for (size_t i = 0; i < record.len; i++) {
		char c = record.bytes[i], next = i + 1 < record.len ? record.bytes[i + 1] : 0;
		if (quoted || c == '"') {
			putchar(c);
			if (c == '\\' && next)
				putchar(record.bytes[++i]);
			quoted = c == '"' ? !quoted : quoted;
			continue;
		}
		bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
		if (closes && record.bytes[i - 1] != (c == '}' ? '{' : '['))
			print_break(--depth);
		putchar(c);
		if (opens && next != (c == '{' ? '}' : ']'))
			print_break(++depth);
		else if (c == ',')
			print_break(depth);
		else if (c == ':')
			putchar(' ');
	}
	putchar('\n');
}
