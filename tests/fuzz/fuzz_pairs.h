/*
 * fuzz_pairs.h - part of the fuzz target fuzz_far: what reducers and agents
 * read of each other.
 */
#ifndef TESTS_FUZZ_PAIRS_H
#define TESTS_FUZZ_PAIRS_H

#include <stddef.h>
#include <stdint.h>

/* Offers an output of a call of map() on another machine to a shuffle.  It is
   refused as a whole, or its pairs are in their partitions, in their order. */
void fuzz_pairs(const uint8_t *data, size_t size);

/* Offers bytes to an agent as what it is told of a reducer. */
void fuzz_told(const uint8_t *data, size_t size);

#endif
