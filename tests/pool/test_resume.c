/*
 * test_resume.c - runs that go on by a journal: which inputs count as finished
 * and as equal, the results of earlier runs, order, seeds, pushed inputs; and
 * journals that cannot be opened, or not be written to.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "scratch.h"
#include "tools.h"
#include "vimap_reduce.h"

static char dir[64], path[80];

static void make_dir(void)
{
	strcpy(dir, "/tmp/vimap-resume.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/journal", dir);
}

static void remove_dir(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker echoer = { .process = echo };

static vm_pool *fork_echo(unsigned flags)
{
	const struct vm_options o = { .workers = 2, .journal = path,
		.flags = flags };

	return fork_pool(&echoer, &o);
}

static uint64_t resumed(vm_pool *pool)
{
	struct vm_stats s;

	ck_assert_int_eq(vm_stats(pool, &s), 0);
	return s.resumed;
}

/* Takes all results of the words, "+" before those of this run, sorted by
   index, and closes the pool. */
static const char *run_words(vm_pool *pool, const char *const *words, size_t n)
{
	static char text[1000];
	bool seen[64] = { false }, fresh[64] = { false };
	struct vm_result r;
	int rc;

	ck_assert_uint_le(n, 64);
	imap_to(pool, vm_strings(words, n));
	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		ck_assert(!seen[r.index]);
		ck_assert_str_eq(r.input, words[r.index]);
		if (r.type == VM_OUTPUT)
			ck_assert_str_eq(r.output, words[r.index]);
		seen[r.index] = true;
		fresh[r.index] = r.worker_index >= 0;
	}
	ck_assert_int_eq(rc, 0);
	close_pool(pool);
	text[0] = '\0';
	for (size_t i = 0; i < n; i++)
		if (seen[i])
			snprintf(text + strlen(text), 100, "%s%s ",
			    fresh[i] ? "+" : "", words[i]);
	return text;
}

/* The words of the first run, and of the second: lines have moved, come and
   gone. */
static const char *const before[] = { "a", "b", "b", "c" };
static const char *const after[] = { "x", "c", "b", "a", "b", "b", "y" };

START_TEST(inputs_may_move)
{
	make_dir();
	ck_assert_str_eq(run_words(fork_echo(0), before, COUNTOF(before)),
	    "+a +b +b +c ");
	/* Equal inputs are as many as there are. */
	ck_assert_str_eq(run_words(fork_echo(0), after, COUNTOF(after)),
	    "+x +b +y ");
	ck_assert_str_eq(run_words(fork_echo(0), after, COUNTOF(after)), "");
	remove_dir();
}
END_TEST

START_TEST(inputs_may_move_with_outputs)
{
	const unsigned flags = VM_JOURNAL_OUTPUTS | VM_JOURNAL_SYNC;

	make_dir();
	ck_assert_str_eq(run_words(fork_echo(flags), before, COUNTOF(before)),
	    "+a +b +b +c ");
	ck_assert_str_eq(run_words(fork_echo(flags), after, COUNTOF(after)),
	    "+x c b a b +b +y ");
	ck_assert_str_eq(run_words(fork_echo(flags | VM_ORDERED), after,
	    COUNTOF(after)), "x c b a b b y ");
	remove_dir();
}
END_TEST

/* Each source of a run has its own inputs. */
START_TEST(sources_may_be_equal)
{
	struct vm_result r;
	vm_pool *pool;

	make_dir();
	pool = fork_echo(VM_JOURNAL_OUTPUTS | VM_ORDERED);
	imap_to(pool, vm_range(0, 3));
	imap_to(pool, vm_range(0, 3));
	for (int i = 0; i < 5; i++)
		take(pool, &r);
	close_pool(pool);
	pool = fork_echo(VM_JOURNAL_OUTPUTS | VM_ORDERED);
	imap_to(pool, vm_range(0, 3));
	imap_to(pool, vm_range(0, 3));
	for (int i = 0; i < 6; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.worker_index < 0, i < 5);
		ck_assert_uint_eq(r.index, (uint64_t)i % 3);
	}
	take_end(pool);
	close_pool(pool);
	remove_dir();
}
END_TEST

/* The part of a word before "=" is its key. */
static const void *key_of(void *config, const void *input, size_t size,
    size_t *key_size)
{
	const char *end = memchr(input, '=', size);

	++*(int *)config;
	*key_size = end != NULL ? (size_t)(end - (const char *)input) : size;
	return size > 0 ? input : NULL;
}

