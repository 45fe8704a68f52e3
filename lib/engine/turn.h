/*
 * turn.h - a turn of a pool: the work that is due, and the only wait.
 *
 * Runs in: caller.
 */
#ifndef TURN_H
#define TURN_H

#include <stdbool.h>
#include <stdint.h>

struct engine;

/* Waits once, until a time at most (ns of sys_now(); 0: does not wait, there is
   other work), and does the work that is due then.  Returns 0; -errno, and the
   next turn goes on. */
int turn_run(struct engine *, uint64_t until);

/* The same for a caller that has just read the clock. */
int turn_run_at(struct engine *, uint64_t now, uint64_t until);

/* Blocks until the fork server has ended, at most bound ns: true when it is
   gone. */
bool turn_await_server(struct engine *, uint64_t bound);

#endif
