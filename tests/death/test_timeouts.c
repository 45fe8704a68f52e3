/*
 * test_timeouts.c - time limits: items that take too long end, never early, and
 * without effect on other items; setups, teardowns and closing end too; and a
 * caller that does not call the library costs no item.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "tools.h"

/* Counters from here on; below, the begin of each input has a counter. */
enum { INPUTS = 48, SETUPS = INPUTS, TEARDOWNS, BEGUN, GATE, DONE };

/* Pids of processes that callbacks fork: in sh->pid, behind the runs. */
enum { PIDS = 256 };

static struct shared *sh;

static void start(void)
{
	no_cores();
	sh = shared_new();
}

/* In a worker: its item, if any, began after this time.  For the library an
   item has begun before it calls process(), and the worker may lose the CPU
   between the two; so the clock is read before both. */
static uint64_t idle_from;

/* A setup callback that records the time. */
static int be_idle(struct vm_context *me)
{
	(void)me;
	idle_from = clock_ns();
	return 0;
}

/* Counts the runs of each input, and notes the earliest time it may have
   run. */
static int64_t begin(const void *input)
{
	int64_t n = number(input);

	atomic_fetch_add(&sh->pid[n], 1);
	atomic_store(&sh->counter[n], (long)idle_from);
	return n;
}

/* Gives the output of an item, and notes the time. */
static int answer(struct vm_context *me, const void *output, size_t size)
{
	int r = vm_output(me, output, size);

	idle_from = clock_ns();
	return r;
}

static _Noreturn void hang(void)
{
	for (;;)
		pause();
}

/* Checks that an item timed out, and not early. */
static void check_timed_out(const struct vm_result *r, int ms)
{
	const struct vm_exception *x = r->exception;
	uint64_t took = clock_ns() -
	    (uint64_t)sh->counter[number(r->input)];

	ck_assert_int_eq(r->type, VM_EXCEPTION);
	ck_assert_msg(x->cause == VM_TIMED_OUT, "%s", x->message);
	ck_assert_uint_ge(took, (uint64_t)ms * MS_IN_NS);
	ck_assert_ptr_nonnull(strstr(x->message, "item_timeout_ms"));
	ck_assert_int_eq(x->signal, 0);
	ck_assert_int_eq(x->exit_status, -1);
	ck_assert_int_eq(x->out_of_memory, 0);
	ck_assert_int_gt(x->pid, 0);
	ck_assert_int_eq(x->worker_index, r->worker_index);
	ck_assert_uint_gt(x->max_rss, 0);
}

/* ---- vm_alive() ---- */

/* Runs four times as long as the limit; odd items stop calling vm_alive(). */
static int go_on(struct vm_context *me, const void *input, size_t size)
{
	uint64_t end = clock_ns() + 4 * 250 * MS_IN_NS;
	int64_t n = begin(input);

	while (clock_ns() < end) {
		vm_alive(me);
		nap_ms(1);
	}
	if (n % 2) {
		atomic_store(&sh->counter[n], (long)clock_ns());
		vm_alive(me);
		hang();
	}
	return answer(me, input, size);
}

START_TEST(items_that_go_on_are_let_be)
{
	const struct vm_worker worker = { .setup = be_idle,
		.process = go_on };
	struct vm_result r;
	vm_pool *pool;

	start();
	vm_alive(NULL);
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 2,
	    .chunk_size = 1, .item_timeout_ms = 250 });
	imap_to(pool, vm_range(0, 4));
	for (int i = 0; i < 4; i++) {
		take(pool, &r);
		if (number(r.input) % 2)
			check_timed_out(&r, 250);
		else
			ck_assert_int_eq(r.type, VM_OUTPUT);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

/* ---- ways to take too long ---- */

enum { LOOPS = 3, SLEEPS = 8, IGNORES = 9, BLOCKS = 20, STOPS = 25 };

static bool is_endless(int64_t n)
{
	return n == LOOPS || n == SLEEPS || n == IGNORES || n == BLOCKS ||
	    n == STOPS;
}

static int take_long(struct vm_context *me, const void *input, size_t size)
{
	volatile int x = 1;
	int64_t n = begin(input);
	sigset_t all;

	sigfillset(&all);
	if (n == LOOPS)
		while (x != 0)
			continue;
	if (n == IGNORES)
		signal(SIGTERM, SIG_IGN);
	if (n == BLOCKS)
		sigprocmask(SIG_BLOCK, &all, NULL);
	if (n == STOPS)
		raise(SIGSTOP);
	if (is_endless(n))
		hang();
	return answer(me, input, size);
}

static void check_endless(int workers, size_t chunk_size, int ordered)
{
	const struct vm_worker worker = { .setup = be_idle,
		.process = take_long };
	const struct vm_options options = { .workers = workers,
		.chunk_size = chunk_size, .flags = ordered ? VM_ORDERED : 0,
		.item_timeout_ms = 250 };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 30));
	for (int i = 0; i < 30; i++) {
		take(pool, &r);
		if (ordered)
			ck_assert_int_eq(number(r.input), i);
		if (is_endless(number(r.input)))
			check_timed_out(&r, 250);
		else
			ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, 1);
		ck_assert_int_eq(sh->pid[number(r.input)], 1);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}

