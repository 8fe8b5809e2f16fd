/* SPDX-License-Identifier: Apache-2.0
 *
 * dead_letter.c - makes the event that a dead-letter sink receives.
 *
 * Called by targets for attempts TN_TO_DEAD_LETTER. Owns nothing. Any thread.
 *
 * An event keeps all it has and gains dlqrule, dlqtarget, dlqerrorcode, dlqerrormsg, dlqcondition, dlqretries and dlqtime; those of an earlier
 * death are replaced. What could not be read as an event is wrapped in one, so that a sink always receives CloudEvents:
 *
 *   type    turnout.poison             id      the delivery id, the same for each try
 *   source  /turnout/poison            time    when it was accepted
 *   data    its bytes, application/octet-stream
 *   dlqorigin  where it came from, as the source describes it (JSON)
 */
#include "dead_letter.h"

#include "turnout/base64.h"
#include "turnout/clock.h"

#include <stdio.h>
#include <stdlib.h>

enum { OWN_MAX = 8, ORIGIN_MAX = 1024 };

struct letter {
	struct tn_attribute *attributes;
	size_t count;
	char retries[16], id[TN_ID_TEXT_SIZE], died[TN_TIME_TEXT_SIZE], accepted[TN_TIME_TEXT_SIZE];
};

static void add(struct letter *letter, const char *name, struct tn_str value, enum tn_value_type type)
{
	if (value.len > 0)
		letter->attributes[letter->count++] = (struct tn_attribute){tn_str_from(name), value, type};
}

static struct tn_str condition_text(enum tn_condition condition)
{
	switch (condition) {
	case TN_CONDITION_MAX_RETRIES:
		return TN_STR("MaximumRetryAttempts");
	case TN_CONDITION_MAX_AGE:
		return TN_STR("MaximumEventAgeInSeconds");
	case TN_CONDITION_DECLINED:
		return TN_STR("TargetDeclined");
	case TN_CONDITION_NONE:
		break;
	}
	return (struct tn_str){NULL, 0};
}

static bool is_own(struct tn_str name)
{
	static const char *const names[] = {
		"dlqrule", "dlqtarget", "dlqerrorcode", "dlqerrormsg", "dlqcondition", "dlqretries", "dlqtime", "dlqorigin"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (tn_str_is(name, names[i]))
			return true;
	return false;
}

static void add_reason(struct letter *letter, const struct tn_item *item, int64_t wall_ms)
{
	uint32_t attempts = item->tries.system + item->tries.function;
	snprintf(letter->retries, sizeof letter->retries, "%u", attempts > 0 ? attempts - 1 : 0);
	add(letter, "dlqrule", item->route->rule, TN_STRING);
	add(letter, "dlqtarget", item->route->target, TN_STRING);
	if (item->last) {
		add(letter, "dlqerrorcode", tn_str_from(item->last->code), TN_STRING);
		add(letter, "dlqerrormsg", item->last->message, TN_STRING);
	}
	add(letter, "dlqcondition", condition_text(item->condition), TN_STRING);
	add(letter, "dlqretries", tn_str_from(letter->retries), TN_INTEGER);
	add(letter, "dlqtime", tn_str_from(tn_clock_format(wall_ms, letter->died)), TN_TIMESTAMP);
}

static void wrap_raw(struct letter *letter, const struct tn_item *item)
{
	tn_base32_id(item->id.bytes, letter->id);
	add(letter, "id", tn_str_from(letter->id), TN_STRING);
	add(letter, "source", TN_STR("/turnout/poison"), TN_STRING);
	add(letter, "type", TN_STR("turnout.poison"), TN_STRING);
	add(letter, "time", tn_str_from(tn_clock_format(tn_event_accepted_ms(item->event), letter->accepted)), TN_TIMESTAMP);
	add(letter, "datacontenttype", TN_STR("application/octet-stream"), TN_STRING);
	if (item->origin.len <= ORIGIN_MAX)
		add(letter, "dlqorigin", item->origin, TN_STRING);
}

struct tn_event *tn_dead_letter_event(const struct tn_item *item, int64_t wall_ms)
{
	size_t count = 0;
	bool raw = tn_event_is_raw(item->event);
	const struct tn_attribute *attributes = raw ? NULL : tn_event_attributes(item->event, &count);
	struct letter letter = {.attributes = calloc(count + TN_CORE_COUNT + OWN_MAX, sizeof *letter.attributes)};
	if (!letter.attributes)
		abort();
	for (size_t i = 0; i < count; i++)
		if (!is_own(attributes[i].name))
			letter.attributes[letter.count++] = attributes[i];
	if (raw)
		wrap_raw(&letter, item);
	add_reason(&letter, item, wall_ms);
	struct tn_event *event = tn_event_new(&(struct tn_event_parts){
		.attributes = letter.attributes,
		.attribute_count = letter.count,
		.has_data = tn_event_has_data(item->event) || raw,
		.data = tn_event_data(item->event),
		.data_form = !raw && tn_event_data_was_base64(item->event) ? TN_FORM_BASE64 : TN_FORM_OPAQUE,
		.accepted_ms = tn_event_accepted_ms(item->event),
	});
	free(letter.attributes);
	return event;
}
