/* spare.c - see spare.h: the next worker, forked before it is missed. */
#include "config.h"

#include "forkserver/spare.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "forkserver/forkserver.h"
#include "forkserver/pipes.h"
#include "os/sys.h"
#include "worker/worker.h"

/* A worker that was just hired has so long to start before another process is
   forked: where there are few CPUs, that would keep it from them. */
#define AFTER_NS (5 * MS_IN_NS)

/* ---- in the new process ---- */

/* Sleeps until it is missed.  The end of the pipe is the end of the fork
   server. */
static void await_order(int tasks, struct notice *order)
{
	size_t got = 0;
	ssize_t r;

	for (; got < sizeof *order; got += (size_t)r) {
		r = sys_read(tasks, (char *)order + got, sizeof *order - got);
		if (r <= 0)
			sys_exit(EXIT_FAILURE);
	}
}

/* A worker: of this order, or of one that is to come.  Never returns. */
static _Noreturn void be_worker(struct forkserver *f, const struct pipes *p,
    pid_t parent, const struct notice *order)
{
	struct worker_life life = {
		.plan = f->plan,
		.slots = f->slots,
		.parent = parent,
		.tasks = p->tasks[0],
		.results = p->results[1],
		.errors = p->errors,
		.fds = { f->socket, f->caller_fd, p->tasks[1], p->results[0],
			p->both },
	};
	struct notice late;

	for (size_t i = 0; i < f->slots.count && f->behind; i++)
		for (int k = 0; k < NOTICE_FDS; k++)
			sys_close(&f->children[i].fds[k]);
	worker_begin(&life);
	if (order == NULL) {
		await_order(life.tasks, &late);
		order = &late;
	}
	life.which = order->slot;
	life.index = order->index;
	life.generation = order->generation;
	worker_main(&life);
}

/* ---- in the fork server ---- */

void spare_init(struct spare *s)
{
	*s = (struct spare){ .due_at = NEVER };
	for (int i = 0; i < NOTICE_FDS; i++)
		s->fds[i] = -1;
}

/* A new process with pipes of its own; order: NULL if it is to wait for one.
   Its pid, and the caller's ends; or -errno. */
static pid_t fork_worker(struct forkserver *f, const struct notice *order,
    int fds[NOTICE_FDS])
{
	pid_t parent = sys_getpid();
	struct pipes p;
	int r;

	assert(f->spare.pid == 0);
	r = pipes_make(&p, f->plan->capture);
	if (r < 0)
		return r;
	slots_set_busy(&f->slots, true);
	r = sys_fork();
	if (r == 0)
		be_worker(f, &p, parent, order);
	slots_set_busy(&f->slots, false);
	if (r > 0) {
		sys_setpgid(r, r);
		pipes_give(&p, fds);
	} else {
		pipes_close(&p);
	}
	return r;
}

static void forget(struct spare *s)
{
	s->pid = 0;
	for (int i = 0; i < NOTICE_FDS; i++)
		sys_close(&s->fds[i]);
}

/* The spare gets a place.  Nothing waits for it, which may be stopped: the
   pipe is empty and has room.  False if it cannot be told. */
static bool hand_over(struct spare *s, const struct notice *order)
{
	size_t gone = 0;
	ssize_t r = 1;

	for (; gone < sizeof *order && r > 0; gone += (size_t)MAX(r, 0))
		r = sys_write(s->fds[NOTICE_TASKS], (const char *)order + gone,
		    sizeof *order - gone);
	return r > 0;
}

static void dismiss(struct spare *s)
{
	if (s->pid > 0)
		sys_kill(s->pid, SIGKILL);
	forget(s);
}

/* One is to be forked soon, if it is wanted and not there. */
static void plan(struct spare *s)
{
	if (!s->wanted || s->pid > 0)
		s->due_at = NEVER;
	else if (s->due_at == NEVER)
		s->due_at = sys_now() + AFTER_NS;
}

void spare_want(struct spare *s, bool wanted)
{
	s->wanted = wanted;
	if (!wanted)
		dismiss(s);
	plan(s);
}

void spare_fork(struct forkserver *f)
{
	struct spare *s = &f->spare;
	pid_t r;

	if (s->due_at == NEVER || s->due_at > sys_now())
		return;
	s->due_at = NEVER;
	r = fork_worker(f, NULL, s->fds);
	s->pid = MAX(r, 0);
}

pid_t spare_hire(struct forkserver *f, const struct notice *order,
    int fds[NOTICE_FDS])
{
	struct spare *s = &f->spare;
	pid_t r = s->pid;

	if (r > 0 && hand_over(s, order)) {
		for (int i = 0; i < NOTICE_FDS; i++) {
			fds[i] = s->fds[i];
			s->fds[i] = -1;
		}
		forget(s);
	} else {
		dismiss(s);
		r = fork_worker(f, order, fds);
	}
	if (r > 0)
		plan(s);
	return r;
}

void spare_bury(struct spare *s, pid_t pid)
{
	if (pid == s->pid)
		forget(s);
}
