/* SPDX-License-Identifier: Apache-2.0
 *
 * config_lists.c - sources, targets and dead letters of turnout.yaml.
 *
 * Called by config.c. Each item has a common part, whose options are below, and its connector's own part, whose options come from the
 * connector's table; each part knows the other's names, so an unknown key is refused once, with a suggestion from both.
 */
#include "config_lists.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const park_full_choices[] = {"pause_source", "dead_letter", NULL};
static const char *const plain_choices[] = {"reject", "wrap", NULL};
static const char *const overflow_choices[] = {"stop", "drop_oldest", NULL};
static const char *const concurrency_choices[] = {"fixed", "adaptive", NULL};
static const char *const config_error_choices[] = {"hold", "dead_letter", NULL};

#define SOURCE_AT(member) offsetof(struct tn_source_config, member)
#define TARGET_AT(member) offsetof(struct tn_target_config, member)
#define LATER(name, what) {name, TN_OPTION_LATER, .help = what " comes with the Kafka connector"}

static const struct tn_option source_options[] = {
	{"name", TN_OPTION_TEXT, SOURCE_AT(name), .required = true, .help = "unique among sources"},
	{"window", TN_OPTION_NUMBER, SOURCE_AT(window), "1000", .min = 1, .max = 1000000, .help = "unsettled messages a stream; beyond, the source waits"},
	{"plain", TN_OPTION_CHOICE, SOURCE_AT(plain), "reject", .choices = plain_choices, .help = "what is not a CloudEvent: reject, or wrap it in one"},
	{"identity", TN_OPTION_LATER, .help = "delivery ids by position come with sources whose positions outlive a run"},
	LATER("exactly_once", "exactly once"),
	LATER("retry_topic", "the retry topic"),
	{"rate", TN_OPTION_TEXT, SOURCE_AT(rate), .help = "so many events a second, minute or hour, at most: 100/s, 6000/m, 100000/h; to what is more the sender hears 429 with Retry-After"},
	{"burst", TN_OPTION_NUMBER, SOURCE_AT(burst), .min = 1, .max = 1000000, .help = "of them so many at once after a pause; none: as many as the rate says. A larger batch is taken when nothing else was for as long as that takes, and made good after"},
	{0},
};

