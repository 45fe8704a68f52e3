/*
 * exit.h - the ways out of a worker.
 *
 * Runs in: worker, but for exit_guard().  A worker is a copy of the host: what
 * the host registered for its own exit must not be run in it, and text in
 * other streams than stdout and stderr is the user's to flush.
 */
#ifndef EXIT_H
#define EXIT_H

/* Fork server, before it forks: an exit() in a hook will be as exit_leave():
   0, or not 0 where there is no memory for that.  Does not return if another
   thread of the host had the lock of exit handlers at the fork. */
int exit_guard(void);

/* Writes out what waits in stdout and stderr, and ends the process. */
_Noreturn void exit_leave(int status);

#endif
