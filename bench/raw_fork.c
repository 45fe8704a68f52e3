/*
 * raw_fork.c - plain forks, each of which sums its part of an inherited array:
 * no item is sent, so this is a lower bound.
 *
 * For the workloads "sum" and "index".  Each process writes its sum to a pipe
 * of its own.
 */
#include "bench.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int *from;	/* array of read ends, by process */

/* Returns the sum of the items from first to end, exclusive. */
static uint64_t add_part(const struct bench *b, uint64_t first, uint64_t end)
{
	uint64_t sum = 0, one;

	for (; first < end; first++) {
		b->load->run(bench_input(b, first), &one, 1);
		sum += one;
	}
	return sum;
}

/* Forks a process; returns the read end of the pipe for its sum. */
static int fork_part(const struct bench *b, uint64_t first, uint64_t end)
{
	int ends[2];
	pid_t pid;
	uint64_t sum;

	if (pipe(ends) == -1 || (pid = fork()) == -1)
		bench_fail("fork");
	if (pid == 0) {
		sum = add_part(b, first, end);
		_exit(write(ends[1], &sum, sizeof sum) != sizeof sum);
	}
	close(ends[1]);
	return ends[0];
}

int main(int argc, char **argv)
{
	struct bench b;
	uint64_t part, sum;

	bench_open(&b, argc, argv);
	if (!bench_is(&b, "sum") && !bench_is(&b, "index")) {
		fprintf(stderr, "raw_fork: only sum and index\n");
		return 2;
	}
	from = bench_memory((size_t)b.workers * sizeof *from);
	part = b.items / (uint64_t)b.workers;
	bench_begin(&b);
	for (int i = 0; i < b.workers; i++)
		from[i] = fork_part(&b, part * (uint64_t)i,
		    i == b.workers - 1 ? b.items : part * (uint64_t)(i + 1));
	for (int i = 0; i < b.workers; i++) {
		if (read(from[i], &sum, sizeof sum) != sizeof sum)
			bench_fail("read");
		b.checksum += sum;
	}
	b.answered = b.items;
	while (wait(NULL) > 0)
		;
	return bench_end(&b);
}