static const struct tn_option target_options[] = {
	{"name", TN_OPTION_TEXT, TARGET_AT(name), .required = true, .help = "unique among targets; rules name it"},
	{"batch.max_items", TN_OPTION_NUMBER, TARGET_AT(batch_items), "0", .min = 1, .max = 1000, .reloadable = true, .help = "so many events in one attempt, at most, of those that wait; none: one by one"},
	{"batch.max_size", TN_OPTION_SIZE, TARGET_AT(batch_bytes), "1MiB", .min = 1, .max = 64 << 20, .reloadable = true, .help = "and so many bytes of events; one always fits"},
	{"timeout", TN_OPTION_DURATION, TARGET_AT(timeout_ms), "15s", .min = 10, .max = 900000, .reloadable = true, .help = "of one attempt"},
	{"max_in_flight", TN_OPTION_NUMBER, TARGET_AT(max_in_flight), "64", .min = 1, .max = 100000, .reloadable = true, .help = "attempts under way at once"},
	{"max_parked", TN_OPTION_NUMBER, TARGET_AT(park_rows), "100000", .min = 1, .max = 100000000, .reloadable = true, .help = "park cap: deliveries waiting in the store"},
	{"max_parked_size", TN_OPTION_SIZE, TARGET_AT(park_bytes), .min = 1024, .max = (uint64_t)1 << 44, .reloadable = true, .help = "likewise in bytes, with their events; none: a quarter of store.max_size"},
	{"max_parked_broker", TN_OPTION_NUMBER, TARGET_AT(park_rows_broker), "10000", .min = 1, .max = 100000000, .reloadable = true, .help = "likewise for deliveries that their broker keeps anyway"},
	{"on_park_full", TN_OPTION_CHOICE, TARGET_AT(on_park_full), "pause_source", .choices = park_full_choices, .reloadable = true, .help = "beyond the park cap: pause_source or dead_letter"},
	{"on_config_error", TN_OPTION_CHOICE, TARGET_AT(on_credential_error), "hold", .choices = config_error_choices, .reloadable = true, .help = "wrong credential or certificate: hold or dead_letter"},
	{"on_missing", TN_OPTION_CHOICE, TARGET_AT(on_missing), "dead_letter", .choices = config_error_choices, .reloadable = true, .help = "missing resource (404, 410): hold or dead_letter"},
	{"retry_after_max", TN_OPTION_DURATION, TARGET_AT(retry_after_max_ms), "1h", .max = 86400000, .reloadable = true, .help = "longest Retry-After obeyed; 0s: none"},
	{"dead_letter", TN_OPTION_TEXT, TARGET_AT(dead_letter), "default", .reloadable = true, .help = "name of a dead-letter queue"},
	{"breaker.enabled", TN_OPTION_BOOL, TARGET_AT(breaker), "true", .reloadable = true, .help = "leave a failing target alone for a while, then probe it"},
	{"breaker.failures", TN_OPTION_NUMBER, TARGET_AT(breaker_failures), "10", .min = 1, .max = 1000000, .reloadable = true, .help = "failures in a row that open it"},
	{"breaker.percent", TN_OPTION_NUMBER, TARGET_AT(breaker_percent), "50", .min = 1, .max = 100, .reloadable = true, .help = "or so many failures of a hundred attempts"},
	{"breaker.attempts", TN_OPTION_NUMBER, TARGET_AT(breaker_attempts), "20", .min = 1, .max = 1000000, .reloadable = true, .help = "of at least so many attempts"},
	{"breaker.window", TN_OPTION_DURATION, TARGET_AT(breaker_window_ms), "30s", .min = 100, .max = 3600000, .reloadable = true, .help = "within so long"},
	{"breaker.open", TN_OPTION_DURATION, TARGET_AT(breaker_open_ms), "30s", .min = 10, .max = 86400000, .reloadable = true, .help = "open so long before the first probe"},
	{"breaker.open_max", TN_OPTION_DURATION, TARGET_AT(breaker_open_max_ms), "5m", .min = 10, .max = 86400000, .reloadable = true, .help = "doubling up to this each time a probe fails"},
	{"park_ordered", TN_OPTION_BOOL, TARGET_AT(park_ordered), "false", .reloadable = true, .help = "with ordering: park what waits even if its source's stream may move to another process; order is kept only while it stays"},
	{"rate", TN_OPTION_TEXT, TARGET_AT(rate), .reloadable = true, .help = "so many attempts a second, minute or hour, at most: 50/s, 600/m, 1000/h; what is more waits"},
	{"burst", TN_OPTION_NUMBER, TARGET_AT(burst), .min = 1, .max = 1000000, .reloadable = true, .help = "of them so many at once after a pause; none: as many as the rate says"},
	{"concurrency", TN_OPTION_CHOICE, TARGET_AT(adaptive), "fixed", .choices = concurrency_choices, .reloadable = true, .help = "fixed: max_in_flight; adaptive: as many at once as the target bears, found by trying, from 4 up to max_in_flight [then 200]"},
	{"retry_budget.enabled", TN_OPTION_BOOL, TARGET_AT(retry_budget), "true", .reloadable = true, .help = "over 10 s, only so many retries that are not delivered; others wait, and first attempts pass them"},
	{"retry_budget.percent", TN_OPTION_NUMBER, TARGET_AT(retry_percent), "20", .max = 1000, .reloadable = true, .help = "for a hundred first attempts so many retries"},
	{"retry_budget.per_second", TN_OPTION_NUMBER, TARGET_AT(retry_per_second), "10", .max = 1000000, .reloadable = true, .help = "and so many more"},
	LATER("exactly_once", "exactly once"),
	{0},
};

#define DEAD_AT(member) offsetof(struct tn_dead_letter_config, member)