START_TEST(keys_may_be_the_programs_own)
{
	static const char *const old[] = { "a=1", "b=1", "" };
	static const char *const new[] = { "", "b=2", "c=2", "a=2" };
	int calls = 0;
	const struct vm_worker w = { .process = echo, .config = &calls };
	const struct vm_options o = { .workers = 1, .journal = path,
		.journal_key = key_of };

	make_dir();
	ck_assert_str_eq(run_words(fork_pool(&w, &o), old, 3),
	    "+a=1 +b=1 + ");
	ck_assert_int_eq(calls, 3);
	ck_assert_str_eq(run_words(fork_pool(&w, &o), new, 4), "+c=2 ");
	ck_assert_int_eq(calls, 7);
	remove_dir();
}
END_TEST

START_TEST(another_version_runs_all)
{
	struct vm_worker w = { .process = echo, .name = "echo",
		.version = "1" };
	const struct vm_options o = { .workers = 1, .journal = path };

	make_dir();
	ck_assert_str_eq(run_words(fork_pool(&w, &o), before, 2), "+a +b ");
	w.version = "2";
	ck_assert_str_eq(run_words(fork_pool(&w, &o), before, 2), "+a +b ");
	ck_assert_str_eq(run_words(fork_pool(&w, &o), before, 2), "");
	w.name = "ohce";
	ck_assert_str_eq(run_words(fork_pool(&w, &o), before, 2), "+a +b ");
	remove_dir();
}
END_TEST

/* Tells the version of its worker, before the input. */
static int tell_version(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, me->config, 1) < 0 ? -1 :
	    vm_output(me, input, size);
}

/* Runs the words by a version.  Returns the number of results that the journal
   had. */
static int run_version(const char *version)
{
	const struct vm_worker w = { .process = tell_version,
		.version = version, .config = (void *)(uintptr_t)version };
	const struct vm_options o = { .workers = 1, .journal = path,
		.flags = VM_JOURNAL_OUTPUTS };
	vm_pool *pool = fork_pool(&w, &o);
	struct vm_result r;
	int old = 0;

	imap_to(pool, vm_strings(before, COUNTOF(before)));
	for (size_t i = 0; i < COUNTOF(before); i++) {
		take(pool, &r);
		ck_assert_int_eq(*(const char *)r.output, *version);
		ck_assert_str_eq((const char *)r.output + 1, r.input);
		old += r.worker_index < 0;
	}
	take_end(pool);
	close_pool(pool);
	return old;
}

/* The entry that says whose results follow is lost.  They are used still, and
   by their own worker only. */
START_TEST(versions_stay_apart_in_a_damaged_journal)
{
	struct stat s;
	FILE *f;

	make_dir();
	ck_assert_int_eq(run_version("1"), 0);
	ck_assert_int_eq(stat(path, &s), 0);
	ck_assert_int_eq(run_version("2"), 0);
	f = fopen(path, "r+");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, s.st_size, SEEK_SET), 0);
	fputs("damage", f);
	fclose(f);
	for (char version[] = "3"; version[0] > '0'; version[0]--)
		ck_assert_int_eq(run_version(version),
		    version[0] == '3' ? 0 : COUNTOF(before));
	remove_dir();
}
END_TEST

/* Counts the inputs that were folded; returns 1 for the third. */
static int stop_at_third(void *counts, const struct vm_result *r)
{
	int *n = counts;

	n[r->index]++;
	return ++n[100] == 3;
}

/* What was not folded is not finished, though it had run. */
START_TEST(results_that_are_not_folded_come_again)
{
	const struct vm_options o = { .workers = 1, .journal = path,
		.chunk_size = 50 };
	int counts[101] = { 0 };
	vm_pool *pool;

	make_dir();
	pool = fork_pool(&echoer, &o);
	ck_assert_int_eq(vm_fold(pool, vm_range(0, 100), stop_at_third,
	    counts), -1);
	ck_assert_int_eq(errno, ECANCELED);
	close_pool(pool);
	pool = fork_pool(&echoer, &o);
	ck_assert_int_eq(vm_fold(pool, vm_range(0, 100), stop_at_third,
	    counts), 0);
	close_pool(pool);
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(counts[i], 1);
	remove_dir();
}
END_TEST

/* ---- outcomes ---- */

/* Counts the inputs that hang; NULL: nobody asks. */
static struct shared *hanging;

