/* SPDX-License-Identifier: Apache-2.0
 *
 * clock_steps.c - a wall clock that a test can step; the monotonic clocks are left alone, as an operating system does.
 *
 * Preloaded (LD_PRELOAD) by clock.py. CLOCK_STEPS_FILE names a file of 8 bytes: seconds to add, read anew with each call.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *step_s;

__attribute__((constructor)) static void map_file(void)
{
	const char *file = getenv("CLOCK_STEPS_FILE");
	int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *step_s, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		abort();
	step_s = map;
	close(fd);
}

int clock_gettime(clockid_t id, struct timespec *out_now)
{
	long rc = syscall(SYS_clock_gettime, id, out_now);
	if (rc == 0 && step_s && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		out_now->tv_sec += *step_s;
	return (int)rc;
}

int gettimeofday(struct timeval *restrict out_now, void *restrict zone)
{
	struct timespec now;
	int rc = clock_gettime(CLOCK_REALTIME, &now);
	*out_now = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
	return rc;
}

time_t time(time_t *out_now)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (out_now)
		*out_now = now.tv_sec;
	return now.tv_sec;
}
