/*
 * test_environment.c - options from the environment: each variable, values that
 * are not understood, and where the environment has no effect: with an option,
 * and in a program that has rights which its user has not.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "shm/slot.h"
#include "tools.h"

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker echoer = { .process = echo };

static void set(const char *name, const char *value)
{
	ck_assert_int_eq(setenv(name, value, 1), 0);
}

START_TEST(workers_are_set)
{
	struct vm_options o = { .workers = 2, .max_workers = 2 };
	vm_pool *pool;

	set("VIMAP_WORKERS", "3");
	pool = fork_pool(&echoer, &o);
	ck_assert_int_eq(vm_workers(pool), 3);
	close_pool(pool);
	set("VIMAP_WORKERS", "serial");
	pool = fork_pool(&echoer, &o);
	ck_assert(pool->engine.set.serial);
	close_pool(pool);
	set("VIMAP_WORKERS", "");
	pool = fork_pool(&echoer, &o);
	ck_assert_int_eq(vm_workers(pool), 2);
	close_pool(pool);
	set("VIMAP_WORKERS", "3");
	o.flags = VM_NO_ENVIRONMENT;
	pool = fork_pool(&echoer, &o);
	ck_assert_int_eq(vm_workers(pool), 2);
	close_pool(pool);
}
END_TEST

/* Other machines are left out, and none is waited for. */
START_TEST(a_serial_pool_is_alone)
{
	const char *const command[] = { "/bin/false", NULL };
	const struct vm_host host = { .command = command };
	const struct vm_worker w = { .process = echo, .name = "echo" };
	const struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = &host,
		.host_count = 1, .listen = "/nowhere/at/all" };
	struct vm_result r;
	vm_pool *pool;

	set("VIMAP_WORKERS", "serial");
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	take_end(pool);
	close_pool(pool);
}
END_TEST

START_TEST(indices_bound_the_workers)
{
	const int indices[] = { 5, 6 };
	struct vm_options o = { .workers = 2, .worker_indices = indices };
	vm_pool *pool;

	for (; o.max_workers <= 2; o.max_workers += 2) {
		set("VIMAP_WORKERS", "1");
		pool = fork_pool(&echoer, &o);
		ck_assert_int_eq(vm_workers(pool), 1);
		close_pool(pool);
		set("VIMAP_WORKERS", "serial");
		pool = fork_pool(&echoer, &o);
		ck_assert(pool->engine.set.serial);
		close_pool(pool);
	}
	/* The program's own mistake stays one. */
	set("VIMAP_WORKERS", "2");
	ck_assert_ptr_null(vm_fork(&echoer, &o));
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "max_workers"));
	o.max_workers = 0;
	set("VIMAP_WORKERS", "3");
	ck_assert_ptr_null(vm_fork(&echoer, &o));
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "worker_indices"));
}
END_TEST

START_TEST(flags_are_set_and_cleared)
{
	const struct vm_options none = { .workers = 1 };
	const struct vm_options both = { .workers = 1,
		.flags = VM_DEBUG | VM_PROGRESS };
	vm_pool *pool;

	set("VIMAP_DEBUG", "0");
	set("VIMAP_PROGRESS", "0");
	pool = fork_pool(&echoer, &both);
	ck_assert(!pool->engine.set.debug && !pool->engine.set.progress);
	close_pool(pool);
	set("VIMAP_PROGRESS", "1");
	pool = fork_pool(&echoer, &none);
	ck_assert(!pool->engine.set.debug && pool->engine.set.progress);
	close_pool(pool);
}
END_TEST

START_TEST(timeouts_are_stretched)
{
	const struct vm_options o = { .workers = 1, .item_timeout_ms = 100,
		.setup_timeout_ms = 200, .teardown_timeout_ms = 300 };
	const struct settings *s;
	vm_pool *pool;

	set("VIMAP_TIMEOUTS", "20");
	pool = fork_pool(&echoer, &o);
	s = &pool->engine.set;
	ck_assert_uint_eq(s->item_ns, 2000 * MS_IN_NS);
	ck_assert_uint_eq(s->setup_ns, 4000 * MS_IN_NS);
	ck_assert_uint_eq(s->teardown_ns, 6000 * MS_IN_NS);
	ck_assert_uint_eq(s->close_ns, 100000 * MS_IN_NS);
	close_pool(pool);
	set("VIMAP_TIMEOUTS", "0");
	pool = fork_pool(&echoer, &o);
	s = &pool->engine.set;
	ck_assert_uint_eq(s->item_ns, 0);
	ck_assert_uint_eq(s->setup_ns, 0);
	ck_assert_uint_gt(s->close_ns, 1000000000 * MS_IN_NS);
	close_pool(pool);
	set("VIMAP_TIMEOUTS", "1000000");
	pool = fork_pool(&echoer, &(struct vm_options){ .workers = 1,
		.item_timeout_ms = INT32_MAX });
	ck_assert_uint_gt(pool->engine.set.item_ns, INT32_MAX * MS_IN_NS);
	close_pool(pool);
}
END_TEST

