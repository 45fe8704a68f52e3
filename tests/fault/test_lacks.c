/*
 * test_lacks.c - facilities that the system lacks or forbids, and the library
 * does without, whether an old kernel or a filter of system calls refuses them,
 * and with which error.
 *
 * The facilities are those of the table in doc/death-and-time.md.  Each is
 * taken away by the failing twin of the calls; those which real filters have
 * been seen to forbid, by a real filter too.
 */
#include "config.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "fault_sys.h"
#include "os/fdlist.h"
#include "os/paging.h"
#include "os/sys.h"
#include "sample.h"
#include "shm/slot.h"
#include "tools.h"
#include "vimap_reduce.h"

/* By numbers, as headers may be older than the kernel. */
#define NR_PIDFD_SEND_SIGNAL 424
#define NR_PIDFD_OPEN 434

static const int errors[] = { ENOSYS, EPERM, EACCES };

/* ---- a life that uses all facilities ---- */

#define ITEMS 40
#define FAILS 5			/* writes to stderr, and fails */
#define HANGS 7			/* for ever, at its first attempt */
#define CRASHES 9		/* likewise */
#define LARGE 12		/* its output is read in shared memory */

static int process(struct vm_context *me, const void *input, size_t size)
{
	static const char large[2 * SLOT_IN_PLACE];
	int64_t n = number(input);
	char byte;

	if (read(0, &byte, 1) != 0)
		return vm_fail(me, 2, "stdin is not empty");
	if (n == FAILS || n == CRASHES)
		fprintf(stderr, "item %d", (int)n);
	if (n == FAILS)
		return vm_fail(me, 1, "as told");
	if (n == HANGS && me->attempt == 1)
		for (;;)
			pause();
	if (n == CRASHES)
		raise(SIGSEGV);
	vm_output(me, input, size);
	return n == LARGE ? vm_output(me, large, sizeof large) : 0;
}

/* Checks that an exception has the text that the item wrote to stderr, if texts
   are kept. */
static void check_tail(const struct vm_result *r, bool kept)
{
	char text[32];

	snprintf(text, sizeof text, "item %d", (int)r->index);
	if (kept)
		ck_assert_str_eq(r->exception->stderr_tail, text);
	else
		ck_assert_ptr_null(r->exception->stderr_tail);
}

static void check_pool(bool keeps_text)
{
	struct vm_worker worker = { .process = process };
	struct vm_options o = { .workers = 2, .chunk_size = 4,
		.item_timeout_ms = 300, .max_attempts = 5,
		.flags = VM_STDERR_TAIL | VM_MEASURE_ITEMS,
		.worker_max_items = 10,
		.retry_on = VM_TIMED_OUT };
	bool seen[ITEMS] = { false };
	vm_pool *pool = fork_pool(&worker, &o);
	struct vm_result r;

	imap_to(pool, vm_range(0, ITEMS));
	for (int i = 0; i < ITEMS; i++) {
		take(pool, &r);
		ck_assert(!seen[r.index]);
		seen[r.index] = true;
		if (r.index == FAILS || r.index == CRASHES) {
			ck_assert_int_eq(r.type, VM_EXCEPTION);
			ck_assert_int_eq(r.exception->cause,
			    r.index == FAILS ? VM_FAILED : VM_KILLED);
			check_tail(&r, keeps_text);
		} else {
			ck_assert_msg(r.type == VM_OUTPUT, "%d: %s",
			    (int)r.index, r.exception ?
			    r.exception->message : "");
			ck_assert_int_eq(number(r.output), (int64_t)r.index);
		}
	}
	take_end(pool);
	close_pool(pool);
}

static int doubles(struct vm_context *me, const void *input, size_t size)
{
	int64_t x = 2 * number(input);

	(void)size;
	return vm_output(me, &x, sizeof x);
}

static void check_array(void)
{
	struct vm_worker worker = { .process = doubles };
	static int64_t in[5000], out[COUNTOF(in)];

	for (size_t i = 0; i < COUNTOF(in); i++)
		in[i] = (int64_t)i;
	ck_assert_msg(vm_map_array(&worker, &(struct vm_options){
	    .workers = 2 },
	    &(struct vm_array_map){ .in = in, .count = COUNTOF(in),
	        .in_size = sizeof *in, .out = out, .out_size = sizeof *out }) == 0, "%s", vm_error(NULL));
	for (size_t i = 0; i < COUNTOF(in); i++)
		ck_assert_int_eq(out[i], 2 * (int64_t)i);
}

#define KEYS 7
#define PAIRS 300

