/*
 * engine.h - one turn of a pool: admit, dispatch, wait, receive, bury.
 *
 * Runs in: caller, inside public calls only.  turn.c has the turn and the
 * only wait; each of its steps is a file, in the order of an item's path:
 *
 *	start_stop.c     start and stop
 *	deliver.c        the next item for the caller
 *	intake.c         source next -> chunk pack -> window admit
 *	dispatch.c       crew pick -> channel send; taking back
 *	teardown.c       how its teardown ended
 *	receive.c        channel receive -> window settle -> results
 *	placed.c         outputs in shared memory
 *	retry.c          what a failure costs
 *	nudge.c          what nobody has told of yet
 *	timeouts.c       items that take too long
 *	server_events.c  the fork server tells of hires and deaths
 *	lost_fds.c       descriptors that the host has closed
 *	staffing.c       who works here
 *	diagnosis.c      what is known of a death
 *	cancel.c         items given up
 *	death.c          a dead worker's items; breaking down
 *	serial.c         all of it without processes
 *
 * Easy to get wrong: every step may fail for want of memory, and then must
 * leave the books as they were, so that the next call goes on.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/words.h"
#include "engine/lost_fds.h"
#include "items/chunk.h"
#include "items/freelist.h"
#include "items/results.h"
#include "items/sizer.h"
#include "items/source.h"
#include "items/window.h"
#include "os/oom.h"
#include "os/poller.h"
#include "os/spin.h"
#include "pool/crew.h"
#include "pool/server.h"
#include "pool/settings.h"
#include "shm/slots.h"
#include "worker/context.h"

/* What is told of a place that was given up. */
struct given_up {
	struct words words;	/* of the last setup that failed there */
	struct span about;	/* no chunk */
	bool due;		/* the caller has still to be told */
};

/* Items to be given up, by number. */
struct cancels {
	uint64_t *seq;
	size_t count, room;
};

struct engine {
	struct settings set;
	struct words *words;	/* the pool's */

	struct source *sources;	/* queued; the first is being read */
	struct chunk *filling;	/* a chunk not yet full, or NULL */
	struct source *filled_from;
	size_t chunk_bytes;	/* that the last chunk had, for the next */
	uint64_t seq;		/* inputs ever read */
	bool in_hook;		/* one of a source's, or of the worker's with
				   VM_SERIAL, runs now */

	struct freelist freelist;
	struct window window;
	struct results results;
	struct sizer sizer;
	size_t cpus;		/* that workers share */

	unsigned char *array;	/* for outputs that make one: the caller's */
	struct slots slots;
	struct server server;
	struct crew crew;
	struct member *only;	/* while results are too many: read only it */
	uint64_t ping_at;	/* when the fork server is asked whether it is
				   there */
	struct poller poller;	/* all there is to wait for, of which */
	uint32_t socket_events, pidfd_events, wake_events;
	struct spin spin;	/* while one chunk is all that is on its way */
	bool deaf;		/* nobody is read in this turn, or only */
	struct member *heard;	/* this one; NULL: all are */
	bool muted;		/* some had something to say, and are not
				   listened to until that changes */
	bool ask_again;		/* a source that said VM_LATER may be asked */
	int nudges;		/* in vain, since anything has come, */
	uint64_t nudged_at;	/* and when that was, or any other */
	uint64_t turned_at;	/* the end of the last turn, */
	size_t put_off;		/* and results handed out instead of another */
	uint64_t sample_at;	/* when timeouts.c looks the next time */
	uint64_t weigh_at;	/* when staffing.c looks at memory */
	int wake;		/* eventfd: vm_cancel() */
	atomic_uint cancelled;	/* to be carried out: 1, and above it the bits
				   of vm_cancel_with() */
	struct cancels cancels;
	struct lost_fds lost;
	uint64_t failures;	/* for good, among */
	uint64_t failures_from;	/* inputs from this one on */

	struct oom oom;		/* kills for want of memory */
	int refused;		/* errno of the last hire that failed */
	bool deserted;		/* no worker is there, and none to be had, */
	bool deserted_told;	/* of which words tell, */
	uint64_t deserted_at;	/* by what was seen then, */
	uint64_t deserted_for;	/* and so long while workers were awaited */
	bool awaits_setups;	/* the caller waits for these */
	bool hidden;		/* the host's children do not get the slots */
	bool started;		/* the first hires are done */
	bool closing;		/* nothing is dispatched or hired any more */
	bool broken;		/* for good; words say why */
	enum vm_cause broken_cause;
	struct words broken_words;
	int broken_error;	/* ECHILD or ETIMEDOUT: the fork server's end;
				   EBADF: the host has closed descriptors */
	struct words setup_words; /* of the last setup that failed */
	uint64_t teardowns_failed;
	struct words teardown_words; /* of the first of them */
	struct teardown *teardowns; /* to be told of teardowns, in turn, */
	struct teardown *told;	/* and what was told last */
	bool finishing;		/* vm_finish(): no more inputs will come, */
	bool dismissed;		/* and as all are answered workers leave */
	struct given_up *given_up; /* one a place, if they are to be told */
	size_t ndue;		/* of them are due */

