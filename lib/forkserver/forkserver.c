/* forkserver.c - see forkserver.h: the process that forks every worker. */
#include "config.h"

#include "forkserver/forkserver.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/base.h"
#include "forkserver/orphans.h"
#include "forkserver/spare.h"
#include "os/fdlist.h"
#include "os/sys.h"
#include "os/title.h"
#include "worker/worker.h"

/* Time from SIGTERM to SIGKILL. */
#define TERM_NS (200 * MS_IN_NS)
/* Time from SIGKILL until the caller is told that the worker does not die. */
#define HELD_NS (5000 * MS_IN_NS)
/* At the end of the pool: the longest wait for the next child to die, the
   longest wait in all, and the pause between two checks. */
#define REAP_NS (2000 * MS_IN_NS)
#define REAP_ALL_NS (30000 * MS_IN_NS)
#define REAP_STEP_MS 10
/* Pause between two SIGKILLs to the remaining group of a dead worker. */
#define SWEEP_MS 20
/* Without a pidfd of the caller: pause between two checks of the parent. */
#define LOOK_MS 1000
/* Bounds on a batch of orders; after each batch deaths are handled. */
#define ORDERS_MOST 16
#define ORDERS_NS (20 * MS_IN_NS)

static struct forkserver *self;
static bool ending;		/* the caller ordered it, or is gone */
static struct notice pong;	/* to be sent, if its kind is not 0 */
/* Counts of rare states; while a count is 0 the table is not searched. */
static size_t doomed;		/* workers DOOMED or KILLED */
static size_t groups;		/* groups of dead workers that have a child */
static size_t buried;		/* children that ended, since the start */
static size_t vacant;		/* slots at the begin of the table that are
				   VACANT, in a pool that is closing */
/* Written only when they change: after a fork a write copies a page. */

static size_t slot_of(const struct child *h)
{
	return (size_t)(h - self->children);
}

/* ---- notices to the caller ---- */

/* Sends a notice and its descriptors, then closes those.  Does not block.
   Returns false if the notice must wait. */
static bool tell(struct notice *news, int *fds)
{
	int r;

	if (news->kind == 0)
		return true;
	r = notice_send(self->socket, news, fds);
	if (r == -EAGAIN || r == -ENOBUFS || r == -ETOOMANYREFS)
		return false;
	if (r < 0)
		ending = true;
	news->kind = 0;
	for (int i = 0; fds != NULL && i < NOTICE_FDS; i++)
		sys_close(&fds[i]);
	return true;
}

/* Sends the pending notices of a worker, arrival before death.  Returns false
   if any is left. */
static bool tell_of(struct child *h)
{
	return tell(&h->arrival, h->fds) && tell(&h->death, NULL);
}

/* Sends a worker's new notice at once, unless earlier notices wait. */
static void announce(struct child *h)
{
	if (!self->behind && !tell_of(h))
		self->behind = true;
}

/* Sends the notices that wait.  Returns true when none is left. */
static bool catch_up(void)
{
	for (size_t i = 0; i < self->slots.count && self->behind; i++)
		if (!tell_of(&self->children[i]))
			return false;
	if (self->behind)
		self->behind = false;
	return tell(&pong, NULL);
}

/* ---- forking workers ---- */

static void hire(const struct notice *order)
{
	struct child *h = &self->children[order->slot];
	struct notice news = *order;
	pid_t r = spare_hire(self, order, h->fds);

	news.kind = r < 0 ? NOTICE_REFUSED : NOTICE_HIRED;
	news.error = r < 0 ? -r : 0;
	news.pid = MAX(r, 0);
	h->arrival = news;
	if (r > 0) {
		h->state = CHILD_RUNNING;
		if (vacant > 0)
			vacant = 0;
		self->pids[order->slot] = r;
		h->generation = order->generation;
	}
	announce(h);
}

/* ---- ending and reaping workers ---- */

/* Signals the worker's group, and the worker itself if it left the group. */
static void strike(const struct child *h, int signal)
{
	pid_t pid = self->pids[slot_of(h)];

	sys_kill(-pid, signal);
	sys_kill(pid, signal);
}

static void doom(struct child *h)
{
	h->state = CHILD_DOOMED;
	doomed++;
	h->due_at = sys_now() + TERM_NS;
	strike(h, SIGTERM);
}

/* Returns the notice of a worker's end. */
static struct notice end_of(const struct child *h, int kind, int status)
{
	return (struct notice){
		.kind = kind,
		.slot = (uint32_t)slot_of(h),
		.generation = h->generation,
		.pid = self->pids[slot_of(h)],
		.status = status,
		.ordered = h->state >= CHILD_DOOMED,
		.died_at = sys_now(),
	};
}

