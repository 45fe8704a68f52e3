/*
 * resume.h - the finished inputs of earlier runs, and of this run for the next.
 *
 * Runs in: caller, if vm_options.journal asks for it.  An input that is read is
 * looked up in the journal, before it is packed; if an earlier run has finished
 * it, it is answered with the result of that run or, if outputs are not kept,
 * left out.  Other inputs take their key along, in their chunk.
 *
 * Easy to get wrong: with outputs, a result is written before the program has
 * it; without, it is written when the program is done with it, as nothing would
 * tell it again.
 */
#ifndef RESUME_H
#define RESUME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "items/results.h"
#include "items/source.h"
#include "journal/journal.h"

struct engine;

struct resume {
	bool on;
	struct journal journal;
	struct entry entry;	/* of the last result that the program was
				   given, */
	struct buf data;	/* and its data, */
	bool pending;		/* if they are still to be written */
	bool drains;		/* results are dropped, not given to the
				   program */
	uint64_t skipped;	/* inputs that were left out */
	uint64_t answered;	/* inputs that the journal has answered */
	uint64_t lacking;	/* results that the journal could not take, */
	int error;		/* and why it could not take the first */
};

/* Opens the journal, if an option asks for it.  Returns 0, or -errno and sets
   the error text. */
int resume_open(struct engine *);

/* Closes it with the callback close. */
void resume_close(struct engine *, void (*close)(int *fd));

/* Returns 1 and sets the pool's error text if the journal lacks results, else
   0. */
int resume_sum(struct engine *);

/* Returns the key of the input that a source holds. */
const struct digest *resume_key(struct engine *, struct source *);

/*
 * Looks up the input that a source holds.  Returns 0: it is to be run; 1: it is
 * finished, and the source holds it no more; VM_LATER: it is finished, but the
 * window has no room for its result; or -ENOMEM.  tag: the input's own tag;
 * NULL: it has the source's.
 */
int resume_meet(struct engine *, struct source *, void *const *tag);

/* The program is given this result of an item. */
void resume_told(struct engine *, const struct item *,
    const struct vm_result *);

/* The program is done with the last result. */
void resume_taken(struct engine *);

#endif
