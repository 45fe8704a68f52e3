/*
 * test_failures.c - captured failures: errors of the callback process(), deaths
 * of workers, which item is blamed and which results are kept, retries, setups
 * that fail.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "sample.h"
#include "shm/slots.h"
#include "tools.h"

enum { HANDLERS, SETUPS, TEARDOWNS, GATE, CLOSED };

static struct shared *sh;

static void start(void)
{
	no_cores();
	sh = shared_new();
}

/* Counts the runs of each input in sh->pid. */
static int64_t count_run(const void *input)
{
	int64_t n = number(input);

	atomic_fetch_add(&sh->pid[n], 1);
	return n;
}

/* ---- errors of the callback process() ---- */

static int says(struct vm_context *me, const void *input, size_t size)
{
	static char text[10000];

	vm_output(me, input, size);
	switch (number(input)) {
	case 0:
		errno = ENOENT;
		return vm_fail(me, 7, "bad %d: %m", 5);
	case 1:
		vm_fail(me, 0, "zero");
		return 0;
	case 2:
		vm_fail(me, 1, "first");
		vm_fail(me, 2, "last");
		return 3;
	case 3:
		memset(text, 'x', sizeof text - 1);
		return vm_fail(me, 1, "%s", text);
	case 4:
		return 42;
	case 5:
		return vm_fail(me, -3, "%s", "");
	case 6:
		return -9;
	default:
		return 0;
	}
}

static void check_saying(const struct vm_result *r, int code,
    const char *message)
{
	const struct vm_exception *x = r->exception;

	ck_assert_int_eq(r->type, VM_EXCEPTION);
	ck_assert_ptr_null(r->output);
	ck_assert_uint_eq(r->output_size, 0);
	ck_assert_int_eq(x->cause, VM_FAILED);
	ck_assert_int_eq(x->code, code);
	ck_assert_int_eq(x->signal, 0);
	ck_assert_int_eq(x->exit_status, -1);
	ck_assert_int_eq(x->core_dumped, 0);
	ck_assert_int_eq(r->attempts, 1);
	ck_assert_str_eq(x->message, message);
}

static void check_says(const struct vm_options *options)
{
	const struct vm_worker worker = { .process = says };
	vm_pool *pool = fork_pool(&worker, options);
	static char cut[4096];
	struct vm_result r;
	const struct { int code; const char *message; } expected[] = {
		{ 7, "bad 5: No such file or directory" },
		{ 0, "zero" }, { 2, "last" }, { 1, cut },
		{ 42, "process() failed with code 42." },
		{ -3, "process() failed with code -3." },
		{ -9, "process() failed with code -9." },
	};

	memset(cut, 'x', sizeof cut - 1);
	imap_to(pool, vm_range(0, COUNTOF(expected) + 1));
	for (size_t i = 0; i < COUNTOF(expected); i++) {
		take(pool, &r);
		ck_assert_int_eq(number(r.input), i);
		check_saying(&r, expected[i].code, expected[i].message);
	}
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	take_end(pool);
	close_pool(pool);
}

START_TEST(returned_failures_have_code_and_message)
{
	check_says(&(struct vm_options){ .workers = 2, .flags = VM_ORDERED });
	check_says(&(struct vm_options){ .workers = 1, .flags = VM_ORDERED,
	    .chunk_size = 8 });
	check_says(&(struct vm_options){ .workers = VM_SERIAL,
	    .flags = VM_ORDERED });
}
END_TEST

/* ---- how workers die ---- */

static const int signals[] = { SIGSEGV, SIGKILL, SIGTERM, SIGHUP, SIGINT,
	SIGPIPE, SIGUSR1, SIGALRM, SIGFPE, SIGTRAP, SIGXCPU, SIGQUIT, SIGABRT };

enum { SIGNALS = COUNTOF(signals), ABORT = SIGNALS, CRASH, DEATHS };

static int die_of_signal(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);
	long page = sysconf(_SC_PAGESIZE);
	volatile int *nowhere = mmap(NULL, (size_t)page, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (n < SIGNALS)
		raise(signals[n]);
	if (n == ABORT)
		abort();
	if (n == CRASH)
		*nowhere = 1;
	return vm_output(me, input, size);
}

static int expected_signal(int64_t n)
{
	if (n < SIGNALS)
		return signals[n];
	return n == ABORT ? SIGABRT : SIGSEGV;
}

