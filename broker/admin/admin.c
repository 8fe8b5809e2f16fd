/* SPDX-License-Identifier: Apache-2.0
 *
 * admin.c - two listeners and their paths: health and metrics for everybody, status and dead letters for who may open the Unix socket.
 *
 * Made by `turnout run` once the bus has its store, so that health is served while it recovers. Bus thread.
 */
#include "turnout/admin.h"
#include "admin_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOCAL_BODY_BYTES = 8 * 1024 * 1024 }; /* imports: a line of export may have 4 MiB */

struct tn_admin {
	struct tn_bus *bus;
	struct tn_http_server *tcp, *local;
	struct dead_letters *dead_letters;
	struct audits *audits;
	struct lanes *lanes;
};

static void reply_text(struct tn_http_request *request, int status, const char *type, struct tn_str body)
{
	struct tn_header header = {TN_STR("Content-Type"), tn_str_from(type), TN_STRING};
	tn_http_reply(request, status, &header, 1, body);
}

static void reply_ready(struct tn_admin *admin, struct tn_http_request *request)
{
	static const char *const words[] = {"starting\n", "ready\n", "draining\n", "stopped\n"};
	enum tn_bus_phase phase = tn_bus_phase(admin->bus);
	reply_text(request, phase == TN_BUS_READY ? 200 : 503, "text/plain; charset=utf-8", tn_str_from(words[phase]));
}

static void reply_written(struct tn_admin *admin, struct tn_http_request *request, const char *type,
	void (*write)(struct tn_bus *bus, struct tn_buf *out))
{
	struct tn_buf body = {0};
	write(admin->bus, &body);
	reply_text(request, 200, type, tn_buf_str(&body));
	tn_buf_fini(&body);
}

/* True when the path was one of those served on both listeners. */
static bool serve_common(struct tn_admin *admin, struct tn_http_request *request)
{
	struct tn_str path = tn_http_request_path(request);
	if (tn_str_is(path, "/healthz"))
		reply_text(request, 200, "text/plain; charset=utf-8", TN_STR("ok\n"));
	else if (tn_str_is(path, "/readyz"))
		reply_ready(admin, request);
	else if (tn_str_is(path, "/metrics"))
		reply_written(admin, request, "text/plain; version=0.0.4; charset=utf-8", tn_metrics_write);
	else
		return false;
	return true;
}

static bool is_get(struct tn_http_request *request)
{
	struct tn_str method = tn_http_request_method(request);
	return tn_str_is(method, "GET") || tn_str_is(method, "HEAD");
}

static void on_tcp_request(void *arg, struct tn_http_request *request)
{
	if (!is_get(request))
		tn_http_reply_problem(request, 405, 0, "only GET is served here", (struct tn_str){0});
	else if (!serve_common(arg, request))
		tn_http_reply_problem(request, 404, 0, "here are /healthz, /readyz and /metrics; the rest is on the admin socket beside the store",
			(struct tn_str){0});
}

static void on_local_request(void *arg, struct tn_http_request *request)
{
	struct tn_admin *admin = arg;
	struct tn_str path = tn_http_request_path(request);
	if (tn_str_is(path, "/dlq") || tn_str_starts(path, TN_STR("/dlq/")))
		tn_dead_letters_request(admin->dead_letters, request);
	else if (tn_str_is(path, "/breaker"))
		tn_breakers_request(admin->bus, request);
	else if (tn_str_is(path, "/quarantine") || tn_str_starts(path, TN_STR("/quarantine/")))
		tn_admin_quarantine(admin->bus, request);
	else if (tn_str_is(path, "/lanes") || tn_str_is(path, "/lanes/release"))
		tn_lanes_request(admin->lanes, request);
	else if (tn_str_starts(path, TN_STR("/clock")))
		tn_admin_clock(admin->bus, request);
	else if (tn_str_is(path, "/trace"))
		tn_traces_request(admin->bus, request);
	else if (!is_get(request))
		tn_http_reply_problem(request, 405, 0, "only GET is served here", (struct tn_str){0});
	else if (tn_str_is(path, "/audit"))
		tn_audits_request(admin->audits, request);
	else if (tn_str_is(path, "/status"))
		reply_written(admin, request, "application/json", tn_status_write);
	else if (!serve_common(admin, request))
		tn_http_reply_problem(request, 404, 0, "no such path; see include/turnout/admin.h", (struct tn_str){0});
}

static void on_local_gone(void *arg, struct tn_http_request *request)
{
	struct tn_admin *admin = arg;
	tn_dead_letters_gone(admin->dead_letters, request);
	tn_audits_gone(admin->audits, request);
	tn_lanes_gone(admin->lanes, request);
}

static enum tn_status listen_local(struct tn_admin *admin, struct tn_error *error)
{
	char address[300];
	const char *path = tn_bus_admin_socket(admin->bus);
	unlink(path); /* left behind by a process that was killed: the store's lock says nobody else uses it */
	snprintf(address, sizeof address, "unix:%s", path);
	struct tn_http_server_options options = {
		.listen = address,
		.unix_mode = 0600,
		.limits = {.connections = 64, .body_bytes = LOCAL_BODY_BYTES},
		.ops = {.on_request = on_local_request, .on_gone = on_local_gone},
		.arg = admin,
	};
	enum tn_status status = tn_http_server_new(tn_bus_base(admin->bus), &options, &admin->local, error);
	if (status == TN_INVALID)
		tn_error_set(error, "store.path is too long: the admin socket in it, %s, may have 107 bytes", path);
	return status;
}

static enum tn_status listen_tcp(struct tn_admin *admin, struct tn_error *error)
{
	struct tn_str address = tn_bus_config(admin->bus)->admin_listen;
	if (address.len == 0)
		return TN_OK;
	struct tn_http_server_options options = {
		.listen = address.bytes,
		.limits = {.connections = 64, .body_bytes = 1024},
		.ops = {.on_request = on_tcp_request},
		.arg = admin,
	};
	return tn_http_server_new(tn_bus_base(admin->bus), &options, &admin->tcp, error);
}

enum tn_status tn_admin_new(struct tn_bus *bus, struct tn_admin **out_admin, struct tn_error *error)
{
	struct tn_admin *admin = calloc(1, sizeof *admin);
	if (!admin)
		abort();
	admin->bus = bus;
	admin->dead_letters = tn_dead_letters_new(bus);
	admin->lanes = tn_lanes_new(bus);
	admin->audits = tn_audits_new(bus, error);
	enum tn_status status = admin->audits ? listen_local(admin, error) : TN_IO;
	if (status == TN_OK)
		status = listen_tcp(admin, error);
	if (status != TN_OK) {
		tn_admin_free(admin);
		return status;
	}
	*out_admin = admin;
	return TN_OK;
}

void tn_admin_free(struct tn_admin *admin)
{
	if (!admin)
		return;
	tn_http_server_free(admin->tcp);
	if (admin->local)
		unlink(tn_bus_admin_socket(admin->bus));
	tn_http_server_free(admin->local);
	tn_dead_letters_free(admin->dead_letters);
	tn_audits_free(admin->audits);
	tn_lanes_free(admin->lanes);
	free(admin);
}
