/* loop_fd.c - see loop_fd.h: the descriptor for the host's event loop. */
#include "config.h"

#include "engine/loop_fd.h"

#include "base/base.h"
#include "engine/deliver.h"
#include "engine/engine.h"
#include "engine/lost_fds.h"
#include "engine/turn.h"
#include "os/sys.h"

/* A time in the past: the timer has run out as soon as it is set. */
#define AT_ONCE 1

int loop_fd_open(struct engine *e)
{
	struct poller *p = &e->listening.poller;
	bool fresh = p->timer < 0;
	int r = poller_add_timer(p);

	if (r == 0 && fresh)
		loop_fd_follow(e, 1);
	return r < 0 ? r : p->set;
}

/* Returns the time of the next work, after a call that found none. */
static uint64_t next_work(struct engine *e)
{
	uint64_t now = sys_now(), at;

	if (deliver_has_work(e))
		return AT_ONCE;
	at = turn_alarm(e, now);
	return at <= now ? AT_ONCE : at;
}

/* A pool that has broken down stays readable, as a socket at its end does. */
void loop_fd_follow(struct engine *e, int r)
{
	struct poller *p = &e->listening.poller;
	uint64_t at;

	if (p->timer < 0)
		return;
	at = (r != 0 && r != VM_LATER) || e->fate.broken ? AT_ONCE :
	    next_work(e);
	/* What cannot be set is tried again by the next call. */
	if (at != p->timer_at && !lost_fds_timer(e) &&
	    poller_set_timer(p, at) < 0)
		lost_fds_wake(e);
}
