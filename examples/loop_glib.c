/*
 * loop_glib.c - a pool in GLib's main loop.
 *
 * Usage: loop_glib
 *
 * Maps the numbers from 0 to 999 to their doubles in the loop of a program that
 * does other things too; here that is a timer.  Among the numbers are crashes,
 * a hang that is ended by a timeout, and failures of a first attempt.  Prints
 * how many of each there were, and how often the pool woke the loop.
 *
 * The pool needs a watch of one descriptor and no timer.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <glib-unix.h>
#include <glib.h>
#include <vimap.h>

#define NUMBERS 1000
#define MOST 16		/* results taken at a time: other sources of the loop
			   have their turn in between */

/* ---- In the worker ----------------------------------------------------- */

static int twice(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = *(const int64_t *)input;

	(void)size;
	if (n % 250 == 100)
		abort();
	while (n == 300)
		pause();
	if (n % 100 == 42 && me->attempt == 1)
		return vm_fail(me, 1, "%d is not ready.", (int)n);
	n *= 2;
	return vm_output(me, &n, sizeof n);
}

/* ---- In the loop ------------------------------------------------------- */

struct run {
	GMainLoop *loop;
	vm_pool *pool;
	int outputs, killed, timed_out, others, retried, wakes, ticks;
	int status;
};

static void count(struct run *run, const struct vm_result *r)
{
	if (r->attempts > 1)
		run->retried++;
	if (r->type == VM_OUTPUT)
		run->outputs += *(const int64_t *)r->output ==
			2 * *(const int64_t *)r->input;
	else if (r->exception->cause == VM_KILLED)
		run->killed++;
	else if (r->exception->cause == VM_TIMED_OUT)
		run->timed_out++;
	else
		run->others++;
}

/* Called when the pool has results or work to do.  What is left after MOST
   results keeps the descriptor readable. */
static gboolean on_pool(gint fd, GIOCondition condition, gpointer data)
{
	struct run *run = data;
	struct vm_result r;
	int rc = 1, i;

	(void)fd, (void)condition;
	run->wakes++;
	for (i = 0; i < MOST && rc == 1; i++) {
		rc = vm_zip_in_out_within(run->pool, &r, 0);
		if (rc == 1)
			count(run, &r);
	}
	if (rc == 1 || rc == VM_LATER)
		return G_SOURCE_CONTINUE;
	if (rc == -1) {
		fprintf(stderr, "loop_glib: %s\n", vm_error(run->pool));
		run->status = 1;
	}
	g_main_loop_quit(run->loop);
	return G_SOURCE_REMOVE;
}

static gboolean on_timer(gpointer data)
{
	((struct run *)data)->ticks++;
	return G_SOURCE_CONTINUE;
}

int main(void)
{
	const struct vm_worker worker = { .process = twice };
	const struct vm_options options = { .workers = 3, .max_attempts = 2,
					    .retry_on = VM_FAILED,
					    .retry_delay_ms = 100,
					    .item_timeout_ms = 2000 };
	struct run run = { .pool = vm_fork(&worker, &options) };
	guint timer;

	if (vm_imap(run.pool, vm_range(0, NUMBERS)) == -1 ||
	    vm_fd(run.pool) == -1) {
		fprintf(stderr, "loop_glib: %s\n", vm_error(run.pool));
		vm_close(run.pool);
		return 1;
	}
	run.loop = g_main_loop_new(NULL, FALSE);
	/* on_pool() removes its watch, before the pool is closed. */
	g_unix_fd_add(vm_fd(run.pool), G_IO_IN, on_pool, &run);
	timer = g_timeout_add(50, on_timer, &run);
	g_main_loop_run(run.loop);
	g_source_remove(timer);
	g_main_loop_unref(run.loop);
	if (vm_close(run.pool) != 0) {
		fprintf(stderr, "loop_glib: %s\n", vm_error(NULL));
		run.status = 1;
	}
	printf("outputs %d killed %d timed-out %d others %d retried %d\n",
	       run.outputs, run.killed, run.timed_out, run.others, run.retried);
	printf("wakes %d ticks %d\n", run.wakes, run.ticks);
	return run.status;
}
