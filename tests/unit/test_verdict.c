/*
 * test_verdict.c - what limits a run: a table of made-up figures, with the
 * sentence that each must lead to.
 */
#include "config.h"

#include <string.h>

#include "base/base.h"
#include "report/verdict.h"
#include "tools.h"

#define S_IN_NS (1000 * MS_IN_NS)

/* Two workers on eight CPUs for 10 s, at 1000 items of 18 ms, unless a case
   says something else. */
static struct vm_stats usual(void)
{
	return (struct vm_stats){
		.inputs = 1000, .outputs = 1000, .taken = 1000,
		.wall_ns = 10 * S_IN_NS, .asleep_ns = 9 * S_IN_NS,
		.busy_ns = 194 * S_IN_NS / 10, .idle_ns = 6 * S_IN_NS / 10,
		.cpu_ns = 19 * S_IN_NS, .setups = 2, .workers = 2,
		.real_bound = 20, .total_bound = 200, .bytes_bound = 1 << 26,
	};
}

static void find(const struct verdict_facts *f, enum vm_limit limit,
    const char *sentence)
{
	struct words w;

	ck_assert_int_eq(verdict_find(f, &w), limit);
	ck_assert_str_eq(w.text, sentence);
}

static void idle(struct vm_stats *s, uint64_t ns)
{
	s->idle_ns += ns;
	s->busy_ns -= ns;
	s->cpu_ns -= MIN(ns, s->cpu_ns);
}

START_TEST(each_limit_has_its_sentence)
{
	struct vm_stats s = usual();
	struct verdict_facts f = { .stats = &s, .cpus = 8 };

	find(&f, VM_LIMIT_WORKERS, "The workers are busy 97 % of the time: "
	    "more workers would help; there are 2 workers and 8 CPUs.");
	f.cpus = 2;
	find(&f, VM_LIMIT_WORKERS, "The workers are busy 97 % of the time: "
	    "more CPUs would help; there are 2 workers and 2 CPUs.");

	s.cpu_ns = 43 * S_IN_NS / 10;
	f.far = true;
	find(&f, VM_LIMIT_WORKERS, "The machines have inputs 97 % of the time: "
	    "more of them, or more workers there, would help.");
	f.far = false;
	find(&f, VM_LIMIT_OUTSIDE, "Workers are at items 97 % of the time, "
	    "but use only 22 % of it as CPU time: they wait for disk, network "
	    "or a CPU.  More workers than 2 may help.");

	s = usual();
	idle(&s, 10 * S_IN_NS);
	s.sources_ns = 9 * S_IN_NS;
	s.inputs = 5000;
	s.asleep_ns = S_IN_NS / 2;
	find(&f, VM_LIMIT_INPUT, "Inputs come too slowly: the source takes "
	    "1.8 ms for each, and workers wait 53 % of the time.  Give names "
	    "or positions as inputs, and let process() read the data.");
	s.sources_ns = 0;
	f.want_ns[WANT_SOURCE] = s.asleep_ns = 9 * S_IN_NS;
	find(&f, VM_LIMIT_INPUT, "Inputs come too slowly: the source takes "
	    "1.8 ms for each, and workers wait 53 % of the time.  Give names "
	    "or positions as inputs, and let process() read the data.");
	f.want_ns[WANT_SOURCE] = 0;
	f.want_ns[WANT_PUSHED] = 9 * S_IN_NS;
	f.pushed = true;
	find(&f, VM_LIMIT_INPUT, "Inputs come too slowly: the program takes "
	    "1.8 ms for each, and workers wait 53 % of the time.  Give names "
	    "or positions as inputs, and let process() read the data.");
	f.pushed = false;
	f.want_ns[WANT_PUSHED] = 0;

	s = usual();
	idle(&s, 9 * S_IN_NS);
	s.blocked_ns = 4 * S_IN_NS;
	s.yours_ns = 8 * S_IN_NS;
	find(&f, VM_LIMIT_TAKING, "Results are taken too slowly: the program "
	    "takes 8.0 ms for each, and workers wait 68 % of the time.  Leave "
	    "more of that work to process().");
	f.lacked_ns = 35 * S_IN_NS / 10;
	find(&f, VM_LIMIT_NONE, "Nothing stands out: workers are busy 32 % of "
	    "the time and wait 68 %.");
	f.lacked_ns = 0;

	s = usual();
	s.outputs = 322580645;
	s.asleep_ns = 65 * S_IN_NS / 100;
	find(&f, VM_LIMIT_SENDING, "The items are too small: 31 ns each, of "
	    "which 28 ns go by in the caller, which reads, sends and takes "
	    "them.  Put more into an input.");

	s.asleep_ns = 6 * S_IN_NS;
	s.median_ns = 90;
	find(&f, VM_LIMIT_SENDING, "The items are too small: 31 ns each, of "
	    "which 12 ns go by in the caller, which reads, sends and takes "
	    "them.  Put more into an input.");

	s = usual();
	s.median_ns = 18 * MS_IN_NS;
	s.wall_ns = 41 * S_IN_NS;
	s.idle_ns = 35 * S_IN_NS;
	s.busy_ns = 47 * S_IN_NS;
	s.slowest[0] = (struct vm_slow){ 38 * S_IN_NS, 777, NULL, NULL };
	find(&f, VM_LIMIT_LONGEST, "A single input, with index 777, took 38 s "
	    "of the 41 s: put long inputs first, or divide them.");

	s = usual();
	s.setup_ns = 12 * S_IN_NS;
	s.busy_ns = 7 * S_IN_NS;
	s.setups = 3000;
	find(&f, VM_LIMIT_SETUP, "Workers spend 61 % of their time in setup, "
	    "3000 setups of 4.0 ms: do the work before vm_fork(), or give a "
	    "run more inputs.");
	f.restarts = true;
	find(&f, VM_LIMIT_SETUP, "Workers spend 61 % of their time in setup, "
	    "3000 setups of 4.0 ms: raise worker_max_items or "
	    "worker_max_rss_bytes.");

	s = usual();
	idle(&s, 8 * S_IN_NS);
	f.want_ns[WANT_TOTAL] = 6 * S_IN_NS;
	find(&f, VM_LIMIT_BOUND, "A bound is too low: workers wait 43 % of the "
	    "time, as no more than 200 chunks may be in flight.  Raise "
	    "max_total_in_flight_factor.");
	f.want_ns[WANT_BYTES] = 7 * S_IN_NS;
	f.ordered = true;
	find(&f, VM_LIMIT_BOUND, "A bound is too low: workers wait 43 % of the "
	    "time, as no more than 67108864 bytes may be in flight.  Raise "
	    "max_in_flight_bytes, or leave VM_ORDERED out.");
	f.want_ns[WANT_REAL] = 8 * S_IN_NS;
	f.ordered = false;
	find(&f, VM_LIMIT_BOUND, "A bound is too low: workers wait 43 % of the "
	    "time, as no more than 20 chunks may be in flight.  Raise "
	    "max_real_in_flight_factor.");

	s = usual();
	f.serial = true;
	find(&f, VM_LIMIT_WORKERS, "All items run in the caller, one after "
	    "the other: without VM_SERIAL, workers would share them.");
}
END_TEST

