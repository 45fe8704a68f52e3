/*
 * death.c - the items of a dead worker, and of a broken pool.
 *
 * Runs in: caller.  When a worker has died: read all results it had finished,
 * from its pipe and then from its ring; blame the item it was at; requeue the
 * others.  Once the results are in, this needs no memory.
 *
 * Easy to get wrong: a word in shared memory says whether an item was begun,
 * and the worker can write it; ring and pipe say which items it finished, and
 * the worker can garble both.  No item is blamed while another may be the
 * cause.
 */
#include "config.h"

#include "engine/death.h"

#include <errno.h>

#include "base/base.h"
#include "engine/answer.h"
#include "engine/debug.h"
#include "engine/diagnosis.h"
#include "engine/engine.h"
#include "engine/fate.h"
#include "engine/intake.h"
#include "engine/links.h"
#include "engine/receive.h"
#include "engine/retry.h"
#include "engine/staffing.h"
#include "engine/teardown.h"
#include "engine/tracing.h"
#include "os/fdlist.h"

/* Workers in a row that may die with the same item in front, not begun. */
#define SUSPICIONS_MOST 3

/* Counts and lists an item that ended its worker, with the time since the
   worker began it or, where it did not note that, since it last wrote results.
   The caller may have read these much later; only links note neither time. */
static void count_time(struct engine *e, const struct member *m,
    const struct span *s)
{
	const struct slot_note n = slot_noted(m->slot);
	const uint64_t noted = MAX(n.leg_at, n.started_at);
	const uint64_t since = MAX(s->sent_at, noted ? noted : m->moved_at);
	const struct times_item slow = {
		.ns = m->death.died_at - MIN(since, m->death.died_at),
		.seq = span_seq(s),
		.index = s->chunk->index + s->first,
		.tag = chunk_tag(s->chunk, s->first),
	};

	times_add(&e->tally.times, slow.ns, 1);
	times_list(&e->tally.times, &slow);
}

/* Blames the item: it is tried again, or that was its last attempt. */
static void convict(struct engine *e, struct member *m, struct span *guilty,
    bool begun)
{
	enum vm_cause cause = diagnosis_cause(m);

	if (begun)
		count_time(e, m, guilty);
	/* The cause of its last attempt may be another. */
	guilty->outcome.pid = m->pid;
	if (retry_may(e, guilty, cause)) {
		retry_again(e, guilty, RETRY_AS_OPTIONS_SAY);
		return;
	}
	diagnosis_make(e, m, begun ? DIED_IN_ITEM : DIED_BEFORE_ITEM, guilty);
	guilty->bytes = guilty->evidence ? guilty->evidence->size : 0;
	if (cause != VM_CANCELLED)
		retry_never(e, span_seq(guilty));
	answer_span(e, guilty);
}

/* Returns the number of items of a sent span that were begun and not answered.
   An invalid word in the slot counts as garbling: all items may have begun. */
static uint32_t begun(struct member *m, const struct span *s)
{
	uint32_t next;

	if (slot_begun(m->slot, s->ordinal, s->limit, &next) < 0) {
		m->garbled = true;
		return s->count;
	}
	return MIN(next > s->first ? next - s->first : 0, s->count);
}

/*
 * The worker had not begun the item.  If several workers in a row die so, the
 * item is at fault all the same: it is too big to be received, say, or it runs,
 * is not marked as begun and hangs, or garbles its pipe.
 */
static bool suspect(struct member *m, struct span *s)
{
	if (m->killed && m->blame != VM_TIMED_OUT && m->blame != VM_GARBLED)
		return false;
	s->suspicion = m->finished > s->finished ? 1 : s->suspicion + 1;
	return s->suspicion >= SUSPICIONS_MOST;
}

/* Removes the first item from a span and blames it. */
static void blame_first(struct engine *e, struct member *m, struct span *s,
    bool begun)
{
	struct span *guilty = m->spare;

	m->spare = NULL;
	span_move_first(guilty, s, 1);
	convict(e, m, guilty, begun);
}

/* Is the only item that was begun the culprit?  A worker may have been garbled
   by an earlier item, unless it had this item only.  And a worker that was
   killed for a timeout or for a cancelled item may have begun the next item
   meanwhile. */
static bool is_guilty(const struct member *m, const struct span *s)
{
	if ((m->blame == VM_TIMED_OUT || m->blame == VM_CANCELLED) &&
	    !m->garbled)
		return span_seq(s) == m->watched;
	return !m->garbled ||
	    (s->sent_count == 1 && m->finished == s->finished);
}

/* Has the items of a span that were begun tried again, each alone; the others
   are requeued as they were, if there is memory for another span. */
static void try_singly(struct engine *e, struct member *m, struct span *s)
{
	uint32_t items = begun(m, s);
	struct span *rest = items < s->count ?
	    span_cut(s, s->first + items) : NULL;

	s->alone = true;
	if (rest != NULL)
		window_move(&e->window, rest, SPAN_WAITING);
}

/*
 * Decides which item to blame.  An honest worker has a single item that was
 * begun and not answered.  If another item may be the cause, as the worker's
 * data cannot be trusted, all items that were begun are tried again, each
 * alone, until it shows.  If none was begun, the first item sent is a suspect.
 * Returns the number of items begun.
 */
