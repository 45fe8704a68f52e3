/*
 * bench.c - workloads, clocks and checks of the benchmark.
 *
 * An input is a number, its own index, or a block whose first and last words
 * are that number.  The checksum is a sum of outputs, so it does not depend on
 * their order; a program that drops, repeats or mixes up items gets another
 * sum.  Work is measured in CPU time of the thread that does it, so that items
 * take the same work when another process shares the CPU.
 */
#include "bench.h"

#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "clock.h"

#define MASK UINT64_C(0x5a5a5a5a5a5a5a5a)
#define KIB ((size_t)1024)
#define MIB (KIB * KIB)
#define SKEW_SEED UINT32_C(20261121)
/* Steps that take about a microsecond on an ordinary CPU. */
#define US_STEPS 850

extern char **environ;

static uint64_t *blocks;	/* array of BENCH_BLOCKS blocks of 1 MiB */
static uint64_t *buffer;	/* the last input */
/* Memory that workers inherit, never freed or read.  The pointer is volatile,
   or the compiler would remove the writes. */
static void *volatile heap;
static const char *program = "bench";

/* ---- Clocks and errors --------------------------------------------------- */

void bench_fail(const char *what)
{
	fprintf(stderr, "%s: ", program);
	perror(what);
	exit(1);
}

void *bench_memory(size_t size)
{
	void *p = aligned_alloc(64, (size + 63) / 64 * 64);

	if (p == NULL)
		bench_fail("memory");
	memset(p, 0, size);
	return p;
}

/* A large page is 2 MiB on most machines. */
#define LARGE_PAGE ((size_t)2 * 1024 * 1024)

void *bench_array(size_t size)
{
	size_t whole = (size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
	void *p = aligned_alloc(LARGE_PAGE, whole);

	if (p == NULL)
		bench_fail("memory");
	madvise(p, whole, MADV_HUGEPAGE);
	memset(p, 0, size);
	return p;
}

/* ---- Work on an item ----------------------------------------------------- */

static void run_tiny(const void *in, void *out, size_t count)
{
	const int64_t *x = in;
	int64_t *y = out;

	for (size_t i = 0; i < count; i++)
		y[i] = bench_tiny(x[i]);
}

static void mask_words(const void *in, void *out, size_t words)
{
	const uint64_t *x = in;
	uint64_t *y = out;

	for (size_t i = 0; i < words; i++)
		y[i] = x[i] ^ MASK;
}

/* Defines a function that changes every byte of blocks of this size. */
#define RUN_BLOCKS(name, size) \
static void name(const void *in, void *out, size_t count) \
{ \
	mask_words(in, out, count * ((size) / sizeof(uint64_t))); \
}

RUN_BLOCKS(run_kib, KIB)
RUN_BLOCKS(run_16k, 16 * KIB)
RUN_BLOCKS(run_64k, 64 * KIB)
RUN_BLOCKS(run_256k, 256 * KIB)
RUN_BLOCKS(run_mib, MIB)
RUN_BLOCKS(run_4m, 4 * MIB)
RUN_BLOCKS(run_16m, 16 * MIB)

/* Not inlined and aligned, so that the loop has the same code at the same
   alignment in all programs: if it crosses a cache line, it takes 1.5 times as
   long. */
#ifdef __GNUC__
__attribute__((__noinline__, __aligned__(64)))
#endif
static uint64_t add_up(const uint64_t *words)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < MIB / sizeof *words; i++)
		sum += words[i];
	return sum;
}

static uint64_t *block(uint64_t i)
{
	return blocks + i % BENCH_BLOCKS * (MIB / sizeof *blocks);
}

static void run_sum(const void *in, void *out, size_t count)
{
	for (size_t i = 0; i < count; i++)
		((uint64_t *)out)[i] = add_up((const uint64_t *)in +
		    i * (MIB / sizeof(uint64_t)));
}

static void run_index(const void *in, void *out, size_t count)
{
	for (size_t i = 0; i < count; i++)
		((uint64_t *)out)[i] = add_up(block(((const uint64_t *)in)[i]));
}

/* Runs a chain of dependent steps. */
static void step(unsigned steps)
{
	volatile uint32_t x = 1;

	while (steps-- > 0)
		x = x * 1664525 + 1013904223;
}

