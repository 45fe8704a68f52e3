/*
 * test_oom.c - deaths by the OOM killer: its kills are read from the files of
 * control groups, counted once each, and reported only for deaths that they may
 * explain.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "scratch.h"
#include "tools.h"

static char root[64];
static struct shared *sh;

/* Writes text to a file, or the test fails. */
static void put_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	ssize_t size = (ssize_t)strlen(text);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(write(fd, text, (size_t)size), size);
	close(fd);
}

/* Writes text to a file below the root, after creating the directories. */
static void put(const char *name, const char *text)
{
	char path[512];

	snprintf(path, sizeof path, "%s%s", root, name);
	for (char *p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		mkdir(path, 0777);
		*p = '/';
	}
	put_file(path, text);
}

/* Checks that this file was found, by its path below the root. */
static void is_found(const struct oom *o, const char *name)
{
	if (name == NULL) {
		ck_assert_str_eq(o->path, "");
		return;
	}
	ck_assert_int_eq(strncmp(o->path, root, strlen(root)), 0);
	ck_assert_str_eq(o->path + strlen(root), name);
}

/* ---- the file with the count ---- */

#define V2 "low 0\nhigh 0\nmax 5\noom 7\noom_kill 3\noom_group_kill 9\n"
#define V1 "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n"

START_TEST(version_2)
{
	struct oom o;

	scratch_make(root, sizeof root);
	put("/proc/self/cgroup", "0::/a/b\n");
	put("/sys/fs/cgroup/a/b/memory.events", V2);
	oom_init(&o, root);
	is_found(&o, "/sys/fs/cgroup/a/b/memory.events");
	ck_assert_uint_eq(o.seen, 3);
	ck_assert(!oom_claim(&o));
	scratch_drop(root);
}
END_TEST

START_TEST(version_1)
{
	struct oom o;

	scratch_make(root, sizeof root);
	put("/proc/self/cgroup", "9:name=systemd:/\n4:cpu:/x\n"
	    "3:memory:/a\n1:pids:/\n");
	put("/sys/fs/cgroup/memory/a/memory.oom_control", V1);
	put("/sys/fs/cgroup/cpu/x/memory.oom_control", V1);
	oom_init(&o, root);
	is_found(&o, "/sys/fs/cgroup/memory/a/memory.oom_control");
	ck_assert_uint_eq(o.seen, 4);
	scratch_drop(root);
}
END_TEST

/* The path is the path outside of the container. */
START_TEST(a_group_out_of_sight)
{
	struct oom o;

	scratch_make(root, sizeof root);
	put("/proc/self/cgroup", "3:memory:/not/here\n0::/nor/here\n");
	put("/sys/fs/cgroup/memory/memory.oom_control", V1);
	oom_init(&o, root);
	is_found(&o, "/sys/fs/cgroup/memory/memory.oom_control");
	scratch_drop(root);
	scratch_make(root, sizeof root);
	put("/proc/self/cgroup", "0::/nor/here\n");
	put("/sys/fs/cgroup/memory.events", V2);
	oom_init(&o, root);
	is_found(&o, "/sys/fs/cgroup/memory.events");
	scratch_drop(root);
}
END_TEST

/* Old kernels do not count; version 2 may exist without the memory
   controller. */
START_TEST(files_without_a_count)
{
	struct oom o;

	scratch_make(root, sizeof root);
	put("/proc/self/cgroup", "0::/\n3:memory:/a\n");
	put("/sys/fs/cgroup/memory/a/memory.oom_control",
	    "oom_kill_disable 0\nunder_oom 0\n");
	put("/sys/fs/cgroup/memory.events", "oom_kills 3\nxoom_kill 4\n");
	oom_init(&o, root);
	is_found(&o, NULL);
	ck_assert(!oom_claim(&o));
	oom_look(&o);
	ck_assert(!oom_claim(&o));
	put("/sys/fs/cgroup/memory/memory.oom_control", V1);
	oom_init(&o, root);
	is_found(&o, "/sys/fs/cgroup/memory/memory.oom_control");
	scratch_drop(root);
}
END_TEST

