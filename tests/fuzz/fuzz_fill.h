/*
 * fuzz_fill.h - chunks of an inherited array for a worker, and the places of
 * their outputs, if they have any.
 *
 * Easy to get wrong: places never overlap, so that all of them can be looked
 * at when the run is over.
 */
#ifndef FUZZ_FILL_H
#define FUZZ_FILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/slots.h"
#include "wire/frame.h"

/* An item that was sent in the right way. */
struct fill_item {
	const unsigned char *input; /* NULL: it is packed */
	size_t size;		/* of the input */
	unsigned char *place;	/* for its output; NULL: anywhere */
	bool refused;		/* its chunk must be: the place is none */
	bool strides;		/* the first of what is taken at once */
	uint32_t ordinal;
	uint32_t number;
};

/* A new run, with outputs of so many bytes (0: any) for a slot; how: what
   inputs are like. */
void fill_begin(const struct slots *, struct slot *, size_t element,
    unsigned how);

/* Makes a chunk one of the array, with a place or without, or leaves it as it
   is, and remembers its items, which are the next by index. */
void fill_chunk(struct frame_chunk *, unsigned how);

/* The item of an index, or NULL. */
const struct fill_item *fill_item(uint64_t index);

/* Nothing may be written between the places. */
bool fill_is_clean(void);

#endif
