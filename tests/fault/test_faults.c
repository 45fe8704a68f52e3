/*
 * test_faults.c - missing resources: a clear error, no leak, and no input that
 * was read is lost.
 *
 * Every test asserts that the fault really happened.
 */
#include "config.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "fault_sys.h"
#include "sample.h"
#include "tools.h"

static int twice(struct vm_context *me, const void *input, size_t size)
{
	int64_t x = 2 * *(const int64_t *)input;

	(void)size;
	return vm_output(me, &x, sizeof x);
}

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

/* Every 10th number crashes at its first attempt. */
static int crash_once(struct vm_context *me, const void *input, size_t size)
{
	if (*(const int64_t *)input % 10 == 0 && me->attempt == 1)
		raise(SIGKILL);
	return twice(me, input, size);
}

static const struct vm_worker twicer = { .process = twice };
static const struct vm_worker crasher = { .process = crash_once };

/* Takes the doubles of 0 .. count - 1, each exactly once.  Lack of memory is
   reported, and gone at the next call. */
static void take_doubles(vm_pool *pool, int count)
{
	char seen[100] = { 0 };
	struct vm_result r;
	int rc, n = 0;

	while ((rc = vm_zip_in_out(pool, &r)) != 0) {
		int64_t x;

		if (rc == -1) {
			ck_assert_int_eq(errno, ENOMEM);
			ck_assert_str_ne(vm_error(pool), "");
			continue;
		}
		ck_assert_msg(r.type == VM_OUTPUT, "%d: %s", r.attempts,
		    r.exception ? r.exception->message : "");
		x = *(const int64_t *)r.input;
		ck_assert_int_eq(*(const int64_t *)r.output, 2 * x);
		ck_assert_int_eq(seen[x]++, 0);
		n++;
	}
	ck_assert_int_eq(n, count);
}

/* vm_fork() must fail by the plan, with an error message, and leave no process
   or descriptor. */
static void refuses(enum fault_kind kind, int nth, enum fault_where where,
    int error)
{
	struct vm_options o = { .workers = 5 };
	int fds = count_fds(), children = count_children();
	vm_pool *pool;

	fault_plan(kind, nth, 1, error, where);
	errno = 0;
	pool = vm_fork(&twicer, &o);
	ck_assert_ptr_null(pool);
	ck_assert_int_eq(errno, error);
	ck_assert_int_eq(fault_hits(), 1);
	ck_assert_msg(strlen(vm_error(NULL)) > 20, "%s", vm_error(NULL));
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), children);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
}

START_TEST(no_process)
{
	refuses(FAULT_FORK, 1, FAULT_HERE, EAGAIN);
	for (int n = 1; n <= 5; n++)
		refuses(FAULT_FORK, n, FAULT_IN_CHILDREN, EAGAIN);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "RLIMIT_NPROC"));
}
END_TEST

START_TEST(no_descriptor)
{
	refuses(FAULT_SOCKETPAIR, 1, FAULT_HERE, EMFILE);
	refuses(FAULT_EVENTFD, 1, FAULT_HERE, EMFILE);
	for (int n = 1; n <= 10; n++)
		refuses(FAULT_PIPE, n, FAULT_IN_CHILDREN, EMFILE);
	for (int n = 1; n <= 5; n++)
		refuses(FAULT_LOST_FDS, n, FAULT_HERE, EMFILE);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "RLIMIT_NOFILE"));
	refuses(FAULT_PIPE, 2, FAULT_IN_CHILDREN, ENFILE);
}
END_TEST

/* Large items must come back whole although the first mappings of shared memory
   fail. */