/* Items before and behind the endless item in the chunk run only one time. */
START_TEST(what_takes_too_long_ends_alone)
{
	check_endless(1, 10, 0);
	check_endless(2, 30, 1);
}
END_TEST

static int all_hang(struct vm_context *me, const void *input, size_t size)
{
	if (begin(input) % 4 == 1)
		hang();
	return vm_output(me, input, size);
}

START_TEST(several_workers_at_once)
{
	const struct vm_worker worker = { .process = all_hang };
	const struct vm_options options = { .workers = 4, .chunk_size = 2,
		.item_timeout_ms = 250 };
	int cause[40];
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 40));
	ck_assert_int_eq(take_numbers(pool, 40, cause), 0);
	for (int i = 0; i < 40; i++) {
		ck_assert_int_eq(cause[i], i % 4 == 1 ? VM_TIMED_OUT : 0);
		ck_assert_int_eq(sh->pid[i], 1);
	}
	close_pool(pool);
}
END_TEST

/* ---- never early ---- */

static atomic_long *ended_at;

static void note_end(int signal)
{
	(void)signal;
	atomic_store(ended_at, (long)clock_ns());
	_exit(1);
}

/* Odd items hang until SIGTERM, and note its time; every fourth item fails. */
static int note_and_hang(struct vm_context *me, const void *input,
    size_t size)
{
	int64_t n = begin(input);

	if (n % 2 == 0) {
		answer(me, input, size);
		return n % 4 == 2 ? -1 : 0;
	}
	ended_at = &sh->counter[INPUTS - 1 - n];
	signal(SIGTERM, note_end);
	hang();
}

static void check_ends(const struct vm_options *options)
{
	const struct vm_worker worker = { .setup = be_idle,
		.process = note_and_hang };
	int cause[20];
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, options);
	imap_to(pool, vm_range(0, 20));
	ck_assert_int_eq(take_numbers(pool, 20, cause), 0);
	for (int i = 0; i < 20; i++) {
		/* On a busy machine any item may time out. */
		if (i % 2 || cause[i] != VM_TIMED_OUT)
			ck_assert_int_eq(cause[i], i % 2 ? VM_TIMED_OUT :
			    i % 4 ? VM_FAILED : 0);
		if (i % 2)
			ck_assert_int_ge(sh->counter[INPUTS - 1 - i] -
			    sh->counter[i], options->item_timeout_ms *
			    (long)MS_IN_NS);
	}
	close_pool(pool);
	shared_free(sh);
}

START_TEST(it_is_never_early)
{
	check_ends(&(struct vm_options){ .workers = 2, .chunk_size = 2,
	    .item_timeout_ms = 10 });
	check_ends(&(struct vm_options){ .workers = 3, .chunk_size = 1,
	    .item_timeout_ms = 25 });
	check_ends(&(struct vm_options){ .workers = 2, .chunk_size = 5,
	    .item_timeout_ms = 60 });
}
END_TEST

static int begin_late(struct vm_context *me, const void *input, size_t size)
{
	(void)me;
	(void)input;
	(void)size;
	ended_at = &sh->counter[DONE];
	signal(SIGTERM, note_end);
	atomic_store(&sh->counter[BEGUN], (long)clock_ns());
	hang();
}

/* In a turn of the loop, time may pass between its read of the clock and its
   look at the workers, and an item begin meanwhile. */
START_TEST(nor_if_it_began_after_the_clock_was_read)
{
	const struct vm_worker worker = { .process = begin_late };
	const struct vm_options options = { .workers = 1,
		.item_timeout_ms = 80 };
	struct vm_result r;
	struct engine *e;
	vm_pool *pool;
	uint64_t now;

	start();
	pool = fork_pool(&worker, &options);
	e = &pool->engine;
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 1));
	now = clock_ns();
	nap_ms(30);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
	wait_for(&sh->counter[BEGUN], 1);
	e->crew.members[0].watched_from = NEVER;
	e->timeouts.sample_at = 0;
	ck_assert_int_eq(timeouts_run(e, now), 0);
	take(pool, &r);
	ck_assert_int_eq(r.exception->cause, VM_TIMED_OUT);
	ck_assert_int_ge(sh->counter[DONE] - sh->counter[BEGUN],
	    80 * (long)MS_IN_NS);
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- time that counts ---- */

static int of_20_ms(struct vm_context *me, const void *input, size_t size)
{
	begin(input);
	nap_ms(20);
	return vm_output(me, input, size);
}

