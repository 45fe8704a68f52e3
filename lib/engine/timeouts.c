/*
 * timeouts.c - items that take longer than they may.
 *
 * Runs in: caller.  No clock runs in the worker: the lease words are sampled
 * eight times in item_timeout_ms, and an item that is seen at two samples a
 * timeout apart, with nothing heard of its worker in between, nor vm_alive()
 * called, is overdue.  So it is never early, and an eighth late at most.
 *
 * Easy to get wrong: only a worker that is read can be judged, for one that
 * waits to hand over its results looks as busy; and time that the caller
 * spends elsewhere, or stopped, counts only in part.
 */
#include "config.h"

#include "engine/timeouts.h"

#include "base/base.h"
#include "engine/debug.h"
#include "engine/engine.h"
#include "engine/listening.h"
#include "engine/receive.h"
#include "os/sys.h"

/* Samples in a timeout, and the part of it that counts between two. */
#define SAMPLES 8
#define PART 4
/* Beyond the timeout: for a worker to begin what it was sent, or to leave.
   One that does not has lost its pipe, or was stopped. */
#define BEGIN_NS (5000 * MS_IN_NS)

/* The item that the worker is at, by its pages: its number among all read;
   NEVER if at none.  Sets *sane to false if a word makes no sense. */
static uint64_t present(const struct member *m, bool *sane)
{
	uint32_t next;

	*sane = true;
	for (struct span *s = m->sent; s != NULL && *sane; s = s->next) {
		*sane = slot_begun(m->slot, s->ordinal, s->limit, &next) == 0;
		if (*sane && s->count > 0 && next > s->first)
			return s->chunk->seq + next - 1;
	}
	return NEVER;
}

/* Has anything changed since the last look, or may it have, unread? */
static bool has_moved(const struct engine *e, const struct member *m,
    uint64_t at)
{
	return m->watched != at ||
	    m->watched_alive != atomic_load(&m->slot->alive) ||
	    m->watched_from != m->channel.position ||
	    m->watched_sent != channel_sent(&m->channel) ||
	    !listening_hears(e, m) ||
	    m->unsettled || slot_ahead(m->slot, m->channel.position) != 0;
}

/* How long this member may still go on like this; dooms it if it may not. */
static uint64_t look_at(struct engine *e, struct member *m, uint64_t now)
{
	uint64_t most = e->set.item_ns, step;
	uint64_t at;
	bool sane;

	at = present(m, &sane);
	/* What was begun cannot be unbegun. */
	if (at == NEVER && m->watched != NEVER && !has_moved(e, m, m->watched))
		sane = false;
	if (!sane) {
		crew_doom(&e->crew, m, VM_GARBLED);
		return NEVER;
	}
	step = MIN(now - m->watched_at, most / PART);
	m->ran = has_moved(e, m, at) ? 0 : m->ran + step;
	m->watched = at;
	m->watched_alive = atomic_load(&m->slot->alive);
	m->watched_from = m->channel.position;
	m->watched_sent = channel_sent(&m->channel);
	/* It may have begun after the turn looked at the clock. */
	m->watched_at = m->ran > 0 ? now : sys_now();
	most += at != NEVER ? 0 : BEGIN_NS;
	if (m->ran < most)
		return most - m->ran;
	/* What it has written since this turn looked is heard first. */
	if (receive_read(e, m, now) != 0 || !member_is_ready(m)) {
		m->watched_from = NEVER;
		return e->set.item_ns;
	}
	debug_say(e, "overdue: worker %d", m->index);
	crew_doom(&e->crew, m, VM_TIMED_OUT);
	return NEVER;
}

/* Has it anything to do?  To leave is something, and nobody can take its
   place before it does. */
static bool is_timed(const struct member *m)
{
	return member_is_ready(m) && (m->nsent > 0 || m->told_to_stop);
}

uint64_t timeouts_alarm(const struct engine *e, uint64_t now)
{
	bool any = e->window.nsent > 0 ||
	    e->crew.roster.having[TRAIT_STOPPING] > 0;

	(void)now;
	return e->set.item_ns > 0 && any ? e->timeouts.sample_at : NEVER;
}

int timeouts_run(struct engine *e, uint64_t now)
{
	uint64_t wait = e->set.item_ns / SAMPLES + 1;
	int r = 0;

	if (timeouts_alarm(e, now) > now)
		return 0;
	for (size_t i = 0; i < e->crew.count && r >= 0 && !e->fate.broken;
	    i++) {
		struct member *m = &e->crew.members[i];
		uint64_t left;

		/* What is not settled yet moves nothing when it is. */
		if (!is_timed(m) || m->unsettled) {
			m->watched_from = NEVER;
			continue;
		}
		if (listening_hears(e, m))
			r = receive_ring(e, m, now);
		if (r < 0 || !member_is_ready(m))
			continue;
		left = look_at(e, m, now);
		wait = MIN(wait, left);
	}
	e->timeouts.sample_at = now + wait;
	return MIN(r, 0);
}
