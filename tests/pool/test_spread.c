/*
 * test_spread.c - work reaches every idle worker: each of many workers gets
 * items, a finished item is returned while the next runs, and no item waits
 * behind a busy worker, or behind a source that blocks.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "tools.h"

/* Places in shared->counter. */
enum { SEEN, INSIDE, BACK, STARTED, READY };

static struct shared *shared_of(struct vm_context *me)
{
	return me->config;
}

/* ---- many workers ---- */

/* Ends when as many workers as the input says have had an input. */
static int wait_for_all(struct vm_context *me, const void *input, size_t size)
{
	struct shared *s = shared_of(me);

	(void)size;
	if (atomic_fetch_add(&s->pid[me->worker_index], 1) == 0)
		atomic_fetch_add(&s->counter[SEEN], 1);
	if (await(&s->counter[SEEN], *(const int *)input, limit_ms()) < 0)
		return vm_fail(me, 1, "only %ld workers have work",
		    atomic_load(&s->counter[SEEN]));
	return 0;
}

/* Runs as many items as workers; all items wait for each other. */
static void all_get_work(int n, size_t chunk_size, int wait_ready)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = wait_for_all,
		.config = s };
	const struct vm_options options = { .workers = n,
		.chunk_size = chunk_size };
	vm_pool *pool = fork_pool(&worker, &options);
	int inputs[512];
	struct vm_result r;

	for (int i = 0; i < n; i++)
		inputs[i] = n;
	if (wait_ready)
		ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, vm_array(inputs, (size_t)n, sizeof *inputs));
	for (int i = 0; i < n; i++) {
		take(pool, &r);
		ck_assert_msg(r.type == VM_OUTPUT, "%s",
		    r.exception ? r.exception->message : "");
	}
	take_end(pool);
	close_pool(pool);
	for (int i = 0; i < n; i++)
		ck_assert_int_eq(atomic_load(&s->pid[i]), 1);
	shared_free(s);
}

START_TEST(each_of_300_workers_gets_work)
{
	all_get_work(300, 0, 0);
}
END_TEST

START_TEST(each_of_300_ready_workers_gets_work)
{
	all_get_work(300, 1, 1);
}
END_TEST

START_TEST(large_chunks_are_shared_out_among_all)
{
	all_get_work(40, 1000, 1);
	all_get_work(40, 1000, 0);
	all_get_work(3, 2, 0);
}
END_TEST

/* Ends when 70 items are in this function at the same time. */
static int wait_inside(struct vm_context *me, const void *input, size_t size)
{
	struct shared *s = shared_of(me);
	int r;

	(void)input;
	(void)size;
	atomic_fetch_add(&s->counter[INSIDE], 1);
	r = await(&s->counter[INSIDE], 70, limit_ms());
	return r < 0 ? vm_fail(me, 1, "never were 70 inside") : 0;
}

START_TEST(seventy_are_inside_at_one_moment)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = wait_inside,
		.config = s };
	const struct vm_options options = { .workers = 70 };
	vm_pool *pool = fork_pool(&worker, &options);
	struct vm_result r;

	imap_to(pool, vm_range(0, 70));
	for (int i = 0; i < 70; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(s);
}
END_TEST

/* Ends when three items are in this function at the same time. */
static int meet_three(struct vm_context *me, const void *input, size_t size)
{
	struct shared *s = shared_of(me);
	int r;

	(void)input;
	(void)size;
	atomic_fetch_add(&s->counter[INSIDE], 1);
	r = await(&s->counter[INSIDE], 3, limit_ms());
	return r < 0 ? vm_fail(me, 1, "never were three inside") : 0;
}

/* A source of the same input again and again, which may block. */
struct same {
	const void *data;
	size_t size;
	int left;
};

static int next_same(void *from, const void **input, size_t *size)
{
	struct same *at = from;

	*input = at->data;
	*size = at->size;
	return at->left-- > 0;
}

