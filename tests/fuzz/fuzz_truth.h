/*
 * fuzz_truth.h - records of inputs and workers that are kept apart from the
 * pool's, and checks of the pool's results against them.
 *
 * Only honest workers are believed: the work of a worker counts until it is
 * found to be dishonest, before or after.
 *
 * Easy to get wrong: a worker may be killed as overdue only for its state at
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

/* An attempt at an item, as a worker made it or as a result reports it. */
struct attempt {
	int life;		/* of its worker; -1: none */
	bool failed;		/* the worker has sent a FAILURE with: */
	uint32_t cause;
	size_t message;		/* bytes of its message */
	uint64_t wall_ns, cpu_ns;
	size_t written;		/* bytes on its stderr */
};

struct truth {
	int taken;
	int begun;
	int attempt;		/* the last that was begun */
	int idle_deaths;	/* deaths of workers at no item up to then */
	int done_by;		/* the life that has staged its output, or -1 */
	int done_attempt;
	enum vm_cause cause;	/* of the failure of its last attempt; 0:
				   unknown */
	uint64_t failed_at;
	struct attempt last;	/* the last attempt with a FAILURE frame */
};

/* A worker's life, recorded at its end. */
struct end_of_life {
	bool excused;		/* its kill was justified: it was overdue */
	bool spared;		/* then: the item it had just begun gets no
				   blame */
	int items;		/* number it has begun */
	bool busy;		/* at the item with that number */
	uint64_t number;
	uint64_t begun_at, died_at, born_at;
	int status;
	bool ordered;		/* it died by an order */
	size_t written;		/* bytes of that item on stderr */
	size_t crash;		/* bytes of the note it left on its crash */
};

/* State of the run, shared by the parts of the target. */
extern struct truth truth[ITEMS_MOST];
extern struct end_of_life ends[WORLD_LIVES];
extern vm_pool *pool;
extern struct vm_options options;
extern uint64_t given;		/* inputs that were read */
/* Events that excuse failures. */
extern bool cancelled, unfit, harmed, starved;

void truth_begin(void);

/* Is this item known to be done by an honest worker? */
bool truth_is_done(uint64_t number);

/* Checks the pool's order to kill an honest worker.  blame: the cause it gives,
   0 if that is not known. */
void truth_excuse(size_t which, enum vm_cause blame, bool greeted);

/* Checks the result of a failed item with that number. */
void truth_check(const struct vm_result *, uint64_t number);

/* Checks the sums after the last result. */
void truth_check_sums(void);

#endif
