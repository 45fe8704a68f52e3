/*
 * staff.c - who works here: laying off gently, replacing workers that have
 * had their share or have grown too big, more or fewer of them.
 *
 * Runs in: caller.  A worker that is laid off ends the item it is at, tears
 * down and leaves; what it has not begun goes to others.
 *
 * Easy to get wrong: a worker that starts cannot be told anything before the
 * fork server has brought its pipes; so all are looked at in every turn.
 */
#include "config.h"

#include <errno.h>

#include "base.h"
#include "engine.h"
#include "sys.h"

/* So often the memory of workers is looked at. */
#define WEIGH_NS (1000 * MS_IN_NS)

/* The frame that ends a worker's channel. */
static const unsigned char stop_frame[16] = { 0, FRAME_STOP };

bool staff_lay_off(struct member *m, uint64_t deadline)
{
	if (m->state != MEMBER_STARTING && m->state != MEMBER_READY)
		return false;
	/* Also if it was told before, when there was no hurry. */
	m->doom_at = MIN(m->doom_at, deadline);
	if (m->told_to_stop || channel_prepare(&m->channel, 1) < 0)
		return false;
	crew_freeze(m);
	m->told_to_stop = true;
	channel_send(&m->channel, stop_frame, sizeof stop_frame);
	return true;
}

/* Has it had all the items it may have? */
static bool is_spent(const struct engine *e, const struct member *m)
{
	return e->set.max_items > 0 && m->state == MEMBER_READY &&
	    m->nsent == 0 && m->granted >= e->set.max_items;
}

/* Does it have more memory than it may? */
static bool is_too_big(const struct engine *e, const struct member *m)
{
	return m->state == MEMBER_READY && !m->told_to_stop &&
	    sys_memory(m->pid) > e->set.max_rss;
}

uint64_t staff_alarm(const struct engine *e)
{
	return e->set.max_rss > 0 && e->window.nsent > 0 && !e->closing ?
	    e->weigh_at : NEVER;
}

/* What those that are to leave are still at must not count against the ones
   that stay: it may take as long as it likes. */
static void set_bounds(struct engine *e)
{
	size_t n = e->set.workers;

	for (size_t i = 0; i < e->crew.count; i++)
		n += !e->crew.members[i].wanted &&
		    e->crew.members[i].nsent > 0;
	window_limit(&e->window, n * e->set.real_factor,
	    n * e->set.total_factor);
}

void staff_run(struct engine *e, uint64_t now)
{
	bool weigh = e->set.max_rss > 0 && e->weigh_at <= now;

	if (e->closing || e->broken || (!e->resized &&
	    e->set.max_items == 0 && e->set.max_rss == 0))
		return;
	for (size_t i = 0; i < e->crew.count; i++) {
		struct member *m = &e->crew.members[i];
		const char *why = NULL;

		if (!m->wanted)
			why = "not wanted any more";
		else if (is_spent(e, m))
			why = "has had its items";
		else if (weigh && is_too_big(e, m))
			why = "has grown too big";
		if (why == NULL || m->told_to_stop)
			continue;
		dispatch_take_all(e, m);
		if (staff_lay_off(m, NEVER))
			engine_say(e, "lay off: worker %d: %s", m->index, why);
	}
	set_bounds(e);
	if (weigh)
		e->weigh_at = now + WEIGH_NS;
}

/* ---- more or fewer ---- */

/* A place that could be taken in, or let go; the first, or the last. */
static struct member *find(struct crew *c, bool wanted)
{
	struct member *best = NULL;

	for (size_t i = 0; i < c->places; i++) {
		struct member *m = &c->members[i];

		if (m->wanted != wanted || m->state == MEMBER_GONE)
			continue;
		if (!wanted)
			return m;
		/* One that works goes after those that do not yet. */
		if (best == NULL || m->state != MEMBER_READY ||
		    best->state == MEMBER_READY)
			best = m;
	}
	return best;
}

int staff_resize(struct engine *e, size_t workers)
{
	struct member *m;
	size_t have = 0;

	if (workers > e->set.max_workers)
		return words_set(e->words, ERANGE, "The pool may have at most "
		    "%zu workers (vm_options.max_workers).",
		    e->set.max_workers);
	for (size_t i = 0; i < e->crew.count; i++)
		have += e->crew.members[i].wanted &&
		    e->crew.members[i].state != MEMBER_GONE;
	for (; have < workers && (m = find(&e->crew, false)); have++) {
		m->wanted = true;
		e->crew.count = MAX(e->crew.count, (size_t)m->which + 1);
	}
	for (; have > workers && (m = find(&e->crew, true)); have--)
		m->wanted = false;
	e->set.workers = workers;
	e->resized = true;
	set_bounds(e);
	return 0;
}
