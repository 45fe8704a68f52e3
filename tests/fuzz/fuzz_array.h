/*
 * fuzz_array.h - arrays of a run: inputs that workers inherit, and the array of
 * outputs that they are mapped to.
 *
 * The map is vm_map_array() itself; the fuzz target wraps the calls that it
 * makes to its pool.
 *
 * Easy to get wrong: workers and caller are one process here, and outputs may
 * overlap the inputs.  So workers check the addresses of inputs, not their
 * contents; but the caller's input must be intact until its result is reported.
 */
#ifndef FUZZ_ARRAY_H
#define FUZZ_ARRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vimap.h"

struct arrays {
	bool inherits;		/* inputs come from an inherited array */
	bool maps;		/* and are mapped to another, */
	size_t element;		/* of this size in bytes */
	size_t in_size;
};
extern struct arrays arrays;

/* Begins a run without arrays. */
void array_none(void);

/* Begins a run with count inputs.  how: properties of the inputs; where:
   position of the outputs if they are mapped, each at most most bytes long. */
void array_begin(uint64_t count, bool maps, size_t most, unsigned how,
    unsigned where);

/* Returns the inputs as a source. */
struct vm_source array_source(void);

/* Maps the inputs with a pool of its own, and checks the results.  may_fail: a
   callback that tells whether vm_map_array() may have failed. */
void array_map(const struct vm_worker *, const struct vm_options *,
    bool (*may_fail)(void));

/* Checks the address of an input in the caller's array, as a worker sees it. */
void array_check_seen(const void *at, uint64_t number);

/* Checks the input in a result. */
void array_check_input(const struct vm_result *);

#endif
