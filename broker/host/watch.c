/* SPDX-License-Identifier: Apache-2.0
 *
 * watch.c - notices that rule files changed, however they were changed: edited in place, renamed over, or swapped as a whole folder by
 * a symbolic link (Kubernetes ConfigMaps).
 *
 * What counts is a fingerprint of the files that the configuration's globs name now: path, inode, size and time of each. It is taken
 * again shortly after inotify saw something in one of their folders, and every few seconds in any case, since inotify sees neither
 * network file systems nor a link further up. A changed fingerprint must hold still for SETTLE_MS before the rules are read. Bus thread.
 */
#include "bus_parts.h"

#include <event2/event.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SETTLE_MS = 200, POLL_MS = 2000, FOLDERS = 64 };

struct watch {
	struct tn_bus *bus;
	int fd;
	int folders[FOLDERS]; /* inotify watch descriptors */
	unsigned folder_count;
	struct event *readable, *look;
	uint64_t loaded;      /* fingerprint of what the rules were last read from (or tried to be) */
	uint64_t seen;        /* fingerprint at the last look */
	int64_t since_ms;     /* how long `seen` has held still */
};

static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x100000001b3u;
	return hash;
}

static uint64_t mix_file(uint64_t hash, const char *path)
{
	struct stat st;
	hash = mix(hash, path, strlen(path) + 1);
	if (stat(path, &st) != 0)
		return mix(hash, "gone", 4);
	hash = mix(hash, &st.st_ino, sizeof st.st_ino);
	hash = mix(hash, &st.st_size, sizeof st.st_size);
	return mix(hash, &st.st_mtim, sizeof st.st_mtim);
}

static void rule_path(const struct tn_config *config, size_t index, char *out, size_t size)
{
	const char *path = config->rules.items[index].bytes;
	if (path[0] == '/')
		snprintf(out, size, "%s", path);
	else
		snprintf(out, size, "%s/%s", config->folder, path);
}

static uint64_t take_fingerprint(const struct tn_config *config)
{
	uint64_t hash = 0xcbf29ce484222325u;
	for (size_t i = 0; i < config->rules.count; i++) {
		char pattern[1024];
		glob_t found = {0};
		rule_path(config, i, pattern, sizeof pattern);
		if (glob(pattern, 0, NULL, &found) == 0)
			for (size_t j = 0; j < found.gl_pathc; j++)
				hash = mix_file(hash, found.gl_pathv[j]);
		else
			hash = mix(hash, "none", 4);
		globfree(&found);
	}
	return hash;
}

static void look_in(struct watch *watch, int64_t wait_ms)
{
	struct timeval wait = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
	event_add(watch->look, &wait);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;
	struct tn_bus *bus = watch->bus;
	int64_t now_ms = tn_clock_mono_ms(&bus->clock);
	uint64_t now = take_fingerprint(bus->snapshot->config);
	if (now != watch->seen) {
		watch->seen = now;
		watch->since_ms = now_ms;
	}
	if (now == watch->loaded || bus->phase >= TN_BUS_DRAINING) {
		look_in(watch, POLL_MS);
	} else if (now_ms - watch->since_ms < SETTLE_MS) {
		look_in(watch, SETTLE_MS - (now_ms - watch->since_ms) + 1);
	} else {
		watch->loaded = now;
		tn_reload_rules(bus);
		tn_watch_follow(watch);
		look_in(watch, POLL_MS);
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct watch *watch = arg;
	char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	while (read(fd, buffer, sizeof buffer) > 0)
		;
	look_in(watch, SETTLE_MS / 4);
}

static void follow_folder(struct watch *watch, char *path)
{
	char *slash = strrchr(path, '/');
	if (slash)
		*(slash == path ? slash + 1 : slash) = 0;
	int id = inotify_add_watch(watch->fd, slash ? path : ".",
		IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB);
	if (id >= 0 && watch->folder_count < FOLDERS)
		watch->folders[watch->folder_count++] = id;
}

void tn_watch_follow(struct watch *watch)
{
	const struct tn_config *config = watch->bus->snapshot->config;
	if (watch->fd < 0)
		return;
	for (unsigned i = 0; i < watch->folder_count; i++)
		inotify_rm_watch(watch->fd, watch->folders[i]);
	watch->folder_count = 0;
	for (size_t i = 0; i < config->rules.count; i++) {
		char path[1024];
		rule_path(config, i, path, sizeof path);
		follow_folder(watch, path); /* the folder of the files */
		follow_folder(watch, path); /* and the one it stands in, where a whole folder is swapped */
	}
}

struct watch *tn_watch_new(struct tn_bus *bus)
{
	struct watch *watch = calloc(1, sizeof *watch);
	if (!watch)
		abort();
	watch->bus = bus;
	watch->loaded = watch->seen = take_fingerprint(bus->snapshot->config);
	watch->look = evtimer_new(bus->workers[0].base, on_look, watch);
	if (!watch->look)
		abort();
	watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (watch->fd >= 0) {
		watch->readable = event_new(bus->workers[0].base, watch->fd, EV_READ | EV_PERSIST, on_readable, watch);
		if (!watch->readable || event_add(watch->readable, NULL) != 0)
			abort();
	} else {
		tn_log_warn(&bus->log, "no inotify; rule files are looked at every few seconds", "poll_ms=%d", POLL_MS);
	}
	tn_watch_follow(watch);
	look_in(watch, POLL_MS);
	return watch;
}

void tn_watch_free(struct watch *watch)
{
	if (!watch)
		return;
	if (watch->readable)
		event_free(watch->readable);
	event_free(watch->look);
	if (watch->fd >= 0)
		close(watch->fd);
	free(watch);
}
