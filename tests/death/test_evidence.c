/*
 * test_evidence.c - the evidence of a failure: every field for every cause,
 * measured times, text on stderr; the traceback of a crash is in test_crash.c.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "items/evidence.h"
#include "scratch.h"
#include "tools.h"
#include "worker/capture.h"

/* Counters: measurements of the worker itself; then pids by input. */
enum { WALL, CPU, LARGEST, GATE };

static struct shared *sh;

static void start(void)
{
	no_cores();
	sh = shared_new();
}

static long clock_of(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (long)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- the block ---- */

START_TEST(texts_begin_empty)
{
	struct evidence *e = evidence_new(10, 20, 0);

	ck_assert_ptr_nonnull(e);
	ck_assert_str_eq(e->traceback, "");
	ck_assert_str_eq(e->tail, "");
	memset(e->traceback, 'a', 10);
	memset(e->tail, 'b', 20);
	ck_assert_uint_eq(strlen(e->traceback), 10);
	ck_assert_uint_eq(strlen(e->tail), 20);
	ck_assert_uint_ge(e->size, sizeof *e + 32);
	evidence_free(e);
	e = evidence_new(0, 4, 0);
	ck_assert_ptr_null(e->traceback);
	ck_assert_str_eq(e->tail, "");
	evidence_free(e);
	e = evidence_new(4, 0, 0);
	ck_assert_ptr_null(e->tail);
	ck_assert_str_eq(e->traceback, "");
	evidence_free(e);
	ck_assert_ptr_null(evidence_new(0, 0, 0));
	evidence_free(NULL);
}
END_TEST

/* ---- every field ---- */

enum { BY_CODE, BY_SIGNAL, BY_EXIT, BY_TIME, BY_SIZE, BY_NOBODY };

static int fail_as(struct vm_context *me, const void *input, size_t size)
{
	static const char much[200];
	int64_t n = number(input);

	atomic_store(&sh->pid[n], getpid());
	switch (n) {
	case BY_CODE:
		return vm_fail(me, -17, "as %s", "told");
	case BY_SIGNAL:
		raise(SIGUSR1);
		break;
	case BY_EXIT:
		exit(77);
	case BY_TIME:
		for (;;)
			pause();
	case BY_SIZE:
		return vm_output(me, much, sizeof much);
	}
	return vm_output(me, input, size);
}

static void check_fields(const struct vm_result *r)
{
	const struct { int cause, code, signal, status; bool dead; }
	expected[] = {
		{ VM_FAILED, -17, 0, -1, false },
		{ VM_KILLED, 0, SIGUSR1, -1, true },
		{ VM_EXITED, 0, 0, 77, true },
		{ VM_TIMED_OUT, 0, 0, -1, true },
		{ VM_TOO_BIG, EFBIG, 0, -1, false },
	};
	const struct vm_exception *x = r->exception;
	int64_t n = number(r->input);

	ck_assert_int_eq(x->cause, expected[n].cause);
	ck_assert_int_eq(x->code, expected[n].code);
	ck_assert_int_eq(x->signal, expected[n].signal);
	ck_assert_int_eq(x->exit_status, expected[n].status);
	ck_assert_int_eq(x->core_dumped, 0);
	ck_assert_int_eq(x->out_of_memory, 0);
	ck_assert_int_eq(x->pid, sh->pid[n]);
	ck_assert_int_eq(x->worker_index, r->worker_index);
	ck_assert(r->worker_index == 30 || r->worker_index == 40);
	ck_assert_int_eq(r->attempts, 1);
	ck_assert_int_eq(x->max_rss > 0, expected[n].dead);
	ck_assert_ptr_nonnull(x->message);
	ck_assert_str_ne(x->message, "");
	ck_assert_ptr_null(x->traceback);
	ck_assert_ptr_null(x->stderr_tail);
	ck_assert_uint_eq(x->wall_ns, 0);
	ck_assert_uint_eq(x->cpu_ns, 0);
}

START_TEST(every_cause_has_its_fields)
{
	const int indices[] = { 30, 40 };
	const struct vm_worker worker = { .process = fail_as };
	struct vm_options options = { .workers = 2, .max_item_bytes = 100,
		.worker_indices = indices, .item_timeout_ms = 200 };
	struct vm_result r;
	vm_pool *pool;

	start();
	for (int ordered = 0; ordered < 2; ordered++) {
		options.flags = ordered ? VM_ORDERED : 0;
		options.chunk_size = ordered ? 3 : 1;
		pool = fork_pool(&worker, &options);
		imap_to(pool, vm_range(0, BY_NOBODY + 1));
		for (int i = 0; i <= BY_NOBODY; i++) {
			take(pool, &r);
			if (number(r.input) == BY_NOBODY)
				ck_assert_int_eq(r.type, VM_OUTPUT);
			else
				check_fields(&r);
		}
		take_end(pool);
		close_pool(pool);
	}
}
END_TEST

/* Returns whether core files are plain files in the working directory of a
   process. */
static bool cores_are_plain(void)
{
	char pattern[256] = "|";
	FILE *f = fopen("/proc/sys/kernel/core_pattern", "r");

	if (f != NULL) {
		if (fgets(pattern, sizeof pattern, f) == NULL)
			pattern[0] = '|';
		fclose(f);
	}
	return strpbrk(pattern, "|/") == NULL;
}

static int dump_core(struct vm_context *me, const void *input, size_t size)
{
	const struct rlimit none = { 0, 0 };

	/* Shells ignore SIGQUIT for background processes. */
	signal(SIGQUIT, SIG_DFL);
	if (number(input) == 1)
		setrlimit(RLIMIT_CORE, &none);
	if (number(input) < 2)
		raise(SIGQUIT);
	return vm_output(me, input, size);
}

static void check_cores(void)
{
	const struct vm_worker worker = { .process = dump_core };
	const struct vm_options options = { .workers = 1, .flags = VM_ORDERED };
	struct vm_result r;
	vm_pool *pool = fork_pool(&worker, &options);

	imap_to(pool, vm_range(0, 3));
	for (int i = 0; i < 2; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.exception->signal, SIGQUIT);
		ck_assert_int_eq(r.exception->core_dumped, i == 0);
	}
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	take_end(pool);
	close_pool(pool);
}

