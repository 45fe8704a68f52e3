/*
 * poller.h - the descriptors a pool waits for: one set of them, in the kernel.
 *
 * Runs in: caller.  All descriptors of the pool's own are put in once and
 * taken out before they are closed: a child of the host may have copies, and
 * what it keeps open stays in the set.  Events are told as long as they last,
 * each with the key of its descriptor.  The wait itself is turn.c's.
 *
 * A source's descriptor is the user's, who may close it at any time, have
 * another one of that number, or give us a file of which nothing can be told.
 * It is alone in a set of its own, which is in the first one; that is
 * thrown away when the number does not stand any more for what it stood for.
 *
 * Easy to get wrong: a process that was forked has the same set, not one like
 * it; it must leave it alone.
 */
#ifndef POLLER_H
#define POLLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* What a key stands for; the last two are ends of a member's pipes. */
enum watched {
	WATCHED_SERVER,
	WATCHED_PIDFD,
	WATCHED_WAKE,
	WATCHED_SOURCE,
	WATCHED_RESULTS,
	WATCHED_TASKS
};

struct poller {
	int set;		/* -1: closed; nothing is watched */
	int outer;		/* the set of the source's, or -1 */
	uint32_t outer_events;	/* what is waited for of it */
	int source;		/* the descriptor in that one, or -1 */
};

/* An empty one: 0 or -errno, and there is nothing to close. */
int poller_open(struct poller *);

/* Closes through the given function.  Closed already is fine. */
void poller_close(struct poller *, void (*close)(int *fd));

/* The key of a kind, of a member if that has one; and back. */
uint64_t poller_key(enum watched, uint32_t which);
enum watched poller_kind(uint64_t key);
uint32_t poller_which(uint64_t key);

/* From now on these events of fd are waited for, none if it is -1; *have is
   what was, 0 at first: 0, or -errno and all is as it was.  Taking out cannot
   fail. */
int poller_set(struct poller *, int fd, uint32_t *have, uint32_t events,
    uint64_t key);

/* Is the set what it was?  Told by a descriptor that is in it, as poller_set()
   was last given it; true if there is nothing to tell by. */
bool poller_is_whole(struct poller *, int fd, uint32_t have, uint64_t key);

/* Waits for a source's descriptor, just now of that number; -1: for none.  1
   if nothing can be told of it, which counts as ready; 0, -errno. */
int poller_source(struct poller *, int fd);

/* It was told that it is ready, and is not waited for again until it is set
   again. */
void poller_source_told(struct poller *);

#endif
