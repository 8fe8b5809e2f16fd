/* SPDX-License-Identifier: Apache-2.0
 *
 * arguments.c - reads a command line by a table of options.
 *
 * Called by every command first. Owns nothing: values point into argv. Complaints go to standard error, once, naming
 * the option and what it wants.
 */
#include "arguments.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "turnout/str.h"

#define SUGGESTIONS_MAX 64

const char *tn_arguments_suggest(const char *word, const char *const *candidates)
{
	const char *best = NULL;
	unsigned best_distance = 3; /* further off is a guess, not help */

	for (; *candidates; candidates++) {
		unsigned distance = tn_str_distance(tn_str_from(word), tn_str_from(*candidates));

		if (distance < best_distance && distance < strlen(*candidates)) {
			best_distance = distance;
			best = *candidates;
		}
	}
	return best;
}

static const struct tn_argument *find_row(const struct tn_argument *table, const char *word, size_t len)
{
	for (; table->name; table++) {
		if (strlen(table->name) == len && memcmp(table->name, word, len) == 0)
			return table;
		if (len == 2 && table->letter && word[0] == '-' && word[1] == table->letter)
			return table;
	}
	return NULL;
}

static bool complain_unknown(const struct tn_argument *table, const char *command, const char *word)
{
	const char *names[SUGGESTIONS_MAX + 1] = {0};
	const char *meant;

	for (size_t i = 0; table[i].name && i < SUGGESTIONS_MAX; i++)
		names[i] = table[i].name;
	meant = tn_arguments_suggest(word, names);
	fprintf(stderr, "turnout %s: unknown option %s", command, word);
	if (meant)
		fprintf(stderr, "; did you mean %s?", meant);
	fprintf(stderr, "\nTry: turnout help %s\n", command);
	return false;
}

/* Milliseconds in one of the unit, 0 when it is none; how a time may end is here and in the message below. */
static double unit_ms(const char *unit)
{
	if (strcmp(unit, "ms") == 0)
		return 1;
	if (strcmp(unit, "s") == 0 || unit[0] == '\0')
		return 1000;
	if (strcmp(unit, "m") == 0)
		return 60000;
	return 0;
}

/* A finite number that is not negative; *out_end is what follows it. */
static bool read_number(const char *text, double *out_number, char **out_end)
{
	errno = 0;
	*out_number = strtod(text, out_end);
	return *out_end != text && errno == 0 && isfinite(*out_number) && *out_number >= 0;
}

static const char *store_value(const struct tn_argument *row, const char *text)
{
	double number;
	char *end;

	switch (row->kind) {
	case TN_ARGUMENT_FLAG:
		*(bool *)row->out = true;
		return NULL;
	case TN_ARGUMENT_TEXT:
		*(const char **)row->out = text;
		return NULL;
	case TN_ARGUMENT_COUNT:
		return tn_str_to_u64(tn_str_from(text), INT64_MAX, row->out) ? NULL : "a whole number such as 100";
	case TN_ARGUMENT_FRACTION:
		if (!read_number(text, &number, &end) || (*end && strcmp(end, "%") != 0))
			return "a number such as 0.1 or 10%";
		*(double *)row->out = *end ? number / 100 : number;
		return NULL;
	case TN_ARGUMENT_TIME:
		if (!read_number(text, &number, &end) || unit_ms(end) == 0 || number * unit_ms(end) > 1e12)
			return "a time such as 500ms, 2s or 1m";
		*(int64_t *)row->out = (int64_t)(number * unit_ms(end));
		return NULL;
	}
	return "nothing";
}

bool tn_arguments_parse(const struct tn_argument *table, int *argc, char **argv)
{
	const char *command = argv[0];
	int kept = 1;
	int i = 1;

	for (; i < *argc && strcmp(argv[i], "--") != 0; i++) {
		char *word = argv[i];
		char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;
		const struct tn_argument *row;
		const char *value = equals ? equals + 1 : NULL;
		const char *wanted;

		if (word[0] != '-' || word[1] == '\0') { /* "-" alone is standard input */
			argv[kept++] = word;
			continue;
		}
		row = find_row(table, word, equals ? (size_t)(equals - word) : strlen(word));
		if (!row)
			return complain_unknown(table, command, word);
		if (row->kind == TN_ARGUMENT_FLAG && value) {
			fprintf(stderr, "turnout %s: %s takes no value\n", command, row->name);
			return false;
		}
		if (row->kind != TN_ARGUMENT_FLAG && !value) {
			if (i + 1 == *argc) {
				fprintf(stderr, "turnout %s: %s needs a value\n", command, row->name);
				return false;
			}
			value = argv[++i];
		}
		wanted = store_value(row, value);
		if (wanted) {
			fprintf(stderr, "turnout %s: %s wants %s, not '%s'\n", command, row->name, wanted, value);
			return false;
		}
	}
	for (i++; i < *argc; i++) /* past "--" all are plain */
		argv[kept++] = argv[i];
	*argc = kept;
	argv[kept] = NULL;
	return true;
}
