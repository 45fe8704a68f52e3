/*
 * tally.h - counts and times of a pool, and of each place in it.
 *
 * Runs in: caller.  Pure: times are parameters.  Each step of the engine counts
 * its part, by chunk, by span or in rare cases, never by item; vm_stats() reads
 * the sums.
 *
 * The caller's time falls in four parts: sources read inputs; the wait for
 * workers; the time between two calls of the library, which is the program's;
 * and the rest, which is the library's own work.
 *
 * Easy to get wrong: a pool may have nothing to do for hours.  Such time is
 * left out, from tally_rest() to the next tally_resume().
 */
#ifndef TALLY_H
#define TALLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/times.h"

/* Number of bits that a cause of a failure may be. */
#define TALLY_CAUSES 16

/* Why a worker is idle while the caller waits for workers. */
enum tally_want {
	WANT_NOTHING,		/* none is idle */
	WANT_INPUTS,		/* no input is left */
	WANT_PUSHED,		/* likewise, but the program may push some */
	WANT_SOURCE,		/* the source has no input yet */
	WANT_REAL,		/* bound on chunks sent and unanswered */
	WANT_TOTAL,		/* bound on chunks with results not taken */
	WANT_BYTES,		/* bound on bytes */
	WANTS
};

/* Counts and times of the pool. */
struct tally {
	uint64_t answered;	/* items that have a result, of which */
	uint64_t failed[TALLY_CAUSES]; /* have an exception, by bit number of
					  the cause */
	uint64_t input_bytes;	/* of chunks, with heads and padding */
	uint64_t output_bytes;	/* of results, likewise */
	uint64_t retries;	/* attempts after a first attempt */
	uint64_t deaths;	/* of workers that were not to leave */
	uint64_t forked;	/* workers */
	uint64_t replaced;	/* of these, successors in a place */
	uint64_t began;		/* when the pool was begun, later by the time
				   it had no inputs */
	uint64_t left_at;	/* when the library last had done its work */
	uint64_t rested;	/* time left out so far, ns */
	bool resting;		/* nothing is to be done */
	uint64_t sources_ns;
	uint64_t asleep_ns;
	uint64_t yours_ns;	/* between two calls, */
	uint64_t lacked_ns;	/* of which behind calls that had found nothing,
				   with a worker idle */
	enum tally_want lacks;	/* why, if the last call was such a call */
	uint64_t want_ns[WANTS]; /* part of asleep_ns and lacked_ns, while a
				    worker was idle */
	struct times times;	/* of items */
};

/* Times of the workers in a place, one after the other, ns. */
struct effort {
	uint64_t items;		/* finished by former workers */
	uint64_t lived;		/* by former workers, without rest */
	uint64_t since;		/* time of the present worker's fork; 0: there
				   is none */
	uint64_t rested;	/* tally_rested() then, and rest in its setup */
	uint64_t setup;		/* in setup() */
	uint64_t setups;	/* number of setups that succeeded */
	uint64_t busy;		/* in chunks that ended, with blocked */
	uint64_t blocked;	/* until outputs were written */
	uint64_t cpu;		/* CPU time of former workers */
	uint64_t max_rss;	/* peak memory of former workers, bytes */
};

/* Begins all counts at 0, with an idle pool. */
void tally_init(struct tally *, uint64_t now);

/* The pool has had nothing to do since the time the library was left; and: it
   has work again. */
void tally_rest(struct tally *);
void tally_resume(struct tally *, uint64_t now);

/* Leaves out the time up to now if the pool has nothing to do.  Returns the
   time that counts. */
static inline uint64_t tally_pass(struct tally *t, uint64_t now)
{
	uint64_t ns = now > t->left_at ? now - t->left_at : 0;

	t->left_at += ns;
	if (!t->resting)
		return ns;
	t->began += ns;
	t->rested += ns;
	return 0;
}

/* Returns the time left out until now. */
static inline uint64_t tally_rested(struct tally *t, uint64_t now)
{
	tally_pass(t, now);
	return t->rested;
}

/* The library is entered; left.  The time between is the program's. */
static inline void tally_enter(struct tally *t, uint64_t now)
{
	const uint64_t ns = tally_pass(t, now);

	t->yours_ns += ns;
	if (t->lacks != WANT_NOTHING) {
		t->lacked_ns += ns;
		t->want_ns[t->lacks] += ns;
		t->lacks = WANT_NOTHING;
	}
}

static inline void tally_leave(struct tally *t, uint64_t now)
{
	tally_pass(t, now);
}

/* The caller has slept for that time, while a worker was idle for want of
   something. */
static inline void tally_sleep(struct tally *t, uint64_t ns,
    enum tally_want want)
{
	if (t->resting)
		return;
	t->asleep_ns += ns;
	t->want_ns[want] += ns;
}

/* Items have failed for good; cause: a single bit of enum vm_cause. */
void tally_fail(struct tally *, unsigned cause, uint64_t items);

/* Returns the number of items that have an exception. */
uint64_t tally_failed(const struct tally *);

/* Returns the time in which the pool had work. */
uint64_t tally_wall(const struct tally *, uint64_t now);

/* A worker was forked in the place; its setup, which may have begun before that
   was known, took that time; it has died.  rested: tally_rested(). */
void effort_begin(struct effort *, uint64_t now, uint64_t rested);
void effort_setup(struct effort *, uint64_t now, uint64_t ns,
    uint64_t rested);
void effort_end(struct effort *, uint64_t now, uint64_t rested,
    uint64_t items, uint64_t cpu, uint64_t max_rss);

/* Returns the time that the present worker has lived until then, without rest,
   but with all of its setup. */
uint64_t effort_lived(const struct effort *, uint64_t until, uint64_t rested);

#endif
