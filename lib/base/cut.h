/*
 * cut.h - cuts texts that do not fit a buffer, between two characters.
 *
 * Runs in: everywhere.  Texts of the program are UTF-8 as a rule, and half a
 * character at an end would make a strict decoder reject the whole text.
 *
 * Easy to get wrong: texts in other encodings are cut as well, and their bytes
 * may look like parts of a UTF-8 character; so at most three bytes are dropped.
 */
#ifndef CUT_H
#define CUT_H

#include <stdarg.h>
#include <stddef.h>

#include "base/base.h"

/* For a text cut off behind size bytes: returns its length in bytes without a
   character that the cut has split. */
size_t cut_end(const char *text, size_t size);

/* For a text whose beginning was cut off: returns how many of its first bytes
   belong to a character that the cut has split. */
size_t cut_begin(const char *text, size_t size);

/* Returns how many bytes of a text of size bytes to print, at most "most",
   without splitting a character. */
size_t cut_to(const char *text, size_t size, size_t most);

/* Formats into a buffer of room bytes (at least 1) as vsnprintf() does, without
   splitting a character; stores "" if formatting fails.  Keeps errno. */
void cut_print(char *to, size_t room, const char *format, va_list)
    PRINTF_LIKE(3, 0);

#endif