/* Fails in a way that the input names. */
static int end_badly(struct vm_context *me, const void *input, size_t size)
{
	static const char big[5000];
	const char *how = input;

	if (strcmp(how, "abort") == 0)
		abort();
	if (strcmp(how, "kill") == 0)
		raise(SIGKILL);
	if (strcmp(how, "term") == 0)
		raise(SIGTERM);
	if (strcmp(how, "exit") == 0)
		_exit(3);
	if (strcmp(how, "fail") == 0) {
		fputs("some text\n", stderr);
		return vm_fail(me, 42, "It is \"%s\".", how);
	}
	if (strcmp(how, "big") == 0)
		return vm_output(me, big, sizeof big);
	if (strcmp(how, "hang") == 0 && hanging != NULL)
		atomic_fetch_add(&hanging->counter[0], 1);
	while (strcmp(how, "hang") == 0)
		pause();
	return vm_output(me, input, size);
}

static const char *const ways[] = { "abort", "kill", "term", "exit", "fail",
	"big", "hang", "good" };

static vm_pool *fork_bad(unsigned flags)
{
	const struct vm_worker w = { .process = end_badly };
	const struct vm_options o = { .workers = 2, .journal = path,
		.flags = flags | VM_MEASURE_ITEMS | VM_STDERR_TAIL,
		.max_item_bytes = 4000, .item_timeout_ms = 300,
		.max_attempts = 2, .retry_on = VM_FAILED };

	return fork_pool(&w, &o);
}

static bool same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void check_same(const struct vm_result *a, const struct vm_result *b)
{
	const struct vm_exception *x = a->exception, *y = b->exception;

	ck_assert_int_eq(a->type, b->type);
	ck_assert_int_eq(a->attempts, b->attempts);
	ck_assert_uint_eq(a->wall_ns, b->wall_ns);
	ck_assert_uint_eq(a->cpu_ns, b->cpu_ns);
	ck_assert_int_eq(b->worker_index, -1);
	ck_assert_uint_eq(a->output_size, b->output_size);
	if (x == NULL)
		return;
	ck_assert_int_eq(x->cause, y->cause);
	ck_assert_int_eq(x->code, y->code);
	ck_assert_int_eq(x->signal, y->signal);
	ck_assert_int_eq(x->exit_status, y->exit_status);
	ck_assert_int_eq(x->core_dumped, y->core_dumped);
	ck_assert_uint_eq(x->max_rss, y->max_rss);
	ck_assert_str_eq(x->message, y->message);
	ck_assert(same(x->traceback, y->traceback));
	ck_assert(same(x->stderr_tail, y->stderr_tail));
	ck_assert_int_eq(y->pid, 0);
}

START_TEST(results_come_as_they_were)
{
	struct vm_result r, *kept[COUNTOF(ways)];
	vm_pool *pool;

	make_dir();
	no_cores();
	pool = fork_bad(VM_JOURNAL_OUTPUTS);
	imap_to(pool, vm_strings(ways, COUNTOF(ways)));
	for (size_t i = 0; i < COUNTOF(ways); i++) {
		take(pool, &r);
		kept[r.index] = vm_result_copy(&r);
		ck_assert_ptr_nonnull(kept[r.index]);
	}
	take_end(pool);
	close_pool(pool);
	pool = fork_bad(VM_JOURNAL_OUTPUTS);
	imap_to(pool, vm_strings(ways, COUNTOF(ways)));
	for (size_t i = 0; i < COUNTOF(ways); i++) {
		take(pool, &r);
		if (r.index == 1 || r.index == 2)
			ck_assert_int_ge(r.worker_index, 0);
		else
			check_same(kept[r.index], &r);
		free(kept[r.index]);
	}
	take_end(pool);
	ck_assert_uint_eq(resumed(pool), COUNTOF(ways) - 2);
	close_pool(pool);
	remove_dir();
}
END_TEST

/* What was retried stands for what had failed, and an input that is equal to
   it has no part in that. */
START_TEST(failures_are_run_again_if_asked)
{
	static const char *const words[] = { "good", "fail", "fail" };
	struct vm_worker w = { .process = end_badly };
	struct vm_options o = { .workers = 1, .journal = path,
		.flags = VM_JOURNAL_OUTPUTS | VM_STDERR_TAIL };

	make_dir();
	ck_assert_str_eq(run_words(fork_pool(&w, &o), words, 2),
	    "+good +fail ");
	ck_assert_str_eq(run_words(fork_pool(&w, &o), words, 2),
	    "good fail ");
	o.flags |= VM_JOURNAL_RETRY;
	ck_assert_str_eq(run_words(fork_pool(&w, &o), words, 2),
	    "good +fail ");
	w.process = echo;
	ck_assert_str_eq(run_words(fork_pool(&w, &o), words, 2),
	    "good +fail ");
	o.flags &= ~(unsigned)VM_JOURNAL_RETRY;
	ck_assert_str_eq(run_words(fork_pool(&w, &o), words, 3),
	    "good fail +fail ");
	remove_dir();
}
END_TEST

