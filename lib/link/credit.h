/*
 * credit.h - how many items a link may have on their way to its agent.
 *
 * Runs in: link.  Pure: times are parameters.  Twice as many as are answered
 * within CREDIT_NS or four round trips, so that the agent never waits for
 * inputs; and no more than one for each worker while items take longer, so that
 * the caller can give the others to another worker, cancel them, or let the
 * machine go.
 */
#ifndef CREDIT_H
#define CREDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

#define CREDIT_NS (100 * MS_IN_NS)
/* Bounds on items, and on the bytes of their inputs. */
#define CREDIT_ITEMS ((uint64_t)1 << 20)
#define CREDIT_BYTES ((uint64_t)8 << 20)

struct credit {
	uint64_t least;		/* items, by the number of workers */
	uint64_t items;		/* that may be on their way */
	uint64_t answers;	/* since */
	uint64_t since;		/* time, ns */
	uint64_t bytes;		/* of an input, on average */
};

/* Begins with the least, for that number of workers. */
void credit_init(struct credit *, uint32_t workers, uint64_t now);

/* The agent has another number of workers. */
void credit_resize(struct credit *, uint32_t workers);

/* Counts an item that was shipped, by its bytes, and an answer. */
void credit_shipped(struct credit *, size_t bytes);
void credit_answered(struct credit *);

/* Sets the number of items by the rate of answers.  round_trip: of the
   connection, ns. */
void credit_update(struct credit *, uint64_t round_trip, uint64_t now);

/* Returns the number of items that may be shipped beside those on their way. */
uint64_t credit_left(const struct credit *, uint64_t in_flight);

#endif
