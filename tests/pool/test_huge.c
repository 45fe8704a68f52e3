/*
 * test_huge.c - items larger than the memory that a slot keeps: they go through
 * shared memory if there are few workers, and the memory is given back.
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "os/paging.h"
#include "tools.h"

#define MIB ((size_t)1024 * 1024)

/* An input or output begins and ends with its number; behind the first of an
   input is the size of its output. */
static size_t in_size, out_size;
static unsigned char *room;

static void mark(unsigned char *at, size_t size, uint64_t number)
{
	memcpy(at, &number, sizeof number);
	memcpy(at + size - sizeof number, &number, sizeof number);
}

static bool is_marked(const unsigned char *at, size_t size, uint64_t number)
{
	return memcmp(at, &number, sizeof number) == 0 &&
	    memcmp(at + size - sizeof number, &number, sizeof number) == 0;
}

static int answer(struct vm_context *me, const void *input, size_t size)
{
	size_t out;
	unsigned char *to;

	memcpy(&out, (const char *)input + sizeof(uint64_t), sizeof out);
	to = vm_reserve(me, out);
	if (to == NULL || !is_marked(input, size, me->index))
		return -1;
	memset(to, 1, out);
	mark(to, out, ~me->index);
	return vm_commit(me, out);
}

struct series {
	uint64_t given, count;
};

static int next_marked(void *from, const void **input, size_t *size)
{
	struct series *s = from;

	if (s->given == s->count)
		return 0;
	mark(room, in_size, s->given++);
	memcpy(room + sizeof(uint64_t), &out_size, sizeof out_size);
	*input = room;
	*size = in_size;
	return 1;
}

/* Returns the memory of pages in MiB, whichever process has touched them. */
static size_t memory_of(const unsigned char *at, size_t size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *in = calloc(size / page + 1, 1);
	size_t pages = 0;

	ck_assert_ptr_nonnull(in);
	ck_assert_int_eq(mincore((void *)(uintptr_t)at, size, in), 0);
	for (size_t i = 0; i < size / page; i++)
		pages += in[i] & 1;
	free(in);
	return pages * page / MIB;
}

static size_t memory_of_outputs(const vm_pool *pool, size_t which)
{
	const struct slots *s = &pool->engine.slots;

	return memory_of(slot_outputs(slots_get(s, which)) - FRAME_START,
	    s->payload);
}

static size_t memory_of_all(const vm_pool *pool)
{
	const struct slots *s = &pool->engine.slots;
	size_t n = memory_of(s->inputs, s->room * s->count);

	for (size_t i = 0; i < s->count; i++)
		n += memory_of_outputs(pool, i);
	return n;
}

static uint64_t through_pipes(const vm_pool *pool)
{
	const struct crew *c = &pool->engine.crew;
	uint64_t n = 0;

	for (size_t i = 0; i < c->count; i++)
		n += c->members[i].channel.position +
		    c->members[i].channel.queued;
	return n;
}

/* Runs items.  Returns the most memory of all halves in MiB. */
static size_t run(vm_pool *pool, uint64_t count)
{
	struct series s = { 0, count };
	size_t most = 0, now;
	struct vm_result r;

	imap_to(pool, (struct vm_source){ .next = next_marked, .from = &s });
	for (uint64_t i = 0; i < count; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_uint_eq(r.output_size, out_size);
		ck_assert(is_marked(r.input, in_size, r.index));
		ck_assert(is_marked(r.output, out_size, ~r.index));
		now = memory_of_all(pool);
		most = MAX(most, now);
	}
	take_end(pool);
	return most;
}

/* Each way round, one of both or both are large. */
START_TEST(they_go_through_shared_memory)
{
	static const size_t sizes[][2] = { { 5 * MIB, 5 * MIB },
		{ 16 * MIB, 64 }, { 64, 16 * MIB },
		{ SLOT_PAYLOAD_MOST - 24, 64 } };
	const struct vm_worker worker = { .process = answer };

	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		vm_pool *pool = fork_pool(&worker, &(struct vm_options){
		    .workers = 2, .flags = VM_ORDERED });

		ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
		in_size = sizes[i][0];
		out_size = sizes[i][1];
		room = calloc(1, in_size);
		run(pool, 4);
		ck_assert_uint_lt(through_pipes(pool), MIB);
		close_pool(pool);
		free(room);
	}
}
END_TEST

/* A busy pool has at most twice its bound, and for each half the part that is
   kept, that of an item in use, and as much again in a half for outputs.  When
   it has no more work it keeps as much as unused blocks may have. */