/* Counts the inputs that ended with a cause. */
static int count_causes(int n, const int *cause, int which)
{
	int count = 0;

	for (int i = 0; i < n; i++)
		count += cause[i] == which;
	return count;
}

static void check_all_well(const struct vm_worker *worker,
    const struct vm_options *options, int n)
{
	int cause[INPUTS];
	vm_pool *pool;

	start();
	pool = fork_pool(worker, options);
	imap_to(pool, vm_range(0, n));
	ck_assert_int_eq(take_numbers(pool, n, cause), 0);
	ck_assert_int_eq(count_causes(n, cause, 0), n);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(sh->pid[i], 1);
	close_pool(pool);
	shared_free(sh);
}

/* The chunk takes 500 ms, most of it waiting, but each item takes 20 ms. */
START_TEST(waiting_in_a_chunk_does_not_count)
{
	const struct vm_worker worker = { .process = of_20_ms };

	check_all_well(&worker, &(struct vm_options){ .workers = 1,
	    .chunk_size = 30, .item_timeout_ms = 300 }, 25);
}
END_TEST

/* Without the option, or without processes, there is no limit. */
START_TEST(no_limit_no_verdict)
{
	const struct vm_worker worker = { .process = of_20_ms };

	check_all_well(&worker, &(struct vm_options){ .workers = 1 }, 15);
	check_all_well(&worker, &(struct vm_options){
	    .workers = VM_SERIAL, .item_timeout_ms = 5 }, 5);
}
END_TEST

/* ---- close to the limit ---- */

static int timeout_ms;

/* Runs for the limit plus or minus 3 ms. */
static int just_in_time(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = begin(input);
	uint64_t until = clock_ns() +
	    (uint64_t)timeout_ms * MS_IN_NS - 2 * MS_IN_NS +
	    (uint64_t)n % 20 * MS_IN_NS / 3;

	while (clock_ns() < until)
		usleep(50);
	atomic_fetch_add(&sh->counter[DONE], 1);
	return answer(me, input, size);
}

/* A single item per chunk: a finished item never runs again. */
START_TEST(a_result_that_made_it_is_a_result)
{
	const struct vm_worker worker = { .setup = be_idle,
		.process = just_in_time };
	const struct vm_options options = { .workers = 1,
		.item_timeout_ms = 20 };
	struct vm_result r;
	int outputs = 0;
	vm_pool *pool;

	start();
	timeout_ms = 20;
	pool = fork_pool(&worker, &options);
	for (int i = 0; i < 40; i++) {
		imap_to(pool, vm_range(i, i + 1));
		take(pool, &r);
		ck_assert_int_eq(number(r.input), i);
		outputs += r.type == VM_OUTPUT;
		if (r.type != VM_OUTPUT)
			check_timed_out(&r, 20);
		ck_assert_int_eq(r.attempts, 1);
		ck_assert_int_eq(sh->pid[i], 1);
		take_end(pool);
	}
	ck_assert_int_le(outputs, sh->counter[DONE]);
	close_pool(pool);
}
END_TEST

/* Several items per chunk: if the next item was begun in between, it is begun
   again and is not blamed. */
START_TEST(nor_does_the_next_one_pay)
{
	const struct vm_worker worker = { .setup = be_idle,
		.process = just_in_time };
	const struct vm_options options = { .workers = 2, .chunk_size = 6,
		.item_timeout_ms = 20 };
	int timed_out = 0, runs = 0;
	struct vm_result r;
	vm_pool *pool;

	start();
	timeout_ms = 20;
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, INPUTS));
	for (int i = 0; i < INPUTS; i++) {
		take(pool, &r);
		if (r.type != VM_OUTPUT)
			check_timed_out(&r, 20);
		timed_out += r.type != VM_OUTPUT;
		ck_assert_int_eq(r.attempts, 1);
	}
	take_end(pool);
	for (int i = 0; i < INPUTS; i++)
		runs += sh->pid[i];
	ck_assert_int_le(runs, INPUTS + timed_out);
	close_pool(pool);
}
END_TEST

/* ---- processes forked by an item ---- */

static void fork_stubborn(int depth)
{
	pid_t pid = fork();

	if (pid != 0)
		return;
	signal(SIGTERM, SIG_IGN);
	if (depth > 0)
		fork_stubborn(depth - 1);
	atomic_store(&sh->pid[PIDS + atomic_fetch_add(&sh->counter[BEGUN],
	    1)], getpid());
	atomic_fetch_add(&sh->counter[DONE], 1);
	hang();
}

static int with_children(struct vm_context *me, const void *input,
    size_t size)
{
	if (begin(input) != 2)
		return vm_output(me, input, size);
	signal(SIGTERM, SIG_IGN);
	for (int i = 0; i < 3; i++)
		fork_stubborn(i);
	hang();
}

