/*
 * test_disks.c - a journal on a disk that fails: each call on its file, at each
 * point of a run, fails, is cut short, or is the last of a program that is
 * killed.  vm_fork() says why, or the run gives all results; and the next run
 * runs nothing again that is in the journal, and gives all results.
 *
 * The pools have no processes, so that each call is of the journal or of its
 * caller.
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
#include "fault_sys.h"
#include "sample.h"
#include "tools.h"

#define ITEMS 12
/* Inputs that are finished before the faults begin. */
#define OLD 4

/* Counters of the shared page: results of an input in the life with a fault,
   and attempts at it in the present life; results the journal lacks. */
enum { TOLD = 0, RUN = 20, LACKS = 40, REFUSED = 41 };

static struct shared *s;
static char dir[64], path[80];

static int process(struct vm_context *me, const void *input, size_t size)
{
	const int64_t n = number(input);

	atomic_fetch_add(&s->counter[RUN + n], 1);
	if (n % 4 == 3)
		return vm_fail(me, 7, "not %d", (int)n);
	return vm_output(me, input, size);
}

static bool is_right(const struct vm_result *r)
{
	const int64_t n = number(r->input);

	if (n % 4 == 3)
		return r->exception != NULL && r->exception->code == 7 &&
		    strncmp(r->exception->message, "not ", 4) == 0;
	return r->type == VM_OUTPUT && number(r->output) == n;
}

/* A life of a program: returns 0, or the number of the step that failed. */
static int live(vm_pool *pool, int items)
{
	int seen[ITEMS] = { 0 }, rc;
	struct vm_result r;

	while (vm_imap(pool, vm_range(0, items)) < 0)
		if (errno != ENOMEM)
			return 2;
	while ((rc = vm_zip_in_out(pool, &r)) != 0) {
		if (rc < 0 && errno == ENOMEM)
			continue;
		if (rc < 0 || !is_right(&r) || seen[r.index]++ > 0)
			return 3;
		atomic_fetch_add(&s->counter[TOLD + r.index], 1);
	}
	for (int i = 0; i < items; i++)
		if (seen[i] != 1)
			return 4;
	return 0;
}

static int begin(void *items)
{
	const struct vm_worker w = { .process = process };
	const struct vm_options o = { .workers = VM_SERIAL, .journal = path,
		.flags = VM_JOURNAL_OUTPUTS | VM_JOURNAL_SYNC };
	struct vm_stats stats;
	vm_pool *pool;
	int r;

	fault_malloc_on(1);
	pool = vm_fork(&w, &o);
	if (pool == NULL) {
		atomic_store(&s->counter[REFUSED], 1);
		return errno != 0 && vm_error(NULL)[0] != '\0' ? 0 : 1;
	}
	r = live(pool, *(int *)items);
	if (r == 0 && vm_stats(pool, &stats) == 0)
		atomic_store(&s->counter[LACKS], (long)stats.unrecorded);
	return vm_close(pool) >= 0 ? r : 5;
}

/* Makes the journal of an earlier run, with a torn end. */
static void make_old(void)
{
	int items = OLD;
	FILE *f;

	unlink(path);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
	ck_assert_int_eq(in_child(begin, &items), 0);
	f = fopen(path, "a");
	ck_assert_ptr_nonnull(f);
	fputs("the begin of an entry", f);
	fclose(f);
}

/* A life with a fault, and a life without.  Returns whether the fault was
   met. */
static bool try_fault(const struct fault *f)
{
	int items = ITEMS, status, hits;
	bool whole;

	make_old();
	memset(s, 0, sizeof *s);
	fault_arm(f);
	status = in_child(begin, &items);
	hits = fault_hits();
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
	ck_assert_msg(status == 0 || (f->act >= FAULT_KILL_BEFORE &&
	    WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL),
	    "kind %d, act %d, call %d: %x", f->kind, f->act, f->nth, status);
	whole = s->counter[LACKS] == 0 && f->kind != FAULT_PREAD;
	for (int i = 0; i < ITEMS; i++)
		atomic_store(&s->counter[RUN + i], 0);
	ck_assert_int_eq(in_child(begin, &items), 0);
	for (int i = 0; i < ITEMS; i++) {
		bool told = i < OLD || s->counter[TOLD + i] == 2;

		ck_assert_int_ge(s->counter[TOLD + i], 1);
		ck_assert_msg(!whole || !told || s->counter[RUN + i] == 0,
		    "kind %d, act %d, call %d: %d ran again", f->kind, f->act,
		    f->nth, i);
	}
	return hits > 0;
}

