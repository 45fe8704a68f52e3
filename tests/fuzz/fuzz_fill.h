/*
 * fuzz_fill.h - chunks of an inherited array for a worker, and the places of
 * their outputs, if they have any.
 *
 * Easy to get wrong: places never overlap, so that all of them can be checked
 * after the run.
 */
#ifndef FUZZ_FILL_H
#define FUZZ_FILL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shm/slots.h"
#include "wire/frame.h"

/* An item that was sent in a valid chunk. */
struct fill_item {
	const unsigned char *input; /* pointer into the array; NULL: packed */
	size_t size;		/* bytes of the input */
	unsigned char *place;	/* pointer to room for its output, or NULL */
	bool refused;		/* its chunk must be refused: its place is
				   invalid */
	bool strides;		/* first item of a stride, whose items are taken
				   at once */
	uint32_t ordinal;
	uint32_t number;
};

/* Begins a run with outputs of element bytes (0: any size) for a slot.  how:
   properties of the inputs. */
void fill_begin(const struct slots *, struct slot *, size_t element,
    unsigned how);

/* Gives a chunk items of the array, with a place or without, or leaves the
   chunk unchanged, and records its items under the next indices. */
void fill_chunk(struct frame_chunk *, unsigned how);

/* Returns the item of an index, or NULL. */
const struct fill_item *fill_item(uint64_t index);

/* Are the bytes between the places unchanged? */
bool fill_is_clean(void);

#endif
