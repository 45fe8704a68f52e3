/*
 * fuzz_array.h - arrays of a run: inputs that workers inherit, and what they
 * are mapped to.
 *
 * The map is vm_map_array() itself, whose calls of the pool come to the fuzz
 * target.
 *
 * Easy to get wrong: workers and caller are one process here, and outputs may
 * lie where inputs do.  So workers do not look at inputs, only at where they
 * are; but the caller's must be right until its element is told of.
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
	size_t element;		/* with outputs of so many bytes */
	size_t in_size;
};
extern struct arrays arrays;

/* None, for now. */
void array_none(void);

/* So many inputs; what they are like, and where the outputs go if they are
   mapped, which then have most bytes each at most. */
void array_begin(uint64_t count, bool maps, size_t most, unsigned how,
    unsigned where);

/* The inputs, as a source. */
struct vm_source array_source(void);

/* Maps them with a pool of its own, and looks at all that came of it.
   may_fail: is asked for when vm_map_array() fails. */
void array_map(const struct vm_worker *, const struct vm_options *,
    bool (*may_fail)(void));

/* A worker gets an input from where it lies in the caller's array. */
void array_check_seen(const void *at, uint64_t number);

/* The caller is told of an input. */
void array_check_input(const struct vm_result *);

#endif
