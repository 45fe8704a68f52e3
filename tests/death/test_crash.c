/*
 * test_crash.c - tracebacks: a worker that crashes reports the place, and dies
 * of the same signal as without that; no other failure has a traceback.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "engine/timeouts.h"
#include "shm/slots.h"
#include "tools.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
/* With a sanitizer there are no tracebacks. */
#ifdef __SANITIZE_ADDRESS__
enum { TOLD = 0 };
#else
enum { TOLD = 1 };
#endif

static struct shared *sh;

static void start(void)
{
	no_cores();
	sh = shared_new();
}

/* ---- ways to crash, in functions with exported names ---- */

int crash_at_address(void);
int crash_by_abort(void);
int crash_by_division(void);
int crash_behind_file(void);
int crash_by_instruction(void);
int crash_by_depth(int);

/* Hides the crash from sanitizers. */
#define APART __attribute__((__noinline__, \
	__no_sanitize__("address", "undefined")))

/* Works after a call, so that it is no tail call; and the compiler must not see
   that the call never returns, or it moves the call elsewhere. */
static volatile int after;
static void (*volatile just_abort)(void) = abort;

APART int crash_at_address(void)
{
	volatile int *volatile nowhere = (int *)0x10;

	after = *nowhere;
	return after;
}

APART int crash_by_abort(void)
{
	just_abort();
	return after;
}

APART int crash_by_division(void)
{
	volatile int zero = 0;

	after = 5 / zero;
	return after;
}

APART int crash_behind_file(void)
{
	char name[] = "/tmp/vimap-crash-XXXXXX";
	long page = sysconf(_SC_PAGESIZE);
	int fd = mkstemp(name);
	volatile char *at;

	unlink(name);
	at = mmap(NULL, (size_t)page, PROT_READ, MAP_SHARED, fd, 0);
	after = at[0];
	return after;
}

#ifdef __x86_64__
APART int crash_by_instruction(void)
{
	__asm__ volatile("ud2");
	return after;
}
#endif

/* Exhausts the stack; each call has work to do after its return. */
APART int crash_by_depth(int depth)
{
	volatile char room[1000];

	room[0] = (char)depth;
	room[999] = room[0];
	return after < 0 ? 0 : crash_by_depth(depth + 1) + room[999];
}

static const struct {
	int signal;
	const char *first;	/* begin of the traceback */
	const char *name;	/* a function in the traceback, or NULL */
} crashes[] = {
	{ SIGSEGV, "SIGSEGV (signal 11), code 1: nothing is mapped there, "
	    "address 0x10\n", "crash_at_address" },
	{ SIGABRT, "SIGABRT (signal 6), code ", "crash_by_abort" },
#if defined(__x86_64__)
	{ SIGFPE, "SIGFPE (signal 8), code 1: integer division by zero, "
	    "address 0x", "crash_by_division" },
#else
	{ SIGABRT, "SIGABRT (signal 6), code ", "crash_by_abort" },
#endif
	{ SIGBUS, "SIGBUS (signal 7), code 2: no memory behind the mapping, "
	    "address 0x", "crash_behind_file" },
#if defined(__x86_64__)
	{ SIGILL, "SIGILL (signal 4), code ", "crash_by_instruction" },
#else
	{ SIGABRT, "SIGABRT (signal 6), code ", "crash_by_abort" },
#endif
	{ SIGSEGV, "SIGSEGV (signal 11), code ", "crash_by_depth" },
	{ SIGSEGV, "SIGSEGV (signal 11), code -", NULL },
};

static int crash(int64_t n)
{
	switch (n) {
	case 0:
		return crash_at_address();
	case 1:
		return crash_by_abort();
#if defined(__x86_64__)
	case 2:
		return crash_by_division();
	case 4:
		return crash_by_instruction();
#else
	case 2:
	case 4:
		return crash_by_abort();
#endif
	case 3:
		return crash_behind_file();
	case 5:
		return crash_by_depth(0);
	case 6:
		return raise(SIGSEGV);
	default:
		return 0;
	}
}

static int crash_somehow(struct vm_context *me, const void *input,
    size_t size)
{
	after = 0;
	if (crash(number(input)) != 0)
		return -1;
	return vm_output(me, input, size);
}

/* Checks that the lines of text are numbered, from the second line on. */
static void check_lines(const char *text)
{
	int frames = 0;

	ck_assert_uint_le(strlen(text), SLOT_CRASH);
	for (const char *p = text; *p != '\0'; p++)
		ck_assert(*p == '\n' || isprint((unsigned char)*p));
	for (const char *p = strchr(text, '\n'); p != NULL && p[1] == '#';
	    p = strchr(p + 1, '\n'))
		ck_assert_int_eq(atoi(p + 2), frames++);
	ck_assert_int_ge(frames, 1);
}