/* Keeps this thread busy for that CPU time. */
static void burn(double seconds)
{
	double end = clock_of(CLOCK_THREAD_CPUTIME_ID) + seconds;

	do
		step(1000);
	while (clock_of(CLOCK_THREAD_CPUTIME_ID) < end);
}

static void run_us(const void *in, void *out, size_t count)
{
	for (size_t i = 0; i < count; i++)
		step(US_STEPS);
	run_tiny(in, out, count);
}

static void run_ms(const void *in, void *out, size_t count)
{
	for (size_t i = 0; i < count; i++)
		burn(1e-3);
	run_tiny(in, out, count);
}

/* The peers in other languages have the same function. */
static int is_heavy(uint32_t i)
{
	uint32_t h = i * UINT32_C(2654435769) + SKEW_SEED;

	h ^= h >> 15;
	h *= UINT32_C(2246822519);
	return (h >> 16) % 100 == 0;
}

static void run_skew(const void *in, void *out, size_t count)
{
	for (size_t i = 0; i < count; i++)
		burn(is_heavy((uint32_t)((const int64_t *)in)[i]) ?
		    50e-3 : 0.2e-3);
	run_tiny(in, out, count);
}

static void run_exec(const void *in, void *out, size_t count)
{
	char name[] = "true", *argv[] = { name, NULL };
	pid_t pid;
	int status;

	for (size_t i = 0; i < count; i++)
		if (posix_spawnp(&pid, name, NULL, NULL, argv, environ) != 0 ||
		    waitpid(pid, &status, 0) == -1 || status != 0)
			return;
	run_tiny(in, out, count);
}

static const struct load loads[] = {
	{ "tiny", 8, 8, run_tiny },
	{ "kib", KIB, KIB, run_kib },
	{ "16k", 16 * KIB, 16 * KIB, run_16k },
	{ "64k", 64 * KIB, 64 * KIB, run_64k },
	{ "256k", 256 * KIB, 256 * KIB, run_256k },
	{ "mib", MIB, MIB, run_mib },
	{ "4m", 4 * MIB, 4 * MIB, run_4m },
	{ "16m", 16 * MIB, 16 * MIB, run_16m },
	{ "sum", MIB, 8, run_sum },
	{ "index", 8, 8, run_index },
	{ "us", 8, 8, run_us },
	{ "ms", 8, 8, run_ms },
	{ "skew", 8, 8, run_skew },
	{ "pingpong", 8, 8, run_tiny },
	{ "start", 8, 8, run_tiny },
	{ "exec", 8, 8, run_exec },
};

int bench_is(const struct bench *b, const char *name)
{
	return strcmp(b->load->name, name) == 0;
}

/* ---- Command line and memory --------------------------------------------- */

static const struct load *find_load(const char *name)
{
	for (size_t i = 0; i < sizeof loads / sizeof *loads; i++)
		if (strcmp(loads[i].name, name) == 0)
			return loads + i;
	fprintf(stderr, "%s: no workload %s\n", program, name);
	exit(2);
}

static long number(int argc, char **argv, int i, long least, long otherwise)
{
	char *end;
	long n = otherwise;

	if (i < argc && ((n = strtol(argv[i], &end, 10)) < least ||
	    *end != '\0' || end == argv[i])) {
		fprintf(stderr, "%s: bad number %s\n", program, argv[i]);
		exit(2);
	}
	return n;
}

static void raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void prepare(struct bench *b)
{
	size_t size = b->heap_mib * MIB;

	buffer = bench_memory(b->load->in_size);
	for (size_t i = 0; i < b->load->in_size / sizeof *buffer; i++)
		buffer[i] = i * MASK;
	if (bench_is(b, "sum") || bench_is(b, "index")) {
		blocks = bench_memory((size_t)BENCH_BLOCKS * MIB);
		for (size_t i = 0; i < BENCH_BLOCKS * (MIB / 8); i++)
			blocks[i] = i * MASK;
	}
	if (size > 0)
		memset(heap = bench_memory(size), 1, size);
}