/* Values so long that most are spilled. */
static int map(struct vm_context *me, const void *input, size_t size)
{
	static char value[8000];
	int key = (int)(number(input) % KEYS);

	(void)size;
	return vm_emit(me, &key, sizeof key, value, sizeof value);
}

static int reduce(struct vm_context *me, const void *key, size_t size,
    struct vm_values *values)
{
	uint64_t count = vm_value_count(values);

	(void)key;
	(void)size;
	return vm_output(me, &count, sizeof count);
}

static void check_reducer(void)
{
	struct vm_job job = { .map = map, .reduce = reduce };
	struct vm_reduce_options o = { .memory_limit = 1 << 20 };
	vm_reducer *r = vm_fork_jobs(&job, 1, &(struct vm_options){
	    .workers = 2 }, &o);
	struct vm_reduced one;
	uint64_t sum = 0;
	int keys = 0, rc;

	ck_assert_msg(r != NULL, "%s", vm_reducer_error(NULL));
	ck_assert_int_eq(vm_map_reduce(r, 0, vm_range(0, PAIRS)), 0);
	while ((rc = vm_zip_key_out(r, &one)) == 1) {
		ck_assert_int_eq(one.type, VM_OUTPUT);
		sum += *(const uint64_t *)one.output;
		keys++;
	}
	ck_assert_msg(rc == 0, "%s", vm_reducer_error(r));
	ck_assert_int_eq(keys, KEYS);
	ck_assert_uint_eq(sum, PAIRS);
	ck_assert_int_eq(vm_reducer_close(r), 0);
}

/* Puts a byte in stdin, which callbacks must not be able to read. */
static void have_input(void)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], "x", 1), 1);
	ck_assert_int_eq(dup2(ends[0], 0), 0);
	close(ends[0]);
	close(ends[1]);
}

static void check_life(bool keeps_text)
{
	int fds = count_fds(), children = count_children(), left = 0;

	have_input();
	check_pool(keeps_text);
	check_array();
	check_reducer();
	ck_assert_int_eq(ioctl(0, FIONREAD, &left), 0);
	ck_assert_int_eq(left, 1);
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), children);
}

/* ---- taken away by the twin ---- */

/* As in doc/death-and-time.md.  The same call may be needed in one process and
   not in another. */
static const struct {
	enum fault_kind kind;
	enum fault_where where;
} facilities[] = {
	{ FAULT_PIDFD_OPEN, FAULT_ANYWHERE },
	{ FAULT_WAIT_PIDFD, FAULT_ANYWHERE },
	{ FAULT_MEMFD, FAULT_ANYWHERE },
	{ FAULT_TEMPORARY, FAULT_HERE },
	{ FAULT_PUNCH, FAULT_ANYWHERE },
	{ FAULT_REOPEN, FAULT_ANYWHERE },
	{ FAULT_OPEN, FAULT_IN_CHILDREN },
	{ FAULT_STAT, FAULT_ANYWHERE },
	{ FAULT_WIPE_ON_FORK, FAULT_ANYWHERE },
	{ FAULT_DONT_FORK, FAULT_ANYWHERE },
	{ FAULT_DO_FORK, FAULT_ANYWHERE },
	{ FAULT_PROTECT, FAULT_ANYWHERE },
	{ FAULT_ALT_STACK, FAULT_ANYWHERE },
	{ FAULT_USAGE, FAULT_ANYWHERE },
	{ FAULT_SUBREAPER, FAULT_ANYWHERE },
	{ FAULT_DIE_WITH_PARENT, FAULT_ANYWHERE },
	{ FAULT_SETSID, FAULT_ANYWHERE },
	{ FAULT_SETPGID, FAULT_ANYWHERE },
};

static void lives_without(size_t which, int error)
{
	int kind = facilities[which].kind;

	fault_plan(facilities[which].kind, 1, 1000000000, error,
	    facilities[which].where);
	check_life(kind != FAULT_MEMFD);
	/* The pool must have tried to use the facility. */
	ck_assert_msg(fault_hits() > 0, "facility %zu was not used", which);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
}

START_TEST(each_facility_by_each_error)
{
	unsigned number = 0;

	no_cores();
	paging_assume(PAGING_CHEAP);
	check_life(true);
	for (size_t i = 0; i < COUNTOF(facilities); i++)
		for (size_t k = 0; k < COUNTOF(errors); k++)
			if (sample_takes(number++, 8))
				lives_without(i, errors[k]);
}
END_TEST

