/*
 * peer_openmp.c - the workloads on OpenMP threads, schedule(dynamic, CHUNK).
 *
 * OpenMP has loops and no streams: the caller fills a buffer with a round of
 * items, all threads map them, and the caller checks the outputs.  With a
 * WINDOW of 1, all items are a single round.
 */
#include "bench.h"

#include <omp.h>

#define ROUND_BYTES ((size_t)4 * 1024 * 1024)
#define ROUND_ITEMS ((size_t)1024)

static char *in, *out;	/* buffers for a round */

static void map_round(const struct bench *b, size_t count)
{
	size_t chunk = b->chunk, in_size = b->load->in_size;
	size_t out_size = b->load->out_size;
	long chunks = (long)((count + chunk - 1) / chunk);

	#pragma omp parallel for schedule(dynamic, 1)
	for (long i = 0; i < chunks; i++) {
		size_t first = (size_t)i * chunk, left = count - first;

		b->load->run(in + first * in_size, out + first * out_size,
		    left < chunk ? left : chunk);
	}
}

int main(int argc, char **argv)
{
	struct bench b;
	size_t round, count;

	bench_open(&b, argc, argv);
	if (b.chunk == 0)
		b.chunk = 1;
	/* At least 16 items; cheap items as far as they fit in the cache. */
	round = ROUND_BYTES / b.load->in_size;
	if (round < 16)
		round = 16;
	if (bench_is(&b, "ms") || bench_is(&b, "skew"))
		round = ROUND_ITEMS;
	if (b.window == 1)
		round = b.items;
	in = bench_array(round * b.load->in_size);
	out = bench_array(round * b.load->out_size);
	omp_set_num_threads(b.workers);
	/* Starts the threads. */
	map_round(&b, 0);
	bench_begin(&b);
	for (uint64_t next = 0; next < b.items; next += count) {
		count = b.items - next < round ? (size_t)(b.items - next) :
		    round;
		bench_fill(&b, next, count, in);
		map_round(&b, count);
		bench_check(&b, out, count);
	}
	return bench_end(&b);
}
