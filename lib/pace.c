/* pace.c - see pace.h: how many inputs should travel together. */
#include "config.h"

#include "pace.h"

#include "base.h"
#include "chunk.h"

/* Waking a worker costs tens of microseconds: ten times that is work worth
   sending, and a tail nobody notices. */
#define TARGET_NS 250000.0

void pace_init(struct pace *p, size_t chunk_size)
{
	*p = (struct pace){
		.fixed = (uint32_t)chunk_size,
		.aim = chunk_size ? (uint32_t)chunk_size : 1,
	};
}

/* Slower is believed at once, faster by and by. */
void pace_learn(struct pace *p, uint32_t items, uint64_t ns)
{
	double now, want;

	if (p->fixed || items == 0)
		return;
	now = (double)MAX(ns, 1) / items;
	if (p->item_ns == 0 || now > p->item_ns)
		p->item_ns = now;
	else
		p->item_ns += (now - p->item_ns) / 4;
	want = MIN(TARGET_NS / p->item_ns, 2.0 * p->aim);
	want = MIN(want, (double)CHUNK_ITEMS_MOST);
	p->aim = want < 1 ? 1 : (uint32_t)want;
}
