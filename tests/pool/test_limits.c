/*
 * test_limits.c - limits on a worker: number of items, memory, CPU time; a
 * worker that has reached a limit is replaced between two items, at no cost to
 * any item.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "tools.h"

#define MIB ((size_t)1 << 20)

enum { SETUPS, TEARDOWNS, DONE };
enum { ITEMS = 400, ITEMS_MOST = 512 };

static struct shared *sh;

static void start(void)
{
	no_cores();
	sh = shared_new();
}

static int plain(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static int count_setup(struct vm_context *me)
{
	(void)me;
	atomic_fetch_add(&sh->counter[SETUPS], 1);
	return 0;
}

static void count_teardown(struct vm_context *me)
{
	(void)me;
	atomic_fetch_add(&sh->counter[TEARDOWNS], 1);
}

/* ---- number of items per worker ---- */

/* Every n-th item kills its worker; 0: no item does. */
static int crash_every;

static bool is_fatal(int64_t n)
{
	return crash_every > 0 && n % crash_every == crash_every - 1;
}

/* Records the worker of each item, which must not have run before. */
static int note_pid(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	if (atomic_exchange(&sh->pid[n], getpid()) != 0)
		return vm_fail(me, 1, "number %d is not new", (int)n);
	if (is_fatal(n))
		raise(SIGKILL);
	return vm_output(me, input, size);
}

static void take_items(vm_pool *pool, int items, int ordered)
{
	bool seen[ITEMS_MOST] = { false };
	struct vm_result r;

	for (int i = 0; i < items; i++) {
		int64_t n;

		take(pool, &r);
		n = number(r.input);
		ck_assert(n >= 0 && n < items && !seen[n]);
		seen[n] = true;
		ck_assert(n == i || !ordered);
		ck_assert_int_eq(r.attempts, 1);
		ck_assert_int_eq(r.exception ? (int)r.exception->cause : 0,
		    is_fatal(n) ? VM_KILLED : 0);
		if (r.type == VM_OUTPUT)
			ck_assert_int_eq(number(r.output), n);
	}
	take_end(pool);
}

/* Counts the workers; no worker may have run more than "most" items, and only
   few workers fewer. */
static int check_shares(int items, int most, int may_have_less)
{
	int workers = 0, less = 0;

	for (int i = 0; i < items; i++) {
		int had = 0;

		for (int k = 0; k < items; k++) {
			if (sh->pid[k] != sh->pid[i])
				continue;
			if (k < i)
				break;		/* counted before */
			had++;
		}
		workers += had > 0;
		less += had > 0 && had < most;
		ck_assert_int_le(had, most);
	}
	ck_assert_int_le(less, may_have_less);
	return workers;
}

static void check_items(int items, const struct vm_options *options)
{
	const struct vm_worker worker = { .setup = count_setup,
		.process = note_pid, .teardown = count_teardown };
	int crashes = crash_every ? items / crash_every : 0;
	int fds = count_fds(), n;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, options);
	imap_to(pool, vm_range(0, items));
	take_items(pool, items, options->flags & VM_ORDERED);
	close_pool(pool);
	n = check_shares(items, options->worker_max_items,
	    options->workers + crashes);
	ck_assert_int_ge(n, items / options->worker_max_items);
	ck_assert_int_ge(sh->counter[SETUPS], n);
	ck_assert_int_eq(sh->counter[TEARDOWNS], sh->counter[SETUPS] -
	    crashes);
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), 0);
	shared_free(sh);
}

START_TEST(no_worker_has_more_items)
{
	const size_t chunks[] = { 1, 3, 50, 0 };

	for (size_t i = 0; i < COUNTOF(chunks); i++)
		for (int ordered = 0; ordered < 2; ordered++)
			check_items(ITEMS, &(struct vm_options){
			    .workers = 1 + 2 * ordered,
			    .chunk_size = chunks[i],
			    .flags = ordered ? VM_ORDERED : 0,
			    .worker_max_items = 20 });
}
END_TEST

