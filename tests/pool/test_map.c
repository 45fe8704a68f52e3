/* test_map.c - vm_map_array(): an array mapped to an array in one call. */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/base.h"
#include "sample.h"
#include "shm/slot.h"
#include "tools.h"
#include "worker/context.h"

#define GUARD 64

enum { RUNS, IN_A_ROW, FIRST, FAILURES, PARENT, TOLD };

static struct shared *sh;

/* Returns byte "at" of element n of an output array, for any element size. */
static unsigned char byte_of(uint64_t n, size_t at)
{
	return (unsigned char)((n + 1) * 167 + at * 13);
}

/* ---- arrays ---- */

struct arrays {
	uint64_t *in;
	unsigned char *room;	/* guard, outputs, guard */
	unsigned char *out;
	size_t count, size;
};

static struct arrays arrays_new(size_t count, size_t size)
{
	struct arrays a = { .count = count, .size = size };

	a.in = calloc(count + 1, sizeof *a.in);
	a.room = malloc(count * size + 2 * GUARD);
	ck_assert_ptr_nonnull(a.in);
	ck_assert_ptr_nonnull(a.room);
	memset(a.room, 0xee, count * size + 2 * GUARD);
	a.out = a.room + GUARD;
	for (size_t i = 0; i < count; i++)
		a.in[i] = i;
	return a;
}

static void arrays_free(struct arrays *a)
{
	for (size_t i = 0; i < GUARD; i++) {
		ck_assert_uint_eq(a->room[i], 0xee);
		ck_assert_uint_eq(a->out[a->count * a->size + i], 0xee);
	}
	free(a->in);
	free(a->room);
}

/* Checks that element i is done, or else that all its bytes are zero. */
static void check_element(const struct arrays *a, size_t i, bool done)
{
	size_t k = 0;

	while (k < a->size && a->out[i * a->size + k] ==
	    (done ? byte_of(i, k) : 0))
		k++;
	ck_assert_msg(k == a->size, "element %zu, byte %zu", i, k);
}

static int map(struct arrays *a, const struct vm_worker *w,
    const struct vm_options *options,
    void (*failed)(void *arg, const struct vm_result *))
{
	int r;

	errno = 77;
	r = vm_map_array(w, options,
	    &(struct vm_array_map){ .in = a->in, .count = a->count,
	        .in_size = sizeof *a->in, .out = a->out, .out_size = a->size,
	        .failed = failed, .arg = a });
	ck_assert_int_eq(errno, 77);
	ck_assert_msg(r >= 0, "%s", vm_error(NULL));
	ck_assert_str_eq(vm_error(NULL), "");
	ck_assert_int_eq(count_children(), 0);
	return r;
}

static void never(void *arg, const struct vm_result *r)
{
	(void)arg;
	ck_abort_msg("item %llu: %s", (unsigned long long)r->index,
	    r->exception->message);
}

/* ---- callbacks ---- */

/* Outputs element n, of the size that config points to. */
static int make(struct vm_context *me, uint64_t n)
{
	size_t size = *(const size_t *)me->config;
	unsigned char *at = vm_reserve(me, size);

	if (at == NULL)
		return ENOMEM;
	for (size_t k = 0; k < size; k++)
		at[k] = byte_of(n, k);
	return vm_commit(me, size);
}

static int fill(struct vm_context *me, const void *input, size_t size)
{
	static const unsigned char *last;
	size_t element = *(const size_t *)me->config;
	const unsigned char *at = vm_reserve(me, 0);

	atomic_fetch_add(&sh->counter[RUNS], 1);
	if (at == NULL || size != sizeof(uint64_t) ||
	    me->index != (uint64_t)number(input))
		return EINVAL;
	if (last != NULL && at == last + element)
		atomic_fetch_add(&sh->counter[IN_A_ROW], 1);
	last = at;
	return make(me, me->index);
}

static struct vm_worker worker_of(int (*process)(struct vm_context *,
    const void *, size_t), struct arrays *a)
{
	return (struct vm_worker){ .process = process, .config = &a->size };
}

/* ---- maps that succeed ---- */

