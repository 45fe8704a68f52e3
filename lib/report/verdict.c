/* verdict.c - see verdict.h: what limits a run. */
#include "config.h"

#include "report/verdict.h"

#include <stdio.h>

#include "base/base.h"

/* A run is judged after this time. */
#define LEAST_NS (100 * MS_IN_NS)
/* Shares in percent of the time of the caller or of the workers: the larger
   part; a good part; the share of busy workers beyond which more CPUs help; and
   the CPU time of a worker that mostly waits. */
#define MOST 50
#define PART 25
#define BUSY 85
#define WAITS 50
/* An item that takes less in all is small; a source or a caller that takes less
   an item is not slow but handles small items. */
#define SMALL_NS 2000
/* A worker needs about half of this for an item whose process() does nothing.
   On a machine with other work the caller sleeps all the same. */
#define EMPTY_NS 200

/* Returns a share in percent, 999 at most. */
static unsigned percent(uint64_t part, uint64_t whole)
{
	double share = whole == 0 ? 0 : (double)part * 100 / (double)whole;

	return share < 999 ? (unsigned)share : 999;
}

/* Returns a time as a text in the buffer. */
static const char *as_text(uint64_t ns, char text[32])
{
	static const char *const units[] = { "ns", "us", "ms", "s" };
	double value = (double)ns;
	int unit = 0;

	for (; value >= 1000 && unit < 3; unit++)
		value /= 1000;
	snprintf(text, 32, "%.*f %s", value < 10 && unit > 0 ? 1 : 0, value,
	    units[unit]);
	return text;
}

/* ---- shares ---- */

static uint64_t answered(const struct vm_stats *s)
{
	return s->outputs + s->exceptions;
}

/* Returns the time of all workers. */
static uint64_t workers_ns(const struct vm_stats *s)
{
	return s->setup_ns + s->busy_ns + s->idle_ns;
}

static unsigned busy(const struct vm_stats *s)
{
	return percent(s->busy_ns - s->blocked_ns, workers_ns(s));
}

/* Returns the share of time in which workers wait for the caller. */
static unsigned waiting(const struct vm_stats *s)
{
	return percent(s->idle_ns + s->blocked_ns, workers_ns(s));
}

/* Returns the CPU time in percent of the time at items. */
static unsigned cpu_share(const struct vm_stats *s)
{
	unsigned share = percent(s->cpu_ns, s->busy_ns + s->setup_ns);

	return MIN(share, 100);
}

/* ---- the rules ---- */

/* Each returns true and sets the words if its limit applies. */
typedef bool rule(const struct verdict_facts *, struct words *);

static bool too_short(const struct verdict_facts *f, struct words *w)
{
	char time[32];

	if (f->stats->wall_ns >= LEAST_NS && answered(f->stats) > 0)
		return false;
	words_set(w, 0, "The run is too short to tell: %llu results in %s.",
	    (unsigned long long)answered(f->stats),
	    as_text(f->stats->wall_ns, time));
	return true;
}

static bool serial(const struct verdict_facts *f, struct words *w)
{
	if (!f->serial)
		return false;
	words_set(w, 0, "All items run in the caller, one after the other: "
	    "without VM_SERIAL, workers would share them.");
	return true;
}

static bool longest(const struct verdict_facts *f, struct words *w)
{
	const struct vm_stats *s = f->stats;
	char one[32], all[32];

	if (percent(s->slowest[0].ns, s->wall_ns) < MOST ||
	    waiting(s) < PART || s->workers < 2)
		return false;
	words_set(w, 0, "A single input, with index %llu, took %s of the %s: "
	    "put long inputs first, or divide them.",
	    (unsigned long long)s->slowest[0].index,
	    as_text(s->slowest[0].ns, one), as_text(s->wall_ns, all));
	return true;
}

static bool setups(const struct verdict_facts *f, struct words *w)
{
	const struct vm_stats *s = f->stats;
	uint64_t n = MAX(s->setups, 1);
	unsigned share = percent(s->setup_ns, workers_ns(s));
	char each[32];

	if (share < PART || share < busy(s))
		return false;
	words_set(w, 0, "Workers spend %u %% of their time in setup, %llu "
	    "setups of %s: %s.", share, (unsigned long long)n,
	    as_text(s->setup_ns / n, each), f->restarts ?
	    "raise worker_max_items or worker_max_rss_bytes" :
	    "do the work before vm_fork(), or give a run more inputs");
	return true;
}

/* The caller hardly sleeps, and an item costs it little; or workers need next
   to nothing for an item. */
static bool sending(const struct verdict_facts *f, struct words *w)
{
	const struct vm_stats *s = f->stats;
	uint64_t each = s->wall_ns / answered(s);
	uint64_t own = (s->wall_ns - MIN(s->asleep_ns, s->wall_ns)) /
	    answered(s);
	char all[32], part[32];

	if (each > SMALL_NS ||
	    (percent(own, each) < MOST && s->median_ns >= EMPTY_NS))
		return false;
	words_set(w, 0, "The items are too small: %s each, of which %s go by "
	    "in the caller, which reads, sends and takes them.  Put more into "
	    "an input.", as_text(each, all), as_text(own, part));
	return true;
}

