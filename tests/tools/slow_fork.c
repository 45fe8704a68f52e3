/*
 * slow_fork.c - an LD_PRELOAD wrapper of fork(2), in which the parent spends
 * SLOW_FORK_US microseconds more.
 *
 * tests/script/everywhere.sh compiles it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static long clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

pid_t fork(void)
{
	pid_t (*next)(void) = (pid_t (*)(void))dlsym(RTLD_NEXT, "fork");
	const char *more = getenv("SLOW_FORK_US");
	long until = clock_us() + (more != NULL ? atol(more) : 0);
	pid_t pid = next();

	while (pid > 0 && clock_us() < until)
		continue;
	return pid;
}
