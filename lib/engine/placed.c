/*
 * placed.c - outputs that workers have made in their payload arenas.
 *
 * Runs in: caller.  An output is copied to a buffer at once.  A large output is
 * read in place, in shared memory, until its result was passed, if the pages
 * can be protected for less than a copy: its worker has made them read-only for
 * itself, so that the output does not change by accident, and the caller keeps
 * its own copy of position and size.  The first of a process is copied, and the
 * costs are measured then.
 *
 * Easy to get wrong: a worker must not run out of room because the caller takes
 * no results; and an output handed to the caller stays where it is.
 */
#include "config.h"

#include "engine/placed.h"

#include <errno.h>

#include "base/base.h"
#include "engine/engine.h"
#include "os/paging.h"

/* The arena and each room are whole pages, so an output begins at a page. */
int placed_look(const struct engine *e, const struct member *m,
    const struct frame *f, struct frame_placed *p)
{
	if (frame_body(f, p, sizeof *p) < 0 || p->size < e->set.plan.lead ||
	    p->size - e->set.plan.lead > e->set.plan.max_item ||
	    p->size > e->slots.payload ||
	    !arena_allows(&m->outputs, p->at, slot_room((size_t)p->size)))
		return -EPROTO;
	return 0;
}

/* Lets the worker overwrite everything in the arena that is not held. */
static void tell(struct member *m)
{
	slot_hold(m->slot, arena_held(&m->outputs), m->outputs.head);
}

/* Copies an output as a frame to a buffer of its own.  Returns 0 or -ENOMEM. */
static int copy_out(struct engine *e, struct span *s,
    const unsigned char *output, size_t size)
{
	s->rxbuf = rxbuf_new(&e->crew.rxlist, FRAME_START + frame_length(size));
	if (s->rxbuf == NULL)
		return -ENOMEM;
	frame_write(s->rxbuf->data + FRAME_START, FRAME_OUTPUT, output, size);
	s->rxbuf->len = FRAME_START + frame_length(size);
	s->output_at = FRAME_START;
	return 0;
}

/* Tells the worker whether its large outputs are read in place.  The costs are
   measured with an output, if that is not NULL. */
static void choose(struct member *m, const unsigned char *output, size_t size)
{
	atomic_store(&m->slot->in_place, paging_protects_cheaply(output, size));
}

/* May an output be read in place?  A worker may claim to have made any pages
   read-only, but is asked to protect only these. */
static bool stays(const struct frame_placed *p)
{
	return p->shut != 0 && p->size >= SLOT_IN_PLACE &&
	    paging_protects_cheaply(NULL, 0);
}

/* The worker before may have died in the middle of an output. */
void placed_begin(struct engine *e, struct member *m)
{
	if (m->generation > 1 && m->outputs.first == NULL)
		slots_trim_outputs(&e->slots, m->which);
	choose(m, NULL, 0);
}

int placed_take(struct engine *e, struct member *m,
    const struct frame_placed *p, struct span *s)
{
	unsigned char *at = m->outputs_at + p->at % e->slots.payload +
	    FRAME_HEAD;
	const size_t size = (size_t)p->size, room = slot_room(size);

	s->bytes = FRAME_START + frame_length(size);
	if (p->at % e->slots.payload + room > SLOT_PAYLOAD)
		e->crew.wide = true;
	if (!stays(p)) {
		if (p->size >= SLOT_IN_PLACE)
			choose(m, at, size);
		if (copy_out(e, s, at, size) < 0)
			return -ENOMEM;
		arena_pass(&m->outputs, p->at, room);
		tell(m);
		return 0;
	}
	s->region = arena_take_at(&m->outputs, p->at, room);
	if (s->region == NULL)
		return -ENOMEM;
	s->region->of = s;
	s->output = at;
	s->output_size = size;
	return 0;
}

/* Returns the oldest result that lies in a member's arena; NULL if there is
   none, or the caller was handed it. */
static struct span *oldest(const struct engine *e, const struct member *m)
{
	struct span *s = m->outputs.first ? m->outputs.first->of : NULL;

	return s != e->results.hand ? s : NULL;
}

/* Returns the bytes that should be free for the outputs the worker has still to
   make, if all are like the last output; at most half of the arena. */
static size_t wanted(const struct engine *e, const struct member *m)
{
	const struct region *last = m->outputs.last;
	uint64_t items = m->granted - m->finished;

	return (size_t)MIN(items * (last->to - last->from),
	    e->slots.payload / 2);
}

void placed_make_room(struct engine *e, struct member *m)
{
	struct arena *a = &m->outputs;
	struct span *s;

	if (e->crew.element > 0)
		return;		/* the caller takes the regions, for arrays */
	while (a->first != NULL && a->head - a->first->from +
	    wanted(e, m) > a->size && (s = oldest(e, m)) != NULL &&
	    copy_out(e, s, s->output, s->output_size) == 0) {
		region_drop(s->region);
		s->region = NULL;
		tell(m);
	}
}

/* Returns the memory that a half may have behind SLOT_PAYLOAD. */
static size_t behind(const struct arena *a)
{
	return a->reach > SLOT_PAYLOAD ? a->reach - SLOT_PAYLOAD : 0;
}

/* Gives back the memory of a member's halves that are empty.  That for outputs
   is not empty while the worker may make one. */
static void trim(struct engine *e, struct member *m)
{
	if (behind(&m->inputs) > 0 && m->inputs.first == NULL) {
		slots_trim_inputs(&e->slots, m->which);
		m->inputs.reach = SLOT_PAYLOAD;
	}
	if (behind(&m->outputs) > 0 && m->outputs.first == NULL &&
	    m->nsent == 0) {
		slots_trim_outputs(&e->slots, m->which);
		m->outputs.reach = SLOT_PAYLOAD;
	}
}

void placed_trim(struct engine *e)
{
	const bool idle = e->window.nchunks == 0;
	const size_t most = idle ? RXLIST_BYTES : 2 * e->window.max_bytes;
	size_t all = 0;

	for (size_t i = 0; i < e->crew.places && e->crew.wide; i++)
		all += behind(&e->crew.members[i].inputs) +
		    behind(&e->crew.members[i].outputs);
	for (size_t i = 0; i < e->crew.places && all > most; i++)
		trim(e, &e->crew.members[i]);
	e->crew.wide = all > 0;
}

void placed_let_go(struct engine *e)
{
	const struct span *s = e->results.hand;
	struct arena *a = s && s->region ? s->region->area : NULL;

	results_let_go(&e->results);
	if (a != NULL)
		tell(CONTAINER_OF(a, struct member, outputs));
	if (e->crew.wide)
		placed_trim(e);
}
