/*
 * start_stop.c - start and stop of an engine.
 *
 * Runs in: caller.  Easy to get wrong: a start that fails half-way ends the
 * processes that exist, through the same engine_stop() as any other end.
 */
#include "config.h"

#include "engine/start_stop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "engine/death.h"
#include "engine/debug.h"
#include "engine/engine.h"
#include "engine/intake.h"
#include "engine/listening.h"
#include "engine/lost_fds.h"
#include "engine/progress.h"
#include "engine/resume.h"
#include "engine/serial.h"
#include "engine/staffing.h"
#include "engine/teardown.h"
#include "engine/trace_file.h"
#include "engine/turn.h"
#include "os/fdlist.h"
#include "os/sys.h"

/* Most time for the fork server's end: after END, and after SIGKILL. */
#define END_NS (6000 * MS_IN_NS)
#define SHOT_NS (2000 * MS_IN_NS)
/* Most time until a fork server is prepared, and the interval at which the
   present fork server is checked. */
#define FIRST_NS (10000 * MS_IN_NS)
#define NAP_NS (5 * MS_IN_NS)
/* If a limit on processes stops the first hires, the pool leaves out
   1/LEFT_PART of the workers that exist. */
#define LEFT_PART 4

/* ---- start ---- */

/* Sets the error text for a pool that cannot be started.  Returns -error. */
static int explain(struct engine *e, int error)
{
	size_t n = e->set.workers;

	if (error == EMFILE)
		return words_set(e->words, error, "The pool needs about %zu "
		    "descriptors for %zu workers; the limit is %llu "
		    "(RLIMIT_NOFILE) with what is open already.",
		    2 * n + 10, n, (unsigned long long)sys_fd_limit());
	return words_set(e->words, error, "A pool of %zu workers could not be "
	    "made: %s.", n, staffing_reason(error));
}

/*
 * Fewer workers than CPUs will do if the host gave no number: those that exist,
 * less a part, as the program and its hooks may have to start other processes.
 * Returns false if none exists, or the number was given.
 */
static bool settle_for_less(struct engine *e)
{
	struct member *m = e->crew.roster.state[MEMBER_RUNNING].first;
	size_t there = e->crew.roster.having[TRAIT_HOPED] -
	    e->crew.roster.having[TRAIT_COMING];

	for (; m != NULL; m = roster_next(m, IN_STATE))
		there += m->wanted && m->host == 0 && member_is_starting(m);
	if (e->set.usual == 0 || there == 0)
		return false;
	there -= there / LEFT_PART;
	debug_say(e, "%zu workers, not %zu: %s", there, e->set.workers,
	    strerror(e->staffing.refused));
	e->staffing.refused = 0;
	return staffing_resize(e, there) == 0;
}

static int fork_server(struct engine *e)
{
	int r = server_start(&e->server, &e->set.plan, &e->slots,
	    e->doors.door.fd, e->words);

	if (r == 0)
		lost_fds_mark(e);
	return r;
}

/* Kills a stuck fork server and forks another.  Returns 0, or -errno and sets
   the error text. */
static int fork_server_again(struct engine *e, uint64_t until)
{
	struct member *m = e->crew.roster.state[MEMBER_ASKED].first;
	struct listening *l = &e->listening;
	int r;

	if (sys_now() > until)
		return words_set(e->words, ETIMEDOUT, "The fork server waits "
		    "for a lock of the C library that another thread of the "
		    "program had when it forked, and so did all before it.");
	debug_say(e, "stuck: the fork server; forks another one");
	server_shoot(&e->server);
	if (!turn_await_server(e, SHOT_NS))
		return words_set(e->words, ETIMEDOUT, "The fork server could "
		    "not be killed.");
	poller_set(&l->poller, e->server.socket, &l->socket_events, 0, 0);
	poller_set(&l->poller, e->server.pidfd, &l->pidfd_events, 0, 0);
	server_release(&e->server);
	r = fork_server(e);
	for (; r == 0 && m != NULL; m = roster_next(m, IN_STATE))
		server_hire(&e->server, m->which, m->generation, m->index);
	return r;
}

/*
 * Until the fork server is prepared, another may have to be forked, which must
 * inherit the slots; after that the host's children do not inherit them.  Sets
 * *wake to the time of the next check.  Returns 0 or -errno.
 */
static int see_to_server(struct engine *e, uint64_t until, uint64_t *wake)
{
	*wake = NEVER;
	if (e->hidden)
		return 0;
	if (until == NEVER || server_prepared(&e->server)) {
		slots_dont_fork(&e->slots);
		e->hidden = true;
		return 0;
	}
	*wake = sys_now() + NAP_NS;
	return server_is_stuck(&e->server) ? fork_server_again(e, until) : 0;
}

/* Waits for all first hires.  until: the time by which a fork server must be
   prepared; NEVER: the host has no threads, so none can be stuck.  Returns 0,
   or -errno and sets the error text. */
