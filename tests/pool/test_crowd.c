/*
 * test_crowd.c - many workers: a thousand workers run items, idle workers cost
 * nothing, and polled descriptors are closed with their worker.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "sample.h"
#include "tools.h"

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker echoing = { .process = echo };

/* Returns whether this process may open n more descriptors. */
static bool may_have(rlim_t descriptors)
{
	struct rlimit limit;

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < descriptors) {
		printf("skipped: %ju descriptors are too few\n",
		    (uintmax_t)limit.rlim_max);
		return false;
	}
	if (limit.rlim_cur < descriptors)
		limit.rlim_cur = descriptors;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return true;
}

/* ---- a thousand workers ---- */

START_TEST(a_thousand_work)
{
	const struct vm_options options = {
		.workers = sample_size(1000, 200) };
	static int cause[20000];
	int fds = count_fds();
	vm_pool *pool;

	if (!may_have(2200))
		return;
	pool = vm_fork(&echoing, &options);
	if (pool == NULL && (errno == EAGAIN || errno == ENOMEM)) {
		printf("skipped: %s\n", vm_error(NULL));
		return;
	}
	ck_assert_msg(pool != NULL, "%s", vm_error(NULL));
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, vm_range(0, 20000));
	ck_assert_int_eq(take_numbers(pool, 20000, cause), 0);
	for (int i = 0; i < 20000; i++)
		ck_assert_int_eq(cause[i], 0);
	ck_assert(roster_is_right(&pool->engine.crew));
	close_pool(pool);
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), 0);
}
END_TEST

/* ---- idle workers ---- */

#define IDLERS 300

/* Pages that contain only members.  A page becomes accessible again after its
   first fault; hits counts the faults. */
static struct {
	char *at;
	size_t size, pages;
	volatile sig_atomic_t hits;
} guarded;

static void hit(int signal, siginfo_t *info, void *context)
{
	char *at = info->si_addr;
	size_t page;

	(void)signal;
	(void)context;
	if (at < guarded.at || at >= guarded.at + guarded.pages * guarded.size)
		_exit(98);
	page = (size_t)(at - guarded.at) / guarded.size;
	guarded.hits++;
	if (mprotect(guarded.at + page * guarded.size, guarded.size,
	    PROT_READ | PROT_WRITE) != 0)
		_exit(99);
}

static void guard(struct crew *c)
{
	uintptr_t first = (uintptr_t)c->members;
	uintptr_t end = (uintptr_t)(c->members + c->count);
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	const struct sigaction action = { .sa_sigaction = hit,
		.sa_flags = SA_SIGINFO };

	guarded.size = page;
	guarded.at = (char *)c->members + (page - first % page) % page;
	guarded.pages = (end - (uintptr_t)guarded.at) / page;
	guarded.hits = 0;
	ck_assert_uint_gt(guarded.pages, 20);
	ck_assert_int_eq(sigaction(SIGSEGV, &action, NULL), 0);
	ck_assert_int_eq(mprotect(guarded.at, guarded.pages * page,
	    PROT_NONE), 0);
}

static void unguard(void)
{
	ck_assert_int_eq(mprotect(guarded.at, guarded.pages * guarded.size,
	    PROT_READ | PROT_WRITE), 0);
	signal(SIGSEGV, SIG_DFL);
}

/* One item at a time.  The caller accesses only the member that gets the item
   and the neighbour of this member in a list. */
START_TEST(idle_ones_are_not_looked_at)
{
	const struct vm_options options = { .workers = IDLERS };
	struct vm_result r;
	vm_pool *pool;

	if (!may_have(2 * IDLERS + 200))
		return;
	pool = fork_pool(&echoing, &options);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	guard(&pool->engine.crew);
	for (int64_t i = 0; i < 200; i++) {
		imap_to(pool, vm_range(i, i + 1));
		take(pool, &r);
		ck_assert_int_eq(number(r.output), i);
	}
	unguard();
	ck_assert_int_le(guarded.hits, 8);
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- polled descriptors ---- */

/* Returns the number of descriptors in the epoll set, as the kernel reports
   it. */
static int watched(const vm_pool *pool)
{
	char name[64], line[256];
	int n = 0;
	FILE *f;

	snprintf(name, sizeof name, "/proc/self/fdinfo/%d",
	    pool->engine.listening.poller.set);
	f = fopen(name, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof line, f) != NULL)
		n += strncmp(line, "tfd:", 4) == 0;
	fclose(f);
	return n;
}

static int exit_at_7(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) == 7)
		_exit(3);
	return vm_output(me, input, size);
}

static size_t ready(const struct crew *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->count; i++)
		n += member_is_ready(&c->members[i]);
	return n;
}

/* A child of the host holds copies of the pipe descriptors, so that the pipes
   stay open. */
START_TEST(pipes_of_the_dead_are_not_waited_for)
{
	const struct vm_worker worker = { .process = exit_at_7 };
	const struct vm_options options = { .workers = 2, .chunk_size = 1 };
	vm_pool *pool = fork_pool(&worker, &options);
	int cause[20], before;
	pid_t child;

	ck_assert_int_eq(vm_ready(pool, -1), 0);
	before = watched(pool);
	ck_assert_int_ge(before, 4);
	child = fork();
	if (child == 0) {
		pause();
		_exit(0);
	}
	ck_assert_int_gt(child, 0);
	imap_to(pool, vm_range(0, 20));
	ck_assert_int_eq(take_numbers(pool, 20, cause), 0);
	ck_assert_int_eq(cause[7], VM_EXITED);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	while (ready(&pool->engine.crew) < 2) {
		imap_to(pool, vm_range(0, 1));
		ck_assert_int_eq(take_numbers(pool, 1, cause), 0);
	}
	ck_assert_int_eq(watched(pool), before);
	kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	close_pool(pool);
}
END_TEST

/* ---- an idle pool ---- */

static unsigned long switches_of_all(const vm_pool *pool)
{
	unsigned long all = switches_of(pool->engine.server.pid);

	for (size_t i = 0; i < pool->engine.crew.count; i++)
		all += switches_of(pool->engine.crew.members[i].pid);
	return all;
}

/* No process of an idle pool wakes up for some seconds.  A fork server without
   a pidfd of its parent has to poll for the death of the parent, so it may. */
START_TEST(an_idle_pool_sleeps)
{
	static int cause[1000];
	unsigned long before, now;
	vm_pool *pool;

	pool = fork_pool(&echoing, &(struct vm_options){ .workers = 4,
	    .item_timeout_ms = 100, .worker_max_rss_bytes = (size_t)1 << 40 });
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, vm_range(0, COUNTOF(cause)));
	ck_assert_int_eq(take_numbers(pool, COUNTOF(cause), cause), 0);
	now = switches_of_all(pool);
	do {
		before = now;
		usleep(200000);
		now = switches_of_all(pool);
	} while (now != before);
	usleep(2500000);
	now = switches_of_all(pool);
	if (pool->engine.server.pidfd >= 0)
		ck_assert_uint_eq(now, before);
	else
		ck_assert_uint_le(now - before, 2 * 4);
	close_pool(pool);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		pipes_of_the_dead_are_not_waited_for };
	const TTest *const drawn[] = {
		idle_ones_are_not_looked_at, an_idle_pool_sleeps,
		a_thousand_work };

	return run_sampled_tests("crowd", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
