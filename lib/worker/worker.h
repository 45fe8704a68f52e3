/*
 * worker.h - the main loop of a worker process.
 *
 * Runs in: worker, except worker_prepare().  Called by the fork server's child
 * right after the fork; never returns.  The worker reads chunks from its task
 * pipe, takes their items by the lease words, calls the hooks and stages each
 * result in its ring.  It writes the ring to its result pipe when it has
 * nothing else to do, when the caller waits, or when the ring is full.
 *
 * Easy to get wrong: a process that the user forks inside a hook may come
 * back here; it must exit without touching pipes or slot.
 */
#ifndef WORKER_H
#define WORKER_H

#include <stdint.h>
#include <sys/types.h>

#include "shm/slots.h"
#include "worker/plan.h"

/* Parameters of a worker, filled in by the fork server. */
struct worker_life {
	const struct plan *plan;
	struct slots slots;
	size_t which;		/* index of its slot */
	int index;		/* vm_context.worker_index */
	uint32_t generation;
	pid_t parent;		/* pid of the fork server, in its own pid
				   namespace */
	int tasks;		/* read end of the task pipe, blocking */
	int results;		/* write end of the result pipe, blocking */
	int door;		/* listens for agents that join; for links; -1:
				   none */
	int errors;		/* file that stderr is sent to; -1: none */
	int fds[5];		/* of the fork server, to close; -1: none */
};

/* Fork server, before it forks: does once the steps that are the same in all
   workers, which inherit the result.  May block on locks of the C library. */
void worker_prepare(void);

/* Worker, right after the fork: sets up the process group, descriptors and
   signals, which do not depend on a slot.  Fields that do ("which", index,
   generation) need not be set yet.  Exits if the fork server is gone. */
void worker_begin(struct worker_life *);

/* Runs a worker that has a slot until the caller stops it, or is gone. */
_Noreturn void worker_main(const struct worker_life *);

#endif
