/* tally.c - see tally.h: counts and times of a pool. */
#include "config.h"

#include "report/tally.h"

#include "base/base.h"

void tally_init(struct tally *t, uint64_t now)
{
	*t = (struct tally){ .began = now, .left_at = now, .resting = true };
}

void tally_rest(struct tally *t)
{
	t->resting = true;
}

void tally_resume(struct tally *t, uint64_t now)
{
	tally_pass(t, now);
	t->resting = false;
}

/* Returns the number of the lowest bit. */
static unsigned bit_of(unsigned cause)
{
	unsigned bit = 0;

	while (bit + 1 < TALLY_CAUSES && (cause >> bit & 1) == 0)
		bit++;
	return bit;
}

void tally_fail(struct tally *t, unsigned cause, uint64_t items)
{
	t->failed[bit_of(cause)] += items;
}

uint64_t tally_failed(const struct tally *t)
{
	uint64_t sum = 0;

	for (int i = 0; i < TALLY_CAUSES; i++)
		sum += t->failed[i];
	return sum;
}

uint64_t tally_wall(const struct tally *t, uint64_t now)
{
	uint64_t until = t->resting ? t->left_at : now;

	return until > t->began ? until - t->began : 0;
}

void effort_begin(struct effort *f, uint64_t now, uint64_t rested)
{
	f->since = now;
	f->rested = rested;
}

void effort_setup(struct effort *f, uint64_t now, uint64_t ns,
    uint64_t rested)
{
	f->setup += ns;
	f->since = MIN(f->since, now - ns);
	f->rested += MIN(rested - f->rested, ns);
}

uint64_t effort_lived(const struct effort *f, uint64_t until, uint64_t rested)
{
	const uint64_t ns = until - MIN(f->since, until);

	return f->since == 0 ? 0 : ns - MIN(rested - f->rested, ns);
}

void effort_end(struct effort *f, uint64_t now, uint64_t rested,
    uint64_t items, uint64_t cpu, uint64_t max_rss)
{
	f->lived += effort_lived(f, now, rested);
	f->since = 0;
	f->items += items;
	f->cpu += cpu;
	f->max_rss = MAX(f->max_rss, max_rss);
}