static int hire_all(struct engine *e, uint64_t until)
{
	uint64_t wake;
	int r = 0;

	crew_hire(&e->crew, sys_now());
	/* These files are read while the fork server prepares. */
	oom_init(&e->staffing.oom, "");
	settings_look(&e->set);
	for (;;) {
		if (e->staffing.refused != 0 && !settle_for_less(e))
			return explain(e, e->staffing.refused);
		if (e->fate.broken)
			return -e->fate.error;
		r = see_to_server(e, until, &wake);
		if (r < 0)
			return r;
		if (e->crew.roster.having[TRAIT_UNBORN] == 0 && e->hidden)
			break;
		r = turn_run(e, wake);
		if (r < 0)
			return explain(e, -r);
	}
	return 0;
}

/* Returns the bytes that each half of the payload areas should have.  Addresses
   count in the limit of a worker, too. */
static size_t half_for(const struct engine *e, size_t places)
{
	if (e->set.isolate)
		return 0;
	return e->set.plan.max_address_space > 0 ? SLOT_PAYLOAD :
	    slots_half(places);
}

static int start_processes(struct engine *e)
{
	bool alone = sys_threads() == 1;
	size_t n = e->set.max_workers + e->set.max_hosts;
	int r;

	if (e->set.workers < e->set.usual)
		debug_say(e, "%zu workers, not %zu: descriptors",
		    e->set.workers, e->set.usual);
	r = slots_map(&e->slots, n, half_for(e, n));
	if (r == 0 && e->slots.room < e->slots.payload)
		debug_say(e, "payload: inputs could be written to by workers "
		    "in shared memory; they go through pipes");
	if (r == 0 && e->slots.payload < SLOT_PAYLOAD && !e->set.isolate)
		debug_say(e, "payload: %zu bytes in shared memory, not %zu; "
		    "what is larger goes through pipes", e->slots.payload,
		    SLOT_PAYLOAD);
	if (r == 0)
		r = crew_init(&e->crew, n, e->set.workers, e->set.indices,
		    &e->server, &e->slots, &e->listening.poller);
	if (r == 0)
		crew_expect_arrays(&e->crew, e->set.plan.element);
	e->crew.first_link = e->set.max_workers;
	for (size_t i = 0; i < e->set.hosts.count && r == 0; i++)
		crew_add_host(&e->crew, e->set.hosts.all[i]);
	e->crew.leases = e->set.leases;
	e->crew.max_items = e->set.max_items;
	e->crew.wiped = e->set.isolate ? &e->slots : NULL;
	if (r == 0)
		r = listening_open(e);
	if (r < 0)
		return explain(e, -r);
	r = doors_open(e);
	if (r == 0)
		r = fork_server(e);
	/* The fork server, which outlives a caller that is killed, does not
	   have the lock of the journal; nor did a setup run if it is
	   refused. */
	if (r == 0)
		r = resume_open(e);
	if (r == 0)
		r = hire_all(e, alone ? NEVER : sys_now() + FIRST_NS);
	doors_hand_over(e);
	/* The first door is open before the pool has work. */
	if (r == 0 && e->set.listen != NULL)
		r = turn_run(e, 0);
	if (r == 0 && e->set.max_items > 0)
		server_spare(&e->server, true);
	return r;
}

static int start_serial(struct engine *e)
{
	int r = resume_open(e);

	if (r < 0)
		return r;
	r = serial_start(e);
	if (r == 0)
		r = listening_open(e);
	if (r < 0)
		return explain(e, -r);
	lost_fds_mark(e);
	return 0;
}

int engine_start(struct engine *e, struct settings *set, struct words *words)
{
	int r, cpus = sys_affinity();
	size_t usual, n;

	*e = (struct engine){ .set = *set, .words = words, .listening.wake = -1,
	    .lost.mark = -1, .doors.door.fd = -1 };
	e->server.socket = e->server.pidfd = -1;
	e->listening.poller.set = e->listening.poller.outer = -1;
	e->listening.poller.timer = -1;
	e->resume.journal.out.fd = -1;
	e->crew.alarm = e->crew.hire_at = NEVER;
	set->indices = NULL;
	tally_init(&e->tally, sys_now());
	set->hosts = (struct hosts){ .count = 0 };
	set->trace = NULL;
	set->keep = NULL;
	set->listen = NULL;
	set->journal = NULL;
	n = e->set.workers + e->set.hosts.count;
	e->staffing.workforce = n;
	window_init(&e->window, e->set.real_factor * n,
	    e->set.total_factor * n, 0);
	results_init(&e->results, &e->window, e->set.ordered);
	sizer_init(&e->sizer, e->set.chunk_size);
	e->cpus = (size_t)MAX(cpus, 1);
	r = trace_file_open(e);
	if (r == 0 && e->set.serial) {
		settings_look(&e->set);
		r = start_serial(e);
	} else if (r == 0) {
		r = start_processes(e);
	}
	staffing_bound(e);
	settings_bytes(&e->set, n, &usual);
	e->crew.rxlist.bytes_most = MIN(RXLIST_BYTES, usual);
	e->started = r == 0;
	if (e->started)
		progress_start(e);
	if (r < 0)
		engine_stop(e, false, NEVER);
	return r;
}

