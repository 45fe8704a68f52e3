/*
 * test_corners.c - rare cases: calls where they are forbidden, NULL pointers,
 * messages for rare causes, unusable sources, deaths at the worst time, systems
 * without the usual files.
 *
 * Linked with --wrap=sys_open, so that a file can be missing, and with
 * --wrap=slot_copy_out, so that a ring can be written while it is read.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/base.h"
#include "os/sys.h"
#include "shm/slots.h"
#include "tools.h"

/* Counters in shared memory. */
enum { WRONG, BEGUN, SENT, GATE, MISSED };

static struct shared *sh;

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker echoing = { .process = echo };

/* For callbacks, in which assertions do not reach the test: counts failed
   conditions. */
static void must(bool holds)
{
	atomic_fetch_add(&sh->counter[WRONG], !holds);
}

/* ---- functions called where they must not be ---- */

static void call_out_of_place(struct vm_context *me)
{
	errno = 0;
	must(vm_output(me, "x", 1) == -1 && errno == EINVAL);
	errno = 0;
	must(vm_reserve(me, 1) == NULL && errno == EINVAL);
	errno = 0;
	must(vm_commit(me, 0) == -1 && errno == EINVAL);
	errno = 0;
	must(vm_retry_after(me, 1) == -1 && errno == EINVAL);
	atomic_fetch_add(&sh->counter[BEGUN], 1);
}

static int setup_out_of_place(struct vm_context *me)
{
	call_out_of_place(me);
	return 0;
}

static int process_with_null(struct vm_context *me, const void *input,
    size_t size)
{
	call_out_of_place(NULL);
	must(vm_fail(NULL, 3, "nobody's") == -1);
	must(vm_fail_for_good(NULL, 3, "nobody's") == -1);
	errno = 0;
	must(vm_output(me, NULL, 3) == -1 && errno == EINVAL);
	must(vm_output(me, NULL, 0) == 0);
	return vm_output(me, input, size);
}

/* None of these calls may damage the item. */
START_TEST(calls_out_of_place)
{
	const struct vm_worker worker = { .setup = setup_out_of_place,
		.process = process_with_null,
		.teardown = call_out_of_place };
	const int workers[] = { 1, VM_SERIAL };
	struct vm_result r;
	vm_pool *pool;

	sh = shared_new();
	for (size_t i = 0; i < COUNTOF(workers); i++) {
		pool = fork_pool(&worker,
		    &(struct vm_options){ .workers = workers[i] });
		imap_to(pool, vm_range(5, 6));
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_uint_eq(r.output_size, sizeof(int64_t));
		ck_assert_int_eq(number(r.output), 5);
		take_end(pool);
		close_pool(pool);
	}
	ck_assert_int_eq(atomic_load(&sh->counter[BEGUN]), 6);
	ck_assert_int_eq(atomic_load(&sh->counter[WRONG]), 0);
	shared_free(sh);
}
END_TEST

/* Commits at most the reserved bytes, once, and no more bytes after that.  The
   first calls need no frame yet. */
static int commit_too_much(struct vm_context *me, const void *input,
    size_t size)
{
	void *room;

	must(vm_commit(me, 0) == 0);
	must(vm_output(me, "", 0) == 0);
	room = vm_reserve(me, size);
	must(room != NULL);
	errno = 0;
	must(vm_commit(me, size + 1) == -1 && errno == EINVAL);
	memcpy(room, input, size);
	must(vm_commit(me, size) == 0);
	errno = 0;
	must(vm_commit(me, 1) == -1 && errno == EINVAL);
	must(vm_commit(me, 0) == 0);
	must(vm_reserve(me, 100) != NULL);
	must(vm_output(me, "!", 1) == 0);
	errno = 0;
	must(vm_commit(me, 100) == -1 && errno == EINVAL);
	return 0;
}

START_TEST(no_more_is_committed_than_reserved)
{
	const struct vm_worker worker = { .process = commit_too_much };
	const int workers[] = { 1, VM_SERIAL };
	struct vm_result r;
	vm_pool *pool;

	sh = shared_new();
	for (size_t i = 0; i < COUNTOF(workers); i++) {
		pool = fork_pool(&worker,
		    &(struct vm_options){ .workers = workers[i] });
		imap_to(pool, vm_range(5, 6));
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_uint_eq(r.output_size, sizeof(int64_t) + 1);
		ck_assert_int_eq(number(r.output), 5);
		take_end(pool);
		close_pool(pool);
	}
	ck_assert_int_eq(atomic_load(&sh->counter[WRONG]), 0);
	shared_free(sh);
}
END_TEST

