/*
 * test_imap.c - inputs become results: each exactly once, paired with its
 * output, with the promised order, tags, bytes, seeds, callbacks and VM_SERIAL.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "tools.h"

/* Places in shared->counter. */
enum { SETUPS, TEARDOWNS, WRONG, GATE };

static int twice(struct vm_context *me, const void *input, size_t size)
{
	int x = 2 * *(const int *)input;

	(void)size;
	return vm_output(me, &x, sizeof x);
}

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker doubling = { .process = twice };
static const struct vm_worker echoing = { .process = echo };

/* ---- order and pairs of input and output ---- */

static void check_doubles(const struct vm_options *options)
{
	const int in[] = { 1, 2, 3, 4 };
	vm_pool *pool = fork_pool(&doubling, options);
	int seen = 0, got, given;
	struct vm_result r;

	imap_to(pool, vm_array(in, 4, sizeof *in));
	for (int i = 0; i < 4; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_uint_eq(r.output_size, sizeof got);
		memcpy(&got, r.output, sizeof got);
		memcpy(&given, r.input, sizeof given);
		ck_assert_int_eq(got, 2 * given);
		if (options != NULL && (options->flags & VM_ORDERED))
			ck_assert_int_eq(given, i + 1);
		seen |= 1 << given;
	}
	ck_assert_int_eq(seen, 2 + 4 + 8 + 16);
	take_end(pool);
	take_end(pool);
	close_pool(pool);
}

START_TEST(doubles_in_any_order)
{
	check_doubles(NULL);
	check_doubles(&(struct vm_options){ .workers = 3 });
	check_doubles(&(struct vm_options){ .workers = VM_SERIAL });
}
END_TEST

START_TEST(doubles_in_order)
{
	check_doubles(&(struct vm_options){ .flags = VM_ORDERED });
	check_doubles(&(struct vm_options){ .flags = VM_ORDERED, .workers = 4,
	    .chunk_size = 1 });
	check_doubles(&(struct vm_options){ .flags = VM_ORDERED,
	    .workers = VM_SERIAL });
}
END_TEST

/* Lower numbers take longer, so that results arrive out of order. */
static int uneven(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = *(const int64_t *)input;

	(void)size;
	nap_ms((int)(7 - n % 8));
	return vm_output(me, &n, sizeof n);
}

static void check_order(size_t chunk_size, int workers)
{
	const struct vm_worker worker = { .process = uneven };
	const struct vm_options options = { .workers = workers,
		.chunk_size = chunk_size, .flags = VM_ORDERED };
	vm_pool *pool = fork_pool(&worker, &options);
	struct vm_result r;

	imap_to(pool, vm_range(0, 100));
	imap_to(pool, vm_range(100, 150));
	for (int64_t i = 0; i < 150; i++) {
		take(pool, &r);
		ck_assert_int_eq(*(const int64_t *)r.input, i);
		ck_assert_int_eq(*(const int64_t *)r.output, i);
		ck_assert_uint_eq(r.index, (uint64_t)(i < 100 ? i : i - 100));
	}
	take_end(pool);
	close_pool(pool);
}

START_TEST(order_holds_whatever_the_times)
{
	check_order(1, 4);
	check_order(3, 3);
	check_order(0, 8);
}
END_TEST

START_TEST(sources_in_a_row_keep_their_tags_and_indexes)
{
	vm_pool *pool = fork_pool(&echoing,
	    &(struct vm_options){ .workers = 3, .chunk_size = 4 });
	int seen[3][10] = { { 0 } }, tags[3];
	struct vm_source s;
	struct vm_result r;

	for (int i = 0; i < 3; i++) {
		s = vm_range(100 * i, 100 * i + 10);
		s.tag = &tags[i];
		imap_to(pool, s);
		imap_to(pool, vm_array(NULL, 0, 8));	/* an empty source */
	}
	for (int i = 0; i < 30; i++) {
		ptrdiff_t t;

		take(pool, &r);
		t = (int *)r.tag - tags;
		ck_assert(t >= 0 && t < 3 && r.index < 10);
		ck_assert_int_eq(*(const int64_t *)r.input,
		    100 * t + (int64_t)r.index);
		seen[t][r.index]++;
	}
	take_end(pool);
	for (int i = 0; i < 30; i++)
		ck_assert_int_eq(seen[i / 10][i % 10], 1);
	close_pool(pool);
}
END_TEST

