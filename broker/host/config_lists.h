/* SPDX-License-Identifier: Apache-2.0
 *
 * config_lists.h - the sections of turnout.yaml that are lists: sources, targets, dead letters. Private to broker/host.
 */
#ifndef TURNOUT_HOST_CONFIG_LISTS_H
#define TURNOUT_HOST_CONFIG_LISTS_H

#include "turnout/config.h"

/* In this order: targets name dead letters. Each fills its part of config, or fails with the place. */
enum tn_status tn_config_read_dead_letters(const struct tn_doc *doc, struct tn_config *config, struct tn_error *error) TN_MUST_CHECK;
enum tn_status tn_config_read_targets(const struct tn_doc *doc, struct tn_config *config, struct tn_error *error) TN_MUST_CHECK;
enum tn_status tn_config_read_sources(const struct tn_doc *doc, struct tn_config *config, struct tn_error *error) TN_MUST_CHECK;

/* `dedup` of a source: what is written, or the default of its kind. */
enum tn_status tn_config_read_dedup(const struct tn_doc *doc, const struct tn_doc_node *source, const struct tn_connector *connector,
	struct tn_arena *arena, struct tn_dedup_config *out_dedup, struct tn_error *error) TN_MUST_CHECK;

/* A target's own numbers, once its options are read: those that are text, and those that must fit each other. */
enum tn_status tn_config_read_limits(const struct tn_doc *doc, const struct tn_doc_node *item, struct tn_target_config *target,
	struct tn_error *error) TN_MUST_CHECK;

/* Likewise a source's rate. */
enum tn_status tn_config_read_rate(const struct tn_doc *doc, const struct tn_doc_node *item, struct tn_source_config *source,
	struct tn_error *error) TN_MUST_CHECK;

void tn_config_dedup_help(struct tn_buf *out);
void tn_config_source_help(struct tn_buf *out);
void tn_config_target_help(struct tn_buf *out);
void tn_config_dead_letter_help(struct tn_buf *out);

#endif
