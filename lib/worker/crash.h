/*
 * crash.h - a worker that crashes reports the signal and its stack.
 *
 * Runs in: worker, in a signal handler on a stack of its own: no heap, no
 * stdio, no data that a broken program may have spoiled.  The text goes to the
 * slot line by line, so that a second crash in the handler loses only the
 * rest.  The process then dies of the signal as it would have, core file
 * included.
 *
 * Easy to get wrong: a process forked in a hook has these handlers too, but
 * no slot.
 */
#ifndef CRASH_H
#define CRASH_H

#include "os/owner.h"
#include "shm/slot.h"

/* Destination of the report.  Filled in by the worker. */
struct crash {
	struct slot *slot;	/* NULL: none yet */
	const struct owner *owner;
};

/* Fork server, before it forks: makes workers catch the signals of a crash
   whose disposition is the default, and report as the struct says.  Keeps the
   pointer.  Does nothing where a sanitizer handles crashes. */
void crash_prepare(const struct crash *);

#endif
