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

/* Waits once, until a time at most (ns of sys_now(); 0: does not wait), and
   does the work that is due.  Returns 0, or -errno; the next turn then goes
   on. */
int turn_run(struct engine *, uint64_t until);

/* The same for a function that has just read the clock. */
int turn_run_at(struct engine *, uint64_t now, uint64_t until);

/* Watches the descriptors that are to end a wait of the host's.  Returns the
   time at which a turn is due without any event: now, if it is due at once;
   NEVER. */
uint64_t turn_alarm(struct engine *, uint64_t now);

/* Blocks until the fork server has ended, or was silent for more than bound ns.
   Returns true if it is gone. */
bool turn_await_server(struct engine *, uint64_t bound);

#endif
