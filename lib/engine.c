/*
 * engine.c - see engine.h: the turn of a pool, and the only wait.
 *
 * Runs in: caller.  Easy to get wrong: a wait must end for everything that
 * can change by itself: results, deaths, cancelling, and each clock that
 * runs (pauses, patience, the caller's own bound).
 */
#include "config.h"

#include "engine.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base.h"
#include "fds.h"
#include "sys.h"

/* So long a caller waits before it looks for results that are staged, and how
   often it does: a worker that begins an item may not yet see that it was
   asked, nor the caller what was staged, but by the second time both do. */
#define SHORT_NS (1 * MS_IN_NS)
#define STIRS 2
/* The fork server's end is waited for in steps, so that a stopped machine
   costs one only; without a pidfd it is looked for in shorter ones. */
#define STEP_MS 50
#define LOOK_MS 5
/* So often the fork server's answer is looked for while it owes one. */
#define OWED_NS (100 * MS_IN_NS)

/* Places in e->fds before those of the members, two each. */
enum { FD_SERVER, FD_PIDFD, FD_WAKE, FD_SOURCE, FD_MEMBERS };
_Static_assert(FD_MEMBERS == ENGINE_FDS, "engine.h says how many");

void engine_say(const struct engine *e, const char *format, ...)
{
	char line[256];
	va_list ap;

	if (!e->set.debug)
		return;
	va_start(ap, format);
	vsnprintf(line, sizeof line, format, ap);
	va_end(ap);
	fprintf(stderr, "vimap: %s\n", line);
}

/* ---- waiting ---- */

static void watch(struct pollfd *p, int fd, int events)
{
	*p = (struct pollfd){ .fd = events ? fd : -1,
		.events = (short)events };
}

/* May this member's results be read now? */
static bool may_read(const struct engine *e, const struct member *m,
    const struct member *only, bool none)
{
	return !none && !m->ended && (only == NULL || only == m) &&
	    m->state >= MEMBER_STARTING && m->state <= MEMBER_LEAVING &&
	    !e->broken;
}

/* A member's ends, as far as something is waited for; poll(2) refuses more
   entries than descriptors are allowed, so only those. */
static size_t watch_member(struct engine *e, struct member *m, size_t at,
    bool read)
{
	m->poll_in = m->poll_out = 0;
	if (read) {
		m->poll_in = at;
		watch(&e->fds[at++], m->channel.in, POLLIN);
	}
	if (m->channel.pending > 0 && m->state != MEMBER_DOOMED) {
		m->poll_out = at;
		watch(&e->fds[at++], m->channel.out, POLLOUT);
	}
	return at;
}

static size_t watch_all(struct engine *e, uint64_t now)
{
	bool none = results_ready(&e->results) &&
	    window_full_of_results(&e->window);
	struct member *only = dispatch_only(e, now);
	struct source *s = e->sources;
	bool waits = s != NULL && s->state == SOURCE_WAITING &&
	    window_room(&e->window);
	int send = server_flush(&e->server) ? 0 : POLLOUT;
	size_t at = FD_MEMBERS;

	watch(&e->fds[FD_SERVER], e->server.socket,
	    e->broken ? 0 : POLLIN | send);
	watch(&e->fds[FD_PIDFD], e->server.pidfd, e->broken ? 0 : POLLIN);
	watch(&e->fds[FD_WAKE], e->wake, POLLIN);
	watch(&e->fds[FD_SOURCE], waits ? source_fd(s) : -1, POLLIN);
	for (size_t i = 0; i < e->crew.count; i++) {
		struct member *m = &e->crew.members[i];

		at = watch_member(e, m, at, may_read(e, m, only, none));
	}
	return at;
}

