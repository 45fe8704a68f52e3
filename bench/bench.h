/*
 * bench.h - what the programs of the benchmark share: workloads, their input
 * and its check, clocks, and the line that each program prints.
 *
 * A program is called
 *	PROGRAM WORKLOAD ITEMS
 *	    [WORKERS [CHUNK [WINDOW [HEAP_MIB [TIMEOUT_MS]]]]]
 * and prints, for its measured part,
 *	ITEMS SECONDS CALLER_CPU_SECONDS CHECKSUM CALLER_PEAK_KIB
 * and behind that, for pingpong and start, what one round takes.  It fails if
 * results are missing or the checksum is wrong.  The measured part begins
 * when all workers are there, but for "start" and "exec", and ends when the
 * caller has seen the last result.  The caller's CPU time is that of its
 * process, so that of the workers too where they are threads; so is the most
 * memory that it ever had (0: not known).
 */
#ifndef BENCH_H
#define BENCH_H

#include <stddef.h>
#include <stdint.h>

/* Of a workload: an item is in_size bytes, and out_size when it is done. */
struct load {
	const char *name;
	size_t in_size, out_size;
	/* Does so many items, one behind the other at in, to out. */
	void (*run)(const void *in, void *out, size_t count);
};

/* One run: what was asked for, and what has been seen of the results. */
struct bench {
	const struct load *load;
	uint64_t items;		/* of "start": pools that are started */
	int workers;
	size_t chunk;		/* items that travel together */
	int window;		/* chunks on the way to and from a worker */
	size_t heap_mib;	/* touched before anything is measured */
	int timeout_ms;		/* for those that can watch an item; 0: none */
	uint64_t answered, checksum;
	double wall, cpu;	/* when bench_begin() was called */
};

/* Items each pool of "start" is given. */
#define BENCH_START_ITEMS 4

/* Of 1 MiB each: the array of "sum" and "index", which is there before any
   worker is, and is gone through again and again. */
#define BENCH_BLOCKS UINT64_C(64)

/* Reads the command line, allows as many descriptors as the system does, and
   prepares memory.  Leaves with a message if anything is wrong. */
void bench_open(struct bench *, int argc, char **argv);

/* Memory of this size, zeroed; leaves if there is none. */
void *bench_memory(size_t size);
/* Leaves with a message that ends with errno's words. */
_Noreturn void bench_fail(const char *what);

/* 1 if the workload is called so. */
int bench_is(const struct bench *, const char *name);

/* The bytes of input i: valid until the next call. */
const void *bench_input(const struct bench *, uint64_t i);
/* Writes count inputs from the first on, one behind the other. */
void bench_fill(const struct bench *, uint64_t first, size_t count, void *to);
/* Looks at count outputs, one behind the other. */
void bench_check(struct bench *, const void *out, size_t count);

/* How many items a chunk that begins with this item has. */
size_t bench_chunk(const struct bench *, uint64_t first);

/* Before and after the measured part; end prints the line.  The exit status:
   0, or 1 if a result is missing or wrong. */
void bench_begin(struct bench *);
int bench_end(struct bench *);

#endif
