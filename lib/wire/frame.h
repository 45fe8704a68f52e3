/*
 * frame.h - a frame, the message between caller and worker: writer and reader.
 *
 * Runs in: caller and worker.  Pure.  A frame is a head of 8 bytes (a zero, a
 * kind, the body's size in 48 bits) and a body, padded so that the next head is
 * 16 bytes later or a multiple of that:
 *
 *	position 8 mod 16: | head | body ......... | padding | head ...
 *
 * A stream starts at position 8 of a 16-aligned buffer, so every body is
 * aligned for any type and the byte behind it is a 0: padding, or the zero that
 * each head begins with.  Byte order is native; the hello frame shows it.
 *
 *	caller to worker: CHUNK, then its ITEMs, if packed; ...; STOP
 *	worker to caller: HELLO or UNFIT; for each chunk an OUTPUT, PLACED or
 *	FAILURE for every item begun, in order, then END; ...; LEAVING.  If the
 *	outputs go into an array: DONE and FAILURE for each failure, DONE and
 *	OUTPUT or PLACED for an output of another size, and END for the
 *	remaining items.  A STAMP may come at any time before the END
 *	of its chunk.  After LEAVING, an OUTPUT or FAILURE of
 *	teardown
 *
 * Easy to get wrong: sizes come from the other process.  frame_read() checks
 * them before any allocation or addition.
 */
#ifndef FRAME_H
#define FRAME_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

/* Where a stream starts in its buffer, and the size of a head, in bytes. */
#define FRAME_START 8
#define FRAME_HEAD 8

#define FRAME_VERSION 1
/* The largest body: 48 bits, less the head. */
#define FRAME_MAX (((uint64_t)1 << 48) - 64)

enum frame_kind {
	FRAME_HELLO = 1,	/* worker: setup has succeeded; below */
	FRAME_UNFIT,		/* worker: setup has failed; a failure */
	FRAME_CHUNK,		/* caller: "count" ITEMs follow; below */
	FRAME_ITEM,		/* caller: an input */
	FRAME_OUTPUT,		/* worker: the output of the next item */
	FRAME_FAILURE,		/* worker: why the next item failed; below */
	FRAME_END,		/* worker: a chunk is done; a frame_end */
	FRAME_STOP,		/* caller: no more chunks; tear down and exit */
	FRAME_LEAVING,		/* worker: has stopped, teardown begins */
	FRAME_PLACED,		/* worker: the output of the next item is in the
				   payload area; a frame_placed */
	FRAME_DONE,		/* worker: all items of the chunk before an item
				   are done, with outputs in the array; a
				   frame_end */
	/* Of links and agents; the bodies are in far.h. */
	FRAME_HOST,		/* caller: the machine of a link; a record as
				   in machine.h */
	FRAME_OUTCOME,		/* agent, link: how the worker of the next item
				   ended; a far_outcome */
	FRAME_RETURNED,		/* agent, link: the next item was not begun; no
				   body */
	FRAME_CANCEL,		/* caller, link: end these items; far_seeks */
	FRAME_RECALL,		/* caller, link: give back the items that were
				   not begun; a far_recall */
	FRAME_KNOCK,		/* link, before HELLO: a connection came to the
				   pool's door; or the name of the machine that
				   joins */
	FRAME_BEGIN,		/* link: what the agent is to serve */
	FRAME_BEGUN,		/* agent: it has workers; a far_begun */
	FRAME_REFUSED,		/* agent: it cannot serve; link: it may not; a
				   text */
	FRAME_SEEK,		/* agent, link: the item of the next answer; a
				   far_seek */
	FRAME_PING,		/* either: still there */
	FRAME_PONG,		/* agent: has read a PING */
	FRAME_BYE,		/* agent: it ends well; a text about teardowns
				   that failed, or nothing */
	FRAME_STAMP,		/* worker: when items of the chunk ran, if a
				   trace is written; a frame_stamp */
	FRAME_WORKERS,		/* agent, link: their number has changed; a
				   far_begun */
	FRAME_KINDS
};

