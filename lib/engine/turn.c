/*
 * turn.c - see engine.h: the turn of a pool, and the only wait.
 *
 * Runs in: caller.  Easy to get wrong: a wait must end for everything that can
 * change by itself: results, deaths, cancelling, and each clock that runs
 * (pauses, deadlines of members, the caller's own bound).
 */
#include "config.h"

#include "engine/orders.h"
#include "engine/turn.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "engine/cancel.h"
#include "engine/death.h"
#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/listening.h"
#include "engine/lost_fds.h"
#include "engine/nudge.h"
#include "engine/progress.h"
#include "engine/receive.h"
#include "engine/server_events.h"
#include "engine/staffing.h"
#include "engine/stats.h"
#include "engine/timeouts.h"
#include "engine/trace_file.h"
#include "engine/tracing.h"
#include "os/fdlist.h"
#include "os/sys.h"

/* Steps of the wait for the fork server's end; the shorter is for a wait
   without a pidfd. */
#define STEP_MS 50
#define LOOK_MS 5
/* Interval of checks while the fork server owes an answer. */
#define OWED_NS (100 * MS_IN_NS)

/* Most events taken in a turn; the others come with the next turn, and no
   descriptor is passed over twice. */
#define EVENTS_MOST 64

/* ---- waiting ---- */

/* Decides which members are read in this turn.  Members that were left out of
   the poller are watched again if they may be read. */
static int choose(struct engine *e, uint64_t now)
{
	bool deaf = results_ready(&e->results) &&
	    window_full_of_results(&e->window);
	struct member *only = dispatch_only(e, now);
	struct listening *l = &e->listening;
	bool again = l->muted && !deaf && (l->deaf || l->heard != only);
	int r = 0;

	l->deaf = deaf;
	l->heard = only;
	for (size_t i = 0; again && i < e->crew.count && r == 0; i++)
		if (listening_hears(e, &e->crew.members[i]))
			r = crew_listen(&e->crew, &e->crew.members[i], true);
	if (r < 0)
		l->deaf = true;		/* so that the next turn tries again */
	else if (again)
		l->muted = only != NULL;
	return r;
}

/* Watches the descriptor of a source that waits.  Returns 0, 1 if the source is
   ready already, or -errno. */
static int watch_sources(struct engine *e)
{
	struct source *s = e->intake.sources;
	bool waits = s != NULL && s->state == SOURCE_WAITING &&
	    window_room(&e->window);

	return poller_source(&e->listening.poller, waits ? source_fd(s) : -1);
}

/* Watches every descriptor that is to end the wait.  Returns 0, 1 if the wait
   need not begin, or -errno. */
static int watch_all(struct engine *e, uint64_t now)
{
	uint32_t in = e->fate.broken ? 0 : EPOLLIN;
	uint32_t out = server_flush(&e->server) || e->fate.broken ? 0 :
	    EPOLLOUT;
	struct listening *l = &e->listening;
	int r = choose(e, now);

	if (r == 0)
		r = poller_set(&l->poller, e->server.socket, &l->socket_events,
		    in | out, poller_key(WATCHED_SERVER, 0));
	if (r == 0)
		r = poller_set(&l->poller, e->server.pidfd, &l->pidfd_events,
		    in, poller_key(WATCHED_PIDFD, 0));
	if (r == 0)
		r = poller_set(&l->poller, l->wake, &l->wake_events, EPOLLIN,
		    poller_key(WATCHED_WAKE, 0));
	return r == 0 ? watch_sources(e) : r;
}

static int ms_until(uint64_t then, uint64_t now)
{
	uint64_t ms;

	if (then == NEVER)
		return -1;
	ms = then <= now ? 0 : (then - now + MS_IN_NS - 1) / MS_IN_NS;
	return (int)MIN(ms, (uint64_t)INT32_MAX);
}

/* ---- after waiting ---- */

/* A waiting source may be asked again. */
static void wake_source(struct engine *e)
{
	struct source *s = e->intake.sources;

	if (s != NULL && s->state == SOURCE_WAITING)
		s->state = SOURCE_OPEN;
}

