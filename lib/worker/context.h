/*
 * context.h - the context of the user's hooks: output and failure of a call.
 *
 * Runs in: worker; in the caller with VM_SERIAL.  The public functions of
 * section 1 of vimap.h are defined here too.
 *
 * Easy to get wrong: the user has a pointer to the public part only; the
 * rest is found around it.
 */
#ifndef CONTEXT_H
#define CONTEXT_H

#include <stdbool.h>

#include "base/buf.h"
#include "vimap.h"
#include "wire/frame.h"
#include "worker/capture.h"
#include "worker/outstream.h"
#include "worker/plan.h"

/* Bytes kept free behind an output, so that the frame's padding always fits. */
#define CONTEXT_PAD 16

struct context {
	struct vm_context public;
	const struct plan *plan;
	/* The process() callback, or a function that has process_many() run a
	   single item. */
	int (*process)(struct vm_context *, const void *, size_t);
	uint64_t started_at;	/* begin of the attempt, by the monotonic
				   clock; 0: not measured */
	uint64_t started_cpu;
	struct capture capture;	/* of standard error */
	uint64_t seed;		/* plan->seed, spread */
	/* The OUTPUT frame is built in place in the output stream, or in the
	   buffer "out" where there is more room. */
	struct outstream *outstream;	/* of the worker; NULL: none */
	unsigned char *at;	/* NULL: no place yet */
	size_t lead;		/* bytes in the frame before the output */
	size_t size;		/* bytes of lead and output so far */
	size_t room;		/* upper bound on size: the memory of the frame,
				   or max_item_bytes */
	size_t reserved;	/* bytes behind, from vm_reserve() */
	struct buf out;		/* FRAME_START bytes, then room for a frame */
	struct buf text;	/* records given by vm_read_block() */
	bool noted;		/* options ask for context_note() */
	bool in_process;	/* vm_output() is allowed */
	bool plain;		/* vm_output() only copies, up to room: it is
				   allowed, the frame has a place, and the item
				   has neither failed nor reserved bytes nor a
				   pause */
	bool failed;
	bool for_good;		/* no further attempt is to be made */
	bool has_pause;		/* vm_retry_after() has set pause_ms */
	uint32_t pause_ms;
	int code;
	enum vm_cause cause;
	char message[4096];	/* "": none was given */
};

/* Initializes a context.  The plan must outlive it.  errors: file that stderr
   is sent to, -1: not captured.  outstream: stream in which results are built,
   or NULL; not owned.  Returns 0 or -ENOMEM. */
int context_init(struct context *, const struct plan *,
    int worker_index, int errors, struct outstream *);

/* Frees the buffers. */
void context_release(struct context *);

/* Runs the setup() callback.  Returns 0, or -1 with code and message set. */
int context_setup(struct context *);

/* Spreads a number over 64 bits (the finaliser of splitmix64). */
static inline uint64_t context_spread(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Records the begin of an attempt, as far as options ask for it: the time, the
   CPU time and the size of captured stderr. */
void context_note(struct context *);

/* Sets the attempt, which all items of a chunk have in common. */
static inline void context_begin_chunk(struct context *c,
    const struct frame_chunk *chunk)
{
	c->public.attempt = (int)chunk->attempt;
}

/* Begins an item of the chunk of the last context_begin_chunk().  Inline, as it
   runs for each item. */
static inline void context_begin(struct context *c,
    const struct frame_chunk *chunk, uint32_t item)
{
	uint32_t nth = item - chunk->first;

	c->public.index = chunk->index + nth;
	c->public.seed = context_spread(c->seed ^ (chunk->seq + nth));
	if (c->noted)
		context_note(c);
}

/* Runs the process_many() callback on n inputs of an array, and has it make the
   outputs at a pointer.  Returns true if it has not failed. */
bool context_fill_many(struct context *, const void *inputs, size_t n,
    unsigned char *outputs);

/* Runs the process() callback on an input, and has its output built in the
   output stream where there is one with room.  Returns the callback's value.
   Writes nothing to the slot after the callback, as a child that the callback
   forked does not have the slot's memory. */
int context_process(struct context *, const void *input, size_t size);

/* Ends the item that has returned r, and builds the frame of its result, OUTPUT
   or FAILURE.  Returns a pointer to the frame, never NULL, valid until the next
   call, and sets *length to the frame's length. */
unsigned char *context_result(struct context *, int r, size_t *length);

/* ---- items whose outputs have places in an array ---- */

/* Begins a row: such items of a chunk, one behind the other, with outputs of
   "element" bytes.  Called again after each context_apart(). */
void context_begin_row(struct context *, const struct frame_chunk *,
    size_t element);

/* Ends the row: vm_output() is not allowed now. */
void context_end_row(struct context *);

/* Runs the process() callback for an output with a place in the array, behind
   FRAME_HEAD bytes that may be written to.  Returns the callback's value.
   Inline, as it runs for each item. */
static inline int context_fill(struct context *c, const void *input,
    size_t size, unsigned char *place)
{
	c->size = 0;
	c->at = place - FRAME_HEAD;
	return c->process(&c->public, input, size);
}

/* Has an item succeeded whose callback returned r, with its output in its
   place?  Otherwise context_apart() must end the item.  Inline, as it runs for
   each item. */
static inline bool context_is_filled(const struct context *c, int r,
    const unsigned char *place, size_t element)
{
	return r == 0 && c->plain && c->size == element &&
	    c->at == place - FRAME_HEAD;
}

/* Ends an item of a row whose callback returned r: it may have failed, or its
   output has another size or lies elsewhere.  Returns NULL if the output is in
   its place now; else the frame of the result, as context_result() does. */
unsigned char *context_apart(struct context *, int r, unsigned char *place,
    size_t element, size_t *length);

/* ---- failures, teardown ---- */

/* Returns how the failed item wants further attempts. */
enum frame_again context_again(const struct context *);

/* Returns the FAILURE frame of the failed item, as context_result() does.
   Allocates nothing: the frame is in a static buffer. */
unsigned char *context_tell(struct context *, size_t *length);

/* Runs the teardown() callback, which may have an output if the plan says so.
   Returns the frame to send, OUTPUT or FAILURE, and sets *length; NULL: none.
   Valid until the next call. */
unsigned char *context_teardown(struct context *, size_t *length);

/* Writes the FAILURE or UNFIT frame with code, message and captured stderr into
   a buffer of CONTEXT_FAILURE_ROOM bytes.  Returns the frame's length. */
size_t context_failure(const struct context *, enum frame_kind,
    unsigned char *at);
#define CONTEXT_FAILURE_ROOM \
	(16 + 16 + sizeof(struct frame_failure) + 4096 + CAPTURE_MOST)

#endif
