/*
 * squares.c - slow squares: each worker makes one at a time.
 *
 * Usage: squares [-w workers] [-d seconds] [NUMBER...]
 *
 *	-w	number of worker processes (5; 0: the number of CPUs)
 *	-d	time that each square takes, in seconds (1)
 *
 * Squares the numbers (1 2 3 4 5 if none is given) and prints a square per
 * line, in the order of the arguments; then the largest number of squares made
 * at the same time, and the elapsed time: five seconds with a single worker,
 * one second with five workers.  An argument that is no number is printed as an
 * exception, in its place.
 *
 * It shows items that sleep or wait and need no CPU: there can be more workers
 * than CPUs, and each item is sent in a chunk of its own (chunk_size).  It also
 * shows shared memory of caller and workers, mapped before vm_fork().
 *
 * Exit status: 0 if all went well, 1 if not, 2 for a usage error.
 */
#define _DEFAULT_SOURCE

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <vimap.h>

#define SECONDS_MOST 3600

/* Lies in shared memory; vm_context.config points to it in all processes. */
struct progress {
	atomic_int now;		/* squares in progress */
	atomic_int most;	/* maximum of "now" */
	struct timespec delay;	/* for each square; constant */
};

/* ---- In the worker ----------------------------------------------------- */

/* Counts a square that begins. */
static void begin(struct progress *progress)
{
	int now = atomic_fetch_add(&progress->now, 1) + 1;
	int most = atomic_load(&progress->most);

	/* A failed exchange has loaded the present value into most. */
	while (now > most &&
	       !atomic_compare_exchange_weak(&progress->most, &most, now))
		continue;
}

/* Sleeps.  Returns 0, or -1 with errno. */
static int wait_for(struct timespec delay)
{
	while (nanosleep(&delay, &delay) == -1)
		if (errno != EINTR)
			return -1;
	return 0;
}

/* The input is a string: the library puts a 0 byte behind each input. */
static int square(struct vm_context *me, const void *input, size_t size)
{
	struct progress *progress = me->config;
	const char *text = input;
	long long x;
	char *end;
	int rc;

	(void)size;
	errno = 0;
	x = strtoll(text, &end, 10);
	if (end == text || *end != '\0')
		return vm_fail(me, EINVAL, "'%s' is no number.", text);
	if (errno != 0 || x > INT_MAX || x < -INT_MAX)
		return vm_fail(me, ERANGE, "%s is too big to square.", text);
	begin(progress);
	rc = wait_for(progress->delay);
	atomic_fetch_sub(&progress->now, 1);
	if (rc == -1)
		return vm_fail(me, errno, "No sleep: %m");
	x *= x;
	return vm_output(me, &x, sizeof x);
}

/* ---- In the caller ----------------------------------------------------- */

static void complain(const char *words)
{
	fprintf(stderr, "squares: %s\n", words);
}

/* Prints all results.  Returns 0, or -1 if any number or the pool has
   failed. */
static int print_results(vm_pool *pool)
{
	struct vm_result r;
	int rc, status = 0;

	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		if (r.type == VM_OUTPUT) {
			printf("%lld\n", *(const long long *)r.output);
		} else {
			printf("exception: %s\n", r.exception->message);
			status = -1;
		}
	}
	if (rc == -1) {
		complain(vm_error(pool));
		status = -1;
	}
	return status;
}

static double seconds_since(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);	/* cannot fail for this clock */
	return (double)(now.tv_sec - begin->tv_sec) +
	       (double)(now.tv_nsec - begin->tv_nsec) / 1e9;
}

/* Squares the numbers on a pool.  Returns 0, or -1 after a message. */
static int square_all(struct progress *progress, int workers,
		      const char *const *numbers, size_t count)
{
	const struct vm_worker worker = {
		.process = square,
		.config = progress,
	};
	const struct vm_options options = {
		.workers = workers,
		.flags = VM_ORDERED,
		.chunk_size = 1,
	};
	struct timespec begin;
	vm_pool *pool;
	int status = -1;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	pool = vm_fork(&worker, &options);
	if (!pool || vm_imap(pool, vm_strings(numbers, count)) == -1) {
		complain(vm_error(pool));
	} else {
		status = print_results(pool);
		printf("at most %d at once, %.1f s\n",
		       atomic_load(&progress->most), seconds_since(&begin));
	}
	if (vm_close(pool) != 0) {
		complain(vm_error(NULL));
		status = -1;
	}
	return status;
}

/* Parses the number of workers.  Returns 0, or -1 after a message. */
static int parse_workers(const char *text, int *workers)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || number < 0 ||
	    number > INT_MAX) {
		complain("-w wants a number of workers");
		return -1;
	}
	*workers = (int)number;
	return 0;
}

/* Parses the delay.  Returns 0, or -1 after a message. */
static int parse_delay(const char *text, struct timespec *delay)
{
	char *end;
	double seconds = strtod(text, &end);

	/* Written so that it also rejects a NaN. */
	if (end == text || *end != '\0' ||
	    !(seconds >= 0 && seconds <= SECONDS_MOST)) {
		complain("-d wants seconds, up to an hour");
		return -1;
	}
	delay->tv_sec = (time_t)seconds;
	delay->tv_nsec = (long)((seconds - (double)delay->tv_sec) * 1e9);
	return 0;
}

/* Parses the options up to the first number.  Returns 0, or -1 after a
   message. */
static int parse_options(int argc, char **argv, int *workers,
			 struct timespec *delay)
{
	int letter;

	/* '+' stops at the first number: a later "-3" is a number, too. */
	while ((letter = getopt(argc, argv, "+d:w:")) != -1) {
		if (letter == 'd' && parse_delay(optarg, delay) == 0)
			continue;
		if (letter == 'w' && parse_workers(optarg, workers) == 0)
			continue;
		return -1;
	}
	return 0;
}

/* Checks that all output was written.  Returns 0, or -1 after a message. */
static int close_stdout(void)
{
	int failed = ferror(stdout);

	if (fclose(stdout) == 0 && !failed)
		return 0;
	complain("can't write the output");
	return -1;
}

int main(int argc, char **argv)
{
	static const char *const examples[] = { "1", "2", "3", "4", "5" };
	struct timespec delay = { .tv_sec = 1 };
	struct progress *progress;
	int workers = 5, status;

	if (parse_options(argc, argv, &workers, &delay) == -1) {
		complain("usage: squares [-w workers] [-d seconds] "
			 "[NUMBER...]");
		return 2;
	}
	progress = mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (progress == MAP_FAILED) {
		complain(strerror(errno));
		return 1;
	}
	atomic_init(&progress->now, 0);
	atomic_init(&progress->most, 0);
	progress->delay = delay;
	if (optind == argc)
		status = square_all(progress, workers, examples, 5);
	else
		status = square_all(progress, workers,
				    (const char *const *)argv + optind,
				    (size_t)(argc - optind));
	munmap(progress, sizeof *progress);	/* cannot fail for a mapping of
						   ours */
	if (close_stdout() == -1)
		status = -1;
	return status == 0 ? 0 : 1;
}
