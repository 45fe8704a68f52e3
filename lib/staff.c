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

bool staff_lay_off(struct engine *e, struct member *m, uint64_t deadline)
{
	if (m->state != MEMBER_STARTING && m->state != MEMBER_READY)
		return false;
	/* Also if it was told before, when there was no hurry. */
	crew_bear(&e->crew, m, MIN(m->doom_at, deadline));
	return !m->told_to_stop && crew_stop(&e->crew, m) == 0;
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
	size_t n = e->set.workers + e->crew.roster.having[TRAIT_EXTRA];

	window_limit(&e->window, n * e->set.real_factor,
	    n * e->set.total_factor);
	window_bound(&e->window, settings_bytes(&e->set, n), n);
}

static void lay_off(struct engine *e, struct member *m, const char *why)
{
	dispatch_take_all(e, m);
	if (staff_lay_off(e, m, NEVER))
		engine_say(e, "lay off: worker %d: %s", m->index, why);
}

/* Looks at the memory of all. */
static void weigh(struct engine *e)
{
	for (size_t i = 0; i < e->crew.count; i++)
		if (is_too_big(e, &e->crew.members[i]))
			lay_off(e, &e->crew.members[i], "has grown too big");
}

void staff_run(struct engine *e, uint64_t now)
{
	struct member *m = e->crew.roster.out.first, *next;

	if (e->closing || e->broken)
		return;
	for (; m != NULL; m = next) {
		next = roster_next(m, IN_OUT);
		lay_off(e, m, m->wanted ? "has had its items" :
		    "not wanted any more");
	}
	if (e->set.max_rss > 0 && e->weigh_at <= now) {
		weigh(e);
		e->weigh_at = now + WEIGH_NS;
	}
	set_bounds(e);
}

/* ---- more or fewer ---- */

/* A place that could be taken in, or let go; the first, or the last. */
static struct member *find(struct crew *c, bool wanted)
{
	struct member *best = NULL;

	for (size_t i = 0; i < c->places; i++) {
		struct member *m = &c->members[i];

		if (m->wanted != wanted || m->state == MEMBER_GONE ||
		    (!wanted && m->state == MEMBER_HELD))
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

/* A place that nobody has or wants. */
static struct member *find_free(struct crew *c)
{
	for (size_t i = 0; i < c->places; i++)
		if (!c->members[i].wanted &&
		    c->members[i].state == MEMBER_ABSENT)
			return &c->members[i];
	return NULL;
}

void staff_stand_in(struct engine *e, struct member *m)
{
	struct member *other = m->wanted ? find_free(&e->crew) : NULL;
	int index = m->index;

	engine_say(e, "held: worker %d, pid %d", index, (int)m->pid);
	crew_move(&e->crew, m, MEMBER_HELD);
	if (other == NULL)
		return;
	m->index = other->index;
	other->index = index;
	crew_want(&e->crew, m, false);
	crew_want(&e->crew, other, true);
}

int staff_resize(struct engine *e, size_t workers)
{
	struct member *m;
	size_t have = e->crew.roster.having[TRAIT_HOPED];

	if (workers > e->set.max_workers)
		return words_set(e->words, ERANGE, "The pool may have at most "
		    "%zu workers (vm_options.max_workers).",
		    e->set.max_workers);
	for (; have < workers && (m = find(&e->crew, false)); have++)
		crew_want(&e->crew, m, true);
	for (; have > workers && (m = find(&e->crew, true)); have--)
		crew_want(&e->crew, m, false);
	e->set.workers = workers;
	set_bounds(e);
	return 0;
}
