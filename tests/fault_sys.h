/*
 * fault_sys.h - the failing twin of lib/sys.c and sysproc.c.
 *
 * Linked in their place, it makes the n-th call of one kind fail, in this
 * process or in those it forks, and counts that it did.  The plan lies in a
 * page that all of them share.
 */
#ifndef TESTS_FAULT_SYS_H
#define TESTS_FAULT_SYS_H

enum fault_kind {
	FAULT_NONE, FAULT_OPEN, FAULT_REOPEN, FAULT_PIPE, FAULT_SOCKETPAIR,
	FAULT_EVENTFD, FAULT_NONBLOCK, FAULT_SEND, FAULT_RECEIVE,
	FAULT_LOST_FDS, FAULT_FORK, FAULT_PIDFD_OPEN, FAULT_MAP_SHARED,
	FAULT_MAP_PRIVATE, FAULT_WIPE_ON_FORK, FAULT_READ, FAULT_WRITE,
	FAULT_WRITEV, FAULT_POLL
};

enum fault_where { FAULT_HERE, FAULT_IN_CHILDREN, FAULT_ANYWHERE };

/* From now on the n-th call (from 1) of a kind fails with an errno number,
   and "times" more after it.  Forgets any plan before. */
void fault_plan(enum fault_kind, int nth, int times, int error,
    enum fault_where);

/* How many calls have failed by the plan. */
int fault_hits(void);

/* The n-th allocation of this process (malloc, calloc, realloc) fails; 0:
   none.  Programs that use it are linked with --wrap for the three. */
void fault_malloc(int nth);

/* They count, and fail, only while this is on. */
void fault_malloc_on(int on);

/* Has it failed? */
int fault_malloc_hit(void);

#endif
