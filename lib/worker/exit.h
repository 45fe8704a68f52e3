/*
 * exit.h - how a worker exits.
 *
 * Runs in: worker, except exit_guard().  A worker is a copy of the host: exit
 * handlers that the host registered must not run in it, and text in streams
 * other than stdout and stderr is the user's to flush.
 */
#ifndef EXIT_H
#define EXIT_H

struct slot;

/* Fork server, before it forks: makes an exit() in a hook act as exit_leave().
   Returns 0, or nonzero if there is no memory.  Blocks for ever if another
   thread of the host had the lock of exit handlers at the fork. */
int exit_guard(void);

/* Worker: has an exit() or quick_exit() whose status the C library does not
   tell noted in the slot. */
void exit_note(struct slot *);

/* Writes out the buffers of stdout and stderr and ends the process. */
_Noreturn void exit_leave(int status);

/* Ends the worker without a message to the caller, which is gone, or cannot
   trust this process any more. */
_Noreturn void exit_give_up(void);

#endif