/* The next time at which something is to be done whatever happens. */
static uint64_t next_alarm(const struct engine *e, uint64_t until,
    uint64_t now)
{
	uint64_t due, sample, weigh, ping, hire;

	if (e->broken || e->crew.roster.state[MEMBER_DEAD].first != NULL)
		return now;
	until = MIN(until, e->crew.alarm);
	hire = e->closing ? NEVER : crew_hires_at(&e->crew);
	until = MIN(until, hire);
	if (news_owed(e))
		until = MIN(until, now + OWED_NS);
	if (e->stirs < STIRS && e->window.nsent > 0)
		until = MIN(until, now + SHORT_NS);
	due = window_due(&e->window);
	until = MIN(until, due);
	sample = overdue_alarm(e);
	until = MIN(until, sample);
	weigh = staff_alarm(e);
	until = MIN(until, weigh);
	ping = news_alarm(e);
	return MIN(until, ping);
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

static int read_members(struct engine *e, uint64_t now)
{
	int r = 0;

	for (size_t i = 0; i < e->crew.count && r >= 0; i++) {
		struct member *m = &e->crew.members[i];
		bool in = m->poll_in && e->fds[m->poll_in].revents;
		bool out = m->poll_out && e->fds[m->poll_out].revents;

		/* The news of this turn may have ended it. */
		if (m->state < MEMBER_STARTING || m->state > MEMBER_LEAVING)
			continue;
		if (in)
			r = settle_read(e, m, now);
		if (out && r >= 0 && m->state != MEMBER_DOOMED)
			dispatch_flush(e, m);
	}
	return MIN(r, 0);
}

/* The end of a pipe is presumed to be a worker's misdeed until news of its
   death come that no order had caused. */
static void lose_patience(struct engine *e, struct member *m)
{
	m->presumed = m->ended;
	crew_doom(&e->crew, m, m->ended ? VM_GARBLED : VM_LOST);
}

/* Is anything due with a member?  When something will be, or NEVER. */
static uint64_t look_at(struct engine *e, struct member *m, uint64_t now)
{
	bool starts = m->state == MEMBER_STARTING;

	if (m->state < MEMBER_STARTING || m->state > MEMBER_LEAVING)
		return NEVER;
	if (m->unsettled && settle_read(e, m, now) < 0)
		return now;
	if (m->state == MEMBER_DOOMED)
		return NEVER;
	if (m->doom_at <= now)
		lose_patience(e, m);
	else if (starts && m->setup_by <= now)
		crew_doom(&e->crew, m, VM_TIMED_OUT);
	else
		return starts ? MIN(m->doom_at, m->setup_by) : m->doom_at;
	return NEVER;
}

/* Looks at all members, if that is due. */
static int look_at_all(struct engine *e, uint64_t now)
{
	uint64_t at = NEVER;
	int r = 0;

	if (e->crew.alarm > now)
		return 0;
	for (size_t i = 0; i < e->crew.count; i++) {
		struct member *m = &e->crew.members[i];
		uint64_t then = look_at(e, m, now);

		at = MIN(at, then);
		r = m->unsettled ? -ENOMEM : r;
	}
	e->crew.alarm = at;
	return r;
}

/* Buries the dead, and dooms those with whom patience is over. */
static int look_after(struct engine *e, uint64_t now)
{
	struct member *m;
	int r = look_at_all(e, now);

	while (r == 0 &&
	    (m = e->crew.roster.state[MEMBER_DEAD].first) != NULL)
		r = bury_member(e, m, now);
	if (server_overdue(&e->server, news_owed(e), now))
		news_broken(e, ETIMEDOUT, now);
	return r;
}

/*
 * Nothing came in a while: asks busy workers to write out what they have,
 * takes what their rings hold, and gives idle ones something: true if that
 * has changed anything.
 */
static int stir(struct engine *e, uint64_t now)
{
	struct member *m, *next;
	bool any = false;
	int r = 0;

	for (m = e->crew.roster.state[MEMBER_READY].first; m != NULL && r >= 0;
	    m = next) {
		next = roster_next(m, IN_STATE);
		if (m->nsent == 0 || (e->only != NULL && e->only != m))
			continue;
		atomic_store(&m->slot->wanted, 1);
		r = settle_ring(e, m, now);
		any |= r > 0;
	}
	if (r < 0)
		return r;
	return dispatch_take_back(e) || any;
}

/* Waits once, until a time at most, and does what is due then. */
int engine_turn(struct engine *e, uint64_t until)
{
	uint64_t now = sys_now();
	uint64_t calls;
	size_t count;
	int r, ready;

	if (!e->closing && !e->broken && crew_hire(&e->crew, now))
		oom_look(&e->oom);
	r = dispatch_run(e, now);
	if (r < 0)
		return r;
	news_ask(e, now);
	count = watch_all(e, now);
	ready = sys_poll(e->fds, count, ms_until(next_alarm(e, until, now),
	    now));
	if (ready < 0)
		return words_set(e->words, -ready, "The pool cannot wait for "
		    "its workers: %s.", strerror(-ready));
	now = sys_now();
	if (ready > 0) {
		e->stirs = 0;
		if (e->fds[FD_WAKE].revents)
			sys_read(e->wake, &calls, sizeof calls);
		if (e->fds[FD_SERVER].revents || e->fds[FD_PIDFD].revents)
			news_hear(e, now);
		if (e->fds[FD_SOURCE].revents && e->sources != NULL)
			e->sources->state = SOURCE_OPEN;
	}
	r = read_members(e, now);
	if (ready == 0 && r == 0 && e->stirs < STIRS && until > 0) {
		r = stir(e, now);
		e->stirs = r == 0 ? e->stirs + 1 : 0;
	}
	if (r >= 0)
		r = overdue_run(e, now);
	if (r >= 0)
		r = look_after(e, now);
	staff_run(e, now);
	return MIN(r, 0);
}

/* ---- the fork server's end ---- */

/* Drops all news, which may bring descriptors even if it is not whole. */
static void drop_news(struct engine *e)
{
	int fds[NOTICE_FDS];
	struct notice n;
	int r;

	for (int i = 0; i < NOTICE_FDS; i++)
		fds[i] = -1;
	do {
		r = server_receive(&e->server, &n, fds);
		for (int i = 0; i < NOTICE_FDS; i++)
			fds_drop(&fds[i]);
	} while (r == 1 || r == -EMFILE || r == -ENOMEM);
}

bool engine_await_server(struct engine *e, uint64_t bound)
{
	struct pollfd end;
	uint64_t now = sys_now(), before, spent = 0;

	while (!server_reap(&e->server) && spent < bound) {
		server_flush(&e->server);
		watch(&end, e->server.pidfd, POLLIN);
		sys_poll(&end, 1, e->server.pidfd < 0 ? LOOK_MS : STEP_MS);
		drop_news(e);
		before = now;
		now = sys_now();
		spent += MIN(now - before, STEP_MS * MS_IN_NS);
	}
	drop_news(e);
	return e->server.state == SERVER_GONE ||
	    e->server.state == SERVER_NONE;
}