static void map_well(size_t count, size_t size, unsigned chunk, int workers)
{
	struct arrays a = arrays_new(count, size);
	struct vm_worker w = worker_of(fill, &a);
	long before = atomic_load(&sh->counter[RUNS]);
	int fds = count_fds();

	ck_assert_int_eq(map(&a, &w, &(struct vm_options){
	    .workers = workers, .chunk_size = chunk }, never), 0);
	ck_assert_int_eq(count_fds(), fds);
	for (size_t i = 0; i < count; i++)
		check_element(&a, i, true);
	if (workers != VM_SERIAL)
		ck_assert_int_eq(atomic_load(&sh->counter[RUNS]) - before,
		    (long)count);
	arrays_free(&a);
}

START_TEST(every_element_is_mapped)
{
	static const int workers[] = { 1, 2, 9, VM_SERIAL };

	sh = shared_new();
	for (size_t i = 0; i < COUNTOF(workers); i++) {
		map_well(0, 8, 0, workers[i]);
		map_well(1, 8, 0, workers[i]);
		map_well(2000, 8, 1, workers[i]);
		map_well(20000, 8, 0, workers[i]);
		map_well(5000, 8, 777, workers[i]);
	}
	shared_free(sh);
}
END_TEST

START_TEST(elements_have_any_size)
{
	static const size_t sizes[] = { 1, 3, 7, 16, 24, 4096, 65537 };

	sh = shared_new();
	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		map_well(200, sizes[i], 0, 2);
		map_well(200, sizes[i], 50, 2);
	}
	shared_free(sh);
}
END_TEST

/* Outputs are no separate results: each lies right behind the previous one in
   shared memory. */
START_TEST(outputs_make_an_array_in_the_worker)
{
	sh = shared_new();
	map_well(10000, 24, 100, 1);
	ck_assert_int_ge(atomic_load(&sh->counter[IN_A_ROW]), 99 * 100);
	shared_free(sh);
}
END_TEST

/* Two elements exceed the payload area: outputs are results, and go through
   pipes. */
START_TEST(large_elements_come_as_results)
{
	sh = shared_new();
	map_well(5, SLOT_PAYLOAD, 0, 2);
	map_well(5, SLOT_PAYLOAD + 4096, 5, 2);
	ck_assert_int_eq(atomic_load(&sh->counter[IN_A_ROW]), 0);
	shared_free(sh);
}
END_TEST

static int put_wide(struct vm_context *me, const void *input, size_t size)
{
	void *to = vm_reserve(me, sizeof(max_align_t));

	(void)input;
	(void)size;
	if ((uintptr_t)to % _Alignof(max_align_t) != 0)
		return EFAULT;
	memset(to, 1, sizeof(max_align_t));
	return vm_commit(me, sizeof(max_align_t));
}

START_TEST(elements_are_aligned)
{
	struct arrays a = arrays_new(1000, sizeof(max_align_t));
	struct vm_worker w = worker_of(put_wide, &a);

	ck_assert_int_eq(map(&a, &w, NULL, never), 0);
	arrays_free(&a);
}
END_TEST

static int triple(struct vm_context *me, const void *input, size_t size)
{
	uint64_t n = 3 * (uint64_t)number(input);

	return vm_output(me, &n, size);
}

/* Workers read the array as it was when they were forked. */
START_TEST(an_array_can_become_its_own_outputs)
{
	enum { COUNT = 100000 };
	struct arrays a = arrays_new(COUNT, sizeof(uint64_t));
	struct vm_worker w = { .process = triple };

	ck_assert_int_eq(vm_map_array(&w, NULL,
	    &(struct vm_array_map){ .in = a.in, .count = COUNT,
	        .in_size = sizeof *a.in, .out = a.in, .out_size = sizeof *a.in,
	        .failed = never }), 0);
	for (uint64_t i = 0; i < COUNT; i++)
		ck_assert_uint_eq(a.in[i], 3 * i);
	arrays_free(&a);
}
END_TEST

