/* SPDX-License-Identifier: Apache-2.0
 *
 * dlq_request.c - which dead letters the options mean, asked of the bus or of the store.
 */
#include "dlq.h"

#include <stdio.h>
#include <stdlib.h>

#include "admin_client.h"
#include "command.h"
#include "target_text.h"
#include "turnout/clock.h"
#include "turnout/option.h"

enum { CALL_TIMEOUT_S = 60 };

static void set_text(json_t *object, const char *name, const char *value)
{
	if (value)
		json_object_set_new(object, name, json_string(value));
}

/* RFC 3339 as it stands; "2h" is two hours ago. */
static bool set_time(json_t *object, const char *name, const char *value)
{
	int64_t wall_ms, ago_ms;
	char text[TN_TIME_TEXT_SIZE];
	if (!value)
		return true;
	if (tn_clock_parse(tn_str_from(value), &wall_ms)) {
		set_text(object, name, value);
	} else if (tn_duration_parse(tn_str_from(value), &ago_ms)) {
		set_text(object, name, tn_clock_format(tn_clock_wall_ms(&tn_clock_system) - ago_ms, text));
	} else {
		fprintf(stderr, "turnout dlq: --%s takes a time, as 2026-11-23T11:32:16Z, or how long ago, as 90s, 2h, 3d\n", name);
		return false;
	}
	return true;
}

static bool set_rate(json_t *object, const char *rate)
{
	uint64_t number;
	if (!rate)
		return true;
	if (strcmp(rate, "max") == 0) {
		set_text(object, "rate", rate);
	} else if (tn_str_to_u64(tn_str_from(rate), TN_LETTER_RATE_MAX, &number) && number > 0) {
		json_object_set_new(object, "rate", json_integer((json_int_t)number));
	} else {
		dlq_complain("--rate takes 1 to 500 a second, or max");
		return false;
	}
	return true;
}

json_t *dlq_request(const struct dlq *dlq, int count, char **ids)
{
	json_t *request = json_object();
	set_text(request, "rule", dlq->rule);
	set_text(request, "target", dlq->target);
	set_text(request, "error", dlq->code);
	set_text(request, "class", dlq->error_class);
	set_text(request, "queue", dlq->queue);
	set_text(request, "pattern", dlq->pattern);
	set_text(request, "to", dlq->to);
	if (dlq->force)
		json_object_set_new(request, "force", json_true());
	if (!set_time(request, "since", dlq->since) || !set_time(request, "until", dlq->until) || !set_rate(request, dlq->rate)) {
		json_decref(request);
		return NULL;
	}
	if (count == 0) {
		json_object_set_new(request, "all", json_true());
		return request;
	}
	json_t *list = json_array();
	for (int i = 0; i < count; i++)
		json_array_append_new(list, json_string(ids[i]));
	json_object_set_new(request, "ids", list);
	return request;
}

void dlq_warn_of_names(const struct dlq *dlq)
{
	bool queue = !dlq->queue;
	char meant[160];
	for (size_t i = 0; i < dlq->config->dead_letter_count && !queue; i++)
		queue = tn_str_is(dlq->config->dead_letters[i].name, dlq->queue);
	if (dlq->target && !tn_config_target(dlq->config, tn_str_from(dlq->target)))
		fprintf(stderr, "turnout dlq: the configuration has no target '%s'%s; `turnout dlq count` shows those of all dead letters\n",
			dlq->target, tn_target_text_suggest(dlq->config, dlq->target, meant));
	if (!queue)
		fprintf(stderr, "turnout dlq: the configuration has no queue '%s'\n", dlq->queue);
}

/* --- Running --- */

int dlq_call(struct dlq *dlq, const char *path, const json_t *request, struct tn_buf *answer)
{
	struct tn_error error = {0};
	long code = 0;
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	if (request && !text)
		abort();
	enum tn_status status = tn_admin_client_call(dlq->socket, path, text, CALL_TIMEOUT_S, answer, &code, &error);
	free(text);
	if (status != TN_OK)
		return dlq_complain_error(&error);
	return code == 200 ? TN_EXIT_GOOD : dlq_complain_answer(code, answer);
}

int dlq_call_json(struct dlq *dlq, const char *path, const json_t *request, json_t **out_answer)
{
	struct tn_buf answer = {0};
	int status = dlq_call(dlq, path, request, &answer);
	if (status == TN_EXIT_GOOD && !(*out_answer = json_loadb(answer.bytes ? answer.bytes : "", answer.len, JSON_ALLOW_NUL, NULL)))
		status = dlq_complain("the bus answered something else than JSON");
	tn_buf_fini(&answer);
	return status;
}

/* --- Stopped --- */

struct tn_letter_query *dlq_query(const json_t *request)
{
	struct tn_letter_query *query = NULL;
	struct tn_error error = {0};
	char *text = json_dumps(request, JSON_COMPACT);
	if (!text)
		abort();
	if (tn_letter_query_new(tn_str_from(text), 0, &query, &error) != TN_OK)
		dlq_complain_error(&error);
	free(text);
	return query;
}

struct tn_store *dlq_open_store(struct dlq *dlq)
{
	struct tn_error error = {0};
	struct tn_store *store;
	if (tn_admin_client_reach(dlq->config, dlq->socket, sizeof dlq->socket, &store, &error) != TN_OK)
		dlq_complain_error(&error);
	else
		dlq->running = dlq->began = !store;
	return store;
}

static void describe_target(void *arg, struct tn_str name, struct tn_dlq_target *out_target)
{
	struct dlq *dlq = arg;
	const struct tn_target_config *target = tn_config_target(dlq->config, name);
	*out_target = (struct tn_dlq_target){0};
	if (!target)
		return;
	out_target->kind = tn_str_from(target->connector->name);
	if (!target->connector->describe_target)
		return;
	target->connector->describe_target(target->options, dlq->dest, sizeof dlq->dest);
	out_target->dest = tn_str_from(dlq->dest);
}

struct tn_dlq_view dlq_view(struct dlq *dlq)
{
	return (struct tn_dlq_view){.bus = dlq->config->bus, .describe_target = describe_target, .arg = dlq};
}
