/* SPDX-License-Identifier: Apache-2.0
 *
 * command_dlq.c - `turnout dlq`: its options, and which file does what.
 */
#include <stdio.h>
#include <string.h>

#include "admin_client.h"
#include "arguments.h"
#include "command.h"
#include "dlq.h"

static const struct {
	const char *name;
	int (*run)(struct dlq *dlq, int argc, char **argv);
} words[] = {{"list", dlq_list}, {"count", dlq_count_groups}, {"show", dlq_show}, {"redrive", dlq_redrive}, {"purge", dlq_purge}, {"export", dlq_export},
	{"import", dlq_import}, {"status", dlq_status}, {"cancel", dlq_cancel}};
enum { WORDS = sizeof words / sizeof *words };

static bool check_names(const struct dlq *dlq)
{
	const char *const names[] = {dlq->rule, dlq->target, dlq->code, dlq->error_class, dlq->queue};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (names[i] && !tn_config_is_name(tn_str_from(names[i])))
			return false;
	return true;
}

static int run(int argc, char **argv)
{
	struct dlq dlq = {.file = "turnout.yaml"};
	const struct tn_argument table[] = {
		{"--config", 'c', TN_ARGUMENT_TEXT, &dlq.file},
		{"--rule", 0, TN_ARGUMENT_TEXT, &dlq.rule},
		{"--target", 0, TN_ARGUMENT_TEXT, &dlq.target},
		{"--error", 0, TN_ARGUMENT_TEXT, &dlq.code},
		{"--class", 0, TN_ARGUMENT_TEXT, &dlq.error_class},
		{"--queue", 0, TN_ARGUMENT_TEXT, &dlq.queue},
		{"--since", 0, TN_ARGUMENT_TEXT, &dlq.since},
		{"--until", 0, TN_ARGUMENT_TEXT, &dlq.until},
		{"--pattern", 'p', TN_ARGUMENT_TEXT, &dlq.pattern},
		{"--rate", 0, TN_ARGUMENT_TEXT, &dlq.rate},
		{"--to", 0, TN_ARGUMENT_TEXT, &dlq.to},
		{"--limit", 0, TN_ARGUMENT_COUNT, &dlq.limit},
		{"--all", 0, TN_ARGUMENT_FLAG, &dlq.all},
		{"--force", 0, TN_ARGUMENT_FLAG, &dlq.force},
		{"--dry-run", 0, TN_ARGUMENT_FLAG, &dlq.dry_run},
		{"--yes", 0, TN_ARGUMENT_FLAG, &dlq.yes},
		{"--detach", 0, TN_ARGUMENT_FLAG, &dlq.detach},
		{"--resume", 0, TN_ARGUMENT_FLAG, &dlq.resume},
		{"--json", 0, TN_ARGUMENT_FLAG, &dlq.json},
		{0},
	};
	struct tn_error error = {0};
	if (!tn_arguments_parse(table, &argc, argv))
		return TN_EXIT_UNUSABLE;
	if (!check_names(&dlq))
		return dlq_complain("--rule, --target, --error, --class and --queue take one name: letters, digits, '.', '_' and '-'");
	size_t word = 0;
	while (argc > 1 && word < WORDS && strcmp(words[word].name, argv[1]) != 0)
		word++;
	if (argc < 2 || word == WORDS)
		return dlq_complain("say what to do: count, list, show, redrive, purge, export, import, status or cancel; see `turnout help dlq`");
	if (tn_config_read(dlq.file, &dlq.config, &error) != TN_OK)
		return dlq_complain_error(&error);
	dlq.running = tn_admin_client_find(dlq.config, dlq.socket, sizeof dlq.socket) == TN_OK;
	int status = words[word].run(&dlq, argc - 2, argv + 2);
	if (dlq.began) {
		dlq.began = false;
		status = words[word].run(&dlq, argc - 2, argv + 2);
	}
	tn_config_free(dlq.config);
	return status;
}

const struct tn_tool tn_command_dlq = {
	.name = "dlq",
	.summary = "dead letters: count, list, show, redrive, purge, export, import",
	.usage = "dlq count|list|export [-c turnout.yaml] [WHICH] [--limit N]\n"
		 "dlq show [-c turnout.yaml] ID\n"
		 "dlq redrive [-c turnout.yaml] ID...|--all [WHICH] [--to target|rule|bus] [--dry-run] [--rate N|max]\n"
		 "                             [--detach] [--force]\n"
		 "dlq purge [-c turnout.yaml] ID...|--all [WHICH] --yes|--dry-run\n"
		 "dlq redrive [-c turnout.yaml] --resume [--queue NAME]\n"
		 "dlq status|cancel [-c turnout.yaml] [--queue NAME]\n"
		 "dlq import [-c turnout.yaml] [FILE]",
	.help = "Dead letters of the configuration's bus: through its admin socket while it runs, from its store when it does not.\n\n"
		"count     how many, of which rule and target, by which error, when; most first\n"
		"list      one line each, in the order their events came\n"
		"show      one whole record, with the original event\n"
		"redrive   deliver again to the same rule's target, with fresh counters and the same delivery id. While the bus runs this is a\n"
		"          task of the bus, which goes on without this command; one at a time on a queue. It stops itself when more than half\n"
		"          of the last 100 first attempts failed, or a breaker opens over them\n"
		"purge     away with them, for good\n"
		"export    lines of CloudEvents, each with the whole record as its data\n"
		"import    such lines become dead letters here: new ids, the same delivery ids; in batches of 100, each all or none\n"
		"status    the redrives and purges under way, and those that can be resumed\n"
		"cancel    ends one; every record is in one place\n\n"
		"WHICH, all that is given must hold:\n"
		"      --rule NAME, --target NAME, --queue NAME\n"
		"      --error CODE    as HTTP_503\n"
		"      --class CLASS   retry, throttle, config, permanent or poison\n"
		"      --since T, --until T\n"
		"                      when they died: 2026-11-23T11:32:16Z, or how long ago: 90s, 2h, 3d\n"
		"  -p, --pattern JSON  an event pattern that the event must match\n\n"
		"  -c, --config FILE   the configuration [turnout.yaml]\n"
		"      --limit N       at most N\n"
		"      --all           all that WHICH leaves\n"
		"      --dry-run       how many that would be, and the first five\n"
		"      --rate N|max    redrive so many a second [50, at most 500, or max]\n"
		"      --to TO         target: the rule and target each of them died of [target]\n"
		"                      rule: every target that rule has now, whatever its pattern says now\n"
		"                      bus: matched again, by today's rules; what none takes stays (NO_MATCH)\n"
		"                      To rule and bus, others than the target it died of get it too, again if they had it: each with the\n"
		"                      same delivery id as before, so that one that knows its keys does it once\n"
		"      --detach        start it and do not wait\n"
		"      --resume        go on with what was interrupted, cancelled or stopped\n"
		"      --force         redrive also what was redriven 10 times\n"
		"      --yes           purge\n"
		"      --json          as JSON, one record a line\n\n"
		"Exit codes: 0 done; 1 nothing was moved, it was cancelled, or there is no such record; 2 unusable; 3 it stopped itself.\n\n"
		"Example: turnout dlq count --since 2h; turnout dlq redrive --all --target billing --dry-run\n",
	.run = run,
};