START_TEST(memory_is_given_back)
{
	const struct vm_worker worker = { .process = answer };
	const size_t kept = 4 * (SLOT_PAYLOAD / MIB + 1);
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 2, .max_in_flight_bytes = MIB });

	in_size = out_size = 12 * MIB;
	room = calloc(1, in_size);
	ck_assert_uint_gt(run(pool, 12), 2 * out_size / MIB);
	ck_assert_uint_le(memory_of_all(pool), RXLIST_BYTES / MIB + kept);
	in_size = out_size = 30 * MIB;
	free(room);
	room = calloc(1, in_size);
	run(pool, 3);
	ck_assert_uint_le(memory_of_all(pool), RXLIST_BYTES / MIB + kept);
	close_pool(pool);
	free(room);
}
END_TEST

/* Touches a large output.  By the input it then uses little of it, fails, or
   dies. */
static int waste(struct vm_context *me, const void *input, size_t size)
{
	const size_t reserved = 40 * MIB;
	void *to = vm_reserve(me, *(const int64_t *)input < 3 ? reserved : 1);

	(void)size;
	if (to == NULL)
		return -1;
	if (*(const int64_t *)input < 3)
		memset(to, 1, reserved);
	switch (*(const int64_t *)input) {
	case 0:
		return vm_commit(me, SLOT_LARGE);
	case 1:
		return vm_fail(me, 1, "on purpose");
	case 2:
		raise(SIGKILL);
	}
	return vm_commit(me, 1);
}

START_TEST(a_waste_is_given_back)
{
	static const enum vm_cause causes[] = { 0, VM_FAILED, VM_KILLED };
	const struct vm_worker worker = { .process = waste };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 1, .chunk_size = 1 });
	struct vm_result r;

	no_cores();
	for (int64_t i = 0; i < 4; i++) {
		imap_to(pool, vm_range(i, i + 1));
		take(pool, &r);
		ck_assert_int_eq(r.type, i % 3 == 0 ? VM_OUTPUT :
		    VM_EXCEPTION);
		if (i % 3 != 0)
			ck_assert_int_eq(r.exception->cause, causes[i]);
		take_end(pool);
		/* The next worker gives back what the dead one had. */
		if (i != 2)
			ck_assert_uint_le(memory_of_outputs(pool, 0),
			    SLOT_PAYLOAD / MIB + 1);
	}
	close_pool(pool);
}
END_TEST

/* Outputs much, in parts, and fails. */
static int fail_late(struct vm_context *me, const void *input, size_t size)
{
	static const char part[MIB];

	(void)input;
	(void)size;
	for (int i = 0; i < 40; i++)
		if (vm_output(me, part, sizeof part) != 0)
			return -1;
	return vm_fail(me, 1, "on purpose");
}

START_TEST(the_output_of_a_failed_item_is_given_back)
{
	const struct vm_worker worker = { .process = fail_late };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 1, .chunk_size = 1 });
	struct vm_result r;

	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	ck_assert_int_eq(r.type, VM_EXCEPTION);
	ck_assert_int_eq(r.exception->cause, VM_FAILED);
	take_end(pool);
	ck_assert_uint_le(memory_of_outputs(pool, 0), SLOT_PAYLOAD / MIB + 1);
	close_pool(pool);
}
END_TEST

/* The last output of a chunk touches a large output, too, and uses as little as
   the others. */
static int waste_at_last(struct vm_context *me, const void *input, size_t size)
{
	const size_t reserved = 40 * MIB;
	void *to;

	if (me->index != CREW_ALIKE_LEAST - 1)
		return vm_output(me, input, size);
	to = vm_reserve(me, reserved);
	if (to == NULL)
		return -1;
	memset(to, 1, reserved);
	memcpy(to, input, size);
	return vm_commit(me, size);
}

/* No frame of the wasteful output follows that would give back. */
START_TEST(a_waste_behind_an_array_is_given_back)
{
	const struct vm_worker worker = { .process = waste_at_last };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 1, .chunk_size = CREW_ALIKE_LEAST });
	struct vm_result r;

	/* As if earlier outputs had that size. */
	pool->engine.crew.usual = sizeof(int64_t);
	imap_to(pool, vm_range(0, CREW_ALIKE_LEAST));
	for (int64_t i = 0; i < CREW_ALIKE_LEAST; i++) {
		take(pool, &r);
		ck_assert_uint_eq(r.output_size, sizeof i);
		ck_assert_int_eq(number(r.output), number(r.input));
	}
	take_end(pool);
	ck_assert_uint_le(memory_of_outputs(pool, 0), SLOT_PAYLOAD / MIB + 1);
	close_pool(pool);
}
END_TEST

