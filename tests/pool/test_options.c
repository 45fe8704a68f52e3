/*
 * test_options.c - options: each value is checked, messages name the option,
 * and structs of other versions are understood.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "pool/settings.h"
#include "tools.h"

static int process(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker worker = { .process = process };

/* vm_fork_sized() must fail with EINVAL and a message that contains this
   text. */
static void refused_sized(const struct vm_worker *w, size_t worker_size,
    const struct vm_options *o, size_t size, const char *name)
{
	vm_pool *pool;

	errno = 0;
	pool = vm_fork_sized(w, worker_size, o, size);
	ck_assert_msg(pool == NULL, "%s was not refused", name);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_msg(strstr(vm_error(NULL), name) != NULL,
	    "\"%s\" does not name %s", vm_error(NULL), name);
}

static void refused(const struct vm_options *o, const char *name)
{
	refused_sized(&worker, sizeof worker, o, sizeof *o, name);
}

/* Forks a pool with these options and runs an item in it; errno is unchanged,
   and there is no error text. */
static void works_sized(const struct vm_worker *w, size_t worker_size,
    const struct vm_options *o, size_t size)
{
	struct vm_result r;
	vm_pool *pool;

	errno = EXDEV;
	pool = vm_fork_sized(w, worker_size, o, size);
	ck_assert_msg(pool != NULL, "vm_fork_sized: %s", vm_error(NULL));
	ck_assert_int_eq(errno, EXDEV);
	ck_assert_str_eq(vm_error(NULL), "");
	ck_assert_int_eq(vm_imap(pool, vm_range(1, 2)), 0);
	ck_assert_int_eq(vm_zip_in_out(pool, &r), 1);
	ck_assert_int_eq(r.type, VM_OUTPUT);
	ck_assert_uint_eq(r.output_size, sizeof(int64_t));
	ck_assert_int_eq(*(const int64_t *)r.output, 1);
	ck_assert_int_eq(vm_zip_in_out(pool, &r), 0);
	ck_assert_int_eq(vm_close(pool), 0);
}

static void works(const struct vm_options *o)
{
	works_sized(&worker, sizeof worker, o, sizeof *o);
}

/* ---- options that are numbers ---- */

/* Options of type int, and of type size_t, by offset. */
#define OPTION(name) { #name, offsetof(struct vm_options, name) }
static const struct option { const char *name; size_t at; } ints[] = {
	OPTION(workers),
	OPTION(max_real_in_flight_factor),
	OPTION(max_total_in_flight_factor),
	OPTION(max_attempts),
	OPTION(retry_delay_ms),
	OPTION(retry_delay_max_ms),
	OPTION(max_failures),
	OPTION(item_timeout_ms),
	OPTION(setup_timeout_ms),
	OPTION(teardown_timeout_ms),
	OPTION(close_timeout_ms),
	OPTION(fork_timeout_ms),
	OPTION(max_workers),
	OPTION(worker_max_items),
	OPTION(worker_max_cpu_seconds),
	OPTION(connect_timeout_ms),
	OPTION(silence_ms),
	OPTION(max_hosts),
	OPTION(patience_ms),
	OPTION(max_losses),
}, sizes[] = {
	OPTION(chunk_size),
	OPTION(max_in_flight_bytes),
	OPTION(max_item_bytes),
};

/* Returns options in which only this int, or size_t, is set. */
static struct vm_options with_int(size_t at, int value)
{
	struct vm_options o = { .workers = 1 };

	memcpy((char *)&o + at, &value, sizeof value);
	return o;
}

static struct vm_options with_size(size_t at, size_t value)
{
	struct vm_options o = { .workers = 1 };

	memcpy((char *)&o + at, &value, sizeof value);
	return o;
}

START_TEST(negative_numbers_are_refused)
{
	static const int values[] = { -1, -2, VM_ELSEWHERE + 1, VM_SERIAL - 1,
		INT_MIN };
	char name[100];

	for (size_t i = 0; i < COUNTOF(ints); i++)
		for (size_t n = 0; n < COUNTOF(values); n++) {
			struct vm_options o = with_int(ints[i].at,
			    values[n]);

			snprintf(name, sizeof name, "vm_options.%s ",
			    ints[i].name);
			refused(&o, name);
		}
}
END_TEST

