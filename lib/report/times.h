/*
 * times.h - how long items take: how many took which time, and the slowest.
 *
 * Runs in: caller.  Pure.  Times are counted in classes an eighth wide, so that
 * counting is an addition, and a percentile is right within an eighth.
 */
#ifndef TIMES_H
#define TIMES_H

#include <stdint.h>

/* Classes for times below 2^48 ns, 8 for each doubling. */
#define TIMES_CLASSES 368
#define TIMES_SLOWEST 5

/* An item that took long. */
struct times_item {
	uint64_t ns;		/* 0: none */
	uint64_t seq;		/* number among all items read */
	uint64_t index;		/* in its source */
	void *tag;		/* of its source */
};

struct times {
	uint64_t items;		/* counted in all classes */
	uint64_t class[TIMES_CLASSES];
	struct times_item slowest[TIMES_SLOWEST]; /* longest time first */
};

/* Counts items that took that time each. */
void times_add(struct times *, uint64_t ns, uint64_t items);

/* Lists an item among the slowest if it is one of them; an item of the same seq
   is there once, with its longest time. */
void times_list(struct times *, const struct times_item *);

/* Returns a time that is not exceeded by that part of the items, in thousands;
   0 without items. */
uint64_t times_part(const struct times *, unsigned thousandths);

#endif
