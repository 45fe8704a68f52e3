/*
 * deliver.c - the next item of a pool, and the work that comes before it.
 *
 * Runs in: caller.  Easy to get wrong: inputs are read and sent while results
 * are ready, but a caller that has a result to take never waits.
 */
#include "config.h"

#include "engine/deliver.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "engine/cancel.h"
#include "engine/death.h"
#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/intake.h"
#include "engine/lost_fds.h"
#include "engine/placed.h"
#include "engine/serial.h"
#include "engine/staffing.h"
#include "engine/stats.h"
#include "engine/teardown.h"
#include "engine/tracing.h"
#include "engine/turn.h"
#include "os/sys.h"

/* A turn is put off for this time at most, and for this part of the results
   that may be in flight, while results are ready. */
#define PUT_OFF_NS 20000
#define PUT_OFF 4
/* Likewise, for this part of an item's timeout. */
#define PART 16

/* Called when no result is ready.  Returns 0 at the end, -errno at the end by a
   failure, or 1 to wait. */
static int at_end(struct engine *e)
{
	struct source *s = e->intake.sources;
	int error;

	if (e->window.nchunks > 0 || e->intake.filling != NULL)
		return 1;
	/* A source may hold an input that is still to be answered. */
	if (e->fate.broken && s != NULL)
		return 1;
	if (e->fate.broken) {
		*e->words = e->fate.words;
		return -EPIPE;
	}
	if (s == NULL)
		return 0;
	if (s->state == SOURCE_FAILED) {
		error = s->error;
		words_set(e->words, error, "A source failed: %s.",
		    s->flaw ? s->flaw : strerror(error));
		e->intake.sources = s->next;
		source_free(s);
		return -error;
	}
	if (source_is_stuck(s)) {
		source_unstick(s);
		return words_set(e->words, EDEADLK, "A source without "
		    "wait_fd has no input yet, and nothing is in flight that "
		    "could change that.");
	}
	return 1;
}

/* Reads inputs and sends them.  Chunks that wait are given out first, so that
   those read after them leave in the same write.  If no worker had a chunk, a
   second round reads on, as no result can have come yet.  The host was not away
   in between. */
static int feed(struct engine *e, uint64_t *now)
{
	bool idle;
	int r;

	e->intake.room = 0;
	*now = sys_now();
	tracing_enter(e, *now);
	tally_enter(&e->tally, *now);
	lost_fds_look(e, *now);
	do {
		idle = e->window.nsent == 0;
		r = dispatch_give(e, *now);
		if (r == 0 && !e->fate.broken)
			r = intake_run(e, *now);
		if (r == 0 && e->set.serial && !results_ready(&e->results))
			r = serial_run(e);
		if (r == 0)
			r = dispatch_run(e, *now);
		*now = idle ? sys_now() : *now;
	} while (r == 0 && idle && e->window.nsent > 0 && intake_wants(e));
	return r;
}

/* Does all work that comes before the next result is looked for.  Sets *now.
   Returns 0 or -errno. */
static int prepare(struct engine *e, uint64_t *now)
{
	int r = cancel_asked(e);

	if (r == 0 && e->fate.broken) {
		death_pool(e, sys_now());
		r = death_inputs(e);
	}
	return r == 0 ? feed(e, now) : r;
}

/* Is no chunk in flight, and no descriptor watched that may bring an input? */
static bool is_idle(struct engine *e)
{
	struct source *s = e->intake.sources;

	return e->window.nchunks == 0 && e->intake.filling == NULL &&
	    (s == NULL || s->state != SOURCE_WAITING || source_is_stuck(s));
}

/* Was vm_cancel() called, or max_failures reached, since the inputs were last
   looked at?  The descriptor that vm_cancel() wakes the wait with may have been
   read already. */
static bool is_cancelled(const struct engine *e)
{
	return atomic_load(&e->cancels.asked) != 0;
}

bool deliver_has_work(struct engine *e)
{
	if (e->fate.closing)
		return false;
	return results_ready(&e->results) || intake_wants(e) ||
	    is_cancelled(e) ||
	    e->intake.ask_again || e->teardowns.first != NULL ||
	    dispatch_can(e) ||
	    (e->serial.context != NULL && e->window.nwaiting > 0);
}