	struct context *serial;	/* VM_SERIAL: the only worker; else NULL */
	bool serial_up;		/* its setup has ended well */
};

/* ---- start_stop.c, deliver.c, turn.c ---- */

/* Makes an engine with its workers forked: 0, or -errno and words; then
   nothing is left.  The settings are its own from then on. */
int engine_start(struct engine *, struct settings *, struct words *);

/* Ends and frees it: 0, 1 if teardowns have failed, or -ETIMEDOUT; and words,
   but for 0.  foreign: this process did not make it, so only memory is
   freed. */
int engine_stop(struct engine *, bool foreign);

/* The next item: 1; 0 the end; VM_LATER when the time is over; -errno. */
int engine_next(struct engine *, struct item *, uint64_t until);

/* A result was taken: a source that was waiting for one is asked again. */
void engine_took(struct engine *);

/* The next item if it is at hand and nothing else is to be done first: true,
   or engine_next() is to be asked.  Inline, as most are. */
static inline bool engine_draw(struct engine *e, struct item *item)
{
	if (e->results.left == 0 || e->ask_again || e->ndue > 0)
		return false;
	results_draw(&e->results, item);
	if (e->sources != NULL && e->sources->state == SOURCE_WAITING)
		engine_took(e);
	return true;
}

/* Whether the first setups are done: 0, VM_LATER, -ECHILD; -errno. */
int engine_ready(struct engine *, uint64_t until);

/* Carries out vm_cancel() if it was called: 0 or -ENOMEM. */
int engine_cancel(struct engine *);

/* Waits once, until a time at most (0: not at all, there is other work), and
   does what is due then: 0; -errno, and the next turn goes on. */
int engine_turn(struct engine *, uint64_t until);

/* The same for a caller that has just looked at the clock. */
int engine_turn_at(struct engine *, uint64_t now, uint64_t until);

/* Waits for the fork server's end, so many ns: true when it is gone. */
bool engine_await_server(struct engine *, uint64_t bound);

/* May this member's results be read in this turn? */
bool engine_hears(const struct engine *, const struct member *);

/* What could be waited for, r being 0, or not, and then words say so: r. */
int engine_waits(struct engine *, int r);

/* A debug line, if the option asks. */
void engine_say(const struct engine *, const char *format, ...)
    PRINTF_LIKE(2, 3);

/* ---- intake.c ---- */

/* Queues a source; it is the engine's now. */
void intake_add(struct engine *, struct source *);

/* Reads inputs while bounds allow, from a source that may block only if
   there is nothing else to do: 0 or -errno. */
int intake_run(struct engine *, uint64_t now);

/* Would a source be asked now? */
bool intake_wants(struct engine *);

/* All sources are closed and forgotten, a chunk being filled too. */
void intake_close(struct engine *);

/* The same in a process they do not belong to: no hook of the user's is
   called, but ready-made sources free their memory. */
void intake_forget(struct engine *);

/* Admits what is being filled, if anything: 0 or -ENOMEM. */
int intake_admit(struct engine *);

/* All that sources have still comes back as VM_CANCELLED, when it is read; what
   is being filled is admitted: 0 or -ENOMEM. */
int intake_give_up(struct engine *);

/* Admits all that was read, and all of an array that is mapped to an array, and
   closes the sources: 0; -ENOMEM and they stay as they are. */
int intake_finish(struct engine *);

/* ---- dispatch.c ---- */

/* Gives waiting spans to workers, as far as they may have them: 0 or -ENOMEM.
   Nothing is written yet. */
int dispatch_give(struct engine *, uint64_t now);

/* The same, and writes: 0 or -errno. */
int dispatch_run(struct engine *, uint64_t now);

/* Writes once to a member; a worker that cannot be written to is doomed.  0;
   -errno, and what is left waits for the next run. */
int dispatch_flush(struct engine *, struct member *);

/* Is there an item not begun of which we hold bytes back? */
bool dispatch_pending(const struct engine *);

/* Takes half of what the busiest worker has not begun for one that has
   nothing: true if any was moved. */
bool dispatch_take_back(struct engine *);

/* Takes back what a READY member has not taken of a span, from that number
   on. */
void dispatch_take_from(struct engine *, struct member *, struct span *,
    uint32_t from);

/* Takes all that a READY member has not begun. */
void dispatch_take_all(struct engine *, struct member *);

/* Which member alone may be read, results being too many; NULL: all. */
struct member *dispatch_only(struct engine *, uint64_t now);

/* ---- receive.c ---- */

/* Reads once from a member and settles what came: 1, 0 if nothing came, or
   -ENOMEM. */
int receive_read(struct engine *, struct member *, uint64_t now);

/* Takes what a member's ring is ahead of its pipe: 1 if anything, 0, or
   -ENOMEM. */
int receive_ring(struct engine *, struct member *, uint64_t now);

/* The oldest span of a member is done up to a number, its outputs being in
   their place: they are copied to the caller's array, and nobody has to take
   them.  0, -ENOMEM; -EPROTO if they have no place, or the number is none. */