/* Runs a pool whose figures go to a file. */
static int run_with_stats(void *file)
{
	const struct vm_options o = { .workers = 1 };
	struct vm_result r;
	vm_pool *pool;

	if (dup2(fileno(file), STDERR_FILENO) < 0)
		return 90;
	set("VIMAP_STATS", "1");
	pool = fork_pool(&echoer, &o);
	imap_to(pool, vm_range(0, 20));
	for (int i = 0; i < 20; i++)
		take(pool, &r);
	vm_cancel(pool, 0);
	take_end(pool);
	close_pool(pool);
	return 0;
}

START_TEST(figures_are_told_at_the_end)
{
	char text[5000] = "";
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(in_child(run_with_stats, file), 0);
	rewind(file);
	ck_assert_uint_gt(fread(text, 1, sizeof text - 1, file), 0);
	ck_assert_ptr_nonnull(strstr(text, ": 20 inputs, 20 outputs, 0 "
	    "exceptions, 0 retries\n"));
	ck_assert_ptr_nonnull(strstr(text, ": 1 workers: 1 forked, 0 "));
	/* A sentence, which depends on the time that the run took. */
	ck_assert_str_eq(text + strlen(text) - 2, ".\n");
	fclose(file);
}
END_TEST

/* Element 20 goes on until its worker is asked for outputs. */
static int wait_for_caller(struct vm_context *me, const void *input,
    size_t size)
{
	const uint64_t began = clock_ns();
	struct slot *slot;
	size_t pages;

	if (*(const char *)input == 20) {
		slot = (void *)own_slot(NULL, &pages);
		while (atomic_load(&slot->wanted) == 0 &&
		    clock_ns() - began < limit_ns())
			nap_ms(1);
		nap_ms(20);
	}
	return vm_output(me, input, size);
}

static int map_with_stats(void *file)
{
	const struct vm_worker w = { .process = wait_for_caller };
	const struct vm_options o = { .workers = 1, .chunk_size = 50 };
	char bytes[100];
	const struct vm_array_map map = { .in = bytes, .out = bytes,
		.count = sizeof bytes, .in_size = 1, .out_size = 1 };

	if (dup2(fileno(file), STDERR_FILENO) < 0)
		return 90;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)i;
	set("VIMAP_STATS", "1");
	return vm_map_array(&w, &o, &map);
}

START_TEST(a_slow_element_is_named)
{
	char text[5000] = "";
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(in_child(map_with_stats, file), 0);
	rewind(file);
	ck_assert_uint_gt(fread(text, 1, sizeof text - 1, file), 0);
	ck_assert_msg(strstr(text, ":   #20 took ") != NULL, "%s", text);
	fclose(file);
}
END_TEST

/* ---- a single input ---- */

static int tell_seed(struct vm_context *me, const void *input, size_t size)
{
	(void)input, (void)size;
	return vm_output(me, &me->seed, sizeof me->seed);
}

static const int64_t numbers[] = { 100, 101, 102, 103, 104 };

/* Two sources: numbers, and lines or an inherited array. */
static vm_pool *fork_two(int workers)
{
	const struct vm_worker w = { .process = tell_seed };
	const struct vm_options o = { .workers = workers, .seed = 5,
		.flags = VM_ORDERED };
	vm_pool *pool = fork_pool(&w, &o);

	imap_to(pool, vm_range(0, 5));
	imap_to(pool, vm_inherited_array(numbers, 5, sizeof *numbers));
	return pool;
}

