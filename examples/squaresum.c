/*
 * squaresum.c - the sum of i * i for 0 <= i < N, in parts.
 *
 * Usage: squaresum [-H command]... [N [PARTS]]
 *
 *	-H	another machine: a command that runs there the command line
 *		behind it, as "ssh -oBatchMode=yes h1" does; again for more
 *
 * N is 10000000 and PARTS is 4 if not given.  Prints, for each part in order,
 * its first number, its length and its sum, and then the result.
 *
 * It shows inputs that the workers generate: the caller sends only ranges, from
 * vm_parts().  Each worker computes the sum of its range, and the callback of
 * vm_fold() adds it to the total.  Sums have more than 64 bits.
 *
 * Exit status: 0 if all went well, 1 if not, 2 for a usage error.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <vimap.h>
#include <vimap_reduce.h>

/* The squares of numbers below N_MOST are below BASE. */
#define N_MOST UINT64_C(1000000000)
#define BASE UINT64_C(1000000000000000000)

/* high * BASE + low: two digits in a base that is easy to print. */
struct sum {
	uint64_t high;
	uint64_t low;		/* below BASE */
};

static void add(struct sum *sum, const struct sum *more)
{
	sum->high += more->high;
	sum->low += more->low;
	if (sum->low >= BASE) {
		sum->low -= BASE;
		sum->high++;
	}
}

static void print_sum(const struct sum *sum)
{
	if (sum->high > 0)
		printf("%" PRIu64 "%018" PRIu64 "\n", sum->high, sum->low);
	else
		printf("%" PRIu64 "\n", sum->low);
}

/* ---- In the worker ----------------------------------------------------- */

/* The input is a struct vm_part: a range of numbers. */
static int sum_part(struct vm_context *me, const void *input, size_t size)
{
	const struct vm_part *part = input;
	struct sum sum = { 0 }, square = { 0 };
	uint64_t i;

	(void)size;
	for (i = part->offset; i < part->offset + part->limit; i++) {
		square.low = i * i;
		add(&sum, &square);
	}
	return vm_output(me, &sum, sizeof sum);
}

static void complain(const char *words)
{
	fprintf(stderr, "squaresum: %s\n", words);
}

/* ---- Other machines ---------------------------------------------------- */

#define MOST_HOSTS 64

/* Machines, as commands. */
struct machines {
	struct vm_host hosts[MOST_HOSTS];
	const char *commands[MOST_HOSTS][6];
	int count;
	char path[PATH_MAX];	/* of this program */
};

/* Adds a machine: the shell cuts the command into words, and runs it with the
   path of this program behind them.  Returns 0, or -1 after a message. */
static int add_machine(struct machines *m, const char *command)
{
	const char *words[] = { "sh", "-c", "exec $0 \"$@\"", command,
				m->path };
	ssize_t n = readlink("/proc/self/exe", m->path, sizeof m->path - 1);

	if (n == -1 || m->count == MOST_HOSTS) {
		complain(n == -1 ? strerror(errno) : "too many machines");
		return -1;
	}
	m->path[n] = '\0';
	memcpy(m->commands[m->count], words, sizeof words);
	m->hosts[m->count].command = m->commands[m->count];
	m->count++;
	return 0;
}

/* ---- In the caller ----------------------------------------------------- */

/* Callback of vm_fold(): adds the sum of a part to the total. */
static int add_result(void *accumulator, const struct vm_result *r)
{
	const struct vm_part *part = r->input;
	struct sum *total = accumulator;

	if (r->type != VM_OUTPUT) {
		complain(r->exception->message);
		return 0;
	}
	printf("%" PRIu64 " %" PRIu64 " ", part->offset, part->limit);
	print_sum(r->output);
	add(total, r->output);
	return 0;
}

/* Prints the parts and the result.  Returns 0, or -1 after a message. */
static int sum_all(const struct vm_worker *worker,
		   const struct machines *machines, uint64_t length,
		   uint64_t parts)
{
	const struct vm_options options = {
		.workers = machines->count > 0 ? VM_ELSEWHERE : 0,
		.flags = VM_ORDERED,
		.chunk_size = 1,
		.hosts = machines->hosts,
		.host_count = machines->count,
	};
	vm_pool *pool = vm_fork(worker, &options);
	struct sum total = { 0 };
	int rc = -1;

	if (pool)
		rc = vm_fold(pool, vm_parts(length, parts, VM_CUT_WITH_REST),
			     add_result, &total);
	if (rc == -1)
		complain(vm_error(pool));
	else if (rc == 0)
		print_sum(&total);
	if (vm_close(pool) != 0) {
		complain(vm_error(NULL));
		rc = -1;
	}
	return rc == 0 ? 0 : -1;
}

/* Parses a decimal number from least to most.  Returns 0, or -1 after a
   message. */
static int parse_number(const char *text, uint64_t least, uint64_t most,
			uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoumax(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 &&
	    *number >= least && *number <= most)
		return 0;
	fprintf(stderr, "squaresum: '%s' is no number from %" PRIu64 " to %"
		PRIu64 "\n", text, least, most);
	return -1;
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

/* Parses the arguments.  Returns 0, or -1 after a message. */
static int parse_arguments(int argc, char **argv, struct machines *machines,
			   uint64_t *length, uint64_t *parts)
{
	int letter, rc = 0;

	while (rc == 0 && (letter = getopt(argc, argv, "H:")) != -1)
		rc = letter == 'H' ? add_machine(machines, optarg) : -1;
	if (rc == -1 || argc - optind > 2) {
		complain("usage: squaresum [-H command]... [N [PARTS]]");
		return -1;
	}
	if (argc - optind > 0)
		rc = parse_number(argv[optind], 0, N_MOST, length);
	if (argc - optind > 1 && rc == 0)
		rc = parse_number(argv[optind + 1], 1, N_MOST, parts);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct vm_worker worker = {
		.process = sum_part,
		.name = "sum",
	};
	static struct machines machines;
	uint64_t length = 10000000, parts = 4;
	int rc;

	/* On another machine the program ends here. */
	vm_agent(argc, argv, &worker, 1);
	if (parse_arguments(argc, argv, &machines, &length, &parts) == -1)
		return 2;
	rc = sum_all(&worker, &machines, length, parts);
	if (close_stdout() == -1)
		rc = -1;
	return rc == 0 ? 0 : 1;
}