/* ---- stop ---- */

/* Tells a member to leave.  Its present item may take the time that the pool
   has to close.  An idle member begins its teardown, which has a time limit of
   its own, but it must be given a CPU first. */
static void let_leave(struct engine *e, struct member *m, uint64_t closing_at)
{
	bool idle = member_is_ready(m) && m->nsent == 0;
	uint64_t most = idle ? MAX(e->set.close_ns, e->set.teardown_ns) :
	    e->set.close_ns;

	staffing_lay_off(e, m, closing_at + (e->started ? most : 0));
}

/* Marks all places as not wanted and tells the ready workers to leave; workers
   in setup are told later. */
static void want_nobody(struct engine *e, uint64_t closing_at)
{
	for (size_t i = 0; i < e->crew.count; i++) {
		struct member *m = &e->crew.members[i];

		crew_want(&e->crew, m, false);
		let_leave(e, m, closing_at);
	}
}

/* Lets running items end and workers tear down, within their time limits, but
   waits until a time at most.  Returns true when no worker is left. */
static bool lay_off_all(struct engine *e, uint64_t until)
{
	struct roster *all = &e->crew.roster;
	struct member *m, *next;
	int r = 0;

	while (r == 0 && !e->fate.broken) {
		while ((m = all->state[MEMBER_ABSENT].first) != NULL ||
		    (m = all->state[MEMBER_HELD].first) != NULL)
			crew_move(&e->crew, m, MEMBER_GONE);
		for (m = all->out.first; m != NULL; m = next) {
			next = roster_next(m, IN_OUT);
			let_leave(e, m, e->closing_at);
		}
		if (crew_is_gone(&e->crew))
			break;
		if (until != NEVER && e->turned_at >= until)
			return false;
		r = turn_run(e, until);
		results_release(&e->results);
	}
	return true;
}

static int end_server(struct engine *e)
{
	server_end(&e->server);
	if (!turn_await_server(e, END_NS)) {
		crew_shoot(&e->crew);
		if (!turn_await_server(e, SHOT_NS))
			return words_set(e->words, ETIMEDOUT, "The fork "
			    "server could not be killed.");
		return words_set(e->words, ETIMEDOUT, "The fork server did "
		    "not end and was killed; processes that workers "
		    "started may be left.");
	}
	if (e->server.left_over != 0)
		return words_set(e->words, ETIMEDOUT, "A killed process of "
		    "the pool is still held by the kernel.");
	return 0;
}

static void forget(int *fd)
{
	*fd = -1;
}

/* Closes the sources, and tells the workers to leave. */
static void begin_stop(struct engine *e)
{
	progress_end(e);
	resume_taken(e);
	e->fate.closing = true;
	e->closing_at = sys_now();
	lost_fds_any(e);
	intake_close(e);
	if (e->server.state == SERVER_RUNNING && !e->fate.broken) {
		server_spare(&e->server, false);
		slots_set_closing(&e->slots);
		want_nobody(e, e->closing_at);
	}
}

int engine_stop(struct engine *e, bool foreign, uint64_t until)
{
	void (*close)(int *fd) = foreign ? forget : fdlist_drop;
	int r = 0;

	if (foreign) {
		e->fate.closing = true;
		intake_forget(e);
	} else {
		if (!e->fate.closing)
			begin_stop(e);
		if (e->server.state == SERVER_RUNNING &&
		    !lay_off_all(e, until))
			return VM_LATER;
		death_pool(e, sys_now());
		if (e->server.state != SERVER_NONE)
			r = end_server(e);
	}
	serial_stop(e, foreign);
	if (r == 0 && e->started && !foreign)
		r = teardown_sum(e) > 0 ? 1 : staffing_sum(e);
	trace_file_close(e, foreign, close);
	doors_close(e, foreign, close);
	resume_close(e, close);
	if (!foreign)
		lost_fds_leave(e);
	poller_close(&e->listening.poller, close);
	/* Results in the queue may lie in shared memory of a member. */
	results_release(&e->results);
	window_release(&e->window);
	teardown_release(e);
	crew_release(&e->crew, close);
	freelist_release(&e->intake.freelist);
	close(&e->server.socket);
	close(&e->server.pidfd);
	(e->lost.most ? fdlist_leave : close)(&e->listening.wake);
	server_release(&e->server);
	if (!foreign)
		slots_unmap(&e->slots);
	trace_file_sum(e, r == 0 && e->started);
	if (r >= 0 && e->started && !foreign && resume_sum(e) == 1)
		r = 1;
	cancels_release(&e->cancels);
	settings_release(&e->set);
	return r;
}
