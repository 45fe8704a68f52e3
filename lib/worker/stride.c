/* stride.c - see stride.h: how many items a worker takes at once. */
#include "config.h"

#include "worker/stride.h"

#include "base/base.h"
#include "shm/slot.h"

/* Time of a call of process_many() that is aimed at.  A call in TIMED_OF is
   timed, and each for TIMED_LEAST elements or more, where a clock costs
   little. */
#define TOGETHER_NS 1000
#define TIMED_OF 8
#define TIMED_LEAST 64

void stride_init(struct stride *s)
{
	*s = (struct stride){ .items = 1, .most = 1, .together = 1 };
}

void stride_begin(struct stride *s, uint32_t most)
{
	s->items = s->most = most;
}

void stride_end(struct stride *s, bool wanted)
{
	s->items = wanted ? 1 : MIN(2 * s->items, s->most);
}

bool stride_times(struct stride *s, uint32_t n)
{
	return n >= TIMED_LEAST || s->calls++ % TIMED_OF == 0;
}

/* A call that was interrupted does not make it a single element. */
void stride_learn(struct stride *s, uint32_t n, uint64_t ns)
{
	uint64_t most = n * (uint64_t)TOGETHER_NS / MAX(ns, 1);

	if (ns > TOGETHER_NS)
		s->together = MAX((uint32_t)MAX(most, n / 8), 1);
	else if (n == s->together && ns < TOGETHER_NS / 2)
		s->together = MIN(2 * n, SLOT_STRIDE_MANY);
}
