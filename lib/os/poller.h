/*
 * poller.h - the descriptors a pool waits for, in an epoll set.
 *
 * Runs in: caller.  The pool's own descriptors are added once and removed
 * before they are closed: a child of the host program may have copies, and a
 * file that is still open there stays in the set.  Events are level-triggered;
 * each comes with the key of its descriptor.  turn.c does the waiting.
 *
 * A source's descriptor belongs to the user, who may close it at any time,
 * reuse its number for another file, or pass a file that cannot be polled.  It
 * is alone in an outer set, which is a member of the first set, and is closed
 * when the number no longer refers to the same file.
 *
 * With a timer in it the set can be waited for by the host's event loop.
 *
 * Easy to get wrong: a forked process shares the set itself, not a copy; it
 * must leave the set alone.
 */
#ifndef POLLER_H
#define POLLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* Meaning of a key; the last two are ends of a member's pipes. */
enum watched {
	WATCHED_SERVER,
	WATCHED_PIDFD,
	WATCHED_WAKE,
	WATCHED_SOURCE,
	WATCHED_TIMER,
	WATCHED_RESULTS,
	WATCHED_TASKS
};

struct poller {
	int set;		/* -1: closed; no descriptor is watched */
	int outer;		/* the source's own set, or -1 */
	uint32_t outer_events;	/* for which the outer set is watched */
	int source;		/* the descriptor in the outer set, or -1 */
	int timer;		/* -1: there is none */
	uint32_t timer_events;	/* for which it is watched */
	uint64_t timer_at;	/* the time it is set to, ns; NEVER: stopped */
};

/* Makes an empty set.  Returns 0; or -errno, with nothing to close. */
int poller_open(struct poller *);

/* Makes a timer that the set reports, stopped.  Returns 0, also if there is
   one; or -errno. */
int poller_add_timer(struct poller *);

/* Sets the timer, if there is one, to a time by the monotonic clock, from which
   on the set reports it; NEVER: stops it.  Returns 0 or -errno. */
int poller_set_timer(struct poller *, uint64_t at);

/* Closes both sets and the timer with the callback.  May be called again. */
void poller_close(struct poller *, void (*close)(int *fd));

/* Packs a kind, and a member's place or 0, into a key; and unpacks them. */
uint64_t poller_key(enum watched, uint32_t which);
enum watched poller_kind(uint64_t key);
uint32_t poller_which(uint64_t key);

/* Watches fd for these events from now on, or not at all if it is -1.  *have
   holds the events watched until now, 0 at first, and is updated.  Returns 0;
   or -errno with nothing changed.  Removing cannot fail. */
int poller_set(struct poller *, int fd, uint32_t *have, uint32_t events,
    uint64_t key);

/* Is the set still ours?  Tests this with a descriptor that was added with
   these events and key; true if have is 0 or the set is closed. */
bool poller_is_whole(struct poller *, int fd, uint32_t have, uint64_t key);

/* Watches a source's descriptor once, whatever file has that number now; stops
   for -1.  Returns 0; 1 if the file cannot be polled, which counts as ready; or
   -errno. */
int poller_source(struct poller *, int fd);

/* Records that the source was reported ready; it is not watched again until the
   next poller_source(). */
void poller_source_told(struct poller *);

#endif