/* VM_SERIAL is valid as a number of workers only. */
START_TEST(serial_is_for_workers_only)
{
	for (size_t i = 0; i < COUNTOF(ints); i++) {
		struct vm_options o = with_int(ints[i].at, VM_SERIAL);

		if (ints[i].at == offsetof(struct vm_options, workers))
			works(&o);
		else
			refused(&o, ints[i].name);
	}
}
END_TEST

START_TEST(absurd_counts_are_refused)
{
	static const char *const counts[] = { "workers",
		"max_real_in_flight_factor", "max_total_in_flight_factor",
		"max_attempts", "max_workers", "max_hosts", "max_losses" };

	for (size_t i = 0; i < COUNTOF(ints); i++) {
		struct vm_options o = with_int(ints[i].at, INT_MAX);
		bool absurd = false;

		for (size_t n = 0; n < COUNTOF(counts); n++)
			absurd |= strcmp(counts[n], ints[i].name) == 0;
		if (absurd)
			refused(&o, ints[i].name);
		else
			works(&o);
	}
}
END_TEST

/* The largest allowed value is accepted, the next value is not. */
START_TEST(bounds_are_exact)
{
	const int most = 1000000;
	struct vm_options o = { .workers = 1, .max_attempts = most,
		.max_real_in_flight_factor = most,
		.max_total_in_flight_factor = most };

	works(&o);
	o.max_attempts = most + 1;
	refused(&o, "max_attempts");
	o.max_attempts = 0;
	o.max_real_in_flight_factor = most + 1;
	refused(&o, "max_real_in_flight_factor");
	refused(&(struct vm_options){ .workers = 32767 }, "workers");
	refused(&(struct vm_options){ .max_workers = 32767 }, "max_workers");
}
END_TEST

START_TEST(absurd_sizes_are_refused)
{
	static const size_t values[] = { SIZE_MAX, SIZE_MAX / 2 + 1,
		SIZE_MAX / 4 };

	for (size_t i = 0; i < COUNTOF(sizes); i++)
		for (size_t n = 0; n < COUNTOF(values); n++) {
			struct vm_options o = with_size(sizes[i].at,
			    values[n]);

			refused(&o, sizes[i].name);
		}
}
END_TEST

START_TEST(one_of_everything_works)
{
	for (size_t i = 0; i < COUNTOF(ints); i++) {
		struct vm_options o = with_int(ints[i].at, 1);

		/* A limit of 1 ms could end a setup or an item that works. */
		if (ints[i].at == offsetof(struct vm_options,
		    setup_timeout_ms))
			o.setup_timeout_ms = 10000;
		if (ints[i].at == offsetof(struct vm_options,
		    item_timeout_ms))
			o.item_timeout_ms = 10000;
		works(&o);
	}
	for (size_t i = 0; i < COUNTOF(sizes); i++) {
		struct vm_options o = with_size(sizes[i].at, 8);

		works(&o);
	}
}
END_TEST

START_TEST(only_causes_of_an_item_are_retried)
{
	static const unsigned refusable[] = { VM_SETUP_FAILED, VM_LOST,
		VM_CANCELLED, 1u << 9, 1u << 31, UINT_MAX,
		VM_FAILED | VM_LOST };
	struct vm_options o = { .workers = 1 };

	for (size_t i = 0; i < COUNTOF(refusable); i++) {
		o.retry_on = refusable[i];
		refused(&o, "vm_options.retry_on ");
	}
	for (o.retry_on = VM_FAILED; o.retry_on <= VM_GARBLED;
	    o.retry_on *= 2)
		works(&o);
	o.retry_on = 2 * VM_GARBLED - 1;
	works(&o);
}
END_TEST

/* VM_ISOLATE excludes a chunk size above 1, more items per worker, and
   VM_SERIAL. */
