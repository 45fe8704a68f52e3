/* pipes.c - see pipes.h: what a new worker shares with the caller. */
#include "config.h"

#include "forkserver/pipes.h"

#include <errno.h>
#include <fcntl.h>

#include "base/base.h"
#include "os/sys.h"

void pipes_close(struct pipes *p)
{
	for (int i = 0; i < 2; i++) {
		sys_close(&p->tasks[i]);
		sys_close(&p->results[i]);
	}
	sys_close(&p->both);
	sys_close(&p->errors);
}

int pipes_make(struct pipes *p, bool capture)
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
		pipes_close(p);
	return r;
}

/* Takes a descriptor out of its place. */
static int take(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

void pipes_give(struct pipes *p, int fds[NOTICE_FDS])
{
	fds[NOTICE_RESULTS] = take(&p->results[0]);
	fds[NOTICE_ERRORS] = take(&p->errors);
	if (p->both >= 0) {
		fds[NOTICE_TASKS] = take(&p->both);
	} else {
		fds[NOTICE_TASKS] = take(&p->tasks[1]);
		fds[NOTICE_READER] = take(&p->tasks[0]);
	}
	pipes_close(p);
}
