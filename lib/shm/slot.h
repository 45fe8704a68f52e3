/*
 * slot.h - a worker's shared memory: staging ring and lease words.
 *
 * Runs in: caller and worker, at the same time; slots.h says where it is
 * mapped.  A slot is
 *
 *	| control page: committed, wanted, lease words ... | ring | arrays |
 *	| outputs | inputs |
 *
 * The ring stages the result stream: the worker appends a frame, then moves
 * "committed" past it; the pipe carries the same bytes later.  After a worker's
 * death, or while it is in a long item, the caller reads from the ring the
 * bytes that the pipe has not brought.  So a finished output is never lost with
 * its worker, and an output needs no system call of its own.
 *
 *	position:  0 ... flushed ......... committed
 *	           in the pipe  only in the ring, at position % SLOT_RING
 *
 * Arrays of small outputs need no frames: the caller gives out their places,
 * and copies the outputs when the worker says that they are done.
 *
 * The payload area has a half for inputs, which the caller fills and the worker
 * can only read, with room for copies of small inputs behind, and a half for
 * outputs, which the worker fills and the caller reads: large items are stored
 * there, and the pipe only carries their position.
 *
 * A lease word says how far a chunk may go and is: {generation 16, limit 24,
 * next 24 bits}, the generation being the low bits of the chunk's ordinal.  The
 * worker takes items by adding to next: 1, or the chunk's stride where items
 * are so short that the atomic addition counts.  It stops at limit (a stride
 * beyond is legal, and another if the limit was lowered).  If the caller waits,
 * the worker gives back the items that it has not begun, by lowering next.  The
 * caller takes items back by lowering limit.  "begun" says which of the taken
 * items the worker is at, for blame, timeouts and cancelling; only the lease
 * word decides which items the caller may take back.
 *
 * Easy to get wrong: the worker is not trusted.  The caller loads each word
 * once and checks its copy; it keeps its own count of the leased items.
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
/* The most items that a worker takes at once, for calls of process() and of
   process_many(). */
#define SLOT_STRIDE 64
#define SLOT_STRIDE_MANY 1024
/* Bytes of each half of the payload area: four items of 1 MiB with their heads.
   Halved while memory is short; below the least there is no payload area. */
#define SLOT_PAYLOAD ((size_t)(4096 + 64) * 1024)
/* With few workers, a half has more addresses: as many as the pool may have for
   all halves of a kind by the number of workers, at most four items of 16 MiB
   with their heads.  The memory behind SLOT_PAYLOAD is given back when the half
   is empty. */
#define SLOT_PAYLOAD_MOST ((size_t)(64 * 1024 + 64) * 1024)
#define SLOT_PAYLOAD_ALL ((size_t)1 << 31)
#define SLOT_PAYLOAD_LEAST ((size_t)64 * 1024)
/* Bytes behind the half for inputs, for copies of chunks of small inputs: as
   many as a worker has at a time.  A chunk of fewer bytes than the least is
   sent as fast through a pipe, and one of more than the most would take long
   to copy. */
#define SLOT_COPIES ((size_t)128 * 1024)
#define SLOT_COPY_LEAST ((size_t)2048)
#define SLOT_COPY_MOST ((size_t)32 * 1024)
/* Items of this size and more go to the payload area. */
#define SLOT_LARGE ((size_t)16 * 1024)
/* The caller reads outputs of this size and more in place, and the worker makes
   their pages read-only for itself, where that costs less than a copy. */
#define SLOT_IN_PLACE ((size_t)128 * 1024)
/* Outputs take whole pages, where pages have this size. */
#define SLOT_PAGE ((size_t)4096)
/* Outputs up to this size may form arrays, in that many bytes of the slot: a
   pool's usual size is known from earlier outputs.  Above it, the heads of
   frames cost little by comparison. */
#define SLOT_ELEMENT_MOST ((size_t)64)
#define SLOT_ARRAYS ((size_t)56 * 1024)
/* Size of the crash text buffer, which shares a page with all control words. */
#define SLOT_CRASH 3072

