/*
 * digits.h - digits of a number, without stdio.
 *
 * Runs in: everywhere, in signal handlers too.  A new process that calls
 * snprintf() first maps some pages of the C library, by a page fault each.
 */
#ifndef DIGITS_H
#define DIGITS_H

#include <stdint.h>

/* Digits that a number may have, in base 10 or 16. */
#define DIGITS_MOST 20

/* Writes the digits of x before end, without a 0 byte; base is 10 or 16.
   Returns a pointer to the first digit. */
char *digits_before(char *end, uint64_t x, unsigned base);

#endif
