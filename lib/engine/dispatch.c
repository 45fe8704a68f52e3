/*
 * dispatch.c - the engine's second step: crew pick -> channel send.
 *
 * Runs in: caller.  Breadth first: no worker gets a second chunk while a worker
 * that has said HELLO has none; and items that a busy worker has not begun are
 * taken back for an idle worker.
 *
 * Easy to get wrong: with results beyond the bound, the item that is next in
 * order must be sent whatever the factors say.
 */
#include "config.h"

#include "engine/dispatch.h"

#include <errno.h>

#include "base/base.h"
#include "engine/debug.h"
#include "engine/engine.h"
#include "engine/listening.h"
#include "engine/lost_fds.h"
#include "engine/placed.h"
#include "os/sys.h"

int dispatch_flush(struct engine *e, struct member *m)
{
	int r;

	if (e->fate.broken || lost_fds_before_write(e, m))
		return 0;
	r = channel_flush(&m->channel);
	if (r >= 0)
		return listening_failed(e, crew_written(&e->crew, m, r == 0));
	if (!lost_fds_pipes(e, m, sys_now()))
		crew_doom(&e->crew, m, VM_GARBLED);
	return 0;
}

/* Cuts a span before it is sent: a suspect is sent alone, and a worker gets no
   more items than it may have.  The rest stays queued. */
static int shorten(struct engine *e, struct member *m, struct span *s)
{
	uint32_t most = span_is_suspect(s) ? 1 : roster_grantable(&e->crew, m);
	struct span *rest;

	if (s->count <= most)
		return 0;
	rest = span_cut(s, s->first + most);
	if (rest == NULL)
		return -ENOMEM;
	rest->alone = s->alone;
	window_move(&e->window, rest, SPAN_WAITING);
	return 0;
}

/* Returns the member to send this span to, or NULL.  A suspect goes to an idle
   worker.  A chunk placed in a worker's arena goes there, unless that worker is
   busy and another is idle. */
static struct member *pick_for(const struct engine *e, const struct span *s)
{
	struct member *home = crew_home(s->chunk), *idle = crew_idle(&e->crew);

	if (span_is_suspect(s))
		return crew_empty(&e->crew);
	if (home != NULL && (home->nsent == 0 || idle == NULL))
		return home;
	return crew_pick(&e->crew);
}

/* Is the span a whole chunk, as large as chunks become by themselves?  Then
   others of that size come before it and behind it. */
static bool is_whole(const struct engine *e, const struct span *s)
{
	return !e->sizer.fixed && s->count == s->chunk->count &&
	    sizer_enough(&e->sizer, s->count, s->chunk->items.len);
}

/* Returns how many items of a span a worker is to take at once.  Of a chunk
   that is small, or of a part that was taken back, it takes no more than its
   share, since no other worker can have them before it gives them back. */
static uint16_t stride(const struct engine *e, const struct span *s)
{
	const size_t share = s->count / MAX(e->staffing.workforce, 1);
	const uint16_t most = sizer_stride(&e->sizer);

	return is_whole(e, s) ? most : (uint16_t)MIN(most, MAX(share, 1));
}

static int send_first(struct engine *e, struct member *m, uint64_t now)
{
	struct span *s = e->window.waiting;
	int r = shorten(e, m, s);

	s->stride = stride(e, s);
	s->report = sizer_worth(&e->sizer, s->count);
	s->awaited = e->cpus > 1 && e->window.nsent == 0;
	if (r == 0)
		r = crew_lease(&e->crew, m, s, now);
	if (r < 0)
		return r;
	window_move(&e->window, s, SPAN_SENT);
	placed_make_room(e, m);
	e->nudges.vain = 0;
	debug_say(e, "send: %u items from number %llu to worker %d "
	    "(attempt %d)", s->count, (unsigned long long)span_seq(s),
	    m->index, s->attempt);
	return 0;
}

int dispatch_give(struct engine *e, uint64_t now)
{
	struct member *m;
	int r = 0;

	while (r == 0 && !e->fate.closing && !e->fate.broken &&
	    e->window.waiting != NULL && window_may_send(&e->window)) {
		m = pick_for(e, e->window.waiting);
		if (m == NULL)
			break;
		r = send_first(e, m, now);
	}
	return r;
}