static void maps_large(int failing)
{
	enum { SIZE = 100000, COUNT = 20 };
	static char items[COUNT][SIZE];
	struct vm_options o = { .workers = 2, .flags = VM_ORDERED };
	struct vm_result r;
	vm_pool *pool;

	for (int i = 0; i < COUNT; i++)
		memset(items[i], 'a' + i, SIZE);
	fault_plan(FAULT_MAP_SHARED, 1, failing, ENOMEM, FAULT_HERE);
	pool = fork_pool(&(struct vm_worker){ .process = echo }, &o);
	ck_assert_int_eq(fault_hits(), failing);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
	imap_to(pool, vm_array(items, COUNT, SIZE));
	for (int i = 0; i < COUNT; i++) {
		take(pool, &r);
		ck_assert_uint_eq(r.output_size, SIZE);
		ck_assert_mem_eq(r.output, items[i], SIZE);
	}
	take_end(pool);
	close_pool(pool);
}

/* A large item, which goes through the pipes, asks for huge pages. */
START_TEST(no_huge_pages)
{
	enum { SIZE = 6 << 20 };
	char *item = malloc(SIZE);
	struct vm_result r;
	vm_pool *pool;

	ck_assert_ptr_nonnull(item);
	memset(item, 'x', SIZE);
	fault_plan(FAULT_ASK_HUGE, 1, 1000, EINVAL, FAULT_HERE);
	pool = fork_pool(&(struct vm_worker){ .process = echo },
	    &(struct vm_options){ .workers = 1 });
	imap_to(pool, vm_array(item, 1, SIZE));
	take(pool, &r);
	ck_assert_uint_eq(r.output_size, SIZE);
	ck_assert_mem_eq(r.output, item, SIZE);
	ck_assert_int_gt(fault_hits(), 0);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
	take_end(pool);
	close_pool(pool);
	free(item);
}
END_TEST

/* Returns the number of tries for five workers: with less and less shared memory
   for payloads, then none; one more failure would leave none for leases and
   rings. */
static int mappings(void)
{
	size_t half = slots_half(5);
	int tries = 1;

	for (; half > 0; half = half / 2 / SLOT_PAYLOAD_LEAST *
	    SLOT_PAYLOAD_LEAST)
		tries++;
	return tries;
}

START_TEST(less_shared_memory)
{
	for (int failing = 0; failing < mappings(); failing++)
		maps_large(failing);
}
END_TEST

START_TEST(no_shared_memory)
{
	int fds = count_fds(), children = count_children();

	fault_plan(FAULT_MAP_SHARED, 1, mappings(), ENOMEM, FAULT_HERE);
	ck_assert_ptr_null(vm_fork(&twicer, &(struct vm_options){
	    .workers = 5 }));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_int_eq(fault_hits(), mappings());
	ck_assert_msg(strlen(vm_error(NULL)) > 20, "%s", vm_error(NULL));
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), children);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
}
END_TEST

/* The pool must work without a facility that an old kernel or a missing /proc
   lacks. */
static void does_without(enum fault_kind kind, int error,
    enum fault_where where)
{
	struct vm_options o = { .workers = 3, .max_attempts = 2,
		.chunk_size = 7 };
	int fds = count_fds(), children = count_children();
	vm_pool *pool;

	fault_plan(kind, 1, 1000000, error, where);
	pool = fork_pool(&crasher, &o);
	ck_assert_int_eq(vm_imap(pool, vm_range(0, 100)), 0);
	take_doubles(pool, 100);
	ck_assert_int_gt(fault_hits(), 0);
	ck_assert_msg(vm_close(pool) == 0, "%d %s", kind, vm_error(NULL));
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), children);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
}

START_TEST(old_kernel)
{
	does_without(FAULT_PIDFD_OPEN, ENOSYS, FAULT_ANYWHERE);
	does_without(FAULT_WAIT_PIDFD, EINVAL, FAULT_ANYWHERE);
	does_without(FAULT_WIPE_ON_FORK, EINVAL, FAULT_ANYWHERE);
	does_without(FAULT_MAP_PRIVATE, ENOMEM, FAULT_ANYWHERE);
	does_without(FAULT_REOPEN, ENOENT, FAULT_ANYWHERE);
	does_without(FAULT_OPEN, ENOENT, FAULT_IN_CHILDREN);
}
END_TEST

