/*
 * window.h - the chunks in flight: queues of spans, counts and bounds.
 *
 * Runs in: caller.  Pure.  The only place where the in-flight limits are
 * decided, with the meaning they have in vimap.  At most max_real spans of the
 * whole pool are sent and unanswered; at most max_total chunks have items not
 * taken.  The bytes of chunks and results are bounded too, so that memory stays
 * flat whatever the sizes.  A chunk per worker is exempt from the bounds;
 * beyond the bound in bytes such a chunk has a single item.
 *
 * Easy to get wrong: the bounds cause back-pressure on reading and sending,
 * never on a requeue; requeued items were admitted before.
 */
#ifndef WINDOW_H
#define WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "items/span.h"

/* Charge of all chunks, in bytes, from which on fewer pushed inputs wait. */
#define WINDOW_PUSHED ((size_t)512 * 1024)

struct window {
	struct span *waiting;	/* queue by seq, lowest first */
	struct span *near;	/* the last span put there; NULL: it has left */
	struct span *paused;	/* queue by due_at, earliest first */
	struct span *paused_end; /* the last of them; NULL: it has left */
	size_t max_real;	/* spans sent */
	size_t max_total;	/* chunks with an item not taken */
	size_t max_bytes;	/* as of now: most_bytes, or less while items
				   are small */
	size_t most_bytes;
	size_t usual_bytes;	/* enough for small items */
	size_t input_bytes;	/* charge of an input, averaged over chunks */
	size_t output_bytes;	/* bytes of a result, averaged over spans */
	size_t least;		/* chunks exempt from the other bounds, 1 at
				   least */
	size_t nsent;		/* spans in state SENT */
	size_t nwaiting;	/* spans in state WAITING */
	size_t nchunks;		/* chunks with an item not taken */
	size_t bytes;		/* charge of those chunks */
	size_t result_bytes;	/* held in ANSWERED spans */
	/* The most there have been, of */
	size_t peak_sent;	/* spans in state SENT when another was sent, */
	size_t peak_chunks;	/* chunks with an item not taken, */
	size_t peak_bytes;	/* bytes and result_bytes together */
};

/* Initializes an empty window with those bounds. */
void window_init(struct window *, size_t max_real, size_t max_total,
    size_t max_bytes);

/* Changes the bounds in chunks; admitted chunks stay. */
void window_limit(struct window *, size_t max_real, size_t max_total);

/*
 * Changes the bound in bytes, and the number of chunks exempt from it: with a
 * chunk per worker, no worker lacks an item because of the bound.  The bound is
 * "usual", or bytes for ITEMS_AHEAD items per worker if that is more, "most" at
 * most: many workers need no more bytes of small items than few.
 */
void window_bound(struct window *, size_t usual, size_t most, size_t least);

/* Frees the spans in both queues. */
void window_release(struct window *);

/* May another chunk be read? */
bool window_room(const struct window *);

/* May another chunk of pushed inputs be filled?  Once the chunks are large,
   no more wait to be sent than may be sent: more would only leave the caches of
   the CPU; with fewer, workers run out of items while the program takes
   results. */
bool window_room_pushed(const struct window *);

/* Returns the bytes left below the bound for the next chunk. */
size_t window_bytes_left(const struct window *);

/* May another span be sent? */
bool window_may_send(const struct window *);

/* Do the results held reach the bound, so that reading from workers must be
   limited? */
bool window_full_of_results(const struct window *);

/* Admits a full chunk: its items are queued as a WAITING span, which takes a
   reference.  Returns 0, or -ENOMEM and leaves the window unchanged. */
int window_admit(struct window *, struct chunk *);

/* Moves a span to a state and updates the counts; the only function that does.
   A WAITING span is queued by seq, a PAUSED span by due_at. */
void window_move(struct window *, struct span *, enum span_state);

/* Requeues the spans whose pause has ended at time now. */
void window_wake(struct window *, uint64_t now);

/* Returns the time at which the next pause ends; NEVER if there is none. */
uint64_t window_due(const struct window *);

/* Records that items of an answered span were handed to the caller. */
void window_taken(struct window *, struct span *, uint32_t items);

/* Frees an answered span, and its bytes in the count; NULL is fine. */
void window_free(struct window *, struct span *);

#endif
