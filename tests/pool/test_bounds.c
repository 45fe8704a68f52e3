/*
 * test_bounds.c - inputs are read lazily and memory is bounded: in chunks, in
 * bytes, ordered or not, with an endless source and with slow items.
 *
 * VIMAP_STREAM in the environment: number of items of the longest test.
 */
#include "config.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "engine/deliver.h"
#include "os/sys.h"
#include "sample.h"
#include "tools.h"

#define MIB ((size_t)1024 * 1024)

/* Sanitizers keep freed memory for a while. */
#if defined(__SANITIZE_ADDRESS__)
#define EXTRA_KIB (600L * 1024)
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define EXTRA_KIB (600L * 1024)
#endif
#endif
#ifndef EXTRA_KIB
#define EXTRA_KIB 0L
#endif

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static int echo_late(struct vm_context *me, const void *input, size_t size)
{
	nap_ms(3);
	return vm_output(me, input, size);
}

/* ---- laziness ---- */

/* A source that counts its inputs against the results that the caller has
   taken. */
struct counted {
	long given, taken;
	long ahead;		/* bound on inputs read and not taken */
	long most_ahead;	/* the maximum of given - taken */
	long end_taken;		/* ends when this many are taken, or */
	long end_given;		/* this many were read */
	int slow;		/* items take some ms */
	int fd;			/* always readable; for wait_fd */
};

static int next_watched(void *from, const void **input, size_t *size)
{
	struct counted *w = from;

	if (w->taken >= w->end_taken || w->given >= w->end_given)
		return 0;
	w->given++;
	w->most_ahead = MAX(w->most_ahead, w->given - w->taken);
	ck_assert_int_le(w->given - w->taken, w->ahead);
	*input = &w->given;
	*size = sizeof w->given;
	return 1;
}

static int watched_fd(void *from)
{
	return ((struct counted *)from)->fd;
}

/* Takes all results.  Returns the largest lead of the source over the
   caller. */
static long watch(struct counted w, int prompt,
    const struct vm_options *options)
{
	const struct vm_worker worker = { .process = w.slow ? echo_late :
		echo };
	struct vm_source s = { .next = next_watched, .from = &w };
	vm_pool *pool = fork_pool(&worker, options);
	struct vm_result r;
	int rc;

	w.fd = eventfd(1, EFD_CLOEXEC);
	ck_assert_int_ge(w.fd, 0);
	if (prompt)
		s.wait_fd = watched_fd;
	imap_to(pool, s);
	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		ck_assert_int_eq(r.type, VM_OUTPUT);
		w.taken++;
	}
	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(w.taken, w.given);
	close_pool(pool);
	close(w.fd);
	return w.most_ahead;
}

START_TEST(an_endless_source_may_end_by_its_results)
{
	const size_t chunk_sizes[] = { 0, 1, 7, 1000 };
	const int workers[] = { 1, 4, VM_SERIAL };
	const struct counted w = { .ahead = LONG_MAX, .end_taken = 100,
		.end_given = LONG_MAX };

	for (size_t i = 0; i < COUNTOF(chunk_sizes); i++)
		for (size_t j = 0; j < 4 * COUNTOF(workers); j++)
			watch(w, j % 2, &(struct vm_options){
			    .workers = workers[j / 4],
			    .flags = (j & 2) != 0 ? VM_ORDERED : 0,
			    .chunk_size = chunk_sizes[i] });
}
END_TEST

START_TEST(two_inputs_are_read_ahead_and_not_three)
{
	struct counted w = { .ahead = 2, .end_taken = LONG_MAX,
		.end_given = 300 };
	const struct vm_options options = { .workers = 1, .chunk_size = 1,
		.max_total_in_flight_factor = 2 };

	for (int prompt = 0; prompt < 2; prompt++)
		watch(w, prompt, &options);
	/* With slow items the lead reaches 2; otherwise the test proves
	   nothing. */
	w.slow = 1;
	ck_assert_int_eq(watch(w, 1, &options), 2);
}
END_TEST