START_TEST(not_when_some_crash_either)
{
	const size_t chunks[] = { 1, 3, 50, 0 };

	crash_every = 33;
	for (size_t i = 0; i < COUNTOF(chunks); i++)
		for (int ordered = 0; ordered < 2; ordered++)
			check_items(ITEMS, &(struct vm_options){
			    .workers = 2, .chunk_size = chunks[i],
			    .flags = ordered ? VM_ORDERED : 0,
			    .worker_max_items = 20 });
}
END_TEST

START_TEST(one_item_each)
{
	check_items(200, &(struct vm_options){ .workers = 2,
	    .worker_max_items = 1 });
	check_items(200, &(struct vm_options){ .workers = 3,
	    .chunk_size = 200, .flags = VM_ORDERED, .worker_max_items = 1 });
}
END_TEST

/* A second attempt counts as an item like any other. */
static int second_time(struct vm_context *me, const void *input, size_t size)
{
	atomic_fetch_add(&sh->pid[number(input)], 1);
	atomic_fetch_add(&sh->counter[DONE], 1);
	return me->attempt == 1 ? -1 : vm_output(me, input, size);
}

START_TEST(attempts_count_as_items)
{
	const struct vm_worker worker = { .setup = count_setup,
		.process = second_time };
	const struct vm_options options = { .workers = 2, .chunk_size = 7,
		.max_attempts = 2, .worker_max_items = 5 };
	int cause[100];
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(take_numbers(pool, 100, cause), 0);
	for (int i = 0; i < 100; i++) {
		ck_assert_int_eq(cause[i], 0);
		ck_assert_int_eq(sh->pid[i], 2);
	}
	ck_assert_int_eq(sh->counter[DONE], 200);
	ck_assert_int_ge(sh->counter[SETUPS], 200 / 5);
	close_pool(pool);
}
END_TEST

/* A source whose next input becomes ready when the last item is done. */
static int64_t fed;

static int next_after_last(void *from, const void **input, size_t *size)
{
	static int64_t n;

	(void)from;
	if (fed == 20)
		return 0;
	if (await(&sh->counter[DONE], fed, limit_ms()) < 0) {
		errno = ETIMEDOUT;
		return -1;
	}
	n = fed++;
	*input = &n;
	*size = sizeof n;
	return 1;
}

static int count_done(struct vm_context *me, const void *input, size_t size)
{
	atomic_fetch_add(&sh->counter[DONE], 1);
	return vm_output(me, input, size);
}

static void check_feedback(int max_items)
{
	const struct vm_worker worker = { .process = count_done };
	const struct vm_options options = { .workers = 1, .chunk_size = 1,
		.worker_max_items = max_items };
	int cause[20];
	vm_pool *pool;

	start();
	fed = 0;
	pool = fork_pool(&worker, &options);
	imap_to(pool, (struct vm_source){ .next = next_after_last });
	ck_assert_msg(take_numbers(pool, 20, cause) == 0, "%s",
	    vm_error(pool));
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(cause[i], 0);
	close_pool(pool);
	shared_free(sh);
}

/* While a worker is replaced, the caller must not wait for the source
   either. */
START_TEST(a_source_may_wait_for_its_own_items)
{
	check_feedback(0);
	check_feedback(1);
	check_feedback(3);
}
END_TEST

/* ---- memory ---- */

static int leak(struct vm_context *me, const void *input, size_t size)
{
	volatile char *lost = malloc(MIB);

	if (lost == NULL)
		return vm_fail(me, ENOMEM, "no memory to leak");
	for (size_t i = 0; i < MIB; i += 1024)
		lost[i] = 1;
	nap_ms(8);
	return note_pid(me, input, size);
}