static void check_crash(const struct vm_result *r)
{
	int64_t n = number(r->input);
	const char *text = r->exception->traceback;

	ck_assert_int_eq(r->exception->cause, VM_KILLED);
	ck_assert_int_eq(r->exception->signal, crashes[n].signal);
	ck_assert_int_eq(r->attempts, 1);
	ck_assert_int_eq(text != NULL, TOLD);
	if (text == NULL)
		return;
	ck_assert_msg(strncmp(text, crashes[n].first,
	    strlen(crashes[n].first)) == 0, "%s", text);
	check_lines(text);
#ifdef HAVE_DLADDR
	ck_assert_msg(crashes[n].name == NULL ||
	    strstr(text, crashes[n].name) != NULL, "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "+0x"));
#endif
}

static void check_crashes(int workers, size_t chunk_size, int tail)
{
	const struct vm_worker worker = { .process = crash_somehow };
	const struct vm_options options = { .workers = workers,
		.chunk_size = chunk_size, .flags = tail ? VM_STDERR_TAIL : 0 };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 15));
	for (int i = 0; i < 15; i++) {
		take(pool, &r);
		if (number(r.input) < (int64_t)COUNTOF(crashes))
			check_crash(&r);
		else
			ck_assert_int_eq(r.type, VM_OUTPUT);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}

START_TEST(crashes_say_where)
{
	check_crashes(1, 15, 0);
	check_crashes(3, 1, 1);
}
END_TEST

/* ---- failures without a traceback ---- */

static int end_without(struct vm_context *me, const void *input, size_t size)
{
	switch (number(input)) {
	case 0:
		raise(SIGKILL);
		break;
	case 1:
		exit(3);
	case 2:
		return vm_fail(me, 1, "failed");
	case 3:
		raise(SIGTERM);
		break;
	case 4:
		while (size > 0)
			pause();
		break;
	}
	return vm_output(me, input, size);
}

START_TEST(other_ends_have_none)
{
	const struct vm_worker worker = { .process = end_without };
	const struct vm_options options = { .workers = 1,
		.item_timeout_ms = 100 };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 5));
	for (int i = 0; i < 5; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		ck_assert_ptr_null(r.exception->traceback);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

static void leave_by_hand(int signal)
{
	_exit(signal);
}

static int setup_handler(struct vm_context *me)
{
	(void)me;
	return signal(SIGSEGV, leave_by_hand) == SIG_ERR;
}

START_TEST(a_handler_of_the_users_is_respected)
{
	const struct vm_worker worker = { .setup = setup_handler,
		.process = crash_somehow };
	const struct vm_options options = { .workers = 1 };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	ck_assert_int_eq(r.exception->cause, VM_EXITED);
	ck_assert_int_eq(r.exception->exit_status, SIGSEGV);
	ck_assert_ptr_null(r.exception->traceback);
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- processes that an item forks ---- */

/* Crashes in a child, which dies; then the item dies by a signal that has no
   traceback: the shared memory of its slot must contain no traceback. */
static int crash_in_child(struct vm_context *me, const void *input,
    size_t size)
{
	int64_t n = number(input) / 2;
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		after = 0;
		_exit(crash(n) + 100);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) ||
	    WTERMSIG(status) != crashes[n].signal)
		return vm_fail(me, status, "status 0x%x", (unsigned)status);
	if (number(input) % 2)
		raise(SIGKILL);
	return vm_output(me, input, size);
}

