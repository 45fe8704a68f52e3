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

#include "base.h"

/* A text was cut after so many bytes: how many of them are whole
   characters. */
size_t cut_end(const char *text, size_t size);

/* The same for a text whose begin was cut off: how many bytes are left of the
   character before. */
size_t cut_begin(const char *text, size_t size);

/* So many bytes of a text, or fewer, if it has more than may be told. */
size_t cut_to(const char *text, size_t size, size_t most);

/* As vsnprintf() into room of 1 byte at least; "" for what cannot be printed.
   Keeps errno. */
void cut_print(char *to, size_t room, const char *format, va_list)
    PRINTF_LIKE(3, 0);

#endif