/* Facilities for a hung fork server, and for defaults of options. */
START_TEST(rare_facilities)
{
	int pidfd, status;
	pid_t pid;

	for (size_t k = 0; k < COUNTOF(errors); k++) {
		pid = fork();
		if (pid == 0)
			for (;;)
				pause();
		pidfd = sys_pidfd_open(pid);
		ck_assert_int_ge(pidfd, 0);
		fault_plan(FAULT_PIDFD_KILL, 1, 1, errors[k], FAULT_HERE);
		ck_assert_int_eq(sys_pidfd_kill(pidfd, pid, SIGKILL), 0);
		ck_assert_int_eq(fault_hits(), 1);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(WTERMSIG(status), SIGKILL);
		sys_close(&pidfd);
		fault_plan(FAULT_AFFINITY, 1, 1, errors[k], FAULT_HERE);
		ck_assert_int_ge(sys_affinity(),
		    (int)sysconf(_SC_NPROCESSORS_ONLN));
		ck_assert_int_eq(fault_hits(), 1);
	}
}
END_TEST

/* Where the cost of protecting pages cannot be measured, outputs are copied. */
START_TEST(the_cost_of_paging)
{
	static const enum fault_kind kinds[] = { FAULT_PROTECT,
		FAULT_MAP_SHARED };
	static unsigned char output[SLOT_IN_PLACE];
	int hits;

	for (size_t i = 0; i < COUNTOF(kinds); i++) {
		paging_assume(PAGING_UNKNOWN);
		fault_plan(kinds[i], 1, 1000, ENOMEM, FAULT_HERE);
		ck_assert(!paging_protects_cheaply(NULL, 0));
		ck_assert_int_eq(fault_hits(), 0);
		ck_assert(!paging_protects_cheaply(output, sizeof output));
		hits = fault_hits();
		ck_assert_int_gt(hits, 0);
		/* It is measured once. */
		ck_assert(!paging_protects_cheaply(output, sizeof output));
		ck_assert_int_eq(fault_hits(), hits);
	}
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
}
END_TEST

/* ---- the lock of all pools ---- */

static pthread_barrier_t barrier;

static void *has_lock(void *unused)
{
	fdlist_lock();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	fdlist_unlock();
	return unused;
}

static int has_array(void *unused)
{
	(void)unused;
	check_array();
	return 0;
}

/* A child must not wait for a lock that a thread of its parent held, though no
   page tells the child from its parent. */
static int locked_without(void *kind)
{
	const enum fault_kind *without = kind;
	pthread_t thread;

	fault_plan(*without, 1, 1000000000, ENOMEM, FAULT_ANYWHERE);
	check_array();
	pthread_barrier_init(&barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&thread, NULL, has_lock, NULL), 0);
	pthread_barrier_wait(&barrier);
	ck_assert_int_eq(in_child(has_array, NULL), 0);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
	ck_assert_int_gt(fault_hits(), 0);
	return 0;
}

START_TEST(lock_without_a_page)
{
	static const enum fault_kind kinds[] = { FAULT_WIPE_ON_FORK,
		FAULT_MAP_PRIVATE };

	for (size_t i = 0; i < COUNTOF(kinds); i++)
		ck_assert_int_eq(in_child(locked_without,
		    (void *)&kinds[i]), 0);
}
END_TEST

/* ---- taken away by a filter ---- */

static const int calls[] = { SYS_memfd_create, NR_PIDFD_OPEN,
	NR_PIDFD_SEND_SIGNAL };

struct filter {
	int from, to;		/* range of calls[], without to */
	int error;
};

/* From now on this system call fails in this process and its children. */
static int forbid(int number, int error)
{
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K,
		    SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { COUNTOF(steps), steps };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

static int lives_behind(void *arg)
{
	const struct filter *f = arg;

	for (int i = f->from; i < f->to; i++) {
		ck_assert_int_eq(forbid(calls[i], f->error), 0);
		ck_assert_int_eq(syscall(calls[i], -1, 0, 0, 0), -1);
		ck_assert_int_eq(errno, f->error);
	}
	check_life(f->from > 0);
	return 0;
}

START_TEST(filters)
{
	const int all = COUNTOF(calls);

	no_cores();
	for (size_t k = 0; k < COUNTOF(errors); k++) {
		for (int i = 0; i < all; i++)
			ck_assert_int_eq(in_child(lives_behind,
			    &(struct filter){ i, i + 1, errors[k] }), 0);
		ck_assert_int_eq(in_child(lives_behind,
		    &(struct filter){ 0, all, errors[k] }), 0);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		rare_facilities, the_cost_of_paging, lock_without_a_page,
		filters };
	const TTest *const drawn[] = {
		each_facility_by_each_error };

	return run_sampled_tests("lacks", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
