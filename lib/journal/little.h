/*
 * little.h - numbers as bytes in little-endian order, as a journal has them.
 *
 * Runs in: caller.  Pure.  A journal may be read on another machine.
 */
#ifndef LITTLE_H
#define LITTLE_H

#include <stdint.h>

/* Store a number at a pointer. */
static inline void little_put64(unsigned char *to, uint64_t n)
{
	for (int i = 0; i < 8; i++)
		to[i] = (unsigned char)(n >> 8 * i);
}

static inline void little_put32(unsigned char *to, uint32_t n)
{
	for (int i = 0; i < 4; i++)
		to[i] = (unsigned char)(n >> 8 * i);
}

/* Return the number at a pointer. */
static inline uint64_t little_get64(const unsigned char *at)
{
	uint64_t n = 0;

	for (int i = 0; i < 8; i++)
		n |= (uint64_t)at[i] << 8 * i;
	return n;
}

static inline uint32_t little_get32(const unsigned char *at)
{
	uint32_t n = 0;

	for (int i = 0; i < 4; i++)
		n |= (uint32_t)at[i] << 8 * i;
	return n;
}

#endif
