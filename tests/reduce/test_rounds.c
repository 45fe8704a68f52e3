/*
 * test_rounds.c - events during the gather phase of a reducer: a cancel, lost
 * workers, a killed caller; and the effect of a cancel afterwards.
 *
 * Each key has a single value per input, so collect() runs in that phase only:
 * it sets a counter and waits there.
 */
#include "config.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "reduce/reducer.h"
#include "runs.h"
#include "tools.h"

#define INPUTS 20
#define KEYS 50

static struct shared *sh;

/* Counters in shared memory: COLLECTING, REDUCING and REFUSED count calls of
   collect() and reduce(), and failed setups.  The others are flags: these calls
   may end, setups fail, collect() first kills the other worker or the
   caller. */
enum { COLLECTING, REDUCING, GO_ON, NO_SETUP, REFUSED, KILL_OTHER, KILL_CALLER };

/* Index of the caller's pid, behind those of workers. */
#define CALLER 511

static int set_up(struct vm_context *me)
{
	if (atomic_load(&sh->counter[NO_SETUP])) {
		atomic_fetch_add(&sh->counter[REFUSED], 1);
		return vm_fail(me, 1, "no more workers");
	}
	atomic_store(&sh->pid[me->worker_index], (int)getpid());
	return 0;
}

static int map(struct vm_context *me, const void *input, size_t size)
{
	const uint64_t one = 1;

	(void)input;
	(void)size;
	for (uint64_t key = 0; key < KEYS; key++)
		if (vm_emit(me, &key, sizeof key, &one, sizeof one) < 0)
			return -1;
	return 0;
}

/* Kills the other of two workers.  Returns when it is certain that it gets no
   successor. */
static void kill_other(const struct vm_context *me)
{
	atomic_store(&sh->counter[NO_SETUP], 1);
	kill(sh->pid[1 - me->worker_index], SIGKILL);
	await(&sh->counter[REFUSED], 5, limit_ms());
	atomic_store(&sh->counter[GO_ON], 1);
}

static int collect(struct vm_context *me, const void *key, size_t key_size,
    struct vm_values *values)
{
	if (atomic_fetch_add(&sh->counter[COLLECTING], 1) == 0 &&
	    atomic_load(&sh->counter[KILL_OTHER]))
		kill_other(me);
	if (atomic_load(&sh->counter[KILL_CALLER]))
		kill(sh->pid[CALLER], SIGKILL);
	await(&sh->counter[GO_ON], 1, limit_ms());
	return vm_add_up(me, key, key_size, values);
}

static const struct vm_job job = { .setup = set_up, .map = map,
	.collect = collect, .reduce = reduce_sum };

static vm_reducer *begin(const struct vm_options *o, int partitions)
{
	const struct vm_reduce_options h = { .partitions = partitions };
	vm_reducer *r;

	r = fork_job(&job, o, &h);
	queue_run(r, 0, vm_range(0, INPUTS));
	return r;
}

/* Checks that all keys arrive, each with all its values. */
static void check_all(const struct counts *c)
{
	ck_assert_uint_eq(c->outputs, KEYS);
	for (size_t i = 0; i < c->size; i++)
		ck_assert_uint_eq(c->of[i].n, INPUTS);
}

/* ---- cancelled ---- */

struct canceller {
	vm_reducer *r;
	enum run_stage stage;	/* of the run at the cancel */
};

static void *cancel_then(void *arg)
{
	struct canceller *c = arg;

	while (await(&sh->counter[COLLECTING], 1, limit_ms()) < 0)
		continue;
	c->stage = c->r->stage;
	vm_cancel(vm_reducer_pool(c->r), 0);
	atomic_store(&sh->counter[GO_ON], 1);
	return NULL;
}

/* Either partitions are left to begin with, or none. */
START_TEST(cancelled)
{
	for (int partitions = 1; partitions <= 3; partitions++) {
		struct canceller k;
		pthread_t thread;
		struct counts c;

		sh = shared_new();
		k.r = begin(&(struct vm_options){ .workers = 1 }, partitions);
		ck_assert_int_eq(pthread_create(&thread, NULL, cancel_then,
		    &k), 0);
		take_run(k.r, &c);
		pthread_join(thread, NULL);
		ck_assert_int_eq(k.stage, RUN_GATHERING);
		ck_assert_int_eq(c.rc, -1);
		ck_assert_int_eq(c.error, ECANCELED);
		ck_assert_uint_eq(c.size, 0);
		counts_free(&c);
		queue_run(k.r, 0, vm_range(0, INPUTS));
		take_good_run(k.r, &c);
		check_all(&c);
		counts_free(&c);
		close_reducer(k.r);
		shared_free(sh);
	}
}
END_TEST

enum { SINGLES = 3 };

static int map_single(struct vm_context *me, const void *input, size_t size)
{
	return vm_emit(me, input, size, "", 0);
}

static int reduce_when_told(struct vm_context *me, const void *key,
    size_t key_size, struct vm_values *values)
{
	(void)values;
	atomic_fetch_add(&sh->counter[REDUCING], 1);
	await(&sh->counter[GO_ON], 1, limit_ms());
	return vm_output(me, key, key_size);
}

/* Cancels while the caller waits for the key being reduced, when it has no
   other keys to send. */
static void *cancel_late(void *arg)
{
	while (await(&sh->counter[REDUCING], 1, limit_ms()) < 0)
		continue;
	wait_asleep(getpid());
	vm_cancel(arg, 0);
	return NULL;
}

/* Keys that a worker has not begun are reported as cancelled, even while it is
   busy with another key. */
