/* listening.c - see listening.h: descriptors of the wait. */
#include "config.h"

#include "engine/listening.h"

#include <string.h>

#include "base/base.h"
#include "engine/engine.h"
#include "engine/lost_fds.h"
#include "os/fdlist.h"
#include "os/sys.h"

static int open_wake(struct engine *e)
{
	int r;

	fdlist_lock();
	e->listening.wake = sys_eventfd();
	r = MIN(e->listening.wake, 0);
	if (r == 0)
		r = fdlist_add(e->listening.wake);
	if (r < 0 && e->listening.wake >= 0)
		sys_close(&e->listening.wake);
	fdlist_unlock();
	e->listening.wake = MAX(e->listening.wake, -1);
	return r;
}

int listening_open(struct engine *e)
{
	int r = poller_open(&e->listening.poller);

	return r == 0 ? open_wake(e) : r;
}

int listening_failed(struct engine *e, int r)
{
	if (r >= 0)
		return r;
	if (lost_fds_any(e))
		return 0;
	return words_set(e->words, -r, "The pool cannot wait for its "
	    "workers: %s.", strerror(-r));
}

bool listening_hears(const struct engine *e, const struct member *m)
{
	const struct listening *l = &e->listening;
	bool chosen = !l->deaf && (l->heard == NULL || l->heard == m);

	/* A worker in setup or teardown brings no results, and has a
	   deadline. */
	return !m->ended && (chosen || !member_is_ready(m)) &&
	    m->state == MEMBER_RUNNING && !e->fate.broken;
}
