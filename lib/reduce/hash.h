/*
 * hash.h - hashes of bytes, for tables, partitions and seals.
 *
 * Runs in: caller and workers.  All processes of a reducer run the same
 * program, so the hashes may differ on another machine.
 *
 * Easy to get wrong: not for secrets; an attacker who knows the function can
 * make keys that collide.
 */
#ifndef HASH_H
#define HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_START 0x9e3779b97f4a7c15u

/* Mixes a word into a hash. */
static inline uint64_t hash_word(uint64_t h, uint64_t word)
{
	h = (h ^ word) * 0x9fb21c651e98df25u;
	return h ^ h >> 35;
}

/* The last 1 to 7 bytes as a word.  Copies fixed sizes, so that the compiler
   emits no call of memcpy(): it runs for each key. */
static inline uint64_t hash_tail(const unsigned char *at, size_t size)
{
	uint32_t first, last;

	if (size < 4)
		return (uint64_t)at[0] << 16 | (uint64_t)at[size / 2] << 8 |
		    at[size - 1];
	memcpy(&first, at, 4);
	memcpy(&last, at + size - 4, 4);
	return (uint64_t)first << 32 | last;
}

/* Returns the share of "shares" that a hash falls into, from 0 on. */
static inline uint32_t hash_share(uint64_t h, uint32_t shares)
{
	return (uint32_t)((h >> 32) * shares >> 32);
}

/* The hash of a buffer. */
static inline uint64_t hash_bytes(const void *from, size_t size)
{
	const unsigned char *at = from;
	uint64_t h = HASH_START ^ size, word;

	for (; size >= 8; at += 8, size -= 8) {
		memcpy(&word, at, 8);
		h = hash_word(h, word);
	}
	if (size > 0)
		h = hash_word(h, hash_tail(at, size));
	return hash_word(h, h >> 29);
}

#endif
