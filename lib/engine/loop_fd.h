/*
 * loop_fd.h - the descriptor of a pool for the host's event loop.
 *
 * Runs in: caller.  The descriptor is the pool's epoll set.  A timer in it
 * stands for each clock of the pool; set to the past, it keeps the descriptor
 * readable while a call would hand out a result or do work.
 *
 * Easy to get wrong: the timer is of no use to a call that waits by itself, and
 * would end its wait: turn.c stops it before.
 */
#ifndef LOOP_FD_H
#define LOOP_FD_H

struct engine;

/* Returns the descriptor, or -errno.  From now on it follows the pool. */
int loop_fd_open(struct engine *);

/* Called at the end of a call of the host, which may have changed what is to be
   done: makes the descriptor readable now if a call would do anything, or else
   when the next clock is due.  r: the engine's result of the call, or 1. */
void loop_fd_follow(struct engine *, int r);

#endif