static vm_pool *own_pool;

static int call_own_pool(struct vm_context *me, const void *input,
    size_t size)
{
	struct vm_result r;

	errno = 0;
	must(vm_zip_in_out(own_pool, &r) == -1 && errno == EDEADLK);
	errno = 0;
	must(vm_close(own_pool) == -1 && errno == EDEADLK);
	return vm_output(me, input, size);
}

/* Callbacks that run in the caller could call the pool; these calls are
   refused. */
START_TEST(serial_items_may_not_use_their_pool)
{
	const struct vm_worker worker = { .process = call_own_pool };
	struct vm_result r;

	sh = shared_new();
	own_pool = fork_pool(&worker,
	    &(struct vm_options){ .workers = VM_SERIAL });
	imap_to(own_pool, vm_range(0, 1));
	take(own_pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	take_end(own_pool);
	close_pool(own_pool);
	ck_assert_int_eq(atomic_load(&sh->counter[WRONG]), 0);
	shared_free(sh);
}
END_TEST

static int setup_asks(struct vm_context *me)
{
	must(vm_has_failed(NULL) == 0);
	must(vm_has_failed(me) == 0);
	return 0;
}

/* Each item fails in another way, so every item begins after a failure. */
static int process_asks(struct vm_context *me, const void *input,
    size_t size)
{
	static const char large[2000];

	(void)input;
	(void)size;
	must(vm_has_failed(me) == 0);
	switch (me->index) {
	case 0:
		vm_fail(me, 7, "so it is");
		break;
	case 1:
		vm_fail(me, 0, "with 0");
		break;
	case 2:
		must(vm_output(me, large, sizeof large) == -1);
		break;
	case 3:
		return 5;
	case 4:
		must(vm_output(me, large, 1) == 0);
		must(vm_has_failed(me) == 0);
		vm_fail(NULL, 7, "nobody's");
		must(vm_has_failed(me) == 0);
		vm_fail(me, 7, "the last");
	}
	must(vm_has_failed(me) == 1);
	must(vm_has_failed(NULL) == 0);
	return 0;
}

static void teardown_asks(struct vm_context *me)
{
	must(vm_has_failed(me) == 0);
	vm_fail(me, 7, "too late");
	must(vm_has_failed(me) == 1);
	atomic_fetch_add(&sh->counter[BEGUN], 1);
}

START_TEST(knows_whether_a_call_has_failed)
{
	const struct vm_worker worker = { .setup = setup_asks,
		.process = process_asks, .teardown = teardown_asks };
	const int workers[] = { 1, VM_SERIAL };
	struct vm_result r;
	vm_pool *pool;

	sh = shared_new();
	for (size_t i = 0; i < COUNTOF(workers); i++) {
		pool = fork_pool(&worker, &(struct vm_options){
		    .workers = workers[i], .max_item_bytes = 1000 });
		imap_to(pool, vm_range(0, 5));
		for (int n = 0; n < 5; n++) {
			take(pool, &r);
			ck_assert_int_eq(r.type, VM_EXCEPTION);
		}
		take_end(pool);
		ck_assert_int_eq(vm_close(pool), 1);
	}
	ck_assert_int_eq(atomic_load(&sh->counter[BEGUN]), 2);
	ck_assert_int_eq(atomic_load(&sh->counter[WRONG]), 0);
	shared_free(sh);
}
END_TEST

/* Checks that a call was refused with this errno and a message that contains
   the text; resets errno. */
static void was_refused(int rc, int error, const vm_pool *pool,
    const char *words)
{
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(errno, error);
	ck_assert_msg(strstr(vm_error(pool), words) != NULL, "\"%s\" has no "
	    "\"%s\"", vm_error(pool), words);
	errno = 0;
}

static int no_input(void *from, const void **input, size_t *size)
{
	(void)from;
	(void)input;
	(void)size;
	return 0;
}

/* Each message names its own call, though other calls were refused before. */
START_TEST(asks_about_no_pool)
{
	const struct vm_source none = { .next = no_input };
	struct vm_result r;

	errno = 0;
	was_refused(vm_broken(NULL), EINVAL, NULL, "vm_broken()");
	was_refused(vm_workers(NULL), EINVAL, NULL, "vm_workers()");
	was_refused(vm_imap(NULL, none), EINVAL, NULL, "vm_imap()");
	was_refused(vm_zip_in_out(NULL, &r), EINVAL, NULL, "vm_zip_in_out()");
	was_refused(vm_ready(NULL, 0), EINVAL, NULL, "vm_ready()");
	was_refused(vm_resize(NULL, 1), EINVAL, NULL, "vm_resize()");
	was_refused(vm_result_copy(NULL) ? 0 : -1, EINVAL, NULL,
	    "vm_result_copy()");
	vm_cancel(NULL, 0);
	/* The reason of the failed vm_fork() explains why there is no pool. */
	ck_assert_ptr_null(vm_fork(&echoing, &(struct vm_options){
	    .workers = -7 }));
	was_refused(vm_imap(NULL, none), EINVAL, NULL, "-7");
	was_refused(vm_zip_in_out(NULL, &r), EINVAL, NULL, "-7");
	close_pool(fork_pool(&echoing, &(struct vm_options){ .workers = 1 }));
	ck_assert_str_eq(vm_error(NULL), "");
	was_refused(vm_ready(NULL, 0), EINVAL, NULL, "vm_ready()");
}
END_TEST

/* Each source is refused with a different message. */
START_TEST(each_source_is_refused_for_its_own_reason)
{
	const struct { struct vm_source source; const char *words; } bad[] = {
		{ { .next = NULL }, "vm_source.next" },
		{ { .next = no_input, .reserved = { NULL, "" } },
		    "vm_source.reserved" },
		{ vm_array(NULL, 1, 1), "vm_array() or vm_inherited_array() "
		    "is NULL" },
		{ vm_array("", SIZE_MAX / 2, 3), "more bytes" },
		{ vm_strings(NULL, 1), "vm_strings()" },
		{ vm_parts(9, 0, VM_CUT_EVENLY), "0 parts" },
		{ vm_parts(9, 1, (enum vm_cut)7), "VM_CUT_EVENLY" },
		{ vm_lines(NULL), "vm_lines()" },
		{ vm_lines_fd(-1), "vm_lines_fd()" },
		{ vm_glob(NULL), "vm_glob()" } };
	vm_pool *pool = fork_pool(&echoing, &(struct vm_options){
	    .workers = 1 });

	for (size_t i = 0; i < COUNTOF(bad); i++) {
		ck_assert_int_eq(vm_imap(pool, bad[i].source), -1);
		for (size_t n = 0; n < COUNTOF(bad); n++)
			ck_assert_msg((strstr(vm_error(pool), bad[n].words) !=
			    NULL) == (n == i), "source %zu: \"%s\"", i,
			    vm_error(pool));
	}
	errno = 0;
	was_refused(vm_zip_in_out(pool, NULL), EINVAL, pool, "vm_result");
	was_refused(vm_resize(pool, 0), EINVAL, pool, "not 0");
	was_refused(vm_resize(pool, 999), ERANGE, pool, "max_workers");
	close_pool(pool);
}
END_TEST

/* A misbehaving callback next(); input 0 selects the misdeed. */
static int next_wrong(void *from, const void **input, size_t *size)
{
	errno = 0;
	*size = 2000;
	*input = *(int *)from == 1 ? from : NULL;
	return *(int *)from == 2 ? -1 : *(int *)from == 3 ? 77 : 1;
}

START_TEST(each_source_fails_for_its_own_reason)
{
	static const struct { int error; const char *words; } wrong[] = {
		{ EINVAL, "set no input" }, { EFBIG, "max_item_bytes" },
		{ EIO, "left errno 0" }, { EINVAL, "nor VM_LATER" } };
	vm_pool *pool = fork_pool(&echoing, &(struct vm_options){
	    .workers = 1, .max_item_bytes = 1000 });
	struct vm_result r;

	for (int i = 0; i < (int)COUNTOF(wrong); i++) {
		imap_to(pool, (struct vm_source){ .next = next_wrong,
		    .from = &i });
		was_refused(vm_zip_in_out(pool, &r), wrong[i].error, pool,
		    wrong[i].words);
		take_end(pool);
	}
	close_pool(pool);
}
END_TEST

static int next_calls(void *from, const void **input, size_t *size)
{
	vm_pool *pool = *(vm_pool **)from;
	const struct vm_source none = { .next = no_input };
	struct vm_result r;

	(void)input;
	(void)size;
	errno = 0;
	was_refused(vm_imap(pool, none), EDEADLK, pool, "vm_imap()");
	was_refused(vm_zip_in_out(pool, &r), EDEADLK, pool, "hook");
	was_refused(vm_ready(pool, 0), EDEADLK, pool, "vm_ready()");
	was_refused(vm_resize(pool, 2), EDEADLK, pool, "vm_resize()");
	was_refused(vm_close(pool), EDEADLK, pool, "vm_close()");
	return 0;
}

START_TEST(a_hook_is_told_that_it_is_one)
{
	vm_pool *pool = fork_pool(&echoing, &(struct vm_options){
	    .workers = 1 });

	imap_to(pool, (struct vm_source){ .next = next_calls,
	    .from = &pool });
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* Calls the exported function, not the inline version of the header. */
START_TEST(forks_from_another_language)
{
	const struct vm_options options = { .workers = 2 };
	vm_pool *(*call)(const struct vm_worker *,
	    const struct vm_options *) = vm_fork;
	vm_pool *pool = call(&echoing, &options);
	int cause[20];

	ck_assert_ptr_nonnull(pool);
	ck_assert_int_eq(vm_workers(pool), 2);
	imap_to(pool, vm_range(0, 20));
	ck_assert_int_eq(take_numbers(pool, 20, cause), 0);
	close_pool(pool);
	ck_assert_ptr_null(call(NULL, NULL));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* ---- messages and their text ---- */

static int fail_in_rare_ways(struct vm_context *me, const void *input,
    size_t size)
{
	/* Called through a pointer, so that no compiler sees the missing
	   format. */
	int (*say)(struct vm_context *, int, const char *, ...) = vm_fail;

	if (number(input) == 0)
		raise(SIGRTMIN + 3);
	if (number(input) == 1)
		return say(me, 7, NULL);
	return echo(me, input, size);
}

START_TEST(words_for_rare_causes)
{
	const struct vm_worker worker = { .process = fail_in_rare_ways };
	char text[64];
	struct vm_result r;
	vm_pool *pool;

	no_cores();
	pool = fork_pool(&worker,
	    &(struct vm_options){ .workers = 1, .flags = VM_ORDERED });
	imap_to(pool, vm_range(0, 2));
	take(pool, &r);
	snprintf(text, sizeof text, "killed by signal %d ", SIGRTMIN + 3);
	ck_assert_int_eq(r.exception->cause, VM_KILLED);
	ck_assert_int_eq(r.exception->signal, SIGRTMIN + 3);
	ck_assert_ptr_nonnull(strstr(r.exception->message, text));
	take(pool, &r);
	ck_assert_int_eq(r.exception->cause, VM_FAILED);
	ck_assert_int_eq(r.exception->code, 7);
	ck_assert_ptr_nonnull(strstr(r.exception->message, "code 7"));
	take_end(pool);
	close_pool(pool);
}
END_TEST

static int fail_then_wait(struct vm_context *me, const void *input,
    size_t size)
{
	if (number(input) == 0 && me->attempt == 1) {
		await(&sh->counter[SENT], 1, limit_ms());
		return 1;
	}
	atomic_fetch_add(&sh->counter[BEGUN], 1);
	return await(&sh->counter[GATE], 1, limit_ms()) < 0 ? -1 :
	    echo(me, input, size);
}

/* Item 0 waits behind item 1 for its second attempt. */
START_TEST(cancels_before_the_next_attempt)
{
	const struct vm_worker worker = { .process = fail_then_wait };
	const struct vm_options options = { .workers = 1, .flags = VM_ORDERED,
		.chunk_size = 1, .max_attempts = 2 };
	struct vm_result r;
	vm_pool *pool;

	sh = shared_new();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, vm_range(0, 2));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 10), VM_LATER);
	atomic_store(&sh->counter[SENT], 1);
	while (atomic_load(&sh->counter[BEGUN]) == 0)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 5), VM_LATER);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 50), VM_LATER);
	vm_cancel(pool, 0);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
	ck_assert_uint_eq(r.index, 0);
	ck_assert_int_eq(r.attempts, 1);
	ck_assert_int_eq(r.exception->cause, VM_CANCELLED);
	ck_assert_ptr_nonnull(strstr(r.exception->message, "again"));
	atomic_store(&sh->counter[GATE], 1);
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

