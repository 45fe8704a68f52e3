/*
 * crash.h - a worker that crashes says where.
 *
 * Runs in: worker, inside a signal handler on a stack of its own: no heap, no
 * stdio, nothing that a broken program may have broken.  The text goes to the
 * slot, piece by piece, so that a second crash in here loses only the rest.
 * The process then dies of the signal as it would have, core file included.
 *
 * Easy to get wrong: a process forked in a hook has these handlers too, but
 * no slot.
 */
#ifndef CRASH_H
#define CRASH_H

#include "os/owner.h"
#include "shm/slot.h"

/* Where a crash is told.  Filled in by the worker. */
struct crash {
	struct slot *slot;	/* NULL: nowhere yet */
	const struct owner *owner;
};

/* Fork server, before it forks: signals that mean a crash, if their
   disposition is the default, will be caught in workers, and told as that
   says there, which must stay.  Left out where a sanitizer watches. */
void crash_prepare(const struct crash *);

#endif