/* A replacement that cannot be forked is tried again after a pause. */
START_TEST(no_replacement_at_first)
{
	struct vm_options o = { .workers = 2, .max_attempts = 2 };
	vm_pool *pool;

	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_ANYWHERE);
	pool = fork_pool(&crasher, &o);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	fault_plan(FAULT_FORK, 1, 3, EAGAIN, FAULT_IN_CHILDREN);
	ck_assert_int_eq(vm_imap(pool, vm_range(0, 40)), 0);
	take_doubles(pool, 40);
	ck_assert_int_eq(fault_hits(), 3);
	ck_assert_int_eq(vm_close(pool), 0);
}
END_TEST

START_TEST(no_descriptors_for_a_replacement)
{
	struct vm_options o = { .workers = 2, .max_attempts = 2 };
	vm_pool *pool;

	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_ANYWHERE);
	pool = fork_pool(&crasher, &o);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	fault_plan(FAULT_LOST_FDS, 1, 7, EMFILE, FAULT_HERE);
	ck_assert_int_eq(vm_imap(pool, vm_range(0, 40)), 0);
	take_doubles(pool, 40);
	ck_assert_int_eq(fault_hits(), 7);
	ck_assert_int_eq(vm_close(pool), 0);
}
END_TEST

/* ---- no worker is left ---- */

static int die_below_two(struct vm_context *me, const void *input,
    size_t size)
{
	if (*(const int64_t *)input < 2)
		raise(SIGKILL);
	return twice(me, input, size);
}

/* A pool of two workers that cannot be replaced; the first two inputs kill
   both. */
static vm_pool *desert(int fork_timeout_ms, enum fault_kind kind, int error,
    enum fault_where where)
{
	const struct vm_worker worker = { .process = die_below_two };
	const struct vm_options o = { .workers = 2, .chunk_size = 1,
		.fork_timeout_ms = fork_timeout_ms };
	vm_pool *pool;

	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_ANYWHERE);
	pool = fork_pool(&worker, &o);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	ck_assert_str_eq(vm_error(pool), "");
	fault_plan(kind, 1, INT_MAX, error, where);
	return pool;
}

/* The pool has an error message as soon as no worker is left, and no input is
   lost. */
START_TEST(nobody_is_left_for_a_while)
{
	vm_pool *pool = desert(0, FAULT_FORK, EAGAIN, FAULT_IN_CHILDREN);
	uint64_t end = clock_ns() + limit_ns();
	int rc, n = 0, killed = 0;
	struct vm_result r;

	imap_to(pool, vm_range(0, 20));
	do {
		rc = vm_zip_in_out_within(pool, &r, 2);
		n += rc == 1;
		killed += rc == 1 && r.type == VM_EXCEPTION;
		ck_assert_uint_lt(clock_ns(), end);
	} while (rc == 1 || !strstr(vm_error(pool), "No worker is left"));
	ck_assert_int_eq(rc, VM_LATER);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "RLIMIT_NPROC"));
	ck_assert_int_eq(killed, 2);
	ck_assert_int_eq(n, 2);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
	for (; n < 20; n++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
	}
	take_end(pool);
	ck_assert_int_eq(vm_broken(pool), 0);
	close_pool(pool);
}
END_TEST

/* After fork_timeout_ms, the items that were read fail with the reason, and no
   more are read. */
static void nobody_comes(enum fault_kind kind, int error,
    enum fault_where where, const char *reason)
{
	int fds = count_fds(), children = count_children(), rc, lost = 0;
	vm_pool *pool = desert(150, kind, error, where);
	struct vm_result r;

	imap_to(pool, vm_range(0, INT64_MAX));
	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		if (r.index < 2) {
			ck_assert_int_eq(r.exception->cause, VM_KILLED);
			continue;
		}
		lost++;
		ck_assert_int_eq(r.exception->cause, VM_LOST);
		ck_assert_int_eq(r.attempts, 0);
		ck_assert_ptr_nonnull(strstr(r.exception->message, reason));
		ck_assert_ptr_nonnull(strstr(r.exception->message,
		    "fork_timeout_ms"));
	}
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(vm_broken(pool), 1);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), reason));
	ck_assert_int_gt(lost, 0);
	ck_assert_int_le(lost, 200);
	ck_assert_int_gt(fault_hits(), 2);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
	close_pool(pool);
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), children);
}