static const struct tn_option dead_letter_options[] = {
	{"name", TN_OPTION_TEXT, DEAD_AT(name), .required = true, .help = "targets name it; 'default' is always there, in the store"},
	{"target", TN_OPTION_TEXT, DEAD_AT(target), .help = "the target that takes the dead letters"},
	{"retention", TN_OPTION_DURATION, DEAD_AT(retention_ms), "14d", .min = 1000, .max = (uint64_t)3650 * 86400000, .reloadable = true, .help = "in the store: older dead letters are purged"},
	{"max_size", TN_OPTION_SIZE, DEAD_AT(max_bytes), "1GiB", .min = 1024, .max = (uint64_t)1 << 44, .reloadable = true, .help = "in the store: cap of each target's dead letters"},
	{"overflow", TN_OPTION_CHOICE, DEAD_AT(overflow), "stop", .choices = overflow_choices, .reloadable = true, .help = "at the cap: stop (the target rests; what is under way then may still die, and is kept) or drop_oldest"},
	{0},
};

/* Names of a table's rows, each up to its first dot, NULL-terminated, in the arena; first come `more`. */
static const char *const *names_of(const struct tn_option *table, const char *const *more, struct tn_arena *arena)
{
	size_t count = 0;
	for (size_t i = 0; more[i]; i++)
		count++;
	for (const struct tn_option *row = table; row->name; row++)
		count++;
	const char **names = tn_arena_array(arena, const char *, count + 1);
	count = 0;
	for (size_t i = 0; more[i]; i++)
		names[count++] = more[i];
	for (const struct tn_option *row = table; row->name; row++)
		names[count++] = tn_arena_copy(arena, tn_str_make(row->name, strcspn(row->name, "."))).bytes;
	return names;
}

static const struct tn_doc_node *find_list(const struct tn_doc *doc, const char *name, bool required, enum tn_status *out_status,
	struct tn_error *error)
{
	const struct tn_doc_node *list = tn_doc_get(doc->root, name);
	*out_status = TN_OK;
	if (!list && required) {
		tn_doc_error(doc, doc->root, error, "%s is missing: a list with at least one entry", name);
		*out_status = TN_INVALID;
	} else if (list && (list->kind != TN_DOC_LIST || (required && list->count == 0))) {
		tn_doc_error(doc, list, error, "%s must be a list%s", name, required ? " with at least one entry" : "");
		*out_status = TN_INVALID;
	}
	return list;
}

static enum tn_status check_name(const struct tn_doc *doc, const struct tn_doc_node *item, struct tn_str name, bool taken,
	struct tn_error *error)
{
	const struct tn_doc_node *node = tn_doc_get(item, "name");
	if (!tn_config_is_name(name)) {
		tn_doc_error(doc, node, error, "name must be 1 to 64 letters, digits, '.', '_' or '-'");
		return TN_INVALID;
	}
	if (taken) {
		tn_doc_error(doc, node, error, "name '%.*s' is already taken above", TN_STR_ARG(name));
		return TN_INVALID;
	}
	return TN_OK;
}

static enum tn_status find_connector(const struct tn_doc *doc, const struct tn_doc_node *item, bool source,
	const struct tn_connector **out_connector, struct tn_error *error)
{
	const struct tn_doc_node *kind = tn_doc_get(item, "kind");
	if (item->kind != TN_DOC_MAP) {
		tn_doc_error(doc, item, error, "each %s must be a map", source ? "source" : "target");
		return TN_INVALID;
	}
	if (!kind || kind->kind != TN_DOC_STRING) {
		tn_doc_error(doc, kind ? kind : item, error, "kind is missing: http");
		return TN_INVALID;
	}
	const struct tn_connector *connector = tn_registry_find(kind->text);
	if (!connector && tn_registry_later(kind->text)) {
		tn_doc_error(doc, kind, error, "kind '%.*s' is not in this version", TN_STR_ARG(kind->text));
		return TN_UNSUPPORTED;
	}
	if (!connector || (source ? !connector->source : !connector->target)) {
		tn_doc_error(doc, kind, error, "there is no %s kind '%.*s'; this version has: http", source ? "source" : "target",
			TN_STR_ARG(kind->text));
		return TN_INVALID;
	}
	*out_connector = connector;
	return TN_OK;
}

