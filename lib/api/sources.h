/*
 * sources.h - helpers shared by the ready-made sources.
 *
 * Runs in: caller.  For sources.c, lines.c and blocks.c.
 */
#ifndef SOURCES_H
#define SOURCES_H

#include <stddef.h>
#include <stdint.h>

#include "base/base.h"
#include "items/source.h"
#include "vimap.h"

typedef int (*inputs_next)(void *from, const void **input, size_t *size);

/* Returns a source that stands for a failure: vm_imap() fails with the errno
   and the text of the flaw, which must stay valid. */
struct vm_source sources_unmade(const struct made_flaw *);

/* The same with a text that is formatted as by printf(). */
struct vm_source sources_unmade_as(int error, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* The same for a failed allocation. */
struct vm_source sources_no_memory(void);

/* Returns a heap copy of a source's initial state, or NULL. */
void *sources_state(const void *from, size_t size);

/* Returns a source that never blocks and frees state when it is closed; a
   failed one with ENOMEM if state is NULL.  The state begins with a
   struct made. */
struct vm_source sources_make(inputs_next next, void *state, uint64_t length);

#endif
