/*
 * orphans.h - ending processes that workers have left behind.
 *
 * Runs in: fork server.  What a worker started and left behind becomes the fork
 * server's child (it is a subreaper), with its own children below it.  At the
 * end of the pool all are found in /proc and killed, their children in turn,
 * until there are none.  When a worker has died, those are killed that still
 * have its slot mapped: the next worker's pages must be nobody else's.
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

/* Kills every child of this process once.  Uses no heap. */
void orphans_kill(void);

/*
 * Kills the processes below this one that have the pages of that slot mapped,
 * its inputs included: true if there was any, which may take a moment to be
 * gone, and may have had children.  is_worker: tells which children may have
 * the pages.  A process that may not be looked at, as it has changed its user,
 * stays.  Uses no heap.
 */
bool orphans_evict(const struct slots *, size_t which,
    bool (*is_worker)(pid_t));

#endif