/* Runs a pool with debug messages on stderr, which is a file. */
static int tell_all(void *file)
{
	const struct vm_worker worker = { .process = fail_in_rare_ways };
	const struct vm_options options = { .workers = 1, .flags = VM_DEBUG,
		.chunk_size = 5, .max_attempts = 2 };
	struct vm_result r;
	vm_pool *pool;
	int n = 0;

	if (dup2(fileno(file), STDERR_FILENO) < 0)
		return 90;
	no_cores();
	pool = vm_fork(&worker, &options);
	if (pool == NULL || vm_imap(pool, vm_range(0, 5)) != 0)
		return 91;
	while (vm_zip_in_out(pool, &r) == 1)
		n++;
	return vm_close(pool) == 0 && n == 5 ? 0 : 92;
}

/* Does it begin with a time of day and a pid? */
static bool has_time_and_pid(const char *line)
{
	int hour, minute, second, ms, pid, used = 0;

	return sscanf(line, "%2d:%2d:%2d.%3d [%d] %n", &hour, &minute,
	    &second, &ms, &pid, &used) == 5 && used > 0 && pid > 0;
}

START_TEST(tells_the_life_of_each_chunk)
{
	const char *const told[] = { "hello: worker 0, pid ",
		"admit: 5 items", "send: 5 items from number 0 to worker 0",
		"answer: 1 items from number 0 of worker 0",
		"bury: worker 0, pid ", "was killed by signal ",
		"retry: number 1 failed; attempt 2 follows" };
	char text[20000] = "", *line, *rest = NULL;
	FILE *file = tmpfile();

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(in_child(tell_all, file), 0);
	rewind(file);
	ck_assert_uint_gt(fread(text, 1, sizeof text - 1, file), 0);
	for (size_t i = 0; i < COUNTOF(told); i++)
		ck_assert_msg(strstr(text, told[i]) != NULL, "not told: %s",
		    told[i]);
	for (line = strtok_r(text, "\n", &rest); line != NULL;
	    line = strtok_r(NULL, "\n", &rest))
		ck_assert_msg(strncmp(line, "vimap: ", 7) == 0 &&
		    has_time_and_pid(line + 7), "%s", line);
	fclose(file);
}
END_TEST

