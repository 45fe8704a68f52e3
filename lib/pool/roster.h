/*
 * roster.h - which members a turn has to do with: lists and counts of them.
 *
 * Runs in: caller.  A pool may have a thousand workers, of which few have
 * anything to do with a turn; so nobody goes through all of them to find
 * these.  The roster follows from what the members are, and from nothing
 * else: whoever changes that has them booked again.
 *
 *	by state	each member of the crew is in one of these
 *	room		may have another chunk, by how many it has; who joined
 *			last is first: its caches are warm
 *	busy		have chunks
 *	fresh, full	have bytes to send; not yet tried, or waiting for room
 *			in the pipe
 *	out		are to be told to stop
 *
 * Easy to get wrong: a change of anything that a list goes by, in
 * roster.c, without booking it.
 */
#ifndef ROSTER_H
#define ROSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "shm/slot.h"

struct crew;
struct member;

/* So many states a member may be in. */
#define MEMBER_STATES 7

/* A member is in one list of each kind at most. */
enum roster_kind { IN_STATE, IN_ROOM, IN_BUSY, IN_SENDING, IN_OUT,
	ROSTER_KINDS };

struct list {
	struct member *first, *last;
};

/* In a member: its neighbours; no list, no neighbours. */
struct link {
	struct list *list;
	struct member *next, *prev;
};

/* What is counted of members. */
enum trait {
	TRAIT_HOPED,		/* wanted, and not given up */
	TRAIT_COMING,		/* of these: not at work, or to leave */
	TRAIT_UNBORN,		/* wanted, and never yet forked */
	TRAIT_UNTRIED,		/* wanted, no setup has ended there yet */
	TRAIT_MISFIT,		/* the first setup there has failed */
	TRAIT_STARTING,		/* in setup */
	TRAIT_STOPPING,		/* at work, and told to stop */
	TRAIT_EXTRA,		/* not wanted, and has chunks */
	TRAITS
};

struct roster {
	struct list state[MEMBER_STATES];
	struct list room[SLOT_LEASES];
	struct list busy;
	struct list fresh, full;
	struct list out;
	size_t having[TRAITS];
};

/* A member of the crew has changed: puts it where it belongs now. */
void roster_book(struct crew *, struct member *);

/* The same if it has only got or lost items; if only bytes to send. */
void roster_book_load(struct crew *, struct member *);
void roster_book_sending(struct crew *, struct member *);

/* How many more items a member may have before its worker is replaced
   (max_items); UINT32_MAX at most, 0: none. */
uint32_t roster_grantable(const struct crew *, const struct member *);

/* The next in its list of that kind. */
struct member *roster_next(const struct member *, enum roster_kind);

/* Does every list and count say what the members are?  For tests. */
bool roster_is_right(struct crew *);

#endif