/* Three inputs, each beyond the bound on bytes, for three workers. */
static void meet(struct vm_source source, int ordered)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = meet_three, .config = s };
	const struct vm_options options = { .workers = 3,
		.flags = ordered ? VM_ORDERED : 0, .max_in_flight_bytes = 1 };
	vm_pool *pool = fork_pool(&worker, &options);
	struct vm_result r;

	imap_to(pool, source);
	for (int i = 0; i < 3; i++) {
		take(pool, &r);
		ck_assert_msg(r.type == VM_OUTPUT, "%s",
		    r.exception ? r.exception->message : "");
	}
	take_end(pool);
	close_pool(pool);
	shared_free(s);
}

START_TEST(nobody_is_idle_for_the_bytes_of_others)
{
	const size_t sizes[] = { 8, 40000, 4500000 };
	char *data = calloc(1, 4500000);

	ck_assert_ptr_nonnull(data);
	for (int i = 0; i < 3; i++) {
		struct same same = { data, sizes[i], 3 };

		meet((struct vm_source){ .next = next_same, .from = &same },
		    i % 2);
	}
	meet(vm_array(data, 3, 8), 1);
	meet(vm_array(data, 3, 40000), 0);
	meet(vm_inherited_array(data, 3, 40000), 0);
	free(data);
}
END_TEST

/* ---- items behind a long item ---- */

/* Input 0 is done at once; input n waits until n results were returned to the
   caller. */
static int wait_for_back(struct vm_context *me, const void *input,
    size_t size)
{
	int64_t n = *(const int64_t *)input;

	(void)size;
	if (await(&shared_of(me)->counter[BACK], (long)n, limit_ms()) < 0)
		return vm_fail(me, 1, "not handed out in time");
	return 0;
}

/* Runs these inputs as one source; all must succeed. */
static void run_back(const int64_t *inputs, size_t count, int workers,
    size_t chunk_size, int wait_ready)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = wait_for_back,
		.config = s };
	const struct vm_options options = { .workers = workers,
		.chunk_size = chunk_size };
	vm_pool *pool = fork_pool(&worker, &options);
	struct vm_result r;

	if (wait_ready)
		ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, vm_array(inputs, count, sizeof *inputs));
	for (size_t i = 0; i < count; i++) {
		take(pool, &r);
		ck_assert_msg(r.type == VM_OUTPUT, "input %lld: %s",
		    (long long)*(const int64_t *)r.input,
		    r.exception ? r.exception->message : "");
		atomic_fetch_add(&s->counter[BACK], 1);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(s);
}

START_TEST(a_fast_item_does_not_wait_for_the_slow_one_behind_it)
{
	const int64_t pair[] = { 0, 1 };
	const int64_t chain[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

	run_back(pair, 2, 1, 2, 1);
	run_back(pair, 2, 1, 2, 0);
	run_back(chain, 10, 1, 10, 1);
	run_back(chain, 10, 1, 5, 1);
}
END_TEST

/* A source of an input that is done at once and an input that waits for the
   first result.  Until both results were taken, its descriptor is readable, but
   next() returns VM_LATER. */
struct restless {
	struct shared *s;
	int fd;			/* always readable */
	int64_t n, input;
};

static int next_restless(void *from, const void **input, size_t *size)
{
	struct restless *at = from;

	if (at->n == 2)
		return atomic_load(&at->s->counter[BACK]) == 2 ? 0 : VM_LATER;
	at->input = at->n++;
	*input = &at->input;
	*size = sizeof at->input;
	return 1;
}

static int restless_fd(void *from)
{
	return ((struct restless *)from)->fd;
}

START_TEST(a_fast_item_does_not_wait_though_something_happens)
{
	struct restless at = { .s = shared_new(), .fd = eventfd(1, 0) };
	const struct vm_source source = { .next = next_restless,
		.from = &at, .wait_fd = restless_fd };
	const struct vm_worker worker = { .process = wait_for_back,
		.config = at.s };
	const struct vm_options options = { .workers = 1, .chunk_size = 2 };
	vm_pool *pool = fork_pool(&worker, &options);
	struct vm_result r;

	imap_to(pool, source);
	for (int i = 0; i < 2; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		atomic_fetch_add(&at.s->counter[BACK], 1);
	}
	take_end(pool);
	close_pool(pool);
	close(at.fd);
	shared_free(at.s);
}
END_TEST

START_TEST(a_chunk_behind_a_blocked_item_is_taken_back)
{
	const int64_t inputs[10] = { 9 };

	run_back(inputs, 10, 2, 10, 1);
	run_back(inputs, 10, 2, 10, 0);
}
END_TEST

START_TEST(all_chunks_behind_a_blocked_item_are_taken_back)
{
	const int64_t inputs[64] = { 63 };

	run_back((const int64_t[30]){ 29 }, 30, 2, 30, 1);
	run_back((const int64_t[30]){ 29 }, 30, 2, 10, 1);
	run_back((const int64_t[30]){ 29 }, 30, 2, 10, 0);
	run_back((const int64_t[30]){ 29 }, 30, 2, 1, 0);
	run_back((const int64_t[30]){ 29 }, 30, 3, 4, 1);
	run_back(inputs, 64, 4, 3, 0);
}
END_TEST

/* Large items are sent to a blocked worker, and requeued for the other worker;
   they are not sent to and fro. */
START_TEST(large_items_behind_a_blocked_one_go_to_the_other)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = wait_for_back,
		.config = s };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 2, .chunk_size = 4 });
	static int64_t inputs[4][12500] = { { 3 } };
	const struct member *m = pool->engine.crew.members;
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, vm_array(inputs, 4, sizeof *inputs));
	for (int i = 0; i < 4; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		atomic_fetch_add(&s->counter[BACK], 1);
	}
	take_end(pool);
	ck_assert_uint_eq(MIN(m[0].ordinal, m[1].ordinal), 1);
	ck_assert_uint_le(MAX(m[0].ordinal, m[1].ordinal), 3);
	close_pool(pool);
	shared_free(s);
}
END_TEST

