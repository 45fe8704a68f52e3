/*
 * test_resize.c - vm_resize(): more and fewer workers while items run; no item
 * is lost or repeated, leaving workers run their teardown, and wrong calls are
 * refused.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "tools.h"

enum { SETUPS, TEARDOWNS, BUSY, MOST, DONE, GATE, OPEN, HOOKS };
enum { ITEMS_MOST = 512, LONG_JOB = 1000 };

static struct shared *sh;

static void start(void)
{
	no_cores();
	sh = shared_new();
}

/* Records the pid of each worker in its setup, in sh->pid. */
static int note_setup(struct vm_context *me)
{
	long nth = atomic_fetch_add(&sh->counter[SETUPS], 1);

	(void)me;
	if (nth < ITEMS_MOST)
		atomic_store(&sh->pid[nth], getpid());
	return 0;
}

static void note_teardown(struct vm_context *me)
{
	(void)me;
	atomic_fetch_add(&sh->counter[TEARDOWNS], 1);
}

static int plain(struct vm_context *me, const void *input, size_t size)
{
	atomic_fetch_add(&sh->counter[DONE], 1);
	return vm_output(me, input, size);
}

static vm_pool *fork_noting(int (*process)(struct vm_context *, const void *,
    size_t), const struct vm_options *options)
{
	const struct vm_worker worker = { .setup = note_setup,
		.process = process, .teardown = note_teardown };

	start();
	return fork_pool(&worker, options);
}

static void resize(vm_pool *pool, int workers)
{
	errno = EXDEV;
	ck_assert_msg(vm_resize(pool, workers) == 0, "%s", vm_error(pool));
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_int_eq(vm_workers(pool), workers);
}

/* Closes a pool; all workers ran their teardown, and no process is left. */
static void close_clean(vm_pool *pool)
{
	close_pool(pool);
	ck_assert_int_eq(sh->counter[TEARDOWNS], sh->counter[SETUPS]);
	ck_assert_int_eq(count_children(), 0);
	for (int i = 0; i < sh->counter[SETUPS] && i < ITEMS_MOST; i++)
		ck_assert(!is_alive(sh->pid[i]));
	shared_free(sh);
}

/* Takes n outputs of inputs 0 .. n - 1, each of one attempt, and the end. */
static void take_outputs(vm_pool *pool, int n, int ordered)
{
	bool seen[2000] = { false };
	struct vm_result r;

	for (int i = 0; i < n; i++) {
		int64_t k;

		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		k = number(r.input);
		ck_assert(k >= 0 && k < n && !seen[k]);
		seen[k] = true;
		ck_assert(k == i || !ordered);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, 1);
	}
	take_end(pool);
}

static void check_works(vm_pool *pool)
{
	imap_to(pool, vm_range(0, 100));
	take_outputs(pool, 100, 0);
}

/* Runs an idle pool until a counter of setups or teardowns has this value. */
static void turn_until(vm_pool *pool, int counter, long value)
{
	struct vm_result r;

	for (int i = 0; i < limit_ms() && sh->counter[counter] < value; i++) {
		ck_assert_int_eq(vm_zip_in_out(pool, &r), 0);
		nap_ms(1);
	}
	ck_assert_int_eq(sh->counter[counter], value);
}

/* ---- number of items that run at a time ---- */

static void enter(void)
{
	long busy = atomic_fetch_add(&sh->counter[BUSY], 1) + 1;
	long most = atomic_load(&sh->counter[MOST]);

	while (busy > most && !atomic_compare_exchange_weak(
	    &sh->counter[MOST], &most, busy))
		;
}

static void leave(void)
{
	atomic_fetch_sub(&sh->counter[BUSY], 1);
	atomic_fetch_add(&sh->counter[DONE], 1);
}

/* The first GATE items wait for each other. */
static int meet(struct vm_context *me, const void *input, size_t size)
{
	enter();
	if (number(input) < sh->counter[GATE] &&
	    await(&sh->counter[MOST], sh->counter[GATE], limit_ms()) < 0)
		return vm_fail(me, 1, "alone");
	leave();
	return vm_output(me, input, size);
}