START_TEST(a_single_input_has_its_index_and_seed)
{
	const int ways[] = { VM_SERIAL, 1, 3 };
	uint64_t seeds[10], seed;
	struct vm_result r;

	for (size_t way = 0; way < COUNTOF(ways); way++) {
		vm_pool *pool;
		int64_t sum = 0;

		unsetenv("VIMAP_ONLY");
		pool = fork_two(ways[way]);
		for (int i = 0; i < 10; i++) {
			take(pool, &r);
			memcpy(&seeds[i], r.output, sizeof *seeds);
		}
		close_pool(pool);
		set("VIMAP_ONLY", "3");
		pool = fork_two(ways[way]);
		for (int i = 0; i < 2; i++) {
			take(pool, &r);
			ck_assert_uint_eq(r.index, 3);
			memcpy(&seed, r.output, sizeof seed);
			sum += number(r.input);
			ck_assert_uint_eq(seed,
			    seeds[number(r.input) == 3 ? 3 : 7]);
		}
		ck_assert_int_eq(sum, 3 + 103);
		take_end(pool);
		close_pool(pool);
	}
}
END_TEST

/* The outputs of the others stay as they are. */
START_TEST(a_single_element_is_mapped)
{
	const struct vm_worker w = { .process = tell_seed };
	const struct vm_options o = { .workers = 2, .seed = 5 };
	uint64_t all[5], out[5] = { 0 };
	const struct vm_array_map every = { .in = numbers, .count = 5,
		.in_size = 8, .out = all, .out_size = 8 };
	struct vm_array_map one = every;

	one.out = out;
	ck_assert_int_eq(vm_map_array(&w, &o, &every), 0);
	set("VIMAP_ONLY", "3");
	ck_assert_int_eq(vm_map_array(&w, &o, &one), 0);
	for (int i = 0; i < 5; i++)
		ck_assert_uint_eq(out[i], i == 3 ? all[3] : 0);
}
END_TEST

START_TEST(an_index_may_be_behind_the_end)
{
	const struct vm_worker w = { .process = tell_seed };
	const struct vm_options o = { .workers = 1 };
	uint64_t out[5];
	const struct vm_array_map map = { .in = numbers, .count = 5,
		.in_size = 8, .out = out, .out_size = 8 };
	vm_pool *pool;

	set("VIMAP_ONLY", "5");
	pool = fork_two(1);
	take_end(pool);
	close_pool(pool);
	ck_assert_int_eq(vm_map_array(&w, &o, &map), 0);
}
END_TEST

/* ---- failed inputs as files ---- */

static char dir[] = "/tmp/vimap-kept.XXXXXX";

