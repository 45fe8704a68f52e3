/*
 * paging.h - the cost of write-protecting pages, measured once a process.
 *
 * Runs in: caller.  A large output is read in place only if its pages are
 * write-protected first; else it is copied.  Which is cheaper depends on the
 * machine: under a hypervisor that keeps page tables of its own, protecting
 * 256 KiB takes 20 times as long as copying them; elsewhere a part of it.
 *
 * Easy to get wrong: to time a copy of bytes that are in the cache of this CPU.
 * An output comes from the cache of another one, or from memory.
 */
#ifndef PAGING_H
#define PAGING_H

#include <stdbool.h>
#include <stddef.h>

/* Is it cheaper to write-protect pages, and later to make them writable again,
   than to copy them?  sample: an output that another process has just written,
   of 64 KiB or more; or NULL.  The first call with a sample reads up to 1 MiB
   of it, touches as much memory and takes 0.2 to 12 ms; the answer is false
   without such a call, or if the memory cannot be had.  Any thread may call
   it. */
bool paging_protects_cheaply(const unsigned char *sample, size_t size);

enum paging { PAGING_UNKNOWN, PAGING_CHEAP, PAGING_DEAR };

/* Sets the answer, for tests of each. */
void paging_assume(enum paging);

#endif
