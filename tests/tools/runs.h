/*
 * runs.h - helpers of the tests of reducers.
 *
 * All functions assert by the ck_ macros of Check, so call them inside tests;
 * except the hooks of jobs, which run in workers.
 */
#ifndef TESTS_RUNS_H
#define TESTS_RUNS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/types.h>

#include "vimap_reduce.h"

/* A result: a key or a failed input, with a number as its output. */
struct count {
	unsigned char *key;
	size_t key_size;
	uint64_t n;
	const void *input;	/* pointer of the result; NULL: a key */
	int cause;		/* of the exception; 0: an output */
};

/* The results of a run, in order of arrival. */
struct counts {
	struct count *of;
	size_t size;
	size_t outputs, bad_inputs, bad_keys;
	int rc;			/* last return value: 0 or -1 */
	int error;		/* errno after it */
};

/* A thread that kills random workers of the only pool, from start to stop,
   while *killed is below *most. */
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

/* Forks a reducer; the test fails with vm_reducer_error() if it cannot. */
vm_reducer *fork_job(const struct vm_job *, const struct vm_options *,
    const struct vm_reduce_options *);

/* Asserts that no reducer can be forked, with a text and without leaks.
   Returns errno. */
int refused_job(const struct vm_job *, const struct vm_options *,
    const struct vm_reduce_options *);

/* Queues a run, or the test fails. */
void queue_run(vm_reducer *, size_t job, struct vm_source);

/* Takes all results of a run, up to its end or an error.  Outputs and values
   must be uint64_t; values are added up.  No key may come twice.  Free the
   counts with counts_free(). */
void take_run(vm_reducer *, struct counts *);

/* The same, and asserts that nothing has failed. */
void take_good_run(vm_reducer *, struct counts *);

void counts_free(struct counts *);

/* Returns the number of a key; 0 if there is none. */
uint64_t count_of(const struct counts *, const char *key);

/* Are the keys sorted? */
int in_key_order(const struct counts *);

/* Closes the reducer and asserts success. */
void close_reducer(vm_reducer *);

/* ---- hooks ---- */

/* A map callback: emits each word between blanks with a 1. */
int map_words(struct vm_context *, const void *input, size_t size);

/* A reduce callback: outputs the sum of the values. */
int reduce_sum(struct vm_context *, const void *key, size_t key_size,
    struct vm_values *);

/* A source of texts with these words: a 2, b 2, c 4. */
struct vm_source abc(void);
extern const struct vm_job count_words;

/* Asserts that the counts are those of abc(). */
void check_abc(const struct counts *);

#endif