START_TEST(its_children_end_with_it)
{
	const struct vm_worker worker = { .process = with_children };
	const struct vm_options options = { .workers = 1, .chunk_size = 5,
		.item_timeout_ms = 300 };
	int cause[5];
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 5));
	ck_assert_int_eq(take_numbers(pool, 5, cause), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(cause[i], i == 2 ? VM_TIMED_OUT : 0);
	ck_assert_int_ge(sh->counter[DONE], 1);
	for (long i = 0; i < sh->counter[DONE]; i++)
		wait_gone(sh->pid[PIDS + i]);
	close_pool(pool);
}
END_TEST

/* ---- a caller that does not call the library ---- */

#define MIB ((size_t)1 << 20)

static int big_output(struct vm_context *me, const void *input, size_t size)
{
	char *room = vm_reserve(me, MIB);

	begin(input);
	if (room == NULL)
		return -1;
	memset(room, 'o', MIB);
	memcpy(room, input, size);
	return vm_commit(me, MIB);
}

static void check_away(int ordered)
{
	const struct vm_worker worker = { .process = big_output };
	const struct vm_options options = { .workers = 2, .chunk_size = 3,
		.item_timeout_ms = 300, .flags = ordered ? VM_ORDERED : 0,
		.max_in_flight_bytes = 4 * MIB };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 40));
	for (int i = 0; i < 40; i++) {
		take(pool, &r);
		ck_assert_msg(r.type == VM_OUTPUT, "%s",
		    r.exception ? r.exception->message : "");
		ck_assert_int_eq(r.attempts, 1);
		if (i % 24 == 5)
			nap_ms(350);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}

START_TEST(a_caller_may_be_away)
{
	check_away(0);
	check_away(1);
}
END_TEST

static int at_gate(struct vm_context *me, const void *input, size_t size)
{
	atomic_fetch_add(&sh->counter[BEGUN], 1);
	if (await(&sh->counter[GATE], 1, limit_ms()) < 0)
		return vm_fail(me, 1, "nobody has opened the gate");
	return vm_output(me, input, size);
}

/* An item that runs meanwhile, and was sampled, keeps the rest of its time. */
START_TEST(time_away_counts_in_part)
{
	const struct vm_worker worker = { .process = at_gate };
	const struct vm_options options = { .workers = 1,
		.item_timeout_ms = 1000 };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 1));
	while (atomic_load(&sh->counter[BEGUN]) == 0)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), VM_LATER);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 250), VM_LATER);
	nap_ms(1100);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
	atomic_store(&sh->counter[GATE], 1);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	ck_assert_int_eq(r.attempts, 1);
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

/* Two outputs go through the pipe; before them, in order, is an item that runs
   longer than the limit. */
static int large_behind_slow(struct vm_context *me, const void *input,
    size_t size)
{
	static unsigned char large[6 * MIB];

	if (number(input) > 0)
		return vm_output(me, large, sizeof large);
	for (int i = 0; i < 60; i++) {
		nap_ms(20);
		vm_alive(me);
	}
	return vm_output(me, input, size);
}

/* While back-pressure delays the results of a worker, the worker waits, without
   a timeout. */
START_TEST(waiting_to_be_read_does_not_count)
{
	const struct vm_worker worker = { .process = large_behind_slow };
	const struct vm_options options = { .workers = 3, .chunk_size = 1,
		.item_timeout_ms = 300, .flags = VM_ORDERED,
		.max_in_flight_bytes = 1000 };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 3));
	for (int i = 0; i < 3; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, 1);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

static int count_setups(struct vm_context *me)
{
	(void)me;
	atomic_store(&sh->counter[BEGUN], getpid());
	atomic_fetch_add(&sh->counter[SETUPS], 1);
	return 0;
}

static int just_echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

/* A worker may take longer to begin than an item may run. */
START_TEST(time_before_it_begins_does_not_count)
{
	const struct vm_worker worker = { .setup = count_setups,
		.process = just_echo };
	const struct vm_options options = { .workers = 1,
		.item_timeout_ms = 100 };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	ck_assert_int_eq(kill((pid_t)sh->counter[BEGUN], SIGSTOP), 0);
	imap_to(pool, vm_range(0, 1));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 400), VM_LATER);
	ck_assert_int_eq(kill((pid_t)sh->counter[BEGUN], SIGCONT), 0);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	ck_assert_int_eq(sh->counter[SETUPS], 1);
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

static int host_of_naps(void *unused)
{
	const struct vm_worker worker = { .process = of_20_ms };
	const struct vm_options options = { .workers = 2, .chunk_size = 2,
		.item_timeout_ms = 350 };
	int cause[INPUTS];
	vm_pool *pool = fork_pool(&worker, &options);

	(void)unused;
	atomic_store(&sh->counter[GATE], getpid());
	imap_to(pool, vm_range(0, INPUTS));
	if (take_numbers(pool, INPUTS, cause) != 0)
		return 1;
	close_pool(pool);
	if (count_causes(INPUTS, cause, VM_TIMED_OUT) > 0)
		return 2;
	return count_causes(INPUTS, cause, 0) == INPUTS ? 0 : 3;
}

