/* SPDX-License-Identifier: Apache-2.0
 *
 * targets.c - targets of today and of yesterday: a group is what one configuration of a target opened, one instance a worker.
 *
 * A reload opens a new group only where the target's settings changed; new attempts go there, and the old group stops after its last
 * result. Opening and stopping happen on each instance's own loop. Bus thread.
 */
#include "bus_parts.h"

#include "turnout/address.h"

#include <event2/event.h>
#include <stdlib.h>

struct stop_letter {
	struct tn_mail mail;
	struct target_instance *instance;
};

struct open_call {
	struct target_instance *instance;
	enum tn_status status;
	struct tn_error *error;
};

struct target_group *tn_targets_find(struct tn_bus *bus, uint32_t target_no)
{
	return target_no < bus->current_count ? bus->current[target_no] : NULL;
}

uint32_t tn_targets_number(void *arg, struct tn_str name)
{
	struct tn_bus *bus = arg;
	struct tn_error error = {0};
	uint32_t number = 0;
	char quoted[1200];
	if (tn_store_number(bus->store, name, &number, &error) != TN_OK)
		tn_log_error(&bus->log, "store could not number a target", "target=%.*s error=%s", TN_STR_ARG(name),
			tn_log_quote(error.message, strlen(error.message), quoted, sizeof quoted));
	return number;
}

/* --- Stopping --- */

static void unlink_group(struct tn_bus *bus, struct target_group *group)
{
	struct target_group **at = &bus->groups;
	while (*at && *at != group)
		at = &(*at)->next;
	if (*at)
		*at = group->next;
}

static void free_group(struct target_group *group)
{
	tn_address_policy_free(group->addresses);
	tn_snapshot_unref(group->snapshot);
	free(group->instances);
	free(group);
}

static bool group_stopped(const struct target_group *group)
{
	for (uint32_t i = 0; i < group->instance_count; i++)
		if (!group->instances[i].stopped)
			return false;
	return true;
}

bool tn_targets_stopped(const struct tn_bus *bus)
{
	for (const struct target_group *group = bus->groups; group; group = group->next)
		if (!group_stopped(group))
			return false;
	return true;
}

static void take_stopped(struct tn_mail *mail, void *arg)
{
	struct target_instance *instance = ((struct stop_letter *)mail)->instance;
	struct target_group *group = instance->group;
	struct tn_bus *bus = group->bus;
	instance->stopped = true;
	free(mail);
	if (!arg)
		return; /* the loop is gone: tn_targets_free does the rest */
	if (group->retired && group_stopped(group)) {
		unlink_group(bus, group);
		free_group(group);
	}
	if (bus->phase == TN_BUS_STOPPED && tn_targets_stopped(bus))
		event_base_loopbreak(bus->workers[0].base);
}

static void on_stopped(void *arg)
{
	struct target_instance *instance = arg;
	struct stop_letter *letter = calloc(1, sizeof *letter);
	if (!letter)
		abort();
	*letter = (struct stop_letter){.mail.open = take_stopped, .instance = instance};
	tn_mailbox_post(instance->group->bus->workers[0].mailbox, &letter->mail);
}

static void stop_instance(void *arg)
{
	struct target_instance *instance = arg;
	instance->group->config->connector->target->stop(instance->handle);
}

static void stop_group(struct target_group *group)
{
	if (group->stopping)
		return;
	group->stopping = true;
	for (uint32_t i = 0; i < group->instance_count; i++)
		if (!group->instances[i].stopped)
			tn_worker_call(group->instances[i].worker, stop_instance, &group->instances[i]);
}

static void retire(struct target_group *group)
{
	group->retired = true;
	if (group->in_flight == 0)
		stop_group(group);
}

void tn_targets_release(struct target_group *group)
{
	if (group->retired && group->in_flight == 0)
		stop_group(group);
}

void tn_targets_stop(struct tn_bus *bus)
{
	bus->phase = TN_BUS_STOPPED;
	if (tn_targets_stopped(bus)) {
		event_base_loopbreak(bus->workers[0].base);
		return;
	}
	for (struct target_group *group = bus->groups; group; group = group->next)
		stop_group(group);
}

