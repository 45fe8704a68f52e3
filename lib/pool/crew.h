/*
 * crew.h - the caller's records of its workers: hire, pick, replace.
 *
 * Runs in: caller.  A member is a place in the pool, with a slot; workers
 * succeed each other in it, each with a generation number.
 *
 * The state of the worker's process follows the notices of the fork server:
 *
 *	         hire_at      HIRED           garbage, end of file, overdue
 *	ABSENT ---------> ASKED -----> RUNNING -----> DOOMED
 *	 ^  ^               |             | DIED        | DIED or HELD
 *	 |  +---REFUSED-----+             v             |
 *	 +------------------------------ DEAD <---------+
 *	 |          death_member()        | if the process still exists
 *	 |              DIED              v
 *	 +------------------------------ HELD: killed, but the kernel holds it
 *	 |
 *	 +--> GONE: never hired again (given up, or the pool is closing)
 *
 * The session follows the frames that the worker sends:
 *
 *	SETUP --HELLO--> READY --LEAVING--> TEARDOWN --OUTPUT, FAILURE--> OVER
 *	  +--UNFIT--> UNFIT
 *
 * A death does not change the session: the frames that a dead worker left are
 * read in its last session.  Only crew_move() changes the state, only
 * crew_session() the session.  Easy to get wrong: a worker is dead when the
 * fork server says so, not at the end of its pipe; and code that changes a
 * member must book it in the roster (roster.h) or set an alarm, or no turn
 * looks at the member.
 */
#ifndef CREW_H
#define CREW_H

#include <stdbool.h>
#include <stdint.h>

#include "items/span.h"
#include "os/poller.h"
#include "os/sys.h"
#include "pool/hosts.h"
#include "pool/roster.h"
#include "pool/server.h"
#include "report/tally.h"
#include "report/trace.h"
#include "shm/arena.h"
#include "shm/slots.h"
#include "wire/channel.h"
#include "wire/notice.h"

enum member_state {
	MEMBER_ABSENT,		/* no process; hires a worker at hire_at */
	MEMBER_ASKED,		/* the fork server has the order to fork */
	MEMBER_RUNNING,		/* the fork server has forked the worker */
	MEMBER_DOOMED,		/* being killed; its frames are not read */
	MEMBER_DEAD,		/* reaped, or counts as reaped; its items are
				   not yet requeued */
	MEMBER_HELD,		/* items requeued, but the process exists: the
				   place cannot be filled */
	MEMBER_GONE		/* the place stays empty */
};

enum session {
	SESSION_SETUP,		/* no frame has arrived yet */
	SESSION_UNFIT,		/* setup has failed */
	SESSION_READY,		/* takes chunks */
	SESSION_TEARDOWN,	/* has stopped; teardown runs */
	SESSION_OVER,		/* the outcome of teardown is known */
	SESSIONS
};

/* The setup of the first worker in a place, for vm_ready(). */
enum first_setup { FIRST_PENDING, FIRST_WELL, FIRST_FAILED };

/* Least number of outputs of one size, and of items in a chunk, with which an
   array of outputs is tried. */
#define CREW_ALIKE_LEAST 16