START_TEST(isolated_items_have_workers_of_their_own)
{
	refused(&(struct vm_options){ .flags = VM_ISOLATE, .chunk_size = 2 },
	    "VM_ISOLATE");
	refused(&(struct vm_options){ .flags = VM_ISOLATE,
	    .worker_max_items = 2 }, "VM_ISOLATE");
	refused(&(struct vm_options){ .flags = VM_ISOLATE,
	    .workers = VM_SERIAL }, "VM_ISOLATE");
}
END_TEST

START_TEST(limits_on_memory_may_be_any)
{
	struct vm_options o = { .workers = 1 };

	o.worker_max_rss_bytes = SIZE_MAX;
	works(&o);
	o.worker_max_rss_bytes = 1;
	works(&o);
	o.worker_max_rss_bytes = 0;
	o.worker_max_address_bytes = SIZE_MAX;
	works(&o);
}
END_TEST

/* A refused vm_fork() leaves no error text, descriptor or child behind. */
START_TEST(a_refusal_is_forgotten_by_the_next_fork)
{
	struct vm_options bad = { .workers = -1 }, good = { .workers = 1 };
	int before = count_fds();

	refused(&bad, "workers");
	ck_assert_int_eq(count_fds(), before);
	ck_assert_int_eq(count_children(), 0);
	works(&good);
	ck_assert_int_eq(count_fds(), before);
	ck_assert_int_eq(count_children(), 0);
}
END_TEST

/* ---- defaults ---- */

static void has_defaults(const struct settings *s)
{
	ck_assert(!s->serial);
	ck_assert(!s->ordered);
	ck_assert(!s->debug);
	ck_assert_ptr_null(s->indices);
	ck_assert_uint_ge(s->workers, 1);
	ck_assert_uint_eq(s->chunk_size, 0);
	ck_assert_uint_eq(s->real_factor, 10);
	ck_assert_uint_eq(s->total_factor, 100);
	ck_assert_uint_eq(s->max_bytes, 0);
	ck_assert_uint_eq(s->memory, 0);
	ck_assert_uint_eq(s->plan.max_item, 1 << 30);
	ck_assert_int_eq(s->max_attempts, 1);
	ck_assert_uint_eq(s->retry_on, VM_FAILED | VM_KILLED | VM_EXITED |
	    VM_TIMED_OUT | VM_TOO_BIG | VM_GARBLED);
	ck_assert_uint_eq(s->retry_ns, 0);
	ck_assert_uint_eq(s->retry_most_ns, 60000 * MS_IN_NS);
	ck_assert_uint_eq(s->max_failures, 0);
	ck_assert_uint_eq(s->item_ns, 0);
	ck_assert_uint_eq(s->setup_ns, 0);
	ck_assert_uint_eq(s->max_workers, MAX(2 * s->workers, 16));
	ck_assert_uint_eq(s->max_items, 0);
	ck_assert_uint_eq(s->max_rss, 0);
	ck_assert_int_eq(s->plan.max_cpu_s, 0);
	ck_assert_uint_eq(s->plan.max_address_space, 0);
	ck_assert(!s->plan.tell_teardowns);
	ck_assert(!s->plan.measure && !s->plan.capture);
	ck_assert_uint_eq(s->teardown_ns, 5000 * MS_IN_NS);
	ck_assert_uint_eq(s->close_ns, 5000 * MS_IN_NS);
	ck_assert_uint_eq(s->fork_ns, 30000 * MS_IN_NS);
	ck_assert_uint_eq(s->plan.seed, 0);
	ck_assert(s->plan.hooks.process == process);
}

START_TEST(defaults_are_as_documented)
{
	const struct vm_options zero = { .workers = 0 };
	struct words words = { "" };
	struct settings s;

	ck_assert_int_eq(settings_make(&s, &worker, sizeof worker, NULL, 0,
	    &words), 0);
	has_defaults(&s);
	settings_release(&s);
	ck_assert_int_eq(settings_make(&s, &worker, sizeof worker, &zero,
	    sizeof zero, &words), 0);
	has_defaults(&s);
	settings_look(&s);
	ck_assert_uint_gt(s.memory, 0);
	settings_release(&s);
	ck_assert_str_eq(words.text, "");
}
END_TEST

