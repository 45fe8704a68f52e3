/* digest.c - see digest.h: 128-bit hashes of bytes, with a secret. */
#include "config.h"

#include "journal/digest.h"

#include "journal/little.h"

/* The four words of state. */
struct state {
	uint64_t v[4];
};

static inline uint64_t turn(uint64_t word, int bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void mix(struct state *s, int rounds)
{
	uint64_t *v = s->v;

	for (; rounds > 0; rounds--) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = turn(v[1], 13) ^ v[0];
		v[3] = turn(v[3], 16) ^ v[2];
		v[0] = turn(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = turn(v[1], 17) ^ v[2];
		v[3] = turn(v[3], 21) ^ v[0];
		v[2] = turn(v[2], 32);
	}
}

static inline void take(struct state *s, uint64_t word)
{
	s->v[3] ^= word;
	mix(s, 2);
	s->v[0] ^= word;
}

/* Returns the last 0 to 7 bytes as a word, below the low byte of the size. */
static uint64_t last_word(const unsigned char *at, size_t left, size_t size)
{
	uint64_t word = (uint64_t)size << 56;

	for (size_t i = 0; i < left; i++)
		word |= (uint64_t)at[i] << 8 * i;
	return word;
}

static uint64_t sum(const struct state *s)
{
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

struct digest digest_of(const struct digest *secret, const void *bytes,
    size_t size)
{
	const uint64_t k0 = secret->word[0], k1 = secret->word[1];
	const unsigned char *at = bytes;
	size_t left = size;
	struct digest d;
	struct state s = { { k0 ^ 0x736f6d6570736575u,
		k1 ^ 0x646f72616e646f6du ^ 0xee, k0 ^ 0x6c7967656e657261u,
		k1 ^ 0x7465646279746573u } };

	for (; left >= 8; at += 8, left -= 8)
		take(&s, little_get64(at));
	take(&s, last_word(at, left, size));
	s.v[2] ^= 0xee;
	mix(&s, 4);
	d.word[0] = sum(&s);
	s.v[1] ^= 0xdd;
	mix(&s, 4);
	d.word[1] = sum(&s);
	return d;
}
