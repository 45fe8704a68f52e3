/*
 * sleepers.c - measures how long 70 workers take for 70 items of 0.2 s.
 *
 * Prints the time from before vm_fork() to after vm_close(), and its parts; the
 * items only sleep, so any time beyond 0.2 s is overhead of the pool.  Usage:
 * sleepers [WORKERS [MILLISECONDS]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <vimap.h>

#include "clock.h"

/* The input is the time to sleep, in ms. */
static int nap(struct vm_context *me, const void *input, size_t size)
{
	int64_t ms = *(const int64_t *)input % 100000;
	struct timespec t = { .tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)size;
	nanosleep(&t, NULL);
	return vm_output(me, &ms, sizeof ms);
}

/* Takes all results.  Returns the number of outputs, or -1. */
static long take_all(vm_pool *pool)
{
	struct vm_result r;
	long n = 0;
	int rc;

	while ((rc = vm_zip_in_out(pool, &r)) == 1)
		n += r.type == VM_OUTPUT;
	return rc == 0 ? n : -1;
}

int main(int argc, char **argv)
{
	int workers = argc > 1 ? atoi(argv[1]) : 70;
	long ms = argc > 2 ? atol(argv[2]) : 200;
	struct vm_worker worker = { .process = nap };
	struct vm_options options = { .workers = workers, .chunk_size = 1 };
	double start = clock_now(), forked, done, closed;
	int64_t *times;
	vm_pool *pool;
	long n = -1;

	if (workers < 1 || ms < 0 || (pool = vm_fork(&worker, &options)) ==
	    NULL) {
		fprintf(stderr, "sleepers: %s\n", vm_error(NULL));
		return 1;
	}
	forked = clock_now();
	times = calloc((size_t)workers, sizeof *times);
	for (int i = 0; times != NULL && i < workers; i++)
		times[i] = ms;
	if (times != NULL && vm_imap(pool, vm_array(times, (size_t)workers,
	    sizeof *times)) == 0)
		n = take_all(pool);
	done = clock_now();
	if (n != workers)
		fprintf(stderr, "sleepers: %s\n", vm_error(pool));
	vm_close(pool);
	closed = clock_now();
	free(times);
	printf("%ld of %d items of %ld ms: fork %.1f ms, run %.1f ms, "
	    "close %.1f ms, in all %.3f s\n", n, workers, ms,
	    1e3 * (forked - start), 1e3 * (done - forked),
	    1e3 * (closed - done), closed - start);
	return n != workers;
}
