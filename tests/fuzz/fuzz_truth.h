/*
 * fuzz_truth.h - what is true of inputs and workers, whatever the pool makes
 * of it, and whether what it tells agrees.
 *
 * Only honest workers are believed: what one of them has done counts until it
 * is found that it was dishonest, before or after.
 *
 * Easy to get wrong: a worker may be killed over time only for what it did by
 * the time of the order; the order may reach it later.
 */
#ifndef FUZZ_TRUTH_H
#define FUZZ_TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuzz_world.h"
#include "vimap.h"

#define ITEMS_MOST 64

/* One attempt at an item, by a worker or by what is told of it. */
struct attempt {
	int life;		/* whose it is; -1: none */
	bool failed;		/* it has said so: then */
	uint32_t cause;
	size_t message;		/* bytes of its message */
	uint64_t wall_ns, cpu_ns;
	size_t written;		/* bytes on its stderr */
};

struct truth {
	int taken;
	int begun;
	int attempt;		/* the last that was begun */
	int idle_deaths;	/* of workers at no item, by then */
	int done_by;		/* the life that has said its output, or -1 */
	int done_attempt;
	enum vm_cause cause;	/* why its last attempt failed; 0: unknown */
	uint64_t failed_at;
	struct attempt last;	/* to have failed by saying so */
};

/* A worker's life, as it was at its end. */
struct end_of_life {
	bool excused;		/* its being killed: it was overdue */
	bool spared;		/* then: the item it had just begun */
	int items;		/* it has begun */
	bool busy;		/* at the item of that number */
	uint64_t number;
	uint64_t begun_at, died_at, born_at;
	int status;
	size_t written;		/* on its stderr, by that item */
	size_t crash;		/* bytes it told of its crash */
};

/* The run: all that the parts of the target share. */
extern struct truth truth[ITEMS_MOST];
extern struct end_of_life ends[WORLD_LIVES];
extern vm_pool *pool;
extern struct vm_options options;
extern uint64_t given;		/* inputs that were read */
/* What excuses failures. */
extern bool cancelled, unfit, harmed, starved;

void truth_begin(void);

/* Is it known that this item is done, by one who is to be believed? */
bool truth_is_done(uint64_t number);

/* The pool has ordered that an honest worker is killed: was it right?  blame:
   what it says, 0 if that is not known. */
void truth_excuse(size_t which, enum vm_cause blame, bool greeted);

/* What is told of a failed item, its number being known. */
void truth_check(const struct vm_result *, uint64_t number);

/* What is told of a worker that was given up. */
void truth_check_given_up(const struct vm_result *);

/* All is told: do the sums agree? */
void truth_check_sums(void);

#endif