bool dispatch_can(const struct engine *e)
{
	const struct span *s = e->window.waiting;

	if (e->fate.closing || e->fate.broken)
		return false;
	return e->crew.roster.fresh.first != NULL || (s != NULL &&
	    window_may_send(&e->window) && pick_for(e, s) != NULL);
}

int dispatch_run(struct engine *e, uint64_t now)
{
	struct member *m;
	int r;

	if (e->window.waiting == NULL && e->window.paused == NULL &&
	    e->crew.roster.fresh.first == NULL)
		return 0;
	window_wake(&e->window, now);
	r = dispatch_give(e, now);
	while (r == 0 && !e->fate.broken &&
	    (m = e->crew.roster.fresh.first) != NULL)
		r = dispatch_flush(e, m);
	return r;
}

/* ---- taking back ---- */

/* Returns the number of items of a span that its worker has not taken. */
static uint32_t untaken(const struct member *m, const struct span *s)
{
	uint32_t next;

	if (s->away ||
	    slot_next(m->slot, s->ordinal, s->limit, &next) < 0)
		return 0;
	return s->limit - MAX(next, s->first);
}

/* Returns the last span of a member with an item not taken, or NULL. */
static struct span *last_untaken(const struct member *m)
{
	struct span *last = NULL;

	for (struct span *s = m->sent; s != NULL; s = s->next)
		if (untaken(m, s) > 0)
			last = s;
	return last;
}

/* Has a member an item that it has not begun? */
static bool has_unbegun(const struct member *m)
{
	uint32_t next;
	bool any = false;

	for (const struct span *s = *m->leases; s != NULL && !any; s = s->next)
		any = slot_begun(m->slot, s->ordinal, s->limit, &next) == 0 &&
		    MAX(next, s->first) < s->limit;
	return any;
}

/* If such a worker is busy and another is idle, the item is taken back for the
   idle worker before long. */
static bool any_unbegun(const struct list *list)
{
	const struct member *m = list->first;

	while (m != NULL && !has_unbegun(m))
		m = roster_next(m, IN_SENDING);
	return m != NULL;
}

bool dispatch_pending(const struct engine *e)
{
	return any_unbegun(&e->crew.roster.fresh) ||
	    any_unbegun(&e->crew.roster.full);
}

/* Is the worker in the middle of an item, by its slot and the results read? */
static bool at_work(const struct member *m)
{
	const struct span *s = m->sent;
	uint32_t next;

	while (s != NULL && s->count == 0)
		s = s->next;
	return s != NULL && (s->away || (slot_begun(m->slot, s->ordinal,
	    s->limit, &next) == 0 && next > s->first));
}

/* Returns how many items of a member's span could go to another worker.  A
   worker that is between items keeps its next item, or that would be sent back
   and forth. */
static uint32_t spare_items(const struct member *m, const struct span *s)
{
	uint32_t n = untaken(m, s);
	const struct span *next = m->sent;

	if (n == 0 || at_work(m))
		return n;
	while (next != NULL && untaken(m, next) == 0)
		next = next->next;
	return n - (next == s);
}

/* Returns the member whose last span with items not taken has the most to
   spare, or NULL. */
static struct member *busiest(struct engine *e)
{
	struct member *m = e->crew.roster.busy.first, *best = NULL;
	uint32_t most = 0;

	for (; m != NULL; m = roster_next(m, IN_BUSY)) {
		struct span *s = last_untaken(m);
		uint32_t n;

		if (!member_is_ready(m) || s == NULL)
			continue;
		n = spare_items(m, s);
		if (n > most) {
			most = n;
			best = m;
		}
	}
	return best;
}

/* Takes back the items of a sent span from number "from" on that are not taken,
   and requeues them.  Returns their number. */