/* Handles the events of all descriptors but the members' pipes. */
static void heed(struct engine *e, const struct epoll_event *told, int count,
    uint64_t now)
{
	uint64_t calls;
	bool news = false;

	for (int i = 0; i < count; i++) {
		enum watched kind = poller_kind(told[i].data.u64);

		news |= kind == WATCHED_SERVER || kind == WATCHED_PIDFD;
		if (kind == WATCHED_WAKE && !e->fate.broken)
			sys_read(e->listening.wake, &calls, sizeof calls);
		if (kind == WATCHED_SOURCE) {
			poller_source_told(&e->listening.poller);
			wake_source(e);
		}
	}
	if (news)
		server_events_hear(e, now);
}

/* Reads a member or writes to it.  A member that may not be read now must not
   end the next wait. */
static int attend(struct engine *e, struct member *m, enum watched kind,
    bool waited, uint64_t now)
{
	/* A notice of this turn may have ended it. */
	if (m->state != MEMBER_RUNNING)
		return 0;
	if (kind == WATCHED_TASKS)
		return dispatch_flush(e, m);
	if (listening_hears(e, m))
		return receive_read(e, m, now);
	if (waited) {
		e->listening.muted = true;
		crew_listen(&e->crew, m, false);
	}
	return 0;
}

static int attend_all(struct engine *e, const struct epoll_event *told,
    int count, bool waited, uint64_t now)
{
	int r = 0;

	for (int i = 0; i < count && r >= 0 && !e->fate.broken; i++) {
		uint64_t key = told[i].data.u64;
		enum watched kind = poller_kind(key);

		/* A host's epoll set under our number brings other keys. */
		if (poller_which(key) >= e->crew.count)
			continue;
		if (kind == WATCHED_RESULTS || kind == WATCHED_TASKS)
			r = attend(e, &e->crew.members[poller_which(key)],
			    kind, waited, now);
	}
	return MIN(r, 0);
}

/* The end of a pipe is presumed to be a worker's misdeed until a notice says
   that it died without an order. */
static void lose_patience(struct engine *e, struct member *m)
{
	m->presumed = m->ended;
	crew_doom(&e->crew, m, m->ended ? VM_GARBLED : VM_LOST);
}

/* Does the work that is due for a member.  Returns the time of the next work,
   or NEVER. */
static uint64_t look_at(struct engine *e, struct member *m, uint64_t now)
{
	bool starts = member_is_starting(m);
	uint64_t setup_by = m->setup_by;

	if (m->state != MEMBER_RUNNING)
		return NEVER;
	if (setup_by != NEVER)
		setup_by += timeouts_grace(m);
	if (m->unsettled && receive_read(e, m, now) < 0)
		return now;
	if (m->state == MEMBER_DOOMED)
		return NEVER;
	if (m->doom_at <= now)
		lose_patience(e, m);
	else if (starts && setup_by <= now)
		crew_doom(&e->crew, m, VM_TIMED_OUT);
	else
		return starts ? MIN(m->doom_at, setup_by) : m->doom_at;
	return NEVER;
}

/* Looks at all members, if that is due.  Returns 0 or -ENOMEM. */
static int look_at_all(struct engine *e, uint64_t now)
{
	uint64_t at = NEVER;
	int r = 0;

	if (e->crew.alarm > now)
		return 0;
	for (size_t i = 0; i < e->crew.count && !e->fate.broken; i++) {
		struct member *m = &e->crew.members[i];
		uint64_t then = look_at(e, m, now);

		at = MIN(at, then);
		r = m->unsettled ? -ENOMEM : r;
	}
	e->crew.alarm = at;
	return r;
}

/* ---- chores ---- */

static uint64_t hires_at(const struct engine *e, uint64_t now)
{
	(void)now;
	return e->fate.closing ? NEVER : crew_hires_at(&e->crew);
}

static int hire_due(struct engine *e, uint64_t now)
{
	if (!e->fate.closing && !e->fate.broken && crew_hire(&e->crew, now) &&
	    e->started)
		oom_look(&e->staffing.oom);
	return 0;
}

