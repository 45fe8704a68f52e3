/*
 * sample.h - selects a part of a large set of cases for a run of the tests.
 *
 * A test with very many cases numbers them.  Some cases, the core, are always
 * tried; the seed, by default the day, selects a part of the others, so that
 * all are tried in the course of days.  "make check-long" tries all at once.
 */
#ifndef TESTS_SAMPLE_H
#define TESTS_SAMPLE_H

#include <stdbool.h>

/* Returns VIMAP_TEST_SEED, or else the days since 1970. */
unsigned sample_seed(void);

/* Are all cases wanted, however long they take?  True if the environment has
   VIMAP_LONG=1. */
bool sample_all(void);

/* Is this case selected?  Number 0 always is, and all are if all are wanted;
   otherwise each is with exactly one of any "of" consecutive seeds. */
bool sample_takes(unsigned number, unsigned of);

/* The same for a whole test.  VIMAP_LONG=tests in the environment selects all
   of these, each with a sample of its cases. */
bool sample_takes_test(unsigned number, unsigned of);

/* Returns a number below "width" that changes from a seed that selects the case
   to the next: width times "of" consecutive seeds give all numbers. */
unsigned sample_pick(unsigned number, unsigned of, unsigned width);

/* Returns large if all cases are wanted, else small. */
int sample_size(int large, int small);

#endif
