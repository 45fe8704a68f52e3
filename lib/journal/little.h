/*
 * little.h - numbers as bytes in little-endian order, as a journal has them.
 *
 * Runs in: caller.  Pure.  A journal may be read on another machine.  Without
 * loops, so that compilers make single instructions of them.
 */
#ifndef LITTLE_H
#define LITTLE_H

#include <stdint.h>

/* Store a number at a pointer. */
static inline void little_put32(unsigned char *to, uint32_t n)
{
	to[0] = (unsigned char)n;
	to[1] = (unsigned char)(n >> 8);
	to[2] = (unsigned char)(n >> 16);
	to[3] = (unsigned char)(n >> 24);
}

static inline void little_put64(unsigned char *to, uint64_t n)
{
	little_put32(to, (uint32_t)n);
	little_put32(to + 4, (uint32_t)(n >> 32));
}

/* Return the number at a pointer. */
static inline uint32_t little_get32(const unsigned char *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	    (uint32_t)at[3] << 24;
}

static inline uint64_t little_get64(const unsigned char *at)
{
	return little_get32(at) | (uint64_t)little_get32(at + 4) << 32;
}

#endif
