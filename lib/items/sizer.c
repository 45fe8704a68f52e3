/* sizer.c - see sizer.h: how many inputs should travel together. */
#include "config.h"

#include "items/sizer.h"

#include "base/base.h"
#include "items/chunk.h"

/* To wake the caller and a worker costs tens of microseconds of two CPUs: fifty
   times that is work worth sending, and a tail nobody notices. */
#define TARGET_NS 1000000.0
/* But where workers wait for CPUs, or are asleep, no longer than that. */
#define LONGEST_NS 50000000.0
/* What a crowd gets done is looked at over such a time. */
#define SAMPLE_NS (4 * MS_IN_NS)
/* What a worker has taken cannot be taken back: no more than this much. */
#define STRIDE_NS 1000.0

void sizer_init(struct sizer *p, size_t chunk_size)
{
	*p = (struct sizer){
		.fixed = (uint32_t)chunk_size,
		.aim = chunk_size ? (uint32_t)chunk_size : 1,
	};
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

/* Slower is believed at once, faster by and by. */
void sizer_learn(struct sizer *p, uint32_t items, uint64_t ns)
{
	double now, want, cost;

	if (items == 0)
		return;
	now = (double)MAX(ns, 1) / items;
	if (p->item_ns == 0 || now > p->item_ns)
		p->item_ns = now;
	else
		p->item_ns += (now - p->item_ns) / 4;
	if (p->fixed)
		return;
	cost = p->item_ns;
	if (p->share_ns > 0) {
		cost = MIN(cost, p->share_ns);
		cost = MAX(cost, p->item_ns * (TARGET_NS / LONGEST_NS));
	}
	want = MIN(TARGET_NS / cost, 2.0 * p->aim);
	want = MIN(want, (double)CHUNK_ITEMS_MOST);
	p->aim = want < 1 ? 1 : (uint32_t)want;
}

/* In a crowd a chunk takes long because its worker waits for others, or to be
   woken; smaller chunks would make that worse. */
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
