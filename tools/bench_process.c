/* SPDX-License-Identifier: Apache-2.0
 *
 * bench_process.c - starts, watches and stops what the bench measures.
 *
 * Called by bench_subject.c and bench_http.c. What a process used is read from /proc.
 */
#include "bench_process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "load.h"

static _Noreturn void become(const char *const *argv, const char *log_path)
{
	int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (log >= 0) {
		dup2(log, STDOUT_FILENO);
		dup2(log, STDERR_FILENO);
	}
	/* exec takes char *const * for historical reasons; it changes nothing. */
	execvp(argv[0], (char *const *)(uintptr_t)argv);
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

enum tn_status tn_bench_process_start(
        const char *const *argv, const char *log_path, pid_t *out_pid, struct tn_error *error)
{
	pid_t pid = fork();

	if (pid == 0)
		become(argv, log_path);
	if (pid < 0) {
		tn_error_set(error, "cannot start %s: %s", argv[0], strerror(errno));
		return TN_IO;
	}
	*out_pid = pid;
	return TN_OK;
}

int tn_bench_process_stop(pid_t pid)
{
	int64_t limit_us = tn_load_now_us() + 10000000;
	int status = 0;

	kill(pid, SIGTERM);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (tn_load_now_us() > limit_us) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			break;
		}
		usleep(2000);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in address = {
	        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static bool answers_200(uint16_t port, const char *path)
{
	char text[512];
	int len = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
	int fd = connect_to(port);
	ssize_t got = -1;

	if (fd < 0)
		return false;
	if (send(fd, text, (size_t)len, MSG_NOSIGNAL) == len)
		got = recv(fd, text, sizeof(text), MSG_WAITALL);
	close(fd);
	return got >= 12 && memcmp(text, "HTTP/1.1 200", 12) == 0;
}

int64_t tn_bench_process_wait_ready(pid_t pid, uint16_t port, const char *path, int64_t limit_ms)
{
	int64_t start_us = tn_load_now_us();

	while (!answers_200(port, path)) {
		if (tn_load_now_us() - start_us > limit_ms * 1000 || kill(pid, 0) != 0 ||
		        waitpid(pid, NULL, WNOHANG) != 0)
			return -1;
		usleep(500);
	}
	return tn_load_now_us() - start_us;
}

double tn_bench_process_cpu(pid_t pid)
{
	unsigned long long user = 0, system = 0;
	char path[64], text[1024];
	const char *fields = NULL;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (file && fgets(text, sizeof(text), file))
		fields = strrchr(text, ')'); /* the name before it may hold anything */
	/* Fields 14 and 15, user and system ticks; the state, field 3, follows the bracket. */
	if (fields)
		sscanf(fields + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system);
	if (file)
		fclose(file);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

uint64_t tn_bench_process_memory(pid_t pid, const char *line)
{
	uint64_t kib = 0;
	char path[64], text[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	while (file && fgets(text, sizeof(text), file))
		if (strncmp(text, line, strlen(line)) == 0 && text[strlen(line)] == ':')
			kib = strtoull(text + strlen(line) + 1, NULL, 10);
	if (file)
		fclose(file);
	return kib;
}

uint16_t tn_bench_free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	uint16_t port = 0;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 &&
	        getsockname(fd, (struct sockaddr *)&address, &len) == 0)
		port = ntohs(address.sin_port);
	if (fd >= 0)
		close(fd);
	return port;
}
