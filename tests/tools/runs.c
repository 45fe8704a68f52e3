/* runs.c - see runs.h: helpers of the tests of reducers. */
#include "config.h"

#include "runs.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "reduce/record.h"
#include "tools.h"

static void *kill_workers(void *arg)
{
	struct killer *k = arg;
	unsigned seed = 7;
	pid_t pids[32];
	int n;

	while (!atomic_load(&k->stop)) {
		n = list_children(k->server, pids, COUNTOF(pids));
		if (n > 0 && atomic_load(k->killed) < atomic_load(k->most)) {
			seed = seed * 1103515245 + 12345;
			if (kill(pids[(seed >> 16) % (unsigned)n],
			    SIGKILL) == 0)
				atomic_fetch_add(k->killed, 1);
		}
		nap_ms(3);
	}
	return NULL;
}

void killer_start(struct killer *k, atomic_long *killed,
    const atomic_long *most)
{
	atomic_init(&k->stop, 0);
	k->killed = killed;
	k->most = most;
	ck_assert_int_eq(list_children(getpid(), &k->server, 1), 1);
	ck_assert_int_eq(pthread_create(&k->thread, NULL, kill_workers, k), 0);
}

void killer_stop(struct killer *k)
{
	atomic_store(&k->stop, 1);
	pthread_join(k->thread, NULL);
}

vm_reducer *fork_job(const struct vm_job *job, const struct vm_options *o,
    const struct vm_reduce_options *h)
{
	vm_reducer *r = vm_fork_jobs(job, 1, o, h);

	ck_assert_msg(r != NULL, "vm_fork_jobs: %s", vm_reducer_error(NULL));
	return r;
}

int refused_job(const struct vm_job *job, const struct vm_options *o,
    const struct vm_reduce_options *h)
{
	int fds = count_fds(), error;
	vm_reducer *r = vm_fork_jobs(job, 1, o, h);

	error = errno;
	ck_assert_ptr_null(r);
	ck_assert_str_ne(vm_reducer_error(NULL), "");
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), 0);
	return error;
}

void queue_run(vm_reducer *r, size_t job, struct vm_source source)
{
	ck_assert_msg(vm_map_reduce(r, job, source) == 0, "vm_map_reduce: %s",
	    vm_reducer_error(r));
}

/* ---- results ---- */

static void add(struct counts *c, const struct count *one)
{
	/* The array grows to the next power of two. */
	if ((c->size & (c->size - 1)) == 0 || c->size == 0)
		c->of = realloc(c->of, (c->size ? 2 * c->size : 1) *
		    sizeof *c->of);
	ck_assert_ptr_nonnull(c->of);
	c->of[c->size++] = *one;
}

static uint64_t number_at(const void *from, size_t size)
{
	uint64_t n;

	ck_assert_uint_eq(size, sizeof n);
	memcpy(&n, from, sizeof n);
	return n;
}

static uint64_t total(struct vm_values *values)
{
	uint64_t n = 0, count = vm_value_count(values);
	const void *value;
	size_t size;

	for (; (value = vm_value(values, &size)) != NULL; count--)
		n += number_at(value, size);
	ck_assert_uint_eq(count, 0);
	return n;
}

static void *copy_of(const void *from, size_t size)
{
	void *to = malloc(size + 1);

	ck_assert_ptr_nonnull(to);
	if (size > 0)
		memcpy(to, from, size);
	((unsigned char *)to)[size] = 0;
	return to;
}

/* Checks a result against the contract of vm_reduced and appends it. */
static void note(struct counts *c, const struct vm_reduced *r)
{
	struct count one = { .key_size = r->key_size };

	if (r->type == VM_EXCEPTION) {
		ck_assert_ptr_nonnull(r->exception);
		ck_assert_ptr_nonnull(r->exception->message);
		ck_assert_ptr_null(r->output);
		one.cause = (int)r->exception->cause;
	}
	if (r->stage == VM_MAP_STAGE) {
		ck_assert_ptr_null(r->key);
		ck_assert_int_eq(r->type, VM_EXCEPTION);
		one.key = copy_of(r->input, r->input_size);
		one.key_size = r->input_size;
		one.input = r->input;
		c->bad_inputs++;
	} else {
		ck_assert_ptr_nonnull(r->key);
		ck_assert_ptr_null(r->input);
		ck_assert_int_eq(((const char *)r->key)[r->key_size], 0);
		one.key = copy_of(r->key, r->key_size);
		c->bad_keys += r->type == VM_EXCEPTION;
		c->outputs += r->type == VM_OUTPUT;
	}
	if (r->type == VM_OUTPUT) {
		ck_assert_ptr_null(r->exception);
		ck_assert((r->values != NULL) != (r->output != NULL));
		one.n = r->values ? total(r->values) :
		    number_at(r->output, r->output_size);
	}
	add(c, &one);
}