/* Each call of a kind in turn.  Returns their number. */
static int try_all(struct fault f)
{
	f.where = FAULT_HERE;
	f.times = f.times > 0 ? f.times : 1;
	for (f.nth = 1; try_fault(&f); )
		f.nth += f.nth < 3 || sample_all() ? 1 : 1 + f.nth / 4;
	return f.nth - 1;
}

static void make_dir(void)
{
	s = shared_new();
	strcpy(dir, "/tmp/vimap-disks.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/journal", dir);
}

static void remove_dir(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
	shared_free(s);
}

START_TEST(calls_on_the_file_fail)
{
	const struct { enum fault_kind kind; int error, calls; } all[] = {
		{ FAULT_OPEN, EMFILE, 1 }, { FAULT_SIZE, EIO, 2 },
		{ FAULT_LOCK, ENOLCK, 1 }, { FAULT_EMPTY, EIO, 1 },
		{ FAULT_PREAD, EIO, OLD }, { FAULT_SYNC, EIO, ITEMS - OLD },
		{ FAULT_WRITEV, ENOSPC, ITEMS - OLD },
	};

	make_dir();
	for (size_t i = 0; i < COUNTOF(all); i++)
		ck_assert_int_ge(try_all((struct fault){ .kind = all[i].kind,
		    .error = all[i].error }), all[i].calls);
	remove_dir();
}
END_TEST

/* No result is told to be safe in a file whose name is not. */
START_TEST(the_name_of_the_file_cannot_be_written)
{
	int items = ITEMS;

	make_dir();
	make_old();
	fault_plan(FAULT_SYNC, 1, 1, EIO, FAULT_HERE);
	ck_assert_int_eq(in_child(begin, &items), 0);
	ck_assert_int_eq(fault_hits(), 1);
	ck_assert_int_eq(atomic_load(&s->counter[REFUSED]), 1);
	fault_plan(FAULT_NONE, 0, 0, 0, FAULT_HERE);
	remove_dir();
}
END_TEST

/* Nor can what they have written be cut off. */
START_TEST(writes_are_cut_short)
{
	make_dir();
	ck_assert_int_ge(try_all((struct fault){ .kind = FAULT_WRITEV,
	    .act = FAULT_ONE_BYTE }), ITEMS - OLD);
	ck_assert_int_ge(try_all((struct fault){ .kind = FAULT_WRITEV,
	    .act = FAULT_HALF }), ITEMS - OLD);
	ck_assert_int_ge(try_all((struct fault){ .kind = FAULT_PREAD,
	    .act = FAULT_ONE_BYTE }), OLD);
	ck_assert_int_ge(try_all((struct fault){ .kind = FAULT_WRITEV,
	    .error = ENOSPC, .times = 3 }), 1);
	remove_dir();
}
END_TEST

START_TEST(programs_are_killed_at_a_call)
{
	make_dir();
	for (enum fault_act act = FAULT_KILL_BEFORE; act <= FAULT_KILL_AFTER;
	    act++) {
		ck_assert_int_ge(try_all((struct fault){ .act = act,
		    .kind = FAULT_WRITEV }), ITEMS - OLD);
		ck_assert_int_ge(try_all((struct fault){ .act = act,
		    .kind = FAULT_SYNC }), ITEMS - OLD);
		ck_assert_int_ge(try_all((struct fault){ .act = act,
		    .kind = FAULT_EMPTY }), 1);
	}
	remove_dir();
}
END_TEST

START_TEST(no_memory)
{
	make_dir();
	ck_assert_int_ge(try_all((struct fault){ .kind = FAULT_MALLOC,
	    .error = ENOMEM }), 10);
	remove_dir();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		calls_on_the_file_fail,
		the_name_of_the_file_cannot_be_written, writes_are_cut_short,
		programs_are_killed_at_a_call, no_memory };

	return run_tests("disks", tests, COUNTOF(tests));
}