START_TEST(a_core_file_is_told)
{
	char dir[64];
	struct rlimit most;

	ck_assert_int_eq(getrlimit(RLIMIT_CORE, &most), 0);
	if (most.rlim_max < 1 << 24 || !cores_are_plain()) {
		puts("test_evidence: a_core_file_is_told skipped: core files "
		    "go elsewhere here, or are not allowed");
		return;
	}
	most.rlim_cur = most.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_CORE, &most), 0);
	scratch_make(dir, sizeof dir);
	ck_assert_int_eq(chdir(dir), 0);
	check_cores();
	ck_assert_int_eq(chdir("/"), 0);
	scratch_drop(dir);
}
END_TEST

static void die_of_quit(int number)
{
	(void)number;
	signal(SIGQUIT, SIG_DFL);
	raise(SIGQUIT);
	_exit(97);
}

/* Ends as a process does whose memory takes long to unmap: its pipes are closed
   long before it is gone.  Here it waits for the order to kill it. */
static int end_slowly(struct vm_context *me, const void *input, size_t size)
{
	sigset_t quit;

	if (number(input) > 0)
		return vm_output(me, input, size);
	sigemptyset(&quit);
	sigaddset(&quit, SIGQUIT);
	sigprocmask(SIG_UNBLOCK, &quit, NULL);
	signal(SIGTERM, die_of_quit);
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	for (;;)
		pause();
}

START_TEST(a_slow_end_hides_no_signal)
{
	const struct vm_worker worker = { .process = end_slowly };
	const struct vm_options options = { .workers = 1, .flags = VM_ORDERED };
	struct vm_result r;
	vm_pool *pool;

	no_cores();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 2));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_EXCEPTION);
	ck_assert_int_eq(r.exception->cause, VM_KILLED);
	ck_assert_int_eq(r.exception->signal, SIGQUIT);
	ck_assert_uint_eq(r.index, 0);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- times ---- */

enum { OWN_FAILS, OWN_DIES, CHILD_FAILS, CHILD_DIES, TIMED };
#define BURNT (60L * 1000000)
/* The kernel counts CPU time partly in ticks. */
#define SLACK (12L * 1000000)

static void burn(void)
{
	long until = clock_of(CLOCK_PROCESS_CPUTIME_ID) + BURNT;

	while (clock_of(CLOCK_PROCESS_CPUTIME_ID) < until)
		continue;
}

static void burn_in_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		burn();
		_exit(0);
	}
	if (waitpid(pid, NULL, 0) != pid)
		_exit(96);
}