START_TEST(empty_sources_end_at_once_and_the_pool_goes_on)
{
	vm_pool *pool = fork_pool(&echoing, NULL);
	struct vm_result r;

	take_end(pool);
	for (int round = 0; round < 3; round++) {
		imap_to(pool, vm_array(NULL, 0, 1));
		imap_to(pool, vm_range(5, 5));
		take_end(pool);
		imap_to(pool, vm_range(round, round + 1));
		take(pool, &r);
		ck_assert_int_eq(*(const int64_t *)r.input, round);
		ck_assert_uint_eq(r.index, 0);
		ck_assert_int_eq(r.attempts, 1);
		take_end(pool);
	}
	close_pool(pool);
}
END_TEST

/* ---- bytes ---- */

/* Fails unless the pointer to the input is aligned and a 0 follows the
   bytes. */
static int inspect(struct vm_context *me, const void *input, size_t size)
{
	const char *s = input;

	if (input == NULL || (uintptr_t)input % 16 != 0)
		return vm_fail(me, 1, "bad input %p", input);
	if (s[size] != '\0')
		return vm_fail(me, 2, "no 0 behind %zu bytes", size);
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)s[i] != 0xff)
			return vm_fail(me, 3, "byte %zu is wrong", i);
	return vm_output(me, input, size);
}

/* A source of inputs of 0, 1, 2 ... bytes, all 1. */
static int next_longer(void *from, const void **input, size_t *size)
{
	static unsigned char ones[300];
	size_t *n = from;

	memset(ones, 0xff, sizeof ones);
	if (*n == sizeof ones)
		return 0;
	*input = *n ? ones : NULL;
	*size = (*n)++;
	return 1;
}

static void check_bytes(const struct vm_result *r)
{
	const unsigned char *in = r->input, *out = r->output;

	ck_assert_msg(r->type == VM_OUTPUT, "%s",
	    r->exception ? r->exception->message : "");
	ck_assert_ptr_nonnull(in);
	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq((uintptr_t)in % 16, 0);
	ck_assert_uint_eq((uintptr_t)out % 16, 0);
	ck_assert_uint_eq(r->input_size, r->index);
	ck_assert_uint_eq(r->output_size, r->index);
	ck_assert_int_eq(in[r->index], 0);
	ck_assert_int_eq(out[r->index], 0);
	for (size_t i = 0; i < r->index; i++)
		ck_assert(in[i] == 0xff && out[i] == 0xff);
}

static void check_all_bytes(const struct vm_options *options)
{
	const struct vm_worker worker = { .process = inspect };
	vm_pool *pool = fork_pool(&worker, options);
	size_t n = 0;
	struct vm_result r;

	imap_to(pool, (struct vm_source){ .next = next_longer, .from = &n });
	for (int i = 0; i < 300; i++) {
		take(pool, &r);
		check_bytes(&r);
	}
	take_end(pool);
	close_pool(pool);
}

START_TEST(bytes_are_aligned_and_end_in_0)
{
	check_all_bytes(NULL);
	check_all_bytes(&(struct vm_options){ .workers = 2,
	    .chunk_size = 7 });
	check_all_bytes(&(struct vm_options){ .workers = VM_SERIAL });
}
END_TEST

static char text_of_tag[] = "tag";

/* Fails for odd numbers, else outputs the number as text. */
static int odd_fails(struct vm_context *me, const void *input, size_t size)
{
	char text[40];
	long long n = *(const int64_t *)input;

	(void)size;
	if (n % 2)
		return vm_fail(me, (int)n, "%lld is odd", n);
	return vm_output(me, text, (size_t)snprintf(text, sizeof text,
	    "%lld is even", n));
}

