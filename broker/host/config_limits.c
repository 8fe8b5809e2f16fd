/* SPDX-License-Identifier: Apache-2.0
 *
 * config_limits.c - what a target may take, as turnout.yaml says it and as the engine wants it: breaker, rate, retry budget, concurrency,
 * park caps; and what a source may bring.
 *
 * Called by config_lists.c with each target and source it read, and by targets.c for the engine's table. The options stand in config_lists.c.
 */
#include "config_lists.h"

enum { RATE_MAX = 1000000, ADAPTIVE_MAX = 200, STORE_SHARE = 4 };

/* "50/s", "600/m", "1000/h". */
static bool parse_rate(struct tn_str text, uint64_t *out_count, int64_t *out_period_ms)
{
	size_t slash = tn_str_find(text, '/');
	if (slash == SIZE_MAX || text.len != slash + 2)
		return false;
	int64_t period_ms = text.bytes[slash + 1] == 's' ? 1000 : text.bytes[slash + 1] == 'm' ? 60000 : 3600000;
	uint64_t count;
	if ((period_ms == 3600000 && text.bytes[slash + 1] != 'h') || !tn_str_to_u64(tn_str_make(text.bytes, slash), RATE_MAX, &count) || count == 0)
		return false;
	*out_count = count;
	*out_period_ms = period_ms;
	return true;
}

static enum tn_status refuse(const struct tn_doc *doc, const struct tn_doc_node *item, const char *name, const char *why, struct tn_error *error)
{
	const struct tn_doc_node *node = tn_doc_get(item, name);
	tn_doc_error(doc, node ? node : item, error, "%s", why);
	return TN_INVALID;
}

enum tn_status tn_config_read_limits(const struct tn_doc *doc, const struct tn_doc_node *item, struct tn_target_config *target,
	struct tn_error *error)
{
	if (tn_doc_get(item, "rate") && !parse_rate(target->rate, &target->rate_count, &target->rate_period_ms))
		return refuse(doc, item, "rate", "rate must be a number from 1 to 1000000 of attempts a second, minute or hour: 50/s, 600/m, 1000/h", error);
	if (target->burst > 0 && target->rate.len == 0)
		return refuse(doc, item, "burst", "burst says how many may start at once within a rate, and there is no rate", error);
	if (target->breaker_open_max_ms < target->breaker_open_ms)
		return refuse(doc, item, "breaker", "breaker.open_max must not be less than breaker.open", error);
	if (target->retry_budget && target->retry_percent == 0 && target->retry_per_second == 0)
		return refuse(doc, item, "retry_budget", "a retry budget of nothing would let nothing be repeated; retry_budget.enabled: false is no budget",
			error);
	if (target->adaptive && !tn_doc_get(item, "max_in_flight"))
		target->max_in_flight = ADAPTIVE_MAX;
	return TN_OK;
}

enum tn_status tn_config_read_rate(const struct tn_doc *doc, const struct tn_doc_node *item, struct tn_source_config *source,
	struct tn_error *error)
{
	if (tn_doc_get(item, "rate") && !parse_rate(source->rate, &source->rate_count, &source->rate_period_ms))
		return refuse(doc, item, "rate", "rate must be a number from 1 to 1000000 of events a second, minute or hour: 100/s, 6000/m, 100000/h", error);
	if (source->burst > 0 && source->rate_count == 0)
		return refuse(doc, item, "burst", "burst says how many may come at once within a rate, and there is no rate", error);
	if (source->rate_count > 0 && !source->connector->answers)
		return refuse(doc, item, "rate", "a rate is for sources whose senders hear an answer; a broker's waits at its window", error);
	return TN_OK;
}

void tn_config_limits(const struct tn_config *config, const struct tn_target_config *target, struct tn_target_limits *limits)
{
	limits->max_in_flight = (uint32_t)target->max_in_flight;
	limits->park_rows = (uint32_t)target->park_rows;
	limits->park_bytes = target->park_bytes > 0 ? target->park_bytes : config->store_max_bytes / STORE_SHARE;
	limits->park_rows_kept = (uint32_t)target->park_rows_broker;
	limits->adaptive = target->adaptive != 0;
	limits->rate = (struct tn_rate_limits){.count = (uint32_t)target->rate_count, .period_ms = target->rate_period_ms,
		.burst = (uint32_t)target->burst};
	limits->retries = (struct tn_retry_limits){.on = target->retry_budget, .percent = (uint32_t)target->retry_percent,
		.per_second = (uint32_t)target->retry_per_second};
	limits->breaker = (struct tn_breaker_limits){
		.on = target->breaker,
		.in_a_row = (uint32_t)target->breaker_failures,
		.attempts = (uint32_t)target->breaker_attempts,
		.percent = (uint32_t)target->breaker_percent,
		.window_ms = target->breaker_window_ms,
		.open_ms = target->breaker_open_ms,
		.open_max_ms = target->breaker_open_max_ms,
	};
}
