/* cancel.c - see cancel.h: cancelling items. */
#include "config.h"

#include "engine/cancel.h"

#include <errno.h>

#include "base/base.h"
#include "engine/answer.h"
#include "engine/debug.h"
#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/intake.h"
#include "engine/listening.h"
#include "engine/orders.h"
#include "engine/receive.h"
#include "pool/away.h"

/* Interval between two attempts to cancel the items left on the list. */
#define LOOK_NS (10 * MS_IN_NS)

/* ---- finding items ---- */

static bool holds(const struct span *s, uint64_t seq)
{
	return seq >= span_seq(s) && seq < span_seq(s) + s->count;
}

static struct span *find(struct span *s, uint64_t seq)
{
	while (s != NULL && !holds(s, seq))
		s = s->next;
	return s;
}

/* If the item of that index is among the "count" items of a chunk from number
   "first" on, returns its sequence number; else NEVER. */
static uint64_t match(const struct chunk *c, uint32_t first, uint32_t count,
    const void *tag, uint64_t index)
{
	uint64_t nth = index - c->index;

	return index >= c->index && nth >= first && nth - first < count &&
	    chunk_tag(c, nth) == tag ? c->seq + nth : NEVER;
}

static uint64_t match_any(const struct span *s, const void *tag,
    uint64_t index, uint64_t best)
{
	for (; s != NULL; s = s->next) {
		uint64_t seq = match(s->chunk, s->first, s->count, tag, index);

		best = MIN(best, seq);
	}
	return best;
}

uint64_t cancel_find(const struct engine *e, const void *tag, uint64_t index)
{
	const struct member *m = e->crew.roster.busy.first;
	const struct chunk *c = e->intake.filling;
	const struct source *s = e->intake.sources;
	uint64_t best = match_any(e->window.waiting, tag, index, NEVER);

	best = match_any(e->window.paused, tag, index, best);
	for (; m != NULL; m = roster_next(m, IN_BUSY))
		best = match_any(m->sent, tag, index, best);
	if (best == NEVER && c != NULL)
		best = match(c, 0, c->count, tag, index);
	/* The source holds it; it is packed next. */
	if (best == NEVER && s != NULL && s->held && s->index == index &&
	    s->hooks.tag == tag)
		best = e->intake.seq;
	return best;
}

/* Lists the items of a sent span, before that number, that are not done: the
   item its worker is at, and those taken together with it. */
static int add_taken(struct engine *e, const struct member *m,
    const struct span *s, uint64_t before)
{
	uint32_t next;
	int r = 0;

	if (m->host != 0)
		return 0;
	if (slot_begun(m->slot, s->ordinal, s->limit, &next) < 0)
		return 0;
	next = MAX(next, s->first + 1) - 1;
	for (; next < s->first + s->count && r == 0 &&
	    s->chunk->seq + next < before; next++)
		r = cancels_add(&e->cancels, s->chunk->seq + next);
	return r;
}

/* Lists the items before that number that workers have taken and not done.
   Returns 0 or -ENOMEM. */
static int add_all_taken(struct engine *e, uint64_t before)
{
	const struct member *m = e->crew.roster.busy.first;
	int r = 0;

	for (; m != NULL; m = roster_next(m, IN_BUSY))
		for (const struct span *s = m->sent; s != NULL && r == 0;
		    s = s->next)
			r = add_taken(e, m, s, before);
	return r;
}

/* Is cancels_back() still to be carried out? */
static bool is_giving_back(const struct cancels *c)
{
	return c->back > c->until || c->running;
}

uint64_t cancel_alarm(const struct engine *e, uint64_t now)
{
	if (e->fate.closing)
		return NEVER;
	if (is_giving_back(&e->cancels))
		return now;
	return e->cancels.count > 0 ? now + LOOK_NS : NEVER;
}

/* ---- cancelling an item ---- */

