/* SPDX-License-Identifier: Apache-2.0
 *
 * script.c - reads a scenario file line by line and calls the verb of each.
 *
 * Called by main.c. What the engine did must have been expected before the world acts on it again, and at the end of the file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"

enum when { SETUP, ACT, LOOK }; /* SETUP: any time. ACT: with an engine that runs, once all was expected. LOOK: with one that ran */

static const struct verb {
	const char *name;
	scn_verb run;
	enum when when;
	uint32_t words;                 /* at least, the verb included */
	const char *usage;
} verbs[] = {
	{"engine", scn_do_engine, SETUP, 3, "engine KEY VALUE..."},
	{"source", scn_do_source, SETUP, 3, "source NAME keeps|journaled [KEY VALUE...]"},
	{"target", scn_do_target, SETUP, 2, "target NAME [KEY VALUE...]"},
	{"rule", scn_do_rule, SETUP, 4, "rule NAME -> TARGET [retry] [KEY VALUE...]"},
	{"remove", scn_do_remove, SETUP, 3, "remove target|rule NAME"},
	{"store", scn_do_store, SETUP, 2, "store works|waits|full|unreadable|readable, or store ok|refused|unknown applied|unknown lost"},
	{"memory", scn_do_memory, SETUP, 2, "memory fails|works"},
	{"answers", scn_do_answers, SETUP, 3, "answers TARGET by-hand, or VERDICT [CODE] [KEY VALUE...]"},
	{"event", scn_do_event, ACT, 6, "event NAME... from SOURCE matches RULE[,RULE...]|none [KEY VALUE...]"},
	{"poison", scn_do_poison, ACT, 4, "poison NAME from SOURCE"},
	{"result", scn_do_result, ACT, 3, "result EVENT [from TARGET] [rule RULE] VERDICT [CODE] [KEY VALUE...]"},
	{"ready", scn_do_ready, ACT, 3, "ready TARGET ROOM"},
	{"txn", scn_do_txn, ACT, 3, "txn SOURCE committed|aborted|fenced"},
	{"breaker", scn_do_breaker, ACT, 3, "breaker TARGET open|closed"},
	{"advance", scn_do_advance, ACT, 2, "advance TIME, or advance to TIME"},
	{"jump", scn_do_jump, ACT, 2, "jump TIME, or jump back TIME"},
	{"stream", scn_do_stream, ACT, 3, "stream SOURCE opens|lost|revoked [grace TIME]"},
	{"reload", scn_do_reload, ACT, 1, "reload [grace TIME] [answered STATUS]"},
	{"redrive", scn_do_move, ACT, 3, "redrive EVENT TARGET [answered STATUS]"},
	{"purge", scn_do_move, ACT, 3, "purge EVENT TARGET [answered STATUS]"},
	{"release", scn_do_move, ACT, 3, "release EVENT TARGET [answered STATUS]"},
	{"drain", scn_do_drain, ACT, 1, "drain [timeout TIME]"},
	{"crash", scn_do_crash, ACT, 1, "crash [applied]"},
	{"restart", scn_do_restart, SETUP, 1, "restart"},
	{"expect", scn_do_expect, LOOK, 2, "expect ... (see README.md)"},
};

static bool run_verb(struct scenario *scenario, const struct verb *verb)
{
	if (scenario->word_count < verb->words)
		return scn_fail(scenario, "usage: %s", verb->usage);
	if (verb->when == SETUP)
		return verb->run(scenario);
	if (scenario->engine == NULL && scenario->run > 0 && verb->when == ACT && !scn_is(verb->name, "advance"))
		return scn_fail(scenario, "%s: the engine crashed; restart comes first", verb->name);
	if (scenario->engine == NULL && scenario->run == 0 && !scn_start_engine(scenario))
		return false;
	if (verb->when == ACT && !scn_settle_up(scenario))
		return false;
	return verb->run(scenario);
}

static bool run_words(struct scenario *scenario)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (scn_is(scenario->words[0], verbs[i].name))
			return run_verb(scenario, &verbs[i]);
	}
	return scn_fail(scenario, "there is no verb '%s'", scenario->words[0]);
}

/* Cuts line into words, in place: blanks separate, "..." keeps them, # starts a comment. */
static bool cut(struct scenario *scenario, char *line, const char **words)
{
	scenario->word_count = 0;
	scenario->words = words;
	for (char *at = line; *(at += strspn(at, " \t\r\n")) != '\0' && *at != '#';) {
		bool quoted = *at == '"';
		char *from = at + quoted;
		size_t len = strcspn(from, quoted ? "\"\n" : " \t\r\n");
		bool ends = from[len] == '\0';
		if (quoted && from[len] != '"')
			return scn_fail(scenario, "a quote is not closed");
		if (scenario->word_count == SCN_WORDS)
			return scn_fail(scenario, "more than %d words", SCN_WORDS);
		from[len] = '\0';
		words[scenario->word_count++] = from;
		if (ends)
			break;
		at = from + len + 1;
	}
	return true;
}

static bool run_lines(struct scenario *scenario, FILE *file)
{
	char line[1024];
	const char *words[SCN_WORDS];
	while (fgets(line, sizeof(line), file) != NULL) {
		scenario->line++;
		if (strchr(line, '\n') == NULL && !feof(file))
			return scn_fail(scenario, "a line of more than %zu bytes", sizeof(line) - 2);
		if (!cut(scenario, line, words))
			return false;
		if (scenario->word_count > 0 && !run_words(scenario))
			return false;
		if (scenario->failed)
			return false;
	}
	return true;
}

bool scn_run_file(struct scenario *scenario, const char *path)
{
	bool trace = scenario->trace;
	memset(scenario, 0, sizeof(*scenario));
	scenario->path = path;
	scenario->trace = trace;
	FILE *file = fopen(path, "r");
	if (file == NULL)
		return scn_fail(scenario, "cannot be opened");
	scenario->config = tn_engine_config_default;
	scenario->config.note = scn_note;
	scenario->config.note_arg = scenario;
	scenario->removal_grace_ms = 600000;
	scenario->now_ms = SCN_ZERO_MS;
	scenario->poison = (struct tn_route){.rule = TN_STR("poison"), .target = TN_STR("poison"), .poison = true};
	scenario->shelf.next_seq = 1;
	bool passed = run_lines(scenario, file);
	fclose(file);
	if (passed && scenario->run == 0)
		passed = scn_fail(scenario, "nothing happens in it");
	passed = passed && scn_settle_up(scenario);
	scn_stop_engine(scenario);
	scn_shelf_clear(scenario);
	for (uint32_t i = 0; i < scenario->event_count; i++)
		tn_event_unref(scenario->events[i].event);
	if (passed && scenario->allocated_bytes != 0)
		passed = scn_fail(scenario, "the engine kept %zu bytes", scenario->allocated_bytes);
	return passed && !scenario->failed;
}
