/*
 * integrate.c - the integral of e^x from 1 to 10, by rectangles.
 *
 * Usage: integrate [-H command]... [PARTS]
 *
 *	-H	another machine: a command that runs there the command line
 *		behind it, as "ssh -oBatchMode=yes h1" does; again for more
 *
 * The rectangles are 0.00001 wide, and each is as high as the function at its
 * left edge.  They are summed in PARTS parts (4).  Prints, for each part in
 * order, its first rectangle, the number of rectangles and their sum, and then
 * the result; all digits that are needed to read back the same double.
 *
 * It shows results that do not depend on the number of workers, to the last
 * digit: a sum of doubles depends on the order of additions, and an ordered
 * pool passes the parts to the callback of vm_fold() in order.  Other machines
 * change nothing in that, if they have the same library of mathematics.
 *
 * Exit status: 0 if all went well, 1 if not, 2 for a usage error.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <vimap.h>
#include <vimap_reduce.h>

static const double from = 1, to = 10, width = 1e-5;

/* Runs in a worker.  The input is a struct vm_part: a range of rectangles. */
static int sum_part(struct vm_context *me, const void *input, size_t size)
{
	const struct vm_part *part = input;
	double sum = 0;
	uint64_t i;

	(void)size;
	for (i = part->offset; i < part->offset + part->limit; i++)
		sum += exp(from + (double)i * width) * width;
	return vm_output(me, &sum, sizeof sum);
}

static void complain(const char *words)
{
	fprintf(stderr, "integrate: %s\n", words);
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
	double *total = accumulator;

	if (r->type != VM_OUTPUT) {
		complain(r->exception->message);
		return 0;
	}
	printf("%" PRIu64 " %" PRIu64 " %.17g\n", part->offset, part->limit,
	       *(const double *)r->output);
	*total += *(const double *)r->output;
	return 0;
}

/* Prints the parts and the result.  Returns 0, or -1 after a message. */
static int integrate(const struct vm_worker *worker,
		     const struct machines *machines, uint64_t parts)
{
	const struct vm_options options = {
		.workers = machines->count > 0 ? VM_ELSEWHERE : 0,
		.flags = VM_ORDERED,
		.chunk_size = 1,
		.hosts = machines->hosts,
		.host_count = machines->count,
	};
	const uint64_t length = (uint64_t)((to - from) / width);
	vm_pool *pool = vm_fork(worker, &options);
	double total = 0;
	int rc = -1;

	if (pool)
		rc = vm_fold(pool, vm_parts(length, parts, VM_CUT_WITH_REST),
			     add_result, &total);
	if (rc == -1)
		complain(vm_error(pool));
	else if (rc == 0)
		printf("%.17g\n", total);
	if (vm_close(pool) != 0) {
		complain(vm_error(NULL));
		rc = -1;
	}
	return rc == 0 ? 0 : -1;
}

/* Parses a decimal number above 0.  Returns 0, or -1 after a message. */
static int parse_number(const char *text, uint64_t *number)
{
	char *end;

	errno = 0;
	*number = strtoumax(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 &&
	    *number > 0)
		return 0;
	fprintf(stderr, "integrate: '%s' is no number of parts\n", text);
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
			   uint64_t *parts)
{
	int letter, rc = 0;

	while (rc == 0 && (letter = getopt(argc, argv, "H:")) != -1)
		rc = letter == 'H' ? add_machine(machines, optarg) : -1;
	if (rc == 0 && optind < argc - 1)
		rc = -1;
	if (rc == -1) {
		complain("usage: integrate [-H command]... [PARTS]");
		return -1;
	}
	return optind < argc ? parse_number(argv[optind], parts) : 0;
}

int main(int argc, char **argv)
{
	static const struct vm_worker worker = {
		.process = sum_part,
		.name = "sum",
	};
	static struct machines machines;
	uint64_t parts = 4;
	int rc;

	/* On another machine the program ends here. */
	vm_agent(argc, argv, &worker, 1);
	if (parse_arguments(argc, argv, &machines, &parts) == -1)
		return 2;
	rc = integrate(&worker, &machines, parts);
	if (close_stdout() == -1)
		rc = -1;
	return rc == 0 ? 0 : 1;
}