/* Answers an item of a waiting or paused span; its other items stay queued. */
static int answer(struct engine *e, struct span *s, uint64_t seq)
{
	uint32_t number = (uint32_t)(seq - s->chunk->seq);
	struct span *rest;

	if (number + 1 < s->first + s->count) {
		rest = span_cut(s, number + 1);
		if (rest == NULL)
			return -ENOMEM;
		rest->alone = s->alone;
		window_move(&e->window, rest, SPAN_WAITING);
	}
	if (number > s->first) {
		s = span_cut(s, number);
		if (s == NULL)
			return -ENOMEM;
	}
	s->attempt--;
	answer_cause(e, s, VM_CANCELLED);
	return 0;
}

/* Answers an item that waits or pauses.  Returns 0, 1 if it does neither, or
   -ENOMEM. */
static int answer_listed(struct engine *e, uint64_t seq)
{
	struct span *s = find(e->window.waiting, seq);

	if (s == NULL)
		s = find(e->window.paused, seq);
	return s != NULL ? answer(e, s, seq) : 1;
}

/* Kills the worker if the item, which it has taken, is the item it is at. */
static void strike(struct engine *e, struct member *m, const struct span *s,
    uint64_t seq)
{
	uint32_t next;

	if (slot_begun(m->slot, s->ordinal, s->limit, &next) < 0 ||
	    s->chunk->seq + next != seq + 1)
		return;
	debug_say(e, "cancel: number %llu of worker %d",
	    (unsigned long long)seq, m->index);
	m->watched = seq;
	crew_doom(&e->crew, m, VM_CANCELLED);
}

/* Answers the items before that number that wait. */
static int answer_before(struct engine *e, uint64_t before)
{
	struct span *s, *next, *rest;

	for (s = e->window.waiting; s != NULL; s = next) {
		next = s->next;
		if (span_seq(s) >= before)
			continue;
		if (before - span_seq(s) < s->count) {
			rest = span_cut(s, s->first +
			    (uint32_t)(before - span_seq(s)));
			if (rest == NULL)
				return -ENOMEM;
			window_move(&e->window, rest, SPAN_WAITING);
		}
		s->attempt--;
		answer_cause(e, s, VM_CANCELLED);
	}
	return 0;
}

/* Recalls the items before that number that links have, as far as they have not
   begun; running: those that run as well. */
static void recall_far(struct engine *e, uint64_t before, bool running)
{
	e->cancels.until = before;
	if (running)
		e->cancels.ended = before;
	for (size_t i = 0; i < e->set.hosts.count; i++)
		orders_recall(e, e->set.hosts.all[i], running);
}

/* Carries out cancels_back().  Items of a chunk that is being filled, as memory
   was short when it was to be admitted, wait too. */
static int give_back(struct engine *e)
{
	struct cancels *c = &e->cancels;
	struct member *m = e->crew.roster.busy.first, *next;
	int r = intake_admit(e);

	for (; m != NULL; m = next) {
		next = roster_next(m, IN_BUSY);
		dispatch_take_all(e, m);
	}
	if (r == 0)
		r = answer_before(e, c->back);
	if (r == 0 && c->running)
		r = add_all_taken(e, c->back);
	if (r < 0)
		return r;
	recall_far(e, c->back, c->running);
	c->running = false;
	return 0;
}

/* Has a link end an item that it has taken, unless it was told to.  A lease
   behind the first has no such item, as soon as all is read. */
static void tell_link(struct engine *e, const struct member *m,
    const struct span *s, struct cancelled *c)
{
	const uint64_t key = (uint64_t)m->host << 32 | m->generation;
	const uint32_t item = (uint32_t)(c->seq - s->chunk->seq);

	if (c->told != key && (s->away || s == *m->leases) &&
	    item < s->limit && orders_cancel(e, m, away_number(s, item)))
		c->told = key;
}

/* Cancels an item in a member's list of sent spans.  Returns 0 if it is
   answered now, 1 if it is still to be answered, or -ENOMEM. */