static void check_up(int from, int to, int used_before)
{
	vm_pool *pool = fork_noting(meet, &(struct vm_options){
	    .workers = from, .chunk_size = 1 });

	if (used_before)
		check_works(pool);
	atomic_store(&sh->counter[MOST], 0);
	atomic_store(&sh->counter[GATE], to);
	resize(pool, to);
	check_works(pool);
	ck_assert_int_eq(sh->counter[MOST], to);
	ck_assert_int_le(sh->counter[SETUPS], to);
	close_clean(pool);
}

START_TEST(up_gives_as_many_at_once)
{
	check_up(1, 2, 1);
	check_up(1, 16, 0);
	check_up(4, 12, 1);
	check_up(10, 20, 0);
}
END_TEST

/* The pool grows while all its workers run items that wait for more workers. */
START_TEST(up_while_all_are_busy)
{
	vm_pool *pool = fork_noting(meet, &(struct vm_options){
	    .workers = 2, .chunk_size = 1 });
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	atomic_store(&sh->counter[GATE], 8);
	imap_to(pool, vm_range(0, 50));
	while (sh->counter[BUSY] < 2)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1),
		    VM_LATER);
	resize(pool, 8);
	take_outputs(pool, 50, 0);
	ck_assert_int_eq(sh->counter[MOST], 8);
	close_clean(pool);
}
END_TEST

static int passes(struct vm_context *me, const void *input, size_t size)
{
	enter();
	nap_ms(1);
	leave();
	return vm_output(me, input, size);
}

/* Shrinks an idle or busy pool.  Surplus workers leave after their teardown, no
   item is lost, and the remaining workers stay alive. */
static void check_down(int from, int to, int idle)
{
	vm_pool *pool = fork_noting(passes, &(struct vm_options){
	    .workers = from, .chunk_size = 3 });
	int alive = 0;
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	if (!idle)
		imap_to(pool, vm_range(0, 300));
	for (int i = 0; i < 50 && !idle; i++)
		take(pool, &r);
	resize(pool, to);
	while (!idle && vm_zip_in_out(pool, &r) == 1)
		ck_assert_int_eq(r.attempts, 1);
	turn_until(pool, TEARDOWNS, from - to);
	atomic_store(&sh->counter[MOST], 0);
	imap_to(pool, vm_range(0, 200));
	take_outputs(pool, 200, 0);
	ck_assert_int_le(sh->counter[MOST], to);
	ck_assert_int_eq(sh->counter[SETUPS], from);
	for (int i = 0; i < from; i++)
		alive += is_alive(sh->pid[i]);
	for (int i = 0; i < limit_ms() && alive > to; i++) {
		nap_ms(1);
		alive = 0;
		for (int k = 0; k < from; k++)
			alive += is_alive(sh->pid[k]);
	}
	ck_assert_int_eq(alive, to);
	ck_assert_int_eq(sh->counter[DONE], idle ? 200 : 500);
	close_clean(pool);
}

START_TEST(down_sends_away_those_beyond)
{
	check_down(4, 1, 0);
	check_down(8, 3, 0);
	check_down(4, 1, 1);
	check_down(8, 3, 1);
}
END_TEST

/* ---- at any time ---- */

static void check_random(size_t chunk_size, int ordered)
{
	enum { N = 2000 };
	vm_pool *pool = fork_noting(plain, &(struct vm_options){
	    .workers = 3, .chunk_size = chunk_size,
	    .flags = ordered ? VM_ORDERED : 0 });
	bool seen[N] = { false };
	unsigned random = 7 * (unsigned)chunk_size + 1;
	struct vm_result r;
	int64_t n;

	imap_to(pool, vm_range(0, N));
	for (int i = 0; i < N; i++) {
		random = random * 1103515245 + 12345;
		if ((random >> 16) % 20 == 0)
			resize(pool, (int)((random >> 21) % 16) + 1);
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, limit_ms()), 1);
		n = number(r.input);
		ck_assert(n >= 0 && n < N && !seen[n]);
		seen[n] = true;
		ck_assert(n == i || !ordered);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, 1);
	}
	take_end(pool);
	ck_assert_int_eq(sh->counter[DONE], N);
	check_works(pool);
	close_clean(pool);
}

START_TEST(many_sizes_under_load)
{
	const size_t chunks[] = { 1, 0, 50 };
	int fds = count_fds();

	for (size_t i = 0; i < COUNTOF(chunks); i++)
		for (int ordered = 0; ordered < 2; ordered++)
			check_random(chunks[i], ordered);
	ck_assert_int_eq(count_fds(), fds);
}
END_TEST

