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
#include "worker/worker.h"

/* From TERM to KILL. */
#define MERCY_NS (200 * MS_IN_NS)
/* From KILL until the caller is told that it does not help. */
#define HELD_NS (5000 * MS_IN_NS)
/* How long children may take to be gone after KILL: between two of them, and
   all; and how often to look. */
#define REAP_NS (2000 * MS_IN_NS)
#define REAP_ALL_NS (30000 * MS_IN_NS)
#define REAP_STEP_MS 10
/* What a dead worker started is killed again so often until it is gone. */
#define SWEEP_MS 20
/* Without a pidfd the parent is looked at so often. */
#define LOOK_MS 1000
/* The orders taken at most before deaths are heard of again, and the time they
   may take together. */
#define ORDERS_MOST 16
#define ORDERS_NS (20 * MS_IN_NS)

static struct forkserver *self;
static bool ending;		/* the caller says so, or is gone */
static struct notice pong;	/* to be sent, if its kind is not 0 */
/* What there is rarely; as long as there is none nobody looks for it. */
static size_t doomed;		/* workers told to end */
static size_t groups;		/* of dead workers, with something left */
static size_t buried;		/* children ever */
/* They are not written to without need: after a fork that copies a page. */

static size_t slot_of(const struct child *h)
{
	return (size_t)(h - self->children);
}

/* ---- talking ---- */

/* Sends one piece of news: true when it is out. */
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

/* What there is to say of one worker, arrival before death. */
static bool tell_of(struct child *h)
{
	return tell(&h->arrival, h->fds) && tell(&h->death, NULL);
}

/* There is news of this one; it goes at once unless older news wait. */
static void announce(struct child *h)
{
	if (!self->behind && !tell_of(h))
		self->behind = true;
}

/* Sends what has to wait: true when all is out. */
static bool catch_up(void)
{
	for (size_t i = 0; i < self->slots.count && self->behind; i++)
		if (!tell_of(&self->children[i]))
			return false;
	if (self->behind)
		self->behind = false;
	return tell(&pong, NULL);
}

/* ---- hiring ---- */

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
		h->state = HAND_RUNNING;
		self->pids[order->slot] = r;
		h->generation = order->generation;
	}
	announce(h);
}

/* ---- ending ---- */

/* Its group, and itself if it has left that. */
static void strike(const struct child *h, int signal)
{
	pid_t pid = self->pids[slot_of(h)];

	sys_kill(-pid, signal);
	sys_kill(pid, signal);
}

static void doom(struct child *h)
{
	h->state = HAND_DOOMED;
	doomed++;
	h->due_at = sys_now() + MERCY_NS;
	strike(h, SIGTERM);
}

/* The notice of a worker's end. */
static struct notice end_of(const struct child *h, int kind, int status)
{
	return (struct notice){
		.kind = kind,
		.slot = (uint32_t)slot_of(h),
		.generation = h->generation,
		.pid = self->pids[slot_of(h)],
		.status = status,
		.ordered = h->state >= HAND_DOOMED,
		.died_at = sys_now(),
	};
}

/* What follows doom(), for those whose time is over. */
static void press_doomed(uint64_t now)
{
	for (size_t i = 0; i < self->slots.count && doomed > 0; i++) {
		struct child *h = &self->children[i];

		if (h->state < HAND_DOOMED || h->due_at > now)
			continue;
		if (h->state == HAND_DOOMED) {
			strike(h, SIGKILL);
			h->state = HAND_KILLED;
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

/* May this child have pages of workers? */
static bool is_worker(pid_t pid)
{
	return pid == self->spare.pid || child_of(pid) != NULL;
}

/* What is left of a dead worker's group will be swept away. */
static void note_group(struct child *h, pid_t group)
{
	if (!sys_has_child_in(group))
		return;
	groups += h->group == 0;
	h->group = group;
}

/* Ends processes that have the dead worker's pages, and waits a little. */
static void free_pages(const struct child *h)
{
	for (int looks = SWEEP_MS; !ending && looks > 0 && orphans_evict(
	    &self->slots, slot_of(h), is_worker); looks--)
		sys_ppoll(NULL, 0, 1, NULL);
}

/* The worker is dead and reaped. */
static void dismiss(struct child *h, int status, const struct rusage *usage)
{
	h->death = end_of(h, NOTICE_DIED, status);
	h->death.max_rss = (uint64_t)usage->ru_maxrss * 1024;
	h->death.cpu_ns = sys_cpu_of(usage);
	if (h->state >= HAND_DOOMED)
		doomed--;
	h->state = HAND_VACANT;
	self->pids[slot_of(h)] = 0;
	announce(h);
}

/*
 * Buries children that have ended.  While the body lies there its number is
 * not given to another process, so its group can be killed safely: what the
 * worker started dies with it.
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
			spare_bury(&self->spare, pid);
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
 * What dead workers started and left in their group: killed again and again,
 * as it may still have been forking.  A child of ours in the group keeps its
 * number from being given to another one.  True if any is left.
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

/* Kills and reaps until there is no child: 0; or until none has died for 2 s,
   or there are always more: ETIMEDOUT.  mask: under which deaths are heard
   of. */
static int end_all(const sigset_t *mask)
{
	uint64_t until = sys_now() + REAP_NS, last = sys_now() + REAP_ALL_NS;
	size_t seen = buried;
	int r;

	slots_set_busy(&self->slots, true);
	for (size_t i = 0; i < self->slots.count; i++)
		if (self->children[i].state != HAND_VACANT)
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

/* ---- listening ---- */

static void obey(const struct notice *n)
{
	struct child *h;

	if (n->kind == NOTICE_END || n->slot >= self->slots.count) {
		ending = true;
		return;
	}
	h = &self->children[n->slot];
	/* Who has died before this order has not died of it. */
	if (n->kind == NOTICE_KILL)
		reap_ended();
	if (n->kind == NOTICE_PING)
		pong.kind = NOTICE_PONG;
	else if (n->kind == NOTICE_SPARE)
		spare_want(&self->spare, n->index != 0);
	else if (n->kind == NOTICE_HIRE && h->state == HAND_VACANT)
		hire(n);
	else if (n->kind == NOTICE_KILL && h->state == HAND_RUNNING &&
	    h->generation == n->generation)
		doom(h);
}

/* Takes some orders.  Others wait in the socket, so that deaths are heard of
   in between, and those are killed whose time is over. */
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

/* Is the caller gone, as far as can be seen without a pidfd?  In a pid
   namespace of its own the fork server never sees its parent. */
static bool abandoned(void)
{
	pid_t parent = sys_getppid();

	return parent != self->caller && parent != 0;
}

/* Milliseconds until the next thing to do by the clock; -1: nothing. */
static int patience(uint64_t now, bool sweeping)
{
	uint64_t next = self->spare.due_at;

	if (sweeping)
		next = MIN(next, now + SWEEP_MS * MS_IN_NS);
	for (size_t i = 0; i < self->slots.count && doomed > 0; i++)
		if (self->children[i].state >= HAND_DOOMED)
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

	if (!catch_up())
		fds[0].events |= POLLOUT;
	sys_ppoll(fds, COUNTOF(fds), patience(sys_now(), sweeping), mask);
	reap_ended();
	press_doomed(sys_now());
	if (fds[1].revents != 0 || (self->caller_fd < 0 && abandoned()))
		ending = true;
	else if (fds[0].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL))
		listen();
	else
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
