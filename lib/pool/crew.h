/*
 * crew.h - the caller's view of its workers: hire, pick, bury.
 *
 * Runs in: caller.  A member is a place in the pool, with a slot; workers
 * come and go in it, one generation after the other.
 *
 * The process has a state, which the notices of the fork server move:
 *
 *	         hire_at      HIRED           garbage, end of file, overdue
 *	ABSENT ---------> ASKED -----> RUNNING -----> DOOMED
 *	 ^  ^               |             | DIED        | DIED or HELD
 *	 |  +---REFUSED-----+             v             |
 *	 +------------------------------ DEAD <---------+
 *	 |          death_member()        | if its process is there yet
 *	 |              DIED              v
 *	 +------------------------------ HELD: killed, but the kernel holds it
 *	 |
 *	 +--> GONE: never hired again (given up, or the pool is closing)
 *
 * The session is how far the worker has come by its own words, its frames:
 *
 *	SETUP --HELLO--> READY --LEAVING--> TEARDOWN --OUTPUT, FAILURE--> OVER
 *	  +--UNFIT--> UNFIT
 *
 * A death does not change the session: what the dead have written is read in
 * the session they had.  Only crew_move() changes the state, only
 * crew_session() the session.  Easy to get wrong: a worker is dead
 * when the fork server says so, not at the end of its pipe; and what changes
 * a member has it booked (roster.h), or sets an alarm, or nobody looks at it.
 */
#ifndef CREW_H
#define CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "items/span.h"
#include "os/poller.h"
#include "os/sys.h"
#include "pool/roster.h"
#include "pool/server.h"
#include "shm/arena.h"
#include "shm/slots.h"
#include "wire/channel.h"
#include "wire/notice.h"

enum member_state {
	MEMBER_ABSENT,		/* no process; one is wanted at hire_at */
	MEMBER_ASKED,		/* the fork server is to fork one */
	MEMBER_RUNNING,		/* the fork server has forked it */
	MEMBER_DOOMED,		/* is to be killed; nothing of it is read */
	MEMBER_DEAD,		/* reaped, or as good as that; not yet buried */
	MEMBER_HELD,		/* buried, but its process is there: nobody can
				   have the place */
	MEMBER_GONE		/* the place stays empty */
};

enum session {
	SESSION_SETUP,		/* the worker has said nothing yet */
	SESSION_UNFIT,		/* its setup has failed */
	SESSION_READY,		/* it takes chunks */
	SESSION_TEARDOWN,	/* it has stopped; teardown runs */
	SESSION_OVER,		/* the outcome of its teardown is known */
	SESSIONS
};

/* What vm_ready() asks of the first worker in a place. */
enum first_setup { FIRST_PENDING, FIRST_WELL, FIRST_FAILED };

struct member {
	enum member_state state;
	enum session session;
	enum first_setup first;
	uint32_t which;		/* place and slot */
	uint32_t generation;	/* of the present or last worker */
	int index;		/* vm_context.worker_index */
	pid_t pid;		/* for people to read */
	struct slot *slot;
	struct arena inputs;	/* of its payload area: chunks placed there */
	struct arena outputs;	/* of the other half: results that lie there, or
				   places for arrays of them, */
	unsigned char *outputs_at; /* behind this */
	struct channel channel;
	int reader;		/* read end of the task pipe, held open if the
				   other one cannot read; else -1 */
	int errors;		/* the file its stderr goes to, or -1 */
	struct span *sent, **sent_end; /* oldest first */
	size_t sent_bytes;
	uint32_t nsent;
	uint32_t ordinal;	/* of the next chunk */
	uint64_t finished;	/* items, in this worker's life */
	uint64_t granted;	/* items it was given and not taken back */
	struct span *spare;	/* so that a death needs no memory */
	struct notice death;	/* valid if DEAD */
	int trouble;		/* deaths in a row without an item begun */
	int setups_failed;	/* in a row */
	uint64_t hire_at;	/* if ABSENT; NEVER: not wanted */
	uint64_t heard_at;	/* of its last result, or its last chunk
				   while it had none */
	uint64_t doom_at;	/* when patience with it ends, or NEVER */
	uint64_t setup_by;	/* when its setup must be done, or NEVER */
	uint64_t watched;	/* timeouts.c: seq of the item it was last seen
				   at, NEVER if at none, */
	uint64_t watched_from;	/* channel.position then, */
	uint64_t watched_sent;	/* channel_sent() then, */
	uint32_t watched_alive;	/* slot.alive then, */
	uint64_t watched_at;	/* when that was, */
	uint64_t ran;		/* and ns that item has been seen to run */
	struct link link[ROSTER_KINDS]; /* the roster's, */
	unsigned traits;	/* as these */
	uint32_t in_events, out_events; /* waited for of its pipes */
	struct sys_file in_file, out_file; /* lost_fds.c: that those are, */
	uint64_t looked_at;	/* and when that was last looked at */
	enum vm_cause blame;	/* for a death that is our doing; else 0 */
	size_t partial;		/* of crew.partial: its part */
	bool sated;		/* has had enough, and not done half of it */
	bool alone;		/* has an item that travels alone */
	bool full;		/* its task pipe is, as far as we know */
	bool killed;		/* by our order, */
	bool held;		/* and its process is still there */
	bool presumed;		/* so blamed for the end of its pipe only */
	bool garbled;		/* what it left behind cannot be believed */
	bool told_to_stop;
	struct teardown *teardown; /* room to tell that; NULL: nobody asks */
	bool wanted;		/* the pool is to have a worker here, */
	bool refused;		/* and the last order for it has failed */
	bool ended;		/* its result pipe has; no death notice yet */
	bool unsettled;		/* memory ran out; frames are left to book */
};