START_TEST(no_files_at_all)
{
	struct oom o;

	scratch_make(root, sizeof root);
	oom_init(&o, root);
	is_found(&o, NULL);
	ck_assert(!oom_claim(&o));
	put("/proc/self/cgroup", "nonsense\n3:memory\n::::\n\n0::/../..\n");
	oom_init(&o, root);
	is_found(&o, NULL);
	scratch_drop(root);
}
END_TEST

/* ---- the death that a count explains ---- */

static void set_count(unsigned long n)
{
	char text[64];

	snprintf(text, sizeof text, "max 8\noom_kill %lu\nx 1\n", n);
	put("/sys/fs/cgroup/memory.events", text);
}

static void start_count(struct oom *o)
{
	scratch_make(root, sizeof root);
	put("/proc/self/cgroup", "0::/elsewhere\n");
	set_count(5);
	oom_init(o, root);
	is_found(o, "/sys/fs/cgroup/memory.events");
}

START_TEST(each_kill_is_claimed_once)
{
	struct oom o;

	start_count(&o);
	ck_assert(!oom_claim(&o));
	set_count(6);
	ck_assert(oom_claim(&o));
	ck_assert(!oom_claim(&o));
	set_count(9);
	ck_assert(oom_claim(&o));
	set_count(10);
	for (int i = 0; i < 3; i++)
		ck_assert(oom_claim(&o));
	ck_assert(!oom_claim(&o));
	scratch_drop(root);
}
END_TEST

START_TEST(what_was_before_a_look_is_forgotten)
{
	struct oom o;

	start_count(&o);
	set_count(7);
	oom_look(&o);
	ck_assert(!oom_claim(&o));
	set_count(9);
	ck_assert(oom_claim(&o));
	oom_look(&o);
	ck_assert(!oom_claim(&o));
	scratch_drop(root);
}
END_TEST

/* After the count has fallen, only a later increase explains a death; without
   the file, no death is explained. */
START_TEST(counts_that_fall_or_vanish)
{
	struct oom o;

	start_count(&o);
	set_count(2);
	ck_assert(!oom_claim(&o));
	set_count(3);
	ck_assert(oom_claim(&o));
	ck_assert_int_eq(unlink(o.path), 0);
	ck_assert(!oom_claim(&o));
	oom_look(&o);
	ck_assert(!oom_claim(&o));
	scratch_drop(root);
}
END_TEST

/* ---- in a pool ---- */

static char count_path[600];

/* Input 1 dies as by the OOM killer, 3 without a count, 5 by another signal, 6
   by a timeout. */
static int be_killed(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);
	char text[64];

	if (n == 1 || n == 5 || n == 6) {
		snprintf(text, sizeof text, "oom_kill %ld\n",
		    atomic_fetch_add(&sh->counter[0], 1) + 1);
		put_file(count_path, text);
	}
	if (n == 1 || n == 3)
		raise(SIGKILL);
	if (n == 5)
		raise(SIGTERM);
	while (n == 6)
		pause();
	return vm_output(me, input, size);
}

static void check_killed(const struct vm_result *r)
{
	int64_t n = number(r->input);
	const struct vm_exception *x = r->exception;
	const char *words = "want of memory";

	if (n != 1 && n != 3 && n != 5 && n != 6) {
		ck_assert_int_eq(r->type, VM_OUTPUT);
		return;
	}
	ck_assert_int_eq(x->cause, n == 6 ? VM_TIMED_OUT : VM_KILLED);
	ck_assert_int_eq(x->signal, n == 6 ? 0 : n == 5 ? SIGTERM : SIGKILL);
	ck_assert_int_eq(x->out_of_memory, n == 1);
	ck_assert_int_eq(strstr(x->message, words) != NULL, n == 1);
}

