/*
 * roster.h - lists and counts of the members that a turn has to visit.
 *
 * Runs in: caller.  A pool may have a thousand workers, of which a turn
 * concerns few; the lists spare a search through all of them.  The roster
 * depends on the members' fields only: code that changes such a field must book
 * the member again.
 *
 *	by state	each member of the crew is in one of these lists
 *	room		may have another chunk, by the number it has; the last
 *			to join is first, as its caches are warm
 *	busy		have chunks
 *	fresh, full	have bytes to send; not yet tried, or waiting for room
 *			in the pipe
 *	out		are to be told to stop
 *
 * Easy to get wrong: to change a field that list_for() or traits() in roster.c
 * reads, without booking the member.
 */
#ifndef ROSTER_H
#define ROSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/slot.h"

struct crew;
struct member;

/* Number of states of a member. */
#define MEMBER_STATES 7

/* A member is in at most one list of each kind. */
enum roster_kind { IN_STATE, IN_ROOM, IN_BUSY, IN_SENDING, IN_OUT,
	ROSTER_KINDS };

struct list {
	struct member *first, *last;
};

/* Links of a member in a list; all NULL if it is in no list of the kind. */
struct link {
	struct list *list;
	struct member *next, *prev;
};

/* Traits whose members are counted. */
enum trait {
	TRAIT_HOPED,		/* wanted, and not given up */
	TRAIT_LINK,		/* of these: links */
	TRAIT_COMING,		/* hoped: not at work yet, or told to stop */
	TRAIT_UNBORN,		/* wanted here, or a door, and never yet
				   forked */
	TRAIT_UNTRIED,		/* wanted, and the first setup has not ended */
	TRAIT_MISFIT,		/* the first setup has failed */
	TRAIT_STARTING,		/* in setup */
	TRAIT_CONNECTING,	/* links that are ordered or in setup */
	TRAIT_READY,		/* at work */
	TRAIT_STOPPING,		/* at work, and told to stop */
	TRAIT_EXTRA,		/* not wanted, and has chunks */
	TRAITS
};

struct roster {
	struct list state[MEMBER_STATES];
	struct list room[SLOT_LEASES];
	struct list busy;
	size_t nbusy;		/* length of busy */
	struct list fresh, full;
	struct list out;
	size_t having[TRAITS];
};

/* Moves a changed member to the lists it belongs in, and updates the counts. */
void roster_book(struct crew *, struct member *);

/* Cheaper versions: after a change of its leases only; of its bytes to send
   only. */
void roster_book_load(struct crew *, struct member *);
void roster_book_sending(struct crew *, struct member *);

/* Returns the number of items that the member may still be leased before its
   worker is replaced (max_items); UINT32_MAX at most. */
uint32_t roster_grantable(const struct crew *, const struct member *);

/* Returns the next member in its list of that kind, or NULL. */
struct member *roster_next(const struct member *, enum roster_kind);

/* Do all lists and counts agree with the members?  For tests. */
bool roster_is_right(struct crew *);

#endif