struct crew {
	struct member *members;
	size_t count;		/* up to the last that was ever wanted */
	size_t places;		/* there may ever be */
	struct server *server;
	struct poller *poller;	/* knows of its members' pipes */
	struct roster roster;
	size_t asked;		/* members in state ASKED */
	size_t partial;		/* bytes of answers that have partly arrived */
	uint64_t hire_at;	/* no place wants a worker before */
	uint64_t alarm;		/* nothing else is due with anybody before */
	int leases;		/* chunks a worker may have */
	uint64_t max_items;	/* items a worker may have; 0: no limit */
	const struct slots *wiped; /* those whose pages are emptied for each
				   worker; NULL: they are not */
	size_t element;		/* bytes of each output, if they make arrays */
};

/* So many places, all ABSENT, of which the first so many are wanted now: 0 or
   -ENOMEM.  indices: as many numbers, or NULL for 0, 1, 2 ... */
int crew_init(struct crew *, size_t count, size_t wanted,
    const int *indices, struct server *, struct slots *, struct poller *);

/* Closes and frees all; no worker runs any more, or nobody cares.  close:
   what to do with descriptors. */
void crew_release(struct crew *, void (*close)(int *fd));

/* Moves a member to a state; the only function that does. */
void crew_move(struct crew *, struct member *, enum member_state);

/* Moves its session; the only function that does. */
void crew_session(struct crew *, struct member *, enum session);

/* Does its worker run, and is in setup, at work, or in teardown? */
static inline bool member_is_starting(const struct member *m)
{
	return m->state == MEMBER_RUNNING && m->session <= SESSION_UNFIT;
}

static inline bool member_is_ready(const struct member *m)
{
	return m->state == MEMBER_RUNNING && m->session == SESSION_READY;
}

static inline bool member_is_leaving(const struct member *m)
{
	return m->state == MEMBER_RUNNING && m->session > SESSION_READY;
}

/* Has the worker said HELLO? */
static inline bool member_has_greeted(const struct member *m)
{
	return m->session >= SESSION_READY;
}

/* From now on a worker is wanted in this place, or is not. */
void crew_want(struct crew *, struct member *, bool wanted);

/* Somebody has to look at the members at that time, at the latest. */
void crew_alarm(struct crew *, uint64_t at);

/* Patience with a member ends then. */
void crew_bear(struct crew *, struct member *, uint64_t until);

/* Bytes of a member were read, or passed. */
void crew_read(struct crew *, struct member *);

/* Bytes were written to it.  If its pipe is full, room is waited for: 0, or
   -errno, and it counts as not full. */
int crew_written(struct crew *, struct member *, bool full);

/* What it says is waited for, or not: 0; -errno if it should be. */
int crew_listen(struct crew *, struct member *, bool listen);

/* Orders workers for places that want one now: true if it has. */
bool crew_hire(struct crew *, uint64_t now);

/* When it is to be called again; NEVER: only after news. */
uint64_t crew_hires_at(const struct crew *);

/* The member a notice is about, or NULL if it is of another generation or
   nonsense. */
struct member *crew_member(struct crew *, const struct notice *);

/* A hired worker's descriptors: now it is RUNNING, in setup until a time at
   most, and is listened to: 0, or -errno and nothing has changed. */
int crew_welcome(struct crew *, struct member *, const struct notice *,
    const int fds[NOTICE_FDS], uint64_t setup_by);

/* Who should have the next chunk: the member with the fewest, NULL if all
   have enough. */
struct member *crew_pick(const struct crew *);

/* A READY member without a chunk, or NULL. */
struct member *crew_idle(const struct crew *);

/* Is there one, or one that is on its way? */
bool crew_waits(const struct crew *);

/* In whose payload area a chunk is, if in any, and if it may have it now. */
struct member *crew_home(const struct chunk *);

/* Gives a span to a member, the span's bytes being queued to be sent: 0, or
   -ENOMEM and nothing has changed. */
int crew_lease(struct crew *, struct member *, struct span *, uint64_t now);

/* Items it had not begun are not its own any more. */
void crew_ungrant(struct crew *, struct member *, uint32_t items);

/* Takes the oldest span off a member's hands. */
struct span *crew_unlease(struct crew *, struct member *);

/* Tells a worker to end after its present item, and lets nothing more begin
   there: 0 or -ENOMEM. */
int crew_stop(struct crew *, struct member *);

/* Lets nothing more begin there: all that has not begun stays unbegun. */
void crew_freeze(struct member *);

/* Has the worker killed; the blame falls on its present item. */
void crew_doom(struct crew *, struct member *, enum vm_cause blame);

/* Is this place given up, setup having failed too often? */
bool crew_gives_up(const struct member *);

/* Is there nobody, and will there be nobody? */
bool crew_hopeless(const struct crew *);

/* After a burial: when the place wants a worker again, by how the last one
   ended.  began: it had begun an item. */
void crew_replace(struct crew *, struct member *, bool began, uint64_t now);

/* The kernel holds the member's process, which was killed: its place is HELD.
   Another place that is not wanted stands in for it, with its index. */
void crew_hold(struct crew *, struct member *);

/* Kills the fork server and all workers of which it has told. */
void crew_shoot(struct crew *);

/* Does the fork server owe us the news of a hire? */
bool crew_owed(const struct crew *);

/* Forgets what the last worker in a place had; its spans are elsewhere. */
void crew_clear(struct crew *, struct member *, void (*close)(int *fd));

/* Is no worker there, and will none be? */
bool crew_is_gone(const struct crew *);

#endif