/* ---- setups ---- */

static int fail_setup(struct vm_context *me)
{
	return me->config != NULL ? vm_fail(me, 1, "no licence") : 5;
}

/* Checks that the pool is broken, and that each call reports the error. */
static void check_no_setup(const void *config, int workers, const char *words)
{
	const struct vm_worker worker = { .setup = fail_setup,
		.process = echo, .config = (void *)config };
	vm_pool *pool = fork_pool(&worker,
	    &(struct vm_options){ .workers = workers });
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, -1), -1);
	ck_assert_int_eq(errno, ECHILD);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), words));
	if (vm_imap(pool, vm_range(0, 1)) == 0) {
		take(pool, &r);
		ck_assert_int_eq(r.exception->cause, VM_SETUP_FAILED);
		ck_assert_ptr_nonnull(strstr(r.exception->message, words));
	}
	ck_assert_int_eq(vm_zip_in_out(pool, &r), -1);
	ck_assert_int_eq(errno, EPIPE);
	ck_assert_int_eq(vm_broken(pool), 1);
	errno = 0;
	ck_assert_int_eq(vm_ready(pool, 0), -1);
	ck_assert(errno == EPIPE || errno == ECHILD);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), words));
	close_pool(pool);
}

START_TEST(setup_fails_for_good)
{
	check_no_setup("", 1, "no licence");
	check_no_setup(NULL, 1, "code 5");
	check_no_setup("", VM_SERIAL, "no licence");
	check_no_setup(NULL, VM_SERIAL, "code 5");
}
END_TEST