struct member {
	enum member_state state;
	enum session session;
	enum first_setup first;
	uint32_t which;		/* index of the place and slot */
	uint32_t generation;	/* of the present or last worker */
	int index;		/* vm_context.worker_index */
	int host;		/* a link: number of its host, from 1 on; else
				   0 */
	bool door;		/* a link that waits for agents to join */
	uint32_t weight;	/* workers that a link stands for; else 1 */
	pid_t pid;		/* for messages, and for crew_shoot() */
	struct slot *slot;
	unsigned char *inputs_at; /* start of the payload half for inputs */
	struct arena inputs;	/* allocator of the payload half for inputs:
				   placed chunks */
	struct arena copies;	/* of the room behind it: copies of inputs */
	struct arena outputs;	/* of the half for outputs: payload outputs, or
				   reserved arrays of outputs */
	unsigned char *outputs_at; /* start of that half */
	struct arena arrays;	/* of the slot's arrays of outputs */
	struct channel channel;
	int reader;		/* read end of the task pipe, if the end in
				   channel cannot be read; else -1 */
	int errors;		/* file that receives its stderr, or -1 */
	struct span *sent, **sent_end; /* list of spans, oldest first: of a link
				   those that are away, then leased spans */
	struct span **leases;	/* points to the first leased span in it */
	size_t load;		/* span_load() of all leased spans, */
	size_t last_load;	/* and of the span leased last */
	uint32_t nsent;		/* spans in the list, */
	uint32_t nleased;	/* and those that are leased */
	uint64_t shipped;	/* items that a link has shipped, of leases that
				   have ended */
	uint64_t next;		/* its next answer is about the item of that
				   number among those shipped */
	uint32_t ordinal;	/* of the next chunk */
	uint64_t finished;	/* items finished by this worker */
	uint64_t granted;	/* items leased to it and not taken back */
	struct span *spare;	/* preallocated, so that a death needs no
				   memory */
	struct notice death;	/* valid if DEAD */
	int trouble;		/* consecutive deaths without an item begun */
	int setups_failed;	/* consecutive */
	uint64_t hire_at;	/* if ABSENT: earliest time of the next hire */
	uint64_t ordered_at;	/* time of the last order to fork a worker */
	uint64_t heard_at;	/* time of its last result, or of its first
				   chunk after an idle time */
	uint64_t doom_at;	/* when it is killed, or NEVER */
	uint64_t setup_by;	/* deadline of its setup, or NEVER */
	uint64_t counted;	/* finished, at its last END */
	uint64_t moved_at;	/* time of the last bytes from it */
	struct effort effort;	/* times of all workers in the place */
	struct trace_track track; /* what the trace has of it */
	uint64_t watched;	/* timeouts.c: seq of the running item at the
				   last sample, NEVER if none, */
	uint64_t watched_from;	/* channel.position then, */
	uint64_t watched_sent;	/* channel_sent() then, */
	uint32_t watched_alive;	/* slot.alive then, */
	uint64_t watched_at;	/* time of that sample, */
	uint64_t ran;		/* and run time of that item so far, ns */
	struct link link[ROSTER_KINDS]; /* links of the roster's lists, */
	unsigned traits;	/* traits counted in the roster */
	char *setup_text;	/* error text of the last setup that failed;
				   owned; NULL: none, or no memory */
	uint32_t in_events, out_events; /* registered with the poller for its
					   pipes */
	struct sys_file in_file, out_file; /* lost_fds.c: identity of both
					      pipes, */
	uint64_t looked_at;	/* and time of their last check */
	enum vm_cause blame;	/* for a death that the caller caused; else 0 */
	size_t partial;		/* its share of crew.partial */
	bool sated;		/* has enough chunks, and has not done half of
				   them */
	bool alone;		/* has an item that is leased alone */
	bool asked;		/* for results, since its last END */
	bool full;		/* its task pipe is full, as far as the caller
				   knows */
	bool killed;		/* by order of the caller, */
	bool held;		/* and the process still exists */
	bool presumed;		/* blame rests on the end of its pipe only */
	bool garbled;		/* the contents of its slot are not trusted */
	bool told_to_stop;
	struct teardown *teardown; /* preallocated report of its teardown; NULL:
				      not requested */
	bool wanted;		/* the pool is to have a worker here, */
	bool refused;		/* and the last order for it has failed */
	bool ended;		/* its result pipe has ended; no death notice
				   yet */
	bool unsettled;		/* out of memory; received frames are not
				   settled */
};