enum { GROWS_FROM = 12, GROWS_BY = 8 };

/* Its output, of one byte repeated, begins in the payload area and has no room
   there in the end. */
static int outgrow(struct vm_context *me, const void *input, size_t size)
{
	const size_t sizes[] = { GROWS_FROM * MIB, GROWS_BY * MIB };
	int r = 0;

	(void)size;
	for (size_t i = 0; i < COUNTOF(sizes) && r == 0; i++) {
		bool copied = *(const int64_t *)input > 0;
		void *to = copied ? malloc(sizes[i]) :
		    vm_reserve(me, sizes[i]);

		if (to == NULL)
			return -1;
		memset(to, 'x', sizes[i]);
		r = copied ? vm_output(me, to, sizes[i]) :
		    vm_commit(me, sizes[i]);
		if (copied)
			free(to);
	}
	return r;
}

/* A half has 16 MiB, or less where memory is limited. */
START_TEST(the_place_of_an_output_that_outgrew_it_is_given_back)
{
	const struct vm_worker worker = { .process = outgrow };
	const size_t all = (GROWS_FROM + GROWS_BY) * MIB;
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 1, .max_workers = 128 });
	struct vm_result r;

	ck_assert_uint_lt(pool->engine.slots.payload, all);
	for (int64_t i = 0; i < 2; i++) {
		imap_to(pool, vm_range(i, i + 1));
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_uint_eq(r.output_size, all);
		for (size_t at = 0; at < all; at += MIB)
			ck_assert_int_eq(((const char *)r.output)[at], 'x');
		take_end(pool);
		ck_assert_uint_le(memory_of_outputs(pool, 0),
		    SLOT_PAYLOAD / MIB + 1);
	}
	close_pool(pool);
}
END_TEST

/* Counts the outputs that it has made. */
static int give_mib(struct vm_context *me, const void *input, size_t size)
{
	struct shared *shared = me->config;
	void *to = vm_reserve(me, MIB);

	(void)input;
	(void)size;
	if (to == NULL)
		return -1;
	memset(to, 1, MIB);
	atomic_fetch_add(&shared->counter[0], 1);
	return vm_commit(me, MIB);
}

/* A worker that is ahead of the caller has more outputs than SLOT_PAYLOAD has
   room for. */
START_TEST(outputs_of_a_worker_ahead_stay_in_the_part_that_is_kept)
{
	enum { ITEMS = 12 };
	struct shared *shared = shared_new();
	const struct vm_worker worker = { .process = give_mib,
		.config = shared };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 1, .chunk_size = ITEMS });
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, ITEMS));
	ck_assert_int_ne(vm_zip_in_out_within(pool, &r, 0), -1);
	ck_assert_int_eq(await(&shared->counter[0], SLOT_PAYLOAD / MIB + 1,
	    limit_ms()), 0);
	while (vm_zip_in_out(pool, &r) == 1)
		ck_assert_uint_le(pool->engine.crew.members[0].outputs.reach,
		    SLOT_PAYLOAD);
	ck_assert_int_eq(atomic_load(&shared->counter[0]), ITEMS);
	close_pool(pool);
	shared_free(shared);
}
END_TEST

/* ---- how large the halves are ---- */

static int under_a_limit(void *resource)
{
	struct rlimit most;

	if (getrlimit(*(int *)resource, &most) != 0)
		return 1;
	most.rlim_cur = (rlim_t)1 << 40;
	if (setrlimit(*(int *)resource, &most) != 0)
		return 2;
	return slots_half(2) == SLOT_PAYLOAD ? 0 : 3;
}

/* Ends of two pipes: the caller lets the worker go on, and is told that it is
   done. */
static int go[2], done[2];

/* Outputs fill the ring and the payload area, an item fails in a large frame, and
   the next has room for neither but reserves much: its memory is no part of the
   payload area. */
