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

#include "buf.h"
#include "frame.h"
#include "vimap.h"

struct context {
	struct vm_context public;
	const struct vm_worker *hooks;
	uint64_t seed;		/* options.seed */
	size_t max_item;	/* bytes an output may have */
	struct buf out;		/* FRAME_START bytes, a head, the output */
	size_t reserved;	/* by vm_reserve(), behind out.len */
	bool in_process;	/* vm_output() is allowed */
	bool failed;
	int code;
	enum vm_cause cause;
	char message[4096];	/* "": none was given */
};

/* For hooks that stay, an index, and outputs up to max_item bytes: 0 or
   -ENOMEM. */
int context_init(struct context *, const struct vm_worker *hooks,
    int worker_index, uint64_t seed, size_t max_item);

/* Frees what was gathered. */
void context_release(struct context *);

/* Runs setup(): 0, or -1 and failed, code and message say why. */
int context_setup(struct context *);

/*
 * Runs process() on an input and makes the result frame of it, OUTPUT or
 * FAILURE: where it lies, until the next call; *length is its whole length.
 * Never NULL.
 */
unsigned char *context_process(struct context *, const struct frame_chunk *,
    uint32_t item, const void *input, size_t size, size_t *length);

/* Runs teardown(). */
void context_teardown(struct context *);

/* Writes the FAILURE or UNFIT frame that says why: its length.  There must
   be CONTEXT_FAILURE_ROOM bytes. */
size_t context_failure(const struct context *, enum frame_kind,
    unsigned char *at);
#define CONTEXT_FAILURE_ROOM \
	(2 * 16 + sizeof(struct frame_failure) + 4096)

#endif