static int recall(struct engine *e, struct member *m, struct cancelled *c,
    uint64_t now)
{
	const uint64_t seq = c->seq;
	struct span *s;
	int r = 0;

	/* The item may have ended, with its result still unread. */
	if (listening_hears(e, m) && member_is_ready(m)) {
		r = receive_ring(e, m, now);
		if (r == 0 && member_is_ready(m))
			r = receive_read(e, m, now);
	}
	s = find(m->sent, seq);
	if (r != 0 || s == NULL || !member_is_ready(m))
		return r < 0 ? r : 1;
	dispatch_take_from(e, m, s, (uint32_t)(seq - s->chunk->seq));
	if (!holds(s, seq))
		return answer_listed(e, seq);
	if (m->host != 0)
		tell_link(e, m, s, c);
	else if (member_is_ready(m))
		strike(e, m, s, seq);
	return 1;
}

/* Cancels an item of the list.  Returns 0 if it leaves the list, 1 if it stays,
   or -ENOMEM. */
static int give_up(struct engine *e, struct cancelled *c, uint64_t now)
{
	struct member *m = e->crew.roster.busy.first;
	int r = 0;

	if (e->intake.filling != NULL && c->seq >= e->intake.filling->seq)
		r = intake_admit(e);
	if (r == 0)
		r = answer_listed(e, c->seq);
	if (r <= 0)
		return r;
	for (; m != NULL; m = roster_next(m, IN_BUSY))
		if (find(m->sent, c->seq) != NULL)
			return recall(e, m, c, now);
	return c->seq >= e->intake.seq;
}

int cancel_run(struct engine *e, uint64_t now)
{
	struct cancels *c = &e->cancels;
	size_t left = 0;
	int r = 0;

	if (e->fate.closing || e->fate.broken)
		return 0;
	if (is_giving_back(c))
		r = give_back(e);
	for (size_t i = 0; i < c->count; i++) {
		struct cancelled one = c->list[i];
		int stays = r < 0 ? r : give_up(e, &one, now);

		r = MIN(r, MIN(stays, 0));
		if (stays != 0)
			c->list[left++] = one;
	}
	c->count = left;
	return r;
}

/* ---- cancelling all items ---- */

/* Takes back the items of a sent span that have not begun, and answers them. */
static int cancel_sent(struct engine *e, struct member *m, struct span *s)
{
	struct span *rest;

	if (slot_lower(m->slot, s->ordinal, s->first, &s->limit) < 0)
		return 0;	/* the worker is dead or will be doomed */
	if (s->limit == s->first + s->count)
		return 0;
	rest = span_cut(s, s->limit);
	if (rest == NULL)
		return -ENOMEM;
	crew_ungrant(&e->crew, m, rest->count);
	rest->attempt--;
	answer_cause(e, rest, VM_CANCELLED);
	return 0;
}

int cancel_all(struct engine *e, unsigned how)
{
	int r = how & VM_CANCEL_UNREAD ? intake_give_up(e) : intake_finish(e);

	if (r < 0)
		return r;
	answer_waiting(e, VM_CANCELLED);
	for (size_t i = 0; i < e->crew.count && r == 0; i++) {
		struct member *m = &e->crew.members[i];

		for (struct span *s = *m->leases; s != NULL && r == 0;
		    s = s->next)
			r = cancel_sent(e, m, s);
	}
	recall_far(e, e->intake.seq, how & VM_CANCEL_RUNNING);
	if (r == 0 && how & VM_CANCEL_RUNNING)
		r = add_all_taken(e, e->intake.seq);
	return r;
}

int cancel_asked(struct engine *e)
{
	unsigned how = atomic_exchange(&e->cancels.asked, 0);
	int r;

	if (how == 0)
		return 0;
	r = cancel_all(e, how >> 1);
	if (r < 0)
		atomic_fetch_or(&e->cancels.asked, how);
	return r;
}
