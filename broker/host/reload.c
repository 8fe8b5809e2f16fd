/* SPDX-License-Identifier: Apache-2.0
 *
 * reload.c - new rules, or new rules and targets, in place of the old: all of it, or nothing.
 *
 * Called when a rule file changed (watch.c) and on SIGHUP. Whatever is wrong is logged with its place and counted, and the old rules and
 * targets go on (promise 6). Bus thread.
 */
#include "bus_parts.h"

#include <stdlib.h>

struct snapshot *tn_snapshot_ref(struct snapshot *snapshot)
{
	snapshot->refs++;
	return snapshot;
}

void tn_snapshot_unref(struct snapshot *snapshot)
{
	if (!snapshot || --snapshot->refs > 0)
		return;
	tn_config_free(snapshot->config);
	free(snapshot);
}

static void report_failure(struct tn_bus *bus, const struct tn_error *error)
{
	char text[1024], quoted[1200];
	bus->reload_errors++;
	bus->reload_failing = true;
	tn_error_format(error, text, sizeof text);
	tn_log_error(&bus->log, "reload refused; the old rules go on", "revision=%llu error=%s", (unsigned long long)bus->revision,
		tn_log_quote(text, strlen(text), quoted, sizeof quoted));
}

static void adopt_rules(struct tn_bus *bus, struct tn_ruleset *ruleset)
{
	tn_ruleset_unref(bus->ruleset);
	bus->ruleset = ruleset;
	bus->revision++;
	bus->reloads++;
	bus->reload_failing = false;
	tn_workers_publish(bus, ruleset);
	tn_log_info(&bus->log, "rules reloaded", "revision=%llu rules=%u", (unsigned long long)bus->revision,
		tn_ruleset_rule_count(ruleset));
	tn_turn_want(bus);
}

void tn_reload_rules(struct tn_bus *bus)
{
	struct tn_error error = {0};
	struct tn_ruleset *ruleset;
	if (tn_config_load_rules(bus->snapshot->config, tn_targets_number, bus, bus->revision + 1, &ruleset, &error) != TN_OK)
		report_failure(bus, &error);
	else
		adopt_rules(bus, ruleset);
}

/* Settings that only a restart changes: saying nothing would leave an operator waiting for them. */
static void warn_of_restart(struct tn_bus *bus, const struct tn_config *now)
{
	const struct tn_config *before = bus->started->config;
	bool sources = now->source_count != before->source_count;
	for (size_t i = 0; !sources && i < now->source_count; i++)
		sources = !tn_str_equal(now->sources[i].fingerprint, before->sources[i].fingerprint);
	char file[sizeof now->file * 2];
	tn_log_quote(now->file, strlen(now->file), file, sizeof file);
	if (sources)
		tn_log_warn(&bus->log, "changed sources need a restart; the running ones stay as they were", "file=%s", file);
	if (now->workers != before->workers || now->memory_bytes != before->memory_bytes || now->max_in_flight != before->max_in_flight ||
		now->store_max_bytes != before->store_max_bytes || !tn_str_equal(now->admin_listen, before->admin_listen) ||
		now->park_after_ms != before->park_after_ms || now->settle_deadline_ms != before->settle_deadline_ms ||
		now->log_level != before->log_level || now->log_format != before->log_format)
		tn_log_warn(&bus->log, "changed workers, limits, store, log or admin settings need a restart", "file=%s", file);
}

static enum tn_status check_identity(struct tn_bus *bus, const struct tn_config *now, struct tn_error *error)
{
	const struct tn_config *before = bus->started->config;
	if (tn_str_equal(now->bus, before->bus) && tn_str_equal(now->store_path, before->store_path))
		return TN_OK;
	tn_error_at(error, now->file, 0, 0, "bus and store.path cannot change while running; restart the bus instead");
	return TN_INVALID;
}

static enum tn_status reload_all(struct tn_bus *bus, struct snapshot *snapshot, struct tn_error *error)
{
	struct tn_ruleset *ruleset = NULL;
	enum tn_status status = check_identity(bus, snapshot->config, error);
	if (status == TN_OK)
		status = tn_config_load_rules(snapshot->config, tn_targets_number, bus, bus->revision + 1, &ruleset, error);
	if (status == TN_OK)
		status = tn_targets_adopt(bus, snapshot, error);
	if (status != TN_OK) {
		tn_ruleset_unref(ruleset);
		return status;
	}
	warn_of_restart(bus, snapshot->config);
	tn_snapshot_unref(bus->snapshot);
	bus->snapshot = tn_snapshot_ref(snapshot);
	adopt_rules(bus, ruleset);
	tn_watch_follow(bus->watch);
	return TN_OK;
}

void tn_bus_reload(struct tn_bus *bus)
{
	struct tn_error error = {0};
	struct tn_config *config;
	if (bus->phase >= TN_BUS_DRAINING)
		return;
	if (tn_config_read(bus->options.config_file, &config, &error) != TN_OK) {
		report_failure(bus, &error);
		return;
	}
	struct snapshot *snapshot = calloc(1, sizeof *snapshot);
	if (!snapshot)
		abort();
	*snapshot = (struct snapshot){.config = config, .refs = 1};
	if (reload_all(bus, snapshot, &error) != TN_OK)
		report_failure(bus, &error);
	tn_snapshot_unref(snapshot);
}