/* Returns the path of a file in the directory. */
static const char *in_dir(const char *name)
{
	static char path[80];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static void make_dir(void)
{
	ck_assert_ptr_nonnull(mkdtemp(dir));
	set("VIMAP_KEEP", dir);
}

static void remove_dir(void)
{
	char command[80];

	snprintf(command, sizeof command, "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

/* Reads a file of mode 0600 into a buffer, as a string. */
static void read_kept(const char *name, char *text, size_t size)
{
	struct stat s;
	FILE *f = fopen(in_dir(name), "r");

	ck_assert_msg(f != NULL, "%s", name);
	text[fread(text, 1, size - 1, f)] = '\0';
	ck_assert_int_eq(fstat(fileno(f), &s), 0);
	ck_assert_int_eq(s.st_mode & 07777, 0600);
	fclose(f);
}

static bool is_kept(const char *name)
{
	return access(in_dir(name), F_OK) == 0;
}

/* Fails as the input says. */
static int fail_if_told(struct vm_context *me, const void *input, size_t size)
{
	const char *word = input;

	if (strcmp(word, "crash") == 0)
		raise(SIGKILL);
	if (strcmp(word, "fail") == 0 || size == 0)
		return vm_fail(me, 5, "for a test");
	return vm_output(me, input, size);
}

static void run_words(int workers)
{
	static const char *const words[] = { "good", "crash", "good", "fail",
		"" };
	const struct vm_worker w = { .process = fail_if_told };
	const struct vm_options o = { .workers = workers };
	struct vm_result r;
	vm_pool *pool = fork_pool(&w, &o);

	imap_to(pool, vm_strings(words, COUNTOF(words)));
	for (size_t i = 0; i < COUNTOF(words); i++)
		take(pool, &r);
	take_end(pool);
	close_pool(pool);
}

START_TEST(failed_inputs_are_kept)
{
	char text[1000];
	const mode_t mask = umask(0);

	make_dir();
	run_words(2);
	read_kept("1.input", text, sizeof text);
	ck_assert_str_eq(text, "crash");
	read_kept("1.txt", text, sizeof text);
	ck_assert_ptr_eq(strstr(text, "killed\nThe worker was killed by "
	    "signal 9"), text);
	read_kept("3.input", text, sizeof text);
	ck_assert_str_eq(text, "fail");
	read_kept("3.txt", text, sizeof text);
	ck_assert_ptr_eq(strstr(text, "failed\nfor a test\nindex 3, attempts "
	    "1, worker "), text);
	read_kept("4.input", text, sizeof text);
	ck_assert_str_eq(text, "");
	ck_assert(!is_kept("0.input") && !is_kept("2.input"));
	ck_assert(!is_kept("1.2.input"));
	run_words(1);
	read_kept("1.2.input", text, sizeof text);
	ck_assert_str_eq(text, "crash");
	read_kept("1.2.txt", text, sizeof text);
	umask(mask);
	remove_dir();
}
END_TEST

START_TEST(cancelled_inputs_are_not_kept)
{
	const struct vm_options o = { .workers = 1 };
	struct vm_result r;
	vm_pool *pool;

	make_dir();
	pool = fork_pool(&echoer, &o);
	imap_to(pool, vm_range(0, 10));
	ck_assert_int_eq(vm_cancel_item(pool, NULL, 9), 0);
	vm_cancel(pool, VM_CANCEL_UNREAD);
	for (int i = 0; i < 10; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
	}
	close_pool(pool);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* Symbolic links are not followed, and nothing is overwritten. */
START_TEST(files_that_exist_are_left_alone)
{
	char text[100];
	int fd;

	make_dir();
	fd = open(in_dir("victim"), O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(close(fd), 0);
	ck_assert_int_eq(symlink("victim", in_dir("3.input")), 0);
	ck_assert_int_eq(symlink("nothing", in_dir("1.input")), 0);
	/* A text whose input was deleted. */
	ck_assert_int_eq(symlink("victim", in_dir("4.txt")), 0);
	run_words(1);
	read_kept("victim", text, sizeof text);
	ck_assert_str_eq(text, "");
	ck_assert(!is_kept("nothing"));
	read_kept("3.2.input", text, sizeof text);
	ck_assert_str_eq(text, "fail");
	read_kept("1.2.input", text, sizeof text);
	ck_assert_str_eq(text, "crash");
	ck_assert(!is_kept("4.input"));
	read_kept("4.2.input", text, sizeof text);
	read_kept("4.2.txt", text, sizeof text);
	remove_dir();
}
END_TEST

static int run_without_dir(void *file)
{
	const struct vm_worker w = { .process = fail_if_told };
	const struct vm_options o = { .workers = 1 };
	static const char *const words[] = { "fail", "fail", "good" };
	struct vm_result r;
	vm_pool *pool;

	if (dup2(fileno(file), STDERR_FILENO) < 0)
		return 90;
	pool = fork_pool(&w, &o);
	ck_assert_int_eq(rmdir(dir), 0);
	imap_to(pool, vm_strings(words, COUNTOF(words)));
	for (size_t i = 0; i < COUNTOF(words); i++)
		take(pool, &r);
	take_end(pool);
	close_pool(pool);
	return 0;
}

START_TEST(a_directory_that_is_gone_is_told_once)
{
	char text[1000] = "", wanted[200];
	FILE *file = tmpfile();

	make_dir();
	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(in_child(run_without_dir, file), 0);
	rewind(file);
	text[fread(text, 1, sizeof text - 1, file)] = '\0';
	snprintf(wanted, sizeof wanted, "vimap: The failed input 0 could not "
	    "be kept in %s: No such file or directory.  No more are kept.\n",
	    dir);
	ck_assert_str_eq(text, wanted);
	fclose(file);
}
END_TEST

/* ---- a program with rights that its user has not ---- */

/* The variables, of which each has an effect elsewhere. */
static void set_all(void)
{
	set("VIMAP_WORKERS", "3");
	set("VIMAP_TIMEOUTS", "2");
	set("VIMAP_ONLY", "1");
	set("VIMAP_STATS", "1");
	set("VIMAP_PROGRESS", "1");
	set("VIMAP_DEBUG", "1");
	set("VIMAP_KEEP", dir);
	set("VIMAP_TRACE", in_dir("trace.json"));
}

/* In the program with other rights: returns the number of variables that have
   an effect, or more if that cannot be told. */
static int count_heeded(bool secure)
{
	const struct vm_options o = { .workers = 1, .item_timeout_ms = 1000 };
	const struct settings *s;
	vm_pool *pool;
	int heeded;

	if ((getauxval(AT_SECURE) != 0) != secure || freopen("/dev/null", "w",
	    stderr) == NULL)
		return 91;
	pool = vm_fork(&echoer, &o);
	if (pool == NULL)
		return 92;
	s = &pool->engine.set;
	heeded = (vm_workers(pool) == 3) + (s->item_ns == 2000 * MS_IN_NS) +
	    (s->only == 1) + s->tell_stats + s->progress + s->debug +
	    (s->keep != NULL) + (s->trace != NULL);
	return vm_close(pool) == 0 ? heeded : 93;
}

/* Runs a copy of this program with that mode, as an unprivileged user.  Returns
   its exit status. */
static int run_copy(mode_t mode, const char *how)
{
	const char *program = in_dir("program");
	int status;
	pid_t pid;

	ck_assert_int_eq(chmod(program, mode), 0);
	pid = fork();
	if (pid == 0) {
		if (setgid(65534) == 0 && setuid(65534) == 0)
			execl(program, program, how, (char *)NULL);
		_exit(94);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Can a program have the rights of its owner here? */
static bool may_be_setuid(void)
{
	struct statvfs f;

	return geteuid() == 0 && !SANITIZED && statvfs(dir, &f) == 0 &&
	    (f.f_flag & ST_NOSUID) == 0 &&
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0;
}

START_TEST(setuid_programs_heed_no_variable)
{
	char command[80];

	make_dir();
	if (may_be_setuid()) {
		snprintf(command, sizeof command, "cp /proc/%d/exe %s",
		    (int)getpid(), in_dir("program"));
		ck_assert_int_eq(system(command), 0);
		ck_assert_int_eq(chmod(dir, 01777), 0);
		set_all();
		ck_assert_int_eq(run_copy(0755, "plain"), 8);
		ck_assert_int_eq(unlink(in_dir("trace.json")), 0);
		ck_assert_int_eq(run_copy(04755, "privileged"), 0);
		ck_assert(!is_kept("trace.json"));
	}
	remove_dir();
}
END_TEST

/* ---- values ---- */

START_TEST(other_values_are_refused)
{
	const struct { const char *name, *value, *text; } cases[] = {
		{ "VIMAP_WORKERS", "0", "serial or a number" },
		{ "VIMAP_WORKERS", "two", "serial or a number" },
		{ "VIMAP_WORKERS", "-1", "serial or a number" },
		{ "VIMAP_WORKERS", "32767", "serial or a number" },
		{ "VIMAP_DEBUG", "yes", "0 or 1" },
		{ "VIMAP_STATS", "yes", "0 or 1" },
		{ "VIMAP_PROGRESS", "2", "0 or 1" },
		{ "VIMAP_TIMEOUTS", "1.5", "0 for none" },
		{ "VIMAP_TIMEOUTS", "1000001", "0 for none" },
		{ "VIMAP_KEEP", "/none/such", "a directory that exists" },
		{ "VIMAP_KEEP", "/dev/null", "a directory that exists" },
		{ "VIMAP_ONLY", "x", "index of an input" },
		{ "VIMAP_ONLY", "99999999999999999999", "index of an input" },
	};
	const struct vm_options o = { .workers = 1 };
	const struct vm_options off = { .workers = 1,
		.flags = VM_NO_ENVIRONMENT };
	char both[64];

	for (size_t i = 0; i < COUNTOF(cases); i++) {
		set(cases[i].name, cases[i].value);
		ck_assert_ptr_null(vm_fork(&echoer, &o));
		ck_assert_int_eq(errno, EINVAL);
		snprintf(both, sizeof both, "%s=%s", cases[i].name,
		    cases[i].value);
		ck_assert_ptr_nonnull(strstr(vm_error(NULL), both));
		ck_assert_ptr_nonnull(strstr(vm_error(NULL), cases[i].text));
		close_pool(fork_pool(&echoer, &off));
		unsetenv(cases[i].name);
	}
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = {
		workers_are_set, a_serial_pool_is_alone,
		indices_bound_the_workers,
		flags_are_set_and_cleared, figures_are_told_at_the_end,
		a_slow_element_is_named,
		timeouts_are_stretched,
		a_single_input_has_its_index_and_seed,
		a_single_element_is_mapped,
		an_index_may_be_behind_the_end, other_values_are_refused,
		failed_inputs_are_kept, cancelled_inputs_are_not_kept,
		files_that_exist_are_left_alone,
		a_directory_that_is_gone_is_told_once,
		setuid_programs_heed_no_variable,
	};

	if (argc == 2)
		return count_heeded(strcmp(argv[1], "privileged") == 0);

	return run_tests("environment", tests, COUNTOF(tests));
}