START_TEST(bytes_in_flight_go_by_workers_and_memory)
{
	struct settings s = { .memory = UINT64_MAX };
	size_t usual;

	ck_assert_uint_eq(settings_bytes(&s, 1, &usual), 64 << 20);
	ck_assert_uint_eq(settings_bytes(&s, 4, &usual), 64 << 20);
	ck_assert_uint_eq(settings_bytes(&s, 32, &usual), 512 << 20);
	ck_assert_uint_eq(usual, 64 << 20);
	s.memory = 1 << 30;
	ck_assert_uint_eq(settings_bytes(&s, 32, &usual), 128 << 20);
	ck_assert_uint_eq(usual, 64 << 20);
	s.memory = 80 << 20;
	ck_assert_uint_eq(settings_bytes(&s, 32, &usual), 10 << 20);
	ck_assert_uint_eq(usual, 10 << 20);
	s.memory = 1;
	ck_assert_uint_eq(settings_bytes(&s, 32, &usual), 1 << 20);
}
END_TEST

/* The bound of the pool follows its current number of workers. */
START_TEST(bytes_in_flight_follow_a_resize)
{
	const struct vm_options o = { .workers = 1, .max_workers = 9 };
	vm_pool *pool = vm_fork(&worker, &o);
	struct engine *e;

	ck_assert_ptr_nonnull(pool);
	e = &pool->engine;
	e->set.memory = UINT64_MAX;
	ck_assert_int_eq(vm_resize(pool, 9), 0);
	ck_assert_uint_eq(e->window.most_bytes, 144 << 20);
	ck_assert_uint_eq(e->window.max_bytes, 64 << 20);
	ck_assert_uint_eq(e->window.least, 9);
	ck_assert_int_eq(vm_resize(pool, 1), 0);
	ck_assert_int_eq(vm_close(pool), 0);
}
END_TEST

START_TEST(what_is_given_is_taken)
{
	const struct vm_options o = { .workers = 7,
		.flags = VM_ORDERED | VM_DEBUG,
		.chunk_size = 12, .max_real_in_flight_factor = 3,
		.max_total_in_flight_factor = 4, .max_in_flight_bytes = 555,
		.max_item_bytes = 666, .max_attempts = 8,
		.teardown_timeout_ms = 9, .close_timeout_ms = 10,
		.fork_timeout_ms = 11,
		.seed = UINT64_MAX };
	struct words words = { "" };
	struct settings s;
	size_t usual;

	ck_assert_int_eq(settings_make(&s, &worker, sizeof worker, &o,
	    sizeof o, &words), 0);
	ck_assert_uint_eq(s.workers, 7);
	ck_assert(s.ordered && s.debug && !s.serial);
	ck_assert_uint_eq(s.chunk_size, 12);
	ck_assert_uint_eq(s.real_factor, 3);
	ck_assert_uint_eq(s.total_factor, 4);
	ck_assert_int_eq(s.leases, 3);
	ck_assert_uint_eq(settings_bytes(&s, 7, &usual), 555);
	ck_assert_uint_eq(settings_bytes(&s, 700, &usual), 555);
	ck_assert_uint_eq(usual, 555);
	ck_assert_uint_eq(s.plan.max_item, 666);
	ck_assert_int_eq(s.max_attempts, 8);
	ck_assert_uint_eq(s.teardown_ns, 9 * MS_IN_NS);
	ck_assert_uint_eq(s.close_ns, 10 * MS_IN_NS);
	ck_assert_uint_eq(s.fork_ns, 11 * MS_IN_NS);
	ck_assert_uint_eq(s.plan.seed, UINT64_MAX);
	settings_release(&s);
}
END_TEST

