/* spawn.c - see spawn.h: the only fork of a worker, and its pipes. */
#include "config.h"

#include "forkserver/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/base.h"
#include "forkserver/forkserver.h"
#include "link/link.h"
#include "os/sys.h"
#include "os/title.h"
#include "worker/worker.h"

/* The descriptors a new worker shares with the caller. */
struct pipes {
	int tasks[2], results[2]; /* read and write end */
	int both;		/* the task pipe, to read and write, or -1 */
	int errors;		/* the file for the worker's stderr, or -1 */
};

/* ---- pipes ---- */

/* Closes all that are still open. */
static void close_pipes(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		sys_close(&p->tasks[i]);
		sys_close(&p->results[i]);
	}
	sys_close(&p->both);
	sys_close(&p->errors);
}

/* Opens them all.  Returns 0, or -errno with none open.  Where the kernel has
   no files in memory, errors is -1: stderr is not captured. */
static int make_pipes(struct pipes *p, bool capture)
{
	int r;

	*p = (struct pipes){ { -1, -1 }, { -1, -1 }, -1, -1 };
	r = sys_pipe(p->tasks);
	if (r == 0)
		r = sys_pipe(p->results);
	if (r < 0)
		goto out;
	p->both = sys_reopen(p->tasks[1], O_RDWR | O_NONBLOCK);
	p->both = MAX(p->both, -1);
	if (capture) {
		p->errors = sys_memfd();
		r = sys_lacks(p->errors) ? 0 : MIN(p->errors, 0);
		p->errors = MAX(p->errors, -1);
	}
	if (r < 0)
		goto out;
	r = sys_nonblock(p->results[0]);
	if (r == 0 && p->both < 0)
		r = sys_nonblock(p->tasks[1]);
out:
	if (r < 0)
		close_pipes(p);
	return r;
}

/* Returns *fd and sets it to -1. */
static int take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Moves the caller's descriptors to fds, in the order of a HIRED notice, and
   closes the rest.  Entries without a descriptor are left as they were. */
static void give_ends(struct pipes *p, int fds[NOTICE_FDS])
{
	fds[NOTICE_RESULTS] = take(&p->results[0]);
	fds[NOTICE_ERRORS] = take(&p->errors);
	if (p->both >= 0) {
		fds[NOTICE_TASKS] = take(&p->both);
	} else {
		fds[NOTICE_TASKS] = take(&p->tasks[1]);
		fds[NOTICE_READER] = take(&p->tasks[0]);
	}
	close_pipes(p);
}

/* ---- in the new process ---- */

/* Blocks until the order is read.  Exits at the end of the pipe, which is the
   end of the fork server. */
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

/* Runs the new process as a worker: of this order or, if NULL, of the order
   that it waits for.  Never returns. */
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
		.door = f->door,
		.fds = { f->socket, f->caller_fd, p->tasks[1], p->results[0],
			p->both },
	};
	struct notice late;

	for (size_t i = 0; i < f->slots.count && f->behind; i++)
		for (int k = 0; k < NOTICE_FDS; k++)
			sys_close(&f->children[i].fds[k]);
	worker_begin(&life);
	if (order == NULL) {
		title_set("spare");
		await_order(life.tasks, &late);
		order = &late;
	}
	life.which = order->slot;
	life.index = order->index;
	life.generation = order->generation;
	title_set_worker(life.index);
	if (life.which >= f->plan->first_link)
		link_main(&life);
	sys_close(&life.door);
	worker_main(&life);
}

/* ---- in the fork server ---- */

pid_t spawn_worker(struct forkserver *f, const struct notice *order,
    int fds[NOTICE_FDS])
{
	pid_t parent = sys_getpid();
	struct pipes p;
	int r;

	assert(f->spare.pid == 0);
	r = make_pipes(&p, f->plan->capture);
	if (r < 0)
		return r;
	slots_set_busy(&f->slots, true);
	r = sys_fork();
	if (r == 0)
		be_worker(f, &p, parent, order);
	slots_set_busy(&f->slots, false);
	if (r > 0) {
		sys_setpgid(r, r);
		give_ends(&p, fds);
	} else {
		close_pipes(&p);
	}
	return r;
}