START_TEST(a_worker_that_was_killed_for_it)
{
	const struct vm_worker worker = { .process = be_killed };
	const struct vm_options options = { .workers = 1, .chunk_size = 4,
		.item_timeout_ms = 150 };
	struct vm_result r;
	struct oom *o;
	vm_pool *pool;

	no_cores();
	sh = shared_new();
	scratch_make(root, sizeof root);
	snprintf(count_path, sizeof count_path, "%s/count", root);
	put_file(count_path, "oom_kill 0\n");
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	o = &pool->engine.staffing.oom;
	*o = (struct oom){ .path = "" };
	snprintf(o->path, sizeof o->path, "%.500s", count_path);
	imap_to(pool, vm_range(0, 10));
	for (int i = 0; i < 10; i++) {
		take(pool, &r);
		check_killed(&r);
	}
	take_end(pool);
	close_pool(pool);
	scratch_drop(root);
}
END_TEST

/* ---- the kernel kills a worker ---- */

#define MIB ((size_t)1 << 20)

/* Allocates all memory. */
static int be_greedy(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) != 2)
		return vm_output(me, input, size);
	for (;;) {
		char *volatile all = malloc(MIB);

		if (all == NULL)
			return vm_fail(me, 1, "there is a limit on malloc()");
		memset(all, 1, MIB);
	}
}

static int greedy_host(void *group)
{
	const struct vm_worker worker = { .process = be_greedy };
	const struct vm_options options = { .workers = 1, .chunk_size = 5 };
	char path[600], pid[32];
	int killed = 0, rc;
	struct vm_result r;
	vm_pool *pool;

	snprintf(path, sizeof path, "%s/cgroup.procs", (char *)group);
	snprintf(pid, sizeof pid, "%d", (int)getpid());
	put_file(path, pid);
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 5));
	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		if (number(r.input) != 2)
			continue;
		ck_assert_int_eq(r.exception->cause, VM_KILLED);
		ck_assert_int_eq(r.exception->signal, SIGKILL);
		killed += r.exception->out_of_memory;
	}
	ck_assert_int_eq(rc, 0);
	close_pool(pool);
	return killed == 1 ? 0 : 1;
}

/* Sanitizers alone need more memory than the limit of the group. */
#ifdef __SANITIZE_ADDRESS__
enum { TOO_FAT = 1 };
#else
enum { TOO_FAT = 0 };
#endif

/* Returns whether a control group with a limit and a count of kills can be
   made. */
static bool make_group(char *group, size_t room)
{
	char path[600], text[512] = "";
	int fd;

	snprintf(group, room, "/sys/fs/cgroup/memory/vimap-test-%d",
	    (int)getpid());
	if (TOO_FAT || mkdir(group, 0777) != 0)
		return false;
	snprintf(path, sizeof path, "%s/memory.limit_in_bytes", group);
	fd = open(path, O_WRONLY);
	if (fd >= 0 && write(fd, "25165824", 8) == 8) {
		close(fd);
		snprintf(path, sizeof path, "%s/memory.oom_control", group);
		if (cgroup_slurp(path, text, sizeof text) > 0 &&
		    strstr(text, "oom_kill ") != NULL)
			return true;
	}
	rmdir(group);
	return false;
}

START_TEST(a_real_one)
{
	char group[256], path[300];
	struct stat s;
	int status;

	no_cores();
	if (!make_group(group, sizeof group)) {
		puts("test_oom: a_real_one skipped: no control group with a "
		    "limit on memory can be made here");
		return;
	}
	status = in_child(greedy_host, group);
	for (int i = 0; i < 100 && rmdir(group) != 0; i++)
		nap_ms(10);
	snprintf(path, sizeof path, "%s/cgroup.procs", group);
	ck_assert_int_ne(stat(path, &s), 0);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "status 0x%x", (unsigned)status);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { version_2, version_1,
		a_group_out_of_sight, files_without_a_count, no_files_at_all,
		each_kill_is_claimed_once, what_was_before_a_look_is_forgotten,
		counts_that_fall_or_vanish, a_worker_that_was_killed_for_it,
		a_real_one };

	return run_tests("oom", tests, COUNTOF(tests));
}