/* ---- a source that blocks ---- */

struct waiting_source {
	struct shared *shared;
	unsigned char *input;
	size_t size;
	long given, count;
};

/* Blocks until workers have begun all inputs given so far. */
static int next_when_begun(void *from, const void **input, size_t *size)
{
	struct waiting_source *w = from;

	if (await(&w->shared->counter[STARTED], w->given, limit_ms()) < 0) {
		errno = ETIME;
		return -1;
	}
	if (w->given == w->count)
		return 0;
	w->given++;
	*input = w->input;
	*size = w->size;
	return 1;
}

static int slow_setup(struct vm_context *me)
{
	nap_ms(50 * (1 + me->worker_index));
	return 0;
}

static int count_begun(struct vm_context *me, const void *input, size_t size)
{
	(void)input;
	(void)size;
	atomic_fetch_add(&shared_of(me)->counter[STARTED], 1);
	nap_ms(2);
	return 0;
}

static void run_waiting(int workers, size_t chunk_size, size_t size,
    int (*setup)(struct vm_context *))
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .setup = setup,
		.process = count_begun, .config = s };
	const struct vm_options options = { .workers = workers,
		.chunk_size = chunk_size };
	struct waiting_source from = { s, calloc(1, size), size, 0, 12 };
	vm_pool *pool;
	struct vm_result r;

	ck_assert_ptr_nonnull(from.input);
	pool = fork_pool(&worker, &options);
	if (setup == NULL)
		ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, (struct vm_source){ .next = next_when_begun,
		.from = &from });
	for (long i = 0; i < from.count; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_uint_eq(r.input_size, size);
	}
	take_end(pool);
	close_pool(pool);
	free(from.input);
	shared_free(s);
}

START_TEST(a_source_may_wait_until_its_inputs_are_begun)
{
	run_waiting(1, 1, 8, NULL);
	run_waiting(2, 1, 8, NULL);
	run_waiting(4, 1, 8, NULL);
	run_waiting(2, 0, 8, NULL);
}
END_TEST

START_TEST(a_source_may_wait_though_inputs_pass_a_pipe_in_parts)
{
	run_waiting(1, 1, 1024 * 1024, NULL);
	run_waiting(3, 1, 1024 * 1024, NULL);
}
END_TEST

START_TEST(a_source_may_wait_though_workers_are_being_set_up)
{
	run_waiting(1, 1, 8, slow_setup);
	run_waiting(2, 1, 8, slow_setup);
	run_waiting(4, 3, 8, slow_setup);
}
END_TEST