START_TEST(crashes_of_children_are_their_own)
{
	const struct vm_worker worker = { .process = crash_in_child };
	const struct vm_options options = { .workers = 2 };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 2 * COUNTOF(crashes)));
	for (size_t i = 0; i < 2 * COUNTOF(crashes); i++) {
		take(pool, &r);
		if (number(r.input) % 2 == 0) {
			ck_assert_msg(r.type == VM_OUTPUT, "%d: %s",
			    (int)number(r.input), r.exception->message);
			continue;
		}
		ck_assert_int_eq(r.exception->signal, SIGKILL);
		ck_assert_ptr_null(r.exception->traceback);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- a slot with false contents ---- */

START_TEST(garbage_is_made_printable)
{
	struct slots all;
	struct slot *s;
	char text[SLOT_CRASH];

	ck_assert_int_eq(slots_map(&all, 1, SLOT_PAYLOAD), 0);
	s = slots_get(&all, 0);
	slot_reset(s);
	ck_assert_uint_eq(slot_crash_size(s), 0);
	for (size_t i = 0; i < SLOT_CRASH; i++)
		s->crash[i] = (char)i;
	for (int bit = 0; bit < 64; bit++) {
		atomic_store(&s->crash_size, UINT64_MAX >> bit);
		ck_assert_uint_le(slot_crash_size(s), SLOT_CRASH);
	}
	slot_crash(s, text, sizeof text);
	for (size_t i = 0; i < sizeof text; i++)
		ck_assert(text[i] == '\n' || isprint((unsigned char)text[i]));
	slots_unmap(&all);
}
END_TEST

START_TEST(more_than_fits_is_cut)
{
	char line[100], text[SLOT_CRASH];
	struct slots all;
	struct slot *s;

	memset(line, 'l', sizeof line);
	ck_assert_int_eq(slots_map(&all, 1, SLOT_PAYLOAD), 0);
	s = slots_get(&all, 0);
	slot_reset(s);
	for (size_t i = 1; i < 50; i++) {
		slot_tell_crash(s, line, sizeof line);
		ck_assert_uint_eq(slot_crash_size(s),
		    MIN(100 * i, (size_t)SLOT_CRASH));
	}
	slot_crash(s, text, sizeof text);
	for (size_t i = 0; i < sizeof text; i++)
		ck_assert_int_eq(text[i], 'l');
	atomic_store(&s->crash_size, UINT64_MAX);
	slot_tell_crash(s, line, sizeof line);
	slot_reset(s);
	ck_assert_uint_eq(slot_crash_size(s), 0);
	slots_unmap(&all);
}
END_TEST

static int lie_and_die(struct vm_context *me, const void *input, size_t size)
{
	struct slot *s;
	size_t size_of_it;

	if (number(input) != 2)
		return vm_output(me, input, size);
	s = (void *)own_slot(sh, &size_of_it);
	memset(s->crash, 1, SLOT_CRASH);
	s->crash[100] = '\0';
	atomic_store(&s->crash_size, UINT64_MAX);
	raise(SIGKILL);
	return 0;
}

START_TEST(a_worker_that_lies_is_bounded)
{
	const struct vm_worker worker = { .process = lie_and_die };
	const struct vm_options options = { .workers = 1, .chunk_size = 5,
		.flags = VM_ORDERED };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 5));
	for (int i = 0; i < 5; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, i == 2 ? VM_EXCEPTION : VM_OUTPUT);
		if (i != 2)
			continue;
		ck_assert_int_eq(r.exception->signal, SIGKILL);
		ck_assert_uint_eq(strlen(r.exception->traceback),
		    SLOT_CRASH);
		ck_assert_uint_eq(strspn(r.exception->traceback, "?"),
		    SLOT_CRASH);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- crashes whose report takes longer than the timeout ---- */

/* Counters: a crash was noted; its report may end; an item is to die. */
enum { NOTED = 20, GATE, DEATH };

void __real_sys_alarm(unsigned seconds);
void __wrap_sys_alarm(unsigned seconds);
void __real_server_kill(struct server *, uint32_t slot, uint32_t generation);
void __wrap_server_kill(struct server *, uint32_t slot, uint32_t generation);

/* In a worker that crashes, after it noted that.  Holds it there for as long as
   the test wants, as a report does that takes its time. */
static bool holds;

void __wrap_sys_alarm(unsigned seconds)
{
	if (holds && seconds > 0) {
		atomic_fetch_add(&sh->counter[NOTED], 1);
		await(&sh->counter[GATE], 1, limit_ms());
	}
	__real_sys_alarm(seconds);
}

/* In the caller: the pid of the worker that is to be dead when the order to
   kill it is given. */
static pid_t dies_first;

void __wrap_server_kill(struct server *s, uint32_t slot, uint32_t generation)
{
	if (dies_first != 0) {
		atomic_store(&sh->counter[DEATH], 1);
		wait_gone(dies_first);
	}
	__real_server_kill(s, slot, generation);
}

/* Has the next turn of the pool sample its only worker, whose item has run for
   so long. */
static void have_run(vm_pool *pool, uint64_t ran)
{
	pool->engine.crew.members[0].ran = ran;
	pool->engine.timeouts.sample_at = 0;
}

/* Has the worker sampled until only the time that its item has run matters. */
static void sample(vm_pool *pool)
{
	struct vm_result r;

	for (int i = 0; i < 3; i++) {
		have_run(pool, 0);
		while (pool->engine.timeouts.sample_at == 0)
			ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1),
			    VM_LATER);
	}
}

