/* stage.c - see stage.h: the worker's end of its result stream. */
#include "config.h"

#include "stage.h"

#include "base.h"
#include "frame.h"
#include "sys.h"

void stage_init(struct stage *g, struct slot *slot, const struct slots *all,
    int fd)
{
	*g = (struct stage){
		.slot = slot,
		.fd = fd,
		.outputs = slot_outputs(slot, all),
		.payload = all->payload,
	};
}

int stage_flush(struct stage *g)
{
	if (g->flushed < g->committed) {
		/* This wakes the caller, who will ask again. */
		atomic_store(&g->slot->wanted, 0);
		atomic_store(&g->slot->intended, g->committed);
	}
	g->worked = 0;
	while (g->flushed < g->committed) {
		size_t size;
		const unsigned char *at = slot_view(g->slot, g->flushed,
		    g->committed, &size);
		ssize_t r = sys_write(g->fd, at, size);

		if (r < 0)
			return (int)r;
		g->flushed += (uint64_t)r;
		atomic_store(&g->slot->flushed, g->flushed);
	}
	return 0;
}

/* A frame larger than the ring goes to the pipe as it is; only when its last
   byte is out does it count as committed. */
static int put_directly(struct stage *g, const unsigned char *at, size_t left)
{
	uint64_t end = g->committed + left;
	int r = stage_flush(g);

	atomic_store(&g->slot->intended, end);
	while (r == 0 && left > 0) {
		ssize_t n = sys_write(g->fd, at, left);

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

/* What does not fit behind the last one may where the area begins again; what
   is left out then counts as used until the caller has taken an output. */
unsigned char *stage_place_large(struct stage *g, size_t least, size_t *room)
{
	uint64_t taken = atomic_load_explicit(&g->slot->released,
	    memory_order_acquire);
	size_t left = g->payload - (size_t)(g->made - taken);
	size_t offset, end;

	if (g->payload == 0 || left < least)
		return NULL;
	offset = (size_t)(g->made % g->payload);
	end = g->payload - offset;
	if (end < least && left - end < least)
		return NULL;
	if (end < least) {
		g->made += end;
		left -= end;
		end = g->payload;
		offset = 0;
	}
	*room = MIN(left, end);
	return g->outputs + offset;
}

static void commit(struct stage *g, size_t length)
{
	g->worked += length;
	g->committed += length;
	atomic_store_explicit(&g->slot->committed, g->committed,
	    memory_order_release);
}

int stage_put(struct stage *g, const unsigned char *frame, size_t length)
{
	int r = 0;

	if (length > SLOT_RING)
		return put_directly(g, frame, length);
	if (length > SLOT_RING - (size_t)(g->committed - g->flushed))
		r = stage_flush(g);
	if (r < 0)
		return r;
	/* As in stage_place(). */
	atomic_thread_fence(memory_order_release);
	slot_copy_in(g->slot, g->committed, frame, length);
	commit(g, length);
	return 0;
}

/* What lies in the payload area is told by a frame of its own. */
static int put_placed(struct stage *g, unsigned char *frame, size_t length)
{
	_Alignas(16) unsigned char told[32];
	struct frame_placed p = { .at = g->made };
	struct frame f;

	frame_look(frame, &f);
	p.size = f.size;
	frame_write(told, FRAME_PLACED, &p, sizeof p);
	g->made += length;
	g->worked += length;
	return stage_put(g, told, frame_length(sizeof p));
}

int stage_add(struct stage *g, unsigned char *frame, size_t length)
{
	if (frame == g->place) {
		commit(g, length);
		return 0;
	}
	if (g->payload > 0 && frame == g->outputs + g->made % g->payload)
		return put_placed(g, frame, length);
	return stage_put(g, frame, length);
}
