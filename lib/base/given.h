/*
 * given.h - structs that a program has given, of its version of the header.
 *
 * Runs in: caller.
 */
#ifndef GIVEN_H
#define GIVEN_H

#include <stddef.h>

#include "base/words.h"

/* Takes over a struct of the program's size, or zeroes for NULL: 0; -EINVAL and
   words if it is larger than ours and not zero in what we do not know.  name:
   of the struct. */
int given_take(void *to, size_t size, const void *from, size_t theirs,
    const char *name, struct words *);

#endif
