/* SPDX-License-Identifier: Apache-2.0
 *
 * failing_seam.c - memory that runs out for the delivery engine alone: its seam (turnout/alloc.h) answers NULL now and then.
 *
 * Preloaded (LD_PRELOAD) by allocations.py, before the bus hands tn_alloc_system to its engine. Everything else of the process keeps
 * its memory, since small allocations abort by rule. Its environment:
 *
 *   FAILING_SEAM_AT      where tn_alloc_system lies in the binary (hexadecimal, as nm says)
 *   FAILING_SEAM_FILE    file of 16 bytes: how many of 1,000,000 requests fail, and how many have failed; the first may be changed
 *   FAILING_SEAM_SEED    of the choice
 */
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "turnout/alloc.h"

struct orders {
	_Atomic uint64_t per_million, failed;
};

static struct orders *orders;
static uint64_t state;
static void *(*real_resize)(void *arg, void *old, size_t old_size, size_t size);

/* splitmix64; the engine has one thread. */
static uint64_t draw(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

static void *failing_resize(void *arg, void *old, size_t old_size, size_t size)
{
	if (size > old_size && draw() % 1000000 < orders->per_million) {
		orders->failed++;
		return NULL;
	}
	return real_resize(arg, old, old_size, size);
}

/* The first object is the program itself. */
static int on_object(struct dl_phdr_info *info, size_t size, void *arg)
{
	*(uintptr_t *)arg = info->dlpi_addr;
	return 1;
}

static void take_over(struct tn_alloc *seam)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	void *start = (void *)((uintptr_t)seam / page * page);
	if (mprotect(start, 2 * page, PROT_READ | PROT_WRITE) != 0)
		abort();
	real_resize = seam->resize;
	seam->resize = failing_resize;
}

__attribute__((constructor)) static void begin(void)
{
	const char *at = getenv("FAILING_SEAM_AT"), *file = getenv("FAILING_SEAM_FILE"), *seed = getenv("FAILING_SEAM_SEED");
	int fd = file ? open(file, O_RDWR | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	uintptr_t base = 0;
	if (map == MAP_FAILED || !at)
		abort();
	close(fd);
	orders = map;
	state = seed ? strtoull(seed, NULL, 10) : 0;
	dl_iterate_phdr(on_object, &base);
	take_over((struct tn_alloc *)(base + strtoull(at, NULL, 16)));
}
