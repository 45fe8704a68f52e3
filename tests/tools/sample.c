/* sample.c - see sample.h: selects the cases that a run of the tests tries. */
#include "config.h"

#include "sample.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAY_S 86400

unsigned sample_seed(void)
{
	const char *given = getenv("VIMAP_TEST_SEED");

	return given != NULL && given[0] != '\0' ?
	    (unsigned)strtoul(given, NULL, 10) :
	    (unsigned)(time(NULL) / DAY_S);
}

bool sample_all(void)
{
	const char *wanted = getenv("VIMAP_LONG");

	return wanted != NULL && strcmp(wanted, "tests") != 0;
}

bool sample_takes(unsigned number, unsigned of)
{
	return number == 0 || sample_all() ||
	    (number + sample_seed()) % of == 0;
}

bool sample_takes_test(unsigned number, unsigned of)
{
	return getenv("VIMAP_LONG") != NULL || sample_takes(number, of);
}

unsigned sample_pick(unsigned number, unsigned of, unsigned width)
{
	return (number + sample_seed() / of) % width;
}

int sample_size(int large, int small)
{
	return sample_all() ? large : small;
}
