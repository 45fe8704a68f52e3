/*
 * sample.h - the part of a large set of cases that one run of the tests tries.
 *
 * A test that proves by volume numbers its cases.  Some of them, the core, are
 * always tried; of the others a part is drawn by a seed, which is the day, so
 * that over the days all are tried.  "make check-long" tries all at once.
 */
#ifndef TESTS_SAMPLE_H
#define TESTS_SAMPLE_H

#include <stdbool.h>

/* VIMAP_TEST_SEED, or else days since 1970. */
unsigned sample_seed(void);

/* Are all cases wanted, however long they take?  So says VIMAP_LONG=1 in the
   environment. */
bool sample_all(void);

/* Is this case to be tried now?  Number 0 always is, and all are if all are
   wanted; else each is with one of any "of" seeds in a row. */
bool sample_takes(unsigned number, unsigned of);

/* The same for a whole test; VIMAP_LONG=tests in the environment wants all of
   these, each with a sample of its cases. */
bool sample_takes_test(unsigned number, unsigned of);

/* A number below "width", which differs among the seeds that draw the same case
   of "of": width times "of" seeds in a row go through all. */
unsigned sample_pick(unsigned number, unsigned of, unsigned width);

/* The larger number if all cases are wanted, else the smaller. */
int sample_size(int large, int small);

#endif
