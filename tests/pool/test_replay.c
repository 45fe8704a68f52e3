/*
 * test_replay.c - vm_replay(): a failed input runs in the caller, with the index,
 * the seed and the rest of its context as they were; and a crash ends the caller.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "tools.h"

/* What a hook sees, as the message of a failure. */
static int fail_with_context(struct vm_context *me, const void *input,
    size_t size)
{
	if (size == 0 || *(const char *)input != 'f')
		return vm_output(me, input, size);
	return vm_fail(me, 3, "%.*s %llu %llx %d %d %s", (int)size,
	    (const char *)input, (unsigned long long)me->index,
	    (unsigned long long)me->seed, me->attempt, me->worker_index,
	    (const char *)me->state);
}

static int set_up(struct vm_context *me)
{
	me->state = me->config;
	return 0;
}

static char state[] = "with state";
static const struct vm_worker worker = { .setup = set_up,
	.process = fail_with_context, .config = state };

/* Asserts that the replay of a failure has its message. */
static void check_replay(const struct vm_options *o,
    const struct vm_result *failed)
{
	struct vm_result *again = vm_replay(&worker, o, failed);

	ck_assert_msg(again != NULL, "%s", vm_error(NULL));
	ck_assert_int_eq(again->type, VM_EXCEPTION);
	ck_assert_str_eq(again->exception->message,
	    failed->exception->message);
	ck_assert_int_eq(again->attempts, failed->attempts);
	ck_assert_uint_eq(again->index, failed->index);
	ck_assert_uint_eq(again->exception->number,
	    failed->exception->number);
	ck_assert_ptr_eq(again->tag, failed->tag);
	free(again);
}

/* Failures of two sources and of a pushed input. */
START_TEST(the_context_is_as_it_was)
{
	static const char *const words[] = { "good", "f1", "good", "f3",
		"good", "f5" };
	const int indices[] = { 17 };
	const struct vm_options o = { .workers = 1, .seed = 99,
		.max_attempts = 3, .worker_indices = indices };
	vm_pool *pool = fork_pool(&worker, &o);
	struct vm_source s = vm_strings(words, COUNTOF(words));
	int failures = 0, tag;
	struct vm_result r;
	int rc;

	s.tag = &tag;
	imap_to(pool, vm_strings(words, 3));
	imap_to(pool, s);
	ck_assert_int_eq(vm_submit(pool, "fp", 2, NULL), 1);
	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		if (r.type == VM_OUTPUT)
			continue;
		ck_assert_ptr_nonnull(strstr(r.exception->message,
		    " 3 17 with state"));
		check_replay(&o, &r);
		failures++;
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(failures, 5);
	close_pool(pool);
}
END_TEST

/* Input and index are enough for a pool with a single source, as of files of
   VIMAP_KEEP. */
START_TEST(a_struct_of_the_programs_own)
{
	const struct vm_options o = { .workers = 1, .seed = 7 };
	vm_pool *pool = fork_pool(&worker, &o);
	static const char *const words[] = { "good", "f", "good" };
	struct vm_result mine = { .input = "f", .input_size = 1, .index = 1 };
	struct vm_result r, *again = vm_replay(&worker, &o, &mine);

	ck_assert_ptr_nonnull(again);
	imap_to(pool, vm_strings(words, 3));
	do
		take(pool, &r);
	while (r.type == VM_OUTPUT);
	ck_assert_str_eq(r.exception->message, again->exception->message);
	free(again);
	close_pool(pool);
	/* It may succeed as well. */
	mine = (struct vm_result){ .input = "ok", .input_size = 2 };
	again = vm_replay(&worker, NULL, &mine);
	ck_assert_ptr_nonnull(again);
	ck_assert_int_eq(again->type, VM_OUTPUT);
	ck_assert_str_eq(again->output, "ok");
	free(again);
}
END_TEST

/* Options that are for pools of processes have no effect. */
START_TEST(pools_of_any_kind)
{
	const char *const command[] = { "false", NULL };
	const struct vm_host host = { .command = command };
	const struct vm_options o = { .workers = 4, .hosts = &host,
		.host_count = 1, .flags = VM_ISOLATE | VM_ORDERED |
		    VM_JOURNAL_RETRY, .journal = "/nowhere/to/be/found",
		.trace = "/nowhere/to/be/found", .max_failures = 1,
		.max_attempts = 5, .close_count = 1 };
	const struct vm_result mine = { .input = "f", .input_size = 1,
		.index = 5, .attempts = 2, .worker_index = 3 };
	struct vm_result *again;
	int fds = count_fds();

	ck_assert_int_eq(setenv("VIMAP_WORKERS", "nonsense", 1), 0);
	again = vm_replay(&worker, &o, &mine);
	ck_assert_msg(again != NULL, "%s", vm_error(NULL));
	ck_assert_ptr_nonnull(strstr(again->exception->message,
	    " 2 3 with state"));
	ck_assert_int_eq(again->attempts, 2);
	free(again);
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), 0);
}
END_TEST

static int crash(struct vm_context *me, const void *input, size_t size)
{
	(void)me, (void)input, (void)size;
	raise(SIGSEGV);
	return 0;
}

static int replay_crash(void *arg)
{
	const struct vm_worker w = { .process = crash };
	const struct vm_result mine = { .input = "", .index = 1 };

	(void)arg;
	no_cores();
	signal(SIGSEGV, SIG_DFL);
	free(vm_replay(&w, NULL, &mine));
	return 1;
}

START_TEST(a_crash_is_the_callers)
{
	int status = in_child(replay_crash, NULL);

	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}
END_TEST

static int cannot(struct vm_context *me)
{
	return vm_fail(me, 1, "no licence");
}

static void check_refused(const struct vm_worker *w,
    const struct vm_result *r, const char *word)
{
	errno = 0;
	ck_assert_ptr_null(vm_replay(w, NULL, r));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_msg(strstr(vm_error(NULL), word) != NULL, "%s",
	    vm_error(NULL));
}

START_TEST(refusals)
{
	const struct vm_worker none = { .config = state };
	const struct vm_worker unfit = { .setup = cannot,
		.process = fail_with_context };
	const struct vm_options small = { .max_item_bytes = 1 };
	const struct vm_result mine = { .input = "xx", .input_size = 2 };
	const struct vm_result teardown = { .type = VM_TEARDOWN };
	struct vm_result *again;

	check_refused(&worker, NULL, "a result with an input");
	check_refused(&worker, &teardown, "a result with an input");
	check_refused(&none, &mine, "process");
	check_refused(NULL, &mine, "vm_worker");
	ck_assert_ptr_null(vm_replay(&worker, &small, &mine));
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "vm_replay() was given"));
	again = vm_replay(&unfit, NULL, &mine);
	ck_assert_ptr_nonnull(again);
	ck_assert_int_eq(again->exception->cause, VM_SETUP_FAILED);
	ck_assert_ptr_nonnull(strstr(again->exception->message,
	    "no licence"));
	free(again);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		the_context_is_as_it_was, a_struct_of_the_programs_own,
		pools_of_any_kind, a_crash_is_the_callers, refusals };

	return run_tests("replay", tests, COUNTOF(tests));
}
