/* spare.c - see spare.h: a spare worker, forked ahead of its order. */
#include "config.h"

#include "forkserver/spare.h"

#include <signal.h>

#include "base/base.h"
#include "forkserver/forkserver.h"
#include "forkserver/spawn.h"
#include "os/sys.h"

/* Delay from a hire to the fork of the next spare: with few CPUs that fork
   would keep the new worker from running. */
#define AFTER_NS (5 * MS_IN_NS)

void spare_init(struct spare *s)
{
	*s = (struct spare){ .due_at = NEVER };
	for (int i = 0; i < NOTICE_FDS; i++)
		s->fds[i] = -1;
}

static void forget(struct spare *s)
{
	s->pid = 0;
	for (int i = 0; i < NOTICE_FDS; i++)
		sys_close(&s->fds[i]);
}

/* Writes the order to the spare, which gives it a slot.  Does not block even
   if the spare is stopped: the pipe is empty and has room.  Returns false if
   the write fails. */
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

/* Sets due_at: to soon if a spare is wanted and missing, else to NEVER. */
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
	r = spawn_worker(f, NULL, s->fds);
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
		r = spawn_worker(f, order, fds);
	}
	if (r > 0)
		plan(s);
	return r;
}

void spare_reaped(struct spare *s, pid_t pid)
{
	if (pid == s->pid)
		forget(s);
}
