/*
 * staffing.c - number of workers: gentle layoffs, replacing workers that have
 * had their share of items or use too much memory, resizing.
 *
 * Runs in: caller.  A worker that is laid off ends its present item, tears down
 * and leaves; items it has not begun are requeued.
 *
 * Easy to get wrong: a worker in setup cannot be told anything before the fork
 * server has sent its pipes; so every turn looks at all members to be told.
 */
#include "config.h"

#include "engine/staffing.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "engine/debug.h"
#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/fate.h"
#include "os/sys.h"

/* Interval at which the memory of workers is measured. */
#define WEIGH_NS (1000 * MS_IN_NS)
/* Most time without workers that counts at once, so that a caller that was away
   finds the pool as it left it. */
#define DESERTED_NS (1000 * MS_IN_NS)

bool staffing_lay_off(struct engine *e, struct member *m, uint64_t deadline)
{
	if (!member_is_starting(m) && !member_is_ready(m))
		return false;
	/* A link that starts listens to its command only, which may take
	   long. */
	if (m->host != 0 && member_is_starting(m)) {
		m->told_to_stop = true;
		crew_doom(&e->crew, m, VM_LOST);
		return true;
	}
	/* Also for a worker that was told before, with a later deadline. */
	crew_bear(&e->crew, m, MIN(m->doom_at, deadline));
	return !m->told_to_stop && crew_stop(&e->crew, m) == 0;
}

/* Does it use more memory than max_rss? */
static bool is_too_big(const struct engine *e, const struct member *m)
{
	return m->host == 0 && member_is_ready(m) && !m->told_to_stop &&
	    sys_memory(m->pid) > e->set.max_rss;
}

/* Is there work that only workers can do? */
static bool awaits_workers(const struct engine *e)
{
	return e->window.nwaiting > 0 || e->staffing.awaits_setups;
}

uint64_t staffing_alarm(const struct engine *e, uint64_t now)
{
	uint64_t at = NEVER, left;

	(void)now;
	if (e->set.max_rss > 0 && e->window.nsent > 0 && !e->fate.closing)
		at = e->staffing.weigh_at;
	if (e->staffing.deserted && awaits_workers(e) && !e->fate.closing) {
		left = e->set.fork_ns - e->staffing.deserted_for;
		at = MIN(at, e->staffing.deserted_at + MIN(left, DESERTED_NS));
	}
	return at;
}

/* Returns the number of workers that links stand for. */
static size_t far_workers(const struct engine *e)
{
	size_t n = 0;

	for (size_t i = e->crew.first_link; i < e->crew.count; i++)
		if (e->crew.members[i].wanted)
			n += e->crew.members[i].weight;
	return n;
}

/* Returns how many workers should have chunks; SIZE_MAX: all.  Links have CPUs
   of their own. */
static size_t wanted_hands(const struct engine *e)
{
	return e->crew.roster.having[TRAIT_LINK] > 0 ? SIZE_MAX :
	    sizer_hands(&e->sizer, e->cpus);
}

/* Chunks still with workers that are to leave must not count against the bounds
   of the others: these workers may take as long as they like. */
void staffing_bound(struct engine *e)
{
	size_t usual, most, n;

	e->staffing.workforce = e->set.workers + far_workers(e);
	n = e->staffing.workforce + e->crew.roster.having[TRAIT_EXTRA];
	most = settings_bytes(&e->set, n, &usual);
	e->crew.hands = wanted_hands(e);
	n = MIN(n, e->crew.hands);
	window_limit(&e->window, n * e->set.real_factor,
	    n * e->set.total_factor);
	window_bound(&e->window, usual, most, n);
	/* The next pushed input meets the new bounds. */
	e->intake.room = 0;
}

static void lay_off(struct engine *e, struct member *m, const char *why)
{
	dispatch_take_all(e, m);
	if (staffing_lay_off(e, m, NEVER))
		debug_say(e, "lay off: worker %d: %s", m->index, why);
}

