/*
 * orphans.h - killing the processes that workers leave behind.
 *
 * Runs in: fork server.  A process that a worker started and left behind
 * becomes a child of the fork server (a subreaper), and keeps its own children.
 * At the end of the pool all children are found in /proc and killed, then the
 * children they left, until there are none.  When a worker has died, processes
 * that still map its slot are killed: only the next worker may have that shared
 * memory.
 *
 * Easy to get wrong: /proc may show another pid namespace; then its numbers
 * are not ours and must not be signalled.  Without a /proc of ours only the
 * workers' process groups are killed.
 */
#ifndef ORPHANS_H
#define ORPHANS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "shm/slots.h"

/* Sends SIGKILL once to every child of this process.  Uses no heap. */
void orphans_kill(void);

/*
 * Kills the descendants of this process that map the shared memory of that slot
 * or of its inputs.  The callback is_worker() is true for children that may map
 * it; they and their descendants are skipped.  Returns true if it found any:
 * they take a moment to die and may have left children.  A process whose map
 * cannot be read, because it changed its user, stays.  Uses no heap.
 */
bool orphans_evict(const struct slots *, size_t which,
    bool (*is_worker)(pid_t));

#endif
