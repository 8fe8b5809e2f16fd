/* SPDX-License-Identifier: Apache-2.0
 *
 * text.c - words of a scenario: numbers, times, choices, codes, and KEY VALUE pairs read by a table.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

bool scn_is(const char *word, const char *other)
{
	return strcmp(word, other) == 0;
}

bool scn_same_key(const char *word, size_t i, struct scenario *scenario)
{
	return i < scenario->word_count && scn_is(scenario->words[i], word);
}

bool scn_number(struct scenario *scenario, const char *word, int64_t *out_number)
{
	char *end;
	errno = 0;
	int64_t number = strtoll(word, &end, 10);
	if (errno != 0 || end == word || *end != '\0')
		return scn_fail(scenario, "'%s' is not a number", word);
	*out_number = number;
	return true;
}

static int64_t unit_ms(const char *unit)
{
	static const struct {
		const char *name;
		int64_t ms;
	} units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (scn_is(unit, units[i].name))
			return units[i].ms;
	}
	return 0;
}

/* Also several at once: 1h30m. */
bool scn_time(struct scenario *scenario, const char *word, int64_t *out_ms)
{
	int64_t sum_ms = 0;
	const char *from = word;
	if (scn_is(word, "0") || scn_is(word, "never")) {
		*out_ms = *word == '0' ? 0 : INT64_MAX;
		return true;
	}
	while (*from != '\0') {
		char *end, unit[3] = "";
		double number = strtod(from, &end);
		size_t len = strspn(end, "dhms");
		if (len > 1 && !(len == 2 && end[0] == 'm' && end[1] == 's'))
			len = 1;
		memcpy(unit, end, len);
		if (end == from || number < 0 || number > 1e9 || unit_ms(unit) == 0)
			return scn_fail(scenario, "'%s' is not a time (500ms, 2s, 5m, 1h, 3d, or 1h30m)", word);
		sum_ms += (int64_t)(number * (double)unit_ms(unit) + 0.5);
		from = end + len;
	}
	*out_ms = sum_ms;
	return true;
}

void scn_print_time(char *out, size_t size, int64_t ms)
{
	if (ms == INT64_MAX)
		snprintf(out, size, "never");
	else if (ms % 3600000 == 0 && ms != 0)
		snprintf(out, size, "%" PRId64 "h", ms / 3600000);
	else if (ms % 1000 == 0)
		snprintf(out, size, "%" PRId64 "s", ms / 1000);
	else
		snprintf(out, size, "%" PRId64 "ms", ms);
}

static void list_choices(char *out, size_t size, const char *const *choices)
{
	size_t len = 0;
	*out = '\0';
	for (uint32_t i = 0; choices[i] != NULL && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? ", " : "", choices[i]);
}

bool scn_choice(struct scenario *scenario, const char *word, const char *const *choices, uint32_t *out_index)
{
	char list[512];
	for (uint32_t i = 0; choices[i] != NULL; i++) {
		if (scn_is(word, choices[i])) {
			*out_index = i;
			return true;
		}
	}
	list_choices(list, sizeof(list), choices);
	return scn_fail(scenario, "'%s' is none of: %s", word, list);
}

const char *scn_code(struct scenario *scenario, const char *text)
{
	for (uint32_t i = 0; i < scenario->code_count; i++) {
		if (scn_is(scenario->codes[i], text))
			return scenario->codes[i];
	}
	if (scenario->code_count == SCN_CODES) {
		scn_fail(scenario, "more than %d different codes", SCN_CODES);
		return scenario->codes[0];
	}
	char *code = scenario->codes[scenario->code_count++];
	snprintf(code, SCN_NAME, "%s", text);
	return code;
}

/* --- Settings --- */

static bool read_times(struct scenario *scenario, const char *word, const struct scn_setting *setting, char *into)
{
	int64_t times[TN_POLICY_LIST_MAX];
	uint32_t count = 0;
	for (const char *from = word;; from += strcspn(from, ",") + 1) {
		char one[SCN_NAME];
		size_t len = strcspn(from, ",");
		if (len >= sizeof(one) || count == TN_POLICY_LIST_MAX)
			return scn_fail(scenario, "'%s' is too long a list", word);
		memcpy(one, from, len);
		one[len] = '\0';
		if (!scn_time(scenario, one, &times[count++]))
			return false;
		if (from[len] == '\0')
			break;
	}
	memcpy(into + setting->offset, times, count * sizeof(times[0]));
	memcpy(into + setting->count_offset, &count, sizeof(count));
	return true;
}

static bool read_setting(struct scenario *scenario, const struct scn_setting *setting, const char *word, char *into)
{
	static const char *const yes_no[] = {"no", "yes", NULL};
	int64_t number = 0;
	uint32_t index = 0;
	char *place = into + setting->offset;
	switch (setting->type) {
	case SCN_SET_NUMBER:
	case SCN_SET_COUNT:
	case SCN_SET_SIZE:
		if (!scn_number(scenario, word, &number))
			return false;
		break;
	case SCN_SET_TIME:
		if (!scn_time(scenario, word, &number))
			return false;
		break;
	case SCN_SET_BOOL:
	case SCN_SET_CHOICE:
		if (!scn_choice(scenario, word, setting->type == SCN_SET_BOOL ? yes_no : setting->choices, &index))
			return false;
		break;
	case SCN_SET_TARGET:
		index = scn_target(scenario, word) + 1;
		if (index == 0)
			return false;
		break;
	case SCN_SET_TIMES:
		return read_times(scenario, word, setting, into);
	}
	if (setting->type == SCN_SET_COUNT)
		index = number < 0 || number > UINT32_MAX ? 0 : (uint32_t)number;
	if (setting->type == SCN_SET_BOOL)
		*(bool *)place = index == 1;
	else if (setting->type == SCN_SET_SIZE)
		*(size_t *)(void *)place = (size_t)number;
	else if (setting->type == SCN_SET_NUMBER || setting->type == SCN_SET_TIME)
		memcpy(place, &number, sizeof(number));
	else
		memcpy(place, &index, sizeof(index));
	return true;
}

bool scn_read_settings(struct scenario *scenario, uint32_t from, const struct scn_setting *settings, void *into)
{
	for (uint32_t i = from; i < scenario->word_count; i += 2) {
		const struct scn_setting *setting = settings;
		while (setting->name != NULL && !scn_is(setting->name, scenario->words[i]))
			setting++;
		if (setting->name == NULL)
			return scn_fail(scenario, "%s: there is no setting '%s'", scenario->words[0], scenario->words[i]);
		if (i + 1 == scenario->word_count)
			return scn_fail(scenario, "%s: '%s' needs a value", scenario->words[0], scenario->words[i]);
		if (!read_setting(scenario, setting, scenario->words[i + 1], into))
			return false;
	}
	return true;
}
