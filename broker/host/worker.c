/* SPDX-License-Identifier: Apache-2.0
 *
 * worker.c - one thread, one event loop: decodes, matches and does the I/O of the instances that live on it.
 *
 * Worker 0 is the bus thread itself, so with one worker nothing crosses a thread. Bus thread, except what runs on a worker's loop.
 */
#include "bus_parts.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>

struct call_letter {
	struct tn_mail mail;
	void (*step)(void *arg);
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t done;
	bool finished;
};

struct rules_letter {
	struct tn_mail mail;
	struct tn_ruleset *ruleset;
};

static enum tn_status init_worker(struct tn_bus *bus, uint32_t index, struct tn_error *error)
{
	struct worker *worker = &bus->workers[index];
	worker->bus = bus;
	worker->index = index;
	worker->base = event_base_new();
	worker->mailbox = worker->base ? tn_mailbox_new(worker->base, worker) : NULL;
	if (!worker->mailbox) {
		tn_error_set(error, "worker %u has no descriptor left for its event loop; raise the open files limit (ulimit -n)", index);
		return TN_IO;
	}
	worker->matcher = tn_matcher_new();
	return TN_OK;
}

enum tn_status tn_workers_new(struct tn_bus *bus, struct tn_error *error)
{
	bus->worker_count = (uint32_t)bus->snapshot->config->workers;
	bus->workers = calloc(bus->worker_count, sizeof *bus->workers);
	if (!bus->workers)
		abort();
	for (uint32_t i = 0; i < bus->worker_count; i++) {
		enum tn_status status = init_worker(bus, i, error);
		if (status != TN_OK)
			return status;
	}
	return TN_OK;
}

static void *run_loop(void *arg)
{
	struct worker *worker = arg;
	event_base_loop(worker->base, EVLOOP_NO_EXIT_ON_EMPTY);
	return NULL;
}

enum tn_status tn_workers_start(struct tn_bus *bus, struct tn_error *error)
{
	/* Signals belong to the bus thread. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	enum tn_status status = TN_OK;
	for (uint32_t i = 1; i < bus->worker_count && status == TN_OK; i++) {
		struct worker *worker = &bus->workers[i];
		if (pthread_create(&worker->thread, NULL, run_loop, worker) != 0) {
			tn_error_set(error, "worker %u could not start its thread", i);
			status = TN_IO;
		} else {
			worker->threaded = true;
		}
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return status;
}

static void break_loop(struct tn_mail *mail, void *arg)
{
	struct worker *worker = arg;
	if (worker)
		event_base_loopbreak(worker->base);
	free(mail);
}

void tn_workers_stop(struct tn_bus *bus)
{
	for (uint32_t i = 1; i < bus->worker_count; i++) {
		struct worker *worker = &bus->workers[i];
		if (!worker->threaded)
			continue;
		struct tn_mail *letter = calloc(1, sizeof *letter);
		if (!letter)
			abort();
		letter->open = break_loop;
		tn_mailbox_post(worker->mailbox, letter);
		pthread_join(worker->thread, NULL);
		worker->threaded = false;
	}
}

void tn_workers_free(struct tn_bus *bus)
{
	for (uint32_t i = 0; bus->workers && i < bus->worker_count; i++) {
		struct worker *worker = &bus->workers[i];
		tn_mailbox_free(worker->mailbox);
		tn_ruleset_unref(worker->ruleset);
		tn_matcher_free(worker->matcher);
		free(worker->offers);
		free(worker->matches);
		if (worker->base)
			event_base_free(worker->base);
	}
	free(bus->workers);
	bus->workers = NULL;
}

static void run_call(struct tn_mail *mail, void *arg)
{
	struct call_letter *letter = (struct call_letter *)mail;
	letter->step(letter->arg);
	pthread_mutex_lock(&letter->lock);
	letter->finished = true;
	pthread_cond_signal(&letter->done);
	pthread_mutex_unlock(&letter->lock);
}

void tn_worker_call(struct worker *worker, void (*step)(void *arg), void *arg)
{
	if (!worker->threaded) {
		step(arg);
		return;
	}
	struct call_letter letter = {.mail.open = run_call, .step = step, .arg = arg};
	pthread_mutex_init(&letter.lock, NULL);
	pthread_cond_init(&letter.done, NULL);
	tn_mailbox_post(worker->mailbox, &letter.mail);
	pthread_mutex_lock(&letter.lock);
	while (!letter.finished)
		pthread_cond_wait(&letter.done, &letter.lock);
	pthread_mutex_unlock(&letter.lock);
	pthread_cond_destroy(&letter.done);
	pthread_mutex_destroy(&letter.lock);
}

static void take_rules(struct tn_mail *mail, void *arg)
{
	struct rules_letter *letter = (struct rules_letter *)mail;
	struct worker *worker = arg;
	struct tn_ruleset *before = worker ? worker->ruleset : letter->ruleset;
	if (worker)
		worker->ruleset = letter->ruleset;
	tn_ruleset_unref(before);
	free(letter);
}

void tn_workers_publish(struct tn_bus *bus, struct tn_ruleset *ruleset)
{
	for (uint32_t i = 0; i < bus->worker_count; i++) {
		struct worker *worker = &bus->workers[i];
		struct rules_letter *letter = calloc(1, sizeof *letter);
		if (!letter)
			abort();
		*letter = (struct rules_letter){.mail.open = take_rules, .ruleset = tn_ruleset_ref(ruleset)};
		if (worker->threaded)
			tn_mailbox_post(worker->mailbox, &letter->mail);
		else
			take_rules(&letter->mail, worker);
	}
}
