/*
 * ledger.h - the finished inputs of earlier runs, by their keys.
 *
 * Runs in: caller.  Pure.  A hash table of keys, with the positions of their
 * entries in the journal.  A key may be there several times, as equal inputs
 * are; they are taken out in the order in which they were added.
 */
#ifndef LEDGER_H
#define LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/digest.h"

struct ledger_item;

/* An empty ledger is all zero. */
struct ledger {
	struct ledger_item *items; /* array, in the order of adding */
	uint32_t count;		/* items in it, also those taken out */
	uint32_t cap;
	uint32_t *slots;	/* hash table: 1 + the number of the first item
				   of a key; 0: empty */
	uint32_t slot_count;	/* a power of two, or 0 */
	uint32_t used;		/* slots that are not empty */
};

/* Adds a key and the position of its entry, which is not 0.  Returns 0 or
   -ENOMEM. */
int ledger_add(struct ledger *, const struct digest *key, uint64_t at);

/* Returns the position of the first entry of a key; 0 if there is none. */
uint64_t ledger_find(const struct ledger *, const struct digest *key);

/* Takes out the entry that ledger_find() returned. */
void ledger_take(struct ledger *, const struct digest *key);

/* Frees the memory. */
void ledger_release(struct ledger *);

#endif
