/*
 * context.h - one call of the user's hooks: what vm_output() gathers and
 * what vm_fail() says.
 *
 * Runs in: worker; in the caller with VM_SERIAL.  The public functions of
 * section 1 of vimap.h stand here too.
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

struct context {
	struct vm_context public;
	const struct plan *plan;
	uint64_t started_at;	/* the present one, if so */
	uint64_t started_cpu;
	struct capture capture;	/* of standard error */
	uint64_t seed;		/* of the plan, spread */
	/* The result frame is made in place, or where there is more room. */
	struct outstream *outstream;	/* where it goes; NULL: nowhere */
	unsigned char *at;
	size_t room;		/* bytes there, */
	size_t size;		/* of which so many are the output's so far, */
	size_t reserved;	/* and so many more vm_reserve()'s */
	struct buf out;		/* FRAME_START bytes, then room for a frame */
	bool noted;		/* options ask for what context_note() notes */
	bool in_process;	/* vm_output() is allowed */
	bool failed;
	bool for_good;		/* no attempt is worth while */
	bool has_pause;		/* it has asked for one: pause_ms */
	uint32_t pause_ms;
	int code;
	enum vm_cause cause;
	char message[4096];	/* "": none was given */
};

/* For a plan that stays, an index, a file to capture stderr in (-1: it is not
   captured), and the output stream that results will be added to, or NULL: 0 or
   -ENOMEM. */
int context_init(struct context *, const struct plan *,
    int worker_index, int errors, struct outstream *);

/* Frees what was gathered. */
void context_release(struct context *);

/* Runs setup(): 0, or -1 and failed, code and message say why. */
int context_setup(struct context *);

/* Spreads a number over 64 bits (the finaliser of splitmix64). */
static inline uint64_t context_spread(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

/* Notes the time, and how far standard error has come, as far as options ask
   for it. */
void context_note(struct context *);

/* An attempt at an item of a chunk begins.  Inline, as it is for each. */
static inline void context_begin(struct context *c,
    const struct frame_chunk *chunk, uint32_t item)
{
	uint32_t nth = item - chunk->first;

	c->public.index = chunk->index + nth;
	c->public.attempt = (int)chunk->attempt;
	c->public.seed = context_spread(c->seed ^ (chunk->seq + nth));
	if (c->noted)
		context_note(c);
}

/*
 * Runs process() on its input and makes the result frame of it, OUTPUT or
 * FAILURE: where it lies, until the next call, in place if there is a stream
 * and room; *length is its whole length.  Never NULL.
 */
unsigned char *context_process(struct context *, const void *input,
    size_t size, size_t *length);

/* The same where the output has a place of its own in an array, as bytes lie
   behind a head: true if it is there now, false if the item has failed. */
bool context_fill(struct context *, const void *input, size_t size,
    unsigned char *place);

/* What the item that has just failed asks of attempts to come. */
enum frame_again context_again(const struct context *);

/* The FAILURE frame of the item that has just failed, as context_process()
   returns it.  Needs no memory: it has its own room. */
unsigned char *context_tell(struct context *, size_t *length);

/* Runs teardown(), which may have an output if the plan says so: the frame that
   is to be told, OUTPUT or FAILURE, and its length; NULL: nothing. */
unsigned char *context_teardown(struct context *, size_t *length);

/* Writes the FAILURE or UNFIT frame that says why: its length.  There must
   be CONTEXT_FAILURE_ROOM bytes. */
size_t context_failure(const struct context *, enum frame_kind,
    unsigned char *at);
#define CONTEXT_FAILURE_ROOM \
	(16 + 16 + sizeof(struct frame_failure) + 4096 + CAPTURE_MOST)

#endif
