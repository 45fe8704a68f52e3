/*
 * sizer.h - how many inputs to send in a chunk.
 *
 * Runs in: caller.  Pure; times are passed in.  With chunk_size 0 the first
 * chunk has one item, so that the first result is early.  Later chunks have, by
 * the measured time per item, enough items to be worth a wake-up, and at most
 * SIZER_BYTES of frames.
 */
#ifndef SIZER_H
#define SIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Chunks of more bytes gain nothing.  Four of them, each with an item beyond
   that and a head, fit in a pipe of default size. */
#define SIZER_BYTES ((size_t)15 * 1024)

struct sizer {
	uint32_t fixed;		/* chunk_size; 0: by measurement */
	uint32_t aim;		/* items in the next chunk */
	double item_ns;		/* time per item, smoothed; 0: unknown */
	uint32_t items;		/* items measured last */
	double share_ns;	/* CPU time available per item if there are
				   more workers than CPUs; else, or if it is
				   unknown, 0 */
	uint64_t since;		/* begin of the present sample, ns */
	uint64_t done;		/* items done in the present sample */
	int tiny;		/* balance of chunks whose items took no time,
				   up to TINY_MOST */
	size_t silent;		/* workers that may be at a longer item */
};

/* Initializes it.  chunk_size: the option; 0: measure. */
void sizer_init(struct sizer *, size_t chunk_size);

/* Is a chunk with that many items and bytes large enough to send?  Inline, as
   it runs for each item. */
static inline bool sizer_enough(const struct sizer *p, uint32_t items,
    size_t bytes)
{
	return items >= p->aim || (!p->fixed && bytes >= SIZER_BYTES);
}

/* Returns how many items of "length" bytes must follow before the chunk is that
   large; 0 if it is. */
size_t sizer_missing(const struct sizer *, uint32_t items, size_t bytes,
    size_t length);

/* Returns how many items a worker is to take at once, 1 to SLOT_STRIDE: more if
   they are short. */
uint16_t sizer_stride(const struct sizer *);

/* Are items so short that waking a worker for a single item costs as much? */
bool sizer_is_short(const struct sizer *);

/* Returns how many workers should have chunks; SIZE_MAX: all.  While items are
   tiny, more workers than CPUs only touch more pages. */
size_t sizer_hands(const struct sizer *, size_t cpus);

/* So many workers with chunks were silent for a while: they may be at a longer
   item, and others should have chunks in their place. */
void sizer_silent(struct sizer *, size_t workers);

/* Do that many items take so long that waking the caller for them costs little
   by comparison? */
bool sizer_worth(const struct sizer *, uint32_t items);

/* Adds a measurement: a worker took ns for that many items. */
void sizer_learn(struct sizer *, uint32_t items, uint64_t ns);

/* Records that items are done at time now (ns), by workers that share the CPUs.
   To be called before sizer_learn() for the same items. */
void sizer_crowd(struct sizer *, uint32_t items, uint64_t now, size_t workers,
    size_t cpus);

#endif