/* Returns the time until which the coming wait may last. */
static uint64_t bound(struct engine *e, uint64_t until)
{
	if (results_ready(&e->results) || intake_wants(e) ||
	    is_cancelled(e) || (is_idle(e) && !staffing_are_leaving(e)) ||
	    e->fate.broken || e->teardowns.first != NULL ||
	    (e->serial.context != NULL && e->window.nwaiting > 0))
		return 0;
	return until;
}

void deliver_took(struct engine *e)
{
	struct source *s = e->intake.sources;

	if (s != NULL && s->state == SOURCE_WAITING)
		e->intake.ask_again = source_unstick(s);
}

/* Is the caller slower than the workers?  More results would only wait, and
   cool in its caches.  A worker with nothing to do is given work at once,
   unless items are so short that more workers than CPUs are of no use. */
static bool has_many(struct engine *e)
{
	return e->results.spans >= DELIVER_MANY &&
	    (crew_idle(&e->crew) == NULL || sizer_is_short(&e->sizer));
}

/* Returns the time for which turns may be put off.  Items that have a timeout
   are looked at often enough. */
static uint64_t hold_ns(const struct engine *e, bool many)
{
	uint64_t most = many ? DELIVER_MANY_NS : PUT_OFF_NS;

	return e->set.item_ns > 0 ? MIN(most, e->set.item_ns / PART) : most;
}

/* Results are ready, and workers have enough chunks: may a turn be put off?
   With few items in a chunk, a turn for each chunk costs more than its
   items. */
static bool may_put_off(struct engine *e)
{
	bool many = has_many(e);

	return results_ready(&e->results) && !e->intake.ask_again &&
	    e->teardowns.first == NULL && !is_cancelled(e) &&
	    (many || e->put_off < e->window.max_real / PUT_OFF) &&
	    sys_now() - e->turned_at < hold_ns(e, many);
}

/* All items are answered, and no more inputs come: tells workers to tear down.
   Returns true while results about that are due, or a worker is left. */
static int dismiss(struct engine *e)
{
	bool left;

	if (e->serial.context != NULL) {
		serial_tear_down(e);
		return e->teardowns.first != NULL;
	}
	left = staffing_dismiss(e);
	return e->teardowns.first != NULL || left;
}

int deliver_next(struct engine *e, struct item *item, uint64_t until)
{
	uint64_t now;
	int r;

	placed_let_go(e);
	teardown_let_go(e);
	if (may_put_off(e)) {
		e->put_off++;
		results_take(&e->results, item);
		deliver_took(e);
		return 1;
	}
	for (;;) {
		if (deliver_draw(e, item))
			return 1;
		if (!results_in_hand(&e->results) || e->intake.ask_again) {
			e->intake.ask_again = false;
			r = prepare(e, &now);
			if (r == 0)
				r = turn_run_at(e, now, bound(e, until));
			if (r < 0 && !results_ready(&e->results))
				return r;
		}
		if (teardown_take(e, item))
			return 1;
		if (results_take(&e->results, item)) {
			deliver_took(e);
			return 1;
		}
		r = at_end(e);
		if (r <= 0 && e->intake.sources == NULL)
			tally_rest(&e->tally);
		if (r == 0)
			placed_trim(e);
		if (r == 0 && e->fate.finishing)
			r = dismiss(e);
		if (r <= 0)
			return r;
		if (until != NEVER && sys_now() >= until) {
			e->tally.lacks = stats_want(e);
			return VM_LATER;
		}
	}
}

int deliver_ready(struct engine *e, uint64_t until)
{
	const size_t *having = e->crew.roster.having;
	bool looked = false;
	int r;

	if (e->serial.context != NULL)
		return serial_ready(e);
	for (;;) {
		e->staffing.awaits_setups = having[TRAIT_UNTRIED] > 0;
		r = turn_run(e, looked ? until : 1);
		e->staffing.awaits_setups = false;
		if (r < 0)
			return r;
		looked = true;
		if (e->fate.broken) {
			*e->words = e->fate.words;
			return -EPIPE;
		}
		if (having[TRAIT_MISFIT] > 0) {
			*e->words = e->staffing.setup_words;
			return -ECHILD;
		}
		if (having[TRAIT_UNTRIED] == 0)
			return 0;
		if (sys_now() >= until)
			return VM_LATER;
	}
}