static bool taking(const struct verdict_facts *f, struct words *w)
{
	const struct vm_stats *s = f->stats;
	uint64_t ns = s->yours_ns - MIN(f->lacked_ns, s->yours_ns);
	char text[32];

	if (percent(ns, s->wall_ns) < MOST || waiting(s) < PART)
		return false;
	words_set(w, 0, "Results are taken too slowly: the program takes %s "
	    "for each, and workers wait %u %% of the time.  Leave more of "
	    "that work to process().", as_text(ns / MAX(s->taken, 1), text),
	    waiting(s));
	return true;
}

static bool input(const struct verdict_facts *f, struct words *w)
{
	const struct vm_stats *s = f->stats;
	uint64_t ns = s->sources_ns + f->want_ns[WANT_SOURCE] +
	    f->want_ns[WANT_PUSHED];
	char each[32];

	if (percent(ns, s->wall_ns) < MOST || waiting(s) < PART)
		return false;
	words_set(w, 0, "Inputs come too slowly: the %s takes %s for "
	    "each, and workers wait %u %% of the time.  Give names or "
	    "positions as inputs, and let process() read the data.",
	    f->pushed ? "program" : "source",
	    as_text(ns / MAX(s->inputs, 1), each), waiting(s));
	return true;
}

static bool bound(const struct verdict_facts *f, struct words *w)
{
	const struct vm_stats *s = f->stats;
	const struct { const char *option; uint64_t ns, bound; } bounds[] = {
		{ "max_real_in_flight_factor", f->want_ns[WANT_REAL],
		    s->real_bound },
		{ "max_total_in_flight_factor", f->want_ns[WANT_TOTAL],
		    s->total_bound },
		{ "max_in_flight_bytes", f->want_ns[WANT_BYTES],
		    s->bytes_bound },
	};
	size_t most = 0;

	for (size_t i = 1; i < COUNTOF(bounds); i++)
		most = bounds[i].ns > bounds[most].ns ? i : most;
	if (percent(bounds[most].ns, s->wall_ns) < PART || waiting(s) < PART)
		return false;
	words_set(w, 0, "A bound is too low: workers wait %u %% of the time, "
	    "as no more than %llu %s may be in flight.  Raise %s%s.",
	    waiting(s), (unsigned long long)bounds[most].bound,
	    most == 2 ? "bytes" : "chunks", bounds[most].option,
	    f->ordered ? ", or leave VM_ORDERED out" : "");
	return true;
}

/* A link is busy while its machine has an input, and its CPU time is not that
   of the workers there. */
static bool machines(const struct verdict_facts *f, struct words *w)
{
	if (!f->far || busy(f->stats) < BUSY)
		return false;
	words_set(w, 0, "The machines have inputs %u %% of the time: more of "
	    "them, or more workers there, would help.", busy(f->stats));
	return true;
}

static bool outside(const struct verdict_facts *f, struct words *w)
{
	const struct vm_stats *s = f->stats;

	if (busy(s) < BUSY || cpu_share(s) >= WAITS)
		return false;
	words_set(w, 0, "Workers are at items %u %% of the time, but use only "
	    "%u %% of it as CPU time: they wait for disk, network or a CPU.  "
	    "More workers than %d may help.", busy(s), cpu_share(s),
	    s->workers);
	return true;
}

static bool workers(const struct verdict_facts *f, struct words *w)
{
	const struct vm_stats *s = f->stats;
	bool spare = (size_t)s->workers < f->cpus;

	if (busy(s) < BUSY)
		return false;
	words_set(w, 0, "The workers are busy %u %% of the time: more %s "
	    "would help; there are %d workers and %zu CPUs.", busy(s),
	    spare ? "workers" : "CPUs", s->workers, f->cpus);
	return true;
}

static bool nothing(const struct verdict_facts *f, struct words *w)
{
	words_set(w, 0, "Nothing stands out: workers are busy %u %% of the "
	    "time and wait %u %%.", busy(f->stats), waiting(f->stats));
	return true;
}

enum vm_limit verdict_find(const struct verdict_facts *f, struct words *w)
{
	static const struct { rule *applies; enum vm_limit limit; } rules[] = {
		{ too_short, VM_LIMIT_NONE },
		{ serial, VM_LIMIT_WORKERS },
		{ longest, VM_LIMIT_LONGEST },
		{ setups, VM_LIMIT_SETUP },
		{ sending, VM_LIMIT_SENDING },
		{ taking, VM_LIMIT_TAKING },
		{ input, VM_LIMIT_INPUT },
		{ bound, VM_LIMIT_BOUND },
		{ machines, VM_LIMIT_WORKERS },
		{ outside, VM_LIMIT_OUTSIDE },
		{ workers, VM_LIMIT_WORKERS },
		{ nothing, VM_LIMIT_NONE },
	};
	size_t i = 0;

	while (!rules[i].applies(f, w))
		i++;
	return rules[i].limit;
}