/* Stops and continues the host as soon as the host is at work. */
static int stop_and_go(void *unused)
{
	(void)unused;
	if (await(&sh->counter[GATE], 1, limit_ms()) < 0)
		return 1;
	nap_ms(70);
	kill((pid_t)sh->counter[GATE], SIGSTOP);
	nap_ms(1000);
	kill((pid_t)sh->counter[GATE], SIGCONT);
	return 0;
}

START_TEST(a_caller_may_be_stopped)
{
	int status;
	pid_t pid;

	start();
	pid = new_process();
	if (pid == 0)
		_exit(stop_and_go(NULL));
	status = in_child(host_of_naps, NULL);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "status 0x%x", (unsigned)status);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

/* ---- attempts ---- */

enum { SECOND = 1, NEVER_DONE = 3 };

static int slow_at_first(struct vm_context *me, const void *input,
    size_t size)
{
	int64_t n = begin(input);

	if ((n == SECOND && me->attempt == 1) || n == NEVER_DONE)
		hang();
	return answer(me, input, size);
}

START_TEST(they_are_tried_again)
{
	const struct vm_worker worker = { .setup = be_idle,
		.process = slow_at_first };
	const struct vm_options options = { .workers = 1, .chunk_size = 6,
		.item_timeout_ms = 250, .max_attempts = 3 };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 6));
	for (int i = 0; i < 6; i++) {
		int64_t n;
		int attempts;

		take(pool, &r);
		n = number(r.input);
		attempts = n == SECOND ? 2 : n == NEVER_DONE ? 3 : 1;
		ck_assert_int_eq(r.attempts, attempts);
		ck_assert_int_eq(sh->pid[n], attempts);
		if (n == NEVER_DONE)
			check_timed_out(&r, 250);
		else
			ck_assert_int_eq(r.type, VM_OUTPUT);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- workers with false words in the shared memory of their slots ---- */

static int lie_byte;

static int lie_and_hang(struct vm_context *me, const void *input, size_t size)
{
	unsigned char *at;
	size_t n;

	if (begin(input) != 4)
		return vm_output(me, input, size);
	at = own_slot(sh, &n);
	memset(at, lie_byte, n);
	hang();
}

static void check_lie(int byte, int workers)
{
	const struct vm_worker worker = { .process = lie_and_hang };
	const struct vm_options options = { .workers = workers,
		.chunk_size = 1, .max_real_in_flight_factor = 1,
		.item_timeout_ms = 250 };
	int cause[10];
	vm_pool *pool;

	start();
	lie_byte = byte;
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 10));
	ck_assert_int_eq(take_numbers(pool, 10, cause), 0);
	for (int i = 0; i < 10; i++)
		if (i == 4)
			ck_assert_int_ne(cause[i] &
			    (VM_TIMED_OUT | VM_GARBLED), 0);
		else
			ck_assert_int_eq(cause[i], 0);
	close_pool(pool);
	shared_free(sh);
}

/* Hides its begin after the caller has sampled it. */
static int hide_in_time(struct vm_context *me, const void *input, size_t size)
{
	struct slot *s;
	size_t n;

	if (begin(input) != 0)
		return vm_output(me, input, size);
	nap_ms(200);
	s = (void *)own_slot(sh, &n);
	atomic_store(&s->begun, 0);
	hang();
}

/* The caller notices at once, without the extra time to begin. */
START_TEST(one_that_hides_later_is_garbled)
{
	const struct vm_worker worker = { .process = hide_in_time };
	const struct vm_options options = { .workers = 1, .chunk_size = 1,
		.item_timeout_ms = 400 };
	int cause[3];
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 3));
	ck_assert_int_eq(take_numbers(pool, 3, cause), 0);
	ck_assert_int_eq(cause[0], VM_GARBLED);
	ck_assert_int_eq(cause[1], 0);
	ck_assert_int_eq(cause[2], 0);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

START_TEST(one_that_lies_ends_too)
{
	for (int workers = 1; workers < 3; workers++) {
		check_lie(0, workers);
		check_lie(0xff, workers);
		check_lie(0x55, workers);
	}
}
END_TEST

static int hide_and_hang(struct vm_context *me, const void *input,
    size_t size)
{
	struct slot *slot;
	size_t n;

	if (begin(input) != 2)
		return vm_output(me, input, size);
	slot = (void *)own_slot(sh, &n);
	for (int i = 0; i < SLOT_LEASES; i++)
		slot->lease[i] -= slot->lease[i] != 0;
	slot->begun--;
	atomic_fetch_add(&sh->counter[GATE], 1);
	hang();
}

/* The library waits 5 s for a worker that seems to have begun no item; the test
   ends the wait early. */
