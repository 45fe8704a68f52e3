/*
 * words.h - the text of the last error, as a sentence for vm_error().
 *
 * Runs in: caller; words_of() in a worker as well.  Set where the cause of a
 * failure is known, which may be far below the public function that returns it.
 */
#ifndef WORDS_H
#define WORDS_H

#include "base/base.h"

struct words {
	char text[768];		/* "" if there was no error */
};

/* Sets the text, formatted as by printf().  Keeps errno.  Always returns
   -error, so that "return words_set(w, ENOMEM, ...)" is right. */
int words_set(struct words *, int error, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Returns the meaning of an errno number, in English.  Takes no lock of the C
   library if that has strerrordesc_np(): a worker may find it locked for
   ever. */
const char *words_of(int error);

/* Appends to the text, as far as the buffer has room. */
void words_add(struct words *, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
