/*
 * frame.h - one message between caller and worker: writer and reader.
 *
 * Runs in: caller and worker.  Pure.  A frame is a head of 8 bytes (a zero,
 * a kind, the body's size in 48 bits) and a body, padded so that the next
 * head is 16 bytes later or a multiple of that:
 *
 *	position 8 mod 16: | head | body ......... | padding | head ...
 *
 * A stream starts at position 8 of a 16-aligned buffer, so every body lies
 * aligned for any type and the byte behind it is a 0: padding, or the zero
 * that each head begins with.  Byte order is native; the hello frame tells.
 *
 *	caller to worker: CHUNK, then its ITEMs, if packed; ...; STOP
 *	worker to caller: HELLO or UNFIT; for each chunk one OUTPUT, PLACED or
 *	FAILURE for every item begun, in order, then END; ...; LEAVING.  Where
 *	outputs have a place as an array: DONE and FAILURE for each failure,
 *	and END stands for what is left.  Behind LEAVING, OUTPUT or FAILURE of
 *	teardown
 *
 * Easy to get wrong: sizes come from the other side.  frame_read() refuses
 * them before anybody allocates or adds.
 */
#ifndef FRAME_H
#define FRAME_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/buf.h"

/* Where a stream starts in its buffer, and how long a head is. */
#define FRAME_START 8
#define FRAME_HEAD 8

#define FRAME_VERSION 1
/* The most a body may have: what 48 bits hold, less the head. */
#define FRAME_MAX (((uint64_t)1 << 48) - 64)

enum frame_kind {
	FRAME_HELLO = 1,	/* worker: setup has returned well; below */
	FRAME_UNFIT,		/* worker: setup failed; a failure */
	FRAME_CHUNK,		/* caller: so many ITEMs follow; below */
	FRAME_ITEM,		/* caller: one input */
	FRAME_OUTPUT,		/* worker: the output of the next item */
	FRAME_FAILURE,		/* worker: why the next item has none; below */
	FRAME_END,		/* worker: a chunk is done; a frame_end */
	FRAME_STOP,		/* caller: nothing more; tear down and leave */
	FRAME_LEAVING,		/* worker: has stopped, teardown begins */
	FRAME_PLACED,		/* worker: the output of the next item lies in
				   the payload area; a frame_placed */
	FRAME_DONE,		/* worker: all items of the chunk before one
				   are done, outputs in place; a frame_end */
	FRAME_KINDS
};

/* Bodies with a shape. */
struct frame_hello {
	uint32_t version;	/* FRAME_VERSION */
	uint32_t order;		/* FRAME_ORDER, as the worker's CPU has it */
	uint32_t generation;	/* the worker's */
	uint32_t reserved;
};
#define FRAME_ORDER 0x01020304u

struct frame_chunk {
	uint64_t index;		/* of its first item in the source */
	uint64_t seq;		/* of its first item among all ever read */
	uint32_t ordinal;	/* the how manieth chunk of this worker */
	uint32_t first;		/* its first item's number, for the lease */
	uint32_t count;		/* items, as ITEM frames that follow or as
				   "where" says */
	uint32_t attempt;	/* the how manieth at each of them, from 1 */
	uint16_t stride;	/* items to take at once */
	uint16_t report;	/* not 0: it takes so long that its results are
				   to be written out when it is done */
	uint16_t where;		/* enum chunk_where */
	uint16_t awaited;	/* not 0: it is all the caller waits for, so the
				   next one may come soon after its result */
	uint64_t at;		/* of the first item: INHERITED: address;
				   PLACED: offset in the inputs' half */
	uint64_t size;		/* INHERITED: what each has */
	uint64_t outputs;	/* offset in the outputs' half of a place for
				   an array of outputs; FRAME_NOWHERE: none */
};

/* Followed by the message and, if stderr is captured, a 0 and its tail. */
struct frame_failure {
	int32_t code;
	uint32_t cause;		/* VM_FAILED or VM_TOO_BIG */
	uint64_t wall_ns;	/* the attempt took; 0: not measured */
	uint64_t cpu_ns;
	uint32_t message_size;
	int32_t tail_size;	/* -1: not captured */
	uint32_t again;		/* enum frame_again */
	uint32_t after_ms;	/* AFTER: its pause before the next attempt */
};

