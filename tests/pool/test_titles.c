/*
 * test_titles.c - the names of the pool's processes, as ps(1) shows them.
 */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/base.h"
#include "tools.h"

enum { NAME = 16 };

/* Stores the name of a process, "" if there is no such process. */
static void name_of(pid_t pid, char name[NAME])
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
	f = fopen(path, "r");
	if (f == NULL || fgets(name, NAME, f) == NULL)
		name[0] = '\0';
	if (f != NULL)
		fclose(f);
	name[strcspn(name, "\n")] = '\0';
}

/* The output is the name of the worker; the input -1 ends it. */
static int tell(struct vm_context *me, const void *input, size_t size)
{
	char name[NAME];

	(void)size;
	if (number(input) == -1)
		_exit(1);
	name_of(getpid(), name);
	return vm_output(me, name, strlen(name));
}

static const struct vm_worker teller = { .process = tell };

static pid_t only_child(void)
{
	pid_t child;

	ck_assert_int_eq(list_children(getpid(), &child, 1), 1);
	return child;
}

/* The next result is the name of a worker. */
static void take_name(vm_pool *pool, const char *name)
{
	struct vm_result r;

	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	ck_assert_str_eq(r.output, name);
}

START_TEST(server_and_workers_have_names)
{
	const int indices[] = { 0, 7, 2147483647 };
	const struct vm_options o = { .workers = 3, .worker_indices = indices,
		.chunk_size = 1 };
	const char *names[] = { "longname:w0", "longname:w7",
		"lon:w2147483647" };
	struct vm_result r;
	char name[NAME];
	vm_pool *pool;

	prctl(PR_SET_NAME, "longname-of-it");
	pool = fork_pool(&teller, &o);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	name_of(only_child(), name);
	ck_assert_str_eq(name, "longname:server");
	name_of(getpid(), name);
	ck_assert_str_eq(name, "longname-of-it");
	imap_to(pool, vm_range(0, 30));
	for (int i = 0; i < 30; i++) {
		take(pool, &r);
		for (int k = 0; k < 3; k++)
			if (r.worker_index == indices[k])
				ck_assert_str_eq(r.output, names[k]);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* The replacement was a spare before: it has the name of its place. */
START_TEST(replacements_and_spares_have_names)
{
	const struct vm_options o = { .workers = 1, .chunk_size = 1 };
	char name[NAME] = "";
	pid_t children[8];
	struct vm_result r;
	vm_pool *pool;
	bool spare;

	prctl(PR_SET_NAME, "a b");
	pool = fork_pool(&teller, &o);
	for (int round = 0; round < 2; round++) {
		spare = false;
		imap_to(pool, vm_range(-1, 1));
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_EXCEPTION);
		take_name(pool, "a b:w0");
		take_end(pool);
		for (int i = 0; i < limit_ms() && !spare; i++) {
			int n = list_children(only_child(), children, 8);

			for (int k = 0; k < n; k++) {
				name_of(children[k], name);
				spare |= strcmp(name, "a b:spare") == 0;
			}
			nap_ms(1);
		}
		ck_assert(spare);
	}
	close_pool(pool);
}
END_TEST

/* A pool that a worker forks has the worker's name in its own. */
static int tell_inner(struct vm_context *me, const void *input, size_t size)
{
	const struct vm_options o = { .workers = 1 };
	vm_pool *pool = vm_fork(&teller, &o);
	struct vm_result r;
	int rc = -1;

	if (vm_imap(pool, vm_array(input, 1, size)) == 0 &&
	    vm_zip_in_out(pool, &r) == 1)
		rc = vm_output(me, r.output, r.output_size);
	vm_close(pool);
	return rc;
}

START_TEST(inner_pools_have_the_worker_in_their_name)
{
	const struct vm_worker w = { .process = tell_inner };
	const struct vm_options o = { .workers = 1 };
	vm_pool *pool;

	prctl(PR_SET_NAME, "outer");
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, 1));
	take_name(pool, "outer:w0:w0");
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* Half a character at the cut would spoil the whole name. */
START_TEST(names_are_cut_between_characters)
{
	const struct vm_options o = { .workers = 1 };
	vm_pool *pool;

	prctl(PR_SET_NAME, "1234567\xc3\xa9x");
	pool = fork_pool(&teller, &o);
	imap_to(pool, vm_range(0, 1));
	take_name(pool, "1234567:w0");
	close_pool(pool);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		server_and_workers_have_names,
		replacements_and_spares_have_names,
		inner_pools_have_the_worker_in_their_name,
		names_are_cut_between_characters,
	};

	return run_tests("titles", tests, COUNTOF(tests));
}