/* Outputs overlap inputs of other elements, which may need another attempt. */
static int becomes_wide(struct vm_context *me, const void *input, size_t size)
{
	uint64_t n[2] = { me->index, 0 };

	memcpy(n + 1, input, size);
	if (me->index % 7 == 3 && me->attempt == 1)
		return 1;
	return vm_output(me, n, sizeof n);
}

static void map_over(int workers, size_t in_at, size_t out_at)
{
	enum { COUNT = 1000 };
	struct vm_worker w = { .process = becomes_wide };
	unsigned char *room = malloc(out_at + COUNT * 16);
	uint64_t *out = (void *)(room + out_at);
	uint32_t n;

	for (uint32_t i = 0; i < COUNT; i++) {
		n = ~i;
		memcpy(room + in_at + i * sizeof n, &n, sizeof n);
	}
	ck_assert_int_eq(vm_map_array(&w, &(struct vm_options){
	    .workers = workers, .max_attempts = 2, .retry_delay_ms = 1 },
	    &(struct vm_array_map){ .in = room + in_at, .count = COUNT,
	        .in_size = sizeof n, .out = out, .out_size = 16,
	        .failed = never }), 0);
	for (uint32_t i = 0; i < COUNT; i++) {
		ck_assert_uint_eq(out[2 * i], i);
		ck_assert_uint_eq(out[2 * i + 1], ~i);
	}
	free(room);
}

START_TEST(outputs_can_lie_over_inputs)
{
	static const int workers[] = { 2, VM_SERIAL };

	for (size_t i = 0; i < COUNTOF(workers); i++) {
		map_over(workers[i], 0, 0);
		map_over(workers[i], 1000 * 12, 0);
		map_over(workers[i], 0, 16);
	}
}
END_TEST

static const struct arrays *later;

static int sees_outputs(void *arg)
{
	(void)arg;
	return memcmp(later->out, later->out, later->size) != 0 ||
	    later->out[later->size * later->count - 1] !=
	    byte_of(later->count - 1, later->size - 1);
}

/* After vm_map_array(), children of the host inherit the output buffer again,
   which workers did not. */
START_TEST(children_have_the_outputs)
{
	struct arrays a = arrays_new(1 << 16, 8);
	struct vm_worker w = worker_of(fill, &a);

	sh = shared_new();
	later = &a;
	ck_assert_int_eq(map(&a, &w, NULL, never), 0);
	ck_assert_int_eq(in_child(sees_outputs, NULL), 0);
	arrays_free(&a);
	shared_free(sh);
}
END_TEST

static int looks_for_outputs(struct vm_context *me, const void *input,
    size_t size)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	void *at = (void *)(((uintptr_t)later->out + page) / page * page);

	if (msync(at, page, MS_ASYNC) == 0)
		return EEXIST;
	return fill(me, input, size);
}

START_TEST(workers_do_not_have_the_outputs)
{
	struct arrays a = arrays_new(1 << 16, 8);
	struct vm_worker w = worker_of(looks_for_outputs, &a);

	sh = shared_new();
	later = &a;
	ck_assert_int_eq(map(&a, &w, NULL, never), 0);
	arrays_free(&a);
	shared_free(sh);
}
END_TEST

/* ---- failures ---- */

#define COUNT 5000

static bool is_bad(uint64_t n)
{
	return n % 1000 == 500;
}

static int refuse(struct vm_context *me, const void *input, size_t size)
{
	if (is_bad((uint64_t)number(input))) {
		make(me, me->index);
		return vm_fail(me, 5, "not %d", (int)me->index);
	}
	return fill(me, input, size);
}

static int crash(struct vm_context *me, const void *input, size_t size)
{
	if (is_bad((uint64_t)number(input))) {
		make(me, me->index);
		raise(SIGKILL);
	}
	return fill(me, input, size);
}

static int stay_short(struct vm_context *me, const void *input, size_t size)
{
	if (is_bad((uint64_t)number(input)))
		return vm_output(me, "abc", me->index % 2000 == 500 ? 3 : 0);
	return fill(me, input, size);
}

static int go_beyond(struct vm_context *me, const void *input, size_t size)
{
	int r = fill(me, input, size);

	return r == 0 && is_bad((uint64_t)number(input)) ?
	    vm_output(me, "x", 1) : r;
}