static struct tn_str fingerprint_of(const struct tn_doc_node *item, struct tn_arena *arena)
{
	struct tn_doc_text text = {0};
	tn_doc_to_json(item, &text);
	struct tn_str copy = tn_arena_copy(arena, tn_buf_str(&text.text));
	tn_doc_text_fini(&text);
	return copy;
}

/* The connector's own part of an item, into a struct of its own. */
static enum tn_status read_own(const struct tn_doc *doc, const struct tn_doc_node *item, const struct tn_option *own, size_t size,
	const struct tn_option *common, const char *const *more, enum tn_status (*check)(const void *, struct tn_error *),
	struct tn_arena *arena, const void **out_options, struct tn_error *error)
{
	void *options = tn_arena_alloc(arena, size);
	const struct tn_option *const tables[] = {own, NULL};
	enum tn_status status = tn_option_parse(doc, item, tables, names_of(common, more, arena), arena, options, error);
	if (status != TN_OK)
		return status;
	if (check && (status = check(options, error)) != TN_OK) {
		struct tn_error why = *error;
		tn_doc_error(doc, item, error, "%s", why.message);
		return status;
	}
	*out_options = options;
	return TN_OK;
}

static enum tn_status read_source(const struct tn_doc *doc, const struct tn_doc_node *item, struct tn_config *config, struct tn_error *error)
{
	static const char *const more[] = {"kind", "dedup", NULL};
	struct tn_source_config source = {0};
	enum tn_status status = find_connector(doc, item, true, &source.connector, error);
	if (status != TN_OK)
		return status;
	const struct tn_option *own = source.connector->source_options;
	const struct tn_option *const tables[] = {source_options, NULL};
	status = tn_option_parse(doc, item, tables, names_of(own, more, &config->arena), &config->arena, &source, error);
	if (status != TN_OK)
		return status;
	bool taken = false;
	for (size_t i = 0; i < config->source_count; i++)
		taken = taken || tn_str_equal(config->sources[i].name, source.name);
	status = check_name(doc, item, source.name, taken, error);
	if (status == TN_OK)
		status = read_own(doc, item, own, source.connector->source_options_size, source_options, more,
			source.connector->check_source, &config->arena, &source.options, error);
	if (status == TN_OK)
		status = tn_config_read_dedup(doc, item, source.connector, &config->arena, &source.dedup, error);
	if (status == TN_OK)
		status = tn_config_read_rate(doc, item, &source, error);
	source.fingerprint = fingerprint_of(item, &config->arena);
	if (status == TN_OK)
		config->sources[config->source_count++] = source;
	return status;
}

static enum tn_status read_retry(const struct tn_doc *doc, const struct tn_doc_node *item, struct tn_target_config *target,
	struct tn_error *error)
{
	const struct tn_doc_node *retry = tn_doc_get(item, "retry");
	if (!tn_policy_profile(TN_STR("eventbridge"), &target->policy))
		abort();
	return retry ? tn_policy_parse(doc, retry, &target->policy, error) : TN_OK;
}

/* What has no effect without it is refused. */
static enum tn_status read_ordering(const struct tn_doc *doc, const struct tn_doc_node *item, struct tn_target_config *target,
	struct tn_arena *arena, struct tn_error *error)
{
	const struct tn_doc_node *ordering = tn_doc_get(item, "ordering");
	enum tn_status status = ordering ? tn_ordering_parse(doc, ordering, arena, &target->ordering, error) : TN_OK;
	if (status != TN_OK || target->ordering.by_key)
		return status;
	if (target->park_ordered || target->policy.block_exhausted) {
		tn_doc_error(doc, tn_doc_get(item, target->park_ordered ? "park_ordered" : "retry"), error, "%s needs ordering: key",
			target->park_ordered ? "park_ordered" : "on_exhausted: dead_letter_and_block");
		return TN_INVALID;
	}
	return TN_OK;
}

