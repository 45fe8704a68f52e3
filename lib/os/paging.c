/* paging.c - see paging.h: measures the cost of write-protecting pages. */
#include "config.h"

#include "os/paging.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "os/sys.h"

/* Bytes measured.  From 33 pages on, x86 flushes all address translations
   instead of single pages, which can cost ten times as much. */
#define AREA ((size_t)256 * 1024)
#define PAGE_LEAST 4096
/* The least time of several tries counts: a try may be interrupted. */
#define TRIES 3

/* A child of the host program runs on the same machine. */
static _Atomic(enum paging) answer = PAGING_UNKNOWN;

/* Protects the pages, makes them writable again and writes to each.  Returns
   the time in ns; UINT64_MAX if protection failed. */
static uint64_t time_protection(unsigned char *shared)
{
	uint64_t begin = sys_now();

	if (sys_protect(shared, AREA, false) < 0 ||
	    sys_protect(shared, AREA, true) < 0)
		return UINT64_MAX;
	for (size_t i = 0; i < AREA; i += PAGE_LEAST)
		((volatile unsigned char *)shared)[i] = 1;
	return sys_now() - begin;
}

static uint64_t time_copy(unsigned char *to, const unsigned char *shared)
{
	uint64_t begin = sys_now();

	memcpy(to, shared, AREA);
	return sys_now() - begin;
}

static enum paging measure(void)
{
	uint64_t protection = UINT64_MAX, copy = UINT64_MAX;
	unsigned char *shared = sys_map_shared(AREA), *to = malloc(AREA);

	if (shared != NULL && to != NULL) {
		memset(shared, 1, AREA);
		memset(to, 1, AREA);
		for (int i = 0; i < TRIES; i++) {
			uint64_t ns = time_protection(shared);

			protection = MIN(protection, ns);
			ns = time_copy(to, shared);
			copy = MIN(copy, ns);
		}
	}
	free(to);
	sys_unmap(shared, AREA);
	return protection < copy ? PAGING_CHEAP : PAGING_DEAR;
}

/* Two threads that ask first at the same time both measure. */
bool paging_protects_cheaply(bool may_measure)
{
	enum paging known = atomic_load(&answer);

	if (known == PAGING_UNKNOWN && may_measure) {
		known = measure();
		atomic_store(&answer, known);
	}
	return known == PAGING_CHEAP;
}

void paging_assume(enum paging assumed)
{
	atomic_store(&answer, assumed);
}
