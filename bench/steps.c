/*
 * steps.c - measures single steps of an item's path.
 *
 * Usage: steps [COUNT [STEP]]
 *
 * Repeats each step COUNT times (10^7) in a loop, on a slot mapped as in the
 * library, and prints the median of seven loops minus that of an empty loop, in
 * ns per step.  With STEP, runs only the loop of that step, once, and prints
 * nothing, so that its instructions can be counted.  There is a single process
 * with a warm cache: between two CPUs, which write the same cache lines in
 * turn, the first two steps cost more.
 *
 * The steps are copied from slot_take(), outstream_put() and show(), so that
 * each can be measured alone.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vimap.h>

#include "clock.h"
#include "shm/slots.h"

#define RUNS 7
#define FRAME 16	/* bytes of a frame with an output of 8 */

struct step {
	const char *name, *what;
	void (*run)(struct slot *, uint64_t count);
};

/* A compiler barrier: memory may have been read, so no store is removed. */
#define DONE() __asm__ volatile("" ::: "memory")

static void run_empty(struct slot *s, uint64_t count)
{
	(void)s;
	for (uint64_t i = 0; i < count; i++)
		DONE();
}

static void run_lease(struct slot *s, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		atomic_fetch_add(&s->lease[0], 1);
		DONE();
	}
}

static void run_commit(struct slot *s, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		atomic_store_explicit(&s->committed, i * FRAME,
		    memory_order_release);
		DONE();
	}
}

/* The same, but ordered before all later loads. */
static void run_ordered(struct slot *s, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		atomic_store(&s->committed, i * FRAME);
		DONE();
	}
}

static void run_frame(struct slot *s, uint64_t count)
{
	unsigned char frame[FRAME] = { 0 };

	for (uint64_t i = 0; i < count; i++) {
		slot_copy_in(s, i * FRAME, frame, sizeof frame);
		DONE();
	}
}

static void run_result(struct slot *s, uint64_t count)
{
	struct vm_result r, *volatile to = &r;

	for (uint64_t i = 0; i < count; i++) {
		*to = (struct vm_result){
			.input = s,
			.input_size = sizeof i,
			.tag = s,
			.index = i,
			.type = VM_OUTPUT,
			.attempts = 1,
			.worker_index = (int)(i & 1),
		};
		to->output = s;
		to->output_size = sizeof i;
		DONE();
	}
}

static const struct step steps[] = {
	{ "empty", "nothing", run_empty },
	{ "lease", "fetch_add on the lease word", run_lease },
	{ "commit", "store that commits a result (release)", run_commit },
	{ "ordered", "the same, sequentially consistent", run_ordered },
	{ "frame", "a frame of 16 bytes into the ring", run_frame },
	{ "result", "filling the result struct", run_result },
};
#define STEPS (sizeof steps / sizeof *steps)

static int compare(const void *one, const void *other)
{
	double a = *(const double *)one, b = *(const double *)other;

	return (a > b) - (a < b);
}

/* Runs all steps in turn, so that a busy time affects all alike. */
static void measure(struct slot *s, uint64_t count)
{
	double took[STEPS][RUNS], median[STEPS], start;

	for (int run = 0; run < RUNS; run++)
		for (size_t i = 0; i < STEPS; i++) {
			start = clock_now();
			steps[i].run(s, count);
			took[i][run] = 1e9 * (clock_now() - start) / (double)count;
		}
	for (size_t i = 0; i < STEPS; i++) {
		qsort(took[i], RUNS, sizeof **took, compare);
		median[i] = took[i][RUNS / 2];
		printf("%-40s %6.2f ns (%.2f .. %.2f)\n", steps[i].what,
		    median[i] - (i > 0 ? median[0] : 0),
		    took[i][0] - (i > 0 ? median[0] : 0),
		    took[i][RUNS - 1] - (i > 0 ? median[0] : 0));
	}
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	const char *only = argc > 2 ? argv[2] : NULL;
	int status = only != NULL;
	struct slots slots;

	if (count == 0 || slots_map(&slots, 1, SLOT_PAYLOAD) != 0) {
		fprintf(stderr, "usage: steps [COUNT [STEP]]\n");
		return 1;
	}
	slot_reset(slots_get(&slots, 0));
	if (only == NULL)
		measure(slots_get(&slots, 0), count);
	else
		for (size_t i = 0; i < STEPS; i++)
			if (strcmp(steps[i].name, only) == 0) {
				steps[i].run(slots_get(&slots, 0), count);
				status = 0;
			}
	slots_unmap(&slots);
	return status;
}