void tn_targets_free(struct tn_bus *bus)
{
	while (bus->groups) {
		struct target_group *group = bus->groups;
		bus->groups = group->next;
		free_group(group);
	}
	free(bus->current);
}

/* --- Opening --- */

static void open_instance(void *arg)
{
	struct open_call *call = arg;
	struct target_instance *instance = call->instance;
	const struct tn_target_config *config = instance->group->config;
	call->status = config->connector->target->open(&instance->host, config->options, &instance->handle, call->error);
	instance->stopped = call->status != TN_OK;
}

static struct target_group *new_group(struct tn_bus *bus, struct snapshot *snapshot, const struct tn_target_config *config, uint32_t target_no)
{
	struct target_group *group = calloc(1, sizeof *group);
	if (!group)
		abort();
	*group = (struct target_group){.bus = bus, .snapshot = tn_snapshot_ref(snapshot), .config = config, .target_no = target_no};
	group->instance_count = config->connector->placement == TN_EACH_WORKER ? bus->worker_count : 1;
	group->instances = calloc(group->instance_count, sizeof *group->instances);
	if (!group->instances)
		abort();
	for (uint32_t i = 0; i < group->instance_count; i++) {
		struct target_instance *instance = &group->instances[i];
		instance->group = group;
		instance->worker = &bus->workers[i];
		instance->stopped = true;
	}
	return group;
}

static enum tn_status open_group(struct target_group *group, struct tn_error *error)
{
	const struct tn_config *all = group->snapshot->config;
	enum tn_status status = tn_address_policy_new(all->address_allow.items, all->address_allow.count, all->address_deny.items,
		all->address_deny.count, &group->addresses, error);
	for (uint32_t i = 0; i < group->instance_count && status == TN_OK; i++) {
		struct target_instance *instance = &group->instances[i];
		instance->host = (struct tn_host){
			.base = instance->worker->base,
			.clock = &group->bus->clock,
			.name = group->config->name.bytes,
			.worker = i,
			.worker_count = group->instance_count,
			.addresses = group->addresses,
			.arg = instance,
			.result = tn_attempts_result,
			.ready = tn_attempts_ready,
			.stopped = on_stopped,
		};
		struct open_call call = {.instance = instance, .error = error};
		tn_worker_call(instance->worker, open_instance, &call);
		status = call.status;
	}
	if (status != TN_OK) {
		struct tn_error why = *error;
		tn_error_at(error, all->file, 0, 0, "target '%.*s': %s", TN_STR_ARG(group->config->name), why.message);
	}
	return status;
}

/* Groups that never had an attempt: stopped now, freed when they say so. */
static void discard(struct tn_bus *bus, struct target_group *opened)
{
	while (opened) {
		struct target_group *next = opened->next;
		opened->retired = true;
		if (group_stopped(opened)) {
			free_group(opened);
		} else {
			opened->next = bus->groups;
			bus->groups = opened;
			stop_group(opened);
		}
		opened = next;
	}
}

static bool same_texts(const struct tn_texts *a, const struct tn_texts *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++)
		if (!tn_str_equal(a->items[i], b->items[i]))
			return false;
	return a->count == b->count;
}

/* Whether the group that is open sends just as this configuration of its target would. */
static bool is_unchanged(const struct target_group *group, const struct tn_config *all, const struct tn_target_config *config)
{
	const struct tn_config *before = group->snapshot->config;
	return tn_str_equal(group->config->fingerprint, config->fingerprint) && same_texts(&before->address_allow, &all->address_allow) &&
		same_texts(&before->address_deny, &all->address_deny);
}

/* A group for each target that is new or whose settings changed. */
static enum tn_status open_changed(struct tn_bus *bus, struct snapshot *snapshot, struct target_group **out_opened, struct tn_error *error)
{
	struct target_group *opened = NULL;
	for (size_t i = 0; i < snapshot->config->target_count; i++) {
		const struct tn_target_config *config = &snapshot->config->targets[i];
		uint32_t target_no = tn_targets_number(bus, config->name);
		struct target_group *before = tn_targets_find(bus, target_no);
		if (target_no && before && is_unchanged(before, snapshot->config, config))
			continue;
		struct target_group *group = new_group(bus, snapshot, config, target_no);
		group->next = opened;
		opened = group;
		enum tn_status status = target_no ? open_group(group, error) : TN_IO;
		if (status != TN_OK) {
			if (!target_no)
				tn_error_set(error, "the store could not take the name of target '%.*s'", TN_STR_ARG(config->name));
			discard(bus, opened);
			return status;
		}
	}
	*out_opened = opened;
	return TN_OK;
}

