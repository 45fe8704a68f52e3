/*
 * span.h - consecutive items of a chunk that have the same fate.
 *
 * Runs in: caller.  Pure.  What is sent, answered, put back or taken is
 * always a span; nothing of the chunk is copied when a span is cut in two.
 *
 *	              admit
 *	                |
 *	                v      dispatch           settle
 *	   +------> WAITING ----------> SENT ----------------> ANSWERED -> taken
 *	   |          ^ |                | |                      ^
 *	   |          | |  cancel, lose  | | bury: the guilty     |
 *	   |          | +----------------|-+----------------------+
 *	   |     wake |                  |   another attempt, later
 *	   |        PAUSED <-------------+
 *	   +-----------------------------+
 *	     putback: worker died, items taken back, or another attempt
 *
 * Only window_move() changes the state.  Easy to get wrong: a SENT span
 * shrinks from the front as its results arrive; first, count and at always
 * describe what is left.
 */
#ifndef SPAN_H
#define SPAN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "items/chunk.h"
#include "items/evidence.h"
#include "vimap.h"
#include "wire/channel.h"
#include "wire/frame.h"
#include "wire/rxbuf.h"

enum span_state {
	SPAN_NEW,		/* in nobody's books yet */
	SPAN_WAITING,		/* for a worker */
	SPAN_PAUSED,		/* for the time of its next attempt */
	SPAN_SENT,		/* leased to a worker, which may be at it */
	SPAN_ANSWERED,		/* for the caller to take */
	SPAN_SPENT		/* all its items have moved out of it */
};

/* Why items have no output, when it was not their process() that said so. */
struct outcome {
	enum vm_cause cause;	/* 0: look at the frames in the block */
	int signal;
	int exit_status;	/* -1: did not exit */
	int core_dumped;
	int out_of_memory;	/* the kernel counted such a kill */
	bool stopped;		/* CANCELLED: while it ran */
	pid_t pid;		/* 0: no worker */
	uint64_t max_rss;
	uint64_t wall_ns;	/* of the attempt; 0: not measured */
	uint64_t cpu_ns;
};

struct span {
	struct span *next;	/* in whatever list it is on */
	struct span *child;	/* in the heap of ordered results */
	struct chunk *chunk;	/* one reference */
	uint32_t first;		/* number of its first item in the chunk */
	uint32_t count;
	size_t at;		/* offset of the first item in the chunk */
	enum span_state state;
	int attempt;		/* the how manieth is waited for or under way,
				   or was the last; 0: never begun */
	uint64_t due_at;	/* when PAUSED: when it may wait again */
	int suspicion;		/* workers that died with it, not in it */
	bool alone;		/* its items travel alone, for one of them did
				   harm and it was not clear which */
	int worker_index;	/* whose it is or was last; -1: nobody's */

	/* SENT */
	uint32_t ordinal;	/* the worker's how manieth chunk */
	uint32_t limit;		/* what its lease word must have as limit */
	uint32_t sent_count;	/* items it was sent with; for the pace */
	uint16_t stride;	/* its worker takes so many at once */
	bool report;		/* and writes its results out when it is done */
	bool awaited;		/* nothing else is on its way */
	bool in_place;		/* it finds them in its payload area */
	size_t sent_bytes;	/* on their way to the worker */
	uint64_t sent_until;	/* channel_sent() when all of it is out */
	uint64_t sent_at;	/* in ns; for the pace */
	uint64_t finished;	/* items its worker had finished by then */
	struct region *outputs;	/* for an array of its outputs; NULL: none */
	uint32_t outputs_first;	/* number of the item that begins it */
	unsigned char head[80];	/* the CHUNK frame, while it is sent */

	/* ANSWERED */
	struct rxbuf *rxbuf;	/* one reference; NULL if outcome.cause */
	size_t output_at;	/* offset of the first result frame in it */
	struct region *region;	/* or its only output is in this one, owned */
	unsigned char *output;	/* if so: there, and */
	size_t output_size;	/* its size */
	size_t bytes;		/* of results it holds */
	struct outcome outcome;
	struct evidence *evidence; /* owned; NULL: none */
};

/* An empty one, or NULL.  freelist: where to look for one, or NULL. */
struct span *span_new(struct freelist *);

/* Makes an empty one stand for those items of a chunk, with a reference to
   it. */
struct span *span_set(struct span *, struct chunk *, uint32_t first,
    uint32_t count, size_t at);

/* Lets go of its chunk and block, and gives it to the chunk's freelist; NULL is
   fine. */
void span_free(struct span *);

/* Number among all items read of its first item. */
uint64_t span_seq(const struct span *);

/* Must its items travel alone? */
bool span_is_suspect(const struct span *);

/* Cuts off the front: items move out of the span.  It may become empty. */
void span_advance(struct span *, uint32_t items);

/* A new span for the last items, from number "from" of the chunk on, which
   leave this one.  Same history; NULL: no memory, nothing changed. */
struct span *span_cut(struct span *, uint32_t from);

/* Gives it a place for an array of its outputs, if they have a size and the
   area has room: the first lies as behind a frame's head, the others behind
   it. */
void span_place_outputs(struct span *, struct arena *, size_t element);

/* Where in the area that of an item of it is; it has such a place. */
size_t span_output_offset(const struct span *, uint32_t item,
    size_t element);

/* Gives the place back, if it has one. */
void span_displace_outputs(struct span *);

/* Writes the CHUNK frame for it into span->head. */
void span_write_head(struct span *);

/* In how many parts it is sent; and queues them: the CHUNK frame, and what the
   worker does not have of the items. */
size_t span_parts(const struct span *);
void span_send(struct span *, struct channel *);

#endif