static int by_key(const void *a, const void *b)
{
	const struct count *x = *(const struct count *const *)a;
	const struct count *y = *(const struct count *const *)b;

	return record_compare(x->key, x->key_size, y->key, y->key_size);
}

/* Has a key come twice? */
static int any_twice(const struct counts *c)
{
	const struct count **all = calloc(c->size + 1, sizeof *all);
	size_t n = 0;
	int twice = 0;

	ck_assert_ptr_nonnull(all);
	for (size_t i = 0; i < c->size; i++)
		if (c->of[i].input == NULL)
			all[n++] = &c->of[i];
	qsort(all, n, sizeof *all, by_key);
	for (size_t i = 1; i < n; i++)
		twice |= by_key(&all[i - 1], &all[i]) == 0;
	free(all);
	return twice;
}

void take_run(vm_reducer *r, struct counts *c)
{
	struct vm_reduced one;

	*c = (struct counts){ 0 };
	while ((c->rc = vm_zip_key_out(r, &one)) == 1)
		note(c, &one);
	c->error = errno;
	ck_assert(c->rc == 0 || c->rc == -1);
	if (c->rc == -1)
		ck_assert_str_ne(vm_reducer_error(r), "");
	ck_assert_msg(!any_twice(c), "a key has come twice");
}

void take_good_run(vm_reducer *r, struct counts *c)
{
	take_run(r, c);
	ck_assert_msg(c->rc == 0, "vm_zip_key_out: %s (%d)",
	    vm_reducer_error(r), c->error);
	ck_assert_uint_eq(c->bad_inputs, 0);
	ck_assert_uint_eq(c->bad_keys, 0);
}

void counts_free(struct counts *c)
{
	for (size_t i = 0; i < c->size; i++)
		free(c->of[i].key);
	free(c->of);
	*c = (struct counts){ 0 };
}

uint64_t count_of(const struct counts *c, const char *key)
{
	for (size_t i = 0; i < c->size; i++)
		if (c->of[i].input == NULL && c->of[i].cause == 0 &&
		    c->of[i].key_size == strlen(key) &&
		    memcmp(c->of[i].key, key, strlen(key)) == 0)
			return c->of[i].n;
	return 0;
}

int in_key_order(const struct counts *c)
{
	for (size_t i = 1; i < c->size; i++)
		if (record_compare(c->of[i - 1].key, c->of[i - 1].key_size,
		    c->of[i].key, c->of[i].key_size) >= 0)
			return 0;
	return 1;
}

void close_reducer(vm_reducer *r)
{
	ck_assert_msg(vm_reducer_close(r) == 0, "vm_reducer_close: %s",
	    vm_reducer_error(NULL));
}

/* ---- hooks ---- */

int map_words(struct vm_context *me, const void *input, size_t size)
{
	const char *at = input, *end = at + size, *begin;
	const uint64_t one = 1;

	for (;;) {
		while (at < end && *at == ' ')
			at++;
		for (begin = at; at < end && *at != ' ';)
			at++;
		if (at == begin)
			return 0;
		if (vm_emit(me, begin, (size_t)(at - begin), &one,
		    sizeof one) < 0)
			return -1;
	}
}

int reduce_sum(struct vm_context *me, const void *key, size_t key_size,
    struct vm_values *values)
{
	uint64_t sum = 0, n;
	const void *value;
	size_t size;

	(void)key;
	(void)key_size;
	while ((value = vm_value(values, &size)) != NULL) {
		if (size != sizeof n)
			return vm_fail(me, 1, "a value of %zu bytes", size);
		memcpy(&n, value, sizeof n);
		sum += n;
	}
	return vm_output(me, &sum, sizeof sum);
}

const struct vm_job count_words = {
	.map = map_words,
	.collect = vm_add_up,
	.reduce = reduce_sum,
};

static const char *const texts[] = { "a b a", "b c", "c c c" };

struct vm_source abc(void)
{
	return vm_strings(texts, COUNTOF(texts));
}

void check_abc(const struct counts *c)
{
	ck_assert_uint_eq(c->outputs, 3);
	ck_assert_uint_eq(count_of(c, "a"), 2);
	ck_assert_uint_eq(count_of(c, "b"), 2);
	ck_assert_uint_eq(count_of(c, "c"), 4);
}