START_TEST(nobody_is_left_for_good)
{
	nobody_comes(FAULT_FORK, EAGAIN, FAULT_IN_CHILDREN, "RLIMIT_NPROC");
	nobody_comes(FAULT_FORK, ENOMEM, FAULT_IN_CHILDREN, "memory");
	nobody_comes(FAULT_LOST_FDS, EMFILE, FAULT_HERE, "RLIMIT_NOFILE");
}
END_TEST

/* The lack of workers is no error while there are no items, except for
   vm_ready(). */
START_TEST(nobody_is_missed_for_nothing)
{
	vm_pool *pool = desert(50, FAULT_FORK, EAGAIN, FAULT_IN_CHILDREN);
	uint64_t begun = clock_ns();
	struct vm_result r;

	imap_to(pool, vm_range(0, 2));
	take(pool, &r);
	take(pool, &r);
	do {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), 0);
		ck_assert_uint_lt(clock_ns() - begun, limit_ns());
		nap_ms(1);
	} while (clock_ns() - begun < 200 * MS_IN_NS ||
	    !strstr(vm_error(pool), "No worker is left"));
	ck_assert_int_eq(vm_broken(pool), 0);
	ck_assert_int_eq(vm_resize(pool, 3), 0);
	ck_assert_int_eq(vm_ready(pool, -1), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "fork_timeout_ms"));
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
	close_pool(pool);
}
END_TEST

/* The control socket is full for a while. */
static void socket_is_full(enum fault_where where)
{
	struct vm_options o = { .workers = 4, .max_attempts = 2 };
	vm_pool *pool;

	fault_plan(FAULT_SEND, 1, 20, EAGAIN, where);
	pool = fork_pool(&crasher, &o);
	ck_assert_int_eq(vm_imap(pool, vm_range(0, 40)), 0);
	take_doubles(pool, 40);
	ck_assert_int_gt(fault_hits(), 0);
	ck_assert_int_eq(vm_close(pool), 0);
}

START_TEST(orders_and_news_wait)
{
	socket_is_full(FAULT_HERE);
	socket_is_full(FAULT_IN_CHILDREN);
	socket_is_full(FAULT_ANYWHERE);
}
END_TEST

/* The fork server ends with the last worker, though no order tells it to. */
START_TEST(the_order_to_end_is_lost)
{
	struct vm_options o = { .workers = 3 };
	vm_pool *pool = fork_pool(&crasher, &o);

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	fault_plan(FAULT_SEND, 1, 1000, EAGAIN, FAULT_HERE);
	ck_assert_int_eq(vm_close(pool), 0);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
}
END_TEST

/* In shared memory: the number of descriptors of each worker at its start. */
static struct shared *sh;

static int note_fds(struct vm_context *me)
{
	atomic_store(&sh->counter[me->worker_index], count_fds());
	return 0;
}

/* While the notice about a hired worker waits, the worker's pipes wait in the
   fork server; workers forked meanwhile must not inherit them. */
START_TEST(waiting_pipes_are_nobodys)
{
	const struct vm_worker worker = { .setup = note_fds,
		.process = twice };
	struct vm_options o = { .workers = 6 };
	vm_pool *pool;

	sh = shared_new();
	fault_plan(FAULT_SEND, 1, 20, EAGAIN, FAULT_IN_CHILDREN);
	pool = fork_pool(&worker, &o);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	ck_assert_int_gt(fault_hits(), 0);
	for (int i = 0; i < o.workers; i++)
		ck_assert_int_eq(atomic_load(&sh->counter[i]),
		    atomic_load(&sh->counter[0]));
	ck_assert_int_eq(vm_close(pool), 0);
	shared_free(sh);
}
END_TEST

/* ---- the real limits ---- */

