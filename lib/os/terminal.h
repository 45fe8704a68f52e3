/*
 * terminal.h - the standard error of the program, for lines about a pool.
 *
 * Runs in: caller.  A write never blocks and never raises a signal: the run
 * must go on if the terminal is stopped by Ctrl-S or gone, and if the reader of
 * a pipe reads no more.  No mode of the terminal is changed.
 *
 * Easy to get wrong: O_NONBLOCK on the descriptor of the program would change
 * it for all processes that have it; so the terminal is opened a second time.
 */
#ifndef TERMINAL_H
#define TERMINAL_H

#include <stddef.h>

/* Returns the columns of the terminal that standard error is; 0 if it is none,
   or one that does not move its cursor (TERM is "dumb" or not set). */
int terminal_columns(void);

/* Writes a text of up to 4096 bytes to standard error if that takes it now.
   Returns 0; -EAGAIN if it does not, or if the program is in the background of
   its terminal; or -errno if it is gone or closed. */
int terminal_write(const char *text, size_t size);

#endif
