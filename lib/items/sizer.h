/*
 * sizer.h - how many inputs should travel together.
 *
 * Runs in: caller.  Pure; times are handed in.  With chunk_size 0: one at
 * first, so that the first result is early; then, by the time measured per
 * item, as many as are worth a wake-up, and no more than fit in one frame's
 * worth of bytes.
 */
#ifndef SIZER_H
#define SIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Chunks of more bytes gain nothing and fill the pipe. */
#define PACE_BYTES ((size_t)16 * 1024)

struct sizer {
	uint32_t fixed;		/* chunk_size; 0: by measure */
	uint32_t aim;		/* items in the next chunk */
	double item_ns;		/* what an item takes, smoothed; 0: unknown */
	double share_ns;	/* CPU time there is for an item of a crowd;
				   0: there is none, or it is unknown */
	uint64_t since;		/* then on it has done */
	uint64_t done;		/* so many items */
};

/* The option, or 0 to go by measure. */
void sizer_init(struct sizer *, size_t chunk_size);

/* Should a chunk of so many items and bytes be sent as it is?  Inline, as it
   is asked for each item. */
static inline bool sizer_enough(const struct sizer *p, uint32_t items,
    size_t bytes)
{
	return items >= p->aim || (!p->fixed && bytes >= PACE_BYTES);
}

/* So many items a worker may take at once, 1 to SLOT_STRIDE: as many as are
   done in no time. */
uint16_t sizer_stride(const struct sizer *);

/* Do so many items take so long that to wake the caller for them costs little
   beside that? */
bool sizer_worth(const struct sizer *, uint32_t items);

/* A worker took that long for so many items. */
void sizer_learn(struct sizer *, uint32_t items, uint64_t ns);

/* So many items were done by now, by so many workers that share the CPUs; to
   be said before what one of them took. */
void sizer_crowd(struct sizer *, uint32_t items, uint64_t now, size_t workers,
    size_t cpus);

#endif
