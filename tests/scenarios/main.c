/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - turnout-scenario: runs scenario files, or all *.scn of a folder, and reports in TAP.
 *
 * A failure says file:line, what was expected, and what happened instead. --trace prints what happens as it happens: for writing one.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scenario.h"

enum { FILES_MAX = 1024 };

static struct scenario scenario; /* here, so that on_abort can say where */

bool scn_fail(struct scenario *at, const char *format, ...)
{
	char text[1024];
	va_list args;
	if (at->failed)
		return false;
	at->failed = true;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("# %s:%u: %s\n", at->path, at->line, text);
	return false;
}

static void on_abort(int number)
{
	char text[512];
	int len = snprintf(text, sizeof(text), "# %s:%u: the engine stopped itself\n", scenario.path, scenario.line);
	fflush(stdout);
	_exit(write(STDOUT_FILENO, text, (size_t)len) > 0 ? 1 : 2);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool ends_in(const char *name, const char *ending)
{
	size_t len = strlen(name), end = strlen(ending);
	return len > end && strcmp(name + len - end, ending) == 0;
}

/* path itself, or what lies in it. Owned strings. */
static bool add_path(const char *path, char **files, uint32_t *count)
{
	struct stat about;
	if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode)) {
		files[(*count)++] = strdup(path);
		return true;
	}
	DIR *folder = opendir(path);
	uint32_t first = *count;
	for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;) {
		char name[4096];
		if (!ends_in(entry->d_name, ".scn") || *count == FILES_MAX)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		files[(*count)++] = strdup(name);
	}
	if (folder != NULL)
		closedir(folder);
	qsort(files + first, *count - first, sizeof(*files), compare);
	return *count > first;
}

static const char *title_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

static bool run_files(char **files, uint32_t count)
{
	uint32_t failures = 0;
	printf("1..%u\n", count);
	for (uint32_t i = 0; i < count; i++) {
		bool passed = scn_run_file(&scenario, files[i]);
		printf("%s %u - %s\n", passed ? "ok" : "not ok", i + 1, title_of(files[i]));
		failures += !passed;
		free(files[i]);
	}
	return failures == 0;
}

int main(int argc, char **argv)
{
	static char *files[FILES_MAX + 1];
	uint32_t count = 0;
	for (int i = 1; i < argc && count < FILES_MAX; i++) {
		if (scn_is(argv[i], "--trace"))
			scenario.trace = true;
		else if (!add_path(argv[i], files, &count))
			return fprintf(stderr, "turnout-scenario: no *.scn in %s\n", argv[i]), 2;
	}
	if (count == 0)
		return fputs("usage: turnout-scenario [--trace] FILE|FOLDER...\n", stderr), 2;
	signal(SIGABRT, on_abort);
	return run_files(files, count) ? 0 : 1;
}
