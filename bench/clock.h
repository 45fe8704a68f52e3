/*
 * clock.h - clocks of the programs of the benchmark, in seconds.
 *
 * In a header, as most of these programs are a single file, built as a user
 * builds a program.
 */
#ifndef CLOCK_OF_BENCH_H
#define CLOCK_OF_BENCH_H

#include <sys/resource.h>
#include <time.h>

/* Returns the time of a clock. */
static inline double clock_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Returns the time of the monotonic clock. */
static inline double clock_now(void)
{
	return clock_of(CLOCK_MONOTONIC);
}

/* Returns the CPU time of RUSAGE_SELF, this process, or of RUSAGE_CHILDREN,
   those it has reaped. */
static inline double clock_cpu(int who)
{
	struct rusage u;

	getrusage(who, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

#endif
