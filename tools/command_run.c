/* SPDX-License-Identifier: Apache-2.0
 *
 * command_run.c - `turnout run`: the bus in the foreground.
 *
 * Puts signals, the bus and its admin listeners together: SIGHUP reloads, SIGTERM and SIGINT drain, a second one exits at once (nothing
 * is lost by that: what was accepted is in the journal or unacked).
 */
#include <curl/curl.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "arguments.h"
#include "command.h"
#include "service_notify.h"
#include "turnout/admin.h"
#include "turnout/bus.h"

static void on_reload(evutil_socket_t fd, short what, void *arg)
{
	tn_service_notify_reloading();
	tn_bus_reload(arg);
	tn_service_notify(tn_bus_phase(arg) == TN_BUS_READY ? "READY=1" : "STATUS=reloaded");
}

static void on_phase(enum tn_bus_phase phase)
{
	tn_service_notify(phase == TN_BUS_READY ? "READY=1" : "STOPPING=1");
}

static void on_terminate(evutil_socket_t fd, short what, void *arg)
{
	struct tn_bus *bus = arg;
	if (tn_bus_phase(bus) >= TN_BUS_DRAINING) {
		tn_log_warn(tn_bus_log(bus), "second signal; exiting at once", "drained=no");
		_exit(3);
	}
	tn_bus_drain(bus);
}

/* A bus holds a descriptor for each connection; the soft limit is there for programs that still use select(2). */
static void raise_file_limit(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

/* A reload asked for while the bus is still starting comes right after; unblocked, it would end the process. */
static void block_reload(int how)
{
	sigset_t hangup;
	sigemptyset(&hangup);
	sigaddset(&hangup, SIGHUP);
	sigprocmask(how, &hangup, NULL);
}

static int complain(const struct tn_error *error)
{
	char text[1024];
	fprintf(stderr, "turnout: %s\n", tn_error_format(error, text, sizeof text));
	return TN_EXIT_UNUSABLE;
}

struct signals {
	struct event *hup, *term, *interrupt;
};

static bool watch_signals(struct signals *signals, struct tn_bus *bus)
{
	struct event_base *base = tn_bus_base(bus);
	*signals = (struct signals){
		.hup = evsignal_new(base, SIGHUP, on_reload, bus),
		.term = evsignal_new(base, SIGTERM, on_terminate, bus),
		.interrupt = evsignal_new(base, SIGINT, on_terminate, bus),
	};
	return signals->hup && signals->term && signals->interrupt && event_add(signals->hup, NULL) == 0 &&
		event_add(signals->term, NULL) == 0 && event_add(signals->interrupt, NULL) == 0;
}

static void forget_signals(struct signals *signals)
{
	struct event *all[] = {signals->hup, signals->term, signals->interrupt};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i])
			event_free(all[i]);
}

static int run_bus(struct tn_bus *bus)
{
	struct tn_error error = {0};
	struct tn_admin *admin = NULL;
	struct signals signals = {0};
	int status;
	if (!watch_signals(&signals, bus)) {
		tn_error_set(&error, "cannot watch for signals");
		status = complain(&error);
	} else if (tn_admin_new(bus, &admin, &error) != TN_OK) {
		status = complain(&error);
	} else {
		block_reload(SIG_UNBLOCK);
		status = tn_bus_run(bus, &error);
		if (status == TN_EXIT_UNUSABLE)
			complain(&error);
	}
	tn_admin_free(admin);
	forget_signals(&signals);
	return status;
}

static int run(int argc, char **argv)
{
	const char *file = "turnout.yaml";
	const struct tn_argument table[] = {{"--config", 'c', TN_ARGUMENT_TEXT, &file}, {0}};
	struct tn_error error = {0};
	struct tn_bus *bus;
	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	if (argc > 1) {
		fprintf(stderr, "turnout run: takes no argument '%s'; the configuration is given with -c FILE\n", argv[1]);
		return TN_EXIT_UNUSABLE;
	}
	block_reload(SIG_BLOCK);
	raise_file_limit();
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
		fputs("turnout: libcurl could not be initialised\n", stderr);
		return TN_EXIT_UNUSABLE;
	}
	struct tn_bus_options options = {.config_file = file, .log_fd = STDERR_FILENO, .on_phase = on_phase};
	int status;
	if (tn_bus_new(&options, &bus, &error) == TN_OK) {
		status = run_bus(bus);
		tn_bus_free(bus);
	} else {
		status = complain(&error);
	}
	curl_global_cleanup();
	return status;
}

const struct tn_tool tn_command_run = {
	.name = "run",
	.summary = "the bus, in the foreground",
	.usage = "run [-c turnout.yaml]",
	.help = "Starts the bus and stays in the foreground. Logs go to standard error.\n\n"
		"  -c, --config FILE   the configuration [turnout.yaml]\n\n"
		"Signals: SIGHUP reads configuration and rules again (rules are also read again when a rule file changes);\n"
		"SIGTERM or SIGINT drains: what is under way ends, then the bus stops. A second one exits at once.\n"
		"With $NOTIFY_SOCKET (systemd, Type=notify) it says when it is ready, reloads and stops.\n"
		"Exit codes: 0 drained; 2 could not start; 3 the drain timed out (nothing is lost: it is in the journal or unacked).\n\n"
		"Try: turnout check -c turnout.yaml, then turnout run -c turnout.yaml, then turnout status\n",
	.run = run,
};
