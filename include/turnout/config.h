/* SPDX-License-Identifier: Apache-2.0
 *
 * config.h - turnout.yaml, read and checked: one immutable snapshot in one arena.
 *
 * Everything is validated while reading, with file:line:column, before anything is opened. Settings that later versions bring are known
 * by name and refused. The file's folder is what relative paths are relative to. One thread; the snapshot itself: any thread.
 */
#ifndef TURNOUT_CONFIG_H
#define TURNOUT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include "turnout/arena.h"
#include "turnout/connector.h"
#include "turnout/engine.h"
#include "turnout/error.h"
#include "turnout/option.h"
#include "turnout/ordering.h"
#include "turnout/policy.h"
#include "turnout/ruleset.h"

enum tn_plain { TN_PLAIN_REJECT, TN_PLAIN_WRAP };

/* By what copies of an event are known (delivery-semantics section 11). */
enum tn_dedup_by { TN_DEDUP_OFF, TN_DEDUP_EVENT, TN_DEDUP_HEADER, TN_DEDUP_PATHS };
enum { TN_DEDUP_PATHS_MAX = 8 };
struct tn_dedup_config {
	enum tn_dedup_by by;
	struct tn_texts paths;
	int64_t window_ms;
	bool strict;
	uint32_t on_error;                /* 1: hold */
};

struct tn_source_config {
	struct tn_str name;
	const struct tn_connector *connector;
	const void *options;              /* the connector's own struct */
	uint64_t window;                  /* unsettled positions a stream */
	uint32_t plain;                   /* what is not a CloudEvent: enum tn_plain */
	struct tn_str rate;               /* as written; empty: none */
	uint64_t rate_count, burst;       /* so many events in: */
	int64_t rate_period_ms;
	struct tn_dedup_config dedup;
	struct tn_str fingerprint;        /* its settings as text: same text, same source */
};

struct tn_target_config {
	struct tn_str name;
	const struct tn_connector *connector;
	const void *options;
	struct tn_str fingerprint;
	uint64_t max_in_flight, park_rows;
	uint64_t batch_items, batch_bytes; /* 0 items: it takes no batches */
	int64_t timeout_ms, retry_after_max_ms;
	struct tn_str rate;               /* as written; empty: none */
	uint64_t rate_count, burst;       /* burst 0: as many as the rate */
	int64_t rate_period_ms;
	bool retry_budget;
	uint64_t retry_percent, retry_per_second;
	uint32_t adaptive;                /* concurrency: 0 fixed, 1 adaptive */
	uint64_t park_bytes, park_rows_broker; /* park_bytes 0: a quarter of the store */
	bool breaker;
	uint64_t breaker_failures, breaker_attempts, breaker_percent;
	int64_t breaker_window_ms, breaker_open_ms, breaker_open_max_ms;
	uint32_t on_park_full, on_credential_error, on_missing; /* enum tn_on_park_full, tn_on_config_error */
	struct tn_str dead_letter;        /* name of a dead-letter queue */
	struct tn_policy policy;
	struct tn_ordering ordering;
	bool park_ordered;                /* ordered deliveries may be parked although their stream may move to another process */
};

struct tn_dead_letter_config {
	struct tn_str name;
	struct tn_str target;             /* its sink; bytes NULL: the store, and then: */
	int64_t retention_ms;
	uint64_t max_bytes;               /* of one target's dead letters in it (tn_dead_letter_bytes) */
	uint32_t overflow;                /* enum tn_dead_overflow */
};

struct tn_config {
	struct tn_arena arena;
	char folder[256];                 /* where the file stands: "." or a path */
	char file[256];
	struct tn_str bus, store_path;
	uint64_t store_max_bytes, store_max_keys, workers;
	struct tn_str admin_listen;       /* empty: none */
	struct tn_texts rules;            /* paths and globs, as written */
	bool allow_empty;
	uint32_t log_level, log_format;   /* enum tn_log_level, tn_log_format */
	uint64_t max_in_flight, memory_bytes, max_hops;
	int64_t park_after_ms, settle_deadline_ms, drain_timeout_ms, removal_grace_ms;
	struct tn_texts wait_for;         /* URLs; before sources are opened */
	int64_t wait_limit_ms;
	uint32_t trace_events;            /* enum tn_note_detail */
	int64_t trace_keep_ms;
	uint64_t trace_max_bytes;
	bool trace_payloads;
	struct tn_texts address_allow, address_deny;
	struct tn_str account, region;    /* of the EventBridge view */
	struct tn_source_config *sources;
	size_t source_count;
	struct tn_target_config *targets;
	size_t target_count;
	struct tn_dead_letter_config *dead_letters;
	size_t dead_letter_count;
};

/* Returns owned. TN_NOT_FOUND, TN_IO, TN_TOO_LARGE, TN_INVALID, TN_UNSUPPORTED with the place. */
enum tn_status tn_config_read(const char *path, struct tn_config **out_config, struct tn_error *error) TN_MUST_CHECK;
void tn_config_free(struct tn_config *config);
/* NULL: no such target, or dead-letter queue. */
const struct tn_target_config *tn_config_target(const struct tn_config *config, struct tn_str name);
const struct tn_dead_letter_config *tn_config_dead_letter(const struct tn_config *config, struct tn_str name);
/* The queue in the store for a target's dead letters: its own, or, when that is a sink, 'default'. Never NULL. */
const struct tn_dead_letter_config *tn_config_store_queue(const struct tn_config *config, const struct tn_target_config *target);
/* Compiles the rule files it names. number_of: the number of a target name; NULL: 1, 2, ... in file order. Returns owned. */
enum tn_status tn_config_load_rules(const struct tn_config *config, uint32_t (*number_of)(void *arg, struct tn_str name), void *arg,
	uint64_t revision, struct tn_ruleset **out_ruleset, struct tn_error *error) TN_MUST_CHECK;
/* What the engine is told of what a target may take; the other members of limits are left alone. */
void tn_config_limits(const struct tn_config *config, const struct tn_target_config *target, struct tn_target_limits *limits);
/* What may name a bus, a source, a target, a rule: 1 to 64 letters, digits, '.', '_' or '-'. */
bool tn_config_is_name(struct tn_str name);
/* The settings of turnout.yaml with their help, for `turnout help config`. */
void tn_config_help(struct tn_buf *out);

#endif