/* Bodies of fixed layout. */
struct frame_hello {
	uint32_t version;	/* FRAME_VERSION */
	uint32_t order;		/* FRAME_ORDER in the worker's byte order */
	uint32_t generation;	/* the worker's */
	uint32_t workers;	/* those a link stands for; else 0 */
	uint32_t setup_us;	/* time of its setup, UINT32_MAX at most */
};
#define FRAME_ORDER 0x01020304u

struct frame_chunk {
	uint64_t index;		/* of its first item in the source */
	uint64_t seq;		/* of its first item among all items read */
	uint32_t ordinal;	/* counts the chunks of this worker */
	uint32_t first;		/* number of its first item, in the lease */
	uint32_t count;		/* items; "where" says whether ITEM frames
				   follow */
	uint32_t attempt;	/* the number of this attempt at each item, from
				   1 */
	uint16_t stride;	/* items to take at once */
	uint16_t report;	/* not 0: the chunk takes so long that its
				   results are flushed at its end */
	uint16_t where;		/* enum chunk_where */
	uint16_t awaited;	/* not 0: the caller waits for this chunk only,
				   so the next chunk may follow its result
				   soon */
	uint64_t at;		/* of the first item: INHERITED: address;
				   PLACED: offset in the inputs' half */
	uint64_t size;		/* INHERITED: bytes of each item */
	uint64_t outputs;	/* offset of an array for the outputs;
				   FRAME_NOWHERE: none */
	uint32_t element;	/* not 0: that array is in the slot, for outputs
				   of that size; 0: in the outputs' half */
	uint32_t step;		/* bytes from such an output to the next */
};

/* Begins the body of an OUTPUT of an item if attempts are measured; the output
   follows. */
struct frame_times {
	uint64_t wall_ns;	/* time of the attempt */
	uint64_t cpu_ns;
};

/* Followed by the message and, if stderr is captured, a 0 and its tail. */
struct frame_failure {
	int32_t code;
	uint32_t cause;		/* VM_FAILED or VM_TOO_BIG */
	uint64_t wall_ns;	/* time of the attempt; 0: not measured */
	uint64_t cpu_ns;
	uint32_t message_size;
	int32_t tail_size;	/* -1: not captured */
	uint32_t again;		/* enum frame_again */
	uint32_t after_ms;	/* AFTER: the item's pause before the next
				   attempt */
};

/* Whether the item may have another attempt. */
enum frame_again {
	FRAME_AGAIN,		/* as options say */
	FRAME_AGAIN_NEVER,	/* never */
	FRAME_AGAIN_AFTER	/* if options allow it: after the item's own
				   pause */
};

/* A parsed failure frame: the pointers point into the body. */
struct failure {
	struct frame_failure head;
	const char *message;
	const char *tail;	/* NULL: not captured */
};

#define FRAME_NOWHERE UINT64_MAX

struct frame_end {
	uint32_t ordinal;
	uint32_t next;		/* the item before which the worker stopped */
	/* END: times in ns, since the first item; 0 in DONE. */
	uint64_t ns;		/* until now, of which it was */
	uint64_t blocked;	/* waiting to write results */
	uint64_t longest;	/* the longest leg, from one write to the next,
				   without the writes */
	uint32_t last;		/* the last item in that leg, */
	uint32_t items;		/* and their number; 0: no item was run */
};

/* Items that ran one after the other, times by the monotonic clock. */
struct frame_stamp {
	uint64_t begin;		/* of the first, ns */
	uint64_t end;		/* of the last */
	uint32_t ordinal;	/* of their chunk */
	uint32_t first;		/* number of the first in the chunk */
	uint32_t count;
	uint32_t reserved;
};

struct frame_placed {
	uint64_t at;		/* position of its frame in the payload area */
	uint64_t size;		/* of the output */
	uint32_t shut;		/* not 0: the worker has made the pages
				   read-only for itself */
	uint32_t reserved;
};

/* A frame that was read; the body pointer points into the buffer read from. */
struct frame {
	enum frame_kind kind;
	size_t size;		/* of the body */
	unsigned char *body;
	size_t length;		/* of the frame, padding included */
};

