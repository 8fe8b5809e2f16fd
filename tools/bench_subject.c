/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_subject.c - writes the configuration of what is measured, starts it, waits until it is ready.
 *
 * Called by bench_http.c. The bus runs as an operator would run it, with the defaults but for its addresses; HAProxy as
 * a reverse proxy with one thread that keeps and shares its connections. Both forward the same requests to the same
 * sink.
 */
#include "bench_subject.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define READY_LIMIT_MS 10000
#define PATH_SIZE 512

const char *tn_bench_kind_name(enum tn_bench_kind kind)
{
	static const char *const names[] = {"direct", "haproxy", "sync", "durable"};

	return names[kind];
}

static FILE *create(const char *dir, const char *name, char path[PATH_SIZE], struct tn_error *error)
{
	FILE *file;

	snprintf(path, PATH_SIZE, "%s/%s", dir, name);
	file = fopen(path, "we");
	if (!file)
		tn_error_set(error, "cannot write %s: %s", path, strerror(errno));
	return file;
}

static enum tn_status finish(FILE *file, const char *path, struct tn_error *error)
{
	if (fclose(file) == 0)
		return TN_OK;
	tn_error_set(error, "cannot write %s: %s", path, strerror(errno));
	return TN_IO;
}

/* The first rule matches the bench's events; the others differ from it in one value. */
static enum tn_status write_rules(const char *dir, uint32_t rules, struct tn_error *error)
{
	char path[PATH_SIZE];
	FILE *file = create(dir, "rules.yaml", path, error);

	if (!file)
		return TN_IO;
	fputs("rules:\n", file);
	for (uint32_t i = 0; i < rules; i++)
		fprintf(file,
		        "  - name: region-%" PRIu32 "\n"
		        "    pattern: {type: [order.created], data: {region: [\"r%" PRIu32
		        "\"], total: [{numeric: [\">\", 100]}]}}\n"
		        "    targets: [sink]\n",
		        i, i);
	return finish(file, path, error);
}

static enum tn_status write_bus_config(const struct tn_bench_subject *subject, const char *dir, uint16_t admin_port,
        uint16_t sink_port, char path[PATH_SIZE], struct tn_error *error)
{
	FILE *file = create(dir, "turnout.yaml", path, error);

	if (!file)
		return TN_IO;
	fprintf(file,
	        "bus: bench\n"
	        "store: {path: store, max_size: 4GiB}\n"
	        "admin: {listen: \"127.0.0.1:%u\"}\n"
	        "log: {level: warn}\n"
	        "rules: [rules.yaml]\n"
	        "sources:\n"
	        "  - {name: in, kind: http, listen: \"127.0.0.1:%u\", mode: %s, dedup: %s}\n"
	        "targets:\n"
	        "  - {name: sink, kind: http, url: \"http://127.0.0.1:%u/\"%s}\n",
	        (unsigned)admin_port, (unsigned)subject->port, tn_bench_kind_name(subject->kind),
	        subject->dedup ? "event" : "off", (unsigned)sink_port, subject->ordered ? ", ordering: key" : "");
	return finish(file, path, error);
}

static enum tn_status write_haproxy_config(const struct tn_bench_subject *subject, const char *dir, uint16_t sink_port,
        char path[PATH_SIZE], struct tn_error *error)
{
	FILE *file = create(dir, "haproxy.cfg", path, error);

	if (!file)
		return TN_IO;
	fprintf(file,
	        "global\n"
	        "  nbthread 1\n"
	        "  maxconn 4000\n"
	        "defaults\n"
	        "  mode http\n"
	        "  timeout connect 5s\n"
	        "  timeout client 60s\n"
	        "  timeout server 60s\n"
	        "frontend in\n"
	        "  bind 127.0.0.1:%u\n"
	        "  monitor-uri /readyz\n"
	        "  default_backend out\n"
	        "backend out\n"
	        "  http-reuse always\n"
	        "  server sink 127.0.0.1:%u\n",
	        (unsigned)subject->port, (unsigned)sink_port);
	return finish(file, path, error);
}

static enum tn_status start_process(struct tn_bench_subject *subject, const char *dir, uint16_t ready_port,
        const char *const *argv, struct tn_error *error)
{
	char log[PATH_SIZE];
	enum tn_status status;

	snprintf(log, sizeof(log), "%s/log", dir);
	status = tn_bench_process_start(argv, log, &subject->pid, error);
	if (status != TN_OK)
		return status;
	subject->ready_us = tn_bench_process_wait_ready(subject->pid, ready_port, "/readyz", READY_LIMIT_MS);
	if (subject->ready_us < 0) {
		tn_bench_process_stop(subject->pid);
		tn_error_set(
		        error, "%s did not become ready; its output is in %s", tn_bench_kind_name(subject->kind), log);
		return TN_IO;
	}
	subject->idle_anon_kib = tn_bench_process_memory(subject->pid, "RssAnon");
	subject->idle_file_kib = tn_bench_process_memory(subject->pid, "RssFile");
	return TN_OK;
}

static enum tn_status start_haproxy(
        struct tn_bench_subject *subject, const char *dir, uint16_t sink_port, struct tn_error *error)
{
	char path[PATH_SIZE];
	const char *const argv[] = {"haproxy", "-db", "-q", "-f", path, NULL};
	enum tn_status status = write_haproxy_config(subject, dir, sink_port, path, error);

	return status == TN_OK ? start_process(subject, dir, subject->port, argv, error) : status;
}

static enum tn_status start_bus(
        struct tn_bench_subject *subject, const char *dir, uint16_t sink_port, struct tn_error *error)
{
	char path[PATH_SIZE];
	const char *const argv[] = {"/proc/self/exe", "run", "-c", path, NULL};
	uint16_t admin_port = tn_bench_free_port();
	enum tn_status status = write_bus_config(subject, dir, admin_port, sink_port, path, error);

	if (status == TN_OK)
		status = write_rules(dir, subject->rules, error);
	return status == TN_OK ? start_process(subject, dir, admin_port, argv, error) : status;
}

enum tn_status tn_bench_subject_start(enum tn_bench_kind kind, uint32_t rules, bool ordered, bool dedup, const char *dir,
        uint16_t sink_port, struct tn_bench_subject *out_subject, struct tn_error *error)
{
	struct tn_bench_subject subject = {.kind = kind, .rules = rules, .ordered = ordered, .dedup = dedup,
	        .port = tn_bench_free_port()};
	enum tn_status status = TN_OK;

	if (kind == TN_BENCH_DIRECT)
		subject.port = sink_port;
	else if (kind == TN_BENCH_HAPROXY)
		status = start_haproxy(&subject, dir, sink_port, error);
	else
		status = start_bus(&subject, dir, sink_port, error);
	if (status == TN_OK)
		*out_subject = subject;
	return status;
}

bool tn_bench_subject_stop(struct tn_bench_subject *subject)
{
	int code = subject->pid > 0 ? tn_bench_process_stop(subject->pid) : 0;

	/* HAProxy answers SIGTERM by ending at once, which is no failure of it. */
	return code == 0 || subject->kind == TN_BENCH_HAPROXY;
}