START_TEST(cancelled_inputs_are_not_finished)
{
	struct vm_options o = { .workers = 1, .journal = path,
		.chunk_size = 1, .flags = VM_JOURNAL_OUTPUTS };
	int results = 0, cancelled = 0;
	struct vm_result r;
	vm_pool *pool;

	make_dir();
	pool = fork_pool(&echoer, &o);
	imap_to(pool, vm_range(0, 500));
	take(pool, &r);
	vm_cancel(pool, VM_CANCEL_UNREAD);
	while (vm_zip_in_out(pool, &r) == 1) {
		results++;
		cancelled += r.type != VM_OUTPUT;
	}
	ck_assert_int_eq(results, 499);
	ck_assert_int_gt(cancelled, 0);
	close_pool(pool);
	pool = fork_pool(&echoer, &o);
	imap_to(pool, vm_range(0, 500));
	for (int i = 0; i < 500; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		cancelled -= r.worker_index >= 0;
	}
	take_end(pool);
	ck_assert_int_eq(cancelled, 0);
	close_pool(pool);
	remove_dir();
}
END_TEST

/* ---- order, seeds, pushed inputs ---- */

static int tell_seed(struct vm_context *me, const void *input, size_t size)
{
	(void)input, (void)size;
	return vm_output(me, &me->seed, sizeof me->seed);
}

#define SEEDS 300

/* Every third input of some runs is finished in others. */
static int give_third(void *from, const void **input, size_t *size)
{
	int64_t *n = from;

	*n += 3;
	*input = n;
	*size = sizeof *n;
	return *n < SEEDS;
}

static void finish_thirds(const struct vm_worker *w, struct vm_options o)
{
	struct vm_result r;
	vm_pool *pool;
	int64_t n = -3;

	o.flags &= ~(unsigned)VM_ORDERED;
	pool = fork_pool(w, &o);
	imap_to(pool, vm_callback(give_third, &n));
	for (int i = 0; i < SEEDS / 3; i++)
		take(pool, &r);
	take_end(pool);
	close_pool(pool);
}

static void check_seeds(unsigned flags, size_t chunk_size)
{
	const struct vm_worker w = { .process = tell_seed };
	struct vm_options o = { .workers = 2, .flags = VM_ORDERED, .seed = 5,
		.chunk_size = chunk_size };
	uint64_t seeds[SEEDS];
	struct vm_result r;
	vm_pool *pool = fork_pool(&w, &o);

	imap_to(pool, vm_range(0, SEEDS));
	for (int i = 0; i < SEEDS; i++) {
		take(pool, &r);
		memcpy(&seeds[i], r.output, sizeof seeds[i]);
	}
	close_pool(pool);
	o.journal = path;
	o.flags |= flags;
	finish_thirds(&w, o);
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, SEEDS));
	for (int64_t i = 0; i < SEEDS; i++) {
		if (i % 3 == 0 && flags == 0)
			continue;
		take(pool, &r);
		ck_assert_uint_eq(r.index, (uint64_t)i);
		ck_assert_int_eq(number(r.input), i);
		if (i % 3 != 0)
			ck_assert_int_eq(memcmp(r.output, &seeds[i], 8), 0);
	}
	take_end(pool);
	ck_assert_uint_eq(resumed(pool), SEEDS / 3);
	close_pool(pool);
	unlink(path);
}

START_TEST(order_and_seeds_stay)
{
	make_dir();
	check_seeds(0, 0);
	check_seeds(0, 7);
	check_seeds(VM_JOURNAL_OUTPUTS, 0);
	check_seeds(VM_JOURNAL_OUTPUTS, 7);
	remove_dir();
}
END_TEST

START_TEST(pushed_inputs_are_looked_up)
{
	int tags[3] = { 0 };
	struct vm_result r;
	vm_pool *pool;

	make_dir();
	pool = fork_echo(0);
	ck_assert_int_eq(vm_submit(pool, "a", 1, &tags[0]), 1);
	take(pool, &r);
	close_pool(pool);
	pool = fork_echo(0);
	ck_assert_int_eq(vm_submit(pool, "b", 1, &tags[1]), 1);
	ck_assert_int_eq(vm_submit(pool, "a", 1, &tags[0]), 0);
	ck_assert_int_eq(vm_submit(pool, "a", 1, &tags[2]), 1);
	for (int i = 0; i < 2; i++) {
		take(pool, &r);
		ck_assert_ptr_eq(r.tag, r.index == 0 ? &tags[1] : &tags[2]);
		ck_assert_uint_eq(r.index, r.tag == &tags[1] ? 0 : 2);
	}
	take_end(pool);
	close_pool(pool);
	remove_dir();
}
END_TEST