static int hang(struct vm_context *me, const void *input, size_t size)
{
	while (is_bad((uint64_t)number(input)))
		pause();
	return fill(me, input, size);
}

static enum vm_cause expected;
static int code;

static void count_failure(void *arg, const struct vm_result *r)
{
	struct arrays *a = arg;

	ck_assert_int_eq(getpid(), (int)atomic_load(&sh->counter[PARENT]));
	ck_assert_int_eq(r->type, VM_EXCEPTION);
	ck_assert(is_bad(r->index));
	ck_assert_uint_eq((uint64_t)number(r->input), r->index);
	ck_assert_int_eq(r->exception->cause, expected);
	ck_assert_int_eq(r->exception->code, code);
	check_element(a, r->index, false);
	atomic_fetch_add(&sh->counter[FAILURES], 1);
}

/* Every fifth of a thousand items fails, and no other item. */
static void map_badly(int (*process)(struct vm_context *, const void *, size_t),
    enum vm_cause cause, int with, struct vm_options options)
{
	struct arrays a = arrays_new(COUNT, 8);
	struct vm_worker w = worker_of(process, &a);

	sh = shared_new();
	atomic_store(&sh->counter[PARENT], getpid());
	expected = cause;
	code = with;
	ck_assert_int_eq(map(&a, &w, &options, count_failure), 1);
	ck_assert_int_eq(atomic_load(&sh->counter[FAILURES]), COUNT / 1000);
	for (size_t i = 0; i < COUNT; i++)
		check_element(&a, i, !is_bad(i));
	arrays_free(&a);
	shared_free(sh);
}

START_TEST(a_failure_costs_its_element)
{
	map_badly(refuse, VM_FAILED, 5, (struct vm_options){ .workers = 2 });
	map_badly(refuse, VM_FAILED, 5, (struct vm_options){ .workers = 2,
	    .chunk_size = 1 });
	map_badly(refuse, VM_FAILED, 5, (struct vm_options){
	    .workers = VM_SERIAL });
	map_badly(refuse, VM_FAILED, 5, (struct vm_options){ .workers = 2,
	    .max_attempts = 3, .chunk_size = 900 });
}
END_TEST

START_TEST(a_crash_costs_its_element)
{
	no_cores();
	map_badly(crash, VM_KILLED, 0, (struct vm_options){
	    .workers = 2 });
	map_badly(crash, VM_KILLED, 0, (struct vm_options){
	    .workers = 2, .chunk_size = COUNT });
	map_badly(crash, VM_KILLED, 0, (struct vm_options){
	    .workers = 2, .chunk_size = 1 });
}
END_TEST

START_TEST(an_output_of_another_size_fails)
{
	map_badly(stay_short, VM_FAILED, EINVAL, (struct vm_options){
	    .workers = 2 });
	map_badly(go_beyond, VM_FAILED, EINVAL, (struct vm_options){
	    .workers = 2 });
	map_badly(stay_short, VM_FAILED, EINVAL, (struct vm_options){
	    .workers = VM_SERIAL });
}
END_TEST

#define MANY ((size_t)sample_size(300000, 100000))
#define SECOND_BAD 1500

/* Refuses, and is slow behind the second bad element until the caller knows of
   two: most elements are not begun then, however late the caller is. */
static int refuse_slowly(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) > SECOND_BAD &&
	    atomic_load(&sh->counter[FAILURES]) < 2)
		nap_ms(1);
	return refuse(me, input, size);
}

static void tell_many(void *arg, const struct vm_result *r)
{
	const struct arrays *a = arg;

	ck_assert_int_eq(r->type, VM_EXCEPTION);
	ck_assert_uint_eq((uint64_t)number(r->input), r->index);
	if (r->exception->cause != VM_CANCELLED)
		atomic_fetch_add(&sh->counter[FAILURES], 1);
	a->in[r->index] = MANY;
	atomic_fetch_add(&sh->counter[TOLD], 1);
}

