/*
 * spare.h - the next worker, forked before it is missed.
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
 * Easy to get wrong: while one waits nothing else is forked, as the next order
 * takes it; so nobody has copies of its ends.  Until an order it is not in the
 * table of children: its death is told to nobody.
 */
#ifndef SPARE_H
#define SPARE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/notice.h"

struct forkserver;

struct spare {
	bool wanted;		/* one is to be kept */
	uint64_t due_at;	/* when one is to be forked, if nothing else is
				   to be done; NEVER: there is, or it failed */
	pid_t pid;		/* of the one that waits; 0: none */
	int fds[NOTICE_FDS];	/* the caller's ends of its pipes */
};

/* There is none, and none is wanted. */
void spare_init(struct spare *);

/* From now on one is kept; or none, and the one there is is killed. */
void spare_want(struct spare *, bool wanted);

/* Forks it if it is due.  If that fails, there is none until the next worker
   is hired. */
void spare_fork(struct forkserver *);

/* The worker of an order: the spare, or forked now.  Its pid, and the caller's
   ends of its pipes; or -errno. */
pid_t spare_hire(struct forkserver *, const struct notice *order,
    int fds[NOTICE_FDS]);

/* A child outside the table has ended, and is reaped: it may be the spare. */
void spare_bury(struct spare *, pid_t);

#endif