START_TEST(workers_that_grow_are_replaced)
{
	const struct vm_worker worker = { .setup = count_setup,
		.process = leak, .teardown = count_teardown };
	const struct vm_options options = { .workers = 2,
		.worker_max_rss_bytes = (size_t)memory_kib() * 1024 + 40 * MIB };
	vm_pool *pool;
	int n;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 350));
	take_items(pool, 350, 0);
	close_pool(pool);
	n = check_shares(350, 350, 350);
	ck_assert_int_gt(n, 2);
	ck_assert_int_ge(sh->counter[SETUPS], n);
	ck_assert_int_eq(sh->counter[TEARDOWNS], sh->counter[SETUPS]);
}
END_TEST

static int later(void *from, const void **input, size_t *size)
{
	(void)from;
	(void)input;
	(void)size;
	return VM_LATER;
}

static int never_readable(void *from)
{
	return *(const int *)from;
}

static long waits(void)
{
	struct rusage usage;

	ck_assert_int_eq(getrusage(RUSAGE_SELF, &usage), 0);
	return usage.ru_nvcsw;
}

static int waits_for_seconds(struct vm_context *me, const void *input,
    size_t size)
{
	nap_ms(2500);
	return vm_output(me, input, size);
}

static double cpu_seconds(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

/* Memory of leaving workers is not sampled either. */
START_TEST(a_closing_pool_sleeps)
{
	const struct vm_worker worker = { .process = waits_for_seconds };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 1, .worker_max_rss_bytes = 1024 * MIB });
	struct vm_result r;
	double began;

	imap_to(pool, vm_range(0, 1));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 100), VM_LATER);
	began = cpu_seconds();
	close_pool(pool);
	ck_assert(cpu_seconds() - began < 0.5);
}
END_TEST

/* Memory is sampled once a second, but not of idle workers. */
START_TEST(an_idle_pool_sleeps)
{
	const struct vm_worker worker = { .process = plain };
	const struct vm_options options = { .workers = 2,
		.worker_max_rss_bytes = 1 << 30, .worker_max_items = 1000 };
	vm_pool *pool = fork_pool(&worker, &options);
	struct vm_result r;
	int cause[50], ends[2];
	long before;

	imap_to(pool, vm_range(0, 50));
	ck_assert_int_eq(take_numbers(pool, 50, cause), 0);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	ck_assert_int_eq(pipe(ends), 0);
	imap_to(pool, (struct vm_source){ .next = later, .from = &ends[0],
	    .wait_fd = never_readable });
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 10), VM_LATER);
	before = waits();
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1500), VM_LATER);
	ck_assert_int_le(waits() - before, 1);
	close_pool(pool);
}
END_TEST

/* ---- address space ---- */

/* Returns an address space limit that allows "more" bytes beyond the current
   use. */
static size_t space_and(size_t more)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%lu", &pages), 1);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE) + more;
}

static bool is_skipped(void)
{
	if (SANITIZED)
		puts("worker_max_address_bytes: skipped, the address sanitizer "
		    "needs more than any limit");
	return SANITIZED;
}

/* Returns whether malloc() can allocate size bytes. */
static bool has_memory(size_t size)
{
	char *volatile p = malloc(size);
	bool has = p != NULL;

	free(p);
	return has;
}

static int needs_much(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) % 5 == 3 && !has_memory(256 * MIB))
		return vm_fail(me, ENOMEM, "no memory: %m");
	if (!has_memory(4 * MIB))
		return vm_fail(me, 1, "no memory at all");
	return note_pid(me, input, size);
}

START_TEST(beyond_the_limit_malloc_fails)
{
	const struct vm_worker worker = { .setup = count_setup,
		.process = needs_much };
	const struct vm_options options = { .workers = 2,
		.worker_max_address_bytes = space_and(64 * MIB) };
	struct vm_result r;
	vm_pool *pool;

	if (is_skipped())
		return;
	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 50));
	for (int i = 0; i < 50; i++) {
		take(pool, &r);
		if (number(r.input) % 5 != 3) {
			ck_assert_int_eq(r.type, VM_OUTPUT);
			continue;
		}
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_int_eq(r.exception->cause, VM_FAILED);
		ck_assert_int_eq(r.exception->code, ENOMEM);
	}
	take_end(pool);
	ck_assert_int_le(sh->counter[SETUPS], 2);
	close_pool(pool);
}
END_TEST