START_TEST(one_that_hides_its_beginning_ends_too)
{
	const struct vm_worker worker = { .process = hide_and_hang };
	const struct vm_options options = { .workers = 1, .chunk_size = 1,
		.max_real_in_flight_factor = 1, .item_timeout_ms = 60000,
		.flags = VM_ORDERED };
	struct vm_result r;
	struct crew *crew;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	crew = &pool->engine.crew;
	imap_to(pool, vm_range(0, 4));
	take(pool, &r);
	take(pool, &r);
	for (int i = 1; i <= 3; i++) {
		while (sh->counter[GATE] < i)
			ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1),
			    VM_LATER);
		crew_doom(crew, &crew->members[0], VM_TIMED_OUT);
	}
	take(pool, &r);
	ck_assert_int_eq(number(r.input), 2);
	ck_assert_int_eq(r.exception->cause, VM_TIMED_OUT);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* Finds the task pipe: read-only, and not the host's. */
static int task_pipe(void)
{
	struct stat s;

	for (int fd = 1023; fd > 2; fd--)
		if (fstat(fd, &s) == 0 && S_ISFIFO(s.st_mode) &&
		    (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY &&
		    (fcntl(fd, F_GETFD) & FD_CLOEXEC))
			return fd;
	_exit(97);
}

/* The first item reads the bytes of the second from the pipe. */
static int steal(struct vm_context *me, const void *input, size_t size)
{
	struct pollfd p = { .events = POLLIN };
	char loot[4096];

	if (begin(input) == 0) {
		p.fd = task_pipe();
		atomic_store(&sh->counter[GATE], 1);
		if (poll(&p, 1, limit_ms()) != 1 ||
		    read(p.fd, loot, sizeof loot) <= 0)
			return -1;
	}
	return vm_output(me, input, size);
}

/* The library waits 5 s for a worker that lacks its item; here the time is made
   to pass faster. */
START_TEST(a_stolen_item_is_sent_again)
{
	const struct vm_worker worker = { .process = steal };
	const struct vm_options options = { .workers = 1, .chunk_size = 1,
		.item_timeout_ms = 500 };
	struct vm_result r;
	struct member *m;
	vm_pool *pool;
	int rc;

	start();
	pool = fork_pool(&worker, &options);
	m = &pool->engine.crew.members[0];
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 1));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
	wait_for(&sh->counter[GATE], 1);
	imap_to(pool, vm_range(1, 2));
	take(pool, &r);
	ck_assert_int_eq(number(r.input), 0);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	while ((rc = vm_zip_in_out_within(pool, &r, 5)) == VM_LATER)
		m->ran += m->generation == 1 ? 500 * MS_IN_NS : 0;
	ck_assert_int_eq(rc, 1);
	ck_assert_int_eq(number(r.input), 1);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	ck_assert_int_eq(r.attempts, 1);
	ck_assert_int_eq(sh->pid[1], 1);
	ck_assert_uint_eq(m->generation, 2);
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- setup callbacks ---- */

static int plain(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static int setup_hangs(struct vm_context *me)
{
	(void)me;
	atomic_fetch_add(&sh->counter[SETUPS], 1);
	hang();
}

START_TEST(a_setup_that_hangs_is_given_up)
{
	const struct vm_worker worker = { .setup = setup_hangs,
		.process = plain };
	const struct vm_options options = { .workers = 2,
		.setup_timeout_ms = 60 };
	struct vm_result r;
	vm_pool *pool;
	int rc, got = 0;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 10));
	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		ck_assert_int_eq(r.exception->cause, VM_SETUP_FAILED);
		ck_assert_int_eq(r.attempts, 0);
		ck_assert_ptr_nonnull(strstr(r.exception->message,
		    "setup_timeout_ms"));
		got++;
	}
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_ge(got, 1);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "setup_timeout_ms"));
	ck_assert_int_le(sh->counter[SETUPS], 10);
	close_pool(pool);
}
END_TEST

static int setup_of_one_hangs(struct vm_context *me)
{
	return me->worker_index == 1 ? setup_hangs(me) : 0;
}

/* Gives inputs until the place is given up. */
START_TEST(one_that_hangs_costs_only_its_place)
{
	const struct vm_worker worker = { .setup = setup_of_one_hangs,
		.process = of_20_ms };
	const struct vm_options options = { .workers = 3,
		.setup_timeout_ms = 60 };
	struct vm_result r;
	vm_pool *pool;
	int tries, got;

	start();
	pool = fork_pool(&worker, &options);
	for (tries = 0; tries < 100 &&
	    strstr(vm_error(pool), "given up") == NULL; tries++) {
		imap_to(pool, vm_range(0, INPUTS));
		for (got = 0; vm_zip_in_out(pool, &r) == 1; got++) {
			ck_assert_int_eq(r.type, VM_OUTPUT);
			ck_assert_int_eq(r.attempts, 1);
		}
		ck_assert_int_eq(got, INPUTS);
	}
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "Worker 1 was given up"));
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "setup_timeout_ms"));
	ck_assert_int_le(sh->counter[SETUPS], 5);
	ck_assert_int_eq(vm_broken(pool), 0);
	ck_assert_int_eq(vm_close(pool), 1);
}
END_TEST

