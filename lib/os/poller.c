/* poller.c - see poller.h: the descriptors a pool waits for. */
#include "config.h"

#include "os/poller.h"

#include <errno.h>

#include "base/base.h"
#include "os/fdlist.h"
#include "os/sys.h"

/* A key is a kind in the low bits, and the number of a place above them. */
#define KIND_BITS 3

/* Makes an epoll set or a timer, and adds it to the list of descriptors. */
static int open_fd(int *fd, int (*make)(void))
{
	int r;

	fdlist_lock();
	*fd = make();
	r = MIN(*fd, 0);
	if (r == 0)
		r = fdlist_add(*fd);
	if (r < 0 && *fd >= 0)
		sys_close(fd);
	fdlist_unlock();
	*fd = MAX(*fd, -1);
	return r;
}

int poller_open(struct poller *w)
{
	*w = (struct poller){ .set = -1, .outer = -1, .source = -1,
		.timer = -1, .timer_at = NEVER };
	return open_fd(&w->set, sys_epoll);
}

void poller_close(struct poller *w, void (*close)(int *fd))
{
	close(&w->timer);
	close(&w->outer);
	close(&w->set);
	w->timer_events = 0;
	w->outer_events = 0;
	w->source = -1;
}

uint64_t poller_key(enum watched kind, uint32_t which)
{
	return (uint64_t)which << KIND_BITS | kind;
}

enum watched poller_kind(uint64_t key)
{
	return (enum watched)(key & ((1 << KIND_BITS) - 1));
}

uint32_t poller_which(uint64_t key)
{
	return (uint32_t)(key >> KIND_BITS);
}

int poller_set(struct poller *w, int fd, uint32_t *have, uint32_t events,
    uint64_t key)
{
	int op = *have == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
	int r = 0;

	if (fd < 0)
		events = 0;
	if (*have == events)
		return 0;
	if (w->set >= 0)
		r = sys_epoll_ctl(w->set, events ? op : EPOLL_CTL_DEL, fd,
		    events, key);
	/* A missing descriptor was closed by a host program that closes all
	   descriptors it finds. */
	if (r == 0 || events == 0)
		*have = events;
	return events == 0 ? 0 : r;
}

int poller_add_timer(struct poller *w)
{
	int r = w->timer < 0 ? open_fd(&w->timer, sys_timer) : 0;

	if (r == 0)
		r = poller_set(w, w->timer, &w->timer_events, EPOLLIN,
		    poller_key(WATCHED_TIMER, 0));
	return r;
}

int poller_set_timer(struct poller *w, uint64_t at)
{
	int r;

	if (w->timer < 0 || w->timer_at == at)
		return 0;
	r = sys_timer_set(w->timer, at == NEVER ? 0 : at);
	w->timer_at = r < 0 ? 0 : at;
	return r;
}

bool poller_is_whole(struct poller *w, int fd, uint32_t have, uint64_t key)
{
	int r = 0;

	if (w->set >= 0 && have != 0)
		r = sys_epoll_ctl(w->set, EPOLL_CTL_MOD, fd, have, key);
	return r != -EBADF && r != -EINVAL && r != -ENOENT && r != -EPERM;
}

/* ---- the source ---- */

/* The file of the old number may still be open elsewhere, and would report
   events for ever: closing the outer set drops it. */
static void forget_source(struct poller *w)
{
	if (w->source < 0)
		return;
	poller_set(w, w->outer, &w->outer_events, 0, 0);
	fdlist_drop(&w->outer);
	w->source = -1;
}

static int put_source(struct poller *w, int fd)
{
	int r = 0;

	if (w->source == fd && sys_epoll_ctl(w->outer, EPOLL_CTL_MOD, fd,
	    EPOLLIN, 0) == 0)
		return 0;
	forget_source(w);
	if (w->outer < 0)
		r = open_fd(&w->outer, sys_epoll);
	if (r == 0)
		r = sys_epoll_ctl(w->outer, EPOLL_CTL_ADD, fd, EPOLLIN, 0);
	if (r == 0)
		w->source = fd;
	return r;
}

int poller_source(struct poller *w, int fd)
{
	uint32_t events = fd >= 0 ? EPOLLIN | EPOLLONESHOT : 0;
	int r = fd >= 0 ? put_source(w, fd) : 0;

	if (r == 0)
		r = poller_set(w, w->outer, &w->outer_events, events,
		    poller_key(WATCHED_SOURCE, 0));
	if (r < 0)
		forget_source(w);
	/* A plain file, a closed descriptor, or the set in which we wait. */
	return r == -EPERM || r == -EBADF || r == -EINVAL || r == -ELOOP ? 1 :
	    r;
}

void poller_source_told(struct poller *w)
{
	w->outer_events = EPOLLONESHOT;
}