/* ---- results that come after the caller has looked for them ---- */

/* The first item takes longer than the caller looks for staged results; the
   second lasts until the first result was taken. */
static int slow_then_slower(struct vm_context *me, const void *input,
    size_t size)
{
	if (number(input) == 0)
		nap_ms(50);
	else if (await(&shared_of(me)->counter[BACK], 1, limit_ms()) < 0)
		return vm_fail(me, 1, "the first result did not come");
	return vm_output(me, input, size);
}

START_TEST(a_slow_item_does_not_wait_for_a_slower_one)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .process = slow_then_slower,
		.config = s };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 1, .chunk_size = 2 });
	struct vm_result r;

	imap_to(pool, vm_range(0, 2));
	for (int i = 0; i < 2; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		/* The worker is asked, and does not just happen to be read. */
		if (i == 0)
			ck_assert_uint_eq(pool->engine.crew.kept, 1);
		atomic_store(&s->counter[BACK], 1);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(s);
}
END_TEST

static int nap(struct vm_context *me, const void *input, size_t size)
{
	(void)me;
	(void)input;
	(void)size;
	nap_ms(2);
	return 0;
}

/* Runs chunks of a single long item.  Returns whether both workers were busy
   with chunks whose results they do not hold back. */
static bool hold_nothing_back(void)
{
	const struct vm_worker worker = { .process = nap };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 2, .chunk_size = 1, .max_real_in_flight_factor = 4 });
	struct engine *e = &pool->engine;
	struct vm_result r;
	bool seen = false;

	imap_to(pool, vm_range(0, 40));
	for (int i = 0; i < 40; i++) {
		take(pool, &r);
		if (e->crew.kept > 0 || e->window.nsent == 0 ||
		    crew_idle(&e->crew) != NULL)
			continue;
		ck_assert_uint_eq(nudge_alarm(e, 0), NEVER);
		seen = true;
	}
	ck_assert_uint_eq(e->crew.kept, 0);
	take_end(pool);
	close_pool(pool);
	return seen;
}

/* Nothing is to be asked of such workers, and the wait has no timer for it.  A
   caller that is kept off its CPU for long takes the items for shorter. */
START_TEST(workers_that_hold_nothing_back_are_not_asked)
{
	int tries = 0;

	while (tries < 50 && !hold_nothing_back())
		tries++;
	ck_assert_int_lt(tries, 50);
}
END_TEST

/* ---- workers that do not run ---- */

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

/* An item in flight to an idle worker stays there, though another worker is
   idle as well; otherwise it would be sent to and fro. */
START_TEST(an_item_is_sent_once)
{
	const struct vm_worker worker = { .process = echo };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 2 });
	const struct member *m = pool->engine.crew.members;
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, -1), 0);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(kill(m[i].pid, SIGSTOP), 0);
	imap_to(pool, vm_range(0, 1));
	ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 50), VM_LATER);
	ck_assert_uint_eq(m[0].ordinal + m[1].ordinal, 1);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(kill(m[i].pid, SIGCONT), 0);
	take(pool, &r);
	take_end(pool);
	close_pool(pool);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		large_chunks_are_shared_out_among_all,
		nobody_is_idle_for_the_bytes_of_others,
		a_fast_item_does_not_wait_for_the_slow_one_behind_it,
		a_fast_item_does_not_wait_though_something_happens,
		a_chunk_behind_a_blocked_item_is_taken_back,
		all_chunks_behind_a_blocked_item_are_taken_back,
		large_items_behind_a_blocked_one_go_to_the_other,
		a_source_may_wait_until_its_inputs_are_begun,
		a_source_may_wait_though_inputs_pass_a_pipe_in_parts,
		a_slow_item_does_not_wait_for_a_slower_one,
		workers_that_hold_nothing_back_are_not_asked,
		an_item_is_sent_once };
	const TTest *const drawn[] = {
		each_of_300_workers_gets_work, seventy_are_inside_at_one_moment,
		each_of_300_ready_workers_gets_work,
		a_source_may_wait_though_workers_are_being_set_up };

	return run_sampled_tests("spread", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