START_TEST(pushed_inputs_are_answered)
{
	int tags[3] = { 0 };
	struct vm_result r;
	vm_pool *pool;
	int old = 0;

	make_dir();
	pool = fork_echo(VM_JOURNAL_OUTPUTS);
	ck_assert_int_eq(vm_submit(pool, "a", 1, &tags[0]), 1);
	take(pool, &r);
	close_pool(pool);
	pool = fork_echo(VM_JOURNAL_OUTPUTS);
	ck_assert_int_eq(vm_submit(pool, "b", 1, &tags[0]), 1);
	ck_assert_int_eq(vm_submit(pool, "a", 1, &tags[1]), 1);
	ck_assert_int_eq(vm_submit(pool, "c", 1, &tags[2]), 1);
	for (int i = 0; i < 3; i++) {
		take(pool, &r);
		ck_assert_ptr_eq(r.tag, &tags[r.index]);
		ck_assert_int_eq(*(const char *)r.output,
		    "bac"[r.index]);
		old += r.worker_index < 0;
	}
	ck_assert_int_eq(old, 1);
	take_end(pool);
	close_pool(pool);
	remove_dir();
}
END_TEST

#define MANY 20000

/* Bounds hold for results of the journal, and many that are left out block no
   event loop. */
START_TEST(many_inputs_are_finished)
{
	struct vm_options o = { .workers = 2, .journal = path,
		.max_total_in_flight_factor = 3 };
	struct vm_result r;
	struct vm_stats s;
	vm_pool *pool;
	int rc;

	make_dir();
	for (int flags = 0; flags <= VM_JOURNAL_OUTPUTS;
	    flags += VM_JOURNAL_OUTPUTS) {
		o.flags = (unsigned)flags;
		pool = fork_pool(&echoer, &o);
		imap_to(pool, vm_range(0, MANY));
		for (int i = 0; i < MANY; i++)
			take(pool, &r);
		close_pool(pool);
		pool = fork_pool(&echoer, &o);
		imap_to(pool, vm_range(0, MANY));
		for (int i = 0; flags != 0 && i < MANY; i++)
			take(pool, &r);
		do
			rc = vm_zip_in_out_within(pool, &r, 0);
		while (rc == VM_LATER);
		ck_assert_int_eq(rc, 0);
		ck_assert_int_eq(vm_stats(pool, &s), 0);
		ck_assert_uint_eq(s.inputs, MANY);
		ck_assert_uint_eq(s.resumed, MANY);
		ck_assert_uint_le(s.total_peak, s.total_bound);
		close_pool(pool);
		unlink(path);
	}
	remove_dir();
}
END_TEST

START_TEST(other_kinds_of_pools)
{
	static int64_t array[40];
	struct vm_options o = { .workers = VM_SERIAL, .journal = path,
		.flags = VM_JOURNAL_OUTPUTS };
	int old = 0;
	struct vm_result r;
	vm_pool *pool;

	make_dir();
	for (int64_t i = 0; i < 40; i++)
		array[i] = i;
	pool = fork_pool(&echoer, &o);
	imap_to(pool, vm_array(array, 30, 8));
	for (int i = 0; i < 10; i++)
		take(pool, &r);
	close_pool(pool);
	o.workers = 2;
	pool = fork_pool(&echoer, &o);
	imap_to(pool, vm_inherited_array(array, 40, 8));
	for (int i = 0; i < 40; i++) {
		take(pool, &r);
		ck_assert_int_eq(number(r.output), (int64_t)r.index);
		old += r.worker_index < 0;
	}
	take_end(pool);
	ck_assert_int_eq(old, 10);
	close_pool(pool);
	remove_dir();
}
END_TEST

/* ---- journals that cannot be used ---- */

/* Asserts that vm_fork() fails with that errno and word. */
static void check_no_pool(const struct vm_options *o, int error,
    const char *word)
{
	errno = 0;
	ck_assert_ptr_null(vm_fork(&echoer, o));
	ck_assert_int_eq(errno, error);
	ck_assert_msg(strstr(vm_error(NULL), word) != NULL, "%s",
	    vm_error(NULL));
}

static void write_text(const char *text)
{
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
	ck_assert_int_eq(chmod(path, 0600), 0);
}

