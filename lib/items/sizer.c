/* sizer.c - see sizer.h: how many inputs to send in a chunk. */
#include "config.h"

#include "items/sizer.h"

#include "base/base.h"
#include "items/chunk.h"

/* Aim for the time of a chunk.  Waking the caller and a worker costs tens of
   microseconds on two CPUs: work of fifty times that is worth sending, and
   still short enough at the end of a run. */
#define TARGET_NS 1000000.0
/* Upper bound on the elapsed time of a chunk where workers wait for CPUs, or to
   be woken. */
#define LONGEST_NS 50000000.0
/* Length of a sample for sizer_crowd(). */
#define SAMPLE_NS (4 * MS_IN_NS)
/* An item that takes less neither sleeps nor waits for another process. */
#define TINY_NS 2000.0
/* The first chunk of a worker may take so much longer. */
#define COLD_NS 20000.0
/* Upper bound on the balance of tiny chunks. */
#define TINY_MOST 16
/* A wake-up takes that long at most, on slow machines. */
#define SHORT_NS 100000.0
/* Least weight of a shorter time in the average. */
#define LEAST_PART 0.25
/* Upper bound on the time of the items taken at once, since they cannot be
   taken back. */
#define STRIDE_NS 1000.0

void sizer_init(struct sizer *p, size_t chunk_size)
{
	*p = (struct sizer){
		.fixed = (uint32_t)chunk_size,
		.aim = chunk_size ? (uint32_t)chunk_size : 1,
	};
}

size_t sizer_missing(const struct sizer *p, uint32_t items, size_t bytes,
    size_t length)
{
	size_t n, fit;

	if (sizer_enough(p, items, bytes))
		return 0;
	n = p->aim - items;
	fit = p->fixed ? n : (SIZER_BYTES - bytes + length - 1) / length;
	return MIN(n, fit);
}

uint16_t sizer_stride(const struct sizer *p)
{
	double n = p->item_ns > 0 ? STRIDE_NS / p->item_ns : 1;

	return n < 1 ? 1 : (uint16_t)MIN(n, (double)SLOT_STRIDE);
}

bool sizer_worth(const struct sizer *p, uint32_t items)
{
	return items * p->item_ns >= TARGET_NS / 2;
}

size_t sizer_hands(const struct sizer *p, size_t cpus)
{
	return p->tiny > TINY_MOST / 2 ? cpus + 1 + p->silent : SIZE_MAX;
}

void sizer_silent(struct sizer *p, size_t workers)
{
	p->silent = workers;
}

/* A chunk took long if its worker had to wait for a CPU, too: that says little
   of its items, unless it happens to every third chunk. */
static void judge(struct sizer *p, uint32_t items, double ns)
{
	if (p->silent > 0)
		p->silent--;
	if (ns < items * TINY_NS + COLD_NS)
		p->tiny = MIN(p->tiny + 1, TINY_MOST);
	else
		p->tiny = MAX(p->tiny - 2, 0);
}

bool sizer_is_short(const struct sizer *p)
{
	return p->item_ns > 0 && p->item_ns < SHORT_NS;
}

/* A longer time per item counts at once, a shorter time by and by: by the
   number of its items, as the first item of a run takes long. */
static void average(struct sizer *p, uint32_t items, double ns)
{
	double part = (double)items / ((double)items + p->items);

	if (p->item_ns == 0 || ns > p->item_ns)
		p->item_ns = ns;
	else
		p->item_ns += (ns - p->item_ns) * MAX(part, LEAST_PART);
	p->items = items;
}

void sizer_learn(struct sizer *p, uint32_t items, uint64_t ns)
{
	double want, cost;

	if (items == 0)
		return;
	average(p, items, (double)MAX(ns, 1) / items);
	if (p->fixed)
		return;
	judge(p, items, (double)ns);
	cost = p->item_ns;
	if (p->share_ns > 0) {
		cost = MIN(cost, p->share_ns);
		cost = MAX(cost, p->item_ns * (TARGET_NS / LONGEST_NS));
	}
	want = MIN(TARGET_NS / cost, 2.0 * p->aim);
	want = MIN(want, (double)CHUNK_ITEMS_MOST);
	p->aim = want < 1 ? 1 : (uint32_t)want;
}

/* With more workers than CPUs a chunk takes long because its worker waits for a
   CPU; smaller chunks would make that worse. */
void sizer_crowd(struct sizer *p, uint32_t items, uint64_t now, size_t workers,
    size_t cpus)
{
	p->done += items;
	if (now - p->since < SAMPLE_NS || p->done == 0)
		return;
	p->share_ns = workers <= cpus ? 0 :
	    (double)(now - p->since) * (double)cpus / (double)p->done;
	p->since = now;
	p->done = 0;
}
