/*
 * timeouts.c - items that take too long.
 *
 * Runs in: caller.  No clock runs in the worker: the caller samples the slot's
 * words in shared memory eight times per item_timeout_ms.  An item is overdue
 * if two samples a timeout apart find the worker at it, with no bytes read from
 * the worker in between and no call of vm_alive().  So an item is never killed
 * early, and an eighth late at most.
 *
 * Easy to get wrong: only a worker that is read can be judged, as a worker that
 * waits to write its results looks busy; time that the caller spends elsewhere,
 * or stopped, counts only in part; and a worker that crashes may take long to
 * end, while it walks its stack, writes a core file, or valgrind its report.
 */
#include "config.h"

#include "engine/timeouts.h"

#include "base/base.h"
#include "engine/debug.h"
#include "engine/engine.h"
#include "engine/listening.h"
#include "engine/receive.h"
#include "engine/tracing.h"
#include "os/sys.h"

/* Samples per timeout, and the part of a timeout that counts between two
   samples. */
#define SAMPLES 8
#define PART 4
/* Time beyond the timeout for a worker to begin its items, or to leave.  A
   worker that does not has lost its pipe, or was stopped. */
#define BEGIN_NS (5000 * MS_IN_NS)
/* The same for a worker that has noted a crash, to end by its signal.  Any
   worker can write such a note, so that time is bounded, too. */
#define CRASH_NS (20000 * MS_IN_NS)

/* Returns the sequence number of the item that the worker is at, by its slot;
   NEVER if it is at none.  Sets *sane to false if a word is invalid. */
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

/* Has anything changed since the last sample, or may it have changed with bytes
   still unread? */
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

uint64_t timeouts_grace(const struct member *m)
{
	return slot_crash_size(m->slot) > 0 ? CRASH_NS : 0;
}

/* Samples a member, and dooms it if its item is overdue.  Returns the ns it has
   left; NEVER if it was doomed. */
static uint64_t look_at(struct engine *e, struct member *m, uint64_t now)
{
	uint64_t most = e->set.item_ns, step;
	uint64_t at;
	bool sane;

	at = present(m, &sane);
	/* An item that was begun stays begun. */
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
	/* The item may have begun after the turn read the clock. */
	m->watched_at = m->ran > 0 ? now : sys_now();
	most += at != NEVER ? 0 : BEGIN_NS;
	most += timeouts_grace(m);
	if (m->ran < most)
		return most - m->ran;
	/* Bytes written since the turn looked are read first. */
	if (receive_read(e, m, now) != 0 || !member_is_ready(m)) {
		m->watched_from = NEVER;
		return e->set.item_ns;
	}
	tracing_overdue(e, m, now);
	debug_say(e, "overdue: worker %d", m->index);
	crew_doom(&e->crew, m, VM_TIMED_OUT);
	return NEVER;
}

/* Has it work to do?  Items of a link are timed by its agent.  Leaving counts,
   as no other worker can take its place before. */
static bool is_timed(const struct member *m)
{
	return m->host == 0 && member_is_ready(m) &&
	    (m->nsent > 0 || m->told_to_stop);
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

		/* Frames left for want of memory change no word when they are
		   handled. */
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
