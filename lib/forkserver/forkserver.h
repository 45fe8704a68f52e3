/*
 * forkserver.h - the fork server: the process that forks every worker.
 *
 * Runs in: fork server, forked by vm_fork(), single-threaded, without heap.
 * It keeps the program as it was at that moment, so that replacements start
 * from the same state.  It alone signals and reaps workers.  It ends the pool
 * when the caller orders so, closes the socket, or is gone; and when the last
 * worker has left a pool that is closing.
 *
 *	VACANT --HIRE--> RUNNING --KILL--> DOOMED --200 ms--> KILLED
 *	   ^                |                 |                 | \
 *	   |                |                 |                 |  5 s: HELD
 *	   +---- DIED ------+-----------------+-----------------+
 *
 * It never blocks until a worker dies: a worker that SIGKILL does not end,
 * because the kernel holds it, is reported as HELD and the loop goes on.  Only
 * a fork, and the end of the pool, may take long; slots_busy() then tells the
 * caller so.
 *
 * Easy to get wrong: the socket gives no end-of-file while a child forked by
 * the host has a copy of the caller's end; the pidfd of the caller shows that
 * the caller is gone.
 */
#ifndef FORKSERVER_H
#define FORKSERVER_H

#include <stdint.h>
#include <sys/types.h>

#include "forkserver/spare.h"
#include "shm/slots.h"
#include "wire/notice.h"
#include "worker/plan.h"

/* State of the worker in a slot, as the fork server sees it. */
enum child_state {
	CHILD_VACANT,		/* no process */
	CHILD_RUNNING,
	CHILD_DOOMED,		/* SIGTERM sent; SIGKILL follows at due_at */
	CHILD_KILLED		/* SIGKILL sent; HELD follows at due_at */
};

struct child {
	enum child_state state;
	uint32_t generation;
	uint64_t due_at;
	pid_t group;		/* process group of the slot's last dead
				   worker while a child is in it, else 0 */
	/* Notices not yet sent, kind 0 if none: at most one of each. */
	struct notice arrival;	/* HIRED or REFUSED */
	struct notice death;	/* DIED, or before it HELD */
	int fds[NOTICE_FDS];	/* sent with arrival; -1: none */
};

/* State that the caller prepares before it forks the fork server. */
struct forkserver {
	int socket;		/* to the caller */
	int caller_fd;		/* pidfd of the caller, -1: none */
	int door;		/* listens for agents that join; -1: none */
	pid_t caller;
	struct plan *plan;
	struct slots slots;
	struct child *children;	/* array with an entry per slot */
	pid_t *pids;		/* array: pid of the worker in each slot, 0 if
				   none; apart, as each death searches it */
	bool behind;		/* some notice did not fit into the queue of
				   the socket */
	struct spare spare;
};

/* Serves orders until the pool ends, then exits.  vm_fork() has blocked all
   signals before the fork.  Keeps the pointer. */
_Noreturn void forkserver_main(struct forkserver *);

#endif