START_TEST(signals_kill_one_item_each)
{
	const struct vm_worker worker = { .process = die_of_signal };
	const struct vm_options options = { .workers = 3 };
	vm_pool *pool;
	struct vm_result r;
	int dead = 0;

	start();
	for (int i = 0; i < SIGNALS; i++)
		signal(signals[i], SIG_DFL);
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 100));
	for (int i = 0; i < 100; i++) {
		take(pool, &r);
		if (number(r.input) >= DEATHS) {
			ck_assert_int_eq(r.type, VM_OUTPUT);
			continue;
		}
		dead++;
		ck_assert_msg(r.type == VM_EXCEPTION, "%d lived",
		    (int)number(r.input));
		ck_assert_int_eq(r.exception->cause, VM_KILLED);
		ck_assert_int_eq(r.exception->signal,
		    expected_signal(number(r.input)));
		ck_assert_int_eq(r.exception->exit_status, -1);
		ck_assert_int_eq(r.exception->core_dumped, 0);
		ck_assert_int_gt(r.exception->pid, 0);
		ck_assert_int_eq(r.exception->worker_index, r.worker_index);
		ck_assert(r.worker_index >= 0 && r.worker_index < 3);
		ck_assert_uint_gt(r.exception->max_rss, 0);
		ck_assert_ptr_nonnull(strchr(r.exception->message, '.'));
	}
	ck_assert_int_eq(dead, DEATHS);
	take_end(pool);
	close_pool(pool);
}
END_TEST

static int leave(struct vm_context *me, const void *input, size_t size)
{
	switch (number(input)) {
	case 0:
		exit(3);
	case 1:
		exit(0);
	case 2:
		_exit(0);
	case 3:
		vm_output(me, input, size);
		_exit(77);
	default:
		return vm_output(me, input, size);
	}
}

START_TEST(workers_that_leave_cost_one_item)
{
	const struct vm_worker worker = { .process = leave };
	const struct vm_options options = { .workers = 1, .chunk_size = 20,
		.flags = VM_ORDERED };
	const int status[] = { 3, 0, 0, 77 };
	vm_pool *pool = fork_pool(&worker, &options);
	struct vm_result r;

	imap_to(pool, vm_range(0, 20));
	for (int i = 0; i < 20; i++) {
		take(pool, &r);
		ck_assert_int_eq(number(r.input), i);
		if (i >= 4) {
			ck_assert_int_eq(r.type, VM_OUTPUT);
			continue;
		}
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_int_eq(r.exception->cause, VM_EXITED);
		ck_assert_int_eq(r.exception->exit_status, status[i]);
		ck_assert_int_eq(r.exception->signal, 0);
		ck_assert_ptr_null(r.output);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- exit handlers of the host ---- */

static pid_t host;

static void at_exit(void)
{
	if (getpid() != host)
		atomic_fetch_add(&sh->counter[HANDLERS], 1);
	else
		atomic_fetch_add(&sh->counter[CLOSED], 1);
}

static int leave_setup(struct vm_context *me)
{
	(void)me;
	if (atomic_fetch_add(&sh->counter[SETUPS], 1) == 0)
		exit(1);
	return 0;
}

static void leave_teardown(struct vm_context *me)
{
	(void)me;
	atomic_fetch_add(&sh->counter[TEARDOWNS], 1);
	exit(0);
}

static int exiting_host(void *process)
{
	const struct vm_worker worker = { .setup = leave_setup,
		.process = *(int (**)(struct vm_context *, const void *,
		    size_t))process,
		.teardown = leave_teardown };
	const struct vm_options options = { .workers = 2 };
	int cause[20];
	vm_pool *pool;

	host = getpid();
	if (atexit(at_exit) != 0 || at_quick_exit(at_exit) != 0)
		return 1;
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 20));
	ck_assert_int_eq(take_numbers(pool, 20, cause), 0);
	close_pool(pool);
	exit(0);
}

static void check_exit_handlers(int (*process)(struct vm_context *,
    const void *, size_t))
{
	int status;

	start();
	status = in_child(exiting_host, &process);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	ck_assert_int_eq(sh->counter[HANDLERS], 0);
	ck_assert_int_eq(sh->counter[CLOSED], 1);
	ck_assert_int_ge(sh->counter[TEARDOWNS], 1);
}

START_TEST(exit_handlers_of_the_host_stay_the_hosts)
{
	check_exit_handlers(leave);
}
END_TEST

static int leave_quickly(struct vm_context *me, const void *input,
    size_t size)
{
	if (number(input) == 7)
		quick_exit(5);
	return vm_output(me, input, size);
}