/* ---- sources ---- */

static int never_asked(void *from, const void **input, size_t *size)
{
	(void)from;
	(void)input;
	(void)size;
	abort();
}

static void count_close(void *from)
{
	++*(int *)from;
}

START_TEST(marks_that_are_not_ours)
{
	vm_pool *pool = fork_pool(&echoing, &(struct vm_options){
	    .workers = 1 });
	int closed = 0;

	for (int i = 0; i < 3; i++) {
		struct vm_source s = { .next = never_asked,
			.close = count_close, .from = &closed };

		s.reserved[i] = &closed;
		errno = 0;
		ck_assert_int_eq(vm_imap(pool, s), -1);
		ck_assert_int_eq(errno, EINVAL);
		ck_assert_int_eq(closed, i + 1);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

static int calls_of_own_next;

static int own_next(void *from, const void **input, size_t *size)
{
	(void)from;
	*input = "mine";
	*size = 4;
	return calls_of_own_next++ < 3;
}

static void take_own(vm_pool *pool, struct vm_source s)
{
	struct vm_result r;

	calls_of_own_next = 0;
	s.next = own_next;
	imap_to(pool, s);
	for (int i = 0; i < 3; i++) {
		take(pool, &r);
		ck_assert_str_eq(r.input, "mine");
	}
	take_end(pool);
	ck_assert_int_eq(calls_of_own_next, 4);
}

/* A program may take a ready-made source and replace next(): it is called, and
   the state of the source is freed. */
START_TEST(ready_made_sources_with_another_next)
{
	const int items[] = { 1, 2, 3, 4, 5 };
	vm_pool *pool = fork_pool(&echoing, &(struct vm_options){
	    .workers = 1 });

	take_own(pool, vm_array(items, 5, sizeof *items));
	take_own(pool, vm_inherited_array(items, 5, sizeof *items));
	take_own(pool, vm_lines(NULL));
	close_pool(pool);
}
END_TEST

/* A line that does not end is refused, not stored in a growing buffer. */
START_TEST(line_without_end)
{
	static char much[65536];
	int ends[2];
	struct vm_result r;
	vm_pool *pool = fork_pool(&echoing, &(struct vm_options){
	    .workers = 1, .max_item_bytes = 1000 });

	memset(much, 'x', sizeof much);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], much, sizeof much), sizeof much);
	imap_to(pool, vm_lines_fd(ends[0]));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), -1);
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "a line has more"));
	ck_assert_int_eq(vm_broken(pool), 0);
	take_end(pool);
	close_pool(pool);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