START_TEST(before_the_first_input)
{
	vm_pool *pool = fork_noting(plain, &(struct vm_options){
	    .workers = 2 });

	resize(pool, 5);
	resize(pool, 1);
	resize(pool, 3);
	check_works(pool);
	turn_until(pool, SETUPS, 3);
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	close_clean(pool);
	/* Closes the pool right after vm_resize(), without any call in
	   between. */
	pool = fork_noting(plain, &(struct vm_options){ .workers = 2 });
	resize(pool, 16);
	close_clean(pool);
}
END_TEST

START_TEST(down_and_up_again_at_once)
{
	vm_pool *pool = fork_noting(plain, &(struct vm_options){
	    .workers = 4, .chunk_size = 10 });
	struct vm_result r;

	for (int i = 0; i < 50; i++) {
		imap_to(pool, vm_range(0, 100));
		take(pool, &r);
		resize(pool, 1);
		if (i % 2)
			take(pool, &r);
		resize(pool, 4);
		while (vm_zip_in_out(pool, &r) == 1)
			ck_assert_int_eq(r.type, VM_OUTPUT);
	}
	ck_assert_int_eq(sh->counter[DONE], 5000);
	/* In the end all four workers exist. */
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	for (int i = 0; i < limit_ms() && sh->counter[SETUPS] -
	    sh->counter[TEARDOWNS] < 4; i++) {
		ck_assert_int_eq(vm_zip_in_out(pool, &r), 0);
		nap_ms(1);
	}
	ck_assert_int_eq(sh->counter[SETUPS] - sh->counter[TEARDOWNS], 4);
	close_clean(pool);
}
END_TEST

/* ---- a worker in a long item ---- */

/* Of two workers, the worker in the last place must leave.  Its first item
   lasts until all other items are done, so no other item may wait behind it. */
static int one_is_long(struct vm_context *me, const void *input, size_t size)
{
	if (me->worker_index == 1 && sh->counter[BUSY] == 0) {
		enter();
		if (await(&sh->counter[DONE], sh->counter[GATE], limit_ms()) < 0)
			return vm_fail(me, 1, "the others wait");
		return vm_output(me, input, size);
	}
	if (await(&sh->counter[OPEN], 1, limit_ms()) < 0)
		return -1;
	atomic_fetch_add(&sh->counter[DONE], 1);
	return vm_output(me, input, size);
}

static void check_long(size_t chunk_size, int ordered)
{
	vm_pool *pool = fork_noting(one_is_long, &(struct vm_options){
	    .workers = 2, .chunk_size = chunk_size,
	    .flags = ordered ? VM_ORDERED : 0 });
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	atomic_store(&sh->counter[GATE], 99);
	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), VM_LATER);
	wait_for(&sh->counter[BUSY], 1);
	atomic_store(&sh->counter[OPEN], 1);
	resize(pool, 1);
	take_outputs(pool, 100, ordered);
	turn_until(pool, TEARDOWNS, 1);
	check_works(pool);
	close_clean(pool);
}

START_TEST(a_long_item_is_ended)
{
	check_long(1, 0);
	check_long(1, 1);
	check_long(0, 0);
}
END_TEST

/* Both workers begin with a long item and have half of all items queued behind
   it.  The long item of the leaving worker lasts until all others are done. */
static int leaver(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	if (n == 0 || n == 50) {
		enter();
		await(&sh->counter[BUSY], 2, limit_ms());
		if (await(&sh->counter[GATE], me->worker_index == 0 ? 1 : 2,
		    10000) < 0)
			return vm_fail(me, 1, "the others wait");
	} else if (atomic_fetch_add(&sh->counter[DONE], 1) == 97) {
		atomic_store(&sh->counter[GATE], 2);
	}
	return vm_output(me, input, size);
}

START_TEST(what_waits_behind_a_long_item_goes_to_others)
{
	vm_pool *pool = fork_noting(leaver, &(struct vm_options){
	    .workers = 2, .chunk_size = 50 });
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 100));
	while (sh->counter[BUSY] < 2)
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1),
		    VM_LATER);
	resize(pool, 1);
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 1), VM_LATER);
	atomic_store(&sh->counter[GATE], 1);
	take_outputs(pool, 100, 0);
	ck_assert_int_eq(sh->counter[DONE], 98);
	close_clean(pool);
}
END_TEST

