/*
 * words.h - what went wrong last, as a sentence for vm_error().
 *
 * Runs in: caller; words_of() in a worker as well.  Filled where a failure is
 * understood best, which may be far below the public function that returns it.
 */
#ifndef WORDS_H
#define WORDS_H

#include "base/base.h"

struct words {
	char text[512];		/* "" if nothing went wrong */
};

/* Sets the words, as printf().  Keeps errno.  Always returns -error, so that
   "return words_set(w, ENOMEM, ...)" is right. */
int words_set(struct words *, int error, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* What an errno number means, in English; takes no lock of the C library's,
   which a worker may find locked for good. */
const char *words_of(int error);

/* Adds to the words, as far as there is room. */
void words_add(struct words *, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