/* --- The engine's table --- */

struct table {
	struct tn_bus *bus;
	const struct tn_config *config;
	struct tn_arena arena;
	struct tn_target_limits *limits;
	uint32_t count, capacity;
};

/* By number; NULL: not in the table. */
static struct tn_target_limits *find_limits(struct table *table, uint32_t target_no)
{
	for (uint32_t i = 0; i < table->count; i++)
		if (table->limits[i].target_no == target_no)
			return &table->limits[i];
	return NULL;
}

static void add_limits(struct table *table, const struct tn_target_limits *limits)
{
	if (table->count == table->capacity) {
		table->capacity = table->capacity ? table->capacity * 2 : 16;
		table->limits = realloc(table->limits, table->capacity * sizeof *table->limits);
		if (!table->limits)
			abort();
	}
	table->limits[table->count++] = *limits;
}

/* The store's names: of today's targets, how many rows are parked; of others, that their rows still must find an end. */
static void add_known(void *arg, const struct tn_store_target *known)
{
	struct table *table = arg;
	struct tn_target_limits *limits = find_limits(table, known->number);
	if (!limits) {
		add_limits(table, &(struct tn_target_limits){.name = tn_arena_copy(&table->arena, known->name), .target_no = known->number,
			.removed = true, .max_in_flight = 1, .timeout_ms = 1000, .park_rows = UINT32_MAX});
		limits = &table->limits[table->count - 1];
	}
	limits->found_parked = known->parked_rows;
	limits->found_parked_bytes = known->parked_bytes;
	limits->found_dead_rows = known->dead_rows;
	limits->found_dead_bytes = known->dead_bytes;
}

static uint32_t sink_number(struct table *table, struct tn_str dead_letter)
{
	const struct tn_dead_letter_config *queue = tn_config_dead_letter(table->config, dead_letter);
	return queue && queue->target.bytes ? tn_targets_number(table->bus, queue->target) : 0;
}

/* Another text, another number: how the target is reached may have changed. */
static uint64_t settings_of(const struct tn_target_config *target)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < target->fingerprint.len; i++)
		hash = (hash ^ (uint8_t)target->fingerprint.bytes[i]) * 0x100000001b3u;
	return hash;
}

static void add_configured(struct table *table, const struct tn_target_config *target)
{
	const struct tn_dead_letter_config *queue = tn_config_store_queue(table->config, target);
	struct tn_target_limits limits = {
		.name = target->name,
		.target_no = tn_targets_number(table->bus, target->name),
		.timeout_ms = target->timeout_ms, .batch_items = (uint32_t)target->batch_items,
		.batch_bytes = (size_t)target->batch_bytes,
		.on_park_full = (enum tn_on_park_full)target->on_park_full,
		.on_credential_error = (enum tn_on_config_error)target->on_credential_error,
		.on_missing = (enum tn_on_config_error)target->on_missing,
		.retry_after_max_ms = target->retry_after_max_ms,
		.settings = settings_of(target),
		.dead_letter_no = sink_number(table, target->dead_letter),
		.ordered = target->ordering.by_key,
		.park_ordered = target->park_ordered,
		.queue = tn_str_is(queue->name, "default") ? (struct tn_str){0} : queue->name,
		.dead_max_bytes = queue->max_bytes,
		.dead_overflow = (enum tn_dead_overflow)queue->overflow,
	};
	tn_config_limits(table->config, target, &limits);
	add_limits(table, &limits);
}

