/* channel.c - see channel.h: an end of a worker's pipe pair. */
#include "config.h"

#include "wire/channel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "os/sys.h"

/* Capacity of a block: a full pipe of default size, so that a single read
   empties it. */
#define BLOCK_CAP ((size_t)64 * 1024 + FRAME_START)
/* A block with less free room than this is renewed before a read. */
#define ROOM_LEAST ((size_t)8 * 1024)
/* Most workers only send a HELLO: the first block is small, and is used until a
   read fills it. */
#define FIRST_CAP ((size_t)512)
#define FIRST_LEAST ((size_t)256)
/* Ranges in a single writev(). */
#define PARTS_MOST 64
/* So few bytes are copied to be a single range: a writev() of two ranges takes
   a third longer than a write(). */
#define COPY_MOST ((size_t)512)

void channel_open(struct channel *c, int in, int out)
{
	*c = (struct channel){ .in = in, .out = out };
	buf_init(&c->again, SIZE_MAX / 4);
}

void channel_close(struct channel *c, void (*close)(int *fd))
{
	close(&c->in);
	close(&c->out);
	rxbuf_drop(c->rxbuf);
	buf_release(&c->again);
	free(c->queue);
	*c = (struct channel){ .in = -1, .out = -1 };
}

/* ---- sending ---- */

int channel_prepare(struct channel *c, size_t sends)
{
	size_t room = MAX(c->room, 16);
	struct iovec *grown;

	if (c->first > 0) {
		memmove(c->queue, c->queue + c->first,
		    c->count * sizeof *c->queue);
		c->first = 0;
	}
	if (c->count + sends <= c->room)
		return 0;
	while (room < c->count + sends)
		room *= 2;
	grown = realloc(c->queue, room * sizeof *grown);
	if (grown == NULL)
		return -ENOMEM;
	c->queue = grown;
	c->room = room;
	return 0;
}

void channel_send(struct channel *c, const void *from, size_t size)
{
	assert(c->first + c->count < c->room);
	c->queue[c->first + c->count++] = (struct iovec){
		.iov_base = (void *)from,
		.iov_len = size,
	};
	c->pending += size;
	c->queued += size;
}

/* Removes written bytes from the queue. */
static void sent(struct channel *c, size_t bytes)
{
	c->pending -= bytes;
	while (bytes > 0) {
		struct iovec *part = &c->queue[c->first];
		size_t n = MIN(bytes, part->iov_len);

		part->iov_base = (char *)part->iov_base + n;
		part->iov_len -= n;
		bytes -= n;
		if (part->iov_len == 0) {
			c->first++;
			c->count--;
		}
	}
}

/* Writes the whole queue, which has few bytes. */
static ssize_t write_copy(const struct channel *c)
{
	unsigned char copy[COPY_MOST];
	size_t size = 0;

	for (size_t i = c->first; i < c->first + c->count; i++) {
		memcpy(copy + size, c->queue[i].iov_base, c->queue[i].iov_len);
		size += c->queue[i].iov_len;
	}
	assert(size == c->pending);
	return sys_write(c->out, copy, size);
}

int channel_flush(struct channel *c)
{
	ssize_t r;

	if (c->pending == 0)
		return 1;
	r = c->pending <= COPY_MOST ? write_copy(c) :
	    sys_writev(c->out, c->queue + c->first,
	    (int)MIN(c->count, PARTS_MOST));
	if (r == -EAGAIN)
		return 0;
	if (r < 0)
		return (int)r;
	sent(c, (size_t)r);
	return c->pending == 0;
}

uint64_t channel_sent(const struct channel *c)
{
	return c->queued - c->pending;
}

/* ---- receiving ---- */

/* Returns the capacity of a block for the unfinished frame.  The block grows to
   twice the received part, and at most to the whole frame: its size is not
   trusted.  An unused block of the list costs no memory. */
static size_t cap_for(const struct channel *c, size_t unread, size_t usual)
{
	size_t whole = FRAME_START + MAX(c->unfinished, unread);
	size_t cap = FRAME_START + 2 * unread;

	if (c->unfinished > 0 && (cap > whole || rxlist_has(c->list, whole)))
		cap = whole;
	return MAX(usual, cap);
}