START_TEST(quick_exit_handlers_as_well)
{
	check_exit_handlers(leave_quickly);
}
END_TEST

/* The C library does not tell a handler the status of quick_exit(). */
START_TEST(a_status_that_is_not_known_is_not_made_up)
{
	const struct vm_worker worker = { .process = leave_quickly };
	vm_pool *pool = fork_pool(&worker, NULL);
	struct vm_result r;

	imap_to(pool, vm_range(7, 8));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_EXCEPTION);
	ck_assert_int_eq(r.exception->cause, VM_EXITED);
	ck_assert_int_eq(r.exception->exit_status, -1);
	ck_assert_ptr_nonnull(strstr(r.exception->message, "not known"));
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- retries ---- */

enum { TWICE = 5, ALWAYS, CRASHES, EXITS, KILLS, RETRIED };

static int needs_attempts(struct vm_context *me, const void *input,
    size_t size)
{
	int64_t n = count_run(input);

	if (n == TWICE && me->attempt < 3)
		return vm_fail(me, 1, "not yet");
	if (n == ALWAYS)
		return vm_fail(me, me->attempt, "never");
	if (n == CRASHES && me->attempt == 1)
		raise(SIGSEGV);
	if (n == EXITS && me->attempt < 3)
		exit(4);
	if (n == KILLS)
		raise(SIGKILL);
	if (me->attempt != atomic_load(&sh->pid[n]))
		return vm_fail(me, 2, "this is no attempt %d", me->attempt);
	return vm_output(me, input, size);
}

static void check_attempts(const struct vm_result *r)
{
	const struct { int attempts, cause; } expected[] = {
		[TWICE] = { 3, 0 }, [ALWAYS] = { 3, VM_FAILED },
		[CRASHES] = { 2, 0 }, [EXITS] = { 3, 0 },
		[KILLS] = { 3, VM_KILLED },
	};
	int64_t n = number(r->input);
	bool known = n >= TWICE && n < RETRIED;
	int attempts = known ? expected[n].attempts : 1;
	int cause = known ? expected[n].cause : 0;

	ck_assert_int_eq(r->attempts, attempts);
	ck_assert_int_eq(sh->pid[n], attempts);
	ck_assert_int_eq(r->exception ? (int)r->exception->cause : 0, cause);
	if (n == ALWAYS) {
		ck_assert_int_eq(r->exception->code, 3);
		ck_assert_str_eq(r->exception->message, "never");
	}
}

static void check_retries(size_t chunk_size, int ordered, int workers)
{
	const struct vm_worker worker = { .process = needs_attempts };
	const struct vm_options options = { .workers = workers,
		.chunk_size = chunk_size, .flags = ordered ? VM_ORDERED : 0,
		.max_attempts = 3 };
	vm_pool *pool;
	struct vm_result r;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 40));
	for (int i = 0; i < 40; i++) {
		take(pool, &r);
		if (ordered)
			ck_assert_int_eq(number(r.input), i);
		check_attempts(&r);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}

START_TEST(failures_are_tried_again)
{
	check_retries(1, 0, 2);
	check_retries(10, 0, 2);
	check_retries(40, 1, 1);
	check_retries(0, 1, 3);
}
END_TEST

/* ---- setup callbacks that fail ---- */

static int plain(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static int setup_of_one(struct vm_context *me)
{
	if (me->worker_index == 0)
		return vm_fail(me, 3, "no luck in worker 0");
	return 0;
}

START_TEST(one_of_two_setups_may_fail)
{
	const struct vm_worker worker = { .setup = setup_of_one,
		.process = plain };
	const struct vm_options options = { .workers = 2 };
	vm_pool *pool = fork_pool(&worker, &options);
	int cause[500];

	ck_assert_int_eq(vm_ready(pool, -1), -1);
	ck_assert_int_eq(errno, ECHILD);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "no luck in worker 0"));
	imap_to(pool, vm_range(0, 500));
	ck_assert_int_eq(take_numbers(pool, 500, cause), 0);
	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(cause[i], 0);
	ck_assert_int_eq(vm_broken(pool), 0);
	close_pool(pool);
}
END_TEST

/* A source that counts the inputs read and the calls of its callback
   close(). */
static int64_t next_number;

static int next_of_numbers(void *from, const void **input, size_t *size)
{
	(void)from;
	*input = &next_number;
	*size = sizeof next_number;
	if (next_number == 99)
		return 0;
	next_number++;
	return 1;
}

static void close_numbers(void *from)
{
	(void)from;
	atomic_fetch_add(&sh->counter[CLOSED], 1);
}