/* Workers beyond the first place wait in their item until the gate opens. */
static int at_the_gate(struct vm_context *me, const void *input, size_t size)
{
	if (me->worker_index > 0) {
		enter();
		if (await(&sh->counter[GATE], 1, limit_ms()) < 0)
			return vm_fail(me, 1, "the others wait");
	}
	return vm_output(me, input, size);
}

/* Starts a run, and returns when all workers but the first are at the gate.
   Returns the number of results taken. */
static int take_until_gated(vm_pool *pool, int workers)
{
	struct vm_result r;
	int n = 0;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, LONG_JOB));
	for (int i = 0; i < limit_ms() && sh->counter[BUSY] < workers - 1; i++)
		n += vm_zip_in_out_within(pool, &r, 1) == 1;
	ck_assert_int_eq(sh->counter[BUSY], workers - 1);
	return n;
}

static void check_bounds_of_leavers(int real, int total)
{
	vm_pool *pool = fork_noting(at_the_gate, &(struct vm_options){
	    .workers = 4, .chunk_size = 1,
	    .max_real_in_flight_factor = real,
	    .max_total_in_flight_factor = total });
	struct vm_result r;
	int n;

	n = take_until_gated(pool, 4);
	resize(pool, 1);
	for (int i = 0; i < 50 && n < LONG_JOB - 3; i++, n++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.worker_index, 0);
	}
	atomic_store(&sh->counter[GATE], 1);
	for (; n < LONG_JOB; n++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
	}
	take_end(pool);
	close_clean(pool);
}

START_TEST(those_that_leave_hold_up_nobody)
{
	check_bounds_of_leavers(1, 0);
	check_bounds_of_leavers(3, 3);
	check_bounds_of_leavers(0, 1);
}
END_TEST

START_TEST(closing_ends_those_that_should_have_left)
{
	vm_pool *pool = fork_noting(at_the_gate, &(struct vm_options){
	    .workers = 3, .chunk_size = 1, .close_timeout_ms = 100 });
	struct vm_result r;

	take_until_gated(pool, 3);
	resize(pool, 1);
	while (vm_zip_in_out_within(pool, &r, 20) == 1)
		;
	ck_assert_int_eq(vm_close(pool), 1);
	/* The leaving workers were killed at the gate, without their
	   teardowns. */
	ck_assert_int_eq(sh->counter[TEARDOWNS], 1);
	ck_assert_int_eq(count_children(), 0);
	shared_free(sh);
}
END_TEST

/* ---- setups ---- */

static int gated_setup(struct vm_context *me)
{
	if (await(&sh->counter[GATE], 1, limit_ms()) < 0)
		return vm_fail(me, 1, "the gate stays closed");
	return note_setup(me);
}

/* Workers are told to leave during their setup, and have left when the caller
   runs again. */
START_TEST(one_that_left_unheard_was_set_up)
{
	const struct vm_worker worker = { .setup = gated_setup,
		.process = plain, .teardown = note_teardown };
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 4 });
	resize(pool, 1);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(vm_ready(pool, 0), VM_LATER);
	atomic_store(&sh->counter[GATE], 1);
	wait_for(&sh->counter[TEARDOWNS], 3);
	nap_ms(50);
	ck_assert_msg(vm_ready(pool, limit_ms()) == 0, "%s", vm_error(pool));
	check_works(pool);
	close_clean(pool);
}
END_TEST

static int bad_place(struct vm_context *me)
{
	return me->worker_index == 1 ? -1 : note_setup(me);
}

/* The place stays empty; workers in other places take over. */
static void check_given_up(int max_workers, int then)
{
	const struct vm_worker worker = { .setup = bad_place,
		.process = meet, .teardown = note_teardown };
	const struct vm_options options = { .workers = 3, .chunk_size = 1,
		.max_workers = max_workers };
	struct vm_result r;
	vm_pool *pool;

	start();
	pool = fork_pool(&worker, &options);
	for (int i = 0; i < limit_ms() &&
	    strstr(vm_error(pool), "Worker 1 was given up") == NULL; i++) {
		ck_assert_int_eq(vm_zip_in_out(pool, &r), 0);
		nap_ms(1);
	}
	resize(pool, 1);
	check_works(pool);
	atomic_store(&sh->counter[MOST], 0);
	atomic_store(&sh->counter[GATE], then);
	resize(pool, 3);
	check_works(pool);
	ck_assert_int_eq(sh->counter[MOST], then);
	ck_assert_int_eq(vm_close(pool), 1);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "Worker 1 was given up"));
	ck_assert_int_eq(count_children(), 0);
}