/* Has a target ever ordered with this store? Then a dead letter may block a key, whoever orders today. */
static bool may_hold_blocks(struct tn_bus *bus, const struct table *table)
{
	static const struct tn_str name = {"ordering", 8};
	struct tn_buf kept = {0};
	struct tn_error error = {0};
	bool before = tn_store_kept(bus->store, name, &kept, &error) == TN_OK, now = false;
	tn_buf_fini(&kept);
	for (uint32_t i = 0; i < table->count; i++)
		now = now || table->limits[i].ordered;
	if (now && !before && tn_store_keep(bus->store, name, TN_STR("1"), &error) != TN_OK)
		tn_log_warn(&bus->log, "the store cannot note that a target orders by key", "error=%s", error.message);
	return before;
}

static void say_ordering(struct tn_bus *bus, uint32_t index, const struct tn_target_view *before)
{
	struct tn_target_view now;
	if (!tn_engine_target_view(bus->engine, index, &now) || before->removed || now.removed || before->ordered == now.ordered)
		return;
	if (now.ordered)
		tn_log_info(&bus->log, "target orders by key from now on", "target=%.*s", TN_STR_ARG(now.name));
	else
		tn_log_warn(&bus->log, "target orders no more: what waited for its key goes on, and blocked keys are released",
			"target=%.*s keys_waiting=%u keys_blocked=%u", TN_STR_ARG(now.name), before->lanes_waiting, before->lanes_blocked);
}

static enum tn_status give_table(struct tn_bus *bus, const struct tn_target_table *table)
{
	uint32_t count = tn_engine_target_count(bus->engine);
	struct tn_target_view *before = calloc(count + 1, sizeof *before);
	if (!before)
		abort();
	for (uint32_t i = 0; i < count; i++)
		tn_engine_target_view(bus->engine, i, &before[i]);
	enum tn_status status = tn_engine_reload(bus->engine, table);
	for (uint32_t i = 0; status == TN_OK && i < count; i++)
		say_ordering(bus, i, &before[i]);
	free(before);
	return status;
}

static enum tn_status reload_engine(struct tn_bus *bus, const struct tn_config *config, struct tn_error *error)
{
	struct table table = {.bus = bus, .config = config};
	for (size_t i = 0; i < config->target_count; i++)
		add_configured(&table, &config->targets[i]);
	enum tn_status status = tn_store_each_number(bus->store, add_known, &table);
	if (status == TN_OK) {
		bool found_blocks = may_hold_blocks(bus, &table);
		status = give_table(bus, &(struct tn_target_table){.targets = table.limits, .count = table.count,
			.removal_grace_ms = config->removal_grace_ms, .found_blocks = found_blocks});
	}
	if (status != TN_OK)
		tn_error_set(error, "the delivery engine could not take the new targets (%s)",
			status == TN_NO_MEMORY ? "no memory" : "the store could not be read");
	free(table.limits);
	tn_arena_fini(&table.arena);
	return status;
}

/* --- Adopting --- */

static void make_current(struct tn_bus *bus, struct target_group *group)
{
	if (group->target_no >= bus->current_count) {
		uint32_t count = group->target_no + 16;
		bus->current = realloc(bus->current, count * sizeof *bus->current);
		if (!bus->current)
			abort();
		memset(bus->current + bus->current_count, 0, (count - bus->current_count) * sizeof *bus->current);
		bus->current_count = count;
	}
	struct target_group *before = bus->current[group->target_no];
	bus->current[group->target_no] = group;
	if (before)
		retire(before);
}

static void retire_removed(struct tn_bus *bus, const struct tn_config *config)
{
	for (uint32_t i = 0; i < bus->current_count; i++)
		if (bus->current[i] && !tn_config_target(config, bus->current[i]->config->name)) {
			struct target_group *gone = bus->current[i];
			bus->current[i] = NULL;
			retire(gone);
		}
}

enum tn_status tn_targets_adopt(struct tn_bus *bus, struct snapshot *snapshot, struct tn_error *error)
{
	struct target_group *opened = NULL;
	enum tn_status status = open_changed(bus, snapshot, &opened, error);
	if (status != TN_OK)
		return status;
	status = reload_engine(bus, snapshot->config, error);
	if (status != TN_OK) {
		discard(bus, opened);
		return status;
	}
	while (opened) {
		struct target_group *group = opened;
		opened = opened->next;
		group->next = bus->groups;
		bus->groups = group;
		make_current(bus, group);
	}
	retire_removed(bus, snapshot->config);
	return TN_OK;
}
