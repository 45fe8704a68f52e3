/*
 * nudge.c - the engine's restlessness: nothing came in a while, of anybody or
 * of some, though some of it may be there.
 *
 * Runs in: caller.  Easy to get wrong: a worker that begins an item may not yet
 * see that it was asked, nor the caller what was staged; so it is done twice.
 */
#include "config.h"

#include "engine/nudge.h"

#include "base/base.h"
#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/receive.h"

/* So long a caller waits before it looks for results that are staged, and how
   often it does: by the second time both sides see. */
#define SHORT_NS (1 * MS_IN_NS)
#define NUDGES_MOST 2
/* Whatever others send all the time: so often those are asked that were not
   heard of for so long. */
#define LONG_NS (10 * MS_IN_NS)
/* Where so few are with workers it is looked whether that is of use: a timer
   costs more. */
#define ONLY_MOST 4

/* Could anything come of stirring?  A worker that is at its only item writes
   the result out by itself, and nobody else can have that item. */
static bool may_help(const struct engine *e)
{
	const struct member *m = e->crew.roster.busy.first;

	if (e->nudges.vain >= NUDGES_MOST || e->window.nsent == 0)
		return false;
	if (e->window.nsent > ONLY_MOST)
		return true;
	while (m != NULL && m->nsent == 1 && m->sent->count <= 1)
		m = roster_next(m, IN_BUSY);
	return m != NULL;
}

uint64_t nudge_alarm(const struct engine *e, uint64_t now)
{
	return may_help(e) ? now + SHORT_NS : NEVER;
}

/* All that are busy and were not heard of since are asked, and their rings
   looked at: true if that has changed anything, or -ENOMEM. */
static int ask_all(struct engine *e, uint64_t since, uint64_t now)
{
	struct member *m, *next;
	bool any = false;
	int r = 0;

	for (m = e->crew.roster.busy.first; m != NULL && r >= 0; m = next) {
		next = roster_next(m, IN_BUSY);
		if (!member_is_ready(m) || m->heard_at > since ||
		    (e->listening.only != NULL && e->listening.only != m))
			continue;
		atomic_store(&m->slot->wanted, 1);
		r = receive_ring(e, m, now);
		any |= r > 0;
	}
	if (r < 0)
		return r;
	return dispatch_take_back(e) || any;
}

/* Is it time to ask those that are not heard of among all that comes?  Not
   while results are too many. */
static bool is_due(const struct engine *e, uint64_t now)
{
	return e->window.nsent > 0 && now - e->nudges.at >= LONG_NS &&
	    !e->listening.deaf && e->listening.heard == NULL;
}

int nudge_run(struct engine *e, uint64_t now)
{
	bool quiet = e->nudges.quiet;
	int r;

	if (quiet ? e->nudges.vain >= NUDGES_MOST : !is_due(e, now))
		return 0;
	e->nudges.at = now;
	r = ask_all(e, quiet ? now : now - LONG_NS, now);
	if (quiet)
		e->nudges.vain = r == 0 ? e->nudges.vain + 1 : 0;
	return r;
}
