/*
 * measure.c - prints shell assignments with the measures of this machine, the
 * time limit of each test and the seed of today's sample, which the makefile
 * exports to all tests; and the same as plain text on stderr.
 *
 * A seed or a limit in the environment is kept.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "machine.h"
#include "sample.h"

int main(void)
{
	const char *given = getenv("VIMAP_TEST_LIMIT");
	struct machine m;
	char words[256];
	int limit;

	machine_measure(&m);
	machine_tell(&m, words, sizeof words);
	limit = given != NULL && atoi(given) > 0 ? atoi(given) :
	    machine_limit(&m);
	printf("VIMAP_TEST_MACHINE='%s'\n", words);
	printf("VIMAP_TEST_LIMIT=%d\n", limit);
	printf("VIMAP_TEST_SEED=%u\n", sample_seed());
	printf("export VIMAP_TEST_MACHINE VIMAP_TEST_LIMIT VIMAP_TEST_SEED\n");
	fprintf(stderr, "Tests on: %s\n"
	    "Time limit of a test: %d s (VIMAP_TEST_LIMIT). Sample: seed %u "
	    "(VIMAP_TEST_SEED).\n", words, limit, sample_seed());
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : 1;
}
