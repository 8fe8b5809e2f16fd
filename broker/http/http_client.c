/* SPDX-License-Identifier: Apache-2.0
 *
 * http_client.c - HTTP requests on the loop: starts calls, hands their ends over, keeps handles and connections for the next.
 *
 * Called by connectors and the function runtime. Owns libcurl's multi handle, which owns the connections, and all calls: the running ones,
 * those that ended by themselves or by us and wait to be handed over, and free ones. Loop thread only.
 *
 * libcurl forbids adding and removing handles inside its callbacks, so `done` is called only from settle(), after libcurl returned to us;
 * there it may start the next call.
 */
#include "http_client_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void list_add(struct call_list *list, struct tn_http_call *call)
{
	call->previous = list->last;
	call->next = NULL;
	*(list->last ? &list->last->next : &list->first) = call;
	list->last = call;
}

static void list_remove(struct call_list *list, struct tn_http_call *call)
{
	*(call->previous ? &call->previous->next : &list->first) = call->next;
	*(call->next ? &call->next->previous : &list->last) = call->previous;
}

/* --- Calls come and go --- */

static struct tn_http_call *take_call(struct tn_http_client *client)
{
	struct tn_http_call *call = client->free;
	if (!call)
		return tn_http_call_new(client);
	client->free = call->next;
	client->free_count--;
	return call;
}

static void give_call(struct tn_http_client *client, struct tn_http_call *call)
{
	if (client->free_count >= client->options.idle_connections) {
		tn_http_call_free(call);
		return;
	}
	tn_http_call_reset(call);
	call->state = CALL_FREE;
	call->next = client->free;
	client->free = call;
	client->free_count++;
}

static void hand_over(struct tn_http_client *client, struct tn_http_call *call, enum tn_http_failure failure)
{
	struct tn_http_answer answer;
	tn_http_call_answer(call, failure, &answer);
	call->state = CALL_FREE;
	call->options.done(call->options.arg, &answer);
	give_call(client, call);
}

/* Takes a running call from libcurl and from its connection. */
static void leave(struct tn_http_call *call)
{
	curl_multi_remove_handle(call->client->multi, call->easy); /* does nothing unless it was added */
	if (!call->tls)
		tn_http_plain_leave(call);
}

void tn_http_client_end_later(struct tn_http_call *call, enum tn_http_failure failure)
{
	struct tn_http_client *client = call->client;
	if (call->state == CALL_RUNNING) {
		leave(call);
		list_remove(&client->running, call);
	}
	call->failure = failure;
	call->state = CALL_ENDED;
	list_add(&client->ended, call);
	event_active(&client->kick, 0, 0);
}

void tn_http_client_end(struct tn_http_call *call, enum tn_http_failure failure)
{
	leave(call);
	list_remove(&call->client->running, call);
	hand_over(call->client, call, failure);
}

static void settle_one(struct tn_http_call *call, CURLcode result)
{
	if (!call->tls && result == CURLE_OK)
		tn_http_plain_connected(call);
	else
		tn_http_client_end(call, tn_http_call_failure(call, result));
}

void tn_http_client_settle(struct tn_http_client *client)
{
	int left;
	CURLMsg *message;
	while ((message = curl_multi_info_read(client->multi, &left))) {
		struct tn_http_call *call;
		CURLcode result = message->data.result; /* message is gone once its handle is removed */
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
		settle_one(call, result);
	}
	while (client->ended.first) {
		struct tn_http_call *call = client->ended.first;
		list_remove(&client->ended, call);
		hand_over(client, call, call->failure);
	}
}

static void start_secure(struct tn_http_call *call)
{
	CURLMcode code = curl_multi_add_handle(call->client->multi, call->easy);
	if (code == CURLM_OK)
		return;
	snprintf(call->message, sizeof call->message, "%s", curl_multi_strerror(code));
	tn_http_client_end_later(call, TN_HTTP_LOCAL);
}

struct tn_http_call *tn_http_client_start(struct tn_http_client *client, const struct tn_http_call_options *options)
{
	struct tn_http_call *call = take_call(client);
	if (!tn_http_call_prepare(call, options)) {
		tn_http_client_end_later(call, TN_HTTP_BAD_URL);
		return call;
	}
	call->state = CALL_RUNNING;
	list_add(&client->running, call);
	if (call->tls)
		start_secure(call);
	else
		tn_http_plain_start(call);
	return call;
}

void tn_http_call_cancel(struct tn_http_call *call)
{
	if (call->state != CALL_RUNNING)
		return;
	strcpy(call->message, "cancelled");
	tn_http_client_end_later(call, TN_HTTP_CANCELLED);
}

/* --- The client comes and goes --- */

static enum tn_status keep_file(const char *path, const char *what, char **out_copy, struct tn_error *error)
{
	if (!path)
		return TN_OK;
	if (access(path, R_OK) != 0) {
		tn_error_set(error, "%s '%s' cannot be read: %m", what, path);
		return TN_INVALID;
	}
	*out_copy = tn_str_dup(tn_str_from(path));
	return TN_OK;
}

static enum tn_status keep_options(struct tn_http_client *client, const struct tn_http_client_options *options, struct tn_error *error)
{
	client->options = *options;
	if (client->options.connect_ms <= 0)
		client->options.connect_ms = 5000;
	if (client->options.idle_connections == 0)
		client->options.idle_connections = 256;
	if (client->options.idle_ms <= 0)
		client->options.idle_ms = 45000;
	enum tn_status status = keep_file(options->ca_file, "certificate authorities", &client->ca_file, error);
	if (status == TN_OK)
		status = keep_file(options->certificate_file, "certificate", &client->certificate_file, error);
	if (status == TN_OK)
		status = keep_file(options->key_file, "key", &client->key_file, error);
	client->options.ca_file = client->ca_file;
	client->options.certificate_file = client->certificate_file;
	client->options.key_file = client->key_file;
	return status;
}

static void free_options(struct tn_http_client *client)
{
	free(client->ca_file);
	free(client->certificate_file);
	free(client->key_file);
}

enum tn_status tn_http_client_new(struct event_base *base, const struct tn_http_client_options *options, struct tn_http_client **out_client,
	struct tn_error *error)
{
	struct tn_http_client *client = calloc(1, sizeof *client);
	if (!client)
		abort();
	client->base = base;
	enum tn_status status = keep_options(client, options, error);
	if (status != TN_OK) {
		free_options(client);
		free(client);
		return status;
	}
	client->multi = curl_multi_init();
	if (!client->multi)
		abort();
	tn_http_socket_init(client);
	tn_http_plain_init(client);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, tn_http_socket_watch);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, tn_http_socket_timer);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)client->options.idle_connections);
	*out_client = client;
	return TN_OK;
}

static void free_list(struct tn_http_call *first)
{
	while (first) {
		struct tn_http_call *next = first->next;
		tn_http_call_free(first);
		first = next;
	}
}

void tn_http_client_free(struct tn_http_client *client)
{
	if (!client)
		return;
	for (struct tn_http_call *call = client->running.first; call; call = call->next)
		leave(call);
	free_list(client->running.first);
	free_list(client->ended.first);
	free_list(client->free);
	tn_http_plain_fini(client);
	curl_multi_cleanup(client->multi);
	tn_http_socket_free_all(client);
	event_del(&client->timer);
	event_del(&client->kick);
	free_options(client);
	free(client);
}
