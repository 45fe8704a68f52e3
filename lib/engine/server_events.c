/*
 * server_events.c - the fork server's notices: workers forked, refused, dead;
 * or its own death.
 *
 * Runs in: caller.  Easy to get wrong: a notice may be about a worker that was
 * replaced meanwhile; slot and generation identify the worker.
 */
#include "config.h"

#include "engine/server_events.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/base.h"
#include "engine/debug.h"
#include "engine/engine.h"
#include "engine/fate.h"
#include "engine/links.h"
#include "engine/lost_fds.h"
#include "engine/staffing.h"
#include "engine/tracing.h"
#include "os/fdlist.h"

/* Interval of pings while the caller waits for workers. */
#define PING_NS (5000 * MS_IN_NS)

void server_events_broken(struct engine *e, int error)
{
	if (e->fate.broken || e->server.state == SERVER_NONE)
		return;
	words_set(e->words, error, "The fork server %s; its workers are "
	    "killed, and their unfinished items are lost.",
	    error == ECHILD ? "has died" : "does not answer");
	e->fate.error = error;
	/* A process that it was to kill when it stopped answering may still be
	   alive. */
	if (error == ETIMEDOUT && e->fate.closing)
		e->server.left_over = ETIMEDOUT;
	crew_shoot(&e->crew);
	fate_break(e, VM_LOST);
}

/* Does the caller wait for a worker? */
static bool awaits(const struct engine *e)
{
	bool any = e->window.nsent > 0 ||
	    e->crew.roster.having[TRAIT_STARTING] > 0 ||
	    e->crew.roster.state[MEMBER_DOOMED].first != NULL;

	return any && !e->fate.broken && e->serial.context == NULL;
}

uint64_t server_events_alarm(const struct engine *e, uint64_t now)
{
	(void)now;
	return e->events.ping_at != 0 && awaits(e) ? e->events.ping_at : NEVER;
}

int server_events_ask(struct engine *e, uint64_t now)
{
	if (!awaits(e)) {
		e->events.ping_at = 0;
	} else if (e->events.ping_at == 0) {
		e->events.ping_at = now + PING_NS;
	} else if (e->events.ping_at <= now) {
		server_ping(&e->server);
		e->events.ping_at = now + PING_NS;
	}
	return 0;
}

bool server_events_owed(const struct engine *e)
{
	return e->server.pinged || crew_owed(&e->crew);
}

static void refused(struct engine *e, struct member *m, int error,
    uint64_t now)
{
	if (m->wanted)
		staffing_refused(e, m, error);
	debug_say(e, "refused: worker %d: %s", m->index, strerror(error));
	crew_replace(&e->crew, m, false, now);
	if (m->host != 0)
		links_left(e, m);
}

/* Did a signal end the worker that no order to kill sends? */
static bool has_own_signal(const struct notice *n)
{
	return WIFSIGNALED(n->status) && WTERMSIG(n->status) != SIGTERM &&
	    WTERMSIG(n->status) != SIGKILL;
}

/* Had the worker ended by itself before the order to kill it came?  A timeout
   stands nevertheless, unless a signal had ended the worker.  The end of its
   pipe may come long before its own, as a large memory takes long to unmap. */
static bool ended_first(const struct member *m, const struct notice *n)
{
	if (n->ordered)
		return m->presumed && has_own_signal(n);
	return m->presumed ||
	    (m->blame == VM_TIMED_OUT && WIFSIGNALED(n->status));
}

/* A worker is dead, or was killed and does not die.  Such a worker brings no
   more results; its items need not wait for its end. */
static void ended(struct engine *e, struct member *m, const struct notice *n)
{
	bool held = n->kind == NOTICE_HELD;

	if (held && m->state != MEMBER_DOOMED)
		return;
	m->death = *n;
	m->held = held;
	if (ended_first(m, n)) {
		m->blame = 0;
		m->killed = false;
	}
	if (m->state != MEMBER_DEAD)
		crew_move(&e->crew, m, MEMBER_DEAD);
}

/* Handles a notice; r is the return value of server_receive() for it. */
static void heed(struct engine *e, const struct notice *n, int fds[],
    int r, uint64_t now)
{
	struct member *m = crew_member(&e->crew, n);
	bool asked = m != NULL && m->state == MEMBER_ASKED;

	if (n->kind == NOTICE_HIRED && asked && r == 1) {
		r = crew_welcome(&e->crew, m, n, fds, e->set.setup_ns > 0 &&
		    m->host == 0 ? now + e->set.setup_ns : NEVER);
		if (r == 0 && m->host != 0)
			links_begin(e, m);
		if (r == 0) {
			e->tally.forked++;
			e->tally.replaced += m->generation > 1;
			effort_begin(&m->effort, now,
			    tally_rested(&e->tally, now));
			tracing_fork(e, m, now);
			staffing_welcomed(e, m);
			lost_fds_note(m);
			return;
		}
	}
	for (int i = 0; i < NOTICE_FDS; i++)
		fdlist_drop(&fds[i]);
	if (n->kind == NOTICE_HIRED && asked) {
		if (m->wanted)
			staffing_refused(e, m, -r);
		m->pid = n->pid;
		crew_doom(&e->crew, m, VM_LOST);
	} else if (n->kind == NOTICE_REFUSED && asked) {
		refused(e, m, n->error, now);
	} else if (n->kind == NOTICE_DIED && m != NULL &&
	    m->state == MEMBER_HELD) {
		crew_replace(&e->crew, m, true, now);
	} else if ((n->kind == NOTICE_DIED || n->kind == NOTICE_HELD) &&
	    m != NULL && !asked && m->state != MEMBER_GONE &&
	    (m->state != MEMBER_DEAD || m->held)) {
		ended(e, m, n);
	}
}

/* Does it end because the last worker has left a pool that is closing? */
static bool is_due(const struct engine *e)
{
	const struct list *in = e->crew.roster.state;

	return e->fate.closing && in[MEMBER_ASKED].first == NULL &&
	    in[MEMBER_RUNNING].first == NULL && in[MEMBER_DOOMED].first == NULL;
}

void server_events_hear(struct engine *e, uint64_t now)
{
	/* First: if it has ended by now, all its notices are there. */
	const bool gone = server_reap(&e->server);
	int fds[NOTICE_FDS];
	struct notice n;
	int r;

	do {
		r = server_receive(&e->server, &n, fds);
		if (r == 1 || r == -EMFILE || r == -ENOMEM)
			heed(e, &n, fds, r, now);
	} while (r == 1 || r == -EMFILE || r == -ENOMEM);
	if (r < 0 && r != -EPIPE && lost_fds_any(e))
		return;
	if ((r < 0 || gone) && !is_due(e))
		server_events_broken(e, ECHILD);
}