START_TEST(limits_that_are_given_are_taken)
{
	const struct vm_options o = { .workers = 7,
		.retry_on = VM_KILLED | VM_TIMED_OUT, .retry_delay_ms = 11,
		.retry_delay_max_ms = 12, .max_failures = 13,
		.item_timeout_ms = INT_MAX, .setup_timeout_ms = 15,
		.max_workers = 16, .worker_max_items = 17,
		.worker_max_cpu_seconds = 18,
		.worker_max_address_bytes = SIZE_MAX,
		.worker_max_rss_bytes = 20 };
	struct words words = { "" };
	struct settings s;

	ck_assert_int_eq(settings_make(&s, &worker, sizeof worker, &o,
	    sizeof o, &words), 0);
	ck_assert_uint_eq(s.retry_on, VM_KILLED | VM_TIMED_OUT);
	ck_assert_uint_eq(s.retry_ns, 11 * MS_IN_NS);
	ck_assert_uint_eq(s.retry_most_ns, 12 * MS_IN_NS);
	ck_assert_uint_eq(s.max_failures, 13);
	ck_assert_uint_eq(s.item_ns, INT_MAX * MS_IN_NS);
	ck_assert_uint_eq(s.setup_ns, 15 * MS_IN_NS);
	ck_assert_uint_eq(s.max_workers, 16);
	ck_assert_uint_eq(s.max_items, 17);
	ck_assert_int_eq(s.plan.max_cpu_s, 18);
	ck_assert_uint_eq(s.plan.max_address_space, SIZE_MAX);
	ck_assert_uint_eq(s.max_rss, 20);
	settings_release(&s);
}
END_TEST

/* Returns the flags whose settings are set, for given flags. */
static unsigned flags_taken(unsigned flags)
{
	const struct vm_options o = { .workers = 7, .flags = flags,
		.journal = "not opened" };
	struct words words = { "" };
	struct settings s;
	unsigned taken;

	ck_assert_int_eq(settings_make(&s, &worker, sizeof worker, &o,
	    sizeof o, &words), 0);
	taken = (s.ordered ? VM_ORDERED : 0) |
	    (s.plan.measure ? VM_MEASURE_ITEMS : 0) |
	    (s.plan.capture ? VM_STDERR_TAIL : 0) |
	    (s.plan.tell_teardowns ? VM_TELL_TEARDOWNS : 0) |
	    (s.debug ? VM_DEBUG : 0) |
	    (s.plan.ignore_sigterm ? VM_IGNORE_SIGTERM : 0) |
	    (s.plan.reseed ? 0 : VM_KEEP_RAND) |
	    (s.isolate ? VM_ISOLATE : 0) |
	    (s.plan.whole_lines ? VM_WHOLE_LINES : 0) |
	    (s.progress ? VM_PROGRESS : 0) |
	    (s.journal_outputs ? VM_JOURNAL_OUTPUTS : 0) |
	    (s.journal_retry ? VM_JOURNAL_RETRY : 0) |
	    (s.journal_sync ? VM_JOURNAL_SYNC : 0);
	settings_release(&s);
	return taken;
}

START_TEST(each_flag_is_taken)
{
	for (unsigned flag = 0; flag <= VM_JOURNAL_SYNC;
	    flag = flag ? 2 * flag : 1)
		ck_assert_uint_eq(flags_taken(flag), flag &
		    ~(unsigned)VM_NO_ENVIRONMENT);
	ck_assert_uint_eq(flags_taken(2 * VM_JOURNAL_SYNC - 1),
	    (2 * VM_JOURNAL_SYNC - 1) & ~(unsigned)VM_NO_ENVIRONMENT);
}
END_TEST

START_TEST(unknown_flags_are_refused)
{
	struct vm_options o = { .workers = 1 };

	for (o.flags = 2 * VM_JOURNAL_SYNC; o.flags != 0; o.flags *= 2)
		refused(&o, "vm_options.flags");
	o.flags = ~0u;
	refused(&o, "0xffffc000");
}
END_TEST

START_TEST(no_options_at_all_make_a_pool)
{
	vm_pool *pool = vm_fork(&worker, NULL);

	ck_assert_msg(pool != NULL, "vm_fork: %s", vm_error(NULL));
	ck_assert_int_ge(vm_workers(pool), 1);
	ck_assert_str_eq(vm_error(pool), "");
	ck_assert_int_eq(vm_broken(pool), 0);
	ck_assert_int_eq(vm_close(pool), 0);
}
END_TEST

/* ---- workers ---- */

