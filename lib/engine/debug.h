/*
 * debug.h - debug lines on stderr.
 *
 * Runs in: caller, if vm_options.debug asks for them.
 */
#ifndef DEBUG_H
#define DEBUG_H

#include "base/words.h"

struct engine;

/* Prints "vimap: " and the text, cut to 255 bytes, with a newline. */
void debug_say(const struct engine *, const char *format, ...)
    PRINTF_LIKE(2, 3);

#endif