START_TEST(other_files_are_refused)
{
	struct vm_options o = { .workers = 1, .journal = path };
	struct stat s;
	vm_pool *pool;

	make_dir();
	write_text("my only copy\n");
	check_no_pool(&o, EINVAL, "no journal of vimap");
	ck_assert_int_eq(stat(path, &s), 0);
	ck_assert_int_eq(s.st_size, 13);
	write_text("#vimap-journal 9 tomorrow\n");
	check_no_pool(&o, EINVAL, "another version of vimap");
	unlink(path);
	close_pool(fork_pool(&echoer, &o));
	o.flags = VM_JOURNAL_OUTPUTS;
	check_no_pool(&o, EINVAL, "without outputs");
	o.flags = 0;
	pool = fork_pool(&echoer, &o);
	check_no_pool(&o, EWOULDBLOCK, "another pool has it open");
	close_pool(pool);
	ck_assert_int_eq(chmod(path, 0644), 0);
	close_pool(fork_pool(&echoer, &o));
	ck_assert_int_eq(chmod(path, 0620), 0);
	check_no_pool(&o, EPERM, "others may write");
	ck_assert_int_eq(chmod(path, 0602), 0);
	check_no_pool(&o, EPERM, "others may write");
	unlink(path);
	ck_assert_int_eq(symlink("elsewhere", path), 0);
	check_no_pool(&o, ELOOP, "symbolic link");
	o.journal = dir;
	check_no_pool(&o, EISDIR, "Is a directory");
	o.journal = "/nowhere/journal";
	check_no_pool(&o, ENOENT, "No such file");
	remove_dir();
}
END_TEST

/* As a user who may not write there. */
static int fork_as_nobody(void *arg)
{
	const struct vm_options o = { .workers = 1, .journal = path };

	(void)arg;
	if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
		return 90;
	if (vm_fork(&echoer, &o) != NULL)
		return 91;
	return errno == EACCES && strstr(vm_error(NULL), path) != NULL &&
	    strstr(vm_error(NULL), "Permission denied") != NULL ? 0 : 92;
}

START_TEST(a_path_without_permission_is_refused)
{
	make_dir();
	ck_assert_int_eq(chmod(dir, 0500), 0);
	ck_assert_int_eq(in_child(fork_as_nobody, NULL), 0);
	ck_assert_int_eq(chmod(dir, 0700), 0);
	remove_dir();
}
END_TEST

static int map_one(struct vm_context *c, const void *input, size_t size)
{
	(void)c, (void)input, (void)size;
	return 0;
}

START_TEST(options_that_do_not_go_together)
{
	struct vm_options o = { .workers = 1, .flags = VM_JOURNAL_RETRY };
	const struct vm_job job = { .map = map_one };
	int in = 1, out;
	const struct vm_array_map m = { .in = &in, .count = 1,
		.in_size = sizeof in, .out = &out, .out_size = sizeof out };

	make_dir();
	check_no_pool(&o, EINVAL, "need vm_options.journal");
	o.flags = 0;
	o.journal_key = key_of;
	check_no_pool(&o, EINVAL, "need vm_options.journal");
	o.journal_key = NULL;
	o.journal = path;
	ck_assert_int_eq(vm_map_array(&echoer, &o, &m), -1);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "vm_options.journal"));
	ck_assert_ptr_null(vm_fork_jobs(&job, 1, &o, NULL));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(setenv("VIMAP_ONLY", "0", 1), 0);
	close_pool(fork_pool(&echoer, &o));
	ck_assert_int_eq(access(path, F_OK), -1);
	remove_dir();
}
END_TEST

/* ---- journals that cannot be written to ---- */

#define FULL 100

/* Has all inputs answered, while the journal cannot take all of them.  Returns
   the number that it lacks; checks that this is told. */
static uint64_t run_full(vm_pool *pool, const char *word)
{
	struct vm_result r;
	struct vm_stats s;

	imap_to(pool, vm_range(0, FULL));
	for (int i = 0; i < FULL; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
	}
	take_end(pool);
	ck_assert_int_eq(vm_stats(pool, &s), 0);
	ck_assert_uint_gt(s.unrecorded, 0);
	ck_assert_msg(strstr(vm_error(pool), word) != NULL, "%s",
	    vm_error(pool));
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "lacks 1 result: "));
	ck_assert_int_eq(vm_close(pool), 1);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "lacks"));
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), word));
	return s.unrecorded;
}

/* The next run does what is not in the journal. */
static void check_rest(uint64_t lacking, unsigned flags)
{
	vm_pool *pool = fork_echo(flags);
	struct vm_result r;

	imap_to(pool, vm_range(0, FULL));
	while (vm_zip_in_out(pool, &r) == 1)
		lacking -= r.worker_index >= 0;
	ck_assert_uint_eq(lacking, 0);
	close_pool(pool);
}