START_TEST(chunks_read_ahead_are_bounded)
{
	const int factors[] = { 1, 2, 3, 10 }, workers[] = { 1, 3 };
	const size_t chunk_sizes[] = { 1, 4, 50 };

	for (size_t i = 0; i < COUNTOF(factors); i++)
		for (size_t j = 0; j < COUNTOF(chunk_sizes); j++)
			for (int k = 0; k < 8; k++)
				watch((struct counted){ .end_given = 1500,
				    .end_taken = LONG_MAX,
				    .ahead = factors[i] * workers[k % 2] *
				    (long)chunk_sizes[j] }, k / 4,
				    &(struct vm_options){
				    .workers = workers[k % 2],
				    .flags = (k & 2) != 0 ? VM_ORDERED : 0,
				    .max_total_in_flight_factor = factors[i],
				    .chunk_size = chunk_sizes[j] });
}
END_TEST

/* ---- bytes ---- */

/* A source of count inputs of a size; each begins with its number. */
struct heavy {
	uint64_t given, count;
	size_t size;
	unsigned char *room;
};

static int next_heavy(void *from, const void **input, size_t *size)
{
	struct heavy *h = from;

	if (h->given == h->count)
		return 0;
	memcpy(h->room, &h->given, sizeof h->given);
	h->given++;
	*input = h->room;
	*size = h->size;
	return 1;
}

/* Takes all results.  Returns the KiB by which this process has grown at
   most. */
static long run_heavy(uint64_t count, size_t in, size_t out,
    int (*process)(struct vm_context *, const void *, size_t),
    const struct vm_options *options)
{
	struct heavy h = { 0, count, in, calloc(1, in) };
	const struct vm_worker worker = { .process = process,
		.config = &out };
	vm_pool *pool = fork_pool(&worker, options);
	long before = memory_kib(), most = before;
	struct vm_result r;

	imap_to(pool, (struct vm_source){ .next = next_heavy, .from = &h });
	for (uint64_t i = 0; i < count; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_uint_eq(r.output_size, out);
		ck_assert_mem_eq(r.input, &r.index, sizeof r.index);
		if (options->flags & VM_ORDERED)
			ck_assert_uint_eq(r.index, i);
		if (i % 8 == 0)
			most = MAX(most, memory_kib());
	}
	take_end(pool);
	close_pool(pool);
	free(h.room);
	return most - before;
}

START_TEST(large_items_flow_within_their_bound)
{
	for (int ordered = 0; ordered < 2; ordered++)
		for (size_t chunk_size = 0; chunk_size < 2; chunk_size++)
			ck_assert_int_lt(run_heavy(500, MIB, MIB, echo,
			    &(struct vm_options){ .workers = 2,
			    .flags = ordered ? VM_ORDERED : 0,
			    .chunk_size = chunk_size,
			    .max_in_flight_bytes = 4 * MIB }),
			    40 * 1024 + EXTRA_KIB);
}
END_TEST

/* Outputs as many zero bytes as config says; every 64th item takes long. */
static int swell(struct vm_context *me, const void *input, size_t size)
{
	size_t out = *(const size_t *)me->config;
	void *room = vm_reserve(me, out);

	(void)input;
	(void)size;
	if (room == NULL)
		return -1;
	memset(room, 0, out);
	if (me->index % 64 == 0)
		nap_ms(100);
	return vm_commit(me, out);
}

START_TEST(results_held_for_a_slow_item_are_bounded)
{
	const int workers[] = { 2, 4 };
	const size_t chunk_sizes[] = { 1, 0, 5 };
	unsigned number = 0;

	for (size_t i = 0; i < COUNTOF(workers); i++)
		for (size_t j = 0; j < COUNTOF(chunk_sizes); j++)
			if (sample_takes(number++, 5))
				ck_assert_int_lt(run_heavy(300, 8, MIB, swell,
				    &(struct vm_options){
				    .workers = workers[i], .flags = VM_ORDERED,
				    .chunk_size = chunk_sizes[j],
				    .max_in_flight_bytes = 4 * MIB }),
				    48 * 1024 + EXTRA_KIB);
}
END_TEST