static void check_copy(const struct vm_result *c)
{
	char text[40];
	long long n = *(const int64_t *)c->input;

	snprintf(text, sizeof text, n % 2 ? "%lld is odd" : "%lld is even", n);
	ck_assert_uint_eq(c->index, (uint64_t)n);
	ck_assert_ptr_eq(c->tag, text_of_tag);
	if (n % 2) {
		ck_assert_int_eq(c->exception->code, (int)n);
		ck_assert_str_eq(c->exception->message, text);
		ck_assert_ptr_null(c->output);
	} else {
		ck_assert_ptr_null(c->exception);
		ck_assert_str_eq(c->output, text);
		ck_assert_uint_eq(c->output_size, strlen(text));
	}
}

START_TEST(copies_of_results_outlive_the_pool)
{
	const struct vm_worker worker = { .process = odd_fails };
	vm_pool *pool = fork_pool(&worker, NULL);
	struct vm_result r, *copies[20];
	struct vm_source s = vm_range(0, 20);

	s.tag = text_of_tag;
	imap_to(pool, s);
	for (int i = 0; i < 20; i++) {
		take(pool, &r);
		copies[i] = vm_result_copy(&r);
		ck_assert_ptr_nonnull(copies[i]);
	}
	close_pool(pool);
	for (int i = 0; i < 20; i++) {
		check_copy(copies[i]);
		free(copies[i]);
	}
	errno = 0;
	ck_assert_ptr_null(vm_result_copy(NULL));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

/* As in the result itself: pointers are aligned and a 0 follows the bytes,
   whatever the sizes. */
START_TEST(copied_bytes_are_aligned_and_end_in_0)
{
	unsigned char bytes[50];
	struct vm_result r = { .input = bytes, .output = bytes,
		.type = VM_OUTPUT };

	memset(bytes, 0xff, sizeof bytes);
	for (size_t n = 0; n < sizeof bytes * sizeof bytes; n++) {
		struct vm_result *c;

		r.input_size = n / sizeof bytes;
		r.output_size = n % sizeof bytes;
		c = vm_result_copy(&r);
		ck_assert_ptr_nonnull(c);
		ck_assert_mem_eq(c->input, bytes, c->input_size);
		ck_assert_mem_eq(c->output, bytes, c->output_size);
		ck_assert_int_eq(((char *)c->input)[c->input_size], 0);
		ck_assert_int_eq(((char *)c->output)[c->output_size], 0);
		ck_assert_uint_eq((uintptr_t)c->input % 16, 0);
		ck_assert_uint_eq((uintptr_t)c->output % 16, 0);
		free(c);
	}
}
END_TEST

START_TEST(a_result_stays_while_other_calls_are_made)
{
	const struct vm_worker worker = { .process = odd_fails };
	vm_pool *pool = fork_pool(&worker,
	    &(struct vm_options){ .workers = 2, .chunk_size = 3 });
	struct vm_result r;
	struct vm_source s = vm_range(0, 400);

	s.tag = text_of_tag;
	imap_to(pool, s);
	for (int i = 0; i < 100; i++) {
		take(pool, &r);
		ck_assert_int_eq(vm_ready(pool, -1), 0);
		imap_to(pool, vm_array(NULL, 0, 1));
		check_copy(&r);
	}
	vm_cancel(pool, 0);
	ck_assert_int_eq(vm_ready(pool, 5), 0);
	imap_to(pool, vm_array(NULL, 0, 1));
	check_copy(&r);
	close_pool(pool);
}
END_TEST

/* ---- misuse and small calls ---- */

START_TEST(misuse_is_refused)
{
	vm_pool *pool = fork_pool(&echoing, NULL);
	struct vm_result r;

	errno = 0;
	ck_assert_int_eq(vm_imap(NULL, vm_range(0, 1)), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(vm_imap(pool, (struct vm_source){ 0 }), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_str_ne(vm_error(pool), "");
	errno = 0;
	ck_assert_int_eq(vm_zip_in_out(NULL, &r), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(vm_zip_in_out(pool, NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_int_eq(vm_workers(NULL), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(vm_ready(NULL, 0), -1);
	ck_assert_int_eq(vm_broken(pool), 0);
	vm_cancel(NULL, 0);
	ck_assert_int_eq(vm_close(NULL), 0);
	take_end(pool);
	close_pool(pool);
}
END_TEST

START_TEST(success_keeps_errno)
{
	vm_pool *pool;
	struct vm_result r;

	errno = 77;
	pool = vm_fork(&echoing, NULL);
	ck_assert_int_eq(errno, 77);
	ck_assert_ptr_nonnull(pool);
	ck_assert_int_eq(vm_imap(pool, vm_range(0, 1)), 0);
	ck_assert_int_eq(errno, 77);
	ck_assert_int_eq(vm_zip_in_out(pool, &r), 1);
	ck_assert_int_eq(vm_zip_in_out(pool, &r), 0);
	vm_cancel(pool, 0);
	vm_error(pool);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	ck_assert_int_eq(vm_close(pool), 0);
	ck_assert_int_eq(errno, 77);
}
END_TEST

START_TEST(small_calls_answer)
{
	const enum vm_cause causes[] = { VM_FAILED, VM_KILLED, VM_EXITED,
		VM_TOO_BIG, VM_GARBLED, VM_SETUP_FAILED, VM_LOST,
		VM_CANCELLED };
	vm_pool *pool = fork_pool(&echoing,
	    &(struct vm_options){ .workers = 3 });
	vm_pool *serial = fork_pool(&echoing,
	    &(struct vm_options){ .workers = VM_SERIAL });
	vm_pool *usual = fork_pool(&echoing, NULL);
	char version[40];

	snprintf(version, sizeof version, "%d.%d.%d", VM_VERSION_MAJOR,
	    VM_VERSION_MINOR, VM_VERSION_PATCH);
	ck_assert_str_eq(vm_version(), version);
	ck_assert_int_eq(vm_workers(pool), 3);
	ck_assert_int_eq(vm_workers(serial), 1);
	ck_assert_int_ge(vm_workers(usual), 1);
	for (size_t i = 0; i < COUNTOF(causes); i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(vm_cause_name(causes[i]),
			    vm_cause_name(causes[j]));
	ck_assert_str_eq(vm_cause_name(VM_FAILED), "failed");
	ck_assert_str_eq(vm_cause_name(VM_EXITED), "exited");
	ck_assert_ptr_nonnull(vm_cause_name((enum vm_cause)(1 << 20)));
	close_pool(usual);
	close_pool(serial);
	close_pool(pool);
}
END_TEST

/* ---- callbacks ---- */

static int count_setup(struct vm_context *me)
{
	struct shared *s = me->config;

	me->state = me;
	atomic_fetch_add(&s->counter[SETUPS], 1);
	atomic_fetch_add(&s->pid[me->worker_index], 1);
	return 0;
}

static void count_teardown(struct vm_context *me)
{
	struct shared *s = me->config;

	if (me->state != me)
		atomic_fetch_add(&s->counter[WRONG], 1);
	atomic_fetch_add(&s->counter[TEARDOWNS], 1);
	atomic_fetch_add(&s->pid[100 + me->worker_index], 1);
}

static int count_item(struct vm_context *me, const void *input, size_t size)
{
	struct shared *s = me->config;

	(void)input;
	(void)size;
	if (me->state != me || me->attempt != 1)
		atomic_fetch_add(&s->counter[WRONG], 1);
	return vm_output(me, &me->worker_index, sizeof me->worker_index);
}

static void check_hooks(int workers, const int *indices, int items)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .setup = count_setup,
		.process = count_item, .teardown = count_teardown,
		.config = s };
	const struct vm_options options = { .workers = workers,
		.worker_indices = indices };
	vm_pool *pool = fork_pool(&worker, &options);
	int n = vm_workers(pool);
	struct vm_result r;

	ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, vm_range(0, items));
	for (int i = 0; i < items; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.worker_index, *(const int *)r.output);
	}
	take_end(pool);
	close_pool(pool);
	ck_assert_int_eq(atomic_load(&s->counter[SETUPS]), n);
	ck_assert_int_eq(atomic_load(&s->counter[TEARDOWNS]), n);
	ck_assert_int_eq(atomic_load(&s->counter[WRONG]), 0);
	for (int i = 0; i < n; i++) {
		int index = indices ? indices[i] : i;

		ck_assert_int_eq(atomic_load(&s->pid[index]), 1);
		ck_assert_int_eq(atomic_load(&s->pid[100 + index]), 1);
	}
	shared_free(s);
}

START_TEST(hooks_run_once_in_every_worker)
{
	check_hooks(5, NULL, 100);
	check_hooks(5, NULL, 0);
	check_hooks(3, (const int[]){ 40, 7, 99 }, 50);
	check_hooks(VM_SERIAL, NULL, 10);
	check_hooks(1, (const int[]){ 12 }, 10);
}
END_TEST

static int failing_setup(struct vm_context *me)
{
	return vm_fail(me, 5, "no licence");
}

static int gated_setup(struct vm_context *me)
{
	struct shared *s = me->config;

	return await(&s->counter[GATE], 1, limit_ms());
}

START_TEST(ready_waits_for_setups)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .setup = gated_setup,
		.process = echo, .config = s };
	vm_pool *pool = fork_pool(&worker,
	    &(struct vm_options){ .workers = 2 });

	ck_assert_int_eq(vm_ready(pool, 0), VM_LATER);
	ck_assert_int_eq(vm_ready(pool, 20), VM_LATER);
	atomic_store(&s->counter[GATE], 1);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	ck_assert_int_eq(vm_ready(pool, 0), 0);
	close_pool(pool);
	shared_free(s);
}
END_TEST

static void check_failing_setup(int workers)
{
	const struct vm_worker worker = { .setup = failing_setup,
		.process = echo };
	vm_pool *pool = fork_pool(&worker,
	    &(struct vm_options){ .workers = workers });

	errno = 0;
	ck_assert_int_eq(vm_ready(pool, -1), -1);
	ck_assert_int_eq(errno, ECHILD);
	ck_assert_ptr_nonnull(strstr(vm_error(pool), "no licence"));
	close_pool(pool);
}

START_TEST(ready_tells_of_a_setup_that_failed)
{
	check_failing_setup(2);
	check_failing_setup(VM_SERIAL);
}
END_TEST

/* ---- seeds ---- */

/* Fails at the first of two attempts; the output is the seed. */
static int seed_out(struct vm_context *me, const void *input, size_t size)
{
	(void)size;
	if (*(const int64_t *)input % 5 == 0 && me->attempt == 1)
		return vm_fail(me, 1, "again");
	return vm_output(me, &me->seed, sizeof me->seed);
}

/* Collects the seeds of 60 inputs of two sources and of another run. */
static void gather_seeds(uint64_t *seeds, struct vm_options options)
{
	const struct vm_worker worker = { .process = seed_out };
	vm_pool *pool;
	struct vm_result r;

	options.max_attempts = 2;
	options.flags = VM_ORDERED;
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, 20));
	imap_to(pool, vm_range(0, 20));
	for (int i = 0; i < 60; i++) {
		if (i == 40) {
			take_end(pool);
			imap_to(pool, vm_range(0, 20));
		}
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_int_eq(r.attempts, r.index % 5 == 0 ? 2 : 1);
		memcpy(&seeds[i], r.output, sizeof *seeds);
	}
	take_end(pool);
	close_pool(pool);
}

