/* tools.c - see tools.h: helpers of the tests of pools. */
#include "config.h"

#include "tools.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "machine.h"
#include "os/sys.h"
#include "sample.h"

struct shared *shared_new(void)
{
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	ck_assert_ptr_ne(s, MAP_FAILED);
	return s;
}

void shared_free(struct shared *s)
{
	munmap(s, sizeof *s);
}

/* Returns the sum of see(name) over the numeric names in a directory. */
static int count_entries(const char *path, int (*see)(const char *name))
{
	DIR *d = opendir(path);
	struct dirent *e;
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
			n += see(e->d_name);
	closedir(d);
	return n;
}

static int any(const char *name)
{
	(void)name;
	return 1;
}

/* Not counted: the descriptor of the directory itself. */
int count_fds(void)
{
	return count_entries("/proc/self/fd", any) - 1;
}

/* Reads state and parent of a process.  Returns 0, or -1 if there is none. */
static int look_at(const char *name, char *state, int *parent)
{
	char path[64], text[512];
	FILE *f;
	char *p;
	size_t n;

	snprintf(path, sizeof path, "/proc/%.20s/stat", name);
	f = fopen(path, "r");
	if (f == NULL)
		return -1;
	n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = '\0';
	p = strrchr(text, ')');
	return p && sscanf(p + 1, " %c %d", state, parent) == 2 ? 0 : -1;
}

static int is_child(const char *name)
{
	char state;
	int parent;

	return look_at(name, &state, &parent) == 0 && parent == getpid();
}

int count_children(void)
{
	return count_entries("/proc", is_child);
}

int list_children(pid_t parent, pid_t *children, int most)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	char state;
	int of, n = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)) != NULL)
		if (atoi(e->d_name) > 0 && n < most &&
		    look_at(e->d_name, &state, &of) == 0 && of == parent)
			children[n++] = atoi(e->d_name);
	closedir(d);
	return n;
}

pid_t parent_of(pid_t pid)
{
	char name[32], state;
	int parent;

	snprintf(name, sizeof name, "%d", (int)pid);
	if (look_at(name, &state, &parent) < 0)
		_exit(99);
	return parent;
}

unsigned long switches_of(pid_t pid)
{
	unsigned long all = 0, n;
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(f);
	while (fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "voluntary_ctxt_switches: %lu", &n) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %lu", &n) == 1)
			all += n;
	fclose(f);
	return all;
}

int is_alive(pid_t pid)
{
	char name[32], state;
	int parent;

	snprintf(name, sizeof name, "%d", (int)pid);
	return look_at(name, &state, &parent) == 0 && state != 'Z' &&
	    state != 'X';
}

int is_stopped(pid_t pid)
{
	char name[32], state;
	int parent;

	snprintf(name, sizeof name, "%d", (int)pid);
	return look_at(name, &state, &parent) == 0 && state == 'T';
}

static int kill_if_child(const char *name)
{
	return is_child(name) && kill(atoi(name), SIGKILL) == 0;
}

void kill_children(void)
{
	while (waitpid(-1, NULL, WNOHANG) != -1) {
		count_entries("/proc", kill_if_child);
		nap_ms(1);
	}
}

static void nap(void)
{
	const struct timespec ms = { .tv_nsec = 1000000 };

	nanosleep(&ms, NULL);
}

void wait_for(const atomic_long *counter, long value)
{
	for (int i = 0; i < limit_ms() && atomic_load(counter) < value; i++)
		nap();
	ck_assert_int_ge(atomic_load(counter), value);
}

void wait_gone(pid_t pid)
{
	for (int i = 0; i < limit_ms() && is_alive(pid); i++)
		nap();
	ck_assert_msg(!is_alive(pid), "process %d lives on", (int)pid);
}

void wait_asleep(pid_t pid)
{
	char name[32], state = 0;
	int parent;

	snprintf(name, sizeof name, "%d", (int)pid);
	for (int i = 0; i < limit_ms() && state != 'S'; i++) {
		nap();
		ck_assert_int_eq(look_at(name, &state, &parent), 0);
	}
	ck_assert_int_eq(state, 'S');
}

vm_pool *fork_pool(const struct vm_worker *worker,
    const struct vm_options *options)
{
	vm_pool *pool = vm_fork(worker, options);

	ck_assert_msg(pool != NULL, "vm_fork: %s", vm_error(NULL));
	return pool;
}

