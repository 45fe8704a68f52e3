/*
 * window.h - what is in flight: spans that wait, the counts, the bounds.
 *
 * Runs in: caller.  Pure.  The one place where the in-flight limits are
 * decided (vimap's meaning): sent and unanswered at most max_real, that plus
 * results not taken at most max_total, both in chunks of the whole pool; and
 * the same bound in bytes, so that memory stays flat whatever the sizes.  A
 * chunk a worker passes all bounds: beyond the bytes such a chunk has one item.
 *
 * Easy to get wrong: the bounds stop the reading of inputs and the sending,
 * never the return of items; those were admitted before.
 */
#ifndef WINDOW_H
#define WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "items/span.h"

struct window {
	struct span *waiting;	/* by seq, lowest first */
	struct span *near;	/* put there last; NULL: it has left */
	struct span *paused;	/* by due_at, earliest first */
	struct span *paused_end; /* the last of them; NULL: it has left */
	size_t max_real;	/* spans sent */
	size_t max_total;	/* chunks with anything untaken */
	size_t max_bytes;
	size_t least;		/* chunks that may be there whatever they have,
				   1 at least */
	size_t nsent;		/* spans in state SENT */
	size_t nwaiting;	/* spans in state WAITING */
	size_t nchunks;		/* chunks with anything untaken */
	size_t bytes;		/* their charge */
	size_t result_bytes;	/* held in ANSWERED spans */
};

/* An empty one with those bounds. */
void window_init(struct window *, size_t max_real, size_t max_total,
    size_t max_bytes);

/* Changes the bounds in chunks; what is admitted stays. */
void window_limit(struct window *, size_t max_real, size_t max_total);

/* Changes the bound in bytes, and the number of chunks that pass it: with one
   a worker, none is without an item for want of room. */
void window_bound(struct window *, size_t max_bytes, size_t least);

/* Frees what waits. */
void window_release(struct window *);

/* May another chunk be read? */
bool window_room(const struct window *);

/* Bytes the next chunk may have without passing the bound. */
size_t window_bytes_left(const struct window *);

/* May another span be sent? */
bool window_may_send(const struct window *);

/* Are results held beyond the bound, so that reading must be choosy? */
bool window_full_of_results(const struct window *);

/* Takes a full chunk in: its items wait.  0, or -ENOMEM and it is not in. */
int window_admit(struct window *, struct chunk *);

/* Moves a span to a state, keeping the counts; the only function that does.
   A span that is to wait goes to its place by seq, one that pauses to its
   place by due_at. */
void window_move(struct window *, struct span *, enum span_state);

/* What is due by now waits again. */
void window_wake(struct window *, uint64_t now);

/* When the next one is due; NEVER if none pauses. */
uint64_t window_due(const struct window *);

/* So many items of an answered span were handed to the caller. */
void window_taken(struct window *, struct span *, uint32_t items);

/* Frees an answered span whose items were all handed out. */
void window_free(struct window *, struct span *);

#endif