static uint32_t take_back(struct engine *e, struct member *m, struct span *s,
    uint32_t from)
{
	uint32_t limit = s->limit;
	struct span *rest;

	if (s->away)
		return 0;
	if (slot_lower(m->slot, s->ordinal, from, &limit) < 0) {
		crew_doom(&e->crew, m, VM_GARBLED);
		return 0;
	}
	from = s->limit;
	s->limit = limit;
	if (limit == from)
		return 0;
	rest = span_cut(s, limit);
	if (rest == NULL)
		return 0;	/* these are requeued when the chunk ends */
	crew_ungrant(&e->crew, m, rest->count);
	window_move(&e->window, rest, SPAN_WAITING);
	debug_say(e, "take back: %u items from number %llu of worker %d",
	    rest->count, (unsigned long long)span_seq(rest), m->index);
	return rest->count;
}

bool dispatch_take_back(struct engine *e)
{
	struct member *m;
	struct span *s;

	if (e->window.nwaiting > 0 || e->fate.closing || e->fate.broken ||
	    crew_idle(&e->crew) == NULL)
		return false;
	m = busiest(e);
	if (m == NULL)
		return false;
	s = last_untaken(m);
	if (s == NULL)
		return false;
	return take_back(e, m, s, s->limit - (spare_items(m, s) + 1) / 2) > 0;
}

void dispatch_take_from(struct engine *e, struct member *m, struct span *s,
    uint32_t from)
{
	take_back(e, m, s, from);
}

void dispatch_take_all(struct engine *e, struct member *m)
{
	for (struct span *s = m->sent; s != NULL; s = s->next)
		if (member_is_ready(m))
			take_back(e, m, s, s->first);
}

/* ---- results beyond the bound ---- */

/* Returns the bytes of results held, partly received frames included. */
static size_t held(const struct engine *e)
{
	return e->window.result_bytes + e->crew.partial;
}

static struct member *partly_arrived(struct engine *e)
{
	for (size_t i = 0; i < e->crew.count; i++)
		if (channel_partial(&e->crew.members[i].channel) &&
		    member_is_ready(&e->crew.members[i]))
			return &e->crew.members[i];
	return NULL;
}

/* Returns the member with the item that is next in order, or NULL. */
static struct member *holder(struct engine *e, uint64_t seq)
{
	struct member *m = e->crew.roster.busy.first;

	for (; m != NULL; m = roster_next(m, IN_BUSY))
		for (struct span *s = m->sent; s != NULL; s = s->next)
			if (seq >= span_seq(s) &&
			    seq < span_seq(s) + s->count)
				return m;
	return NULL;
}

static bool may_be_freed(const struct engine *e, const struct member *m)
{
	return member_is_ready(m) && !m->told_to_stop &&
	    crew_admits(&e->crew, m);
}

/* Returns the ready member with the fewest chunks, which is the first to be
   idle. */
static struct member *least_busy(struct engine *e)
{
	struct member *best = NULL;

	for (size_t i = 0; i < e->crew.count; i++) {
		struct member *m = &e->crew.members[i];

		if (may_be_freed(e, m) &&
		    (best == NULL || m->nsent < best->nsent))
			best = m;
	}
	return best;
}

/* No member has the next item in order: frees a member and sends it that
   item. */
static struct member *make_way(struct engine *e, uint64_t now)
{
	struct member *m = e->listening.only;

	if (m == NULL || !may_be_freed(e, m))
		m = least_busy(e);
	if (m == NULL)
		return NULL;
	dispatch_take_all(e, m);
	if (member_is_ready(m) && m->nsent == 0 &&
	    roster_grantable(&e->crew, m) > 0 &&
	    e->window.waiting != NULL &&
	    span_seq(e->window.waiting) == e->results.next_seq &&
	    send_first(e, m, now) == 0)
		dispatch_flush(e, m);
	return m;
}

struct member *dispatch_only(struct engine *e, uint64_t now)
{
	struct member *m;

	if (held(e) < e->window.max_bytes || results_ready(&e->results)) {
		e->listening.only = NULL;
		return NULL;
	}
	if (!e->results.ordered)
		return partly_arrived(e);
	m = holder(e, e->results.next_seq);
	if (m == NULL)
		m = make_way(e, now);
	e->listening.only = m;
	return m;
}
