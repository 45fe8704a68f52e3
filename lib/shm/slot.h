/*
 * slot.h - a worker's shared pages: staging ring and lease words.
 *
 * Runs in: caller and worker, at the same time; slots.h has where it is mapped.
 * A slot is
 *
 *	| control page: committed, wanted, lease words ... | ring | outputs |
 *	| inputs |
 *
 * The ring stages the result stream: the worker appends a frame, then moves
 * "committed" past it; the pipe carries the same bytes later.  After a death,
 * or past a worker that sits in a long item, the caller takes what the pipe
 * has not brought from the ring.  So a finished output never dies with its
 * worker, and no system call is made for each.
 *
 *	position:  0 ... flushed ......... committed
 *	           in the pipe  only in the ring, at position % SLOT_RING
 *
 * The payload area has a half for inputs, which the caller fills and the worker
 * can only read, and one for outputs, which the worker fills and the caller
 * reads: what is large goes there, and only where it is is sent.
 *
 * A lease word says how far a chunk may go and is: {generation 16, limit 24,
 * next 24 bits}, the generation being the end of the chunk's ordinal.  The
 * worker takes items by adding to next: one, or as many as the chunk's stride
 * says where they are so short that the atomic addition counts.  It stops at
 * limit (a stride beyond is legal); the caller takes items back by lowering
 * limit.  "begun" tells which of the items taken the worker is at, for blame;
 * it needs no fence, for nobody decides by it while the worker runs.
 *
 * Easy to get wrong: the worker is not trusted.  The caller copies each word
 * once and checks the copy; it keeps its own count of what is leased.
 */
#ifndef SLOT_H
#define SLOT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"

#define SLOT_RING ((size_t)128 * 1024)
#define SLOT_LEASES 64
/* The most items that a worker takes at once. */
#define SLOT_STRIDE 16
/* Bytes of each half of the payload area, if they can be had: four items of
   1 MiB with their heads; else less, and less than the least is none. */
#define SLOT_PAYLOAD ((size_t)(4096 + 64) * 1024)
#define SLOT_PAYLOAD_LEAST ((size_t)64 * 1024)
/* From this size on it is worth its while. */
#define SLOT_LARGE ((size_t)16 * 1024)
/* From this size on an output is read where it lies, its worker being shut out
   of the pages; less, to copy it costs no more.  Where there is little room, it
   is a quarter of that. */
#define SLOT_IN_PLACE ((size_t)128 * 1024)
/* Outputs take whole pages, where that is their size. */
#define SLOT_PAGE ((size_t)4096)
/* What a crash can tell; all control words and this fit in a page. */
#define SLOT_CRASH 3072

struct slot {
	/* Worker writes, caller reads: where the result stream has got to,
	   and up to where write(2) took it, so that the ring may be reused. */
	_Atomic uint64_t committed;
	_Atomic uint64_t flushed;
	/* Worker writes before each write(2): how far the pipe will get.  What
	   comes beyond was written by somebody else. */
	_Atomic uint64_t intended;
	/* Caller writes: from where on outputs in the payload area are not to
	   be written over yet, and where those begin that it has not heard of,
	   for a new worker.  Positions that only grow, as long as there is a
	   slot. */
	_Atomic uint64_t released;
	_Atomic uint64_t next;
	/* Caller sets, worker clears: write out what you have before you
	   begin another item. */
	_Atomic uint32_t wanted;
	/* Worker counts: the item that it is at goes on. */
	_Atomic uint32_t alive;
	/* Worker writes before an item begins: a word like a lease's, without
	   a limit, next being the number behind that item's. */
	_Atomic uint64_t begun;
	/* The same for the last item whose output is in its place in an array
	   of outputs; written when no other one begins. */
	_Atomic uint64_t done;
	/* Caller sets before it sends the chunk; both change. */
	_Atomic uint64_t lease[SLOT_LEASES];
	/* Worker writes when an item begins, as far as options ask: the time,
	   its CPU time, and where in its captured stderr that was. */
	_Atomic uint64_t started_at;
	_Atomic uint64_t started_cpu;
	_Atomic uint64_t tail_from;
	/* Worker writes when it crashes: text, and then its size. */
	_Atomic uint64_t crash_size;
	char crash[SLOT_CRASH];
};

/* Makes it ready for a new worker.  Nobody else uses it now.  What outputs
   there are in its payload area stays. */
void slot_reset(struct slot *);

/* Caller: its outputs are held from there to there. */
void slot_hold(struct slot *, uint64_t from, uint64_t to);

/* Bytes that an output takes in the payload area, its frame, what ends it and
   the rest of its last page. */
static inline size_t slot_room(size_t output)
{
	return (FRAME_START + frame_length(output) + 1 + SLOT_PAGE - 1) /
	    SLOT_PAGE * SLOT_PAGE;
}

/* ---- the ring ---- */