static int limited(int resource, rlim_t most, uid_t user)
{
	const struct rlimit limit = { most, most };
	struct vm_options o = { .workers = 64 };
	vm_pool *pool;

	if (user != 0 && (setgroups(0, NULL) != 0 || setgid(user) != 0 ||
	    setuid(user) != 0))
		return 90;
	if (setrlimit(resource, &limit) != 0)
		return 91;
	pool = vm_fork(&twicer, &o);
	if (pool != NULL)
		return 92;
	if (errno != (resource == RLIMIT_NOFILE ? EMFILE : EAGAIN))
		return errno;
	return strstr(vm_error(NULL), resource == RLIMIT_NOFILE ?
	    "RLIMIT_NOFILE" : "RLIMIT_NPROC") ? 0 : 93;
}

static int few_descriptors(void *unused)
{
	(void)unused;
	return limited(RLIMIT_NOFILE, 60, 0);
}

static int few_processes(void *unused)
{
	(void)unused;
	return limited(RLIMIT_NPROC, 20, getuid() == 0 ? 65534 : 0);
}

START_TEST(real_limits)
{
	ck_assert_int_eq(in_child(few_descriptors, NULL), 0);
	ck_assert_int_eq(in_child(few_processes, NULL), 0);
}
END_TEST

/* ---- memory ---- */

/* Only the library's allocations are to fail, not those of the test. */
#define SHORT(call) \
	do { \
		fault_malloc_on(1); \
		(call); \
		fault_malloc_on(0); \
	} while (0)

/* As take_doubles(), while allocations of the library fail. */
static void take_doubles_short(vm_pool *pool, int count)
{
	char seen[100] = { 0 };
	struct vm_result r;
	int rc, n = 0;

	for (;;) {
		SHORT(rc = vm_zip_in_out(pool, &r));
		if (rc == 0)
			break;
		if (rc == -1) {
			ck_assert_int_eq(errno, ENOMEM);
			ck_assert_str_ne(vm_error(pool), "");
			continue;
		}
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(seen[*(const int64_t *)r.input]++, 0);
		n++;
	}
	ck_assert_int_eq(n, count);
}

/* Runs a pool in which the n-th allocation fails.  Returns whether the fault
   was met. */
static int run_short(int nth, const struct vm_worker *w,
    const struct vm_options *o)
{
	vm_pool *pool;
	int rc;

	fault_plan(FAULT_MALLOC, nth, 1, ENOMEM, FAULT_HERE);
	errno = 0;
	SHORT(pool = vm_fork(w, o));
	if (pool == NULL) {
		ck_assert_int_eq(errno, ENOMEM);
		ck_assert_str_ne(vm_error(NULL), "");
		ck_assert_int_eq(fault_hits(), 1);
		return 1;
	}
	/* As if earlier outputs had the size of an item's. */
	pool->engine.crew.usual = sizeof(int64_t);
	do {
		SHORT(rc = vm_imap(pool, vm_range(0, 60)));
		if (rc == -1)
			ck_assert_int_eq(errno, ENOMEM);
	} while (rc == -1);
	take_doubles_short(pool, 60);
	if (w == &twicer)
		ck_assert_uint_eq(pool->engine.tally.deaths, 0);
	SHORT(rc = vm_close(pool));
	ck_assert_int_eq(rc, 0);
	return fault_hits();
}

static void run_short_of_memory(const struct vm_worker *w,
    const struct vm_options *o)
{
	int fds = count_fds(), children = count_children(), nth = 1;

	while (run_short(nth, w, o)) {
		ck_assert_int_eq(count_fds(), fds);
		ck_assert_int_eq(count_children(), children);
		nth += sample_all() ? 1 : 1 + nth / 6;
	}
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
	ck_assert_int_gt(nth, 6);
}