/* No worker can be set up, and the message contains the limit and the text. */
static void check_too_low(int (*setup)(struct vm_context *), size_t limit,
    const char *words)
{
	const struct vm_worker worker = { .setup = setup, .process = plain };
	const struct vm_options options = { .workers = 1,
		.worker_max_address_bytes = limit };
	vm_pool *pool = fork_pool(&worker, &options);
	char name[64];
	struct vm_result r;

	snprintf(name, sizeof name, "worker_max_address_bytes is %zu", limit);
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_EXCEPTION);
	ck_assert_int_eq(r.exception->cause, VM_SETUP_FAILED);
	ck_assert_int_eq(vm_zip_in_out(pool, &r), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_msg(strstr(vm_error(pool), name) != NULL, "%s",
	    vm_error(pool));
	ck_assert_msg(strstr(vm_error(pool), words) != NULL, "%s",
	    vm_error(pool));
	close_pool(pool);
}

static int setup_needs_much(struct vm_context *me)
{
	return has_memory(256 * MIB) ? 0 : vm_fail(me, ENOMEM, "no room: %m");
}

static int setup_talks(struct vm_context *me)
{
	return has_memory(256 * MIB) ? 0 :
	    vm_fail(me, ENOMEM, "no room%01000d", 0);
}

static int setup_dies(struct vm_context *me)
{
	(void)me;
	if (!has_memory(256 * MIB))
		abort();
	return 0;
}

START_TEST(limits_too_low_are_named)
{
	if (is_skipped())
		return;
	start();
	check_too_low(NULL, MIB, "");
	check_too_low(setup_needs_much, space_and(64 * MIB), "no room: ");
	check_too_low(setup_talks, space_and(64 * MIB), "no room0000");
	check_too_low(setup_dies, space_and(64 * MIB), "signal 6");
}
END_TEST

/* ---- CPU time ---- */

/* Computes until this process has used this many ms of CPU time. */
static void burn(long ms)
{
	struct timespec had = { 0, 0 };

	while (ms < 0 || had.tv_sec * 1000 + had.tv_nsec / 1000000 < ms)
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &had);
}

enum { FOR_EVER = 3 };

static int burns(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	if (n == FOR_EVER)
		burn(-1);
	/* Two such items use more CPU time than a worker may have. */
	if (n == FOR_EVER - 1 || n == FOR_EVER + 1)
		burn(600);
	return note_pid(me, input, size);
}

START_TEST(cpu_time_is_limited)
{
	const struct vm_worker worker = { .setup = count_setup,
		.process = burns };
	const struct vm_options options = { .workers = 1,
		.worker_max_cpu_seconds = 1 };
	struct vm_result r;
	vm_pool *pool;

	start();
	/* The limit works even if the host ignores the signal. */
	signal(SIGXCPU, SIG_IGN);
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 10));
	for (int i = 0; i < 10; i++) {
		take(pool, &r);
		if (number(r.input) != FOR_EVER) {
			ck_assert_int_eq(r.type, VM_OUTPUT);
			continue;
		}
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_int_eq(r.exception->cause, VM_KILLED);
		ck_assert_int_eq(r.exception->signal, SIGXCPU);
		ck_assert_msg(strstr(r.exception->message,
		    "worker_max_cpu_seconds") != NULL, "%s", r.exception->message);
	}
	take_end(pool);
	ck_assert_int_eq(sh->counter[SETUPS], 2);
	ck_assert_int_ne(sh->pid[0], sh->pid[9]);
	close_pool(pool);
}
END_TEST