/* The time of the previous item must not count. */
static int burn_and_fail(struct vm_context *me, const void *input,
    size_t size)
{
	int64_t n = number(input);
	long began = clock_of(CLOCK_MONOTONIC);

	burn();
	if (n == CHILD_FAILS || n == CHILD_DIES)
		burn_in_child();
	atomic_store(&sh->counter[n], clock_of(CLOCK_MONOTONIC) - began);
	if (n == OWN_DIES || n == CHILD_DIES)
		raise(SIGKILL);
	if (n == OWN_FAILS || n == CHILD_FAILS)
		return vm_fail(me, 1, "burnt");
	return vm_output(me, input, size);
}

static void check_times(const struct vm_result *r, bool measured)
{
	const struct vm_exception *x = r->exception;
	int64_t n = number(r->input);
	long cpu = n == CHILD_FAILS || n == CHILD_DIES ? 2 * BURNT : BURNT;

	if (!measured) {
		ck_assert_uint_eq(x->wall_ns, 0);
		ck_assert_uint_eq(x->cpu_ns, 0);
		return;
	}
	ck_assert_int_ge((long)x->wall_ns, sh->counter[n]);
	ck_assert_int_lt((long)x->wall_ns, 20000L * 1000000);
	ck_assert_int_ge((long)x->cpu_ns, cpu - SLACK);
	ck_assert_int_le((long)x->cpu_ns, (long)x->wall_ns + SLACK);
}

static void check_measures(int workers, int on)
{
	const struct vm_worker worker = { .process = burn_and_fail };
	const struct vm_options options = { .workers = workers,
		.chunk_size = 2, .flags = on ? VM_MEASURE_ITEMS : 0 };
	int first = workers == VM_SERIAL ? CHILD_FAILS : 0;
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(first, workers == VM_SERIAL ? first + 1 :
	    TIMED + 1));
	while (vm_zip_in_out(pool, &r) == 1)
		if (number(r.input) < TIMED)
			check_times(&r, on);
		else
			ck_assert_int_eq(r.type, VM_OUTPUT);
	close_pool(pool);
	shared_free(sh);
}

START_TEST(times_are_measured)
{
	check_measures(1, 1);
	check_measures(2, 1);
	check_measures(2, 0);
	check_measures(VM_SERIAL, 1);
	check_measures(VM_SERIAL, 0);
}
END_TEST

static int sleep_on(struct vm_context *me, const void *input, size_t size)
{
	while (size > 0)
		pause();
	return vm_output(me, input, size);
}