static void give_up_early(int workers, unsigned chunk)
{
	struct arrays a = arrays_new(MANY, 8);
	struct vm_worker w = worker_of(refuse_slowly, &a);
	long told = 0;

	sh = shared_new();
	ck_assert_int_eq(map(&a, &w, &(struct vm_options){
	    .workers = workers, .chunk_size = chunk, .max_failures = 2 },
	    tell_many), 1);
	for (size_t i = 0; i < MANY; i++) {
		check_element(&a, i, a.in[i] == i);
		told += a.in[i] != i;
	}
	ck_assert_int_eq(told, atomic_load(&sh->counter[TOLD]));
	ck_assert_int_ge(atomic_load(&sh->counter[FAILURES]), 2);
	ck_assert_int_gt(told, MANY / 2);
	arrays_free(&a);
	shared_free(sh);
}

START_TEST(what_is_given_up_is_told)
{
	const struct { int workers; unsigned chunk; } ways[] = { { 2, 1 },
		{ 2, 0 }, { 1, 20000 }, { VM_SERIAL, 0 } };

	for (unsigned i = 0; i < COUNTOF(ways); i++)
		if (sample_takes(i, 4))
			give_up_early(ways[i].workers, ways[i].chunk);
}
END_TEST

START_TEST(an_element_that_hangs_is_ended)
{
	map_badly(hang, VM_TIMED_OUT, 0, (struct vm_options){ .workers = 9,
	    .item_timeout_ms = 200 });
}
END_TEST

static void tell_input(void *arg, const struct vm_result *r)
{
	(void)arg;
	ck_assert_uint_eq((uint64_t)number(r->input), r->index);
	atomic_fetch_add(&sh->counter[TOLD], 1);
}

/* The callback "failed" gets the input, which lies in the memory of its own
   output. */
START_TEST(inputs_are_told_that_are_outputs_as_well)
{
	static const int workers[] = { 2, VM_SERIAL };

	for (size_t i = 0; i < COUNTOF(workers); i++) {
		struct arrays a = arrays_new(COUNT, 8);
		struct vm_worker w = worker_of(refuse, &a);

		sh = shared_new();
		ck_assert_int_eq(vm_map_array(&w, &(struct vm_options){
		    .workers = workers[i] },
		    &(struct vm_array_map){ .in = a.in, .count = COUNT,
		        .in_size = sizeof *a.in, .out = a.in,
		        .out_size = sizeof *a.in, .failed = tell_input }), 1);
		ck_assert_int_eq(atomic_load(&sh->counter[TOLD]),
		    COUNT / 1000);
		for (size_t k = 0; k < COUNT; k++)
			ck_assert_int_eq(a.in[k] == 0, is_bad(k));
		arrays_free(&a);
		shared_free(sh);
	}
}
END_TEST

START_TEST(nobody_need_be_told)
{
	struct arrays a = arrays_new(COUNT, 8);
	struct vm_worker w = worker_of(refuse, &a);

	sh = shared_new();
	ck_assert_int_eq(map(&a, &w, NULL, NULL), 1);
	for (size_t i = 0; i < COUNT; i++)
		check_element(&a, i, !is_bad(i));
	arrays_free(&a);
	shared_free(sh);
}
END_TEST

/* ---- finished items are not run again ---- */

#define ONCE 400

/* Counts the runs of items; the last item of each chunk dies when all others
   are done and the caller knows of that. */
static int die_late(struct vm_context *me, const void *input, size_t size)
{
	uint64_t n = (uint64_t)number(input);

	atomic_fetch_add(&sh->pid[n], 1);
	if (n % 100 == 99 && me->attempt == 1)
		raise(SIGKILL);
	return fill(me, input, size);
}

START_TEST(what_was_done_outlives_its_worker)
{
	struct arrays a = arrays_new(ONCE, 8);
	struct vm_worker w = worker_of(die_late, &a);

	no_cores();
	sh = shared_new();
	ck_assert_int_eq(map(&a, &w, &(struct vm_options){ .workers = 1,
	    .chunk_size = 100, .max_attempts = 2 }, never), 0);
	for (size_t i = 0; i < ONCE; i++) {
		check_element(&a, i, true);
		ck_assert_int_eq(atomic_load(&sh->pid[i]), 1 + (i % 100 == 99));
	}
	arrays_free(&a);
	shared_free(sh);
}
END_TEST