/* The limit is for all files of this process, also for that of its checks: so
   the journal is long before. */
static void fill_up(unsigned flags)
{
	struct rlimit limit, low;
	struct vm_result r;
	uint64_t lacking;
	struct stat s;
	vm_pool *pool;

	make_dir();
	pool = fork_echo(flags);
	imap_to(pool, vm_range(FULL, FULL + 5000));
	while (vm_zip_in_out(pool, &r) == 1)
		;
	close_pool(pool);
	ck_assert_int_eq(stat(path, &s), 0);
	pool = fork_echo(flags);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)s.st_size + 3000;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &low), 0);
	lacking = run_full(pool, "RLIMIT_FSIZE");
	ck_assert_uint_lt(lacking, FULL);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	check_rest(lacking, flags);
	remove_dir();
}

START_TEST(a_full_disk_harms_no_run)
{
	fill_up(0);
	fill_up(VM_JOURNAL_OUTPUTS);
}
END_TEST

static int fatten(struct vm_context *me, const void *input, size_t size)
{
	static const char fat[3000];

	return vm_output(me, input, size) < 0 || me->index % 2 ? 0 :
	    vm_output(me, fat, sizeof fat);
}

/* A run on a disk without room for its outputs, large and small in turn.
   Returns the number that the journal of earlier runs has answered, or -1.
   *late: results from the first on that the journal lacks. */
static int run_fat(uint64_t *unrecorded, uint64_t *late)
{
	const struct vm_worker w = { .process = fatten };
	const struct vm_options o = { .workers = 2, .journal = path,
		.flags = VM_JOURNAL_OUTPUTS | VM_ORDERED };
	vm_pool *pool = vm_fork(&w, &o);
	int answered = 0, n = 0;
	struct vm_result r;
	struct vm_stats s;

	*late = 0;

	if (pool == NULL || vm_imap(pool, vm_range(0, FULL)) < 0)
		return -1;
	for (; vm_zip_in_out(pool, &r) == 1; n++) {
		if (r.type != VM_OUTPUT || number(r.output) != n ||
		    r.output_size != (n % 2 ? 8 : 3008) ||
		    vm_stats(pool, &s) < 0)
			return -1;
		answered += r.worker_index < 0;
		*late += s.unrecorded > 0;
	}
	if (n != FULL || vm_stats(pool, &s) < 0 ||
	    strstr(vm_error(pool), "No space left") == NULL ||
	    vm_close(pool) != 1 ||
	    strstr(vm_error(NULL), "No space left") == NULL)
		return -1;
	*unrecorded = s.unrecorded;
	return answered;
}

/* A small disk of this process's own.  Returns 77 if there can be none. */
static int run_on_small_disk(void *unused)
{
	uint64_t lacks, again, late;

	(void)unused;
	if (scratch_mount(dir, 100) != 0)
		return 77;
	/* A small one still has room where a large one had none. */
	if (run_fat(&lacks, &late) != 0 || lacks == 0 || lacks >= late)
		return 1;
	/* Though the disk is still full, what was whole is there. */
	return run_fat(&again, &late) == (int)(FULL - lacks) &&
	    again == lacks ? 0 : 2;
}

START_TEST(a_small_disk_harms_no_run)
{
	int status;

	make_dir();
	status = in_child(run_on_small_disk, NULL);
	ck_assert(WIFEXITED(status));
	ck_assert_msg(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77,
	    "%d", WEXITSTATUS(status));
	remove_dir();
}
END_TEST

START_TEST(a_closed_descriptor_harms_no_run)
{
	vm_pool *pool;
	uint64_t lacking;
	int fd;

	make_dir();
	pool = fork_echo(VM_JOURNAL_OUTPUTS);
	fd = open("/dev/null", O_RDWR);
	ck_assert_int_ge(dup2(fd, pool->engine.resume.journal.out.fd), 0);
	lacking = run_full(pool, "has closed its descriptor");
	ck_assert_uint_eq(lacking, FULL);
	check_rest(lacking, VM_JOURNAL_OUTPUTS);
	remove_dir();
}
END_TEST

/* Somebody empties, lengthens, removes or replaces the file. */
static void meddle(int how)
{
	int fd;

	if (how == 0)
		ck_assert_int_eq(truncate(path, 0), 0);
	if (how == 1)
		ck_assert_int_eq(truncate(path, 1 << 20), 0);
	if (how >= 2)
		ck_assert_int_eq(unlink(path), 0);
	if (how == 3) {
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
		ck_assert_int_ge(fd, 0);
		close(fd);
	}
}