/* Each allocation of a replay fails in turn. */
START_TEST(no_memory_for_a_replay)
{
	const struct vm_worker w = { .process = twice };
	const int64_t input = 21;
	const struct vm_result failed = { .input = &input,
		.input_size = sizeof input };
	int fds = count_fds(), nth = 0, without = 0;
	struct vm_result *again;

	do {
		fault_plan(FAULT_MALLOC, ++nth, 1, ENOMEM, FAULT_HERE);
		errno = 0;
		SHORT(again = vm_replay(&w, NULL, &failed));
		ck_assert_int_eq(count_fds(), fds);
		if (again != NULL) {
			ck_assert_int_eq(again->type, VM_OUTPUT);
			free(again);
			continue;
		}
		ck_assert_int_eq(errno, ENOMEM);
		ck_assert_str_ne(vm_error(NULL), "");
		without++;
	} while (fault_hits() > 0);
	ck_assert_int_gt(without, 6);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
}
END_TEST

START_TEST(no_memory)
{
	const int ten[] = { 5, 6 };

	run_short_of_memory(&crasher, &(struct vm_options){ .workers = 2,
	    .max_attempts = 2, .chunk_size = 4, .worker_indices = ten });
}
END_TEST

/* Each chunk has an array of outputs. */
START_TEST(no_memory_for_outputs_in_arrays)
{
	run_short_of_memory(&twicer, &(struct vm_options){ .workers = 1,
	    .chunk_size = 20 });
}
END_TEST

START_TEST(no_memory_in_order)
{
	run_short_of_memory(&crasher, &(struct vm_options){ .workers = 3,
	    .max_attempts = 2, .flags = VM_ORDERED });
}
END_TEST

START_TEST(no_memory_serial)
{
	run_short_of_memory(&twicer, &(struct vm_options){
	    .workers = VM_SERIAL });
}
END_TEST

#define ARRAY 3000

/* Returns 0, or -1 after checking that ENOMEM was reported. */
static int map_short(const int64_t *in, int64_t *out)
{
	int r;

	SHORT(r = vm_map_array(&twicer, NULL,
	    &(struct vm_array_map){ .in = in, .count = ARRAY,
	        .in_size = sizeof *in, .out = out, .out_size = sizeof *out }));
	ck_assert(r == 0 || (r == -1 && errno == ENOMEM &&
	    strlen(vm_error(NULL)) > 0));
	for (int64_t i = 0; i < ARRAY && r == 0; i++)
		ck_assert_int_eq(out[i], 2 * in[i]);
	return r;
}

START_TEST(no_memory_for_an_array)
{
	static int64_t in[ARRAY], out[ARRAY];
	int fds = count_fds(), children = count_children(), failed = 0;
	int nth = 0;

	for (int64_t i = 0; i < ARRAY; i++)
		in[i] = i;
	do {
		fault_plan(FAULT_MALLOC, ++nth, 1, ENOMEM, FAULT_HERE);
		failed += map_short(in, out) == -1;
		ck_assert_int_eq(count_fds(), fds);
		ck_assert_int_eq(count_children(), children);
	} while (fault_hits() > 0);
	ck_assert_int_gt(failed, 6);
	fault_plan(FAULT_MAP_SHARED, 1, mappings() - 1, ENOMEM, FAULT_HERE);
	ck_assert_int_eq(map_short(in, out), 0);
	ck_assert_int_eq(fault_hits(), mappings() - 1);
	fault_plan(FAULT_DONT_FORK, 1, 99, ENOMEM, FAULT_HERE);
	ck_assert_int_eq(map_short(in, out), 0);
	ck_assert_int_gt(fault_hits(), 0);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		no_process, no_descriptor, no_shared_memory, old_kernel,
		no_replacement_at_first, no_descriptors_for_a_replacement,
		nobody_is_left_for_a_while, nobody_is_missed_for_nothing,
		orders_and_news_wait, the_order_to_end_is_lost,
		waiting_pipes_are_nobodys, real_limits,
		no_memory_for_a_replay };
	const TTest *const drawn[] = {
		no_memory_in_order, no_memory_for_outputs_in_arrays,
		no_memory_serial, no_memory_for_an_array,
		no_memory, nobody_is_left_for_good, no_huge_pages,
		less_shared_memory };

	return run_sampled_tests("faults", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