/* A worker that overwrites the words begun and done of its slot. */
static int scribble(struct vm_context *me, const void *input, size_t size)
{
	size_t length;
	unsigned char *slot;

	if (me->index % 1000 == 7 && me->attempt == 1) {
		slot = own_slot(sh, &length);
		memset(slot + offsetof(struct slot, done),
		    me->index > 3000 ? 0xff : 0, sizeof(uint64_t));
		memset(slot + offsetof(struct slot, begun),
		    me->index % 2000 < 1000 ? 0xff : 0, sizeof(uint64_t));
		raise(SIGKILL);
	}
	return fill(me, input, size);
}

START_TEST(a_scribbled_slot_spoils_nothing)
{
	struct arrays a = arrays_new(COUNT, 8);
	struct vm_worker w = worker_of(scribble, &a);

	no_cores();
	sh = shared_new();
	map(&a, &w, &(struct vm_options){ .workers = 2, .max_attempts = 9,
	    .chunk_size = 500 }, never);
	for (size_t i = 0; i < COUNT; i++)
		check_element(&a, i, true);
	arrays_free(&a);
	shared_free(sh);
}
END_TEST

/* Extends the lease of its chunk beyond the end, while it is taken in
   strides. */
static int extend_lease(struct vm_context *me, const void *input, size_t size)
{
	size_t length;
	_Atomic uint64_t *leases;

	if (me->index == 4007) {
		leases = (void *)(own_slot(sh, &length) +
		    offsetof(struct slot, lease));
		atomic_fetch_add(&leases[40], (uint64_t)50 << 24);
	}
	return fill(me, input, size);
}

START_TEST(no_more_is_done_than_there_is_a_place_for)
{
	struct arrays a = arrays_new(COUNT, 8);
	struct vm_worker w = worker_of(extend_lease, &a);

	sh = shared_new();
	ck_assert_int_eq(map(&a, &w, &(struct vm_options){ .workers = 1,
	    .chunk_size = 100 }, never), 0);
	for (size_t i = 0; i < COUNT; i++)
		check_element(&a, i, true);
	ck_assert_int_eq(atomic_load(&sh->counter[RUNS]), COUNT);
	arrays_free(&a);
	shared_free(sh);
}
END_TEST

/* Makes its worker forget the size of an element, in one attempt. */
static int forget_size(struct vm_context *me, const void *input, size_t size)
{
	const struct context *c = CONTAINER_OF(me, struct context, public);
	struct plan *plan = (struct plan *)(uintptr_t)c->plan;
	size_t element = plan->element;

	plan->element = me->index == 7 && me->attempt == 1 ? 0 : element;
	if (plan->element == 0)
		return vm_output(me, &element, me->index % 2 * 8);
	return fill(me, input, size);
}

START_TEST(a_result_of_another_size_is_garbage)
{
	struct arrays a = arrays_new(20, SLOT_PAYLOAD + 1);
	struct vm_worker w = worker_of(forget_size, &a);

	sh = shared_new();
	ck_assert_int_eq(map(&a, &w, &(struct vm_options){ .workers = 2,
	    .chunk_size = 1, .max_attempts = 3 }, never), 0);
	for (size_t i = 0; i < a.count; i++)
		check_element(&a, i, true);
	arrays_free(&a);
	shared_free(sh);
}
END_TEST

/* ---- reserved bytes ---- */

/* Reserves more bytes than it needs, before its first byte or later. */
static int reserve_more(struct vm_context *me, const void *input, size_t size)
{
	size_t element = *(const size_t *)me->config;
	size_t before = me->index % 3 * (element / 3);
	unsigned char *at;

	(void)input, (void)size;
	for (size_t k = 0; k < before; k++) {
		unsigned char byte = byte_of(me->index, k);

		if (vm_output(me, &byte, 1) < 0)
			return ENOMEM;
	}
	at = vm_reserve(me, 2 * element + me->index % 2 * 100000);
	if (at == NULL)
		return ENOMEM;
	for (size_t k = before; k < element; k++)
		at[k - before] = byte_of(me->index, k);
	return vm_commit(me, element - before);
}

