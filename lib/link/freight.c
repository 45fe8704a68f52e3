/* freight.c - see freight.h: the items of a link. */
#include "config.h"

#include "link/freight.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "items/chunk.h"
#include "os/sys.h"
#include "wire/far.h"
#include "wire/frame.h"

/* Bytes that wait for the command at most, before a next item. */
#define OUT_MOST ((size_t)256 * 1024)
/* Items taken from a lease at once. */
#define STRIDE 64

void freight_open(struct freight *f, struct slot *slot, unsigned char *inputs,
    struct caller *caller, struct peer *agent, uint32_t workers)
{
	*f = (struct freight){ .slot = slot, .inputs = inputs,
		.caller = caller, .agent = agent };
	credit_init(&f->credit, workers, sys_now());
}

void freight_resize(struct freight *f, uint32_t workers)
{
	credit_resize(&f->credit, workers);
}

/* ---- chunks ---- */

/* Notes where the items of a chunk lie. */
static void place(struct freight *f, struct task *t)
{
	const struct frame_chunk *c = &t->chunk;

	if (c->where == CHUNK_PLACED)
		t->at = f->inputs + c->at;
	if (c->where == CHUNK_INHERITED)
		t->at = (void *)(uintptr_t)c->at;
}

int freight_add_chunk(struct freight *f, const struct frame *frame)
{
	struct task *newest = tasks_newest(&f->tasks), *t;
	struct frame_chunk c;

	if (frame_body(frame, &c, sizeof c) < 0 ||
	    (newest != NULL && !tasks_is_whole(newest)))
		return -EPROTO;
	t = tasks_add(&f->tasks, &c);
	if (t == NULL || c.outputs != FRAME_NOWHERE)
		return -EPROTO;
	place(f, t);
	return 0;
}

int freight_add_item(struct freight *f, const struct frame *frame)
{
	return tasks_receive(&f->tasks, frame);
}

/* ---- shipping ---- */

static uint64_t credit(const struct freight *f)
{
	return credit_left(&f->credit, tasks_in_flight(&f->tasks));
}

/* The caller has frozen the leases before it says STOP, so no further item is
   taken then. */
static bool may_ship(const struct freight *f)
{
	return f->stopping ||
	    (credit(f) > 0 && outbox_left(&f->agent->out) < OUT_MOST);
}

/* Is the next item of a chunk in the lease?  Takes further items if need be. */
static bool take(struct freight *f, struct task *t)
{
	const uint32_t n = (uint32_t)MIN(MAX(credit(f), 1), STRIDE);
	uint32_t first, limit;

	if (t->shipped < t->taken)
		return true;
	/* Each further try would move the lease word beyond its limit. */
	if (t->over)
		return false;
	first = slot_take(f->slot, t->chunk.ordinal, n, &limit);
	t->over = first != t->shipped || first >= limit;
	if (!t->over)
		t->taken = MIN(first + n, limit);
	return !t->over;
}

/* Says which items would be sent again if the machine were lost. */
static void mark_shipped(const struct freight *f, const struct task *t)
{
	slot_begin(f->slot, t->chunk.ordinal, t->shipped);
}

/* Reports that the chunk has no further item to ship.  Ordinals wrap: the slot
   must not name a chunk that is long gone. */
static int close_task(struct freight *f, const struct task *t)
{
	const struct frame_end said = { .ordinal = t->chunk.ordinal,
		.next = t->shipped };

	mark_shipped(f, t);
	tasks_drop(&f->tasks);
	return caller_tell(f->caller, FRAME_END, &said, sizeof said);
}

static int ship(struct freight *f, struct task *t, const struct frame *item)
{
	int r = 0;

	if (t->shipped == t->chunk.first)
		r = peer_tell(f->agent, FRAME_CHUNK, &t->chunk,
		    sizeof t->chunk);
	if (r == 0)
		r = peer_tell(f->agent, FRAME_ITEM, item->body, item->size);
	if (r < 0)
		return r;
	tasks_ship(&f->tasks, t);
	mark_shipped(f, t);
	credit_shipped(&f->credit, item->size);
	return 0;
}

/* Ships the next item of a chunk.  Returns 1, 0 if there is none now, or
   -errno. */
static int ship_next(struct freight *f, struct task *t)
{
	struct frame item;
	int r;

	if (t->shipped == t->chunk.first + t->chunk.count || !take(f, t) ||
	    !tasks_next(t, &item))
		return 0;
	r = ship(f, t, &item);
	return r < 0 ? r : 1;
}

void freight_stop(struct freight *f)
{
	f->stopping = true;
}

int freight_ship(struct freight *f)
{
	struct task *t;
	int r = 0;

	credit_update(&f->credit, f->agent->traffic.round_trip, sys_now());
	while (r >= 0 && (t = tasks_first(&f->tasks)) != NULL) {
		if (tasks_is_over(t))
			r = close_task(f, t);
		else if (!may_ship(f) ||
		    ((r = ship_next(f, t)) == 0 && !tasks_is_over(t)))
			return 0;
	}
	if (r < 0 || !f->stopping || f->stopped)
		return MIN(r, 0);
	f->stopped = true;
	return peer_tell(f->agent, FRAME_STOP, NULL, 0);
}

/* ---- orders to end items ---- */

/* Ships the items that were taken, beyond the bounds.  All bytes of their chunk
   have come before the order. */
static int ship_taken(struct freight *f)
{
	struct task *t = tasks_first(&f->tasks);
	int r = 1;

	while (r == 1 && t != NULL && t->shipped < t->taken)
		r = ship_next(f, t);
	return MIN(r, 0);
}

int freight_cancel(struct freight *f, const struct frame *order)
{
	struct far_seek items[FAR_CANCELS];
	const size_t count = order->size / sizeof items[0];
	int r;

	if (count > FAR_CANCELS || order->size % sizeof items[0] != 0)
		return -EPROTO;
	memcpy(items, order->body, order->size);
	r = ship_taken(f);
	for (size_t i = 0; r == 0 && i < count; i++)
		if (items[i].item >= f->tasks.shipped)
			r = -EPROTO;
	return r < 0 ? r :
	    peer_tell(f->agent, FRAME_CANCEL, items, order->size);
}

int freight_recall(struct freight *f, const struct frame *order)
{
	int r = ship_taken(f);

	return r < 0 ? r :
	    peer_tell(f->agent, FRAME_RECALL, order->body, order->size);
}

/* ---- answers ---- */

void freight_seek(struct freight *f, uint64_t item)
{
	f->next = item;
}

int freight_answer(struct freight *f)
{
	if (f->next >= f->tasks.shipped || tasks_in_flight(&f->tasks) == 0)
		return -EPROTO;
	f->next++;
	f->tasks.answered++;
	credit_answered(&f->credit);
	return 0;
}

uint64_t freight_in_flight(const struct freight *f)
{
	return tasks_in_flight(&f->tasks);
}

bool freight_is_done(const struct freight *f)
{
	return f->stopped && tasks_in_flight(&f->tasks) == 0;
}