START_TEST(seeds_depend_on_the_input_alone)
{
	const struct vm_options others[] = {
		{ .workers = 1, .seed = 7 },
		{ .workers = 5, .seed = 7 },
		{ .workers = 2, .seed = 7, .chunk_size = 1 },
		{ .workers = 3, .seed = 7, .chunk_size = 13 },
		{ .workers = VM_SERIAL, .seed = 7 } };
	uint64_t first[60], seeds[60];

	gather_seeds(first, (struct vm_options){ .workers = 2, .seed = 7 });
	for (size_t i = 0; i < COUNTOF(others); i++) {
		gather_seeds(seeds, others[i]);
		ck_assert_mem_eq(seeds, first, sizeof seeds);
	}
	for (int i = 0; i < 60; i++)
		for (int j = 0; j < i; j++)
			ck_assert(first[i] != first[j]);
	gather_seeds(seeds, (struct vm_options){ .workers = 2, .seed = 8 });
	for (int i = 0; i < 60; i++)
		ck_assert(first[i] != seeds[i]);
}
END_TEST

/* ---- serial ---- */

/* Does each thing an item can do, except kill its worker. */
static int mixed(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = *(const int64_t *)input;
	void *room;

	(void)size;
	switch (n % 11) {
	case 0:
		return 0;
	case 1:
		return -3;
	case 2:
		return vm_fail(me, 0, "sentence %d", (int)n);
	case 3:
		vm_fail(me, 4, "said before");
		return 0;
	case 4:
		return me->attempt < 3 ? vm_fail(me, me->attempt, "later") :
		    vm_output(me, &n, sizeof n);
	case 5:
		vm_output(me, "abcdefgh", 8);
		return vm_output(me, &me->seed, sizeof me->seed);
	case 10:
		vm_output(me, "0123456789abcdefghijklmno", 25);
		return 0;
	case 6:
		vm_output(me, "dropped", 7);
		return 9;
	case 7:
		room = vm_reserve(me, 24);
		if (room == NULL)
			return -1;
		memset(room, 'r', 24);
		return vm_commit(me, 20);
	default:
		return vm_fail(me, 1, "attempt %d", me->attempt);
	}
}