START_TEST(up_after_a_place_was_given_up)
{
	check_given_up(0, 3);
	check_given_up(3, 2);
}
END_TEST

static int told = 1;

static int tell(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = told;

	if (number(input) < sh->counter[GATE])
		meet(me, input, size);
	return vm_output(me, &n, sizeof n);
}

/* P9: workers forked later see the same memory. */
START_TEST(new_workers_see_the_memory_of_the_fork)
{
	vm_pool *pool = fork_noting(tell, &(struct vm_options){
	    .workers = 1, .chunk_size = 1 });
	struct vm_result r;

	told = 2;
	check_works(pool);
	atomic_store(&sh->counter[GATE], 6);
	resize(pool, 6);
	imap_to(pool, vm_range(0, 50));
	for (int i = 0; i < 50; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		if (number(r.input) >= 6)
			ck_assert_int_eq(number(r.output), 1);
	}
	take_end(pool);
	ck_assert_int_eq(sh->counter[MOST], 6);
	close_clean(pool);
}
END_TEST

/* ---- bounds ---- */

static int64_t read_so_far;

static int next_counted(void *from, const void **input, size_t *size)
{
	(void)from;
	*input = &read_so_far;
	*size = sizeof read_so_far;
	read_so_far++;
	return 1;
}

static int prompt(void *from)
{
	(void)from;
	return -1;
}

static int waits_for_gate(struct vm_context *me, const void *input,
    size_t size)
{
	await(&sh->counter[GATE], 1, limit_ms());
	return vm_output(me, input, size);
}

static int64_t read_in_ms(vm_pool *pool, int ms)
{
	struct vm_result r;

	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, ms), VM_LATER);
	return read_so_far;
}

/* The pool reads inputs up to the total bound and sends chunks up to the real
   bound; both bounds are per worker and follow a resize. */
START_TEST(bounds_follow_the_size)
{
	vm_pool *pool = fork_noting(waits_for_gate, &(struct vm_options){
	    .workers = 2, .chunk_size = 1, .max_real_in_flight_factor = 3,
	    .max_total_in_flight_factor = 4 });
	const struct window *w = &pool->engine.window;
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, (struct vm_source){ .next = next_counted,
	    .wait_fd = prompt });
	ck_assert_int_eq(read_in_ms(pool, 20), 2 * 4);
	ck_assert_uint_eq(w->nsent, 2 * 3);
	resize(pool, 5);
	while (w->nsent < 5 * 3)
		read_in_ms(pool, 1);
	ck_assert_int_eq(read_in_ms(pool, 20), 5 * 4);
	ck_assert_uint_eq(w->nsent, 5 * 3);
	resize(pool, 1);
	atomic_store(&sh->counter[GATE], 1);
	/* Leaving workers still hold chunks beyond the new bounds. */
	while (sh->counter[TEARDOWNS] < 4)
		take(pool, &r);
	for (int i = 0; i < 100; i++)
		take(pool, &r);
	ck_assert_uint_le(w->nchunks, 4);
	ck_assert_uint_le(w->nsent, 3);
	close_clean(pool);
}
END_TEST

/* ---- refusals ---- */

static void refused(vm_pool *pool, int workers, int error, const char *words)
{
	int before = pool ? vm_workers(pool) : 0;

	errno = 0;
	ck_assert_int_eq(vm_resize(pool, workers), -1);
	ck_assert_int_eq(errno, error);
	if (words != NULL)
		ck_assert_msg(strstr(vm_error(pool), words) != NULL, "%s",
		    vm_error(pool));
	if (pool != NULL)
		ck_assert_int_eq(vm_workers(pool), before);
}

static void check_most(const struct vm_options *options, int most)
{
	vm_pool *pool = fork_noting(plain, options);

	resize(pool, most);
	refused(pool, most + 1, ERANGE, "max_workers");
	refused(pool, INT_MAX, ERANGE, "max_workers");
	check_works(pool);
	resize(pool, 1);
	check_works(pool);
	close_clean(pool);
}