/* A head is a 64-bit word: its first byte is the zero that ends the body before
   it, then come the kind and the size. */
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
enum { FRAME_KIND_AT = 48, FRAME_SIZE_AT = 0 };
#else
enum { FRAME_KIND_AT = 8, FRAME_SIZE_AT = 16 };
#endif
#define FRAME_SIZE_MASK (((uint64_t)1 << 48) - 1)

/* Bytes of a frame with a body of that size (at most FRAME_MAX). */
static inline size_t frame_length(size_t body_size)
{
	return (FRAME_HEAD + body_size + 15) & ~(size_t)15;
}

/* Writes a head at a pointer.  Inline, as it runs for each item. */
static inline void frame_head(unsigned char *at, enum frame_kind kind,
    size_t body_size)
{
	const uint64_t top = (uint64_t)kind << FRAME_KIND_AT |
	    (uint64_t)body_size << FRAME_SIZE_AT;

	memcpy(at, &top, sizeof top);
}

/* Zeroes the padding between the body and the frame's end. */
static inline void frame_pad(unsigned char *at, size_t body_size)
{
	size_t end = FRAME_HEAD + body_size;

	if (end % 16 != 0)
		memset(at + end, 0, 16 - end % 16);
}

/* Writes a whole frame of frame_length(size) bytes, padding zeroed.  Inline, as
   it runs for each item. */
static inline void frame_write(unsigned char *at, enum frame_kind kind,
    const void *body, size_t size)
{
	frame_head(at, kind, size);
	buf_copy(at + FRAME_HEAD, body, size);
	frame_pad(at, size);
}

/* Reads a frame known to be whole and valid: written by this process, or
   checked by frame_read().  Inline, as it runs for each item. */
static inline void frame_look(unsigned char *at, struct frame *f)
{
	uint64_t top;

	memcpy(&top, at, sizeof top);
	f->kind = (enum frame_kind)(top >> FRAME_KIND_AT & 0xff);
	f->size = (size_t)(top >> FRAME_SIZE_AT & FRAME_SIZE_MASK);
	f->body = at + FRAME_HEAD;
	f->length = frame_length(f->size);
}

/* Have two frames the same head, and so the same kind and size?  If that of one
   was checked by frame_read(), the other is valid too.  Inline, as it runs for
   each item. */
static inline bool frame_same(const unsigned char *a, const unsigned char *b)
{
	uint64_t tops[2];

	memcpy(&tops[0], a, sizeof tops[0]);
	memcpy(&tops[1], b, sizeof tops[1]);
	return tops[0] == tops[1];
}

/*
 * Reads the frame at a pointer, of which "have" bytes have arrived.  Returns 1;
 * 0 if more are needed (f->length is set once the head is there, else 0);
 * -EPROTO if it is no valid frame, or its body larger than max.  Inline, as it
 * runs for each item.
 */
static inline int frame_read(unsigned char *at, size_t have, size_t max,
    struct frame *f)
{
	struct frame said;
	uint64_t top, size;

	f->length = 0;
	if (have < FRAME_HEAD)
		return 0;
	memcpy(&top, at, sizeof top);
	/* A size_t may have fewer bits. */
	size = top >> FRAME_SIZE_AT & FRAME_SIZE_MASK;
	frame_look(at, &said);
	if (at[0] != 0 || said.kind == 0 || said.kind >= FRAME_KINDS ||
	    size > max || size > FRAME_MAX) {
		/* The first byte must still end the body before it; a kind of 0
		   makes the frame invalid if it is read again. */
		if (at[0] != 0)
			at[0] = at[1] = 0;
		return -EPROTO;
	}
	*f = said;
	return have >= f->length;
}

/* Parses the body of a FAILURE or UNFIT.  Returns 0 or -EPROTO. */
int frame_failure(const unsigned char *body, size_t size, struct failure *);

/* Copies a body of fixed layout, which must have exactly that size.  Returns 0
   or -EPROTO. */
int frame_body(const struct frame *, void *to, size_t size);

#endif
