/*
 * nudge.c - asks for results that are staged: no result came for a while, from
 * any worker or from some, though some may be in their rings.
 *
 * Runs in: caller.  Easy to get wrong: a worker that begins an item may not see
 * the request yet, nor the caller the staged frames; so it is done twice.
 */
#include "config.h"

#include "engine/nudge.h"

#include "base/base.h"
#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/receive.h"

/* Time without events after which the caller looks for staged results, and how
   often it looks: by the second time both sides see the other's words. */
#define SHORT_NS (1 * MS_IN_NS)
#define NUDGES_MOST 2
/* While other workers send all the time: time without results after which a
   worker is asked. */
#define LONG_NS (10 * MS_IN_NS)
/* With up to this number of chunks in flight, the busy members are searched
   first for a reason to ask: a timer costs more. */
#define ONLY_MOST 4

/* Could asking bring a result, or an item for an idle worker?  A worker at its
   only item writes the result out by itself, and that item cannot be taken
   back; but if as many have chunks as should, their silence lets others have
   some. */
static bool may_help(const struct engine *e)
{
	const struct member *m = e->crew.roster.busy.first;

	if (e->nudges.vain >= NUDGES_MOST || e->window.nsent == 0 ||
	    (e->crew.kept == 0 && crew_empty(&e->crew) == NULL))
		return false;
	if (e->window.nsent > ONLY_MOST ||
	    e->crew.roster.nbusy >= e->crew.hands)
		return true;
	while (m != NULL && m->nsent == 1 && m->sent->count <= 1)
		m = roster_next(m, IN_BUSY);
	return m != NULL;
}

uint64_t nudge_alarm(const struct engine *e, uint64_t now)
{
	return may_help(e) ? now + SHORT_NS : NEVER;
}

/* Asks all busy members from which no result has come since that time, and
   reads their rings.  Returns true if anything has changed, or -ENOMEM. */
static int ask_all(struct engine *e, uint64_t since, uint64_t now)
{
	struct member *m, *next;
	size_t silent = 0;
	bool any = false;
	int r = 0;

	for (m = e->crew.roster.busy.first; m != NULL && r >= 0; m = next) {
		next = roster_next(m, IN_BUSY);
		if (!member_is_ready(m) || m->heard_at > since ||
		    (e->listening.only != NULL && e->listening.only != m))
			continue;
		atomic_store(&m->slot->wanted, 1);
		r = receive_ring(e, m, now);
		m->asked = true;
		any |= r > 0;
		silent++;
	}
	sizer_silent(&e->sizer, silent);
	if (r < 0)
		return r;
	return dispatch_take_back(e) || any;
}

/* Is it time to ask the members without results while others send?  Not while
   too many results are held. */
static bool is_due(const struct engine *e, uint64_t now)
{
	return e->window.nsent > 0 && now - e->nudges.at >= LONG_NS &&
	    !e->listening.deaf && e->listening.heard == NULL;
}

int nudge_run(struct engine *e, uint64_t now)
{
	bool quiet = e->nudges.quiet;
	int r;

	/* Calls that do not wait come at any time. */
	if (quiet && now - e->nudges.since < SHORT_NS)
		return 0;
	if (quiet ? e->nudges.vain >= NUDGES_MOST : !is_due(e, now))
		return 0;
	e->nudges.at = e->nudges.since = now;
	r = ask_all(e, quiet ? now : now - LONG_NS, now);
	if (quiet)
		e->nudges.vain = r == 0 ? e->nudges.vain + 1 : 0;
	return r;
}