START_TEST(cancelled_when_all_keys_are_given)
{
	const struct vm_job singles = { .map = map_single,
		.reduce = reduce_when_told };
	int got, outputs = 0, given_up = 0;
	struct vm_reduced one;
	pthread_t thread;
	vm_reducer *r;

	sh = shared_new();
	r = fork_job(&singles, &(struct vm_options){ .workers = 1,
	    .chunk_size = 1 }, &(struct vm_reduce_options){ 0 });
	queue_run(r, 0, vm_range(0, SINGLES));
	ck_assert_int_eq(pthread_create(&thread, NULL, cancel_late,
	    vm_reducer_pool(r)), 0);
	while ((got = vm_zip_key_out(r, &one)) == 1) {
		ck_assert_int_eq(one.stage, VM_REDUCE_STAGE);
		outputs += one.type == VM_OUTPUT;
		given_up += one.type == VM_EXCEPTION &&
		    one.exception->cause == VM_CANCELLED;
		atomic_store(&sh->counter[GO_ON], given_up > 0);
	}
	pthread_join(thread, NULL);
	ck_assert_int_eq(got, 0);
	ck_assert_int_eq(outputs, 1);
	ck_assert_int_eq(given_up, SINGLES - 1);
	close_reducer(r);
	shared_free(sh);
}
END_TEST

/* ---- a worker lost ---- */

/* The run succeeds with the worker that is left, and the close reports the
   other. */
START_TEST(a_worker_is_given_up)
{
	const struct vm_options o = { .workers = 2 };
	int fds = count_fds();
	struct counts c;
	vm_reducer *r;

	sh = shared_new();
	r = begin(&o, 1);
	ck_assert_int_eq(vm_ready(vm_reducer_pool(r), -1), 0);
	atomic_store(&sh->counter[KILL_OTHER], 1);
	take_good_run(r, &c);
	check_all(&c);
	counts_free(&c);
	for (int i = 0; i < limit_ms() && strstr(vm_error(vm_reducer_pool(r)),
	    "given up") == NULL; i++) {
		ck_assert_int_eq(vm_ready(vm_reducer_pool(r), 0), 0);
		nap_ms(1);
	}
	ck_assert_int_eq(vm_reducer_close(r), 1);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "no more workers"));
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), 0);
	shared_free(sh);
}
END_TEST

static int runs_till_it_is_killed(void *arg)
{
	struct vm_reduced one;
	vm_reducer *r;

	(void)arg;
	atomic_store(&sh->pid[CALLER], (int)getpid());
	atomic_store(&sh->counter[KILL_CALLER], 1);
	r = begin(&(struct vm_options){ .workers = 2 }, 1);
	return vm_zip_key_out(r, &one);
}

START_TEST(killed)
{
	int status;

	sh = shared_new();
	status = in_child(runs_till_it_is_killed, NULL);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
	ck_assert_int_ge(sh->counter[COLLECTING], 1);
	for (int i = 0; i < 2; i++)
		if (sh->pid[i] != 0)
			wait_gone(sh->pid[i]);
	shared_free(sh);
}
END_TEST

/* ---- partitions by themselves ---- */

/* The item of a partition. */
struct gather_item {
	struct task task;
	struct task_gather gather;
};

/* If the workers that gather a partition die, the run fails after the fifth
   attempt, and not before. */
START_TEST(gathered_five_times)
{
	const struct gather_item item = { .gather = { .partition = 0 } };
	const struct vm_exception x = { .cause = VM_KILLED, .message = "So." };
	const struct vm_result lost = { .input = &item,
		.input_size = sizeof item, .type = VM_EXCEPTION,
		.exception = &x };
	struct partition p = { .listed = true };
	struct vm_reducer r = { .partitions = &p };

	for (p.tries = 1; p.tries < 5; p.tries++) {
		p.due = false;
		ck_assert_int_eq(gather_phase_take(&r, &lost), 0);
		ck_assert(p.due);
	}
	ck_assert_int_eq(gather_phase_take(&r, &lost), -EIO);
	ck_assert_ptr_nonnull(strstr(r.words.text, "So."));
}
END_TEST

/* A worker's index lies in its own place of the store. */
START_TEST(an_index_of_another_is_refused)
{
	const struct gather_item item = { .gather = { .partition = 0 } };
	struct gathered made = { .keys = 1 };
	struct vm_result result = { .input = &item,
		.input_size = sizeof item, .output = &made,
		.output_size = sizeof made, .type = VM_OUTPUT };
	struct partition p = { .listed = true };
	struct vm_reducer r = { .partitions = &p };
	struct store *store = &r.plan.store;

	ck_assert_int_eq(store_open(store, 2, UINT64_MAX, NULL, &r.words), 0);
	ck_assert_int_eq(shuffle_open(&r.shuffle, store, 1, 1, false), 0);
	for (int place = 0; place < 3; place++) {
		made.index.extent = (struct extent){
			(uint64_t)place * store->stretch + 4096, 100 };
		result.worker_index = 1;
		ck_assert_int_eq(gather_phase_take(&r, &result),
		    place == 1 ? 0 : -EBADMSG);
	}
	result.output_size--;
	ck_assert_int_eq(gather_phase_take(&r, &result), -EBADMSG);
	shuffle_close(&r.shuffle);
	store_close(store);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { cancelled,
		cancelled_when_all_keys_are_given, a_worker_is_given_up, killed,
		gathered_five_times, an_index_of_another_is_refused };

	return run_tests("rounds", tests, COUNTOF(tests));
}