/* ---- limits that the user sets ---- */

static int limit_files(struct vm_context *me)
{
	const struct rlimit few = { 20, 20 };

	(void)me;
	return setrlimit(RLIMIT_NOFILE, &few);
}

static int has_few_files(struct vm_context *me, const void *input,
    size_t size)
{
	struct rlimit files, cpu;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur != 20)
		return vm_fail(me, 1, "the limit on files is not ours");
	if (getrlimit(RLIMIT_CPU, &cpu) != 0 || cpu.rlim_cur != 100)
		return vm_fail(me, 2, "the limit on CPU time is not there");
	return vm_output(me, input, size);
}

START_TEST(setup_may_set_other_limits)
{
	const struct vm_worker worker = { .setup = limit_files,
		.process = has_few_files };
	const struct vm_options options = { .workers = 2,
		.worker_max_cpu_seconds = 100, .worker_max_items = 10 };
	vm_pool *pool = fork_pool(&worker, &options);
	int cause[100];

	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(take_numbers(pool, 100, cause), 0);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(cause[i], 0);
	close_pool(pool);
}
END_TEST

/* All callbacks run in the caller, which cannot be replaced. */
START_TEST(serial_pools_have_no_limits)
{
	const struct vm_worker worker = { .setup = count_setup,
		.process = note_pid, .teardown = count_teardown };
	const struct vm_options options = { .workers = VM_SERIAL,
		.worker_max_items = 1, .worker_max_rss_bytes = 1,
		.worker_max_address_bytes = 1, .worker_max_cpu_seconds = 1 };
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 20));
	take_items(pool, 20, 0);
	ck_assert_int_eq(sh->counter[SETUPS], 1);
	ck_assert_int_eq(sh->pid[19], getpid());
	close_pool(pool);
	ck_assert_int_eq(sh->counter[TEARDOWNS], 1);
}
END_TEST

/* ---- the process that is killed when memory runs out ---- */

static int read_score(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "r");
	int score = -10000;

	if (f == NULL || fscanf(f, "%d", &score) != 1)
		score = -10000;
	if (f != NULL)
		fclose(f);
	return score;
}

static int tell_score(struct vm_context *me, const void *input, size_t size)
{
	int64_t score = read_score();

	(void)input;
	(void)size;
	return vm_output(me, &score, sizeof score);
}

static int check_score(void *unused)
{
	const struct vm_worker worker = { .process = tell_score };
	const struct vm_options options = { .workers = 1 };
	vm_pool *pool = fork_pool(&worker, &options);
	struct vm_result r;
	int64_t score;

	(void)unused;
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	score = number(r.output);
	ck_assert_msg(score == MAX(500, read_score()), "%d with %d here",
	    (int)score, read_score());
	close_pool(pool);
	return 0;
}

static int check_score_of_a_victim(void *unused)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "w");

	if (f == NULL || fputs("800", f) == EOF || fclose(f) != 0)
		return 77;
	return check_score(unused);
}

/* The OOM score of a worker is at least 500, and at least the score of the
   host. */
START_TEST(workers_are_chosen_before_the_host)
{
	int status = in_child(check_score, NULL);

	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	status = in_child(check_score_of_a_victim, NULL);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		puts("oom_score_adj: the host's cannot be set here");
	else
		ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		attempts_count_as_items, a_source_may_wait_for_its_own_items,
		beyond_the_limit_malloc_fails, setup_may_set_other_limits,
		serial_pools_have_no_limits,
		workers_are_chosen_before_the_host };
	const TTest *const drawn[] = {
		workers_that_grow_are_replaced, a_closing_pool_sleeps,
		cpu_time_is_limited, not_when_some_crash_either,
		an_idle_pool_sleeps, limits_too_low_are_named,
		no_worker_has_more_items, one_item_each };

	return run_sampled_tests("limits", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
