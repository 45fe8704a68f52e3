/*
 * map_array.c - a workload of items in an array, by vm_map_array().
 *
 * CHUNK is chunk_size; 0 is the default.  WINDOW 1 is process(), 2 is
 * process_many().  The measured part fills the array,
 * maps it in a single call, which starts and ends its own workers, and checks
 * the outputs.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#include <vimap.h>

static int process(struct vm_context *me, const void *input, size_t size)
{
	const struct load *load = me->config;
	uint64_t word;
	void *out = &word;

	(void)size;
	if (load->out_size > sizeof word &&
	    (out = vm_reserve(me, load->out_size)) == NULL)
		return -1;
	load->run(input, out, 1);
	if (out == &word)
		return vm_output(me, out, sizeof word);
	return vm_commit(me, load->out_size);
}

static int process_many(struct vm_context *me, const void *inputs,
    size_t count, void *outputs)
{
	const struct load *load = me->config;

	load->run(inputs, outputs, count);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench b;
	struct vm_worker worker = { .process = process };
	struct vm_options options = { 0 };
	union { const struct load *load; void *config; } what;
	void *in, *out;

	bench_open(&b, argc, argv);
	if (b.window == 2)
		worker.process_many = process_many;
	what.load = b.load;
	worker.config = what.config;
	options.workers = b.workers;
	options.chunk_size = b.chunk;
	in = bench_array(b.items * b.load->in_size);
	out = bench_array(b.items * b.load->out_size);
	bench_begin(&b);
	bench_fill(&b, 0, b.items, in);
	if (vm_map_array(&worker, &options,
	    &(struct vm_array_map){ .in = in, .count = b.items,
	        .in_size = b.load->in_size, .out = out,
	        .out_size = b.load->out_size }) != 0) {
		fprintf(stderr, "map_array: %s\n", vm_error(NULL));
		return EXIT_FAILURE;
	}
	bench_check(&b, out, b.items);
	free(in);
	free(out);
	return bench_end(&b);
}
