/*
 * bench.h - code that the programs of the benchmark share: workloads, with
 * inputs and checks of outputs, and the line that each program prints.
 *
 * A program is called
 *	PROGRAM WORKLOAD ITEMS
 *	    [WORKERS [CHUNK [WINDOW [HEAP_MIB [TIMEOUT_MS]]]]]
 * and prints, for its measured part,
 *	ITEMS SECONDS CALLER_CPU_SECONDS CHECKSUM CALLER_PEAK_KIB
 * and then, for pingpong and start, the time of a round.  It fails if results
 * are missing or the checksum is wrong.  The measured part begins when the
 * workers have been started, and ends when the caller has checked the last
 * result; in "start", map_array, raw_fork and peer_xargs it includes the start.
 * The CPU time is that of the caller's process, so it includes workers that are
 * threads; so does the peak memory (0: not known).
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

/* A workload: sizes of input and output in bytes, and the work. */
struct load {
	const char *name;
	size_t in_size, out_size;
	/* Processes "count" items of the array at in into the array at out. */
	void (*run)(const void *in, void *out, size_t count);
};

/* State of a program: its arguments and its measures. */
struct bench {
	const struct load *load;
	uint64_t items;		/* in "start": pools */
	int workers;
	size_t chunk;		/* items of a chunk */
	int window;		/* chunks in flight for each worker */
	size_t heap_mib;	/* touched before the measured part */
	int timeout_ms;		/* of an item, if supported; 0: none */
	uint64_t answered, checksum;
	double wall, cpu;	/* at bench_begin() */
};

/* Items for each pool of "start". */
#define BENCH_START_ITEMS 4

/* Number of blocks, of 1 MiB each, in the array of "sum" and "index".  It is
   made before the workers and read again and again. */
#define BENCH_BLOCKS UINT64_C(64)

/* Parses the command line, raises the limit of descriptors, and allocates
   memory.  Exits with a message on failure. */
void bench_open(struct bench *, int argc, char **argv);

/* Allocates zeroed memory; exits if there is none. */
void *bench_memory(size_t size);
/* The same for a large array, in huge pages where the system has them: where
   page faults are dear, they are most of the cost of a short item. */
void *bench_array(size_t size);
/* Prints a message with errno's text and exits. */
_Noreturn void bench_fail(const char *what);

/* Returns 1 if the workload has that name. */
int bench_is(const struct bench *, const char *name);

/* Returns a pointer to input i, valid until the next call. */
const void *bench_input(const struct bench *, uint64_t i);
/* Copies "count" inputs, from input "first" on, to an array. */
void bench_fill(const struct bench *, uint64_t first, size_t count, void *to);
/* Adds an array of "count" outputs to the checksum. */
void bench_check(struct bench *, const void *out, size_t count);

/* The work of "tiny" on an item. */
static inline int64_t bench_tiny(int64_t x)
{
	return 2 * x + 1;
}

/* Returns the number of items of the chunk that begins with this item. */
size_t bench_chunk(const struct bench *, uint64_t first);

/* Begin and end the measured part; bench_end() prints the line.  It returns the
   exit status: 0, or 1 if a result is missing or wrong. */
void bench_begin(struct bench *);
int bench_end(struct bench *);

#endif