static void check_no_setup(int (*setup)(struct vm_context *),
    const char *words)
{
	const struct vm_worker worker = { .setup = setup, .process = plain };
	const struct vm_options options = { .workers = 2 };
	const struct vm_source source = { .next = next_of_numbers,
		.close = close_numbers };
	struct vm_result r;
	int got = 0, rc;
	vm_pool *pool;

	start();
	next_number = -1;
	pool = fork_pool(&worker, &options);
	imap_to(pool, source);
	imap_to(pool, source);
	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_int_eq(r.exception->cause, VM_SETUP_FAILED);
		ck_assert_int_eq(r.attempts, 0);
		ck_assert_int_eq(r.worker_index, -1);
		ck_assert_int_eq(number(r.input), got);
		got++;
	}
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(vm_broken(pool), 1);
	ck_assert_int_ge(got, 1);
	ck_assert_int_eq(got, next_number + 1);
	ck_assert_int_eq(sh->counter[CLOSED], 2);
	ck_assert_msg(strstr(vm_error(pool), words) != NULL, "%s",
	    vm_error(pool));
	ck_assert_int_eq(vm_imap(pool, source), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(sh->counter[CLOSED], 3);
	close_pool(pool);
	shared_free(sh);
}

static int setup_fails(struct vm_context *me)
{
	return vm_fail(me, 5, "out of luck %d", 13);
}

static int setup_returns(struct vm_context *me)
{
	(void)me;
	return 6;
}

static int setup_crashes(struct vm_context *me)
{
	(void)me;
	raise(SIGSEGV);
	return 0;
}

static int setup_exits(struct vm_context *me)
{
	(void)me;
	exit(0);
}

/* Closes descriptors as a daemon does: the worker cannot send HELLO. */
static int setup_closes(struct vm_context *me)
{
	(void)me;
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	return 0;
}

START_TEST(all_setups_may_fail)
{
	check_no_setup(setup_fails, "out of luck 13");
	check_no_setup(setup_returns, "code 6");
	check_no_setup(setup_crashes, "signal 11");
	check_no_setup(setup_exits, "status 0");
	check_no_setup(setup_closes, "status 1");
}
END_TEST

static int setup_at_fourth(struct vm_context *me)
{
	long nth = atomic_fetch_add(&sh->counter[SETUPS], 1);

	if (nth == 0)
		return vm_fail(me, 1, "not yet");
	if (nth == 1)
		raise(SIGKILL);
	if (nth == 2)
		_exit(0);
	return 0;
}

START_TEST(setups_are_tried_again)
{
	const struct vm_worker worker = { .setup = setup_at_fourth,
		.process = plain };
	const struct vm_options options = { .workers = 1 };
	int cause[50];
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 50));
	ck_assert_int_eq(take_numbers(pool, 50, cause), 0);
	for (int i = 0; i < 50; i++)
		ck_assert_int_eq(cause[i], 0);
	ck_assert_int_eq(sh->counter[SETUPS], 4);
	close_pool(pool);
}
END_TEST

/* ---- blame, and results that are kept ---- */

/* Each output has output_size bytes; the sixth of ten items dies. */
static size_t output_size;
static int how_to_die;
enum { FATAL = 5 };

static int sixth_dies(struct vm_context *me, const void *input, size_t size)
{
	char *room;

	if (count_run(input) == FATAL && how_to_die > 0)
		raise(how_to_die);
	if (number(input) == FATAL && how_to_die == 0)
		_exit(0);
	room = vm_reserve(me, output_size);
	if (room == NULL)
		return -1;
	memset(room, 'o', output_size);
	memcpy(room, input, size);
	return vm_commit(me, output_size);
}

static void check_sixth(size_t bytes, int death, int workers)
{
	const struct vm_worker worker = { .process = sixth_dies };
	const struct vm_options options = { .workers = workers,
		.chunk_size = 10 };
	int cause[10];
	vm_pool *pool;

	start();
	output_size = bytes;
	how_to_die = death;
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 10));
	ck_assert_int_eq(take_numbers(pool, 10, cause), 0);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(cause[i], i != FATAL ? 0 :
		    death ? VM_KILLED : VM_EXITED);
		ck_assert_int_eq(sh->pid[i], 1);
	}
	close_pool(pool);
	shared_free(sh);
}