START_TEST(more_can_be_reserved_than_an_element)
{
	static const size_t sizes[] = { 1, 24, 65537 };

	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		struct arrays a = arrays_new(100, sizes[i]);
		struct vm_worker w = worker_of(reserve_more, &a);

		ck_assert_int_eq(map(&a, &w, &(struct vm_options){
		    .workers = 2, .chunk_size = 10 }, never), 0);
		for (size_t k = 0; k < a.count; k++)
			check_element(&a, k, true);
		arrays_free(&a);
	}
}
END_TEST

/* ---- wrong calls ---- */

static void wrong(const struct vm_worker *w, const struct vm_options *options,
    const void *in, size_t count, size_t in_size, void *out, size_t out_size)
{
	errno = 0;
	ck_assert_int_eq(vm_map_array(w, options,
	    &(struct vm_array_map){ .in = in, .count = count,
	        .in_size = in_size, .out = out, .out_size = out_size,
	        .failed = never }), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_str_ne(vm_error(NULL), "");
	ck_assert_int_eq(count_children(), 0);
}

START_TEST(wrong_calls_are_told)
{
	struct vm_worker w = { .process = triple }, none = { 0 };
	uint64_t in[2] = { 1, 2 }, out[2];

	wrong(NULL, NULL, in, 2, 8, out, 8);
	wrong(&none, NULL, in, 2, 8, out, 8);
	wrong(&w, NULL, NULL, 2, 8, out, 8);
	wrong(&w, NULL, in, 2, 8, NULL, 8);
	wrong(&w, NULL, in, 2, 8, out, 0);
	wrong(&w, NULL, in, SIZE_MAX / 8, 8, out, 1);
	wrong(&w, NULL, in, SIZE_MAX / 8, 1, out, 8);
	wrong(&w, NULL, in, 2, SIZE_MAX, out, 8);
	wrong(&w, &(struct vm_options){ .max_item_bytes = 7 }, in, 2, 8, out, 8);
	wrong(&w, &(struct vm_options){ .workers = -9 }, in, 2, 8, out, 8);
	ck_assert_int_eq(vm_map_array(&w, NULL,
	    &(struct vm_array_map){ .in_size = 8, .out_size = 8 }), 0);
}
END_TEST

static int no_setup(struct vm_context *me)
{
	return vm_fail(me, 9, "never");
}

START_TEST(a_pool_that_cannot_work_is_an_error)
{
	struct arrays a = arrays_new(100, 8);
	struct vm_worker w = { .setup = no_setup, .process = triple };

	ck_assert_int_eq(vm_map_array(&w, NULL,
	    &(struct vm_array_map){ .in = a.in, .count = 100, .in_size = 8,
	        .out = a.out, .out_size = 8 }), -1);
	ck_assert_str_ne(vm_error(NULL), "");
	ck_assert_int_eq(count_children(), 0);
	arrays_free(&a);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		every_element_is_mapped, outputs_make_an_array_in_the_worker,
		elements_are_aligned, an_array_can_become_its_own_outputs,
		outputs_can_lie_over_inputs, children_have_the_outputs,
		workers_do_not_have_the_outputs, a_failure_costs_its_element,
		a_crash_costs_its_element, an_output_of_another_size_fails,
		an_element_that_hangs_is_ended,
		inputs_are_told_that_are_outputs_as_well, nobody_need_be_told,
		a_scribbled_slot_spoils_nothing,
		no_more_is_done_than_there_is_a_place_for,
		more_can_be_reserved_than_an_element, wrong_calls_are_told,
		a_pool_that_cannot_work_is_an_error };
	const TTest *const drawn[] = {
		what_was_done_outlives_its_worker,
		a_result_of_another_size_is_garbage, what_is_given_up_is_told,
		large_elements_come_as_results, elements_have_any_size };

	return run_sampled_tests("map", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
