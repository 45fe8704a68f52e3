/*
 * relay.h - the way from a command to the door of a pool on this machine.
 *
 * Runs in: relay, the process that ssh or the like starts for an agent that
 * joins from another machine.
 */
#ifndef RELAY_H
#define RELAY_H

/* Waits until a pool listens under that name or path, passes on all bytes
   between it and standard input and output, in both directions, and exits when
   either side has ended. */
_Noreturn void relay_run(const char *door);

#endif