START_TEST(results_not_taken_are_bounded)
{
	ck_assert_int_lt(run_heavy(300, 8, MIB, swell,
	    &(struct vm_options){ .workers = 4, .chunk_size = 3,
	    .max_in_flight_bytes = 4 * MIB }), 48 * 1024 + EXTRA_KIB);
}
END_TEST

/* The bytes of an input: every 101st is large, so that each buffer of a chunk
   meets one in the end. */
static size_t mixed_size(uint64_t index)
{
	return index % 101 == 0 ? 800000 : 16;
}

static int next_mixed(void *from, const void **input, size_t *size)
{
	struct heavy *h = from;

	h->size = mixed_size(h->given);
	return next_heavy(h, input, size);
}

/* Forks a pool that may have no large file.  The limit holds for its processes
   only: the test runner's file in this process grows with each check. */
static vm_pool *fork_without_files(const struct vm_options *options)
{
	struct rlimit old, small;
	vm_pool *pool;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 2 * MIB;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	pool = fork_pool(&(struct vm_worker){ .process = echo }, options);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	return pool;
}

/* Returns the KiB by which this process has grown at most. */
static long run_mixed(uint64_t count, const struct vm_options *options)
{
	struct heavy h = { .count = count, .room = calloc(1, 800000) };
	vm_pool *pool = fork_without_files(options);
	long before = memory_kib(), most = before;
	struct vm_result r;

	ck_assert_ptr_nonnull(h.room);
	imap_to(pool, (struct vm_source){ .next = next_mixed, .from = &h });
	for (uint64_t i = 0; i < count; i++) {
		long now;

		take(pool, &r);
		ck_assert_uint_eq(r.output_size, mixed_size(r.index));
		if (i % 64 != 0)
			continue;
		nap_ms(1);
		now = memory_kib();
		most = MAX(most, now);
	}
	take_end(pool);
	close_pool(pool);
	free(h.room);
	return most - before;
}

/* Large inputs go through the pipes, as files may not be that large. */
START_TEST(sizes_that_differ_are_bounded)
{
	ck_assert_int_lt(run_mixed(20000, &(struct vm_options){ .workers = 4,
	    .flags = VM_ORDERED, .chunk_size = 1,
	    .max_in_flight_bytes = 8 * MIB }), 64 * 1024 + EXTRA_KIB);
}
END_TEST

START_TEST(a_bound_of_one_byte_stops_nothing)
{
	for (int i = 0; i < 8; i++)
		run_heavy(100, 5000, 70000, swell, &(struct vm_options){
		    .workers = i & 1 ? 3 : 1,
		    .flags = (i & 2) != 0 ? VM_ORDERED : 0,
		    .chunk_size = i & 4 ? 10 : 0, .max_in_flight_bytes = 1,
		    .max_total_in_flight_factor = 5 });
}
END_TEST

START_TEST(factors_of_one_stop_nothing)
{
	for (int i = 0; i < 8; i++)
		run_heavy(100, 5000, 70000, swell, &(struct vm_options){
		    .workers = i & 1 ? 3 : 1,
		    .flags = (i & 2) != 0 ? VM_ORDERED : 0,
		    .chunk_size = i & 4 ? 10 : 0,
		    .max_real_in_flight_factor = 1,
		    .max_total_in_flight_factor = 1 });
}
END_TEST

/* ---- many items ---- */

START_TEST(a_long_stream_leaves_memory_flat)
{
	const char *asked = getenv("VIMAP_STREAM");
	long count = asked ? atol(asked) : 10000000;
	const struct vm_worker worker = { .process = echo };
	vm_pool *pool = fork_pool(&worker,
	    &(struct vm_options){ .workers = 2 });
	long before = memory_kib();
	int64_t sum = 0;
	struct vm_result r;

	imap_to(pool, vm_range(0, count));
	for (long i = 0; i < count; i++) {
		if (vm_zip_in_out(pool, &r) != 1 || r.type != VM_OUTPUT)
			ck_abort_msg("result %ld: %s", i, vm_error(pool));
		sum += *(const int64_t *)r.output;
		if (i % 100000 == 0)
			ck_assert_int_lt(memory_kib() - before,
			    32 * 1024 + EXTRA_KIB);
	}
	take_end(pool);
	ck_assert_int_eq(sum, (int64_t)count * (count - 1) / 2);
	close_pool(pool);
}
END_TEST

