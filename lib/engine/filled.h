/*
 * filled.h - outputs that a worker has put into an array in shared memory.
 *
 * Runs in: caller.  The outputs of vm_map_array() are copied to its caller's
 * array, those of other pools to results.
 */
#ifndef FILLED_H
#define FILLED_H

#include <stdint.h>

struct engine;
struct member;

/* The items before number "next" in the oldest span of a member are done, and
   their outputs are in its array: takes them.  Returns 0; -ENOMEM and takes
   none; or -EPROTO if the span has no array or the number is invalid. */
int filled_take(struct engine *, struct member *, uint32_t next);

/* Outputs in the array of a worker that were not reported. */
struct filled {
	uint32_t ordinal;	/* of the chunk */
	uint32_t next;		/* number after the last of them; 0: none */
};

/* Returns which there are by a worker's slot.  To be asked before its ring is
   read, as a failed item has no output there. */
struct filled filled_look(const struct member *);

/* The ring was read: takes the outputs that were there before, unless frames
   are left unread.  Returns 1, 0 if there are none, or -ENOMEM. */
int filled_take_early(struct engine *, struct member *, struct filled);

/* Takes outputs that a dead worker put into its array without reporting them,
   when all its frames were read; unless its words cannot be trusted.  Returns 0
   or -ENOMEM. */
int filled_take_rest(struct engine *, struct member *);

#endif
