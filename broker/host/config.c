/* SPDX-License-Identifier: Apache-2.0
 *
 * config.c - turnout.yaml, read and checked whole before anything is opened.
 *
 * Called by `turnout run`, by a reload, and by `turnout check`. Owns one arena a snapshot. The sections with lists (sources, targets,
 * dead letters) are read in config_lists.c. One thread.
 */
#include "config_lists.h"
#include "turnout/http_client.h"

#include <stdio.h>
#include <stdlib.h>

enum { CONFIG_FILE_LIMIT = 1024 * 1024 };

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const trace_events[] = {"off", "failed", "all", NULL}; /* in the order of enum tn_note_detail */
static const char *const log_formats[] = {"text", "json", NULL};

#define AT(member) offsetof(struct tn_config, member)

static const struct tn_option bus_options[] = {
	{"bus", TN_OPTION_TEXT, AT(bus), .required = true, .help = "name of this bus; part of every delivery id, so never change it"},
	{"store.path", TN_OPTION_PATH, AT(store_path), .required = true, .help = "folder of the journal, parked deliveries and dead letters"},
	{"store.max_size", TN_OPTION_SIZE, AT(store_max_bytes), "4GiB", .min = 1 << 20, .max = (uint64_t)1 << 44, .help = "the store never grows beyond"},
	{"store.max_keys", TN_OPTION_NUMBER, AT(store_max_keys), "1000000", .min = 1000, .max = 1000000000, .help = "idempotency keys kept; beyond, those that expire first go"},
	{"workers", TN_OPTION_NUMBER, AT(workers), "1", .min = 1, .max = 64, .help = "event loops that decode, match and send"},
	{"admin.listen", TN_OPTION_TEXT, AT(admin_listen), .help = "address of /healthz, /readyz and /metrics"},
	{"rules", TN_OPTION_TEXTS, AT(rules), .required = true, .reloadable = true, .help = "rule files, as paths or globs"},
	{"allow_empty", TN_OPTION_BOOL, AT(allow_empty), "false", .reloadable = true, .help = "a rule set without rules is not an error"},
	{"log.level", TN_OPTION_CHOICE, AT(log_level), "info", .choices = log_levels, .help = "debug, info, warn or error"},
	{"log.format", TN_OPTION_CHOICE, AT(log_format), "text", .choices = log_formats, .help = "text or json"},
	{"limits.max_in_flight", TN_OPTION_NUMBER, AT(max_in_flight), "4096", .min = 1, .max = 1000000, .help = "attempts under way, all targets together"},
	{"limits.memory", TN_OPTION_SIZE, AT(memory_bytes), "64MiB", .min = 1 << 20, .max = (uint64_t)1 << 40, .help = "events and deliveries in hand; beyond, sources wait"},
	{"limits.park_after", TN_OPTION_DURATION, AT(park_after_ms), "10s", .min = 0, .max = 3600000, .help = "a longer wait is spent in the store, not in memory"},
	{"limits.settle_deadline", TN_OPTION_DURATION, AT(settle_deadline_ms), "15s", .min = 100, .max = 3600000, .help = "an event unsettled for so long is parked"},
	{"limits.drain_timeout", TN_OPTION_DURATION, AT(drain_timeout_ms), "30s", .min = 100, .max = 3600000, .help = "on SIGTERM, running attempts may take so long"},
	{"limits.removal_grace", TN_OPTION_DURATION, AT(removal_grace_ms), "10m", .min = 0, .max = 86400000, .reloadable = true, .help = "deliveries of a removed target wait so long for its return"},
	{"limits.reply_hops", TN_OPTION_NUMBER, AT(max_hops), "8", .min = 1, .max = 1000, .reloadable = true, .help = "a reply to a reply, so many times over; beyond, it is a dead letter"},
	{"start.wait_for", TN_OPTION_TEXTS, AT(wait_for), .help = "URLs that must answer 2xx to a GET before sources are opened: the service this bus stands beside"},
	{"start.timeout", TN_OPTION_DURATION, AT(wait_limit_ms), "60s", .min = 100, .max = 3600000, .help = "if they do not within that, the bus does not start"},
	{"trace.events", TN_OPTION_CHOICE, AT(trace_events), "failed", .choices = trace_events, .help = "whose stories `turnout trace` can tell: failed (all that was not delivered at first try), all, or off"},
	{"trace.keep", TN_OPTION_DURATION, AT(trace_keep_ms), "1d", .min = 60000, .max = (uint64_t)90 * 86400000, .help = "for so long"},
	{"trace.max_size", TN_OPTION_SIZE, AT(trace_max_bytes), "64MiB", .min = 1 << 20, .max = (uint64_t)1 << 36, .help = "in so much room beside store.max_size; the oldest go first"},
	{"trace.payloads", TN_OPTION_BOOL, AT(trace_payloads), "false", .help = "stories keep the events themselves, of up to 16 KiB"},
	{"addresses.allow", TN_OPTION_TEXTS, AT(address_allow), .reloadable = true, .help = "CIDR blocks that targets may connect to although denied by default"},
	{"addresses.deny", TN_OPTION_TEXTS, AT(address_deny), .reloadable = true, .help = "CIDR blocks that targets may never connect to"},
	{"eventbridge.account", TN_OPTION_TEXT, AT(account), "000000000000", .reloadable = true, .help = "account of the EventBridge view"},
	{"eventbridge.region", TN_OPTION_TEXT, AT(region), "", .reloadable = true, .help = "region of the EventBridge view"},
	{0},
};

