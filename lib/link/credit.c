/* credit.c - see credit.h: how many items a link may have on their way. */
#include "config.h"

#include "link/credit.h"

void credit_init(struct credit *c, uint32_t workers, uint64_t now)
{
	*c = (struct credit){ .least = workers, .since = now };
	c->items = c->least;
}

void credit_resize(struct credit *c, uint32_t workers)
{
	c->least = workers;
	c->items = MAX(c->items, c->least);
}

/* A moving average over about eight inputs; an empty input costs a head. */
void credit_shipped(struct credit *c, size_t bytes)
{
	c->bytes = (7 * c->bytes + bytes + 64) / 8;
}

void credit_answered(struct credit *c)
{
	c->answers++;
}

/* The number doubles at once when all of them are answered early, so that the
   rate of a fast agent is found within a few round trips. */
void credit_update(struct credit *c, uint64_t round_trip, uint64_t now)
{
	const uint64_t period = MAX(CREDIT_NS, 4 * round_trip);

	if (now - c->since >= period)
		c->items = (uint64_t)(2.0 * (double)c->answers *
		    (double)period / (double)(now - c->since));
	else if (c->answers >= c->items)
		c->items *= 2;
	else
		return;
	c->items = MAX(MIN(c->items, CREDIT_ITEMS), c->least);
	c->answers = 0;
	c->since = now;
}

/* A single input may have any size. */
uint64_t credit_left(const struct credit *c, uint64_t in_flight)
{
	uint64_t most = MIN(c->items, CREDIT_BYTES / MAX(c->bytes, 1));

	most = MAX(most, 1);
	return most > in_flight ? most - in_flight : 0;
}