START_TEST(five_outputs_survive_the_sixth)
{
	const size_t sizes[] = { 8, 100, 5000, 40000, 65536, 131056, 131064,
		131072, 300000, 2000000 };
	const int deaths[] = { SIGKILL, SIGSEGV, 0 };
	unsigned number = 0;

	for (size_t i = 0; i < COUNTOF(sizes); i++)
		for (int workers = 1; workers < 4; workers++)
			for (size_t k = 0; k < COUNTOF(deaths); k++)
				if (sample_takes(number++, 6))
					check_sixth(sizes[i], deaths[k],
					    workers);
}
END_TEST

/* Where sizes of files are limited, items of more than 4 MiB go through pipes;
   no file of a test is so large. */
static void limit_payloads(void)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = MIN(limit.rlim_max, (rlim_t)1 << 30);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_uint_eq(slots_half(1), SLOT_PAYLOAD);
}

/* The sixth item has an output for which there is no shared memory, and its
   worker is killed while it writes the output to the pipe. */
static int big_sixth(struct vm_context *me, const void *input, size_t size)
{
	static const char large[5 << 20];
	int64_t n = count_run(input);

	if (await(&sh->counter[CLOSED], 1, limit_ms()) < 0)
		return -1;
	vm_output(me, input, size);
	if (n == FATAL)
		vm_output(me, large, sizeof large);
	if (n == FATAL)
		atomic_store(&sh->counter[GATE], getpid());
	return 0;
}

START_TEST(a_death_in_the_middle_of_an_output)
{
	const struct vm_worker worker = { .process = big_sixth };
	const struct vm_options options = { .workers = 1, .chunk_size = 10 };
	struct vm_result r;
	int cause[10];
	vm_pool *pool;

	start();
	limit_payloads();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 10));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
	atomic_store(&sh->counter[CLOSED], 1);
	wait_for(&sh->counter[GATE], 1);
	wait_asleep((pid_t)sh->counter[GATE]);
	ck_assert_int_eq(kill((pid_t)sh->counter[GATE], SIGKILL), 0);
	ck_assert_int_eq(take_numbers(pool, 10, cause), 0);
	for (int i = 0; i < 10; i++) {
		ck_assert_int_eq(cause[i], i == FATAL ? VM_KILLED : 0);
		ck_assert_int_eq(sh->pid[i], 1);
	}
	close_pool(pool);
}
END_TEST

/* Every seventh item fails: its worker is killed or exits, or process() fails,
   in turn. */
static int some_die(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = count_run(input);

	if (n % 7 == 3) {
		if (n % 3 == 0)
			raise(SIGKILL);
		if (n % 3 == 1)
			_exit((int)n % 2);
		return vm_fail(me, (int)n, "%d", (int)n);
	}
	return vm_output(me, input, size);
}

static void check_some(const struct vm_options *options)
{
	static const int causes[] = { VM_KILLED, VM_EXITED, VM_FAILED };
	const struct vm_worker worker = { .process = some_die };
	int cause[500];
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, options);
	imap_to(pool, vm_range(0, 500));
	ck_assert_int_eq(take_numbers(pool, 500, cause), 0);
	for (int i = 0; i < 500; i++) {
		ck_assert_int_eq(cause[i], i % 7 == 3 ? causes[i % 3] : 0);
		ck_assert_int_eq(sh->pid[i], 1);
	}
	close_pool(pool);
	shared_free(sh);
}

START_TEST(exactly_the_guilty_are_blamed)
{
	const size_t sizes[] = { 1, 3, 100, 0 };
	unsigned number = 0;

	for (size_t i = 0; i < COUNTOF(sizes); i++)
		for (int workers = 1; workers < 6; workers += 2)
			for (int ordered = 0; ordered < 2; ordered++)
				if (sample_takes(number++, 5))
					check_some(&(struct vm_options){
					    .workers = workers,
					    .chunk_size = sizes[i],
					    .flags = ordered ? VM_ORDERED : 0 });
}
END_TEST

/* ---- many workers ---- */

static int fifty_fail(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	if (n >= 3000)
		return vm_fail(me, (int)n, "number %d", (int)n);
	return vm_output(me, input, size);
}

static void take_3050(vm_pool *pool)
{
	bool seen[3050] = { false };
	char words[32];
	struct vm_result r;

	for (int i = 0; i < 3050; i++) {
		int64_t n;

		take(pool, &r);
		n = number(r.input);
		ck_assert(n >= 0 && n < 3050 && !seen[n]);
		seen[n] = true;
		if (n < 3000) {
			ck_assert_int_eq(r.type, VM_OUTPUT);
			ck_assert_int_eq(number(r.output), n);
			continue;
		}
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_int_eq(r.exception->code, n);
		snprintf(words, sizeof words, "number %d", (int)n);
		ck_assert_str_eq(r.exception->message, words);
	}
	take_end(pool);
}

