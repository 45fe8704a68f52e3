/*
 * sources.h - what the ready-made sources have in common.
 *
 * Runs in: caller.  For sources.c and lines.c.
 */
#ifndef SOURCES_H
#define SOURCES_H

#include <stddef.h>
#include <stdint.h>

#include "items/source.h"
#include "vimap.h"

typedef int (*inputs_next)(void *from, const void **input, size_t *size);

/* A source that could not be made: vm_imap() fails with this errno, and these
   words, which stay where they are. */
struct vm_source sources_unmade(int error, const char *words);

/* The same for want of memory. */
struct vm_source sources_no_memory(void);

/* A heap copy of a source's first state, or NULL. */
void *sources_state(const void *from, size_t size);

/* A source that never blocks, with a state to free() (NULL: ENOMEM). */
struct vm_source sources_make(inputs_next next, void *state, uint64_t length);

#endif