START_TEST(a_worker_must_process)
{
	const struct vm_worker none = { .process = NULL };
	const struct vm_options o = { .workers = 1 };

	refused_sized(NULL, sizeof worker, &o, sizeof o, "vm_worker");
	refused_sized(NULL, 0, NULL, 0, "vm_worker");
	refused_sized(&none, sizeof none, &o, sizeof o, "vm_worker.process");
	refused_sized(&worker, 0, &o, sizeof o, "vm_worker.process");
}
END_TEST

START_TEST(indices_need_a_number_of_workers)
{
	static const int indices[] = { 42, INT_MAX, 42 };
	struct vm_options o = { .worker_indices = indices };

	refused(&o, "worker_indices");
	o.workers = 3;
	works(&o);
	o.workers = VM_SERIAL;
	works(&o);
}
END_TEST

/* Returns the largest number of workers, for the number asked for. */
static size_t most(int workers, int max_workers, const int *indices)
{
	const struct vm_options o = { .workers = workers,
		.max_workers = max_workers, .worker_indices = indices };
	struct words words = { "" };
	struct settings s;
	size_t n;

	ck_assert_msg(settings_make(&s, &worker, sizeof worker, &o, sizeof o,
	    &words) == 0, "%s", words.text);
	n = s.max_workers;
	ck_assert_uint_le(s.workers, n);
	settings_release(&s);
	return n;
}

START_TEST(max_workers_goes_with_workers)
{
	static const int indices[] = { 4, 5, 6 };
	struct vm_options o = { .workers = 3, .max_workers = 2 };

	refused(&o, "vm_options.max_workers ");
	o.worker_indices = indices;
	refused(&o, "vm_options.max_workers ");
	o.max_workers = 4;
	refused(&o, "vm_options.max_workers ");
	o.max_workers = 3;
	works(&o);
	ck_assert_uint_eq(most(1, 0, NULL), 16);
	ck_assert_uint_eq(most(8, 0, NULL), 16);
	ck_assert_uint_eq(most(9, 0, NULL), 18);
	ck_assert_uint_eq(most(9, 9, NULL), 9);
	ck_assert_uint_eq(most(9, 100, NULL), 100);
	ck_assert_uint_eq(most(3, 0, indices), 3);
	ck_assert_uint_eq(most(3, 3, indices), 3);
	/* The default is the number of usable CPUs, but at most max_workers. */
	ck_assert_uint_eq(most(0, 1, NULL), 1);
}
END_TEST

START_TEST(negative_indices_are_refused)
{
	int indices[] = { 0, 0, 0 };
	struct vm_options o = { .worker_indices = indices };

	for (o.workers = 1; o.workers <= 3; o.workers++) {
		indices[o.workers - 1] = -1;
		refused(&o, "worker_indices");
		indices[o.workers - 1] = INT_MIN;
		refused(&o, "worker_indices");
		indices[o.workers - 1] = 0;
		works(&o);
	}
	/* Indices behind the last worker's are not read. */
	o.workers = 2;
	indices[2] = -1;
	works(&o);
}
END_TEST

START_TEST(serial_has_one_index_that_is_checked)
{
	int indices[] = { -1, -1 };
	const struct vm_options o = { .workers = VM_SERIAL,
		.worker_indices = indices };

	refused(&o, "worker_indices");
	indices[0] = 5;
	works(&o);
}
END_TEST

START_TEST(indices_are_copied)
{
	int indices[] = { 42, 3 };
	const struct vm_options o = { .workers = 2,
		.worker_indices = indices };
	struct words words = { "" };
	struct settings s;

	ck_assert_int_eq(settings_make(&s, &worker, sizeof worker, &o,
	    sizeof o, &words), 0);
	indices[0] = indices[1] = 0;
	ck_assert_int_eq(s.indices[0], 42);
	ck_assert_int_eq(s.indices[1], 3);
	settings_release(&s);
	ck_assert_ptr_null(s.indices);
	settings_release(&s);
}
END_TEST

/* ---- structs of other versions ---- */

/* Options whose fields are cut off at a size: the bytes behind are nonsense and
   must not be read. */
