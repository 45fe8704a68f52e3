/*
 * given.h - structs passed by a program that may have been compiled with
 * another version of the header.
 *
 * Runs in: caller.
 */
#ifndef GIVEN_H
#define GIVEN_H

#include <stddef.h>

#include "base/words.h"

/* Copies a struct of "theirs" bytes from the program into "to", of size bytes,
   and zeroes the rest; zeroes all for a NULL pointer.  Returns 0; or -EINVAL,
   and sets the words, if the program's struct is larger and a byte of the
   unknown part is not zero.  name: of the struct, for the words. */
int given_take(void *to, size_t size, const void *from, size_t theirs,
    const char *name, struct words *);

/* Copies a struct of size bytes to a program's struct of "theirs" bytes, and
   zeroes what the library does not know of that. */
void given_fill(void *to, size_t theirs, const void *from, size_t size);

#endif
