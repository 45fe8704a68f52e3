/*
 * integrate.c - the integral of e^x from 1 to 10, by rectangles.
 *
 * Usage: integrate [PARTS]
 *
 * The rectangles are 0.00001 wide, and each is as high as the function at its
 * left edge.  They are summed in PARTS parts (4).  Prints, for each part in
 * order, its first rectangle, the number of rectangles and their sum, and then
 * the result; all digits that are needed to read back the same double.
 *
 * It shows results that do not depend on the number of workers, to the last
 * digit: a sum of doubles depends on the order of additions, and an ordered
 * pool passes the parts to the callback of vm_fold() in order.
 *
 * Exit status: 0 if all went well, 1 if not, 2 for a usage error.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

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

/* ---- In the caller ----------------------------------------------------- */

static void complain(const char *words)
{
	fprintf(stderr, "integrate: %s\n", words);
}

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
static int integrate(uint64_t parts)
{
	const struct vm_worker worker = { .process = sum_part };
	const struct vm_options options = { .flags = VM_ORDERED,
		.chunk_size = 1 };
	const uint64_t length = (uint64_t)((to - from) / width);
	vm_pool *pool = vm_fork(&worker, &options);
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

int main(int argc, char **argv)
{
	uint64_t parts = 4;
	int rc;

	if (argc > 2) {
		complain("usage: integrate [PARTS]");
		return 2;
	}
	if (argc > 1 && parse_number(argv[1], &parts) == -1)
		return 2;
	rc = integrate(parts);
	if (close_stdout() == -1)
		rc = -1;
	return rc == 0 ? 0 : 1;
}