START_TEST(nothing_may_stand_out)
{
	struct vm_stats s = usual();
	struct verdict_facts f = { .stats = &s, .cpus = 2 };

	idle(&s, 5 * S_IN_NS);
	find(&f, VM_LIMIT_NONE, "Nothing stands out: workers are busy 72 % of "
	    "the time and wait 28 %.");
	s.wall_ns = 12 * MS_IN_NS;
	find(&f, VM_LIMIT_NONE, "The run is too short to tell: 1000 results "
	    "in 12 ms.");
}
END_TEST

/* Whatever the figures, no rule divides by 0 or is without a sentence. */
START_TEST(any_figures_lead_to_a_sentence)
{
	const uint64_t figures[] = { 0, 1, 150 * MS_IN_NS, UINT64_MAX };
	struct vm_stats s;
	struct verdict_facts f = { .stats = &s };
	struct words w;
	uint64_t *const each[] = { &s.wall_ns, &s.yours_ns, &s.sources_ns,
		&s.asleep_ns, &s.busy_ns, &s.idle_ns, &s.blocked_ns,
		&s.setup_ns, &s.cpu_ns, &s.outputs, &s.slowest[0].ns };
	uint64_t seed = 1;

	for (int i = 0; i < 20000; i++) {
		memset(&s, 0, sizeof s);
		for (size_t k = 0; k < COUNTOF(each); k++) {
			seed = seed * 6364136223846793005u + 1;
			*each[k] = figures[seed >> 62];
		}
		w.text[0] = '\0';
		verdict_find(&f, &w);
		ck_assert_uint_gt(strlen(w.text), 20);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		each_limit_has_its_sentence, nothing_may_stand_out,
		any_figures_lead_to_a_sentence,
	};

	return run_tests("verdict", tests, COUNTOF(tests));
}
