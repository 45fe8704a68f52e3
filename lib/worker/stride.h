/*
 * stride.h - how many items of a chunk a worker takes at once.
 *
 * Runs in: worker.  Pure.  For calls of process() the caller sets the most, as
 * it knows how short the items are.  For process_many() the worker finds the
 * number by the time of its calls: elements that come together cannot be taken
 * back.
 */
#ifndef STRIDE_H
#define STRIDE_H

#include <stdbool.h>
#include <stdint.h>

struct stride {
	uint32_t items;		/* to take next, for calls of process() */
	uint32_t most;		/* likewise, in the present chunk */
	uint32_t together;	/* to take next, for a call of process_many() */
	uint32_t calls;		/* of process_many() */
};

/* Initializes for single items. */
void stride_init(struct stride *);

/* Begins a chunk of which at most that many items are to be taken at once. */
void stride_begin(struct stride *, uint32_t most);

/* A stride has ended.  wanted: the caller waits, and may have an idle worker
   for the items behind, so the next is taken alone; else twice as many as this
   time. */
void stride_end(struct stride *, bool wanted);

/* Counts a call for n elements.  Returns true if it is to be timed. */
bool stride_times(struct stride *, uint32_t n);

/* A call for n elements took ns. */
void stride_learn(struct stride *, uint32_t n, uint64_t ns);

#endif
