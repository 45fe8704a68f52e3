/*
 * debug.h - debug lines on stderr.
 *
 * Runs in: caller, if VM_DEBUG asks for them.
 */
#ifndef DEBUG_H
#define DEBUG_H

#include "base/words.h"

struct engine;

/* Prints "vimap: ", the time of day, the pid, and the text, which is cut to the
   255 bytes of a buffer, with a newline. */
void debug_say(struct engine *, const char *format, ...)
    PRINTF_LIKE(2, 3);

#endif
