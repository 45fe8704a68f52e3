/*
 * span.h - consecutive items of a chunk in the same state.
 *
 * Runs in: caller.  Pure.  Items are sent, answered, requeued and taken in
 * spans; cutting a span in two copies nothing of the chunk.
 *
 *	              admit
 *	                |
 *	                v      dispatch           settle
 *	   +------> WAITING ----------> SENT ----------------> ANSWERED -> taken
 *	   |          ^ |                | |                      ^
 *	   |          | |  cancel, lose  | | death: item blamed   |
 *	   |          | +----------------|-+----------------------+
 *	   |     wake |                  |   another attempt, later
 *	   |        PAUSED <-------------+
 *	   +-----------------------------+
 *	     requeue: worker died, items taken back, or another attempt
 *
 * Only window_move() changes the state.  Easy to get wrong: a SENT span
 * shrinks from the front as its results arrive; first, count and at always
 * describe the items left in it.
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
	SPAN_NEW,		/* not yet counted by the window */
	SPAN_WAITING,		/* for a worker */
	SPAN_PAUSED,		/* for the time of its next attempt */
	SPAN_SENT,		/* leased to a worker, which may run it */
	SPAN_ANSWERED,		/* for the caller to take */
	SPAN_SPENT		/* all its items have moved to other spans */
};

/* Why items have no output, unless process() failed. */
struct outcome {
	enum vm_cause cause;	/* 0: see the frames in rxbuf */
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
	struct span *next;	/* in the list or queue it is on */
	struct span *child;	/* in the heap of ordered results */
	struct chunk *chunk;	/* holds one reference */
	uint32_t first;		/* number of its first item in the chunk */
	uint32_t count;
	size_t at;		/* offset of the first item in the chunk */
	enum span_state state;
	int attempt;		/* number of the attempt waited for, under way
				   or last; 0: never begun */
	uint64_t due_at;	/* PAUSED: end of the pause, ns */
	int suspicion;		/* workers in a row that died with it in front,
				   not begun */
	int losses;		/* machines that were lost while it was there */
	bool alone;		/* its items are sent singly: an item did harm,
				   and it was not clear which */
	int worker_index;	/* of its present or last worker; -1: none */
	int host;		/* likewise: number of its machine; 0: this */

	/* SENT */
	uint32_t ordinal;	/* its number among its worker's leases */
	uint32_t limit;		/* the limit its lease word must have */
	uint32_t sent_count;	/* items it was sent with, for the sizer, */
	uint32_t sent_first;	/* and the number of the first of them */
	uint16_t stride;	/* items its worker takes at once */
	bool report;		/* its worker flushes at the span's end */
	bool awaited;		/* nothing else is in flight */
	bool away;		/* a link has shipped all its items: they are
				   leased no longer */
	bool in_place;		/* items lie in its worker's payload area */
	size_t sent_bytes;	/* bytes queued for the worker */
	uint64_t sent_until;	/* channel_sent() when all of it is out */
	uint64_t sent_at;	/* ns, for the sizer */
	uint64_t finished;	/* items its worker had finished by then */
	uint64_t shipped;	/* items its link has shipped before the item
				   sent_first */
	struct region *copy;	/* for a copy of its inputs; NULL: none */
	uint64_t copy_at;	/* offset of the first in its worker's half */
	struct region *outputs;	/* for an array of its outputs; NULL: none */
	uint32_t outputs_first;	/* number of the first item of that array */
	size_t element;		/* bytes of such an output, and */
	size_t step;		/* from one to the next */
	bool in_slot;		/* it is among the slot's arrays */
	unsigned char head[80];	/* buffer of the CHUNK frame, while sent */

	/* ANSWERED */
	struct rxbuf *rxbuf;	/* buffer with its results, holds a reference;
				   NULL: see outcome.cause and region */
	size_t output_at;	/* offset of the first result frame in it */
	struct region *region;	/* holds its only output instead; owned */
	unsigned char *output;	/* pointer to that output */
	size_t output_size;	/* bytes */
	size_t bytes;		/* of results it holds */
	bool alike;		/* these are outputs of one size */
	bool ended;		/* and the byte behind each is 0 */
	struct outcome outcome;
	struct evidence *evidence; /* owned; NULL: none */
};

/* Returns an empty span, or NULL without memory.  freelist: where to look for
   it first, or NULL. */
struct span *span_new(struct freelist *);

/* Makes an empty span refer to items of a chunk; takes a reference to it.
   Returns the span. */
struct span *span_set(struct span *, struct chunk *, uint32_t first,
    uint32_t count, size_t at);

/* Drops its references and regions and puts it on the chunk's freelist; NULL is
   fine. */
void span_free(struct span *);

/* Returns the number of its first item among all items read. */
uint64_t span_seq(const struct span *);

/* May the worker of a sent span hold back results while it runs others? */
bool span_is_kept(const struct span *);

/* Returns the number of items of a sent span for which results may come: those
   not taken back.  Inline, as it runs for each result. */
static inline uint32_t span_expected(const struct span *s)
{
	const uint32_t left = s->limit > s->first ? s->limit - s->first : 0;

	return left < s->count ? left : s->count;
}

/* Must its items be sent singly? */
bool span_is_suspect(const struct span *);

/* Removes items from the front.  The span may become empty. */
void span_advance(struct span *, uint32_t items);

/* Moves the first items of a sent span to an empty span. */
void span_move_first(struct span *to, struct span *from, uint32_t items);

/* Moves the items from number "from" of the chunk on to a new span, with the
   same attempt and worker_index.  Returns it; NULL without memory, and leaves
   the span unchanged. */
struct span *span_cut(struct span *, uint32_t from);

/* Copies its packed inputs, with the 0 behind them, to a region of an area if
   they are small and that has room: so they need not be sent.  half: the
   worker's half for inputs; offset: of the area in it. */
void span_copy_inputs(struct span *, struct arena *, unsigned char *half,
    size_t offset);

/* Takes a region for an array of its outputs, elements of that size that begin
   "step" bytes apart, if the area has room.  The array begins FRAME_HEAD bytes
   behind the region's begin. */
void span_place_outputs(struct span *, struct arena *, size_t element,
    size_t step);

/* Returns the bytes that a sent span has its worker read and write, as far as
   the caller has made room for them; of those placed in shared memory a part,
   since no pipe must hold them. */
size_t span_load(const struct span *);

/* Returns the offset in the area of the output of an item.  It must have such
   a region. */
size_t span_output_offset(const struct span *, uint32_t item);

/* Gives these regions back; none is fine. */
void span_displace(struct span *);

/* Writes the CHUNK frame for it into span->head. */
void span_write_head(struct span *);

/* The first returns the number of buffers that the second queues on the
   channel: the CHUNK frame, and the items that the worker does not have.  They
   must stay until they are written. */
size_t span_parts(const struct span *);
void span_send(struct span *, struct channel *);

#endif
