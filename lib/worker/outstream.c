/* outstream.c - see outstream.h: the worker's end of its result stream. */
#include "config.h"

#include "worker/outstream.h"

#include <errno.h>

#include "base/base.h"
#include "os/sys.h"
#include "shm/arena.h"
#include "wire/frame.h"

/* A write that takes longer had to wait for room in the pipe. */
#define WAITED_NS 50000
/* Outputs of a size of which this number fits in SLOT_PAYLOAD have no place in
   the memory behind. */
#define SEVERAL 4

/* Returns a pointer to the pages of the payload area at a position. */
static void *pages(const struct outstream *g, uint64_t from)
{
	return g->outputs - FRAME_START + from % g->payload;
}

/* Write-protects the outputs of the previous worker in this slot that the
   caller still reads. */
static void shut_held(struct outstream *g)
{
	uint64_t from = atomic_load(&g->slot->released), to = g->told, end;

	for (; from < to; from = end) {
		end = MIN(to, from - from % g->payload + g->payload);
		sys_protect(pages(g, from), (size_t)(end - from), false);
		g->shut = true;
	}
}

void outstream_init(struct outstream *g, struct slot *slot,
    const struct slots *all, int fd)
{
	*g = (struct outstream){
		.slot = slot,
		.fd = fd,
		.outputs = slot_outputs(slot),
		.payload = all->payload,
		.told = atomic_load(&slot->next),
	};
	shut_held(g);
}

/* Writes to the pipe, and counts the time if the write had to wait.  wrote_at
   is the time before it. */
static ssize_t write_timed(struct outstream *g, const unsigned char *at,
    size_t size)
{
	uint64_t now;
	ssize_t r;

	while ((r = sys_write(g->fd, at, size)) == -EAGAIN && g->full != NULL)
		g->full();
	now = sys_now();
	if (now - g->wrote_at > WAITED_NS)
		g->blocked += now - g->wrote_at;
	g->wrote_at = now;
	return r;
}

int outstream_flush(struct outstream *g)
{
	if (g->flushed < g->committed) {
		/* The write wakes the caller, which asks again if needed. */
		atomic_store(&g->slot->wanted, 0);
		atomic_store(&g->slot->intended, g->committed);
		g->wrote_at = sys_now();
	}
	g->worked = 0;
	while (g->flushed < g->committed) {
		size_t size;
		const unsigned char *at = slot_view(g->slot, g->flushed,
		    g->committed, &size);
		ssize_t r = write_timed(g, at, size);

		if (r < 0)
			return (int)r;
		g->flushed += (uint64_t)r;
		atomic_store(&g->slot->flushed, g->flushed);
	}
	return 0;
}

/* Writes a frame larger than the ring to the pipe directly; it is committed
   only when its last byte is written. */
static int put_directly(struct outstream *g, const unsigned char *at,
    size_t left)
{
	uint64_t end = g->committed + left;
	int r = outstream_flush(g);

	g->wrote_at = sys_now();
	atomic_store(&g->slot->intended, end);
	while (r == 0 && left > 0) {
		ssize_t n = write_timed(g, at, left);

		r = n < 0 ? (int)n : 0;
		at += n > 0 ? n : 0;
		left -= n > 0 ? (size_t)n : 0;
	}
	if (r == 0) {
		g->committed = g->flushed = end;
		atomic_store(&g->slot->flushed, end);
		atomic_store(&g->slot->committed, end);
	}
	return r;
}

/* Returns the position from which on the caller holds outputs.  The caller
   counts a gap as held until it reads the frame behind the gap. */
static uint64_t held(const struct outstream *g)
{
	uint64_t at = atomic_load_explicit(&g->slot->released,
	    memory_order_acquire);

	return at == g->skip_from ? g->skip_to : at;
}

/* Outputs of which several fit in SLOT_PAYLOAD stay there: if there is no room,
   because the caller is late, they go through the pipe. */
static size_t near(const struct outstream *g, size_t size)
{
	return size <= SLOT_PAYLOAD / SEVERAL ? MIN(SLOT_PAYLOAD, g->payload) :
	    g->payload;
}

unsigned char *outstream_place_large(struct outstream *g, size_t least,
    size_t *room)
{
	const size_t size = least + FRAME_START + 1;
	uint64_t from = held(g), begin, end;

	if (!arena_place(g->payload, near(g, size), from, g->told, size,
	    &begin))
		return NULL;
	end = begin - begin % g->payload + g->payload;
	if (from != g->told)
		end = MIN(end, from + g->payload);
	if (g->shut && sys_protect(pages(g, begin), (size_t)(end - begin),
	    true) < 0)
		return NULL;
	g->next = begin;
	g->reserved = 0;
	g->large = g->outputs + begin % g->payload;
	*room = (size_t)(end - begin) - FRAME_START - 1;
	return g->large;
}

void outstream_look(struct outstream *g)
{
	g->place = slot_view(g->slot, g->committed, g->flushed + SLOT_RING,
	    &g->room);
	/* Publishes "flushed" before bytes below it are overwritten. */
	atomic_thread_fence(memory_order_release);
}

int outstream_put(struct outstream *g, const unsigned char *frame,
    size_t length)
{
	int r = 0;

	/* The next frame has another place.  A pointer that went on without
	   outstream_look() could reach a frame that lies elsewhere. */
	g->place = NULL;
	g->room = 0;
	if (length > SLOT_RING)
		return put_directly(g, frame, length);
	if (length > SLOT_RING - (size_t)(g->committed - g->flushed))
		r = outstream_flush(g);
	if (r < 0)
		return r;
	/* As in outstream_look(). */
	atomic_thread_fence(memory_order_release);
	slot_copy_in(g->slot, g->committed, frame, length);
	outstream_commit(g, length);
	return 0;
}

void outstream_give_back(struct outstream *g, size_t used)
{
	const size_t size = slot_room(g->reserved), from = slot_room(used);

	if (g->large != NULL && size > from + SLOT_PAYLOAD)
		sys_give_back((unsigned char *)pages(g, g->next) + from,
		    size - from);
	g->reserved = 0;
}

/* Adds an output in the payload area: only a PLACED frame goes to the ring. */
static int put_placed(struct outstream *g, unsigned char *frame, size_t length)
{
	_Alignas(16) unsigned char told[32];
	struct frame_placed p = { .at = g->next };
	struct frame f;

	frame_look(frame, &f);
	p.size = f.size;
	if (g->next != g->told) {
		g->skip_from = g->told;
		g->skip_to = g->next;
	}
	g->told = g->next + slot_room(f.size);
	outstream_give_back(g, f.size);
	if (f.size >= SLOT_IN_PLACE && atomic_load(&g->slot->in_place)) {
		g->shut = true;	/* if it fails, a part may be protected */
		p.shut = sys_protect(pages(g, g->next), slot_room(f.size),
		    false) == 0;
	}
	frame_write(told, FRAME_PLACED, &p, sizeof p);
	g->worked += length;
	g->large = NULL;
	return outstream_put(g, told, frame_length(sizeof p));
}

int outstream_add_copy(struct outstream *g, unsigned char *frame,
    size_t length)
{
	if (frame == g->large)
		return put_placed(g, frame, length);
	outstream_give_back(g, 0);
	return outstream_put(g, frame, length);
}