/* Continues doom() where due_at has passed: SIGKILL, then HELD. */
static void press_doomed(uint64_t now)
{
	for (size_t i = 0; i < self->slots.count && doomed > 0; i++) {
		struct child *h = &self->children[i];

		if (h->state < CHILD_DOOMED || h->due_at > now)
			continue;
		if (h->state == CHILD_DOOMED) {
			strike(h, SIGKILL);
			h->state = CHILD_KILLED;
			h->due_at = now + HELD_NS;
		} else {
			h->death = end_of(h, NOTICE_HELD, SIGKILL);
			h->due_at = NEVER;
			announce(h);
		}
	}
}

static struct child *child_of(pid_t pid)
{
	for (size_t i = 0; i < self->slots.count; i++)
		if (self->pids[i] == pid)
			return &self->children[i];
	return NULL;
}

/* Callback for orphans_evict(): may this child map pages of workers? */
static bool is_worker(pid_t pid)
{
	return pid == self->spare.pid || child_of(pid) != NULL;
}

/* Records a dead worker's group for sweep(), if a child is in it. */
static void note_group(struct child *h, pid_t group)
{
	if (!sys_has_child_in(group))
		return;
	groups += h->group == 0;
	h->group = group;
}

/* Kills processes that still map the dead worker's pages, unless no worker will
   have them any more; blocks for up to SWEEP_MS. */
static void free_pages(const struct child *h)
{
	bool over = ending || slots_closing(&self->slots);

	for (int looks = SWEEP_MS; !over && looks > 0 && orphans_evict(
	    &self->slots, slot_of(h), is_worker); looks--)
		sys_ppoll(NULL, 0, 1, NULL);
}

/* Vacates the slot of a worker that is dead and reaped, and reports it. */
static void dismiss(struct child *h, int status, const struct rusage *usage)
{
	h->death = end_of(h, NOTICE_DIED, status);
	h->death.max_rss = (uint64_t)usage->ru_maxrss * 1024;
	h->death.cpu_ns = sys_cpu_of(usage);
	if (h->state >= CHILD_DOOMED)
		doomed--;
	h->state = CHILD_VACANT;
	self->pids[slot_of(h)] = 0;
	announce(h);
}

/*
 * Reaps children that have ended.  Until a child is reaped its pid is not
 * reused, so its group can be signalled safely first: processes that the worker
 * started die with it.  Returns 0, or -ECHILD if there is no child at all.
 */
static int reap_ended(void)
{
	struct child *h;
	struct rusage usage;
	int status;
	pid_t pid;

	while ((pid = sys_ended_child()) > 0) {
		h = child_of(pid);
		if (h != NULL)
			sys_kill(-pid, SIGKILL);
		if (h == NULL)
			spare_reaped(&self->spare, pid);
		buried++;
		if (sys_reap(pid, &status, &usage) < 0 || h == NULL)
			continue;
		note_group(h, pid);
		free_pages(h);
		dismiss(h, status, &usage);
	}
	return pid;
}

/*
 * Kills what is left of the groups of dead workers, again in each turn, as a
 * fork may have escaped the last signal.  While a child of ours is in a group
 * its number is not reused.  Returns true if any group is left.
 */
static bool sweep(void)
{
	for (size_t i = 0; i < self->slots.count && groups > 0; i++) {
		struct child *h = &self->children[i];

		if (h->group == 0)
			continue;
		if (sys_has_child_in(h->group)) {
			sys_kill(-h->group, SIGKILL);
		} else {
			h->group = 0;
			groups--;
		}
	}
	return groups > 0;
}

/* Kills and reaps until there is no child.  Returns 0, or ETIMEDOUT if no
   child died for REAP_NS or some are left after REAP_ALL_NS.  mask: signals
   blocked while it waits; without SIGCHLD, so that a death ends the wait. */
static int end_all(const sigset_t *mask)
{
	uint64_t until = sys_now() + REAP_NS, last = sys_now() + REAP_ALL_NS;
	size_t seen = buried;
	int r;

	slots_set_busy(&self->slots, true);
	for (size_t i = 0; i < self->slots.count; i++)
		if (self->children[i].state != CHILD_VACANT)
			strike(&self->children[i], SIGKILL);
	spare_want(&self->spare, false);
	while ((r = reap_ended()) != -ECHILD && sys_now() < until) {
		orphans_kill();
		if (reap_ended() == -ECHILD)
			return 0;
		if (buried != seen)
			until = MIN(sys_now() + REAP_NS, last);
		seen = buried;
		sys_ppoll(NULL, 0, REAP_STEP_MS, mask);
	}
	return r == -ECHILD ? 0 : ETIMEDOUT;
}