/* Makes room for "least" more bytes.  A large block is not kept. */
static int make_room(struct channel *c, size_t least)
{
	struct rxbuf *b = c->rxbuf;
	size_t unread = b ? b->len - c->at : 0;
	size_t usual = least > FIRST_LEAST ? BLOCK_CAP : FIRST_CAP;
	size_t cap = cap_for(c, unread, usual);
	int r;

	if (b != NULL && unread == 0 && b->cap > 4 * BLOCK_CAP) {
		rxbuf_drop(b);
		c->rxbuf = b = NULL;
	}
	if (b != NULL && unread == 0 && b->refs == 1)
		b->len = c->at = FRAME_START;
	if (b != NULL && b->cap - b->len >= least)
		return 0;
	cap = MAX(cap, FRAME_START + unread + least);
	r = rxbuf_renew(c->list, &c->rxbuf, c->at, FRAME_START, cap);
	if (r == 0)
		c->at = FRAME_START;
	return r;
}

/* Drops bytes already taken from the ring out of the n bytes read at the
   block's end.  Returns how many bytes are left, -EPROTO if the ring gave
   others. */
static ssize_t skip(struct channel *c, size_t n)
{
	unsigned char *at = c->rxbuf->data + c->rxbuf->len;
	size_t again = MIN(c->again.len - c->seen, n);

	if (again == 0)
		return (ssize_t)n;
	if (memcmp(at, c->again.data + c->seen, again) != 0)
		return -EPROTO;
	memmove(at, at + again, n - again);
	c->seen += again;
	if (c->seen == c->again.len)
		c->again.len = c->seen = 0;
	return (ssize_t)(n - again);
}

int channel_fill(struct channel *c)
{
	const struct rxbuf *b = c->rxbuf;
	bool small = b == NULL || (b->cap == FIRST_CAP && !c->filled);
	size_t room, unread = b ? b->len - c->at : 0;
	size_t least = small ? FIRST_LEAST : ROOM_LEAST;
	ssize_t fresh, r;

	/* A block for a large frame need not have room behind it; with less
	   room behind small frames, a read would bring few. */
	if (c->unfinished > MAX(unread, BLOCK_CAP))
		least = MIN(least, c->unfinished - unread);
	r = make_room(c, least);
	if (r < 0)
		return (int)r;
	room = MIN(c->rxbuf->cap - c->rxbuf->len, (size_t)1 << 30);
	r = sys_read(c->in, c->rxbuf->data + c->rxbuf->len, room);
	if (r == -EAGAIN)
		return 0;
	if (r <= 0)
		return r < 0 ? (int)r : -EPIPE;
	c->filled = (size_t)r == room;
	fresh = skip(c, (size_t)r);
	c->rxbuf->len += fresh > 0 ? (size_t)fresh : 0;
	c->rxbuf->data[c->rxbuf->len] = 0;	/* ends the body before it */
	c->position += fresh > 0 ? (size_t)fresh : 0;
	return fresh < 0 ? (int)fresh : (int)r;
}

unsigned char *channel_place(struct channel *c, size_t size)
{
	if (make_room(c, size) < 0 || buf_reserve(&c->again, size) < 0)
		return NULL;
	return c->rxbuf->data + c->rxbuf->len;
}

void channel_placed(struct channel *c, size_t size)
{
	unsigned char *at = c->rxbuf->data + c->rxbuf->len;

	memcpy(c->again.data + c->again.len, at, size);
	c->again.len += size;
	c->rxbuf->len += size;
	c->rxbuf->data[c->rxbuf->len] = 0;
	c->position += size;
}

int channel_receive(struct channel *c, size_t max, struct frame *f)
{
	int r;

	if (c->rxbuf == NULL)
		return 0;
	r = frame_read(c->rxbuf->data + c->at, c->rxbuf->len - c->at, max, f);
	c->unfinished = r == 0 ? f->length : 0;
	return r;
}

void channel_pass(struct channel *c, const struct frame *f)
{
	c->at += f->length;
}

uint64_t channel_brought(const struct channel *c)
{
	return c->position - (c->again.len - c->seen);
}

uint64_t channel_boundary(const struct channel *c)
{
	return c->position - (channel_partial(c) ? c->rxbuf->len - c->at : 0);
}

bool channel_partial(const struct channel *c)
{
	return c->rxbuf != NULL && c->rxbuf->len > c->at;
}
