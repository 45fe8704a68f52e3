/*
 * spare.h - a spare worker, forked ahead of the order that will need it.
 *
 * Runs in: fork server.  Once the caller says so, a worker is forked ahead of
 * the next order.  The spare has the pipes, group and signals of a worker and
 * no place yet; it sleeps in a read of its task pipe, and the order for a
 * worker, written there, makes it that worker (spawn.c).
 *
 *	NONE --wanted, or one was hired--> DUE --fork--> WAITING
 *	 ^                                  |             |  |
 *	 +----- refused --------------------+---- died ---+  +-- order: a worker
 *
 * Easy to get wrong: while a spare waits no other process is forked, because
 * the next order takes the spare; so no other process inherits its pipe ends.
 * Before HIRE the spare is not in the table of children, and its death is not
 * reported to the caller.
 */
#ifndef SPARE_H
#define SPARE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/notice.h"

struct forkserver;

struct spare {
	bool wanted;		/* the caller wants a spare */
	uint64_t due_at;	/* when to fork it, if the loop is idle; NEVER:
				   it exists, is not wanted, or has failed */
	pid_t pid;		/* of the waiting spare; 0: none */
	int fds[NOTICE_FDS];	/* the caller's ends of its pipes, else -1 */
};

/* Initializes it: there is no spare, and none is wanted. */
void spare_init(struct spare *);

/* Starts or stops keeping a spare; to stop kills the present one. */
void spare_want(struct spare *, bool wanted);

/* Forks the spare if it is due.  After a failed fork there is none until the
   next worker is hired. */
void spare_fork(struct forkserver *);

/* Gets the worker of an order: the spare, or a process forked now.  Returns its
   pid and gives away the caller's ends of its pipes in fds; or -errno. */
pid_t spare_hire(struct forkserver *, const struct notice *order,
    int fds[NOTICE_FDS]);

/* Forgets the spare if it has that pid, of a child that has ended.  The caller
   reaps it. */
void spare_reaped(struct spare *, pid_t);

#endif