START_TEST(smaller_structs_have_defaults)
{
	static const size_t ends[] = { sizeof(int),
		offsetof(struct vm_options, chunk_size),
		offsetof(struct vm_options, max_attempts),
		offsetof(struct vm_options, retry_on),
		offsetof(struct vm_options, max_failures),
		offsetof(struct vm_options, item_timeout_ms),
		offsetof(struct vm_options, max_workers),
		offsetof(struct vm_options, worker_max_address_bytes),
		offsetof(struct vm_options, seed) };

	for (size_t i = 0; i < COUNTOF(ends); i++) {
		struct vm_options *o = malloc(ends[i]);

		ck_assert_ptr_nonnull(o);
		memset(o, 0, ends[i]);
		memcpy(o, &(int){ 1 }, sizeof(int));
		works_sized(&worker, sizeof worker, o, ends[i]);
		free(o);
	}
}
END_TEST

START_TEST(what_lies_behind_a_smaller_struct_is_not_read)
{
	const struct vm_options o = { .workers = 1, .flags = ~0u,
		.max_attempts = -1, .chunk_size = SIZE_MAX,
		.retry_on = UINT_MAX, .max_workers = -1,
		.worker_max_cpu_seconds = -1, .worker_max_address_bytes = 1 };
	struct vm_worker w = worker;

	w.teardown = (void (*)(struct vm_context *))(uintptr_t)1;
	works_sized(&w, offsetof(struct vm_worker, teardown), &o,
	    offsetof(struct vm_options, flags));
}
END_TEST

/* Options of the version that ends where retries begin: all later fields have
   their defaults, whatever bytes lie there. */
START_TEST(options_without_limits_have_none)
{
	struct words words = { "" };
	struct settings s;
	struct vm_options o;

	memset(&o, 0xff, sizeof o);
	memset(&o, 0, offsetof(struct vm_options, retry_on));
	o.max_attempts = 4;
	ck_assert_int_eq(settings_make(&s, &worker, sizeof worker, &o,
	    offsetof(struct vm_options, retry_on), &words), 0);
	ck_assert_int_eq(s.max_attempts, 4);
	s.max_attempts = 1;
	has_defaults(&s);
	settings_release(&s);
	works_sized(&worker, sizeof worker, &o,
	    offsetof(struct vm_options, retry_on));
}
END_TEST

START_TEST(larger_structs_may_have_zeroes_behind)
{
	struct { struct vm_options o; unsigned char more[40]; } o;
	struct { struct vm_worker w; unsigned char more[24]; } w;

	memset(&o, 0, sizeof o);
	memset(&w, 0, sizeof w);
	o.o.workers = 1;
	w.w = worker;
	works_sized(&w.w, sizeof w, &o.o, sizeof o);
	for (size_t i = 0; i < sizeof o.more; i++) {
		o.more[i] = 1;
		refused_sized(&w.w, sizeof w, &o.o, sizeof o, "vm_options");
		o.more[i] = 0;
	}
	for (size_t i = 0; i < sizeof w.more; i++) {
		w.more[i] = 0x80;
		refused_sized(&w.w, sizeof w, &o.o, sizeof o, "vm_worker");
		w.more[i] = 0;
	}
	works_sized(&w.w, sizeof w, &o.o, sizeof o);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { negative_numbers_are_refused,
		serial_is_for_workers_only, absurd_counts_are_refused,
		bounds_are_exact, absurd_sizes_are_refused,
		one_of_everything_works,
		only_causes_of_an_item_are_retried,
		limits_on_memory_may_be_any,
		isolated_items_have_workers_of_their_own,
		a_refusal_is_forgotten_by_the_next_fork,
		defaults_are_as_documented,
		bytes_in_flight_go_by_workers_and_memory,
		bytes_in_flight_follow_a_resize, what_is_given_is_taken,
		limits_that_are_given_are_taken, each_flag_is_taken,
		unknown_flags_are_refused, no_options_at_all_make_a_pool,
		a_worker_must_process,
		indices_need_a_number_of_workers,
		max_workers_goes_with_workers,
		negative_indices_are_refused,
		serial_has_one_index_that_is_checked, indices_are_copied,
		smaller_structs_have_defaults,
		what_lies_behind_a_smaller_struct_is_not_read,
		options_without_limits_have_none,
		larger_structs_may_have_zeroes_behind };

	return run_tests("options", tests, COUNTOF(tests));
}