static int setup_of_100_ms(struct vm_context *me)
{
	(void)me;
	atomic_fetch_add(&sh->counter[SETUPS], 1);
	nap_ms(100);
	return 0;
}

START_TEST(a_slow_setup_may_take_its_time)
{
	const struct vm_worker worker = { .setup = setup_of_100_ms,
		.process = plain };
	const struct vm_options options = { .workers = 2,
		.setup_timeout_ms = 5000, .item_timeout_ms = 5000 };
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	ck_assert_int_eq(sh->counter[SETUPS], 2);
	close_pool(pool);
}
END_TEST

/* ---- teardown callbacks and close ---- */

static void teardown_hangs(struct vm_context *me)
{
	(void)me;
	atomic_store(&sh->pid[PIDS + atomic_fetch_add(
	    &sh->counter[TEARDOWNS], 1)], getpid());
	signal(SIGTERM, SIG_IGN);
	hang();
}

/* Returns a bound for the end of a pool that must take bound_ms: ten times that
   and the time of another pool's life, on a machine as slow as was measured.
   Where others take the CPU, a process can wait for seconds until it may die. */
static uint64_t soon_ns(int bound_ms)
{
	const struct vm_worker worker = { .process = plain };
	uint64_t began = clock_ns(), slowness = (uint64_t)limit_ms() / 60000;
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 2 });

	ck_assert_int_eq(vm_ready(pool, -1), 0);
	close_pool(pool);
	return 10 * MAX(slowness, 1) * (clock_ns() - began +
	    (uint64_t)(bound_ms + 200) * MS_IN_NS);
}

START_TEST(a_teardown_that_hangs_is_ended)
{
	const struct vm_worker worker = { .process = plain,
		.teardown = teardown_hangs };
	const struct vm_options options = { .workers = 2,
		.teardown_timeout_ms = 50 };
	uint64_t began, soon = soon_ns(50);
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	began = clock_ns();
	ck_assert_int_eq(vm_close(pool), 1);
	ck_assert_uint_ge(clock_ns() - began, 50 * MS_IN_NS);
	ck_assert_uint_lt(clock_ns() - began, soon);
	ck_assert_int_eq(sh->counter[TEARDOWNS], 2);
	for (int i = 0; i < 2; i++)
		ck_assert(!is_alive(sh->pid[PIDS + i]));
}
END_TEST

static int tell_pid(struct vm_context *me)
{
	(void)me;
	atomic_store(&sh->pid[PIDS], getpid());
	return 0;
}

static void count_teardown(struct vm_context *me)
{
	(void)me;
	atomic_fetch_add(&sh->counter[TEARDOWNS], 1);
}

/* As on a busy machine: the time for running items is over before the worker
   has a CPU again. */
START_TEST(an_idle_worker_comes_to_its_teardown)
{
	const struct vm_worker worker = { .setup = tell_pid,
		.process = plain, .teardown = count_teardown };
	const struct vm_options options = { .workers = 1,
		.close_timeout_ms = 10 };
	vm_pool *pool;
	pid_t helper;

	start();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	ck_assert_int_eq(kill(sh->pid[PIDS], SIGSTOP), 0);
	helper = new_process();
	if (helper == 0) {
		nap_ms(200);
		kill(sh->pid[PIDS], SIGCONT);
		_exit(0);
	}
	close_pool(pool);
	ck_assert_int_eq(waitpid(helper, NULL, 0), helper);
	ck_assert_int_eq(sh->counter[TEARDOWNS], 1);
}
END_TEST

static void teardown_of_100_ms(struct vm_context *me)
{
	(void)me;
	nap_ms(100);
	atomic_fetch_add(&sh->counter[TEARDOWNS], 1);
}

START_TEST(a_slow_teardown_may_take_its_time)
{
	const struct vm_worker worker = { .process = plain,
		.teardown = teardown_of_100_ms };
	const struct vm_options options = { .workers = 2,
		.close_timeout_ms = 10, .item_timeout_ms = 10 };
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	close_pool(pool);
	ck_assert_int_eq(sh->counter[TEARDOWNS], 2);
}
END_TEST

/* The first item hangs, the second ends in time; records a pid of each. */
static int hang_at_close(struct vm_context *me, const void *input,
    size_t size)
{
	int64_t n = begin(input);

	atomic_store(&sh->pid[PIDS + n], getpid());
	atomic_fetch_add(&sh->counter[BEGUN], 1);
	if (n == 0)
		hang();
	if (await(&sh->counter[GATE], 1, limit_ms()) < 0)
		return -1;
	nap_ms(30);
	atomic_fetch_add(&sh->counter[DONE], 1);
	return vm_output(me, input, size);
}

