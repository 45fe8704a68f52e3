/*
 * cut.h - texts that do not fit: cut between two characters.
 *
 * Runs in: everywhere.  Texts of the user's are UTF-8 as a rule, and half a
 * character at an end would spoil the whole of them for whoever is strict.
 *
 * Easy to get wrong: other encodings are cut as well, and bytes of theirs may
 * look like part of a character; so three bytes are dropped at most.
 */
#ifndef CUT_H
#define CUT_H

#include <stdarg.h>
#include <stddef.h>

#include "base/base.h"

/* A text was cut after "size" bytes: the bytes in front of a character that
   was cut in two. */
size_t cut_end(const char *text, size_t size);

/* The same for a text whose begin was cut off: the bytes at its begin that
   belong to a character cut in two. */
size_t cut_begin(const char *text, size_t size);

/* The bytes of a text to be told, which are "most" at most. */
size_t cut_to(const char *text, size_t size, size_t most);

/* As vsnprintf() into room of 1 byte at least; "" for what cannot be printed.
   Keeps errno. */
void cut_print(char *to, size_t room, const char *format, va_list)
    PRINTF_LIKE(3, 0);

#endif