/* ---- results that wait ---- */

enum { AHEAD = 20, TRIES = 50 };

static struct shared *sh;

static int echo_and_count(struct vm_context *me, const void *input, size_t size)
{
	atomic_fetch_add(&sh->counter[0], 1);
	return vm_output(me, input, size);
}

/* Takes a result.  With many ready, that must bring no more.  Returns whether
   that was so. */
static bool take_and_look(vm_pool *pool, struct vm_result *r)
{
	struct engine *e = &pool->engine;
	bool many = e->results.spans >= DELIVER_MANY &&
	    sizer_is_short(&e->sizer);
	uint64_t turned_at = e->turned_at;

	take(pool, r);
	many = many && sys_now() - turned_at < DELIVER_MANY_NS;
	ck_assert(!many || e->turned_at == turned_at);
	return many;
}

/* Returns whether many were ready at a time.  cancels: vm_cancel() is called
   then, and the next call carries it out. */
static bool let_results_wait(bool cancels)
{
	vm_pool *pool;
	struct vm_result r;
	bool seen = false;

	sh = shared_new();
	pool = fork_pool(&(struct vm_worker){ .process = echo_and_count },
	    &(struct vm_options){ .workers = 1, .chunk_size = 1,
	        .max_real_in_flight_factor = AHEAD });
	imap_to(pool, vm_range(0, AHEAD));
	take(pool, &r);
	ck_assert_int_eq(await(&sh->counter[0], AHEAD, limit_ms()), 0);
	for (int i = 1; i < AHEAD; i++) {
		if (!take_and_look(pool, &r) || seen)
			continue;
		seen = true;
		if (!cancels || i + 1 == AHEAD)
			continue;
		vm_cancel(pool, 0);
		take(pool, &r);
		i++;
		ck_assert_uint_eq(atomic_load(&pool->engine.cancels.asked), 0);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
	return seen;
}

/* But items with a timeout are looked at, however slow the caller is. */
START_TEST(results_wait_less_with_a_timeout)
{
	vm_pool *pool;
	struct vm_result r;

	sh = shared_new();
	pool = fork_pool(&(struct vm_worker){ .process = echo_and_count },
	    &(struct vm_options){ .workers = 1, .chunk_size = 1,
	        .max_real_in_flight_factor = AHEAD });
	imap_to(pool, vm_range(0, AHEAD));
	take(pool, &r);
	ck_assert_int_eq(await(&sh->counter[0], AHEAD, limit_ms()), 0);
	/* Only now, or a slow machine could exceed it. */
	pool->engine.set.item_ns = DELIVER_MANY_NS;
	for (int i = 1; i < AHEAD; i++) {
		uint64_t turned_at = pool->engine.turned_at;

		nap_ms(2);
		take(pool, &r);
		ck_assert_uint_ne(pool->engine.turned_at, turned_at);
	}
	take_end(pool);
	close_pool(pool);
	shared_free(sh);
}
END_TEST

START_TEST(few_results_wait)
{
	for (int cancels = 0; cancels < 2; cancels++) {
		int i = 0;

		while (i < TRIES && !let_results_wait(cancels))
			i++;
		ck_assert_int_lt(i, TRIES);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		results_not_taken_are_bounded, few_results_wait,
		results_wait_less_with_a_timeout };
	const TTest *const drawn[] = {
		an_endless_source_may_end_by_its_results,
		chunks_read_ahead_are_bounded,
		results_held_for_a_slow_item_are_bounded,
		sizes_that_differ_are_bounded,
		a_bound_of_one_byte_stops_nothing, factors_of_one_stop_nothing,
		large_items_flow_within_their_bound,
		a_long_stream_leaves_memory_flat,
		two_inputs_are_read_ahead_and_not_three };

	return run_sampled_tests("bounds", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