static size_t judge(struct engine *e, struct member *m)
{
	struct span *first = NULL;
	size_t all = 0;

	if (m->host != 0)
		return links_judge(e, m);
	m->garbled = m->blame == VM_GARBLED;
	for (struct span *s = m->sent; s != NULL; s = s->next) {
		all += begun(m, s);
		if (first == NULL && s->count > 0)
			first = s;
	}
	if (all == 0 && first != NULL && suspect(m, first))
		blame_first(e, m, first, false);
	for (struct span *s = m->sent; s != NULL && all > 0; s = s->next) {
		if (begun(m, s) > 0 && all == 1 && is_guilty(m, s)) {
			blame_first(e, m, s, true);
			break;
		}
		if (begun(m, s) > 0 && (m->garbled || all > 1))
			try_singly(e, m, s);
	}
	return all;
}

/* Requeues the items left in the oldest span that the member was sent. */
static void requeue(struct engine *e, struct member *m)
{
	struct span *s = crew_unlease(&e->crew, m);

	if (s->count > 0 && m->host != 0) {
		links_requeue(e, s);
		return;
	}
	window_move(&e->window, s, s->count ? SPAN_WAITING : SPAN_SPENT);
	if (s->state == SPAN_SPENT)
		span_free(s);
}

/* Requeues all items the member was sent.  Returns true if it had begun an
   item. */
static bool put_back(struct engine *e, struct member *m)
{
	bool began = m->finished > 0;

	began |= judge(e, m) > 0;
	while (m->sent != NULL)
		requeue(e, m);
	return began;
}

/* Records a death before HELLO: sets the error text and counts the failed
   setup. */
static void setup_died(struct engine *e, struct member *m)
{
	if (m->channel.in < 0)
		return;		/* the caller had no descriptors left for it */
	if (m->host != 0 && m->told_to_stop)
		return;		/* its host was removed */
	effort_setup(&m->effort, m->death.died_at, m->death.died_at -
	    MIN(m->effort.since, m->death.died_at),
	    tally_rested(&e->tally, m->death.died_at));
	m->setups_failed++;
	if (m->first == FIRST_PENDING)
		m->first = FIRST_FAILED;
	if (m->session != SESSION_UNFIT)
		diagnosis_setup(e, m);
}

/* Ends the times of a worker that has lived until then.  It was at the chunks
   that it has, as far as it did not tell of them. */
static void end_effort(struct engine *e, struct member *m, uint64_t until,
    const struct notice *end)
{
	if (m->session == SESSION_READY && m->sent != NULL)
		m->effort.busy += until - MIN(until,
		    MAX(m->sent->sent_at, m->heard_at));
	effort_end(&m->effort, until, tally_rested(&e->tally, until),
	    m->finished, end->cpu_ns, end->max_rss);
}

int death_member(struct engine *e, struct member *m, uint64_t now)
{
	const bool is_removed = m->host != 0 && !m->wanted;
	char text[64];
	bool began;
	int r = receive_rest(e, m, now);

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	debug_say(e, "bury: worker %d, pid %d, %s", m->index, (int)m->pid,
	    diagnosis_end(m, text));
	if (m->session < SESSION_READY)
		setup_died(e, m);
	else
		teardown_missed(e, m);
	tracing_bury(e, m);
	e->tally.deaths += !m->told_to_stop;
	end_effort(e, m, m->death.died_at, &m->death);
	if (m->host != 0)
		links_lost(e, m);
	began = put_back(e, m) || m->told_to_stop;
	crew_vacate(&e->crew, m, fdlist_drop, e->fate.closing, began, now);
	if (m->host != 0)
		links_left(e, m);
	else if (m->state == MEMBER_GONE && !e->fate.closing)
		staffing_gave_up(e, m);
	if (!e->fate.closing && !e->fate.dismissed && !is_removed &&
	    crew_hopeless(&e->crew)) {
		*e->words = e->staffing.setup_words;
		fate_break(e, VM_SETUP_FAILED);
	}
	return 0;
}

/* Answers the items that the member was at with the cause, as begun; requeues
   the others. */
static void answer_sent(struct engine *e, struct member *m,
    enum vm_cause cause)
{
	struct span *s, *first;

	while ((s = m->sent) != NULL) {
		if (m->spare != NULL && m->host == 0 && begun(m, s) > 0) {
			first = m->spare;
			m->spare = NULL;
			span_move_first(first, s, 1);
			first->outcome.pid = m->pid;
			answer_cause(e, first, cause);
		}
		requeue(e, m);
	}
}

void death_pool(struct engine *e, uint64_t now)
{
	enum vm_cause cause = e->fate.cause;

	if (!e->fate.broken || e->fate.settled)
		return;
	e->fate.settled = true;
	for (size_t i = 0; i < e->crew.count; i++) {
		struct member *m = &e->crew.members[i];

		/* Its kill is not awaited, but its results count. */
		if (m->state == MEMBER_DOOMED)
			crew_move(&e->crew, m, MEMBER_DEAD);
		/* With frames left unread, a failed item would pass for
		   done. */
		receive_rest(e, m, now);
		if (member_has_greeted(m))
			teardown_missed(e, m);
		end_effort(e, m, now, &(struct notice){ .kind = 0 });
		if (m->host != 0)
			links_lost(e, m);
		answer_sent(e, m, cause);
		crew_vacate(&e->crew, m, fdlist_drop, true, false, now);
	}
	answer_waiting(e, cause);
}

int death_inputs(struct engine *e)
{
	int r = intake_finish(e);

	if (r == 0)
		answer_waiting(e, e->fate.cause);
	return r;
}