static uint64_t retries_at(const struct engine *e, uint64_t now)
{
	(void)now;
	return window_due(&e->window);
}

static uint64_t members_at(const struct engine *e, uint64_t now)
{
	(void)now;
	return e->crew.alarm;
}

static uint64_t deaths_at(const struct engine *e, uint64_t now)
{
	return e->crew.roster.state[MEMBER_DEAD].first ? now : NEVER;
}

static int settle_deaths(struct engine *e, uint64_t now)
{
	struct member *m;
	int r = 0;

	while (r == 0 && !e->fate.broken &&
	    (m = e->crew.roster.state[MEMBER_DEAD].first) != NULL)
		r = death_member(e, m, now);
	return r;
}

static uint64_t server_at(const struct engine *e, uint64_t now)
{
	return server_events_owed(e) ? now + OWED_NS : NEVER;
}

static int check_server(struct engine *e, uint64_t now)
{
	if (server_overdue(&e->server, server_events_owed(e),
	    e->fate.closing, now))
		server_events_broken(e, ETIMEDOUT);
	return 0;
}

/* Work that a clock may make due.  due() returns the time, or NEVER; run() does
   the work if it is due, and returns a negative value if memory or the system
   failed it. */
struct chore {
	uint64_t (*due)(const struct engine *, uint64_t now);
	int (*run)(struct engine *, uint64_t now);
};

/* Each turn runs the first table before the wait and the others after it, in
   order; the wait ends when the earliest chore is due.  The last table is for
   options that few pools have: a turn may be all there is between two items,
   and code that has left the caches takes longer than its instructions. */
static const struct chore before[] = {
	{ cancel_alarm, cancel_run },
	{ hires_at, hire_due },
	{ retries_at, dispatch_run },
	{ server_events_alarm, server_events_ask },
};
static const struct chore after[] = {
	{ nudge_alarm, nudge_run },
	{ timeouts_alarm, timeouts_run },
	{ members_at, look_at_all },
	{ deaths_at, settle_deaths },
	{ server_at, check_server },
	{ staffing_alarm, staffing_run },
};
static const struct chore optional[] = {
	{ links_alarm, links_run },
	{ orders_alarm, orders_run },
	{ progress_alarm, progress_run },
	{ trace_file_alarm, trace_file_run },
};

static bool has_options(const struct engine *e)
{
	return e->set.max_hosts > 0 || e->progress.on || e->trace.on;
}

static uint64_t first_due(const struct engine *e, const struct chore *chores,
    size_t count, uint64_t now)
{
	uint64_t first = NEVER;

	for (size_t i = 0; i < count; i++) {
		uint64_t due = chores[i].due(e, now);

		first = MIN(first, due);
	}
	return first;
}

/* Returns the time at which the wait ends without any event. */
static uint64_t next_alarm(const struct engine *e, uint64_t until,
    uint64_t now)
{
	uint64_t sooner = first_due(e, before, COUNTOF(before), now);
	uint64_t later = first_due(e, after, COUNTOF(after), now);

	if (e->fate.broken)
		return now;
	sooner = MIN(sooner, later);
	if (has_options(e)) {
		later = first_due(e, optional, COUNTOF(optional), now);
		sooner = MIN(sooner, later);
	}
	return MIN(until, sooner);
}

static int run_all(struct engine *e, const struct chore *chores, size_t count,
    uint64_t now)
{
	int r = 0;

	for (size_t i = 0; i < count && r >= 0; i++) {
		if (e->fate.broken)
			death_pool(e, now);
		r = chores[i].run(e, now);
	}
	if (e->fate.broken)
		death_pool(e, now);
	return MIN(r, 0);
}

/* Returns the number of events that are news: not the host's timer. */
static int news_of(const struct epoll_event *told, int count)
{
	int n = 0;

	for (int i = 0; i < count; i++)
		n += poller_kind(told[i].data.u64) != WATCHED_TIMER;
	return n;
}

/* ---- the turn ---- */