START_TEST(so_is_one_that_times_out)
{
	const struct vm_worker worker = { .process = sleep_on };
	const struct vm_options options = { .workers = 1,
		.flags = VM_MEASURE_ITEMS, .item_timeout_ms = 80 };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	ck_assert_int_eq(r.exception->cause, VM_TIMED_OUT);
	ck_assert_uint_ge(r.exception->wall_ns, 80 * MS_IN_NS);
	ck_assert_uint_lt(r.exception->cpu_ns, 80 * MS_IN_NS);
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- text on stderr ---- */

static char much[10000];

/* Text of an item, and the way in which the item writes the text. */
enum { PRINTED, WRITTEN, ECHOED, SILENT, LONG, ZEROS, WAYS };

static void write_in_way(int way)
{
	switch (way) {
	case PRINTED:
		fprintf(stderr, "printed %d\n", 5);
		break;
	case WRITTEN:
		if (write(2, "written", 7) != 7)
			_exit(95);
		break;
	case ECHOED:
		if (system("echo echoed >&2") != 0)
			_exit(94);
		break;
	case LONG:
		if (write(2, much, sizeof much) != sizeof much)
			_exit(93);
		break;
	case ZEROS:
		if (write(2, "a\0b\0", 4) != 4)
			_exit(92);
		break;
	}
}

static const char *expected_tail(int way)
{
	static const char *const tails[WAYS] = { "printed 5\n", "written",
		"echoed\n", "", NULL, "a?b?" };

	return way == LONG ? much + sizeof much - CAPTURE_MOST : tails[way];
}

/* Only two of the ways hang, as each timeout takes time. */
static bool hangs(int64_t n)
{
	return n % 4 == 2 && (n / 4 == WRITTEN || n / 4 == LONG);
}

/* Input n: way n / 4; the item fails, is killed, hangs, or succeeds.  Under
   load an item may time out before it has written, so it sets a counter
   afterwards. */
static int write_and_fail(struct vm_context *me, const void *input,
    size_t size)
{
	int64_t n = number(input);

	write_in_way((int)n / 4);
	atomic_store(&sh->counter[n], 1);
	switch (n % 4) {
	case 0:
		return vm_fail(me, 1, "after %d", (int)n);
	case 1:
		raise(SIGKILL);
		break;
	case 2:
		while (hangs(n))
			pause();
	}
	return vm_output(me, input, size);
}

static void fill_much(void)
{
	for (size_t i = 0; i < sizeof much; i++)
		much[i] = (char)('a' + i % 23);
}

static void check_tails(const struct vm_options *options)
{
	const int causes[] = { VM_FAILED, VM_KILLED, 0, 0 };
	const struct vm_worker worker = { .process = write_and_fail };
	struct vm_result r;
	vm_pool *pool;

	for (int i = 0; i < 4 * WAYS; i++)
		atomic_store(&sh->counter[i], 0);
	pool = fork_pool(&worker, options);
	imap_to(pool, vm_range(0, 4 * WAYS));
	for (int i = 0; i < 4 * WAYS; i++) {
		int64_t n;

		take(pool, &r);
		n = number(r.input);
		ck_assert_int_eq(r.exception ? (int)r.exception->cause : 0,
		    hangs(n) ? VM_TIMED_OUT : causes[n % 4]);
		if (r.exception == NULL)
			continue;
		ck_assert_ptr_nonnull(r.exception->stderr_tail);
		if (n % 4 == 2 && sh->counter[n] == 0)
			continue;
		ck_assert_int_eq(strncmp(r.exception->stderr_tail,
		    expected_tail((int)n / 4), CAPTURE_MOST), 0);
		ck_assert_uint_le(strlen(r.exception->stderr_tail),
		    CAPTURE_MOST);
		if (n % 4 == 0)
			ck_assert_ptr_nonnull(strstr(r.exception->message,
			    "after"));
	}
	take_end(pool);
	close_pool(pool);
}

START_TEST(tails_are_what_the_item_wrote)
{
	start();
	fill_much();
	check_tails(&(struct vm_options){ .workers = 1, .chunk_size = 7,
	    .flags = VM_STDERR_TAIL, .item_timeout_ms = 800 });
	check_tails(&(struct vm_options){ .workers = 3, .chunk_size = 1,
	    .flags = VM_STDERR_TAIL | VM_ORDERED, .item_timeout_ms = 800});
}
END_TEST

/* The first item closes stderr, the third dies, and a new worker opens it
   again. */
static int close_and_fail(struct vm_context *me, const void *input,
    size_t size)
{
	int64_t n = number(input);

	if (n == 0)
		close(2);
	if (n > 0)
		write_in_way(PRINTED);
	if (n == 2)
		raise(SIGKILL);
	return n == 1 ? vm_output(me, input, size) : vm_fail(me, 1, "no");
}

START_TEST(it_may_be_closed)
{
	const struct vm_worker worker = { .process = close_and_fail };
	const struct vm_options options = { .workers = 1, .chunk_size = 4,
		.flags = VM_STDERR_TAIL | VM_ORDERED };
	const char *const tails[] = { "", NULL, "", "printed 5\n" };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 4));
	for (int i = 0; i < 4; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type == VM_OUTPUT, tails[i] == NULL);
		if (tails[i] != NULL)
			ck_assert_str_eq(r.exception->stderr_tail, tails[i]);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* Notes the largest size of the file of captured text; the last item fails. */
static int write_a_kib(struct vm_context *me, const void *input, size_t size)
{
	char line[1025];
	struct stat s;

	snprintf(line, sizeof line, "%01023d\n", (int)number(input));
	if (write(2, line, 1024) != 1024 || fstat(2, &s) != 0)
		return -1;
	if (s.st_size > sh->counter[LARGEST])
		atomic_store(&sh->counter[LARGEST], (long)s.st_size);
	if (number(input) % 1000 == 999)
		return vm_fail(me, 1, "that was it");
	return vm_output(me, input, size);
}

START_TEST(what_is_captured_does_not_grow)
{
	const struct vm_worker worker = { .process = write_a_kib };
	const struct vm_options options = { .workers = 1,
		.flags = VM_STDERR_TAIL };
	int failed = 0;
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 10000));
	while (vm_zip_in_out(pool, &r) == 1) {
		if (r.type == VM_OUTPUT)
			continue;
		failed++;
		ck_assert_uint_eq(strlen(r.exception->stderr_tail), 1024);
		ck_assert_int_eq(atoi(r.exception->stderr_tail),
		    number(r.input));
	}
	ck_assert_int_eq(failed, 10);
	ck_assert_int_ge(sh->counter[LARGEST], 1024);
	ck_assert_int_le(sh->counter[LARGEST], 128 * 1024);
	close_pool(pool);
}
END_TEST

