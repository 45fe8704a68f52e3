/*
 * paging.h - the cost of write-protecting pages, measured once a process.
 *
 * Runs in: caller.  A large output is read in place only if its pages are
 * write-protected first; else it is copied.  Which is cheaper depends on the
 * machine: under a hypervisor that keeps page tables of its own, protecting
 * 256 KiB takes 20 times as long as copying them; elsewhere a part of it.
 */
#ifndef PAGING_H
#define PAGING_H

#include <stdbool.h>

/* Is it cheaper to write-protect pages, and later to make them writable again,
   than to copy them?  The first call with may_measure takes 0.2 to 3 ms and
   touches 256 KiB twice; the answer is false without such a call, or if the
   memory cannot be had.  Any thread may call it. */
bool paging_protects_cheaply(bool may_measure);

enum paging { PAGING_UNKNOWN, PAGING_CHEAP, PAGING_DEAR };

/* Sets the answer, for tests of each. */
void paging_assume(enum paging);

#endif