START_TEST(a_hundred_workers_and_fifty_failures)
{
	int most = sample_size(SANITIZED ? 5 : 100, 2);
	const struct vm_worker worker = { .process = fifty_fail };
	const struct vm_options options = { .workers = 100 };

	for (int run = 0; run < most; run++) {
		vm_pool *pool = fork_pool(&worker, &options);

		imap_to(pool, vm_range(0, 3050));
		take_3050(pool);
		close_pool(pool);
	}
}
END_TEST

/* ---- inputs too big to be received ---- */

#define MIB ((size_t)1 << 20)

/* Limits the memory of workers to little more than their present use. */
static int limit_memory(struct vm_context *me)
{
	unsigned long pages = 0;
	struct rlimit limit;
	FILE *f = fopen("/proc/self/statm", "r");

	atomic_fetch_add(&sh->counter[SETUPS], 1);
	close(STDERR_FILENO);	/* sanitizers would print much */
	if (f == NULL || fscanf(f, "%lu", &pages) != 1)
		return vm_fail(me, 1, "no statm");
	fclose(f);
	limit.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE) + 20 * MIB;
	limit.rlim_max = limit.rlim_cur;
	return setrlimit(RLIMIT_AS, &limit);
}

struct sized { int64_t n; size_t size; };

static void *sized_input;
static struct sized *sized_next, *sized_end;

static int next_sized(void *from, const void **input, size_t *size)
{
	(void)from;
	if (sized_next == sized_end)
		return 0;
	memcpy(sized_input, &sized_next->n,
	    sizeof sized_next->n);
	*input = sized_input;
	*size = sized_next->size;
	sized_next++;
	return 1;
}

static int echo_number(struct vm_context *me, const void *input, size_t size)
{
	(void)size;
	return vm_output(me, input, sizeof(int64_t));
}

/* Runs ten inputs; input "big" does not fit in the memory of a worker. */
static void check_too_big(int big, size_t chunk_size, int workers)
{
	const struct vm_worker worker = { .setup = limit_memory,
		.process = echo_number };
	const struct vm_options options = { .workers = workers,
		.chunk_size = chunk_size };
	struct sized items[10];
	struct vm_result r;
	vm_pool *pool;

	start();
	limit_payloads();
	for (int i = 0; i < 10; i++)
		items[i] = (struct sized){ i, i == big ? 50 * MIB : 8 };
	sized_next = items;
	sized_end = items + 10;
	pool = fork_pool(&worker, &options);
	imap_to(pool, (struct vm_source){ .next = next_sized });
	for (int i = 0; i < 10; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, number(r.input) == big ?
		    VM_EXCEPTION : VM_OUTPUT);
		if (number(r.input) == big)
			ck_assert_int_eq(r.exception->cause, VM_EXITED);
	}
	take_end(pool);
	/* Three workers died in this item and were replaced; another worker may
	   have died when the item was requeued while the worker received it. */
	ck_assert_int_le(sh->counter[SETUPS], workers + 3 + (workers - 1));
	close_pool(pool);
	shared_free(sh);
}

START_TEST(an_item_too_big_to_be_received)
{
	const size_t chunks[] = { 10, 1, 4 };
	unsigned number = 0;

	sized_input = calloc(1, 50 * MIB);
	ck_assert_ptr_nonnull(sized_input);
	for (int workers = 1; workers < 3; workers++)
		for (int big = 0; big < 10; big += 3)
			for (size_t i = 0; i < COUNTOF(chunks); i++)
				if (sample_takes(number++, 12))
					check_too_big(big, chunks[i], workers);
	free(sized_input);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		returned_failures_have_code_and_message,
		signals_kill_one_item_each, workers_that_leave_cost_one_item,
		exit_handlers_of_the_host_stay_the_hosts,
		quick_exit_handlers_as_well,
		a_status_that_is_not_known_is_not_made_up, failures_are_tried_again,
		one_of_two_setups_may_fail, setups_are_tried_again,
		five_outputs_survive_the_sixth,
		a_death_in_the_middle_of_an_output,
		exactly_the_guilty_are_blamed };
	const TTest *const drawn[] = {
		an_item_too_big_to_be_received, all_setups_may_fail,
		a_hundred_workers_and_fifty_failures };

	return run_sampled_tests("failures", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
