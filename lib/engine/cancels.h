/*
 * cancels.h - which items are to be cancelled.
 *
 * Runs in: caller; agent, for the items of its own pool.  Pure.  cancel.h
 * carries it out.
 */
#ifndef CANCELS_H
#define CANCELS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An item to cancel. */
struct cancelled {
	uint64_t seq;		/* its number among all inputs */
	uint64_t told;		/* the link that was told: number of its host
				   and generation; 0: none */
};

struct cancels {
	atomic_uint asked;	/* bits: 1 if vm_cancel() is to be carried
				   out, and its argument shifted left by 1; any
				   thread and any signal handler may set it */
	struct cancelled *list;	/* owned */
	size_t count, room;
	uint64_t until;		/* vm_cancel() covers all items before that
				   number that had not begun */
	uint64_t ended;		/* the same, with those that ran */
	uint64_t back;		/* items before that number are to be given
				   back, see cancels_back(), */
	bool running;		/* and those that run are to be ended */
};

/* Adds an item to the list, once.  Returns 0 or -ENOMEM. */
int cancels_add(struct cancels *, uint64_t seq);

/* Is the item on the list? */
bool cancels_lists(const struct cancels *, uint64_t seq);

/* Is the item to be cancelled: on the list, or by vm_cancel()? */
bool cancels_has(const struct cancels *, uint64_t seq);

/* Has the next turn answer, as cancelled, the items before that number that
   have not begun; running: and those that run.  For an agent, inside its
   source. */
void cancels_back(struct cancels *, uint64_t before, bool running);

/* Frees the list. */
void cancels_release(struct cancels *);

#endif