/* Prints a result as text, without the index of its worker. */
static void tell(char *text, size_t room, const struct vm_result *r)
{
	const struct vm_exception *x = r->exception;
	unsigned long long sum = 0;

	for (size_t i = 0; i < r->output_size; i++)
		sum = sum * 31 + ((const unsigned char *)r->output)[i];
	snprintf(text, room, "%llu type %d attempts %d in %lld size %zu %llu "
	    "cause %d code %d %d %d %s", (unsigned long long)r->index,
	    (int)r->type, r->attempts,
	    (long long)*(const int64_t *)r->input, r->output_size, sum,
	    x ? (int)x->cause : 0, x ? x->code : 0, x ? x->signal : 0,
	    x ? x->exit_status : 0, x ? x->message : "");
}

static void tell_all(char texts[][300], size_t count,
    struct vm_options options)
{
	struct shared *s = shared_new();
	const struct vm_worker worker = { .setup = count_setup,
		.process = mixed, .teardown = count_teardown, .config = s };
	vm_pool *pool;
	struct vm_result r;

	options.flags = VM_ORDERED;
	options.max_attempts = 3;
	options.max_item_bytes = 24;
	pool = fork_pool(&worker, &options);
	imap_to(pool, vm_range(0, (int64_t)count));
	for (size_t i = 0; i < count; i++) {
		take(pool, &r);
		tell(texts[i], sizeof texts[i], &r);
	}
	take_end(pool);
	close_pool(pool);
	ck_assert_int_ge(atomic_load(&s->counter[SETUPS]), 1);
	ck_assert_int_eq(atomic_load(&s->counter[SETUPS]),
	    atomic_load(&s->counter[TEARDOWNS]));
	shared_free(s);
}

