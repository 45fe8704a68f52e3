/*
 * worker.h - all code that runs in a worker process, and only that.
 *
 * Runs in: worker, but for worker_prepare().  Called by the fork server right
 * after its fork; never returns.  The worker reads chunks from its task pipe,
 * takes their items by the lease words, calls the hooks, stages each result in
 * its ring and writes the ring to its result pipe when it has nothing else to
 * do, when a caller waits, or when the ring is full.
 *
 * Easy to get wrong: a process that the user forks inside a hook may come
 * back here; it must leave without touching pipes or slot.
 */
#ifndef WORKER_H
#define WORKER_H

#include <stdint.h>
#include <sys/types.h>

#include "shm/slots.h"
#include "worker/plan.h"

/* One worker's life, made by the fork server. */
struct worker_life {
	const struct plan *plan;
	struct slots slots;
	size_t which;		/* slot */
	int index;		/* vm_context.worker_index */
	uint32_t generation;
	pid_t parent;		/* the fork server, as it knows itself */
	int tasks;		/* read end, blocking */
	int results;		/* write end, blocking */
	int errors;		/* what stderr becomes; -1: it stays */
	int fds[5];		/* the fork server's own, to close; -1: none */
};

/* Fork server, before it forks: does once what each worker would do first. */
void worker_prepare(void);

/* In a new process: does what comes before it must have a place, that is what
   is the same for all; "which" and what follows from it need not be known. */
void worker_begin(struct worker_life *);

/* The whole life of a worker that has a place. */
_Noreturn void worker_main(const struct worker_life *);

#endif
