/*
 * forkserver.h - the fork server: the process that forks every worker.
 *
 * Runs in: fork server, forked by vm_fork(), single-threaded, without heap.
 * It keeps the program as it was at that moment, so that replacements start
 * from the same state.  It alone signals and reaps workers, and it ends the
 * pool when the caller says so, closes the socket, or is gone.
 *
 *	VACANT --HIRE--> RUNNING --KILL--> DOOMED --200 ms--> KILLED
 *	   ^                |                 |                 | \
 *	   |                |                 |                 |  5 s: HELD
 *	   +---- DIED ------+-----------------+-----------------+
 *
 * It waits for no worker: one that does not die, as the kernel holds it, is
 * told of, and the rest goes on.  What else may take long is a fork, and its
 * own end: then slots_busy() says so to the caller.
 *
 * Easy to get wrong: end-of-file on the socket proves nothing while a child
 * of the host's own fork has a copy; the pidfd of the caller does.
 */
#ifndef FORKSERVER_H
#define FORKSERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "forkserver/spare.h"
#include "shm/slots.h"
#include "wire/notice.h"
#include "worker/plan.h"

/* What the fork server knows of the worker in a slot. */
enum hand_state {
	HAND_VACANT,		/* no process */
	HAND_RUNNING,
	HAND_DOOMED,		/* told to end; KILL follows at due_at */
	HAND_KILLED		/* HELD follows at due_at */
};

struct child {
	enum hand_state state;
	uint32_t generation;
	uint64_t due_at;
	pid_t group;		/* of the last one, while there is anything
				   left of it; else 0 */
	/* News not yet sent, kind 0 if none: at most one of each. */
	struct notice arrival;	/* HIRED or REFUSED */
	struct notice death;	/* DIED or, before, HELD */
	int fds[NOTICE_FDS];	/* go with arrival */
};

/* All it starts with, prepared by the caller before the fork. */
struct forkserver {
	int socket;		/* to the caller */
	int caller_fd;		/* pidfd of the caller, -1: none */
	pid_t caller;
	struct plan *plan;
	struct slots slots;
	struct child *children;	/* one a slot */
	pid_t *pids;		/* of the worker in each slot; 0: none.  By
				   themselves, for they are searched */
	bool behind;		/* some news would not go yet */
	struct spare spare;
};

/* Runs until the pool ends, signals blocked by the caller before. */
_Noreturn void forkserver_main(struct forkserver *);

#endif