struct slot {
	/* Worker writes, caller reads: the end of the result stream, and the
	   end of the part written to the pipe, below which the ring may be
	   reused. */
	_Atomic uint64_t committed;
	_Atomic uint64_t flushed;
	/* Worker writes before each write(2): how far the pipe will get.  Bytes
	   beyond come from another writer. */
	_Atomic uint64_t intended;
	/* Caller writes: the position in the payload area of the oldest output
	   still held, which must not be overwritten; and the position of the
	   next output, for a new worker.  Positions only grow as long as the
	   slot exists. */
	_Atomic uint64_t released;
	_Atomic uint64_t next;
	/* Caller sets, worker clears: flush the staged frames before beginning
	   another item. */
	_Atomic uint32_t wanted;
	/* Caller sets: outputs of SLOT_IN_PLACE bytes and more are to be made
	   read-only, since the caller reads them in place. */
	_Atomic uint32_t in_place;
	/* Worker increments: the present item makes progress. */
	_Atomic uint32_t alive;
	/* Worker writes before an item begins: a word like a lease's, without a
	   limit, next being the number after that item's. */
	_Atomic uint64_t begun;
	/* The same for the last item whose output is in its array; written
	   before the first item of a chunk that has an array, since an old word
	   may have the same generation, and after the last item of a stride. */
	_Atomic uint64_t done;
	/* Caller sets before it sends the chunk; both change. */
	_Atomic uint64_t lease[SLOT_LEASES];
	/* Worker writes when an item begins, as far as options ask: the time,
	   its CPU time, and the size of its captured stderr. */
	_Atomic uint64_t started_at;
	_Atomic uint64_t started_cpu;
	_Atomic uint64_t tail_from;
	/* Worker writes between two items: the time at which it began a chunk
	   or, later, wrote results to the pipe. */
	_Atomic uint64_t leg_at;
	/* Worker sets before it exits, if the C library does not tell with
	   which status. */
	_Atomic uint32_t exit_hidden;
	/* Link writes: bytes of its connection, and the last round trip in
	   ns. */
	_Atomic uint64_t bytes_out;
	_Atomic uint64_t bytes_in;
	_Atomic uint64_t round_trip;
	/* Worker writes when it crashes, and a link when it gives up: first the
	   text, then its size. */
	_Atomic uint64_t crash_size;
	char crash[SLOT_CRASH];
};

/* Resets the slot for a new worker, while no process uses it.  Outputs in its
   payload area are kept. */
void slot_reset(struct slot *);

/* Caller: publishes which positions of the payload area hold outputs. */
void slot_hold(struct slot *, uint64_t from, uint64_t to);

/* Bytes of an output in the payload area: its frame, the 0 behind it and the
   rest of the last page. */
static inline size_t slot_room(size_t output)
{
	return (FRAME_START + frame_length(output) + 1 + SLOT_PAGE - 1) /
	    SLOT_PAGE * SLOT_PAGE;
}

/* ---- the ring ---- */

/* Copies size bytes of the stream out of the ring into a buffer. */
void slot_copy_out(const struct slot *, uint64_t position, void *to,
    size_t size);

/* Worker: copies size bytes from a buffer into the ring, where they must
   fit. */
void slot_copy_in(struct slot *, uint64_t position, const void *from,
    size_t size);

/* Offset of the ring in the slot: 8 mod 16, as the start of a stream, so that
   bodies made in the ring are aligned. */
#define SLOT_CONTROL ((size_t)4096 + FRAME_START)

/* Returns a pointer to the arrays of outputs, which is 8 mod 16 like a stream:
   the room of a head lies before the first element. */
static inline unsigned char *slot_arrays(const struct slot *s)
{
	return (unsigned char *)s + SLOT_CONTROL + SLOT_RING;
}

/* Worker: returns a pointer to the first element of the array for a chunk's
   outputs; NULL if the chunk is invalid. */
unsigned char *slot_array(const struct slot *, const struct frame_chunk *);

/* Returns the bytes from an output of that size to the next in such an array:
   each is aligned for any type that fits in it. */
static inline uint32_t slot_step(size_t element)
{
	return (uint32_t)(element <= 8 ? 8 : (element + 15) & ~(size_t)15);
}

/* Worker: returns a pointer to the bytes of the stream from a position on; sets
   *size to how many lie there without a gap.  Inline, as it runs for each
   item. */
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
 * Caller: returns how many bytes the ring has beyond a position; -EPROTO if
 * that is impossible.  Also 0 while the pipe has bytes from there on; read
 * these first.  The bytes may be overwritten while they are copied; call
 * slot_intact() afterwards.
 */
int64_t slot_ahead(const struct slot *, uint64_t position);

/* Caller: has the worker announced writing to the pipe up to this position? */
bool slot_meant(const struct slot *, uint64_t position);

/* Caller: has the stream no frame behind that position yet? */
bool slot_is_read(const struct slot *, uint64_t position);

/* Caller: may part of a frame of that length have arrived, which begins there?
   Staged frames are committed whole before they are written; a frame too large
   for the ring is committed after it is written. */
bool slot_allows(const struct slot *, uint64_t begin, size_t length);