/* Measures the memory of all workers. */
static void weigh(struct engine *e)
{
	for (size_t i = 0; i < e->crew.count; i++)
		if (is_too_big(e, &e->crew.members[i]))
			lay_off(e, &e->crew.members[i], "has grown too big");
}

/* ---- no worker is left ---- */

const char *staffing_reason(int error)
{
	switch (error) {
	case 0:
		return "the kernel still holds the killed workers";
	case EAGAIN:
		return "a limit on processes is reached (RLIMIT_NPROC, or "
		    "pids.max of the control group)";
	case EMFILE:
		return "the limit on descriptors is reached (RLIMIT_NOFILE)";
	default:
		return strerror(error);
	}
}

void staffing_refused(struct engine *e, struct member *m, int error)
{
	e->staffing.refused = error;
	if (e->started && !m->refused)
		words_set(e->words, error, "A worker could not be forked: "
		    "%s.  The others go on, and it is tried again.",
		    staffing_reason(error));
	m->refused = true;
}

void staffing_welcomed(struct engine *e, struct member *m)
{
	m->refused = false;
	if (e->started)
		e->staffing.refused = 0;
	e->staffing.deserted_told = false;
	e->staffing.deserted_for = 0;
}

void staffing_gave_up(struct engine *e, const struct member *m)
{
	struct staffing *s = &e->staffing;
	const char *why = m->setup_text != NULL ? m->setup_text : "";

	if (m->host != 0)
		words_set(e->words, ECHILD, "A host was given up.  %s", why);
	else
		words_set(e->words, ECHILD, "Worker %d was given up, as its "
		    "setup failed %d times in a row.  %s", m->index,
		    m->setups_failed, why);
	debug_say(e, "%s", e->words->text);
	if (s->given_up++ == 0)
		s->given_up_words = *e->words;
}

int staffing_sum(struct engine *e)
{
	const struct staffing *s = &e->staffing;

	if (s->given_up == 0 || e->fate.broken)
		return 0;
	*e->words = s->given_up_words;
	if (s->given_up > 1)
		words_add(e->words, "  (%llu workers were given up.)",
		    (unsigned long long)s->given_up);
	return 1;
}

/* Is there a member in the list that may have chunks? */
static bool has_any(const struct engine *e, const struct list *in)
{
	const struct member *m = in->first;

	while (m != NULL && !crew_admits(&e->crew, m))
		m = roster_next(m, IN_STATE);
	return m != NULL;
}

/* Is a place wanted, with the last order failed or the old worker held by the
   kernel in each such place, and no worker in any other? */
static bool is_deserted(const struct engine *e)
{
	const struct list *in = e->crew.roster.state;
	const struct member *m;
	bool lacking = false;

	for (int i = MEMBER_ASKED; i <= MEMBER_DEAD; i++)
		if (has_any(e, &in[i]))
			return false;
	for (m = in[MEMBER_ABSENT].first; m != NULL;
	    m = roster_next(m, IN_STATE)) {
		if (!crew_admits(&e->crew, m))
			continue;
		if (m->wanted && !m->refused)
			return false;
		lacking |= m->wanted;
	}
	for (m = in[MEMBER_HELD].first; m != NULL;
	    m = roster_next(m, IN_STATE))
		lacking |= m->wanted && crew_admits(&e->crew, m);
	return lacking;
}

