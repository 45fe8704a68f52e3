/*
 * cancel.h - giving up items: single ones, running or not, and all.
 *
 * Runs in: caller.  Who is to be given up is a number among all inputs read,
 * and stays on a list until it is answered: an item that waits is answered at
 * once, one that its worker has not taken is taken back first, and for one
 * that runs its worker is killed.  In between it may end, be tried again or
 * be put back by a death: the next look finds it there.
 *
 * Easy to get wrong: an item that a worker has taken and not begun, with
 * others, can neither be taken back nor be blamed.
 */
#ifndef CANCEL_H
#define CANCEL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct engine;

struct cancels {
	atomic_uint asked;	/* vm_cancel_with() is to be carried out: 1,
				   and above it the bits of its argument; any
				   thread may set it, and signal handlers */
	uint64_t *seq;		/* the list: numbers of items, */
	size_t count, room;
};

/* Carries out vm_cancel_with() if it was called: 0 or -ENOMEM. */
int cancel_asked(struct engine *);

/* The number of the first input read, and not answered, that has that index in
   a source with that tag; NEVER if there is none. */
uint64_t cancel_find(const struct engine *, const void *tag, uint64_t index);

/* Puts an item on the list: 0 or -ENOMEM. */
int cancel_add(struct engine *, uint64_t seq);

/* Carries out vm_cancel_with(): cancels all items that have not begun, and
   by the bits of how those unread or running: 0; -ENOMEM, and it is still to be
   done. */
int cancel_all(struct engine *, unsigned how);

/* Does what can be done for those on the list: 0; -ENOMEM, and the rest is
   still to be done. */
int cancel_run(struct engine *, uint64_t now);

/* When it is worth while again; NEVER if none is on the list. */
uint64_t cancel_alarm(const struct engine *, uint64_t now);

#endif