struct crew {
	struct member *members;
	size_t count;		/* places up to the last that was ever wanted */
	size_t places;		/* size of the array members */
	struct server *server;
	struct poller *poller;	/* has the pipes of all members registered */
	struct roster roster;
	size_t asked;		/* members in state ASKED */
	size_t partial;		/* bytes of incomplete frames received */
	size_t kept;		/* leased spans for which span_is_kept() */
	uint64_t hire_at;	/* no place wants a worker before */
	uint64_t alarm;		/* no deadline of a member is earlier */
	size_t first_link;	/* places from here on are for links, */
	bool here_only;		/* which get no chunks now */
	int leases;		/* chunks that a worker may hold */
	size_t hands;		/* members that should have chunks; SIZE_MAX:
				   all */
	uint64_t max_items;	/* items per worker; 0: no limit */
	const struct slots *wiped; /* slots whose pages are emptied for each
				   worker; NULL: not emptied */
	size_t element;		/* bytes of each output, if outputs form
				   arrays by the plan; else 0 */
	size_t arrays;		/* bytes of a slot that hold such arrays */
	bool wide;		/* a half may have memory behind SLOT_PAYLOAD */
	size_t usual;		/* bytes of each of the last outputs, if they
				   had one size and may form arrays in the slot;
				   else 0 */
	struct rxlist rxlist;	/* unused blocks for results */
};

/* Allocates count places, all ABSENT; the first wanted of them want a worker
   now.  indices: wanted numbers, copied, or NULL for 0, 1, 2 ...  Returns 0 or
   -ENOMEM. */
int crew_init(struct crew *, size_t count, size_t wanted,
    const int *indices, struct server *, struct slots *, struct poller *);

/* Before any chunk: outputs form arrays, as elements of that size.  0: they do
   not. */
void crew_expect_arrays(struct crew *, size_t element);

/* Outputs of one size have come: those to come may form arrays in the slot, if
   they are small.  Size 0: they do not, as outputs of two sizes have come. */
static inline void crew_learn_output(struct crew *c, size_t size)
{
	c->usual = c->element == 0 && size <= SLOT_ELEMENT_MOST ? size : 0;
}

/* Gives a host the first of the places for links that is unused, wanted from
   now on.  Returns false if there is none. */
bool crew_add_host(struct crew *, struct host *);

/* Sets whether chunks go to workers on this machine only, from now on. */
void crew_keep_here(struct crew *, bool here_only);

/* Is the member on a machine that may have chunks now? */
static inline bool crew_admits(const struct crew *c, const struct member *m)
{
	return !c->here_only || m->host == 0;
}

/* Queues frames for a member; they must stay valid until they are written.
   Returns 0 or -ENOMEM. */
int crew_order(struct crew *, struct member *, const void *frames,
    size_t size);

/* Returns the chunks that the member may hold. */
static inline uint32_t crew_most(const struct crew *c, const struct member *m)
{
	return (uint32_t)c->leases * m->weight;
}

/* Closes all descriptors with the callback close and frees all members.  No
   worker may run, or its fate must not matter. */
void crew_release(struct crew *, void (*close)(int *fd));

/* Moves a member to another state; the only function that does. */
void crew_move(struct crew *, struct member *, enum member_state);

/* Moves the session of a member; the only function that does. */
void crew_session(struct crew *, struct member *, enum session);

/* Is the worker running, and in setup, at work, or in teardown? */
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

/* Has the worker sent HELLO? */
static inline bool member_has_greeted(const struct member *m)
{
	return m->session >= SESSION_READY;
}

/* Sets whether a worker is wanted in this place. */
void crew_want(struct crew *, struct member *, bool wanted);

/* Has the members' deadlines checked at that time at the latest. */
void crew_alarm(struct crew *, uint64_t at);

/* Sets the time at which the member is killed, and the alarm for it. */
void crew_bear(struct crew *, struct member *, uint64_t until);

/* Updates the count of partial bytes after bytes of a member were read or
   skipped. */
void crew_read(struct crew *, struct member *);

/* Call after bytes were written to the task pipe.  If the pipe is full, has the
   poller wait for room.  Returns 0, or -errno and the pipe counts as not
   full. */