void bench_open(struct bench *b, int argc, char **argv)
{
	program = argv[0];
	if (argc < 3 || argc > 8) {
		fprintf(stderr, "usage: %s WORKLOAD ITEMS [WORKERS [CHUNK "
		    "[WINDOW [HEAP_MIB [TIMEOUT_MS]]]]]\n", program);
		exit(2);
	}
	memset(b, 0, sizeof *b);
	b->load = find_load(argv[1]);
	b->items = (uint64_t)number(argc, argv, 2, 1, 1);
	b->workers = (int)number(argc, argv, 3, 1, 2);
	b->chunk = (size_t)number(argc, argv, 4, 0, 0);
	b->window = (int)number(argc, argv, 5, 0, 0);
	b->heap_mib = (size_t)number(argc, argv, 6, 0, 0);
	b->timeout_ms = (int)number(argc, argv, 7, 0, 0);
	raise_limit();
	prepare(b);
}

/* ---- Inputs and outputs -------------------------------------------------- */

const void *bench_input(const struct bench *b, uint64_t i)
{
	if (bench_is(b, "sum"))
		return block(i);
	buffer[0] = i;
	buffer[b->load->in_size / sizeof *buffer - 1] = i;
	return buffer;
}

size_t bench_chunk(const struct bench *b, uint64_t first)
{
	uint64_t left = b->items - first;

	return left < b->chunk ? (size_t)left : b->chunk;
}

void bench_fill(const struct bench *b, uint64_t first, size_t count, void *to)
{
	size_t size = b->load->in_size;

	if (size == sizeof(uint64_t))
		for (size_t i = 0; i < count; i++)
			((uint64_t *)to)[i] = first + i;
	else
		for (size_t i = 0; i < count; i++)
			memcpy((char *)to + i * size,
			    bench_input(b, first + i), size);
}

void bench_check(struct bench *b, const void *out, size_t count)
{
	size_t words = b->load->out_size / sizeof(uint64_t);
	const uint64_t *y = out;
	uint64_t sum = 0;

	if (words == 1)
		for (size_t i = 0; i < count; i++)
			sum += y[i];
	else
		for (size_t i = 0; i < count; i++)
			sum += y[i * words] + y[i * words + words - 1];
	b->checksum += sum;
	b->answered += count;
}

/* Returns the checksum of a correct run. */
static uint64_t expected(const struct bench *b)
{
	uint64_t sum = 0;

	if (bench_is(b, "start"))
		return b->items * BENCH_START_ITEMS * BENCH_START_ITEMS;
	if (b->load->out_size > sizeof sum) {
		for (uint64_t i = 0; i < b->items; i++)
			sum += 2 * (i ^ MASK);
		return sum;
	}
	if (blocks == NULL)
		return b->items * b->items;
	for (uint64_t i = 0; i < BENCH_BLOCKS && i < b->items; i++)
		sum += add_up(block(i)) *
		    ((b->items - i - 1) / BENCH_BLOCKS + 1);
	return sum;
}

void bench_begin(struct bench *b)
{
	b->cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
	b->wall = clock_of(CLOCK_MONOTONIC);
}

/* Peak memory.  Not by getrusage(), whose value includes the time before
   exec(). */
static unsigned long peak_kib(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[256];
	unsigned long kib = 0;

	while (f != NULL && kib == 0 && fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, "VmHWM:", 6) == 0)
			kib = strtoul(line + 6, NULL, 10);
	if (f != NULL)
		fclose(f);
	return kib;
}

int bench_end(struct bench *b)
{
	double wall = clock_of(CLOCK_MONOTONIC) - b->wall;
	double cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - b->cpu;
	uint64_t rounds = bench_is(b, "start") ? BENCH_START_ITEMS : 1;

	printf("%llu %.6f %.6f %llu %lu", (unsigned long long)b->items, wall,
	    cpu, (unsigned long long)b->checksum, peak_kib());
	if (bench_is(b, "pingpong"))
		printf(" %.2f us", 1e6 * wall / (double)b->items);
	if (bench_is(b, "start"))
		printf(" %.3f ms", 1e3 * wall / (double)b->items);
	putchar('\n');
	if (b->answered == b->items * rounds && b->checksum == expected(b))
		return 0;
	fprintf(stderr, "%s: %s: %llu results, checksum %llu, not %llu\n",
	    program, b->load->name, (unsigned long long)b->answered,
	    (unsigned long long)b->checksum, (unsigned long long)expected(b));
	return 1;
}