/* Caller: were the bytes copied from that position on not overwritten? */
bool slot_intact(const struct slot *, uint64_t position);

/* Worker: the present item makes progress. */
void slot_live(struct slot *);

/* ---- begun items and crashes ---- */

/* The worker's notes at the beginning of an item; 0 where options do not
   ask. */
struct slot_note {
	uint64_t leg_at;	/* monotonic time in ns, not after the item
				   began; 0 from a link alone */
	uint64_t started_at;	/* monotonic time in ns */
	uint64_t started_cpu;	/* the worker's CPU time by then, in ns */
	uint64_t tail_from;	/* bytes of its captured stderr by then */
};

/* Worker: writes the notes at the beginning of an item. */
void slot_note(struct slot *, uint64_t started_at, uint64_t started_cpu,
    uint64_t tail_from);

/* Worker: notes the time between two items. */
void slot_note_leg(struct slot *, uint64_t leg_at);

/* Caller: returns the notes written last. */
struct slot_note slot_noted(const struct slot *);

/* Worker, in a signal handler, and link, at its end: appends to the crash text,
   as far as the buffer has room. */
void slot_tell_crash(struct slot *, const char *text, size_t size);

/* Worker: its exit has a status that it does not know.  Caller: is it so? */
void slot_hide_exit(struct slot *);
bool slot_exit_is_hidden(const struct slot *);

/* Caller: returns the size of the crash text, 0 if there was no crash; and
   copies size bytes of it to a buffer, with a "?" for each byte that cannot be
   printed. */
size_t slot_crash_size(const struct slot *);
void slot_crash(const struct slot *, char *to, size_t size);

/* ---- links ---- */

struct slot_traffic {
	uint64_t bytes_out;	/* written to the host */
	uint64_t bytes_in;	/* read from it */
	uint64_t round_trip;	/* the shortest, ns; 0: not measured */
};

/* Link: writes its traffic.  Caller: returns it. */
void slot_tell_traffic(struct slot *, const struct slot_traffic *);
struct slot_traffic slot_traffic(const struct slot *);

/* ---- leases ---- */

/* Caller: leases items first .. limit - 1 of the worker's chunk of that
   ordinal. */
void slot_lease(struct slot *, uint32_t ordinal, uint32_t first,
    uint32_t limit);

/* Worker: takes the next items, up to "items" of them.  Returns the number of
   the first, which is the limit or more if no item is left; sets *limit, before
   which the items taken end. */
uint32_t slot_take(struct slot *, uint32_t ordinal, uint32_t items,
    uint32_t *limit);

/* Worker: gives back the items from number "next" on, which it has taken last
   and not begun. */
void slot_give_back(struct slot *, uint32_t ordinal, uint32_t next);

/* Worker: begins the item before number "next".  Or, with the number of an item
   already begun, withdraws this: its result could not be written.  Inline, as
   it runs for each item. */
static inline void slot_begin(struct slot *s, uint32_t ordinal, uint32_t next)
{
	atomic_store_explicit(&s->begun,
	    (uint64_t)(uint16_t)ordinal << 48 | next, memory_order_release);
}

/* Worker: the outputs of all items before number "next" are in the array;
   called before the first item of the chunk begins, and at least before a
   pause in which no item may begin. */
static inline void slot_finish(struct slot *s, uint32_t ordinal, uint32_t next)
{
	atomic_store_explicit(&s->done,
	    (uint64_t)(uint16_t)ordinal << 48 | next, memory_order_release);
}

/*
 * Caller: takes back the items not yet taken, from number "from" on.  *limit is
 * the limit the caller knows, and is set to the new limit.  Returns 0; -EPROTO
 * if the lease word does not match.
 */
int slot_lower(struct slot *, uint32_t ordinal, uint32_t from,
    uint32_t *limit);

/* Caller: sets *next to the number after the last item taken, at most limit.
   Returns 0; -EPROTO as above. */
int slot_next(const struct slot *, uint32_t ordinal, uint32_t limit,
    uint32_t *next);

/* Caller: sets *next to the number after the last item begun, at most limit; 0
   if the chunk was not begun.  Returns 0; -EPROTO as above. */
int slot_begun(const struct slot *, uint32_t ordinal, uint32_t limit,
    uint32_t *next);

/* Caller: returns the number after the last item of that chunk whose output is
   known to be in the array, at most limit; 0 if there is none.  together: items
   may have begun together.  The worker's value is not checked otherwise. */
uint32_t slot_done(const struct slot *, uint32_t ordinal, uint32_t limit,
    bool together);

#endif