/* Prepares the wait.  Returns 0, 1 if it need not begin, or -errno. */
static int begin_wait(struct engine *e, uint64_t now)
{
	int r = run_all(e, before, COUNTOF(before), now);

	if (r == 0)
		r = listening_failed(e, watch_all(e, now));
	if (r == 1)
		wake_source(e);
	return r;
}

/* Is a single chunk in flight?  Then a CPU is free for waiting awake. */
static bool awaits_one(const struct engine *e)
{
	return e->cpus > 1 && e->window.nsent == 1 &&
	    e->window.waiting == NULL;
}

uint64_t turn_alarm(struct engine *e, uint64_t now)
{
	int r = watch_all(e, now);

	if (r == 1)
		wake_source(e);
	return r != 0 ? now : next_alarm(e, NEVER, now);
}

int turn_run(struct engine *e, uint64_t until)
{
	uint64_t now = sys_now();

	tracing_enter(e, now);
	tally_enter(&e->tally, now);
	lost_fds_look(e, now);
	return turn_run_at(e, now, until);
}

int turn_run_at(struct engine *e, uint64_t now, uint64_t until)
{
	struct epoll_event told[EVENTS_MOST];
	int ms, count, r = begin_wait(e, now);
	enum tally_want want = WANT_NOTHING;
	bool ready;

	e->intake.room = 0;
	if (r < 0)
		return r;
	ms = r == 1 ? 0 : ms_until(next_alarm(e, until, now), now);
	if (ms != 0) {
		poller_set_timer(&e->listening.poller, NEVER);
		want = stats_want(e);
		now = sys_now();
	}
	if (ms != 0 && awaits_one(e))
		spin_at(&e->listening.spin, e->listening.poller.set,
		    SPIN_LOOKS);
	count = e->listening.poller.set < 0 ? 0 :
	    sys_epoll_wait(e->listening.poller.set, told, EVENTS_MOST, ms);
	if (count < 0)
		return listening_failed(e, count);
	e->turned_at = sys_now();
	if (ms != 0) {
		tally_sleep(&e->tally, e->turned_at - now, want);
		tracing_sleep(e, now, e->turned_at, want);
	}
	now = e->turned_at;
	e->put_off = 0;
	ready = r == 1 || news_of(told, count) > 0;
	e->nudges.vain = ready ? 0 : e->nudges.vain;
	e->nudges.quiet = !ready && until > 0;
	e->nudges.since = ready ? now : e->nudges.since;
	heed(e, told, count, now);
	r = attend_all(e, told, count,
	    ms != 0 || e->listening.poller.timer >= 0, now);
	if (r == 0)
		r = run_all(e, after, COUNTOF(after), now);
	if (r == 0 && has_options(e))
		r = run_all(e, optional, COUNTOF(optional), now);
	now = sys_now();
	e->lost.left_at = now;
	tally_leave(&e->tally, now);
	return r;
}

/* ---- the fork server's end ---- */

/* Drops all notices; even an incomplete notice may bring descriptors. */
static void drop_notices(struct engine *e)
{
	int fds[NOTICE_FDS];
	struct notice n;
	int r;

	for (int i = 0; i < NOTICE_FDS; i++)
		fds[i] = -1;
	do {
		r = server_receive(&e->server, &n, fds);
		for (int i = 0; i < NOTICE_FDS; i++)
			fdlist_drop(&fds[i]);
	} while (r == 1 || r == -EMFILE || r == -ENOMEM);
}

bool turn_await_server(struct engine *e, uint64_t bound)
{
	struct pollfd end;

	server_expect_end(&e->server);
	while (!server_reap(&e->server) &&
	    !server_outlasts(&e->server, bound, sys_now())) {
		server_flush(&e->server);
		end = (struct pollfd){ .fd = e->server.pidfd,
			.events = POLLIN };
		sys_poll(&end, 1, e->server.pidfd < 0 ? LOOK_MS : STEP_MS);
		if (end.revents & POLLNVAL)
			fdlist_drop(&e->server.pidfd);
		drop_notices(e);
	}
	drop_notices(e);
	return e->server.state == SERVER_GONE ||
	    e->server.state == SERVER_NONE;
}
