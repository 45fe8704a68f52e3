/* watch.c - see watch.h: the descriptors a pool waits for. */
#include "config.h"

#include "watch.h"

#include <errno.h>

#include "base.h"
#include "fds.h"
#include "sys.h"

/* A key is a kind in the low bits, and a number. */
#define KIND_BITS 3

/* A new set, on the list of descriptors. */
static int open_set(int *fd)
{
	int r;

	fds_lock();
	*fd = sys_epoll();
	r = MIN(*fd, 0);
	if (r == 0)
		r = fds_add(*fd);
	if (r < 0 && *fd >= 0)
		sys_close(fd);
	fds_unlock();
	*fd = MAX(*fd, -1);
	return r;
}

int watch_open(struct watch *w)
{
	*w = (struct watch){ .set = -1, .outer = -1, .source = -1 };
	return open_set(&w->set);
}

void watch_close(struct watch *w, void (*close)(int *fd))
{
	close(&w->outer);
	close(&w->set);
	w->outer_events = 0;
	w->source = -1;
}

uint64_t watch_key(enum watched kind, uint32_t which)
{
	return (uint64_t)which << KIND_BITS | kind;
}

enum watched watch_kind(uint64_t key)
{
	return (enum watched)(key & ((1 << KIND_BITS) - 1));
}

uint32_t watch_which(uint64_t key)
{
	return (uint32_t)(key >> KIND_BITS);
}

int watch_set(struct watch *w, int fd, uint32_t *have, uint32_t events,
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
	/* What is not in it was closed by a host that closes all it sees. */
	if (r == 0 || events == 0)
		*have = events;
	return events == 0 ? 0 : r;
}

bool watch_is_whole(struct watch *w, int fd, uint32_t have, uint64_t key)
{
	int r = 0;

	if (w->set >= 0 && have != 0)
		r = sys_epoll_ctl(w->set, EPOLL_CTL_MOD, fd, have, key);
	return r != -EBADF && r != -EINVAL && r != -ENOENT && r != -EPERM;
}

/* ---- the source's ---- */

/* What stood for the number before may still be open, and could be told of
   for ever: the set goes with it. */
static void forget_source(struct watch *w)
{
	if (w->source < 0)
		return;
	watch_set(w, w->outer, &w->outer_events, 0, 0);
	fds_drop(&w->outer);
	w->source = -1;
}

static int put_source(struct watch *w, int fd)
{
	int r = 0;

	if (w->source == fd && sys_epoll_ctl(w->outer, EPOLL_CTL_MOD, fd,
	    EPOLLIN, 0) == 0)
		return 0;
	forget_source(w);
	if (w->outer < 0)
		r = open_set(&w->outer);
	if (r == 0)
		r = sys_epoll_ctl(w->outer, EPOLL_CTL_ADD, fd, EPOLLIN, 0);
	if (r == 0)
		w->source = fd;
	return r;
}

int watch_source(struct watch *w, int fd)
{
	uint32_t events = fd >= 0 ? EPOLLIN | EPOLLONESHOT : 0;
	int r = fd >= 0 ? put_source(w, fd) : 0;

	if (r == 0)
		r = watch_set(w, w->outer, &w->outer_events, events,
		    watch_key(WATCHED_SOURCE, 0));
	if (r < 0)
		forget_source(w);
	/* A plain file, none at all, or the set that we wait for. */
	return r == -EPERM || r == -EBADF || r == -EINVAL || r == -ELOOP ? 1 :
	    r;
}

void watch_source_told(struct watch *w)
{
	w->outer_events = EPOLLONESHOT;
}
