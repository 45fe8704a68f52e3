/*
 * loop_uv.c - a pool in the event loop of libuv.
 *
 * Usage: loop_uv
 *
 * Maps the numbers from 0 to 999 to their doubles in the loop of a program that
 * does other things too; here that is a timer.  Among the numbers are crashes,
 * a hang that is ended by a timeout, and failures of a first attempt.  Prints
 * how many of each there were, and how often the pool woke the loop.
 *
 * The pool needs a uv_poll_t and no timer.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <uv.h>
#include <vimap.h>

#define NUMBERS 1000
#define MOST 16		/* results taken at a time: other handles of the loop
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
	uv_poll_t watch;
	uv_timer_t timer;
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

/* Called when libuv has taken the descriptor out of its loop: only now may the
   pool close it.  vm_close_within(), called when the descriptor is readable,
   would not stall the loop; here the loop has nothing else to do. */
static void on_closed(uv_handle_t *watch)
{
	struct run *run = watch->data;

	if (vm_close(run->pool) != 0) {
		fprintf(stderr, "loop_uv: %s\n", vm_error(NULL));
		run->status = 1;
	}
}

/* Called when the pool has results or work to do.  What is left after MOST
   results keeps the descriptor readable. */
static void on_pool(uv_poll_t *watch, int status, int events)
{
	struct run *run = watch->data;
	struct vm_result r;
	int rc = 1, i;

	(void)status, (void)events;
	run->wakes++;
	for (i = 0; i < MOST && rc == 1; i++) {
		rc = vm_zip_in_out_within(run->pool, &r, 0);
		if (rc == 1)
			count(run, &r);
	}
	if (rc == 1 || rc == VM_LATER)
		return;
	if (rc == -1) {
		fprintf(stderr, "loop_uv: %s\n", vm_error(run->pool));
		run->status = 1;
	}
	uv_close((uv_handle_t *)&run->timer, NULL);
	uv_close((uv_handle_t *)watch, on_closed);
}

static void on_timer(uv_timer_t *timer)
{
	((struct run *)timer->data)->ticks++;
}

int main(void)
{
	const struct vm_worker worker = { .process = twice };
	const struct vm_options options = { .workers = 3, .max_attempts = 2,
					    .retry_on = VM_FAILED,
					    .retry_delay_ms = 100,
					    .item_timeout_ms = 2000 };
	struct run run = { .pool = vm_fork(&worker, &options) };
	uv_loop_t *loop = uv_default_loop();

	if (vm_imap(run.pool, vm_range(0, NUMBERS)) == -1 ||
	    vm_fd(run.pool) == -1) {
		fprintf(stderr, "loop_uv: %s\n", vm_error(run.pool));
		vm_close(run.pool);
		return 1;
	}
	run.watch.data = run.timer.data = &run;
	if (uv_timer_init(loop, &run.timer) != 0 ||
	    uv_poll_init(loop, &run.watch, vm_fd(run.pool)) != 0 ||
	    uv_timer_start(&run.timer, on_timer, 50, 50) != 0 ||
	    uv_poll_start(&run.watch, UV_READABLE, on_pool) != 0) {
		fprintf(stderr, "loop_uv: the loop cannot be made\n");
		vm_close(run.pool);
		return 1;
	}
	uv_run(loop, UV_RUN_DEFAULT);
	uv_loop_close(loop);
	printf("outputs %d killed %d timed-out %d others %d retried %d\n",
	       run.outputs, run.killed, run.timed_out, run.others, run.retried);
	printf("wakes %d ticks %d\n", run.wakes, run.ticks);
	return run.status;
}
