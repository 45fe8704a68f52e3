/*
 * serial.h - VM_SERIAL: the whole pool in the caller, without processes.
 *
 * Runs in: caller.  The window and the results queue are the same; process()
 * runs where other pools dispatch.
 *
 * Easy to get wrong: a result frame must lie in a buffer of its own, as if
 * received.
 */
#ifndef SERIAL_H
#define SERIAL_H

#include <stdbool.h>

#include "worker/context.h"

struct engine;

struct serial {
	struct context *context; /* with VM_SERIAL: the only worker's; else
				   NULL */
	bool up;		/* its setup has succeeded */
};

/* Allocates the only context.  Returns 0 or -ENOMEM. */
int serial_start(struct engine *);
/* Runs teardown if setup has run, unless foreign; frees the context. */
void serial_stop(struct engine *, bool foreign);
/* Runs teardown if setup has run. */
void serial_tear_down(struct engine *);
/* Runs setup if it has not run.  Returns 0; -ECHILD if setup fails, now or
   before, which breaks the pool; -EPIPE if the pool is broken for another
   reason; both with the error text. */
int serial_ready(struct engine *);
/* Runs process() for the first item of the first waiting span, if there is any.
   Returns 0 or -errno. */
int serial_run(struct engine *);

#endif
