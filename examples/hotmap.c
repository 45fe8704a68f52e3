/*
 * hotmap.c - slow squares on workers that join from anywhere.
 *
 * Usage: hotmap worker QUEUE [COMMAND [ARGUMENT...]]
 *        hotmap map QUEUE NUMBER...
 *
 * "worker" offers one worker to the programs that map with the queue, the
 * present one and those to come, until it is killed.  Start any number, before
 * or after.  QUEUE is a name, or the path of a socket.  From another machine,
 * the command leads to the machine with the queue:
 *
 *	hotmap worker QUEUE ssh -oBatchMode=yes HOST /opt/hotmap \
 *	    --vimap-relay QUEUE
 *
 * "map" squares the numbers, each of which takes a second, on the workers that
 * are there, and prints a square per line in the order of the arguments, then
 * the number of workers that were seen and the elapsed time.  It waits for
 * workers as long as it takes.  If a worker is killed, another one takes over
 * its number.
 *
 * This is the shape of HotMap, whose workers wait at a queue of a message
 * broker.  Here the queue is a Unix socket, and who may reach it is decided by
 * the kernel and by ssh.
 *
 * Exit status: 0 if all went well, 1 if not, 2 for a usage error.
 */
#define _DEFAULT_SOURCE

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <vimap.h>

/* The longest number that squares. */
#define MOST 3037000499

/* ---- In the worker ----------------------------------------------------- */

static int square(struct vm_context *me, const void *input, size_t size)
{
	char *end;
	int64_t x;

	(void)size;
	errno = 0;
	x = strtoll(input, &end, 10);
	if (end == input || *end != '\0' || errno != 0 || x > MOST ||
	    x < -MOST)
		return vm_fail(me, EINVAL, "'%.20s' cannot be squared.",
		    (const char *)input);
	sleep(1);
	x *= x;
	return vm_output(me, &x, sizeof x);
}

static const struct vm_worker worker = { .process = square, .name = "square" };

/* Serves pools; returns only if it is refused. */
static int be_worker(const char *queue, char **command)
{
	const struct vm_join to = { .to = queue, .workers = 1 };
	const struct vm_join by = { .command = (const char *const *)command,
		.workers = 1 };

	if (vm_join(command[0] != NULL ? &by : &to, &worker, 1) < 0)
		fprintf(stderr, "hotmap: %s\n", vm_error(NULL));
	return 1;
}

/* ---- In the caller ----------------------------------------------------- */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Prints all results.  Returns how many failed, or -1 if the pool did. */
static int print_squares(vm_pool *pool)
{
	struct vm_result r;
	int failed = 0, rc;

	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		if (r.type == VM_OUTPUT) {
			printf("%" PRId64 "\n", *(const int64_t *)r.output);
		} else {
			printf("exception: %s\n", r.exception->message);
			failed++;
		}
		fflush(stdout);
	}
	return rc < 0 ? -1 : failed;
}

/* Returns how many hosts have answered. */
static int count_hosts(vm_pool *pool)
{
	struct vm_host_state s;
	int n = 0;

	for (int i = 1; vm_host_state(pool, i, &s) == 1; i++)
		n += s.done > 0;
	return n;
}

static int map(const char *queue, char **numbers, size_t count)
{
	const struct vm_options options = {
		.workers = VM_ELSEWHERE,
		.flags = VM_ORDERED,
		.chunk_size = 1,
		.listen = queue,
		.max_hosts = 64,
		.patience_ms = INT_MAX,
	};
	vm_pool *pool = vm_fork(&worker, &options);
	const double begin = now();
	int failed = -1;

	if (pool != NULL &&
	    vm_imap(pool, vm_strings((const char *const *)numbers, count)) == 0)
		failed = print_squares(pool);
	if (failed >= 0)
		printf("%d workers, %.2f s\n", count_hosts(pool),
		    now() - begin);
	else
		fprintf(stderr, "hotmap: %s\n", vm_error(pool));
	if (vm_close(pool) < 0)
		failed = -1;
	return failed != 0;
}

int main(int argc, char **argv)
{
	vm_agent(argc, argv, &worker, 1);
	if (argc >= 3 && strcmp(argv[1], "worker") == 0)
		return be_worker(argv[2], argv + 3);
	if (argc >= 4 && strcmp(argv[1], "map") == 0)
		return map(argv[2], argv + 3, (size_t)argc - 3);
	fprintf(stderr, "usage: hotmap worker QUEUE [COMMAND [ARGUMENT...]]\n"
	    "       hotmap map QUEUE NUMBER...\n");
	return 2;
}