/* A filter between the lines and the pool leaves *size as it was. */
static int next_kept(void *from, const void **input, size_t *size)
{
	const struct vm_source *lines = from;
	int r;

	do
		r = lines->next(lines->from, input, size);
	while (r == 1 && *(const char *)*input == '#');
	return r;
}

static void check_filtered(struct vm_source lines)
{
	vm_pool *pool = fork_pool(&echoing, &(struct vm_options){
	    .workers = 1, .max_item_bytes = 1000 });
	struct vm_result r;

	imap_to(pool, (struct vm_source){ .next = next_kept,
	    .from = &lines, .wait_fd = lines.wait_fd });
	take(pool, &r);
	ck_assert_str_eq(r.input, "a line of 20 letters");
	take(pool, &r);
	ck_assert_str_eq(r.input, "another of 22 letters.");
	take_end(pool);
	close_pool(pool);
	lines.close(lines.from);
}

START_TEST(filtered_lines_stay_whole)
{
	static char text[] = "#\na line of 20 letters\n#x\n"
	    "another of 22 letters.\n";
	FILE *file = fmemopen(text, strlen(text), "r");
	int ends[2];

	ck_assert_ptr_nonnull(file);
	check_filtered(vm_lines(file));
	fclose(file);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(write(ends[1], text, strlen(text)), strlen(text));
	close(ends[1]);
	check_filtered(vm_lines_fd(ends[0]));
	close(ends[0]);
}
END_TEST

START_TEST(lines_of_a_directory)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY);
	vm_pool *pool = fork_pool(&echoing, &(struct vm_options){
	    .workers = 1 });
	struct vm_result r;

	ck_assert_int_ge(fd, 0);
	imap_to(pool, vm_lines_fd(fd));
	ck_assert_int_eq(vm_zip_in_out(pool, &r), -1);
	ck_assert_int_eq(errno, EISDIR);
	ck_assert_int_eq(vm_broken(pool), 0);
	take_end(pool);
	close_pool(pool);
	close(fd);
}
END_TEST

/* ---- copies of results ---- */

START_TEST(copies_nothing_and_too_much)
{
	const struct vm_result empty = { .input = "", .output = "",
		.type = VM_OUTPUT, .index = 3 };
	struct vm_result r = empty, *copy = vm_result_copy(&empty);

	ck_assert_ptr_nonnull(copy);
	ck_assert_uint_eq(copy->index, 3);
	ck_assert_ptr_ne(copy->input, empty.input);
	ck_assert_str_eq(copy->input, "");
	ck_assert_str_eq(copy->output, "");
	ck_assert_ptr_null(copy->exception);
	free(copy);
	r.input_size = SIZE_MAX / 4;
	errno = 0;
	ck_assert_ptr_null(vm_result_copy(&r));
	ck_assert_int_eq(errno, ENOMEM);
}
END_TEST

/* ---- leases ---- */

START_TEST(item_given_back)
{
	struct slots slots;
	struct slot *s;
	uint32_t limit = 8, next;

	ck_assert_int_eq(slots_map(&slots, 1, SLOT_PAYLOAD), 0);
	s = slots_get(&slots, 0);
	slot_reset(s);
	slot_lease(s, 1, 5, 8);
	ck_assert_uint_eq(slot_take(s, 1, 2, &limit), 5);
	slot_begin(s, 1, 6);
	slot_begin(s, 1, 7);
	slot_begin(s, 1, 6);
	ck_assert_int_eq(slot_begun(s, 1, 8, &next), 0);
	ck_assert_uint_eq(next, 6);
	ck_assert_int_eq(slot_next(s, 1, 8, &next), 0);
	ck_assert_uint_eq(next, 7);
	slots_unmap(&slots);
}
END_TEST