START_TEST(serial_gives_the_same_tuples)
{
	static char serial[90][300], forked[90][300];
	const size_t chunk_sizes[] = { 0, 1, 7 };

	tell_all(serial, 90, (struct vm_options){ .workers = VM_SERIAL });
	for (size_t i = 0; i < COUNTOF(chunk_sizes); i++) {
		tell_all(forked, 90, (struct vm_options){ .workers = 3,
		    .chunk_size = chunk_sizes[i] });
		for (int j = 0; j < 90; j++)
			ck_assert_str_eq(serial[j], forked[j]);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		doubles_in_any_order, doubles_in_order,
		sources_in_a_row_keep_their_tags_and_indexes,
		empty_sources_end_at_once_and_the_pool_goes_on,
		bytes_are_aligned_and_end_in_0,
		copies_of_results_outlive_the_pool,
		copied_bytes_are_aligned_and_end_in_0,
		a_result_stays_while_other_calls_are_made, misuse_is_refused,
		success_keeps_errno, small_calls_answer,
		hooks_run_once_in_every_worker, ready_waits_for_setups,
		ready_tells_of_a_setup_that_failed,
		seeds_depend_on_the_input_alone, serial_gives_the_same_tuples };
	const TTest *const drawn[] = {
		order_holds_whatever_the_times };

	return run_sampled_tests("imap", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
