/*
 * chaos_worker.c - callbacks of the chaos program: each item behaves as it was
 * drawn, and its begin is noted in shared memory.
 */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chaos.h"

/* In a worker: pointer to its record in shared memory. */
static struct record *mine;

static int setup(struct vm_context *me)
{
	int n = atomic_fetch_add(&world->nrecords, 1);

	if (n >= RECORDS_MOST)
		return vm_fail(me, 1, "there is no record left");
	mine = &world->records[n];
	atomic_store(&mine->parent, getppid());
	atomic_store(&mine->pid, getpid());
	return 0;
}

static _Noreturn void hang(void)
{
	for (;;)
		pause();
}

/* Hangs in an orphan, which may leave its worker's group. */
static _Noreturn void stay(bool leave)
{
	if (leave)
		setsid();
	hang();
}

static void leave_child(uint64_t chance)
{
	int n = atomic_fetch_add(&world->nstrays, 1);
	pid_t pid;

	if (n >= STRAYS_MOST)
		return;
	pid = fork();
	if (pid == 0)
		stay(chance & 1);
	if (pid > 0) {
		atomic_store(&world->stray[n], pid);
		atomic_fetch_add(&world->strays, 1);
	}
}

/* Finds the only write-only pipe that the host did not have. */
static int result_pipe(void)
{
	struct stat s;

	for (int fd = 255; fd > 2; fd--)
		if (fstat(fd, &s) == 0 && S_ISFIFO(s.st_mode) &&
		    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_WRONLY &&
		    (fcntl(fd, F_GETFD) & FD_CLOEXEC))
			return fd;
	return -1;
}

/* Writes into the result pipe, and then goes on, exits, or dies. */
static void garble(uint64_t chance)
{
	struct rng g = { chance };
	unsigned char noise[200];
	size_t size = 1 + draw_below(&g, sizeof noise);

	if (draw_once_in(&g, 3))
		memset(noise, draw_once_in(&g, 2) ? 0xff : 0, size);
	else
		content_fill(noise, size, chance);
	if (write(result_pipe(), noise, size) < 0)
		_exit(EXIT_STATUS);
	if (draw_once_in(&g, 4))
		_exit(EXIT_STATUS);
	if (draw_once_in(&g, 4))
		raise(SIGKILL);
}

/* Loops until the item times out. */
static _Noreturn void loop(uint64_t chance)
{
	volatile int forever = 1;

	if (chance & 1)
		signal(SIGTERM, SIG_IGN);
	while (chance & 2)
		pause();
	while (forever)
		continue;
	hang();
}

static void crash(void)
{
	volatile int *volatile nowhere = (void *)64;

	*nowhere = 1;
	hang();
}

/* Writes text to stderr, which the host checks in the exception. */
static int talk(struct vm_context *me)
{
	char text[64];
	int n = snprintf(text, sizeof text, "item %llu, attempt %d\n",
	    (unsigned long long)me->index, me->attempt);

	if (write(2, text, (size_t)n) != n)
		_exit(EXIT_STATUS);
	return vm_fail(me, TALK_CODE, "%s", text);
}

/* Makes the output by any of the functions for outputs. */
static int answer(struct vm_context *me, const struct round *r)
{
	size_t size = output_size(r, me->index, me->attempt);
	uint64_t key = output_key(r, me->index, me->attempt);
	unsigned char small[1024];
	void *room;

	if (size <= sizeof small) {
		content_fill(small, size, key);
		if (vm_output(me, small, size / 3) == -1)
			return -1;
		return vm_output(me, small + size / 3, size - size / 3);
	}
	room = vm_reserve(me, size);
	if (room == NULL)
		return -1;
	content_fill(room, size, key);
	return vm_commit(me, size);
}

/* Does the part of a fate that comes before an output. */
static int suffer(struct vm_context *me, enum fate f, uint64_t chance)
{
	if (f >= FATE_GARBAGE && f != FATE_FAIL && f != FATE_TALK &&
	    f != FATE_TOO_BIG)
		atomic_fetch_add(&world->deaths[f], 1);
	switch (f) {
	case FATE_SLOW:
		nap_us(1000 + (unsigned)(chance % 19000));
		return 0;
	case FATE_STUBBORN:
		signal(SIGTERM, SIG_IGN);
		return 0;
	case FATE_PARENT:
		leave_child(chance);
		return 0;
	case FATE_GARBAGE:
		garble(chance);
		return 0;
	case FATE_FAIL:
		return vm_fail(me, FAIL_CODE, "to fail");
	case FATE_TALK:
		return talk(me);
	case FATE_SEGV:
		crash();
		return 0;
	case FATE_ABORT:
		abort();
	case FATE_KILL:
		raise(SIGKILL);
		hang();
	case FATE_EXIT:
		exit(EXIT_STATUS);
	case FATE_LOOP:
		loop(chance);
	default:
		return 0;
	}
}

static int process(struct vm_context *me, const void *input, size_t size)
{
	const struct round *r = me->config;
	uint64_t at = AT(me->index, me->attempt);
	uint64_t key;
	int rc;

	atomic_store(&mine->last, at + 1);
	atomic_fetch_add(&world->runs[me->index], 1);
	if (size != input_size(r, me->index) ||
	    !content_is(input, size, input_key(r, me->index)))
		return vm_fail(me, BAD_INPUT, "the input is not what it was");
	key = output_key(r, me->index, me->attempt);
	rc = suffer(me, fate_of(r, me->index, me->attempt), mix(key, 1));
	if (rc == 0)
		rc = answer(me, r);
	atomic_store(&mine->last, at);
	return rc;
}

struct vm_worker chaos_worker(struct round *r)
{
	return (struct vm_worker){ .setup = setup, .process = process,
		.config = r };
}
