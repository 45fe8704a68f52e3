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

#include "base.h"
#include "fds.h"
#include "sys.h"

/* So long a caller waits before it looks for results that are staged. */
#define SHORT_NS (1 * MS_IN_NS)
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

static size_t watch_all(struct engine *e, uint64_t now)
{
	bool none = results_ready(&e->results) &&
	    window_full_of_results(&e->window);
	struct member *only = dispatch_only(e, now);
	struct source *s = e->sources;
	bool waits = s != NULL && s->state == SOURCE_WAITING &&
	    window_room(&e->window);

	watch(&e->fds[FD_SERVER], e->server.socket,
	    server_flush(&e->server) ? POLLIN : POLLIN | POLLOUT);
	watch(&e->fds[FD_PIDFD], e->server.pidfd, POLLIN);
	watch(&e->fds[FD_WAKE], e->wake, POLLIN);
	watch(&e->fds[FD_SOURCE], waits ? source_fd(s) : -1, POLLIN);
	for (size_t i = 0; i < e->crew.count; i++) {
		struct member *m = &e->crew.members[i];
		struct pollfd *p = &e->fds[FD_MEMBERS + 2 * i];

		watch(&p[0], m->channel.in,
		    may_read(e, m, only, none) ? POLLIN : 0);
		watch(&p[1], m->channel.out, m->channel.pending > 0 &&
		    m->state != MEMBER_DOOMED ? POLLOUT : 0);
	}
	if (e->broken)
		e->fds[FD_SERVER].fd = e->fds[FD_PIDFD].fd = -1;
	return FD_MEMBERS + 2 * e->crew.count;
}

/* The next time at which something is to be done whatever happens. */
static uint64_t next_alarm(const struct engine *e, uint64_t until,
    uint64_t now)
{
	for (size_t i = 0; i < e->crew.count; i++) {
		const struct member *m = &e->crew.members[i];

		if (m->state == MEMBER_ABSENT && !e->closing)
			until = MIN(until, m->hire_at);
		if (m->state == MEMBER_DEAD || m->unsettled)
			until = now;
		if (m->state != MEMBER_DOOMED)
			until = MIN(until, m->doom_at);
	}
	if (e->broken)
		return now;
	if (crew_owed(&e->crew))
		until = MIN(until, now + OWED_NS);
	if (!e->quiet && e->window.nsent > 0)
		until = MIN(until, now + SHORT_NS);
	return until;
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
		const struct pollfd *p = &e->fds[FD_MEMBERS + 2 * i];

		if (m->state == MEMBER_DOOMED || m->state == MEMBER_DEAD)
			continue;
		if ((p[0].fd >= 0 && p[0].revents != 0) || m->unsettled)
			r = settle_read(e, m, now);
		if (p[1].fd >= 0 && p[1].revents != 0 && r >= 0 &&
		    m->channel.pending > 0 && m->state != MEMBER_DOOMED)
			dispatch_flush(e, m);
	}
	return MIN(r, 0);
}

/* Buries the dead, and dooms those with whom patience is over. */
static int look_after(struct engine *e, uint64_t now)
{
	int r = 0;

	for (size_t i = 0; i < e->crew.count && r == 0; i++) {
		struct member *m = &e->crew.members[i];

		if (m->state == MEMBER_DEAD)
			r = bury_member(e, m, now);
		else if (m->state != MEMBER_DOOMED &&
		    m->state != MEMBER_GONE && m->doom_at <= now)
			crew_doom(&e->crew, m, m->ended ? VM_GARBLED :
			    VM_LOST);
	}
	if (server_overdue(&e->server, crew_owed(&e->crew), now))
		news_broken(e, "does not answer", now);
	return r;
}

/*
 * Nothing came in a while: asks busy workers to write out what they have,
 * takes what their rings hold, and gives idle ones something: true if that
 * has changed anything.
 */
static int stir(struct engine *e, uint64_t now)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; i < e->crew.count && r >= 0; i++) {
		struct member *m = &e->crew.members[i];

		if (m->state != MEMBER_READY || m->nsent == 0 ||
		    (e->only != NULL && e->only != m))
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
	size_t count;
	int r, ready;

	if (!e->closing && !e->broken)
		crew_hire(&e->crew, now);
	r = dispatch_run(e, now);
	if (r < 0)
		return r;
	count = watch_all(e, now);
	ready = sys_poll(e->fds, count, ms_until(next_alarm(e, until, now),
	    now));
	now = sys_now();
	if (ready > 0) {
		e->quiet = false;
		if (e->fds[FD_WAKE].revents)
			sys_read(e->wake, &count, sizeof count);
		if (e->fds[FD_SERVER].revents || e->fds[FD_PIDFD].revents)
			news_hear(e, now);
		if (e->fds[FD_SOURCE].revents && e->sources != NULL)
			e->sources->state = SOURCE_OPEN;
		r = read_members(e, now);
	} else if (!e->quiet) {
		r = stir(e, now);
		e->quiet = r == 0;
	}
	if (r >= 0)
		r = look_after(e, now);
	return MIN(r, 0);
}

/* ---- the fork server's end ---- */

/* Waits for the fork server's end, a number of steps: true when it is gone. */
bool engine_await_server(struct engine *e, int steps)
{
	struct pollfd fds[2];
	int dropped[NOTICE_FDS];
	struct notice n;

	while (!server_reap(&e->server) && steps-- > 0) {
		watch(&fds[0], e->server.socket, POLLIN);
		watch(&fds[1], e->server.pidfd, POLLIN);
		server_flush(&e->server);
		if (e->server.pidfd >= 0)
			fds[0].fd = -1;
		sys_poll(fds, COUNTOF(fds), ENGINE_STEP_MS);
		while (server_receive(&e->server, &n, dropped) == 1)
			for (int i = 0; i < NOTICE_FDS; i++)
				fds_drop(&dropped[i]);
	}
	while (server_receive(&e->server, &n, dropped) == 1)
		continue;
	return e->server.state == SERVER_GONE ||
	    e->server.state == SERVER_NONE;
}