int receive_done(struct engine *, struct member *, uint32_t next);

/* Books what is answered: it may be taken. */
void receive_span(struct engine *, struct span *answer);

/* ---- placed.c ---- */

/* Where an output lies in a member's payload area, as its worker says: 0;
   -EPROTO if it cannot. */
int placed_look(const struct engine *, const struct member *,
    const struct frame *, struct frame_placed *);

/* It becomes an empty span's: 0; -ENOMEM and nothing has changed. */
int placed_take(struct engine *, struct member *,
    const struct frame_placed *, struct span *);

/* Copies out what lies there longest, while it is more than half of the area,
   and tells the worker what is free; as far as there is memory. */
void placed_make_room(struct engine *, struct member *);

/* What was handed out last is no longer valid: its worker may write there. */
void placed_let_go(struct engine *);

/* ---- nudge.c ---- */

/* When that is worth while, if nothing comes; NEVER if it is not. */
uint64_t nudge_alarm(const struct engine *, uint64_t now);

/* Asks busy workers to write out what they have, takes what their rings hold,
   and gives idle ones something: all, if it is quiet, for nothing came in a
   while; else only those not heard of in a longer while, if that is due.  1 if
   it has changed anything, 0, or -ENOMEM. */
int nudge_run(struct engine *, bool quiet, uint64_t now);

/* ---- timeouts.c ---- */

/* When the next look is due; NEVER if nothing is timed. */
uint64_t timeouts_alarm(const struct engine *);

/* Looks, if it is time, and dooms workers whose item is overdue: 0 or
   -ENOMEM. */
int timeouts_run(struct engine *, uint64_t now);

/* ---- staffing.c ---- */

/* Tells a worker to end after its present item, by a time; it is killed then.
   False if it was told before, when only the time is new, or cannot be told
   now. */
bool staffing_lay_off(struct engine *, struct member *, uint64_t deadline);

/* When workers' memory is to be looked at, or whether there are any; NEVER if
   that is of no interest. */
uint64_t staffing_alarm(const struct engine *);

/* Lays off whose time has come; breaks the pool if no worker was to be had for
   too long. */
void staffing_run(struct engine *, uint64_t now);

/* A worker that is wanted could not be had, by that errno; one was had. */
void staffing_refused(struct engine *, struct member *, int error);
void staffing_welcomed(struct engine *, struct member *);

/* Why, in words to end a sentence with. */
const char *staffing_reason(int error);

/* Nobody is wanted any more: true while anybody is left.  One that does not
   come to its teardown within close_timeout_ms is killed. */
bool staffing_dismiss(struct engine *);

/* Have workers been dismissed that are still there? */
bool staffing_are_leaving(const struct engine *);

/* A member was buried, and its process is still there: another place, if there
   is one that nobody needs, stands in for its own, index and all. */
void staffing_stand_in(struct engine *, struct member *);

/* From now on there are to be so many workers: 0, -ERANGE and words. */
int staffing_resize(struct engine *, size_t workers);

/* ---- diagnosis.c ---- */

/* How a worker died.  begun: the item it is told of had been begun. */
struct outcome diagnosis_outcome(struct engine *, const struct member *,
    bool begun);

/* What it left in words, or NULL; the caller's to free. */
struct evidence *diagnosis_evidence(const struct member *, bool begun);

/* It died before its setup had returned: words for that. */
void diagnosis_setup(struct engine *, const struct member *);

/* The words about a setup are there: adds the limits it had, which may be
   why, and keeps them for that place. */
void diagnosis_complete(struct engine *, const struct member *);

/* ---- death.c ---- */

/* Buries a DEAD member: drains, blames, puts back: 0 or -ENOMEM. */
int death_member(struct engine *, struct member *, uint64_t now);

/* The pool is beyond use: what its workers had finished is taken, all else
   that is in flight is answered with a cause.  The caller has set the words;
   sources and what is being filled are left to death_inputs(). */
void death_pool(struct engine *, enum vm_cause, uint64_t now);

/* After that: what was read is answered too, sources are closed: 0; -ENOMEM,
   and it is still to be done. */
int death_inputs(struct engine *);

/* Answers all spans that wait or pause, with a cause.  The attempt they were
   waiting for does not count. */
void death_waiting(struct engine *, enum vm_cause);

/* Answers a span, which is in no list, with a cause of its own. */
void death_span(struct engine *, struct span *, enum vm_cause);

/* ---- server_events.c ---- */

/* Takes all that the fork server has to tell. */
void server_events_hear(struct engine *, uint64_t now);

/* The fork server is dead (ECHILD) or silent (ETIMEDOUT): so are its workers,
   or will be. */
void server_events_broken(struct engine *, int error, uint64_t now);

/* Kills the fork server and the workers that it has told of. */
void server_events_shoot(struct engine *);

/* While anything is awaited of workers the fork server must be there to tell
   of their deaths: asks it now and then.  When it is due next, or NEVER. */
uint64_t server_events_alarm(const struct engine *);
void server_events_ask(struct engine *, uint64_t now);

/* Does it owe an answer? */
bool server_events_owed(const struct engine *);

#endif