static int write_attempt(struct vm_context *me, const void *input,
    size_t size)
{
	fprintf(stderr, "attempt %d of %d\n", me->attempt,
	    (int)number(input));
	if (number(input) == 1 || me->attempt == 2)
		return vm_fail(me, 1, "no");
	raise(SIGKILL);
	return vm_output(me, input, size);
}

/* The tail is the text of the last attempt, whatever ended earlier attempts. */
START_TEST(tails_are_of_the_last_attempt)
{
	const struct vm_worker worker = { .process = write_attempt };
	const struct vm_options options = { .workers = 1,
		.flags = VM_STDERR_TAIL, .max_attempts = 3 };
	const char *const tails[] = { "attempt 3 of 0\n", "attempt 3 of 1\n" };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 2));
	for (int i = 0; i < 2; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.attempts, 3);
		ck_assert_str_eq(r.exception->stderr_tail,
		    tails[number(r.input)]);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* A host with a pipe as stderr: without the option all text goes to this
   pipe. */
static int host_of_writers(void *pipe)
{
	const struct vm_worker worker = { .process = write_attempt };
	const struct vm_options options = { .workers = 1, .flags = VM_ORDERED };
	struct vm_result r;
	vm_pool *pool;

	if (dup2(((int *)pipe)[1], 2) != 2)
		return 1;
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 2));
	for (int i = 0; i < 2; i++) {
		take(pool, &r);
		if (r.exception->stderr_tail != NULL)
			return 2;
	}
	close_pool(pool);
	return 0;
}

START_TEST(without_the_option_it_goes_to_the_host)
{
	char text[200] = "";
	int ends[2], status;

	start();
	ck_assert_int_eq(pipe(ends), 0);
	status = in_child(host_of_writers, ends);
	ck_assert_int_eq(status, 0);
	ck_assert_int_gt(read(ends[0], text, sizeof text - 1), 0);
	ck_assert_str_eq(text, "attempt 1 of 0\nattempt 1 of 1\n");
}
END_TEST

/* ---- copies of results ---- */

static int crash_and_tell(struct vm_context *me, const void *input,
    size_t size)
{
	(void)me;
	(void)input;
	(void)size;
	fputs("last words\n", stderr);
	abort();
}

static void is_same_text(const char *copy, const char *text)
{
	ck_assert_int_eq(copy == NULL, text == NULL);
	if (text == NULL)
		return;
	ck_assert(copy != text);
	ck_assert_str_eq(copy, text);
}

START_TEST(copies_have_it_all)
{
	const struct vm_worker worker = { .process = crash_and_tell };
	const struct vm_options options = { .workers = 1,
		.flags = VM_STDERR_TAIL | VM_MEASURE_ITEMS };
	const struct vm_exception *x, *y;
	struct vm_result r, *copy;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	copy = vm_result_copy(&r);
	ck_assert_ptr_nonnull(copy);
	x = r.exception;
	y = copy->exception;
	ck_assert_str_eq(x->stderr_tail, "last words\n");
	is_same_text(y->message, x->message);
	is_same_text(y->traceback, x->traceback);
	is_same_text(y->stderr_tail, x->stderr_tail);
	ck_assert_int_eq(y->cause, x->cause);
	ck_assert_int_eq(y->signal, SIGABRT);
	ck_assert_int_eq(y->pid, x->pid);
	ck_assert_uint_eq(y->max_rss, x->max_rss);
	ck_assert_uint_eq(y->wall_ns, x->wall_ns);
	ck_assert_uint_eq(y->cpu_ns, x->cpu_ns);
	ck_assert_uint_gt(y->wall_ns, 0);
	close_pool(pool);
	ck_assert_str_eq(y->stderr_tail, "last words\n");
	free(copy);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		texts_begin_empty, every_cause_has_its_fields,
		a_slow_end_hides_no_signal, a_core_file_is_told,
		so_is_one_that_times_out, it_may_be_closed,
		what_is_captured_does_not_grow, tails_are_of_the_last_attempt,
		without_the_option_it_goes_to_the_host, copies_have_it_all };
	const TTest *const drawn[] = {
		tails_are_what_the_item_wrote, times_are_measured };

	return run_sampled_tests("evidence", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
