/* SPDX-License-Identifier: Apache-2.0
 *
 * dlq.h - what the files behind `turnout dlq` share: its options, its request, and how it prints.
 *
 * With a bus running they go through its admin socket, with none through the store under its lock. Both start from the same request
 * (letter_query.h) and go through the dlq room, so the answers are the same.
 */
#ifndef TURNOUT_TOOLS_DLQ_H
#define TURNOUT_TOOLS_DLQ_H

#include <jansson.h>

#include "turnout/config.h"
#include "turnout/letter_query.h"

struct dlq {
	const char *file, *rule, *target, *code, *error_class, *queue, *since, *until, *pattern, *rate, *to;
	bool json, all, force, dry_run, yes, detach, resume;
	uint64_t limit;                   /* 0: no limit */
	struct tn_config *config;
	struct tn_ruleset *ruleset;       /* stopped redrive only */
	char socket[300];
	bool running;
	bool began;                       /* a bus, before anything was done without it: the word is said again, to it */
	uint64_t printed;
	struct dlq_tally *tally;          /* count: instead of a line each; else NULL */
	char dest[512];
};

enum { DLQ_EXIT_STOPPED = 3 };            /* a redrive stopped itself */
enum { DLQ_SAMPLE = 5 };                  /* of a dry run */

/* dlq_print.c */
int dlq_complain(const char *message);
int dlq_complain_error(const struct tn_error *error);
/* What the bus answered when it was not 200: its problem's detail. */
int dlq_complain_answer(long status, const struct tn_buf *answer);
void dlq_print_json(const json_t *value);
void dlq_print_line(struct dlq *dlq, const json_t *record); /* and counts it */
void dlq_print_indented(struct tn_str record);
const char *dlq_string(const json_t *object, const char *name);
uint64_t dlq_count(const json_t *object, const char *name);

/* dlq_tally.c: dead letters counted by rule, target and error. Returns owned. */
struct dlq_tally *dlq_tally_new(void);
void dlq_tally_free(struct dlq_tally *tally);
void dlq_tally_add(struct dlq_tally *tally, const json_t *record);
void dlq_tally_print(struct dlq_tally *tally, bool json); /* most first */

/* dlq_request.c */
/* Returns owned what letter_query.h says; NULL: it complained. ids: count of them, or none. */
json_t *dlq_request(const struct dlq *dlq, int count, char **ids);
/* Nothing was found: says which names the configuration does not have. */
void dlq_warn_of_names(const struct dlq *dlq);
/* Sends it (NULL: GET) and reads the answer; anything but 200 is complained about. Returns an enum tn_exit. */
int dlq_call(struct dlq *dlq, const char *path, const json_t *request, struct tn_buf *answer);
int dlq_call_json(struct dlq *dlq, const char *path, const json_t *request, json_t **out_answer);
/* Stopped: the query of that request. NULL: it complained. */
struct tn_letter_query *dlq_query(const json_t *request);
/* Stopped: opens the store. NULL: it complained, or a bus began meanwhile, which is to be asked instead: dlq->began. */
struct tn_store *dlq_open_store(struct dlq *dlq);
struct tn_dlq_view dlq_view(struct dlq *dlq); /* stopped */

/* dlq_task_text.c: a task is what the bus answers, or tn_dlq_kept_task_json says */
bool dlq_task_is_purge(const json_t *task); /* or its request */
void dlq_task_show(const struct dlq *dlq, const json_t *task);
void dlq_task_draw(const json_t *task, bool terminal); /* its bar */
int dlq_task_print_end(struct dlq *dlq, const json_t *task); /* returns an enum tn_exit */
/* found: "sample" and "breakers_open". Returns an enum tn_exit. */
int dlq_task_print_dry(struct dlq *dlq, const json_t *request, const json_t *found, const struct tn_dlq_tally *tally);

/* dlq_stopped.c: each returns an enum tn_exit. */
int dlq_stopped_move(struct dlq *dlq, const json_t *request); /* does it and says so */
/* What a dry run would do; the first DLQ_SAMPLE go to sample. */
int dlq_stopped_count(struct dlq *dlq, const json_t *request, json_t *sample, struct tn_dlq_tally *out_tally);
int dlq_stopped_resume(struct dlq *dlq);
int dlq_stopped_status(struct dlq *dlq); /* shows what is kept */

/* dlq_read.c, dlq_move.c, dlq_import.c: the words, with what follows them. */
int dlq_list(struct dlq *dlq, int argc, char **argv);
int dlq_count_groups(struct dlq *dlq, int argc, char **argv);
int dlq_show(struct dlq *dlq, int argc, char **argv);
int dlq_export(struct dlq *dlq, int argc, char **argv);
int dlq_redrive(struct dlq *dlq, int argc, char **argv);
int dlq_purge(struct dlq *dlq, int argc, char **argv);
int dlq_status(struct dlq *dlq, int argc, char **argv);
int dlq_cancel(struct dlq *dlq, int argc, char **argv);
int dlq_import(struct dlq *dlq, int argc, char **argv);

#endif