void nap_ms(int ms)
{
	const struct timespec t = { .tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

int await(const atomic_long *counter, long value, int ms)
{
	for (int i = 0; i < ms && atomic_load(counter) < value; i++)
		nap();
	return atomic_load(counter) < value ? -1 : 0;
}

void imap_to(vm_pool *pool, struct vm_source source)
{
	ck_assert_msg(vm_imap(pool, source) == 0, "vm_imap: %s",
	    vm_error(pool));
}

void take(vm_pool *pool, struct vm_result *r)
{
	int rc = vm_zip_in_out(pool, r);

	ck_assert_msg(rc == 1, "vm_zip_in_out: %d, %s", rc, vm_error(pool));
}

void take_end(vm_pool *pool)
{
	struct vm_result r;
	int rc = vm_zip_in_out(pool, &r);

	ck_assert_msg(rc == 0, "no end: %d, %s", rc, vm_error(pool));
}

static void note(const struct vm_result *r, int64_t n, int *cause)
{
	int64_t given, back;

	ck_assert_uint_eq(r->input_size, sizeof given);
	memcpy(&given, r->input, sizeof given);
	ck_assert(given >= 0 && given < n);
	ck_assert_msg(cause[given] == -1, "%d came twice", (int)given);
	if (r->type == VM_EXCEPTION) {
		cause[given] = (int)r->exception->cause;
		return;
	}
	cause[given] = 0;
	ck_assert_uint_ge(r->output_size, sizeof back);
	memcpy(&back, r->output, sizeof back);
	ck_assert_int_eq(given, back);
}

int take_numbers(vm_pool *pool, int64_t n, int *cause)
{
	struct vm_result r;
	int rc;

	for (int64_t i = 0; i < n; i++)
		cause[i] = -1;
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1)
		note(&r, n, cause);
	ck_assert_msg(rc != VM_LATER, "nothing came for %d ms", limit_ms());
	return rc;
}

void no_cores(void)
{
	const struct rlimit none = { 0, 0 };

	ck_assert_int_eq(setrlimit(RLIMIT_CORE, &none), 0);
}

int64_t number(const void *input)
{
	int64_t n;

	memcpy(&n, input, sizeof n);
	return n;
}

uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

unsigned char *own_slot(const struct shared *other, size_t *size)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[512], rights[8];
	unsigned long from, to;

	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, rights) == 3 &&
		    strcmp(rights, "rw-s") == 0 &&
		    strstr(line, "/dev/zero") != NULL &&
		    from != (unsigned long)other) {
			fclose(f);
			*size = to - from;
			return (unsigned char *)from;
		}
	}
	_exit(98);
}

void close_pool(vm_pool *pool)
{
	ck_assert_msg(vm_close(pool) == 0, "vm_close: %s", vm_error(NULL));
}

long memory_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%*d %ld", &pages), 1);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

pid_t new_process(void)
{
	pid_t pid = fork();

	if (pid != 0)
		ck_assert_int_gt(pid, 0);
	return pid;
}

int in_child(int (*body)(void *), void *arg)
{
	pid_t pid = new_process(), r = 0;
	int status = 0;

	if (pid == 0) {
		setpgid(0, 0);
		sys_exit(body(arg));
	}
	setpgid(pid, pid);
	for (int i = 0; i < limit_ms() && r == 0; i++) {
		r = waitpid(pid, &status, WNOHANG);
		if (r == 0)
			nap();
	}
	if (r == 0) {
		kill(-pid, SIGKILL);
		waitpid(pid, NULL, 0);
		ck_abort_msg("the child ran for more than %d ms", limit_ms());
	}
	ck_assert_int_eq(r, pid);
	return status;
}

/* ---- time limit of tests ---- */

/* In seconds; measured or read once, by the process that runs the tests. */
static int limit_s;

int limit_ms(void)
{
	return limit_s * 500;
}

uint64_t limit_ns(void)
{
	return (uint64_t)limit_ms() * 1000000;
}

/* "make check" exports the measures; a program run alone takes its own. */
static void find_limit(char *words, size_t size)
{
	const char *limit = getenv("VIMAP_TEST_LIMIT");
	const char *told = getenv("VIMAP_TEST_MACHINE");
	struct machine m;

	if (limit != NULL && atoi(limit) > 0) {
		limit_s = atoi(limit);
		snprintf(words, size, "%s", told ? told : "not measured");
		return;
	}
	machine_measure(&m);
	machine_tell(&m, words, size);
	limit_s = machine_limit(&m);
}

/* A sampled test runs with every seventh seed, which is a day. */
#define TESTS_DRAWN_OF 7

int run_sampled_tests(const char *name, const TTest *const *tests,
    size_t count, const TTest *const *drawn, size_t drawn_count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner = srunner_create(suite);
	char machine[256];
	int failed;

	find_limit(machine, sizeof machine);
	/* All cases take long: "make check-long". */
	tcase_set_timeout(tcase, sample_all() ? 30.0 * limit_s : limit_s);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	for (unsigned i = 0; i < drawn_count; i++)
		if (sample_takes_test(i + 1, TESTS_DRAWN_OF))
			tcase_add_test(tcase, drawn[i]);
	suite_add_tcase(suite, tcase);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	if (failed > 0)
		printf("%d of the tests of %s failed.\n"
		    "Machine: %s. Limit: %d s. Sample: seed %u.\n"
		    "Please send these lines to the project's issue "
		    "tracker.\n", failed, name, machine, limit_s,
		    sample_seed());
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run_tests(const char *name, const TTest *const *tests, size_t count)
{
	return run_sampled_tests(name, tests, count, NULL, 0);
}