static int fill_and_fail(struct vm_context *me, const void *input, size_t size)
{
	static const char few[16000];
	const size_t n = me->index == 12 ? 15 * MIB : 20 * MIB;
	void *to;
	char c;

	(void)input, (void)size;
	if (me->index < 8)
		return vm_output(me, few, sizeof few);
	if (me->index == 15)
		return write(done[1], "x", 1) == 1 ? vm_output(me, few, 1) : -1;
	if (me->index == 14 && vm_output(me, few, 4000) < 0)
		return -1;
	to = vm_reserve(me, me->index == 13 ? 9 * MIB / 2 :
	    me->index == 14 ? 40 * MIB : n);
	if (to == NULL || me->index == 13)
		return vm_fail(me, 7, "on purpose");
	if (me->index == 14)
		return vm_commit(me, 1);
	if (me->index == 10 && read(go[0], &c, 1) != 1)
		return -1;
	memset(to, (int)me->index, n);
	return vm_commit(me, n);
}

START_TEST(outputs_outlive_what_is_given_back)
{
	const struct vm_worker worker = { .process = fill_and_fail };
	struct vm_result r;
	vm_pool *pool;
	char c;

	/* Outputs are not protected against the worker. */
	paging_assume(PAGING_DEAR);
	ck_assert_int_eq(pipe(go), 0);
	ck_assert_int_eq(pipe(done), 0);
	pool = fork_pool(&worker, &(struct vm_options){ .workers = 1,
	    .flags = VM_ORDERED, .chunk_size = 16 });
	imap_to(pool, vm_range(0, 16));
	for (uint64_t n = 0; n < 16; n++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, n == 13 ? VM_EXCEPTION : VM_OUTPUT);
		for (size_t i = 0; n >= 8 && n < 13 && i < r.output_size; i++)
			if (((const unsigned char *)r.output)[i] != n)
				ck_abort_msg("byte %zu of output %d", i,
				    (int)n);
		if (n == 9) {
			ck_assert_int_eq(write(go[1], "x", 1), 1);
			ck_assert_int_eq(read(done[0], &c, 1), 1);
		}
	}
	take_end(pool);
	close_pool(pool);
}
END_TEST

START_TEST(halves_are_larger_where_nothing_is_limited)
{
	int resources[] = { RLIMIT_AS, RLIMIT_FSIZE };

	ck_assert_uint_ge(slots_half(0), SLOT_PAYLOAD);
	for (size_t n = 1; n < 5000; n++) {
		ck_assert_uint_ge(slots_half(n), SLOT_PAYLOAD);
		ck_assert_uint_le(slots_half(n), SLOT_PAYLOAD_MOST);
		ck_assert_uint_eq(slots_half(n) % SLOT_PAYLOAD_LEAST, 0);
		ck_assert(slots_half(n) == SLOT_PAYLOAD ||
		    n * slots_half(n) <= SLOT_PAYLOAD_ALL);
	}
	ck_assert_uint_eq(slots_half(2), SLOT_PAYLOAD_MOST);
	ck_assert_uint_eq(slots_half(1000), SLOT_PAYLOAD);
	for (size_t i = 0; i < COUNTOF(resources); i++)
		ck_assert_int_eq(in_child(under_a_limit, &resources[i]), 0);
}
END_TEST

/* ---- a program that has its memory locked ---- */

/* The kernel touches all new pages of such a program.  Returns 0, also where it
   may not lock so many. */
static int locked_pool(void *arg)
{
	const struct vm_worker w = { .process = answer };
	long before = memory_kib();
	vm_pool *pool;
	int r;

	(void)arg;
	if (mlockall(MCL_FUTURE) != 0)
		return 0;
	pool = vm_fork(&w, &(struct vm_options){ .workers = 1,
	    .max_workers = 1 });
	if (pool == NULL)
		return errno == ENOMEM ? 0 : 10;
	r = memory_kib() - before < (long)(SLOT_PAYLOAD_MOST / 1024 / 2) ?
	    0 : 11;
	return vm_close(pool) == 0 ? r : 12;
}

START_TEST(no_page_is_touched_where_memory_is_locked)
{
	ck_assert_int_eq(in_child(locked_pool, NULL), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		they_go_through_shared_memory, memory_is_given_back,
		a_waste_is_given_back, a_waste_behind_an_array_is_given_back,
		the_output_of_a_failed_item_is_given_back,
		the_place_of_an_output_that_outgrew_it_is_given_back,
		outputs_outlive_what_is_given_back,
		outputs_of_a_worker_ahead_stay_in_the_part_that_is_kept,
		halves_are_larger_where_nothing_is_limited,
		no_page_is_touched_where_memory_is_locked };

	return run_tests("huge", tests, COUNTOF(tests));
}
