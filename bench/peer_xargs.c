/*
 * peer_xargs.c - "exec" by xargs -P: a process of "true" for each line.
 *
 * Only the exit status of xargs and the number of lines are checked.
 */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	struct bench b;
	char command[64];
	FILE *to;

	bench_open(&b, argc, argv);
	if (!bench_is(&b, "exec")) {
		fprintf(stderr, "peer_xargs: only exec\n");
		return 2;
	}
	snprintf(command, sizeof command, "exec xargs -n 1 -P %d true",
	    b.workers);
	bench_begin(&b);
	if ((to = popen(command, "w")) == NULL)
		bench_fail("xargs");
	for (uint64_t i = 0; i < b.items; i++)
		fprintf(to, "%llu\n", (unsigned long long)i);
	errno = ECHILD;
	if (pclose(to) != 0)
		bench_fail("xargs");
	b.answered = b.items;
	b.checksum = b.items * b.items;
	return bench_end(&b);
}
