/* paging.c - see paging.h: measures the cost of write-protecting pages. */
#include "config.h"

#include "os/paging.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "os/sys.h"

/* Most bytes for which protection is measured, and those copied at a time.
   From 33 pages on, x86 flushes all address translations instead of single
   pages, which can cost ten times as much. */
#define AREA_MOST ((size_t)1024 * 1024)
#define PIECE ((size_t)64 * 1024)
#define PAGE_LEAST 4096
/* The least time of several tries counts: a try may be interrupted. */
#define TRIES 3

/* A child of the host program runs on the same machine. */
static _Atomic(enum paging) answer = PAGING_UNKNOWN;

/* Protects the pages, makes them writable again and writes to each.  Returns
   the time in ns; UINT64_MAX if protection failed. */
static uint64_t time_protection(unsigned char *shared, size_t size)
{
	uint64_t begin = sys_now();

	if (sys_protect(shared, size, false) < 0 ||
	    sys_protect(shared, size, true) < 0)
		return UINT64_MAX;
	for (size_t i = 0; i < size; i += PAGE_LEAST)
		((volatile unsigned char *)shared)[i] = 1;
	return sys_now() - begin;
}

static uint64_t protection_of(size_t size)
{
	unsigned char *shared = sys_map_shared(size);
	uint64_t least = UINT64_MAX;

	if (shared != NULL)
		memset(shared, 1, size);
	for (int i = 0; i < TRIES && shared != NULL; i++) {
		uint64_t ns = time_protection(shared, size);

		least = MIN(least, ns);
	}
	sys_unmap(shared, size);
	return least;
}

/* Each piece is copied once: a second time it would be in the cache.  The
   compiler must not see that nobody reads the copy.  Returns 0 without
   memory. */
static uint64_t copy_of(const unsigned char *sample, size_t size)
{
	void *(*volatile copy)(void *, const void *, size_t) = memcpy;
	unsigned char *to = malloc(PIECE);
	uint64_t least = to != NULL ? UINT64_MAX : 0;

	if (to != NULL)
		memset(to, 1, PIECE);
	for (size_t i = 0; i < size / PIECE && to != NULL; i++) {
		uint64_t begin = sys_now(), ns;

		copy(to, sample + i * PIECE, PIECE);
		ns = sys_now() - begin;
		least = MIN(least, ns);
	}
	free(to);
	return least * (size / PIECE);
}

static enum paging measure(const unsigned char *sample, size_t size)
{
	const size_t area = MIN(size, AREA_MOST) / PIECE * PIECE;
	const uint64_t copy = copy_of(sample, area);

	return protection_of(area) < copy ? PAGING_CHEAP : PAGING_DEAR;
}

/* Two threads that ask first at the same time both measure. */
bool paging_protects_cheaply(const unsigned char *sample, size_t size)
{
	enum paging known = atomic_load(&answer);

	if (known == PAGING_UNKNOWN && sample != NULL) {
		known = measure(sample, size);
		atomic_store(&answer, known);
	}
	return known == PAGING_CHEAP;
}

void paging_assume(enum paging assumed)
{
	atomic_store(&answer, assumed);
}
