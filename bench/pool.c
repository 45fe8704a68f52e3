/*
 * pool.c - every workload of bench.h, on a pool of the library.
 *
 * CHUNK is chunk_size and WINDOW max_real_in_flight_factor; 0 is the default of
 * each.  With TIMEOUT_MS, items have that item_timeout_ms and 3 attempts.  No
 * source blocks.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#include <vimap.h>

/* Position of the source. */
struct place {
	struct bench *bench;
	uint64_t next;
};

_Noreturn static void fail(const vm_pool *pool)
{
	fprintf(stderr, "pool: %s\n", vm_error(pool));
	exit(1);
}

static int process(struct vm_context *me, const void *input, size_t size)
{
	const struct load *load = me->config;
	uint64_t word;
	void *out = &word;

	if (size != load->in_size)
		return vm_fail(me, 1, "%zu bytes", size);
	if (load->out_size > sizeof word &&
	    (out = vm_reserve(me, load->out_size)) == NULL)
		return -1;
	load->run(input, out, 1);
	if (out == &word)
		return vm_output(me, out, sizeof word);
	return vm_commit(me, load->out_size);
}

/* The same for "tiny", as a program has it whose items are numbers. */
static int process_tiny(struct vm_context *me, const void *input, size_t size)
{
	int64_t y;

	if (size != sizeof y)
		return vm_fail(me, 1, "%zu bytes", size);
	y = bench_tiny(*(const int64_t *)input);
	return vm_output(me, &y, sizeof y);
}

static int next_made(void *from, const void **input, size_t *size)
{
	struct place *place = from;
	const struct bench *b = place->bench;

	if (place->next == b->items)
		return 0;
	*input = bench_input(b, place->next++);
	*size = b->load->in_size;
	return 1;
}

/* Returns the next input only after the result of the one before. */
static int next_single(void *from, const void **input, size_t *size)
{
	struct place *place = from;

	if (place->next < place->bench->items &&
	    place->next > place->bench->answered)
		return VM_LATER;
	return next_made(from, input, size);
}

static int never_blocks(void *from)
{
	(void)from;
	return -1;
}

/* Queues sources over the inherited array, as often as needed. */
static void give_blocks(vm_pool *pool, struct bench *b)
{
	uint64_t left = b->items, n;

	for (; left > 0; left -= n) {
		n = left < BENCH_BLOCKS ? left : BENCH_BLOCKS;
		if (vm_imap(pool, vm_inherited_array(bench_input(b, 0),
		    (size_t)n, b->load->in_size)) == -1)
			fail(pool);
	}
}

static void give(vm_pool *pool, struct bench *b, struct place *place)
{
	struct vm_source source = { .next = next_made,
		.wait_fd = never_blocks, .from = place };

	if (bench_is(b, "sum")) {
		give_blocks(pool, b);
		return;
	}
	if (bench_is(b, "pingpong")) {
		source.next = next_single;
		source.wait_fd = NULL;
	} else if (bench_is(b, "start")) {
		source = vm_range(0, BENCH_START_ITEMS);
	} else if (b->load->in_size == sizeof(int64_t)) {
		source = vm_range(0, (int64_t)b->items);
	}
	if (vm_imap(pool, source) == -1)
		fail(pool);
}

static void tell_exception(const struct vm_result *r)
{
	if (r->type == VM_EXCEPTION)
		fprintf(stderr, "pool: %s\n", r->exception->message);
}

static void take_all(vm_pool *pool, struct bench *b)
{
	struct vm_result r;
	int rc;

	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		if (r.type == VM_OUTPUT && r.output_size == b->load->out_size)
			bench_check(b, r.output, 1);
		else
			tell_exception(&r);
	}
	if (rc != 0)
		fail(pool);
}

/* The same for "tiny", as a program has it whose items are numbers. */
static void take_tiny(vm_pool *pool, struct bench *b)
{
	uint64_t sum = 0, count = 0;
	struct vm_result r;
	int rc;

	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		if (r.type == VM_OUTPUT && r.output_size == sizeof sum) {
			sum += *(const uint64_t *)r.output;
			count++;
		} else {
			tell_exception(&r);
		}
	}
	if (rc != 0)
		fail(pool);
	b->checksum += sum;
	b->answered += count;
}

static vm_pool *start(struct bench *b)
{
	union { const struct load *load; void *config; } what = { b->load };
	struct vm_worker worker = {
		.process = bench_is(b, "tiny") ? process_tiny : process,
		.config = what.config,
	};
	struct vm_options options = { .workers = b->workers,
		.chunk_size = b->chunk,
		.max_real_in_flight_factor = b->window,
		.item_timeout_ms = b->timeout_ms,
		.max_attempts = b->timeout_ms > 0 ? 3 : 0 };
	vm_pool *pool = vm_fork(&worker, &options);

	if (pool == NULL)
		fail(NULL);
	return pool;
}

static int run_starts(struct bench *b)
{
	vm_pool *pool;

	bench_begin(b);
	for (uint64_t i = 0; i < b->items; i++) {
		pool = start(b);
		give(pool, b, NULL);
		take_all(pool, b);
		if (vm_close(pool) == -1)
			fail(NULL);
	}
	return bench_end(b);
}

int main(int argc, char **argv)
{
	struct bench b;
	struct place place = { .bench = &b };
	vm_pool *pool;
	int status;

	bench_open(&b, argc, argv);
	if (bench_is(&b, "start"))
		return run_starts(&b);
	pool = start(&b);
	if (vm_ready(pool, -1) != 0)
		fail(pool);
	bench_begin(&b);
	give(pool, &b, &place);
	if (bench_is(&b, "tiny"))
		take_tiny(pool, &b);
	else
		take_all(pool, &b);
	status = bench_end(&b);
	if (vm_close(pool) == -1)
		fail(NULL);
	return status;
}
