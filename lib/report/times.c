/* times.c - see times.h: how long items take. */
#include "config.h"

#include "report/times.h"

#include "base/base.h"

/* Returns the class of a time: below 8 ns the time itself, above by the four
   highest bits. */
static unsigned class_of(uint64_t ns)
{
	unsigned octave = 0, class;

	while (ns >> octave >= 16)
		octave++;
	class = 8 * octave + (unsigned)(ns >> octave);
	return MIN(class, TIMES_CLASSES - 1);
}

/* Returns the time in the middle of a class. */
static uint64_t middle_of(unsigned class)
{
	unsigned octave = class < 16 ? 0 : class / 8 - 1;
	uint64_t begin = (uint64_t)(class - 8 * octave) << octave;

	return begin + (((uint64_t)1 << octave) >> 1);
}

void times_add(struct times *t, uint64_t ns, uint64_t items)
{
	t->class[class_of(ns)] += items;
	t->items += items;
}

void times_list(struct times *t, const struct times_item *item)
{
	int at = TIMES_SLOWEST - 1;

	if (item->ns <= t->slowest[at].ns)
		return;
	for (int i = 0; i < TIMES_SLOWEST; i++)
		if (t->slowest[i].ns > 0 && t->slowest[i].seq == item->seq)
			at = i;
	if (item->ns <= t->slowest[at].ns)
		return;
	for (; at > 0 && t->slowest[at - 1].ns < item->ns; at--)
		t->slowest[at] = t->slowest[at - 1];
	t->slowest[at] = *item;
}

uint64_t times_part(const struct times *t, unsigned thousandths)
{
	uint64_t below = t->items / 1000 * thousandths +
	    t->items % 1000 * thousandths / 1000;
	uint64_t sum = 0;

	for (unsigned i = 0; i < TIMES_CLASSES && t->items > 0; i++) {
		sum += t->class[i];
		if (sum > below || sum == t->items)
			return middle_of(i);
	}
	return 0;
}