/* ---- deaths at the worst time ---- */

/* Beyond the bound on bytes, but within the buffers of pipe and ring. */
enum { BIG = 60000 };

/* Item 0 dies when item 1, which is big, is done and others still run. */
static int die_first(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);
	void *room;

	if (n == 0 && me->attempt == 1) {
		nap_ms(100);
		raise(SIGKILL);
	}
	if (n >= 2 && n <= 5)
		nap_ms(200);
	room = n == 1 ? vm_reserve(me, BIG) : NULL;
	if (room == NULL)
		return echo(me, input, size);
	memset(room, 'x', BIG);
	return vm_commit(me, BIG);
}

/* The next item in order has no worker, while results fill the bound. */
START_TEST(next_in_order_dies_beyond_the_bound)
{
	const struct vm_worker worker = { .process = die_first };
	const struct vm_options options = { .workers = 3, .flags = VM_ORDERED,
		.chunk_size = 1, .max_attempts = 2,
		.max_in_flight_bytes = 1000,
		.max_real_in_flight_factor = 2 };
	struct vm_result r;
	vm_pool *pool;

	no_cores();
	pool = fork_pool(&worker, &options);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, vm_range(0, 8));
	for (uint64_t i = 0; i < 8; i++) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		ck_assert_uint_eq(r.index, i);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, i == 0 ? 2 : 1);
		ck_assert_uint_eq(r.output_size, i == 1 ? BIG : 8);
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

/* ---- system calls ---- */

static int ends[2];		/* ends of a pipe */
static volatile sig_atomic_t lets_go;

/* Makes the blocked call able to continue, and interrupts it. */
static void tick(int signal)
{
	char bytes[4096];
	ssize_t n = 0;

	(void)signal;
	if (!lets_go)
		return;
	if (fcntl(ends[0], F_GETFL) & O_NONBLOCK)
		n = read(ends[0], bytes, sizeof bytes);
	else
		n = write(ends[1], "!", 1);
	must(n > 0);
}

static void start_ticks(void)
{
	const struct itimerval each = { { 0, 20000 }, { 0, 20000 } };
	const struct sigaction a = { .sa_handler = tick };

	ck_assert_int_eq(sigaction(SIGALRM, &a, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &each, NULL), 0);
}

static void stop_ticks(void)
{
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };

	ck_assert_int_eq(setitimer(ITIMER_REAL, &never, NULL), 0);
}

/* Signals of the host interrupt no call except a poll. */
START_TEST(calls_are_interrupted)
{
	static char much[4096];
	const struct iovec part = { much, sizeof much };
	struct pollfd p = { .events = POLLIN };
	char byte = 0;

	sh = shared_new();
	ck_assert_int_eq(sys_pipe(ends), 0);
	p.fd = ends[0];
	start_ticks();
	ck_assert_int_eq(sys_poll(&p, 1, limit_ms()), 0);
	lets_go = 1;
	ck_assert_int_eq(sys_read(ends[0], &byte, 1), 1);
	ck_assert_int_eq(byte, '!');
	stop_ticks();
	ck_assert_int_eq(sys_nonblock(ends[0]), 0);
	ck_assert_int_eq(sys_nonblock(ends[1]), 0);
	while (sys_write(ends[1], much, sizeof much) > 0)
		continue;
	ck_assert_int_eq(fcntl(ends[1], F_SETFL, 0), 0);
	start_ticks();
	ck_assert_int_gt(sys_write(ends[1], much, sizeof much), 0);
	ck_assert_int_gt(sys_writev(ends[1], &part, 1), 0);
	stop_ticks();
	ck_assert_int_eq(atomic_load(&sh->counter[WRONG]), 0);
	shared_free(sh);
}
END_TEST

/* Only descriptors 0 to 3 are available; the library may use 3 only. */
static int pair_without_room(void *make)
{
	const struct rlimit four = { 4, 4 };
	int pair[2] = { 7, 7 };

	for (int fd = 0; fd < 1024; fd++)
		close(fd);
	if (setrlimit(RLIMIT_NOFILE, &four) != 0)
		return 90;
	if ((*(int (**)(int *))make)(pair) != -EMFILE)
		return 91;
	if (pair[0] != -1 || pair[1] != -1)
		return 92;
	return dup(3) == -1 && open("/", O_RDONLY) == 0 ? 0 : 93;
}