static const char *const list_names[] = {"sources", "targets", "dead_letters", NULL};

static void set_folder(struct tn_config *config, const char *path)
{
	snprintf(config->file, sizeof config->file, "%s", path);
	const char *slash = strrchr(path, '/');
	if (!slash)
		snprintf(config->folder, sizeof config->folder, ".");
	else
		snprintf(config->folder, sizeof config->folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

bool tn_config_is_name(struct tn_str name)
{
	if (name.len == 0 || name.len > 64)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.bytes[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-'))
			return false;
	}
	return true;
}

/* `store: none` is a word, not a map: known by name, and refused. */
static enum tn_status check_store(const struct tn_doc *doc, struct tn_error *error)
{
	const struct tn_doc_node *store = tn_doc_get(doc->root, "store");
	if (store && store->kind == TN_DOC_STRING && tn_str_is(store->text, "none")) {
		tn_doc_error(doc, store, error, "store: none is not in this version; give store.path a folder");
		return TN_UNSUPPORTED;
	}
	return TN_OK;
}

static enum tn_status check_wait_for(const struct tn_doc *doc, const struct tn_config *config, struct tn_error *error)
{
	const struct tn_doc_node *start = tn_doc_get(doc->root, "start");
	for (size_t i = 0; i < config->wait_for.count; i++) {
		struct tn_error why = {0};
		if (tn_http_url_check(config->wait_for.items[i], NULL, &why) == TN_OK)
			continue;
		tn_doc_error(doc, start, error, "start.wait_for: %s", why.message);
		return TN_INVALID;
	}
	return TN_OK;
}

static enum tn_status read_bus(const struct tn_doc *doc, struct tn_config *config, struct tn_error *error)
{
	const struct tn_option *const tables[] = {bus_options, NULL};
	enum tn_status status = check_store(doc, error);
	if (status == TN_OK)
		status = tn_option_parse(doc, doc->root, tables, list_names, &config->arena, config, error);
	if (status != TN_OK)
		return status;
	status = check_wait_for(doc, config, error);
	if (status != TN_OK)
		return status;
	const struct tn_doc_node *bus = tn_doc_get(doc->root, "bus");
	if (!tn_config_is_name(config->bus)) {
		tn_doc_error(doc, bus, error, "bus must be 1 to 64 letters, digits, '.', '_' or '-'");
		return TN_INVALID;
	}
	if (config->rules.count == 0) {
		tn_doc_error(doc, tn_doc_get(doc->root, "rules"), error, "rules must name at least one file or glob");
		return TN_INVALID;
	}
	return TN_OK;
}

static enum tn_status read_doc(const struct tn_doc *doc, struct tn_config *config, struct tn_error *error)
{
	if (!doc->root || doc->root->kind != TN_DOC_MAP) {
		tn_error_at(error, config->file, 1, 1, "the configuration must be a map; see `turnout help config`");
		return TN_INVALID;
	}
	enum tn_status status = read_bus(doc, config, error);
	if (status == TN_OK)
		status = tn_config_read_dead_letters(doc, config, error);
	if (status == TN_OK)
		status = tn_config_read_targets(doc, config, error);
	if (status == TN_OK)
		status = tn_config_read_sources(doc, config, error);
	return status;
}

enum tn_status tn_config_read(const char *path, struct tn_config **out_config, struct tn_error *error)
{
	if (strlen(path) >= sizeof((struct tn_config *)0)->file) {
		tn_error_set(error, "the path of the configuration is longer than %zu bytes", sizeof((struct tn_config *)0)->file - 1);
		return TN_INVALID;
	}
	struct tn_doc doc = {0};
	struct tn_config *config = calloc(1, sizeof *config);
	if (!config)
		abort();
	set_folder(config, path);
	enum tn_status status = tn_doc_read(path, CONFIG_FILE_LIMIT, &doc, error);
	if (status == TN_OK)
		status = read_doc(&doc, config, error);
	tn_doc_fini(&doc);
	if (status != TN_OK) {
		tn_config_free(config);
		return status;
	}
	*out_config = config;
	return TN_OK;
}

void tn_config_free(struct tn_config *config)
{
	if (!config)
		return;
	tn_arena_fini(&config->arena);
	free(config);
}

const struct tn_target_config *tn_config_target(const struct tn_config *config, struct tn_str name)
{
	for (size_t i = 0; i < config->target_count; i++)
		if (tn_str_equal(config->targets[i].name, name))
			return &config->targets[i];
	return NULL;
}

const struct tn_dead_letter_config *tn_config_dead_letter(const struct tn_config *config, struct tn_str name)
{
	for (size_t i = 0; i < config->dead_letter_count; i++)
		if (tn_str_equal(config->dead_letters[i].name, name))
			return &config->dead_letters[i];
	return NULL;
}

const struct tn_dead_letter_config *tn_config_store_queue(const struct tn_config *config, const struct tn_target_config *target)
{
	const struct tn_dead_letter_config *queue = tn_config_dead_letter(config, target->dead_letter);
	return queue && !queue->target.bytes ? queue : tn_config_dead_letter(config, TN_STR("default"));
}

enum tn_status tn_config_load_rules(const struct tn_config *config, uint32_t (*number_of)(void *arg, struct tn_str name), void *arg,
	uint64_t revision, struct tn_ruleset **out_ruleset, struct tn_error *error)
{
	struct tn_arena arena = {0};
	struct tn_target_name *names = tn_arena_array(&arena, struct tn_target_name, config->target_count);
	for (size_t i = 0; i < config->target_count; i++) {
		names[i].name = config->targets[i].name;
		names[i].number = number_of ? number_of(arg, names[i].name) : (uint32_t)i + 1;
		names[i].policy = config->targets[i].policy;
		names[i].ordering = config->targets[i].ordering;
	}
	const char **paths = tn_arena_array(&arena, const char *, config->rules.count);
	for (size_t i = 0; i < config->rules.count; i++)
		paths[i] = config->rules.items[i].bytes; /* arena copies end with a NUL */
	struct tn_ruleset_config rules = {
		.targets = names,
		.target_count = (uint32_t)config->target_count,
		.allow_empty = config->allow_empty,
		.revision = revision,
		.eventbridge = {config->account, config->region},
	};
	enum tn_status status = tn_ruleset_load(config->folder, paths, config->rules.count, &rules, out_ruleset, error);
	tn_arena_fini(&arena);
	return status;
}

void tn_config_help(struct tn_buf *out)
{
	tn_buf_add_text(out, "turnout.yaml, top level:\n");
	tn_option_help(bus_options, out);
	tn_buf_add_text(out, "\neach of sources:\n");
	tn_config_source_help(out);
	tn_buf_add_text(out, "\neach of targets:\n");
	tn_config_target_help(out);
	tn_buf_add_text(out, "\neach of dead_letters:\n");
	tn_config_dead_letter_help(out);
}
