/*
 * digest.h - 128-bit hashes of bytes, with a secret: SipHash-2-4-128.
 *
 * Runs in: caller.  Pure.  A journal knows inputs by them, and finds damage by
 * them.  Inputs may come from anybody: without the secret of a journal nobody
 * can make two inputs with the same digest.
 */
#ifndef DIGEST_H
#define DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct digest {
	uint64_t word[2];
};

/* Returns the digest of size bytes.  secret: any 128 bits. */
struct digest digest_of(const struct digest *secret, const void *bytes,
    size_t size);

static inline bool digest_is(const struct digest *a, const struct digest *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

#endif
