/*
 * runs.h - what tests of reducers have in common.
 *
 * Everything here asserts by Check's ck_ macros, so call it inside tests, but
 * for the hooks of jobs, which are for workers.
 */
#ifndef TESTS_RUNS_H
#define TESTS_RUNS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/types.h>

#include "vimap_reduce.h"

/* A key and what it came to, where that is a number. */
struct count {
	unsigned char *key;
	size_t key_size;
	uint64_t n;
	const void *input;	/* address told of; NULL: a key */
	int cause;		/* 0: an output */
};

/* What a run has told, in its order. */
struct counts {
	struct count *of;
	size_t size;
	size_t outputs, bad_inputs, bad_keys;
	int rc;			/* how it ended: 0, or -1 */
	int error;		/* and errno */
};

/* Kills workers of the only pool there is, at random, while fewer were killed
   than are to be: a thread, from start to stop. */
struct killer {
	pid_t server;
	atomic_int stop;
	atomic_long *killed;
	const atomic_long *most;
	pthread_t thread;
};
void killer_start(struct killer *, atomic_long *killed,
    const atomic_long *most);
void killer_stop(struct killer *);

/* A reducer, or the test fails with vm_reducer_error(). */
vm_reducer *fork_job(const struct vm_job *, const struct vm_options *,
    const struct vm_reduce_options *);

/* None can be made of that: errno, and there must be words. */
int refused_job(const struct vm_job *, const struct vm_options *,
    const struct vm_reduce_options *);

/* Queues a run, or the test fails. */
void queue_run(vm_reducer *, size_t job, struct vm_source);

/* Takes all of a run, up to its end or an error; outputs and values must be
   uint64_t: values are added up.  Each key may come once only. */
void take_run(vm_reducer *, struct counts *);

/* The same, and nothing may go wrong. */
void take_good_run(vm_reducer *, struct counts *);

void counts_free(struct counts *);

/* What a key came to; 0 if it did not come. */
uint64_t count_of(const struct counts *, const char *key);

/* Are the keys in their order? */
int in_key_order(const struct counts *);

/* Ends it, which must go well. */
void close_reducer(vm_reducer *);

/* ---- hooks ---- */

/* map: words, which blanks end, and a 1 for each. */
int map_words(struct vm_context *, const void *input, size_t size);

/* reduce: the sum of numbers. */
int reduce_sum(struct vm_context *, const void *key, size_t key_size,
    struct vm_values *);

/* The words of these texts: a 2, b 2, c 4. */
struct vm_source abc(void);
extern const struct vm_job count_words;

/* Asserts that these are the words of abc() and nothing else. */
void check_abc(const struct counts *);

#endif
