/*
 * loops.c - the price of an event loop, and of pushing inputs; for
 * "make bench-loops".
 *
 * Usage: loops [TRIPS [INPUTS [TURNS]]]
 *
 * First it makes round trips of a trivial request (20,000), each pushed when
 * the last is back: waiting in vm_zip_in_out(), in poll() for vm_fd(), and by
 * hand, between two processes that read(2) from pipes.  Prints the median and
 * the 99th percentile of each.  Then it maps INPUTS numbers (1,000,000) of an
 * array by vm_imap(), as the array and through a callback, and by vm_submit(),
 * and prints the CPU time of the caller and of all processes, and the elapsed
 * time.  All that in turns (7); ratios are medians over the turns.
 *
 * Exit status 1 if a result is missing or wrong.
 */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vimap.h>

#include "clock.h"

enum { TURNS_MOST = 99 };

static void fail(const char *what)
{
	fprintf(stderr, "loops: %s\n", what);
	exit(EXIT_FAILURE);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts the array. */
static double percentile(double *of, size_t count, unsigned percent)
{
	qsort(of, count, sizeof *of, compare);
	return of[(count - 1) * percent / 100];
}

static int twice(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = 2 * *(const int64_t *)input;

	(void)size;
	return vm_output(me, &n, sizeof n);
}

static vm_pool *open_pool(void)
{
	const struct vm_worker worker = { .process = twice };
	const struct vm_options options = { .workers = 2 };
	vm_pool *pool = vm_fork(&worker, &options);

	if (pool == NULL)
		fail(vm_error(NULL));
	if (vm_ready(pool, -1) != 0)
		fail(vm_error(pool));
	return pool;
}

static int64_t value(const struct vm_result *r)
{
	if (r->type != VM_OUTPUT)
		fail(r->exception->message);
	return *(const int64_t *)r->output;
}

/* ---- round trips ---- */

static int wait_blocking(vm_pool *pool, struct vm_result *r)
{
	return vm_zip_in_out(pool, r);
}

static int wait_in_loop(vm_pool *pool, struct vm_result *r)
{
	struct pollfd fd = { .fd = vm_fd(pool), .events = POLLIN };
	int rc = VM_LATER;

	while (rc == VM_LATER && poll(&fd, 1, -1) == 1)
		rc = vm_zip_in_out_within(pool, r, 0);
	return rc;
}

/* Fills the array with the times of round trips, in us. */
static void make_trips(double *us, size_t trips,
    int (*wait)(vm_pool *, struct vm_result *))
{
	vm_pool *pool = open_pool();
	struct vm_result r;

	for (size_t i = 0; i < trips; i++) {
		double began = clock_of(CLOCK_MONOTONIC);
		int64_t n = (int64_t)i;

		if (vm_submit(pool, &n, sizeof n, NULL) != 1 ||
		    wait(pool, &r) != 1 || value(&r) != 2 * n)
			fail(vm_error(pool));
		us[i] = 1e6 * (clock_of(CLOCK_MONOTONIC) - began);
	}
	vm_close(pool);
}

/* Answers each number with its double until the pipe ends. */
_Noreturn static void serve(int in, int out)
{
	int64_t n;

	while (read(in, &n, sizeof n) == sizeof n) {
		n *= 2;
		if (write(out, &n, sizeof n) != sizeof n)
			break;
	}
	_exit(EXIT_SUCCESS);
}

/* The same without a pool. */
static void make_trips_by_hand(double *us, size_t trips)
{
	int there[2], back[2];
	pid_t pid;

	if (pipe(there) == -1 || pipe(back) == -1 || (pid = fork()) == -1)
		fail("no pipes or no process");
	if (pid == 0) {
		close(there[1]);
		close(back[0]);
		serve(there[0], back[1]);
	}
	close(there[0]);
	close(back[1]);
	for (size_t i = 0; i < trips; i++) {
		double began = clock_of(CLOCK_MONOTONIC);
		int64_t n = (int64_t)i;

		if (write(there[1], &n, sizeof n) != sizeof n ||
		    read(back[0], &n, sizeof n) != sizeof n ||
		    n != 2 * (int64_t)i)
			fail("a wrong answer");
		us[i] = 1e6 * (clock_of(CLOCK_MONOTONIC) - began);
	}
	close(there[1]);
	close(back[0]);
	waitpid(pid, NULL, 0);
}

enum trip { BLOCKING, IN_LOOP, BY_HAND, TRIPS };

static void make_trips_of(enum trip kind, double *us, size_t trips)
{
	if (kind == BY_HAND)
		make_trips_by_hand(us, trips);
	else
		make_trips(us, trips, kind == IN_LOOP ? wait_in_loop :
		    wait_blocking);
}

static void compare_trips(size_t trips, size_t turns)
{
	static const char *const names[TRIPS] = { "blocking", "poll",
		"by hand" };
	double *us = calloc(trips, sizeof *us);
	double median[TRIPS][TURNS_MOST], tail[TRIPS][TURNS_MOST];
	double ratio[TRIPS][TURNS_MOST];

	if (us == NULL)
		fail("no memory");
	for (size_t i = 0; i < turns; i++) {
		for (enum trip t = BLOCKING; t < TRIPS; t++) {
			make_trips_of(t, us, trips);
			median[t][i] = percentile(us, trips, 50);
			tail[t][i] = percentile(us, trips, 99);
		}
		for (enum trip t = BLOCKING; t < TRIPS; t++)
			ratio[t][i] = tail[IN_LOOP][i] / tail[t][i];
	}
	free(us);
	for (enum trip t = BLOCKING; t < TRIPS; t++)
		printf("a round trip, us, %s: median %.1f, p99 %.1f; "
		    "p99 of poll / this %.2f\n", names[t],
		    percentile(median[t], turns, 50),
		    percentile(tail[t], turns, 50),
		    percentile(ratio[t], turns, 50));
}

/* ---- pushing ---- */

/* Adds up all results until there is none for ms milliseconds.  Returns what
   the last call returned. */
static int take(vm_pool *pool, int ms, int64_t *sum)
{
	struct vm_result r;
	int rc;

	while ((rc = vm_zip_in_out_within(pool, &r, ms)) == 1)
		*sum += value(&r);
	if (rc == -1)
		fail(vm_error(pool));
	return rc;
}

/* When there is no room, waits for a result and takes those that are there. */
static void push(vm_pool *pool, const int64_t *in, size_t count, int64_t *sum)
{
	struct vm_result r;

	for (size_t i = 0; i < count; i++) {
		int rc;

		while ((rc = vm_submit(pool, &in[i], sizeof *in, NULL)) ==
		    VM_LATER) {
			if (vm_zip_in_out(pool, &r) != 1)
				fail(vm_error(pool));
			*sum += value(&r);
			take(pool, 0, sum);
		}
		if (rc != 1)
			fail(vm_error(pool));
	}
}

/* An array as a source that gives one input a call. */
struct feed {
	const int64_t *in;
	size_t left;
};

static int next(void *from, const void **input, size_t *size)
{
	struct feed *feed = from;

	if (feed->left == 0)
		return 0;
	feed->left--;
	*input = feed->in++;
	*size = sizeof *feed->in;
	return 1;
}

enum way { BY_ARRAY, BY_CALLBACK, BY_SUBMIT, WAYS };

enum time { CALLER, ALL, ELAPSED, TIMES };

/* Sets the CPU time of the caller, and of it and its workers, and the time, in
   seconds. */
static void look(vm_pool *pool, double *at)
{
	struct vm_stats stats;

	if (vm_stats(pool, &stats) == -1)
		fail(vm_error(pool));
	at[CALLER] = clock_of(CLOCK_PROCESS_CPUTIME_ID);
	at[ALL] = at[CALLER] + 1e-9 * (double)stats.cpu_ns;
	at[ELAPSED] = clock_of(CLOCK_MONOTONIC);
}

/* Maps all inputs.  Sets the times that it took, in ns for each input. */
static void map(const int64_t *in, size_t count, enum way way, double *ns)
{
	vm_pool *pool = open_pool();
	double began[TIMES], ended[TIMES];
	struct feed feed = { in, count };
	int64_t sum = 0, n = (int64_t)count;

	look(pool, began);
	if (way == BY_SUBMIT)
		push(pool, in, count, &sum);
	else if (vm_imap(pool, way == BY_ARRAY ?
	    vm_array(in, count, sizeof *in) : vm_callback(next, &feed)) != 0)
		fail(vm_error(pool));
	take(pool, -1, &sum);
	look(pool, ended);
	for (enum time t = CALLER; t < TIMES; t++)
		ns[t] = 1e9 * (ended[t] - began[t]) / (double)count;
	vm_close(pool);
	if (sum != n * (n - 1))
		fail("a wrong sum");
}

/* Prints the medians of a time of each way, and of the ratios. */
static void print_pushes(const char *name, double (*ns)[WAYS][TIMES],
    enum time time, size_t turns)
{
	double by[WAYS][TURNS_MOST];
	double to_array[TURNS_MOST], to_callback[TURNS_MOST];

	for (size_t i = 0; i < turns; i++) {
		for (enum way way = BY_ARRAY; way < WAYS; way++)
			by[way][i] = ns[i][way][time];
		to_array[i] = by[BY_SUBMIT][i] / by[BY_ARRAY][i];
		to_callback[i] = by[BY_SUBMIT][i] / by[BY_CALLBACK][i];
	}
	printf("an input, ns %s: vm_imap array %.1f, callback %.1f, "
	    "vm_submit %.1f; vm_submit / callback %.2f, / array %.2f\n", name,
	    percentile(by[BY_ARRAY], turns, 50),
	    percentile(by[BY_CALLBACK], turns, 50),
	    percentile(by[BY_SUBMIT], turns, 50),
	    percentile(to_callback, turns, 50),
	    percentile(to_array, turns, 50));
}

static void compare_pushes(size_t count, size_t turns)
{
	int64_t *in = calloc(count, sizeof *in);
	double ns[TURNS_MOST][WAYS][TIMES];

	if (in == NULL)
		fail("no memory");
	for (size_t i = 0; i < count; i++)
		in[i] = (int64_t)i;
	for (size_t i = 0; i < turns; i++)
		for (enum way way = BY_ARRAY; way < WAYS; way++)
			map(in, count, way, ns[i][way]);
	free(in);
	print_pushes("of the caller", ns, CALLER, turns);
	print_pushes("of all processes", ns, ALL, turns);
	print_pushes("elapsed", ns, ELAPSED, turns);
}

int main(int argc, char **argv)
{
	long trips = argc > 1 ? atol(argv[1]) : 20000;
	long inputs = argc > 2 ? atol(argv[2]) : 1000000;
	long turns = argc > 3 ? atol(argv[3]) : 7;

	if (trips < 1 || inputs < 1 || turns < 1 || turns > TURNS_MOST)
		fail("usage: loops [TRIPS [INPUTS [TURNS]]]");
	compare_trips((size_t)trips, (size_t)turns);
	compare_pushes((size_t)inputs, (size_t)turns);
	return 0;
}