static void check_close(const struct vm_options *options)
{
	const struct vm_worker worker = { .process = hang_at_close };
	struct vm_result r;
	uint64_t began, soon = soon_ns(200);
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, options);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, vm_range(0, 2));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
	wait_for(&sh->counter[BEGUN], 2);
	atomic_store(&sh->counter[GATE], 1);
	began = clock_ns();
	close_pool(pool);
	ck_assert_uint_ge(clock_ns() - began, 200 * MS_IN_NS);
	ck_assert_uint_lt(clock_ns() - began, soon);
	ck_assert_int_eq(sh->counter[DONE], 1);
	for (int i = 0; i < 2; i++)
		ck_assert(!is_alive(sh->pid[PIDS + i]));
	shared_free(sh);
}

START_TEST(closing_ends_what_hangs)
{
	check_close(&(struct vm_options){ .workers = 2, .chunk_size = 1,
	    .close_timeout_ms = 200 });
	check_close(&(struct vm_options){ .workers = 2, .chunk_size = 1,
	    .close_timeout_ms = 200, .item_timeout_ms = 60000 });
}
END_TEST

/* ---- idle workers ---- */

/* The first worker is stopped from outside after its item. */
static int is_stopped_later(struct vm_context *me, const void *input,
    size_t size)
{
	pid_t worker = getpid();

	if (begin(input) == 0 && fork() == 0) {
		setpgid(0, 0);
		await(&sh->counter[GATE], 1, limit_ms());
		nap_ms(50);
		kill(worker, SIGSTOP);
		_exit(0);
	}
	return vm_output(me, input, size);
}

/* The worker has run its maximum of items, and must leave. */
START_TEST(one_that_does_not_leave_is_ended)
{
	const struct vm_worker worker = { .process = is_stopped_later };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 1,
	    .chunk_size = 1, .worker_max_items = 1,
	    .item_timeout_ms = 200 });
	imap_to(pool, vm_range(0, 3));
	for (int i = 0; i < 3; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, 1);
		atomic_store(&sh->counter[GATE], 1);
		nap_ms(i == 0 ? 300 : 0);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

static volatile sig_atomic_t asked_to_end;

static void on_term(int signal)
{
	(void)signal;
	asked_to_end = 1;
}

/* Ends after the SIGTERM of its time limit; soon after, the fork server is
   killed. */
static int just_too_late(struct vm_context *me, const void *input,
    size_t size)
{
	pid_t server = getppid();

	signal(SIGTERM, on_term);
	while (!asked_to_end)
		nap_ms(1);
	signal(SIGTERM, SIG_IGN);
	if (fork() == 0) {
		nap_ms(50);
		kill(server, SIGKILL);
		_exit(0);
	}
	return vm_output(me, input, size);
}

/* Returns true if the pool broke before the worker's death was reported. */
static bool check_last_words(void)
{
	const struct vm_worker worker = { .process = just_too_late };
	struct vm_result r;
	vm_pool *pool;
	bool broke;

	start();
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 1,
	    .item_timeout_ms = 100 });
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	broke = vm_zip_in_out(pool, &r) == -1;
	ck_assert_int_eq(vm_broken(pool), broke);
	vm_close(pool);
	shared_free(sh);
	return broke;
}

/* On a busy machine the worker may be reaped first; then the test tries
   again. */
START_TEST(what_it_said_last_is_read_in_a_broken_pool)
{
	int tries = 50;

	while (!check_last_words() && tries-- > 0)
		continue;
	ck_assert_int_gt(tries, 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		several_workers_at_once,
		nor_if_it_began_after_the_clock_was_read,
		its_children_end_with_it, time_before_it_begins_does_not_count,
		one_that_lies_ends_too, one_that_hides_its_beginning_ends_too,
		a_stolen_item_is_sent_again,
		one_that_hangs_costs_only_its_place,
		a_slow_setup_may_take_its_time, a_teardown_that_hangs_is_ended,
		a_slow_teardown_may_take_its_time,
		an_idle_worker_comes_to_its_teardown, closing_ends_what_hangs,
		what_it_said_last_is_read_in_a_broken_pool };
	const TTest *const drawn[] = {
		a_caller_may_be_stopped, one_that_does_not_leave_is_ended,
		what_takes_too_long_ends_alone, items_that_go_on_are_let_be,
		a_caller_may_be_away, time_away_counts_in_part,
		waiting_to_be_read_does_not_count,
		a_result_that_made_it_is_a_result,
		one_that_hides_later_is_garbled, it_is_never_early,
		nor_does_the_next_one_pay, waiting_in_a_chunk_does_not_count,
		a_setup_that_hangs_is_given_up, no_limit_no_verdict,
		they_are_tried_again };

	return run_sampled_tests("timeouts", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