/* What an item asks of attempts to come. */
enum frame_again {
	FRAME_AGAIN,		/* as options say */
	FRAME_AGAIN_NEVER,	/* it has failed for good */
	FRAME_AGAIN_AFTER	/* if options allow one: after its own pause */
};

/* The same, read: the texts lie in the body. */
struct failure {
	struct frame_failure head;
	const char *message;
	const char *tail;	/* NULL: not captured */
};

#define FRAME_NOWHERE UINT64_MAX

struct frame_end {
	uint32_t ordinal;
	uint32_t next;		/* the item it stopped before */
};

struct frame_placed {
	uint64_t at;		/* position in the payload area, of a frame */
	uint64_t size;		/* of the output */
	uint32_t shut;		/* not 0: its worker cannot write there */
	uint32_t reserved;
};

/* A frame that was read; body points into the bytes it was read from. */
struct frame {
	enum frame_kind kind;
	size_t size;		/* of the body */
	unsigned char *body;
	size_t length;		/* of it all, padding included */
};

/* A head is one word, of which the first byte is the zero that ends the body
   before it, then comes the kind, then the size. */
#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
enum { FRAME_KIND_AT = 48, FRAME_SIZE_AT = 0 };
#else
enum { FRAME_KIND_AT = 8, FRAME_SIZE_AT = 16 };
#endif
#define FRAME_SIZE_MASK (((uint64_t)1 << 48) - 1)

/* Bytes a frame takes with a body of that size (at most FRAME_MAX). */
static inline size_t frame_length(size_t body_size)
{
	return (FRAME_HEAD + body_size + 15) & ~(size_t)15;
}

/* Writes a head there.  Inline, as it is done for each item. */
static inline void frame_head(unsigned char *at, enum frame_kind kind,
    size_t body_size)
{
	const uint64_t top = (uint64_t)kind << FRAME_KIND_AT |
	    (uint64_t)body_size << FRAME_SIZE_AT;

	memcpy(at, &top, sizeof top);
}

/* Zeroes what follows the body up to the frame's end. */
static inline void frame_pad(unsigned char *at, size_t body_size)
{
	size_t end = FRAME_HEAD + body_size;

	if (end % 16 != 0)
		memset(at + end, 0, 16 - end % 16);
}

/* Writes a whole frame of frame_length(size) bytes, padding zeroed.  Inline,
   as it is done for each item. */
static inline void frame_write(unsigned char *at, enum frame_kind kind,
    const void *body, size_t size)
{
	frame_head(at, kind, size);
	buf_copy(at + FRAME_HEAD, body, size);
	frame_pad(at, size);
}

/* Reads the frame at a position where a whole one is known to be: ours, or one
   that frame_read() has seen.  Inline, as it is done for each item. */
static inline void frame_look(unsigned char *at, struct frame *f)
{
	uint64_t top;

	memcpy(&top, at, sizeof top);
	f->kind = (enum frame_kind)(top >> FRAME_KIND_AT & 0xff);
	f->size = (size_t)(top >> FRAME_SIZE_AT & FRAME_SIZE_MASK);
	f->body = at + FRAME_HEAD;
	f->length = frame_length(f->size);
}

/*
 * Reads the frame at a position, of which "have" bytes are there: 1; 0 if
 * more are needed (length is set once the head is there, else 0); -EPROTO if
 * it is none, or its body larger than max.  Inline, as it is done for each
 * item.
 */
static inline int frame_read(unsigned char *at, size_t have, size_t max,
    struct frame *f)
{
	struct frame said;

	f->length = 0;
	if (have < FRAME_HEAD)
		return 0;
	frame_look(at, &said);
	if (at[0] != 0 || said.kind == 0 || said.kind >= FRAME_KINDS ||
	    said.size > max || said.size > FRAME_MAX) {
		/* It still ends the body before it, and is no frame if it is
		   read again. */
		if (at[0] != 0)
			at[0] = at[1] = 0;
		return -EPROTO;
	}
	*f = said;
	return have >= f->length;
}

/* Reads the body of a FAILURE or UNFIT: 0, or -EPROTO. */
int frame_failure(const unsigned char *body, size_t size, struct failure *);

/* Copies a body with a shape, which must have exactly that size: 0, or
   -EPROTO. */
int frame_body(const struct frame *, void *to, size_t size);

#endif
