/*
 * fuzz_puppet.h - workers without processes, moved one step at a time.
 *
 * Left alone a puppet does what lib/worker.c does, with the same stage and
 * channel; in between it can be made to do anything else.
 *
 * Easy to get wrong: where a worker would wait for room in its pipe, a
 * puppet's step does nothing, and is to be repeated.
 */
#ifndef FUZZ_PUPPET_H
#define FUZZ_PUPPET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "frame.h"

/* What a right output begins with: at least its item's number. */
#define PUPPET_OUTPUT_LEAST 8

/* How items end. */
struct puppet_mood {
	bool fail;		/* the next one does */
	size_t size;		/* of outputs from now on; 0: small */
	size_t allowed;		/* bytes until it is killed in a write() */
};
struct puppet_mood *puppet_mood(size_t which);

/* One honest step: false if there was nothing to do. */
bool puppet_act(size_t which);

/* Takes one item and says nothing about it: dishonest. */
void puppet_skip(size_t which);

/* Writes out what is staged. */
void puppet_flush(size_t which);

/* Stages a frame, whatever it says: false if there is no room. */
bool puppet_say(size_t which, enum frame_kind, const void *body,
    size_t size);

/* The chunk it is at, or was at last. */
const struct frame_chunk *puppet_chunk(size_t which);

/* Has it said hello? */
bool puppet_greeted(size_t which);

/* Lets go of what all of them hold. */
void puppet_release_all(void);

/* The body of the right output for an item, of a size. */
void puppet_output(unsigned char *to, uint64_t number, size_t size);

/* Defined by the fuzz target, which keeps the books of what is true: a worker
   has begun an item, and has said what its output is. */
void truth_begun(size_t which, uint64_t number, int attempt);
void truth_done(size_t which, uint64_t number);

#endif
