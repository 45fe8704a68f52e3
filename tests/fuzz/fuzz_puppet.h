/*
 * fuzz_puppet.h - workers without processes, moved one step at a time.
 *
 * By itself a puppet does the steps of lib/worker/worker.c, with the same
 * stream and channel; between two steps it can be made to do anything else.
 *
 * Easy to get wrong: where a worker would wait for room in its pipe, the step
 * of a puppet does nothing, and must be repeated.
 */
#ifndef FUZZ_PUPPET_H
#define FUZZ_PUPPET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"

/* Bytes at the start of a right output that depend on its item's number. */
#define PUPPET_OUTPUT_LEAST 8

/* How items of a puppet end. */
struct puppet_mood {
	bool fail;		/* the next item fails */
	bool too_big;		/* with this cause */
	size_t message;		/* bytes of its message */
	size_t writes;		/* bytes that each item writes to stderr */
	size_t size;		/* of outputs from now on; 0: small */
	size_t allowed;		/* bytes of a write() until it is killed in
				   it */
};
struct puppet_mood *puppet_mood(size_t which);

/* Bytes of the outputs of all puppets whose mood does not say; 0: they
   differ. */
extern size_t puppet_usual;

/* The work of a puppet that the caller can observe. */
struct puppet_work {
	bool busy;		/* at an item, its result not staged, or not yet
				   marked as in place */
	bool lingers;		/* shared memory does not show yet that the item
				   is over */
	uint64_t number;	/* of that item, or the last */
	uint64_t begun_at;
	uint64_t before_at;	/* begun_at of an earlier item */
	size_t written;		/* bytes of the item on stderr */
	uint64_t seen_at;	/* last time at which the caller could see it
				   act */
	uint64_t left_at;	/* time of its LEAVING frame; 0: not yet */
};
const struct puppet_work *puppet_work(size_t which);

/* CPU time in ns of a worker at the time now. */
uint64_t puppet_cpu(uint64_t born_at, uint64_t now);

/* The letter that texts about an item consist of. */
char puppet_letter(uint64_t number);

/* Makes an honest step.  Returns false if there was nothing to do. */
bool puppet_act(size_t which);

/* Takes an item and sends no result: dishonest. */
void puppet_skip(size_t which);

/* Writes the staged frames to the pipe. */
void puppet_flush(size_t which);

/* Stages any frame.  Returns false if there is no room. */
bool puppet_say(size_t which, enum frame_kind, const void *body,
    size_t size);

/* Returns the present chunk, or the last. */
const struct frame_chunk *puppet_chunk(size_t which);

/* Has it sent HELLO? */
bool puppet_greeted(size_t which);

/* Frees the memory of all puppets. */
void puppet_release_all(void);

/* Fills in the right output for an item, size bytes. */
void puppet_output(unsigned char *to, uint64_t number, size_t size);

/* Fills in the body of its OUTPUT frame, with times before the output if these
   are measured.  Returns the bytes of the body. */
size_t puppet_body(unsigned char *to, uint64_t number, size_t size);

/* Defined by fuzz_truth.c, which records the truth: called when a worker has
   begun an item, and has staged its output, or its failure. */
void truth_begun(size_t which, uint64_t number, int attempt);
void truth_done(size_t which, uint64_t number);
void truth_failed(size_t which, uint64_t number, const struct frame_failure *,
    size_t written);

#endif
