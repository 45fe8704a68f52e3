/*
 * test_locks.c - locks of the C library that another thread of the host holds
 * during vm_fork(): that thread does not exist in the fork server or a worker,
 * so the lock is never released there.  Pools must work all the same (P5, P7).
 */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <libintl.h>
#include <link.h>
#include <locale.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"
#include "base/words.h"
#include "tools.h"

/* Functions that compilers call for static objects of C++. */
int __cxa_atexit(void (*call)(void *), void *arg, void *owner);
void __cxa_finalize(void *owner);

/* Old versions of glibc lack strerrordesc_np(). */
#if defined HAVE_STRERRORDESC_NP || !defined __GLIBC__
#define WORDS_TAKE_NO_LOCK true
#else
#define WORDS_TAKE_NO_LOCK false
#endif
/* Number of pools per kind of lock. */
#define POOLS 4
/* Number of registered handlers: a search through them takes some time. */
#define HANDLERS 60000

static char owner, other_owner;
/* Message domains that take long to copy. */
static char domains[2][20000];

static void nothing(void *unused)
{
	(void)unused;
}

/* ---- threads that hold locks most of the time ---- */

static void has_lock_of_exit_handlers(void)
{
	const struct timespec some = { .tv_nsec = 20000 };

	__cxa_finalize(&other_owner);
	nanosleep(&some, NULL);
}

static void has_lock_of_streams(void)
{
	FILE *f = fopen("/dev/null", "w");

	if (f != NULL) {
		fputs("text", f);
		fflush(NULL);
		fclose(f);
	}
}

static void has_lock_of_memory(void)
{
	void *blocks[64];

	for (size_t i = 0; i < COUNTOF(blocks); i++)
		blocks[i] = malloc(100 + 3000 * i);
	for (size_t i = 0; i < COUNTOF(blocks); i++)
		free(blocks[i]);
}

static int sees_module(struct dl_phdr_info *info, size_t size, void *unused)
{
	const struct timespec some = { .tv_nsec = 20000 };

	(void)info, (void)size, (void)unused;
	nanosleep(&some, NULL);
	return 0;
}

static void has_lock_of_linker(void)
{
	void *m = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);

	dl_iterate_phdr(sees_module, NULL);
	if (m != NULL)
		dlclose(m);
}

static void has_lock_of_locale(void)
{
	setlocale(LC_ALL, "C.UTF-8");
	setlocale(LC_ALL, "C");
	textdomain(domains[0]);
	textdomain(domains[1]);
}

static void has_lock_of_time_and_chance(void)
{
	time_t now = time(NULL);
	struct tm tm;

	setenv("TZ", rand() % 2 ? "UTC" : "CET-1", 1);
	tzset();
	localtime_r(&now, &tm);
}

/* ---- pools forked meanwhile ---- */

static atomic_bool stop;
static atomic_long rounds;

static void *goes_on(void *has_lock)
{
	void (*const *call)(void) = has_lock;

	while (!atomic_load(&stop)) {
		(*call)();
		atomic_fetch_add(&rounds, 1);
	}
	return NULL;
}

/* exit() takes the lock of the list of handlers, and the locks of streams. */
static int leaves_at_1(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) == 1)
		exit(3);
	return vm_output(me, input, size);
}

static void has_a_pool(void)
{
	const struct vm_worker leaving = { .process = leaves_at_1 };
	vm_pool *pool = fork_pool(&leaving, &(struct vm_options){
	    .workers = 1, .flags = VM_STDERR_TAIL,
	    .worker_max_cpu_seconds = 100 });
	int cause[4];

	imap_to(pool, vm_range(0, 4));
	ck_assert_int_eq(take_numbers(pool, 4, cause), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(cause[i], i == 1 ? VM_EXITED : 0);
	close_pool(pool);
}

static int says_words(void *unused)
{
	(void)unused;
	return strcmp(words_of(ENOENT), "No such file or directory");
}

static int has_pools(void *has_lock)
{
	pthread_t thread;

	for (size_t i = 0; i < COUNTOF(domains); i++)
		memset(domains[i], 'a' + (int)i, sizeof domains[i] - 1);
	ck_assert_int_eq(pthread_create(&thread, NULL, goes_on, has_lock), 0);
	wait_for(&rounds, 1);
	for (int i = 0; i < POOLS; i++) {
		has_a_pool();
		if (WORDS_TAKE_NO_LOCK)
			ck_assert_int_eq(in_child(says_words, NULL), 0);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	ck_assert_int_eq(count_children(), 0);
	return 0;
}

static void check_with(void (*has_lock)(void))
{
	ck_assert_int_eq(in_child(has_pools, &has_lock), 0);
}

START_TEST(exit_handlers)
{
	for (int i = 0; i < HANDLERS; i++)
		ck_assert_int_eq(__cxa_atexit(nothing, NULL, &owner), 0);
	check_with(has_lock_of_exit_handlers);
}
END_TEST

START_TEST(streams)
{
	check_with(has_lock_of_streams);
}
END_TEST

START_TEST(memory)
{
	check_with(has_lock_of_memory);
}
END_TEST

START_TEST(linker)
{
	check_with(has_lock_of_linker);
}
END_TEST

START_TEST(locale)
{
	check_with(has_lock_of_locale);
}
END_TEST

START_TEST(time_and_chance)
{
	check_with(has_lock_of_time_and_chance);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		exit_handlers,
		streams,
		memory,
		linker,
		locale,
		time_and_chance,
	};

	return run_tests("locks", tests, COUNTOF(tests));
}