START_TEST(a_changed_file_is_told)
{
	struct vm_result r;
	vm_pool *pool;

	for (int how = 0; how < 4; how++) {
		make_dir();
		pool = fork_echo(VM_JOURNAL_OUTPUTS);
		imap_to(pool, vm_range(FULL, FULL + 5));
		while (vm_zip_in_out(pool, &r) == 1)
			;
		meddle(how);
		ck_assert_uint_eq(run_full(pool, "another program"), FULL);
		remove_dir();
	}
}
END_TEST

/* An output that the disk has lost is made again. */
START_TEST(a_damaged_output_is_made_again)
{
	unsigned char last[4];
	vm_pool *pool;
	struct vm_result r;
	FILE *f;

	make_dir();
	ck_assert_str_eq(run_words(fork_echo(VM_JOURNAL_OUTPUTS), before, 1),
	    "+a ");
	f = fopen(path, "r+");
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fseek(f, -1, SEEK_END), 0);
	ck_assert_uint_eq(fread(last, 1, 4, f), 1);
	ck_assert_int_eq(last[0], 'a');
	ck_assert_int_eq(fseek(f, -1, SEEK_END), 0);
	fputc('z', f);
	fclose(f);
	pool = fork_echo(VM_JOURNAL_OUTPUTS);
	imap_to(pool, vm_strings(before, 1));
	take(pool, &r);
	ck_assert_str_eq(r.output, "a");
	ck_assert_int_ge(r.worker_index, 0);
	close_pool(pool);
	ck_assert_str_eq(run_words(fork_echo(VM_JOURNAL_OUTPUTS), before, 1),
	    "a ");
	remove_dir();
}
END_TEST

/* A process that the program forks leaves the journal alone. */
static int close_copy(void *pool)
{
	return vm_close(pool);
}

START_TEST(a_copy_in_another_process_writes_nothing)
{
	struct vm_result r;
	struct stat s, t;
	vm_pool *pool;

	make_dir();
	pool = fork_echo(0);
	imap_to(pool, vm_range(0, 3));
	take(pool, &r);
	ck_assert_int_eq(stat(path, &s), 0);
	ck_assert_int_eq(in_child(close_copy, pool), 0);
	ck_assert_int_eq(stat(path, &t), 0);
	ck_assert_int_eq(s.st_size, t.st_size);
	close_pool(pool);
	ck_assert_int_eq(stat(path, &t), 0);
	ck_assert_int_gt(t.st_size, s.st_size);
	remove_dir();
}
END_TEST

/* The last result is safe as soon as the pool is to close.  The input that
   hangs is sent first, so it needs no call on the pool to begin. */
START_TEST(a_close_that_waits_finishes_the_last)
{
	static const char *const words[] = { "hang", "good" };
	const struct vm_worker w = { .process = end_badly };
	const struct vm_options o = { .workers = 2, .journal = path,
		.chunk_size = 1, .close_timeout_ms = 300 };
	struct stat s, t;
	struct vm_result r;
	vm_pool *pool;

	make_dir();
	hanging = shared_new();
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_strings(words, 2));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	wait_for(&hanging->counter[0], 1);
	ck_assert_int_eq(stat(path, &s), 0);
	ck_assert_int_eq(vm_close_within(pool, 0), VM_LATER);
	ck_assert_int_eq(stat(path, &t), 0);
	ck_assert_int_gt(t.st_size, s.st_size);
	vm_close(pool);
	ck_assert_str_eq(run_words(fork_echo(0), words, 2), "+hang ");
	shared_free(hanging);
	remove_dir();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		inputs_may_move,
		inputs_may_move_with_outputs,
		sources_may_be_equal,
		keys_may_be_the_programs_own,
		another_version_runs_all,
		results_that_are_not_folded_come_again,
		versions_stay_apart_in_a_damaged_journal,
		results_come_as_they_were,
		failures_are_run_again_if_asked,
		cancelled_inputs_are_not_finished,
		order_and_seeds_stay,
		pushed_inputs_are_looked_up,
		pushed_inputs_are_answered,
		many_inputs_are_finished,
		other_kinds_of_pools,
		other_files_are_refused,
		a_path_without_permission_is_refused,
		options_that_do_not_go_together,
		a_full_disk_harms_no_run,
		a_small_disk_harms_no_run,
		a_closed_descriptor_harms_no_run,
		a_changed_file_is_told,
		a_damaged_output_is_made_again,
		a_copy_in_another_process_writes_nothing,
		a_close_that_waits_finishes_the_last };

	return run_tests("resume", tests, COUNTOF(tests));
}