static enum tn_status read_target(const struct tn_doc *doc, const struct tn_doc_node *item, struct tn_config *config, struct tn_error *error)
{
	static const char *const more[] = {"kind", "retry", "ordering", NULL};
	struct tn_target_config target = {0};
	enum tn_status status = find_connector(doc, item, false, &target.connector, error);
	if (status != TN_OK)
		return status;
	const struct tn_option *own = target.connector->target_options;
	const struct tn_option *const tables[] = {target_options, NULL};
	status = tn_option_parse(doc, item, tables, names_of(own, more, &config->arena), &config->arena, &target, error);
	if (status == TN_OK)
		status = check_name(doc, item, target.name, tn_config_target(config, target.name) != NULL, error);
	if (status == TN_OK)
		status = read_retry(doc, item, &target, error);
	if (status == TN_OK)
		status = read_ordering(doc, item, &target, &config->arena, error);
	if (status == TN_OK)
		status = tn_config_read_limits(doc, item, &target, error);
	if (status == TN_OK)
		status = read_own(doc, item, own, target.connector->target_options_size, target_options, more,
			target.connector->check_target, &config->arena, &target.options, error);
	if (status != TN_OK)
		return status;
	const struct tn_doc_node *reply = tn_doc_get(item, "reply");
	if (target.batch_items > 0 && reply && tn_str_equal(reply->text, TN_STR("bus"))) {
		tn_doc_error(doc, reply, error, "reply: bus and batch cannot be together: nothing says which event of a batch an answer is for");
		return TN_INVALID;
	}
	if (!tn_config_dead_letter(config, target.dead_letter)) {
		tn_doc_error(doc, tn_doc_get(item, "dead_letter"), error, "there is no dead-letter queue '%.*s' under dead_letters",
			TN_STR_ARG(target.dead_letter));
		return TN_INVALID;
	}
	target.fingerprint = fingerprint_of(item, &config->arena);
	config->targets[config->target_count++] = target;
	return TN_OK;
}