/* Copies bytes of the stream out of the ring. */
void slot_copy_out(const struct slot *, uint64_t position, void *to,
    size_t size);

/* Worker: copies bytes into the ring, where they must fit. */
void slot_copy_in(struct slot *, uint64_t position, const void *from,
    size_t size);

/* Where the ring begins: as a stream does in its buffer, so that bodies made
   in it are aligned. */
#define SLOT_CONTROL ((size_t)4096 + FRAME_START)

/* Worker: where the bytes from a position lie, and how many without a gap.
   Inline, as it is asked for each item. */
static inline unsigned char *slot_view(const struct slot *s,
    uint64_t position, uint64_t end, size_t *size)
{
	size_t start = (size_t)(position % SLOT_RING);
	size_t gap = SLOT_RING - start;

	*size = (size_t)(end - position) < gap ? (size_t)(end - position) :
	    gap;
	return (unsigned char *)s + SLOT_CONTROL + start;
}

/*
 * Caller: how many bytes the ring has beyond a position: 0 or more, -EPROTO
 * if that cannot be.  0 also while the pipe has bytes from there on; they are
 * to be read first.  What is there may be overwritten while it is copied; ask
 * slot_intact() afterwards.
 */
int64_t slot_ahead(const struct slot *, uint64_t position);

/* Caller: has the worker meant to write so many bytes to the pipe? */
bool slot_meant(const struct slot *, uint64_t position);

/* Caller: may a frame of that length, which begins there, have arrived in
   part?  Staged frames are committed whole before they are written; one too
   large for the ring is committed when it is out. */
bool slot_allows(const struct slot *, uint64_t begin, size_t length);

/* Caller: bytes copied from that position on were not overwritten. */
bool slot_intact(const struct slot *, uint64_t position);

/* Worker: the item that it is at goes on. */
void slot_live(struct slot *);

/* ---- beginnings and crashes ---- */

/* What the worker notes when it begins an item, as far as options ask; what
   is not asked for is 0. */
struct slot_note {
	uint64_t started_at;	/* by the monotonic clock */
	uint64_t started_cpu;	/* CPU time of the worker by then */
	uint64_t tail_from;	/* size of its captured stderr by then */
};

/* Worker: an item begins. */
void slot_note(struct slot *, uint64_t started_at, uint64_t started_cpu,
    uint64_t tail_from);

/* Caller: what was noted last. */
struct slot_note slot_noted(const struct slot *);

/* Worker, in a signal handler: adds text, as far as it fits. */
void slot_tell_crash(struct slot *, const char *text, size_t size);

/* Caller: how many bytes of text a crash has left, 0 if there was none; and
   so many of it, all of which can be printed. */
size_t slot_crash_size(const struct slot *);
void slot_crash(const struct slot *, char *to, size_t size);

/* ---- leases ---- */

/* Caller: gives items first .. limit - 1 of the worker's ordinal-th chunk. */
void slot_lease(struct slot *, uint32_t ordinal, uint32_t first,
    uint32_t limit);

/* Worker: takes the next items, so many or fewer: the number of the first, or
   the limit or more when there is none left; sets *limit, before which the
   last of them is. */
uint32_t slot_take(struct slot *, uint32_t ordinal, uint32_t items,
    uint32_t *limit);

/* Worker: is about to begin the item before that number; or had begun the one
   of that number, which could not be answered and is as if it had not been.
   Inline, as it is done for each item. */
static inline void slot_begin(struct slot *s, uint32_t ordinal, uint32_t next)
{
	atomic_store_explicit(&s->begun,
	    (uint64_t)(uint16_t)ordinal << 48 | next, memory_order_release);
}

/* Worker: the output of the item before that number is in its place in an
   array, and that of each before it; another may not begin soon. */
static inline void slot_finish(struct slot *s, uint32_t ordinal, uint32_t next)
{
	atomic_store_explicit(&s->done,
	    (uint64_t)(uint16_t)ordinal << 48 | next, memory_order_release);
}

/*
 * Caller: takes back what is not taken, from number "from" at least: sets
 * the limit that now holds.  -EPROTO if the word is not what it was given as
 * (limit: what the caller knows).
 */
int slot_lower(struct slot *, uint32_t ordinal, uint32_t from,
    uint32_t *limit);

/* Caller: the number behind the last item taken, at most limit; -EPROTO as
   above. */
int slot_next(const struct slot *, uint32_t ordinal, uint32_t limit,
    uint32_t *next);

/* Caller: the number behind the last item begun, at most limit; 0 if the
   chunk was not.  -EPROTO as above. */
int slot_begun(const struct slot *, uint32_t ordinal, uint32_t limit,
    uint32_t *next);

/* Caller: the number behind the last item of that chunk known to have its
   output in its place, at most limit; 0: none.  Not checked further. */
uint32_t slot_done(const struct slot *, uint32_t ordinal, uint32_t limit);

#endif
