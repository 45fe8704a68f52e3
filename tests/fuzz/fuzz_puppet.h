/*
 * fuzz_puppet.h - workers without processes, moved one step at a time.
 *
 * Left alone a puppet does what lib/worker/worker.c does, with the same stream and
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

#include "wire/frame.h"

/* What a right output begins with: at least its item's number. */
#define PUPPET_OUTPUT_LEAST 8

/* How items end. */
struct puppet_mood {
	bool fail;		/* the next one does */
	bool too_big;		/* and of that cause */
	size_t message;		/* bytes of the words for it */
	size_t writes;		/* bytes each writes to its stderr */
	size_t size;		/* of outputs from now on; 0: small */
	size_t allowed;		/* bytes until it is killed in a write() */
};
struct puppet_mood *puppet_mood(size_t which);

/* What it has done that the caller may judge. */
struct puppet_work {
	bool busy;		/* at an item, its result not staged, or not
				   said to be in its place */
	bool lingers;		/* nothing says that it is not at it still */
	uint64_t number;	/* of that item, or the last */
	uint64_t begun_at;
	uint64_t before_at;	/* when one was begun before that time */
	size_t written;		/* by it to stderr */
	uint64_t seen_at;	/* when the caller could last see it act */
	uint64_t left_at;	/* when it said so; 0: not yet */
};
const struct puppet_work *puppet_work(size_t which);

/* CPU time a worker has had by then. */
uint64_t puppet_cpu(uint64_t born_at, uint64_t now);

/* What texts about an item consist of. */
char puppet_letter(uint64_t number);

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

/* Defined by fuzz_truth.c, which keeps the books of what is true: a worker
   has begun an item, and has said what its output is, or why it has none. */
void truth_begun(size_t which, uint64_t number, int attempt);
void truth_done(size_t which, uint64_t number);
void truth_failed(size_t which, uint64_t number, const struct frame_failure *,
    size_t written);

#endif
