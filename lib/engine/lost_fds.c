/* lost_fds.c - see lost_fds.h: the pool's descriptors that the host closed. */
#include "config.h"

#include "engine/lost_fds.h"

#include <errno.h>
#include <stdio.h>

#include "base/base.h"
#include "engine/engine.h"
#include "engine/fate.h"
#include "os/fdlist.h"

/* The host needs longer than this to close all descriptors and open other
   files; looking before each item that comes back at once would cost a tenth of
   the speed. */
#define AWAY_NS 5000
/* Interval at which a member's pipes are checked while they are written to. */
#define PIPES_NS (10 * MS_IN_NS)

static const char waits_with[] = "its epoll set, eventfd or timer";

/* Is the descriptor lost that stands for all? */
static bool is_bare(const struct engine *e)
{
	return e->lost.mark >= 0 && !sys_is(e->lost.mark, &e->lost.mark_file);
}

static const char *about_all(const struct engine *e)
{
	return e->set.serial ? waits_with : "the socket to the fork server";
}

static void break_pool(struct engine *e, const char *what, int which)
{
	char number[16] = "";

	if (e->fate.broken)
		return;
	if (which >= 0)
		snprintf(number, sizeof number, " %d", which);
	words_set(e->words, EBADF, "The program has closed descriptors that "
	    "are the pool's: %s%s is closed, or replaced by another file.  "
	    "Nothing more is written to it, and unfinished items are lost.",
	    what, number);
	lost_fds_leave(e);
	e->fate.error = EBADF;
	if (!e->set.serial)
		crew_shoot(&e->crew);
	fdlist_drop(&e->server.socket);
	fate_break(e, VM_LOST);
}

void lost_fds_mark(struct engine *e)
{
	e->lost.mark = e->set.serial ? e->listening.wake : e->server.socket;
	sys_identify(e->lost.mark, &e->lost.mark_file);
	sys_identify(e->listening.wake, &e->lost.wake_file);
}

void lost_fds_look(struct engine *e, uint64_t now)
{
	if (now - MAX(e->lost.left_at, e->lost.looked_at) < AWAY_NS)
		return;
	e->lost.looked_at = now;
	if (!e->fate.broken && is_bare(e))
		break_pool(e, about_all(e), -1);
}

bool lost_fds_any(struct engine *e)
{
	struct listening *l = &e->listening;

	if (e->fate.broken)
		return e->fate.error == EBADF;
	if (is_bare(e))
		break_pool(e, about_all(e), -1);
	else if (!poller_is_whole(&l->poller, l->wake, l->wake_events,
	    poller_key(WATCHED_WAKE, 0)))
		break_pool(e, waits_with, -1);
	return e->fate.broken;
}

bool lost_fds_timer(struct engine *e)
{
	struct poller *p = &e->listening.poller;

	if (p->set < 0 || e->fate.broken)
		return e->fate.broken;
	if (poller_is_whole(p, p->timer, p->timer_events,
	    poller_key(WATCHED_TIMER, 0)))
		return false;
	/* By its number it may be a timer of the host's. */
	fdlist_leave(&p->timer);
	break_pool(e, waits_with, -1);
	return true;
}

void lost_fds_note(struct member *m)
{
	sys_identify(m->channel.in, &m->in_file);
	sys_identify(m->channel.out, &m->out_file);
}

bool lost_fds_pipes(struct engine *e, struct member *m, uint64_t now)
{
	const struct channel *c = &m->channel;

	m->looked_at = now;
	if (c->in < 0 || (sys_is(c->in, &m->in_file) &&
	    sys_is(c->out, &m->out_file)))
		return false;
	break_pool(e, "a pipe of worker", m->index);
	return true;
}

bool lost_fds_before_write(struct engine *e, struct member *m)
{
	uint64_t now = MAX(e->turned_at, e->lost.looked_at);

	return now - m->looked_at >= PIPES_NS && lost_fds_pipes(e, m, now);
}

/* A descriptor without an inode of its own cannot be told from the host's, so
   it is left open if most are lost. */
void lost_fds_leave(struct engine *e)
{
	if (e->fate.error != EBADF)
		e->lost.most = is_bare(e);
	if (!e->lost.most)
		return;
	poller_close(&e->listening.poller, fdlist_leave);
	fdlist_leave(&e->server.pidfd);
}

void lost_fds_wake(const struct engine *e)
{
	const uint64_t one = 1;

	if (!is_bare(e) && sys_is(e->listening.wake, &e->lost.wake_file))
		sys_write(e->listening.wake, &one, sizeof one);
}