int crew_written(struct crew *, struct member *, bool full);

/* Starts or stops polling the worker's result pipe.  Returns 0, or -errno if
   polling could not be started. */
int crew_listen(struct crew *, struct member *, bool listen);

/* Orders workers for the places whose hire_at has come, up to a bound.  Returns
   true if it has ordered any. */
bool crew_hire(struct crew *, uint64_t now);

/* Time of the next call of crew_hire(); NEVER: only after a change. */
uint64_t crew_hires_at(const struct crew *);

/* Returns the member that a notice is about, or NULL if its slot number is out
   of range or its generation is not the present one. */
struct member *crew_member(struct crew *, const struct notice *);

/* Takes over the descriptors of a hired worker: the member is RUNNING, its
   result pipe is polled, and its setup must end by setup_by.  Returns 0, or
   -errno and leaves the member and the descriptors unchanged. */
int crew_welcome(struct crew *, struct member *, const struct notice *,
    const int fds[NOTICE_FDS], uint64_t setup_by);

/* Returns the member for the next chunk, with the fewest chunks, or NULL if all
   have enough. */
struct member *crew_pick(const struct crew *);

/* A READY member that has a worker without a chunk, or NULL; NULL too while as
   many have chunks as should. */
struct member *crew_idle(const struct crew *);

/* A READY member without a chunk, for an item that is to be alone; or NULL. */
struct member *crew_empty(const struct crew *);

/* Is a member idle, or is a worker on its way? */
bool crew_waits(const struct crew *);

/* Returns the member in whose payload arena the chunk is placed, if that member
   may have another chunk now; else NULL. */
struct member *crew_home(const struct chunk *);

/* Leases a span to a member, which owns it from then on, and queues its bytes
   in the channel.  Returns 0, or -ENOMEM and changes nothing that counts. */
int crew_lease(struct crew *, struct member *, struct span *, uint64_t now);

/* Takes items that the worker had not begun off its count of granted items. */
void crew_ungrant(struct crew *, struct member *, uint32_t items);

/* Removes the oldest span from the member's list and returns it to the
   caller. */
struct span *crew_unlease(struct crew *, struct member *);

/* Books a member whose list of spans has changed. */
void crew_weigh(struct crew *, struct member *);

/* Queues a stop frame, which ends the worker after its present item, and
   freezes its leases.  Returns 0, or -ENOMEM and changes nothing. */
int crew_stop(struct crew *, struct member *);

/* Lowers all leases of the member: the worker begins no more items. */
void crew_freeze(struct member *);

/* Orders the worker's kill; its present item gets the blame.  Does nothing if
   the worker is doomed already or dead: each worker takes a single place in the
   queue of orders. */
void crew_doom(struct crew *, struct member *, enum vm_cause blame);

/* Is no place left that has a worker, or may get one, and may have chunks? */
bool crew_hopeless(const struct crew *);

/* Frees the place: the next worker is hired after a pause, which grows with
   deaths in a row; or never, if setup has failed too often, but a link is tried
   for ever.  began: the last worker had begun an item. */
void crew_replace(struct crew *, struct member *, bool began, uint64_t now);

/* Kills the fork server and all workers whose pids are known. */
void crew_shoot(struct crew *);

/* Does the fork server owe an answer to a hire? */
bool crew_owed(const struct crew *);

/*
 * Resets a place after the death of its worker, and closes its descriptors with
 * the callback; its spans have been moved elsewhere.  The state is then
 *	GONE	for_good, or setup has failed too often
 *	HELD	the kernel holds the killed process.  An unused place, if any,
 *		takes over its index and is wanted in its stead
 *	ABSENT	as crew_replace() says
 */
void crew_vacate(struct crew *, struct member *, void (*close)(int *fd),
    bool for_good, bool began, uint64_t now);

/* Are all places GONE? */
bool crew_is_gone(const struct crew *);

#endif