/* Sets the error text at once; breaks the pool after fork_timeout_ms. */
static void look_for_anybody(struct engine *e, uint64_t now)
{
	const char *why = staffing_reason(e->staffing.refused);
	uint64_t passed = now - e->staffing.deserted_at;
	unsigned long long ms = e->set.fork_ns / MS_IN_NS;

	if (!awaits_workers(e))
		e->staffing.deserted_for = 0;
	else if (e->staffing.deserted)
		e->staffing.deserted_for += MIN(passed, DESERTED_NS);
	e->staffing.deserted_at = now;
	e->staffing.deserted = is_deserted(e);
	if (e->staffing.deserted && !e->staffing.deserted_told) {
		words_set(e->words, EAGAIN, "No worker is left, and none can "
		    "be forked: %s.  It is tried again; after %llu ms "
		    "(vm_options.fork_timeout_ms) the pool is given up.",
		    why, ms);
		debug_say(e, "%s", e->words->text);
		e->staffing.deserted_told = true;
	}
	if (!e->staffing.deserted || e->staffing.deserted_for < e->set.fork_ns)
		return;
	words_set(e->words, EAGAIN, "No worker was left, and for %llu ms "
	    "(vm_options.fork_timeout_ms) none could be forked: %s.", ms, why);
	fate_break(e, VM_LOST);
}

int staffing_run(struct engine *e, uint64_t now)
{
	struct member *m = e->crew.roster.out.first, *next;

	if (e->fate.closing || e->fate.broken)
		return 0;
	for (; m != NULL; m = next) {
		next = roster_next(m, IN_OUT);
		lay_off(e, m, m->wanted ? "has had its items" :
		    "not wanted any more");
	}
	if (e->set.max_rss > 0 && e->staffing.weigh_at <= now) {
		weigh(e);
		e->staffing.weigh_at = now + WEIGH_NS;
	}
	staffing_bound(e);
	look_for_anybody(e, now);
	/* Other machines may have outlived the last worker here. */
	if (e->crew.here_only && crew_hopeless(&e->crew)) {
		*e->words = e->staffing.given_up_words;
		fate_break(e, VM_SETUP_FAILED);
	}
	return 0;
}

/* ---- more or fewer ---- */

/* Returns a place to take in, or to let go; the first that is not wanted, or
   the last that is wanted; NULL if there is none. */
static struct member *find(struct crew *c, bool wanted)
{
	struct member *best = NULL;

	for (size_t i = 0; i < c->first_link; i++) {
		struct member *m = &c->members[i];

		if (m->wanted != wanted || m->state == MEMBER_GONE ||
		    (!wanted && m->state == MEMBER_HELD))
			continue;
		if (!wanted)
			return m;
		/* A place without a ready worker is let go first. */
		if (best == NULL || !member_is_ready(m) ||
		    member_is_ready(best))
			best = m;
	}
	return best;
}

int staffing_resize(struct engine *e, size_t workers)
{
	struct member *m;
	size_t have = e->crew.roster.having[TRAIT_HOPED] -
	    e->crew.roster.having[TRAIT_LINK];

	if (workers > e->set.max_workers)
		return words_set(e->words, ERANGE, "The pool may have at most "
		    "%zu workers (vm_options.max_workers).",
		    e->set.max_workers);
	for (; have < workers && (m = find(&e->crew, false)); have++) {
		m->refused = false;
		crew_want(&e->crew, m, true);
	}
	for (; have > workers && (m = find(&e->crew, true)); have--)
		crew_want(&e->crew, m, false);
	e->set.workers = workers;
	staffing_bound(e);
	return 0;
}

bool staffing_are_leaving(const struct engine *e)
{
	const struct list *states = e->crew.roster.state;
	bool any = false;

	for (int i = MEMBER_ASKED; i <= MEMBER_DEAD; i++)
		any |= states[i].first != NULL;
	return e->fate.dismissed && any;
}

bool staffing_dismiss(struct engine *e)
{
	uint64_t deadline = sys_now() + e->set.close_ns;

	if (!e->fate.dismissed)
		server_spare(&e->server, false);
	for (size_t i = 0; i < e->crew.count && !e->fate.dismissed; i++) {
		struct member *m = &e->crew.members[i];

		crew_want(&e->crew, m, false);
		if (member_is_ready(m) || m->host != 0)
			staffing_lay_off(e, m, deadline);
	}
	e->fate.dismissed = true;
	return staffing_are_leaving(e);
}