static vm_pool *begin_crash(const struct vm_worker *worker)
{
	const struct vm_options options = { .workers = 1,
		.item_timeout_ms = 60000, .setup_timeout_ms = 60000 };
	struct vm_result r;
	vm_pool *pool;

	start();
	holds = true;
	pool = fork_pool(worker, &options);
	imap_to(pool, vm_range(0, 1));
	while (sh->counter[NOTED] == 0)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), VM_LATER);
	return pool;
}

static void end_crash(vm_pool *pool, enum vm_cause cause, int signal)
{
	struct vm_result r;

	take(pool, &r);
	ck_assert_int_eq(r.type, VM_EXCEPTION);
	ck_assert_msg(r.exception->cause == cause, "%s",
	    r.exception->message);
	ck_assert_int_eq(r.exception->signal, signal);
	ck_assert_ptr_nonnull(r.exception->traceback);
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
	holds = false;
}

START_TEST(a_slow_report_is_no_timeout)
{
	const struct vm_worker worker = { .process = crash_somehow };
	vm_pool *pool = begin_crash(&worker);
	struct member *m = &pool->engine.crew.members[0];
	struct vm_result r;

	sample(pool);
	have_run(pool, pool->engine.set.item_ns);
	while (pool->engine.timeouts.sample_at == 0)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), VM_LATER);
	ck_assert_int_eq(m->state, MEMBER_RUNNING);
	atomic_store(&sh->counter[GATE], 1);
	end_crash(pool, VM_KILLED, SIGSEGV);
}
END_TEST

START_TEST(a_report_without_end_is_one)
{
	const struct vm_worker worker = { .process = crash_somehow };
	vm_pool *pool = begin_crash(&worker);
	struct member *m = &pool->engine.crew.members[0];

	/* As the manual has it. */
	ck_assert_uint_eq(timeouts_grace(m), 20000 * MS_IN_NS);
	sample(pool);
	have_run(pool, pool->engine.set.item_ns + timeouts_grace(m));
	end_crash(pool, VM_TIMED_OUT, 0);
}
END_TEST

static int setup_crashes_once(struct vm_context *me)
{
	(void)me;
	return sh->counter[NOTED] == 0 ? crash_at_address() : 0;
}

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

START_TEST(nor_is_one_in_a_setup)
{
	const struct vm_worker worker = { .setup = setup_crashes_once,
		.process = echo };
	vm_pool *pool = begin_crash(&worker);
	struct engine *e = &pool->engine;
	struct vm_result r;

	e->crew.members[0].setup_by = clock_ns();
	e->crew.alarm = 0;
	while (e->crew.alarm == 0)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), VM_LATER);
	ck_assert_int_eq(e->crew.members[0].state, MEMBER_RUNNING);
	atomic_store(&sh->counter[GATE], 1);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	ck_assert_ptr_nonnull(strstr(e->staffing.setup_words.text,
	    "killed by signal 11"));
	close_pool(pool);
	shared_free(sh);
	holds = false;
}
END_TEST

/* Dies of a signal without a traceback when it is told to. */
static int die_on_demand(struct vm_context *me, const void *input, size_t size)
{
	(void)me;
	(void)input;
	(void)size;
	atomic_fetch_add(&sh->counter[NOTED], 1);
	await(&sh->counter[DEATH], 1, limit_ms());
	raise(SIGUSR1);
	return 0;
}

START_TEST(what_died_before_it_was_killed_is_no_timeout)
{
	const struct vm_worker worker = { .process = die_on_demand };
	vm_pool *pool = begin_crash(&worker);
	struct vm_result r;

	sample(pool);
	dies_first = pool->engine.crew.members[0].pid;
	have_run(pool, pool->engine.set.item_ns);
	take(pool, &r);
	dies_first = 0;
	ck_assert_int_eq(r.exception->cause, VM_KILLED);
	ck_assert_int_eq(r.exception->signal, SIGUSR1);
	take_end(pool);
	close_pool(pool);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { crashes_say_where,
		other_ends_have_none, a_handler_of_the_users_is_respected,
		crashes_of_children_are_their_own, garbage_is_made_printable,
		more_than_fits_is_cut, a_worker_that_lies_is_bounded,
		what_died_before_it_was_killed_is_no_timeout,
		a_slow_report_is_no_timeout, a_report_without_end_is_one,
		nor_is_one_in_a_setup };

	/* The last three are about the traceback. */
	return run_tests("crash", tests, COUNTOF(tests) - 3 * !TOLD);
}