START_TEST(no_more_than_max_workers)
{
	const int indices[] = { 7, 3, 3 };

	check_most(&(struct vm_options){ .workers = 1 }, 16);
	check_most(&(struct vm_options){ .workers = 8 }, 16);
	check_most(&(struct vm_options){ .workers = 9 }, 18);
	check_most(&(struct vm_options){ .workers = 2, .max_workers = 2 }, 2);
	check_most(&(struct vm_options){ .workers = 2, .max_workers = 40 },
	    40);
	check_most(&(struct vm_options){ .workers = 3,
	    .worker_indices = indices }, 3);
}
END_TEST

START_TEST(numbers_that_make_no_sense)
{
	vm_pool *pool = fork_noting(plain, &(struct vm_options){
	    .workers = 2 });

	refused(pool, 0, EINVAL, "worker");
	refused(pool, -1, EINVAL, "-1");
	refused(pool, INT_MIN, EINVAL, "worker");
	refused(pool, VM_SERIAL, EINVAL, "worker");
	refused(NULL, 1, EINVAL, NULL);
	check_works(pool);
	close_clean(pool);
	pool = fork_noting(plain, &(struct vm_options){
	    .workers = VM_SERIAL });
	refused(pool, 1, EINVAL, "VM_SERIAL");
	refused(pool, 4, EINVAL, "VM_SERIAL");
	check_works(pool);
	close_pool(pool);
}
END_TEST

static int no_setup(struct vm_context *me)
{
	return vm_fail(me, 1, "no luck");
}

START_TEST(not_a_broken_pool)
{
	const struct vm_worker worker = { .setup = no_setup,
		.process = plain };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 1 });
	int cause[1];

	imap_to(pool, vm_range(0, 1));
	ck_assert_int_eq(take_numbers(pool, 1, cause), -1);
	ck_assert_int_eq(vm_broken(pool), 1);
	refused(pool, 2, EPIPE, "no luck");
	refused(pool, 0, EPIPE, "no luck");
	close_pool(pool);
}
END_TEST

static int resize_elsewhere(void *pool)
{
	return vm_resize(pool, 2) == -1 && errno == EPERM ? 0 : 1;
}

START_TEST(not_in_another_process)
{
	vm_pool *pool = fork_noting(plain, &(struct vm_options){
	    .workers = 1 });
	int status = in_child(resize_elsewhere, pool);

	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	ck_assert_int_eq(vm_workers(pool), 1);
	check_works(pool);
	close_clean(pool);
}
END_TEST

static int next_resizes(void *pool, const void **input, size_t *size)
{
	(void)input;
	(void)size;
	if (vm_resize(pool, 2) == -1 && errno == EDEADLK)
		atomic_fetch_add(&sh->counter[HOOKS], 1);
	return 0;
}

static void close_resizes(void *pool)
{
	if (vm_resize(pool, 2) == -1 && errno == EDEADLK)
		atomic_fetch_add(&sh->counter[HOOKS], 1);
}

START_TEST(not_in_a_hook_of_a_source)
{
	vm_pool *pool = fork_noting(plain, &(struct vm_options){
	    .workers = 1 });

	imap_to(pool, (struct vm_source){ .next = next_resizes,
	    .close = close_resizes, .from = pool });
	take_end(pool);
	ck_assert_int_eq(sh->counter[HOOKS], 2);
	ck_assert_int_eq(vm_workers(pool), 1);
	resize(pool, 2);
	check_works(pool);
	close_clean(pool);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		up_gives_as_many_at_once, up_while_all_are_busy,
		before_the_first_input, down_and_up_again_at_once,
		a_long_item_is_ended,
		what_waits_behind_a_long_item_goes_to_others,
		those_that_leave_hold_up_nobody,
		closing_ends_those_that_should_have_left,
		one_that_left_unheard_was_set_up,
		up_after_a_place_was_given_up,
		new_workers_see_the_memory_of_the_fork, bounds_follow_the_size,
		no_more_than_max_workers, numbers_that_make_no_sense,
		not_a_broken_pool, not_in_another_process,
		not_in_a_hook_of_a_source };
	const TTest *const drawn[] = {
		down_sends_away_those_beyond, many_sizes_under_load };

	return run_sampled_tests("resize", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
