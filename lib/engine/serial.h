/*
 * serial.h - VM_SERIAL: the whole pool in the caller, without processes.
 *
 * Runs in: caller.  Same books, same results; process() is called where the
 * others would dispatch.
 *
 * Easy to get wrong: a result frame must lie in a block, as if received.
 */
#ifndef SERIAL_H
#define SERIAL_H

#include <stdbool.h>

#include "worker/context.h"

struct engine;

struct serial {
	struct context *context; /* with VM_SERIAL: the only worker; else
				   NULL */
	bool up;		/* its setup has ended well */
};

/* Makes the one context: 0 or -ENOMEM. */
int serial_start(struct engine *);
/* Runs teardown if setup has run here, and frees it. */
void serial_stop(struct engine *, bool foreign);
/* Runs teardown if setup has run. */
void serial_tear_down(struct engine *);
/* Runs setup if it has not run: 0, or -ECHILD and words. */
int serial_ready(struct engine *);
/* Does the first waiting span, if any, here and now: 0 or -ENOMEM. */
int serial_run(struct engine *);

#endif
