/*
 * log_lines.c - counts lines of a log by vm_blocks(), and in a plain loop; for
 * "make bench-lines".
 *
 * Usage: log_lines [BLOCK_SIZE].  Makes a log of 300,000 lines, counts those
 * with status 500 both ways in turn, and prints the CPU time of each, all
 * processes together, and the median of the ratios: for a pool that counts one
 * log, with the cost to fork and close it, and for a pool that counts ten.
 * Exit status 1 if the counts differ.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <vimap.h>

#include "clock.h"

enum { LINES = 300000, TURNS = 9 };

static char path[] = "/tmp/vimap_log.XXXXXX";

static void fail(const char *what)
{
	fprintf(stderr, "log_lines: %s\n", what);
	unlink(path);
	exit(EXIT_FAILURE);
}

static void make_log(void)
{
	int fd = mkstemp(path);
	FILE *log = fd == -1 ? NULL : fdopen(fd, "w");

	if (log == NULL)
		fail("cannot make a file in /tmp");
	for (int i = 0; i < LINES; i++)
		fprintf(log, "10.0.%d.%d - - [17/May/2025:10:%02d:%02d +0000] "
		    "\"GET /page/%d HTTP/1.1\" %d %d\n", i / 251 % 256,
		    i % 251, i / 60 % 60, i % 60, (int)(i * 7919LL % 10007),
		    i % 37 == 0 ? 500 : 200, i % 4096);
	if (fclose(log) != 0)
		fail("cannot write the log");
}

/* Is the status of this line 500? */
static int counts(const char *line, size_t size)
{
	const char *quote = memrchr(line, '"', size);

	return quote != NULL && line + size - quote > 5 &&
	    memcmp(quote + 2, "500", 3) == 0;
}

static uint64_t count_plainly(void)
{
	FILE *log = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	uint64_t n = 0;
	ssize_t size;

	if (log == NULL)
		fail("cannot open the log");
	while ((size = getline(&line, &room, log)) > 0)
		n += (uint64_t)counts(line, (size_t)size);
	free(line);
	fclose(log);
	return n;
}

static int count_block(struct vm_context *me, const void *input, size_t size)
{
	const char *at, *end, *line;
	size_t length;
	uint64_t n = 0;

	if (vm_read_block(me, input, size, &at, &length) == -1)
		return -1;
	for (end = at + length; at < end; at = line + 1) {
		line = memchr(at, '\n', (size_t)(end - at));
		if (line == NULL)
			line = end;
		n += (uint64_t)counts(at, (size_t)(line - at));
	}
	return vm_output(me, &n, sizeof n);
}

static uint64_t count_by_blocks(uint64_t block_size, int logs)
{
	const struct vm_worker worker = { .process = count_block };
	vm_pool *pool = vm_fork(&worker, NULL);
	const char *paths[] = { path };
	struct vm_result r;
	uint64_t n = 0, sum = 0;
	int rc = 0;

	for (int i = 0; i < logs && rc == 0; i++)
		rc = vm_imap(pool, vm_blocks(paths, 1, block_size, '\n'));
	if (rc == 0)
		while ((rc = vm_zip_in_out(pool, &r)) == 1) {
			if (r.type != VM_OUTPUT)
				fail(r.exception->message);
			memcpy(&n, r.output, sizeof n);
			sum += n;
		}
	if (rc == -1)
		fail(vm_error(pool));
	vm_close(pool);
	return sum;
}

/* CPU time of this process and of all it has waited for. */
static double cpu(void)
{
	return clock_cpu(RUSAGE_SELF) + clock_cpu(RUSAGE_CHILDREN);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void compare(uint64_t block_size, int logs)
{
	double plain[TURNS], blocks[TURNS], ratio[TURNS], start;
	uint64_t wanted;

	for (int i = 0; i < TURNS; i++) {
		start = cpu();
		wanted = 0;
		for (int k = 0; k < logs; k++)
			wanted += count_plainly();
		plain[i] = cpu() - start;
		start = cpu();
		if (count_by_blocks(block_size, logs) != wanted)
			fail("the two counts differ");
		blocks[i] = cpu() - start;
		ratio[i] = blocks[i] / plain[i];
	}
	qsort(plain, TURNS, sizeof *plain, by_value);
	qsort(blocks, TURNS, sizeof *blocks, by_value);
	qsort(ratio, TURNS, sizeof *ratio, by_value);
	printf("%2d x %d lines, CPU: plain loop %.1f ms, vm_blocks() %.1f ms, "
	    "ratio %.2f\n", logs, LINES, 1e3 * plain[TURNS / 2],
	    1e3 * blocks[TURNS / 2], ratio[TURNS / 2]);
}

int main(int argc, char **argv)
{
	uint64_t block_size = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;

	make_log();
	compare(block_size, 1);
	compare(block_size, 10);
	unlink(path);
	return 0;
}