/* ---- orders of the caller ---- */

static void obey(const struct notice *n)
{
	struct child *h;

	if (n->kind == NOTICE_END || n->slot >= self->slots.count) {
		ending = true;
		return;
	}
	h = &self->children[n->slot];
	/* Reap first: a worker that died before this order was not killed by
	   it, and its notice must not say so. */
	if (n->kind == NOTICE_KILL)
		reap_ended();
	if (n->kind == NOTICE_PING)
		pong.kind = NOTICE_PONG;
	else if (n->kind == NOTICE_SPARE)
		spare_want(&self->spare, n->index != 0);
	else if (n->kind == NOTICE_HIRE && h->state == CHILD_VACANT)
		hire(n);
	else if (n->kind == NOTICE_KILL && h->state == CHILD_RUNNING &&
	    h->generation == n->generation)
		doom(h);
}

/* Obeys some orders.  The rest stays in the queue of the socket, so that deaths
   and overdue workers are handled in between. */
static void listen(void)
{
	uint64_t until = sys_now() + ORDERS_NS;
	int fds[NOTICE_FDS];
	struct notice n;
	int r = 1;

	for (int k = 0; k < ORDERS_MOST && r == 1 && !ending &&
	    sys_now() < until; k++) {
		r = notice_receive(self->socket, &n, fds);
		for (int i = 0; i < NOTICE_FDS; i++)
			sys_close(&fds[i]);
		if (r == 1)
			obey(&n);
	}
	if (r < 0)
		ending = true;
}

/* ---- the loop ---- */

/* Is the caller gone, as far as getppid() shows it?  In a pid namespace of its
   own the fork server never sees its parent. */
static bool abandoned(void)
{
	pid_t parent = sys_getppid();

	return parent != self->caller && parent != 0;
}

/* Has the last worker of a pool that is closing left? */
static bool all_left(void)
{
	if (!slots_closing(&self->slots))
		return false;
	while (vacant < self->slots.count && self->pids[vacant] == 0)
		vacant++;
	return vacant == self->slots.count;
}

/* Returns the timeout of the next poll in ms; -1: none. */
static int patience(uint64_t now, bool sweeping, bool over)
{
	uint64_t next = self->spare.due_at;

	if (over)
		return 0;
	if (sweeping)
		next = MIN(next, now + SWEEP_MS * MS_IN_NS);
	for (size_t i = 0; i < self->slots.count && doomed > 0; i++)
		if (self->children[i].state >= CHILD_DOOMED)
			next = MIN(next, self->children[i].due_at);
	if (self->caller_fd < 0)
		next = MIN(next, now + LOOK_MS * MS_IN_NS);
	if (next == NEVER)
		return -1;
	return next <= now ? 0 : (int)((next - now) / MS_IN_NS) + 1;
}

static void turn(const sigset_t *mask)
{
	struct pollfd fds[2] = {
		{ .fd = self->socket, .events = POLLIN },
		{ .fd = self->caller_fd, .events = POLLIN },
	};
	bool sweeping = sweep();
	bool told = catch_up();
	/* Before the poll, which then shows all orders sent before. */
	bool over = told && all_left(), heard;

	if (!told)
		fds[0].events |= POLLOUT;
	sys_ppoll(fds, COUNTOF(fds), patience(sys_now(), sweeping, over), mask);
	reap_ended();
	press_doomed(sys_now());
	heard = fds[0].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL);
	ending |= fds[1].revents != 0 || (over && !heard) ||
	    (self->caller_fd < 0 && abandoned());
	if (!ending && heard)
		listen();
	else if (!ending)
		spare_fork(self);
}

static void close_unwanted(const struct plan *plan)
{
	for (size_t i = 0; i < plan->close_count; i++) {
		int fd = plan->close_fds[i];

		sys_close(&fd);
	}
}

void forkserver_main(struct forkserver *server)
{
	struct notice ended = { .kind = NOTICE_ENDED };
	sigset_t mask;

	self = server;
	slots_set_step(&self->slots, SLOTS_PREPARING);
	spare_init(&self->spare);
	title_keep();
	title_set("server");
	sys_setsid();
	sys_be_subreaper();
	sys_forget_handlers();
	sys_handle_sigchld(true);
	close_unwanted(server->plan);
	worker_prepare();
	slots_set_step(&self->slots, SLOTS_PREPARED);
	sigfillset(&mask);
	sigdelset(&mask, SIGCHLD);
	while (!ending)
		turn(&mask);
	ended.error = end_all(&mask);
	notice_send(self->socket, &ended, NULL);
	sys_exit(ended.error == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}