static const struct tn_doc_node *first_of_store(const struct tn_doc_node *item)
{
	static const char *const names[] = {"retention", "max_size", "overflow"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (tn_doc_get(item, names[i]))
			return tn_doc_get(item, names[i]);
	return NULL;
}

static enum tn_status read_dead_letter(const struct tn_doc *doc, const struct tn_doc_node *item, struct tn_config *config,
	struct tn_error *error)
{
	static const char *const more[] = {"kind", NULL};
	struct tn_dead_letter_config queue = {0};
	const struct tn_option *const tables[] = {dead_letter_options, NULL};
	enum tn_status status = tn_option_parse(doc, item, tables, more, &config->arena, &queue, error);
	if (status == TN_OK)
		status = check_name(doc, item, queue.name, tn_config_dead_letter(config, queue.name) != NULL, error);
	if (status != TN_OK)
		return status;
	const struct tn_doc_node *kind = tn_doc_get(item, "kind");
	bool store = kind && kind->kind == TN_DOC_STRING && tn_str_is(kind->text, "store");
	if ((kind && !store) || store == (queue.target.bytes != NULL)) {
		tn_doc_error(doc, item, error, "a dead-letter queue has either kind: store or a target");
		return TN_INVALID;
	}
	if (!store && tn_str_is(queue.name, "default")) {
		tn_doc_error(doc, item, error, "'default' is in the store (kind: store), for what a sink does not take");
		return TN_INVALID;
	}
	const struct tn_doc_node *of_store = first_of_store(item);
	if (!store && of_store) {
		tn_doc_error(doc, of_store, error, "a queue that is a target has no retention, max_size or overflow: those are of the store");
		return TN_INVALID;
	}
	config->dead_letters[config->dead_letter_count++] = queue;
	return TN_OK;
}

enum tn_status tn_config_read_dead_letters(const struct tn_doc *doc, struct tn_config *config, struct tn_error *error)
{
	enum tn_status status;
	const struct tn_doc_node *list = find_list(doc, "dead_letters", false, &status, error);
	config->dead_letters = tn_arena_array(&config->arena, struct tn_dead_letter_config, (list ? list->count : 0) + 1);
	for (const struct tn_doc_node *item = list ? list->first : NULL; item && status == TN_OK; item = item->next)
		status = read_dead_letter(doc, item, config, error);
	if (status == TN_OK && !tn_config_dead_letter(config, TN_STR("default")))
		config->dead_letters[config->dead_letter_count++] = (struct tn_dead_letter_config){
			.name = TN_STR("default"), .retention_ms = (int64_t)14 * 86400000, .max_bytes = (uint64_t)1 << 30};
	return status;
}

/* A sink must be a target, and must not send its own dead letters round in a circle. */
static enum tn_status check_sinks(const struct tn_doc *doc, const struct tn_config *config, struct tn_error *error)
{
	const struct tn_doc_node *list = tn_doc_get(doc->root, "dead_letters");
	const struct tn_doc_node *item = list ? list->first : NULL;
	for (size_t i = 0; i < config->dead_letter_count && item; i++, item = item->next) {
		const struct tn_dead_letter_config *queue = &config->dead_letters[i];
		if (!queue->target.bytes)
			continue;
		const struct tn_target_config *sink = tn_config_target(config, queue->target);
		if (!sink) {
			tn_doc_error(doc, tn_doc_get(item, "target"), error, "there is no target '%.*s'", TN_STR_ARG(queue->target));
			return TN_INVALID;
		}
		if (tn_config_dead_letter(config, sink->dead_letter)->target.bytes) {
			tn_doc_error(doc, tn_doc_get(item, "target"), error,
				"target '%.*s' is a dead-letter sink, so its own dead_letter must be in the store (dead_letter: default)",
				TN_STR_ARG(queue->target));
			return TN_INVALID;
		}
	}
	return TN_OK;
}

enum tn_status tn_config_read_targets(const struct tn_doc *doc, struct tn_config *config, struct tn_error *error)
{
	enum tn_status status;
	const struct tn_doc_node *list = find_list(doc, "targets", true, &status, error);
	if (status != TN_OK)
		return status;
	config->targets = tn_arena_array(&config->arena, struct tn_target_config, list->count);
	for (const struct tn_doc_node *item = list->first; item && status == TN_OK; item = item->next)
		status = read_target(doc, item, config, error);
	return status == TN_OK ? check_sinks(doc, config, error) : status;
}

enum tn_status tn_config_read_sources(const struct tn_doc *doc, struct tn_config *config, struct tn_error *error)
{
	enum tn_status status;
	const struct tn_doc_node *list = find_list(doc, "sources", true, &status, error);
	if (status != TN_OK)
		return status;
	config->sources = tn_arena_array(&config->arena, struct tn_source_config, list->count);
	for (const struct tn_doc_node *item = list->first; item && status == TN_OK; item = item->next)
		status = read_source(doc, item, config, error);
	return status;
}

static void help_of(const struct tn_option *common, bool source, struct tn_buf *out)
{
	tn_option_help(common, out);
	for (const struct tn_connector *const *each = tn_registry_all(); *each; each++) {
		const struct tn_option *own = source ? (*each)->source_options : (*each)->target_options;
		if (!own)
			continue;
		tn_buf_addf(out, " kind: %s\n", (*each)->name);
		tn_option_help(own, out);
	}
}

void tn_config_source_help(struct tn_buf *out)
{
	help_of(source_options, true, out);
	tn_config_dedup_help(out);
}

void tn_config_target_help(struct tn_buf *out)
{
	help_of(target_options, false, out);
	tn_buf_add_text(out, " retry, a map, of a target or of a rule's target:\n");
	tn_option_help(tn_policy_options(), out);
	tn_buf_add_text(out, " ordering, none, key, or a map:\n");
	tn_option_help(tn_ordering_options(), out);
}

void tn_config_dead_letter_help(struct tn_buf *out)
{
	tn_option_help(dead_letter_options, out);
	tn_buf_add_text(out, "  kind                     store, unless it has a target\n");
}