START_TEST(pair_of_descriptors_half_there)
{
	int (*makers[])(int *) = { sys_pipe, sys_socketpair };

	for (size_t i = 0; i < COUNTOF(makers); i++)
		ck_assert_int_eq(in_child(pair_without_room, &makers[i]),
		    0);
	ck_assert_int_eq(sys_nonblock(-1), -EBADF);
}
END_TEST

/* ---- a kernel that keeps no list of children ---- */

static const char *missing;	/* path of the file that is missing, or NULL */

int __real_sys_open(const char *path, int flags);
int __wrap_sys_open(const char *path, int flags);

int __wrap_sys_open(const char *path, int flags)
{
	if (missing == NULL || strcmp(path, missing) != 0)
		return __real_sys_open(path, flags);
	atomic_fetch_add(&sh->counter[MISSED], 1);
	return -ENOENT;
}

/* Leaves an orphan in a process group that is not the pool's. */
static int leave_orphan(struct vm_context *me, const void *input, size_t size)
{
	pid_t pid = fork();

	if (pid == 0) {
		setsid();
		atomic_fetch_add(&sh->counter[BEGUN], 1);
		for (;;)
			pause();
	}
	atomic_store(&sh->pid[number(input)], pid);
	await(&sh->counter[BEGUN], 1, limit_ms());
	return echo(me, input, size);
}

START_TEST(finds_orphans_by_itself)
{
	const struct vm_worker worker = { .process = leave_orphan };
	const struct vm_options options = { .workers = 2 };
	int cause[4];
	vm_pool *pool;

	sh = shared_new();
	missing = "/proc/thread-self/children";
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 4));
	ck_assert_int_eq(take_numbers(pool, 4, cause), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(cause[i], 0);
	close_pool(pool);
	ck_assert_int_gt(atomic_load(&sh->counter[MISSED]), 0);
	for (int i = 0; i < 4; i++)
		ck_assert(!is_alive(atomic_load(&sh->pid[i])));
	shared_free(sh);
}
END_TEST

/* ---- a ring that is overwritten while it is read ---- */

static bool tears;

void __real_slot_copy_out(const struct slot *, uint64_t, void *, size_t);
void __wrap_slot_copy_out(const struct slot *, uint64_t, void *, size_t);

/* The worker continues, and overwrites the bytes of the ring that were
   copied. */
void __wrap_slot_copy_out(const struct slot *s, uint64_t position, void *to,
    size_t size)
{
	__real_slot_copy_out(s, position, to, size);
	if (!tears)
		return;
	tears = false;
	atomic_store(&sh->counter[GATE], 1);
	for (int ms = 0; ms < limit_ms() && slot_intact(s, position); ms++)
		nap_ms(1);
	atomic_fetch_add(&sh->counter[MISSED], 1);
	memset(to, 0xff, size);
}

/* The third item waits, while the first two are staged. */
static int third_at_gate(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) == 2)
		await(&sh->counter[GATE], 1, limit_ms());
	return vm_output(me, input, size);
}

/* The copied bytes are torn, and discarded; the pipe delivers them again. */
START_TEST(a_ring_is_written_on)
{
	const struct vm_worker worker = { .process = third_at_gate };
	struct vm_result r;
	vm_pool *pool;

	sh = shared_new();
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 1,
	    .chunk_size = 5 });
	imap_to(pool, vm_range(0, 5));
	tears = true;
	for (int i = 0; i < 5; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, 1);
		ck_assert_int_eq(number(r.output), number(r.input));
	}
	take_end(pool);
	ck_assert_int_eq(sh->counter[MISSED], 1);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		calls_out_of_place, no_more_is_committed_than_reserved,
		serial_items_may_not_use_their_pool,
		knows_whether_a_call_has_failed, asks_about_no_pool,
		each_source_is_refused_for_its_own_reason,
		each_source_fails_for_its_own_reason,
		a_hook_is_told_that_it_is_one, forks_from_another_language,
		words_for_rare_causes, cancels_before_the_next_attempt,
		tells_the_life_of_each_chunk, setup_fails_for_good,
		marks_that_are_not_ours, ready_made_sources_with_another_next,
		line_without_end, filtered_lines_stay_whole, lines_of_a_directory,
		copies_nothing_and_too_much, item_given_back,
		calls_are_interrupted, pair_of_descriptors_half_there,
		finds_orphans_by_itself, a_ring_is_written_on };
	const TTest *const drawn[] = {
		next_in_order_dies_beyond_the_bound };

	return run_sampled_tests("corners", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
