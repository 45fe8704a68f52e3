/*
 * pages.h - pages of the store that a process has read lately.
 *
 * Runs in: caller and workers.  The values of most keys are a few bytes, and
 * those of the next key lie behind them: a page is read once for all of them.
 * Each page has a single entry it can be in, by its number, so a look-up costs
 * no search, and keys of several partitions in turn keep a page each.
 *
 * Easy to get wrong: nobody reports that the store has changed.  Pages may be
 * kept while the keys of a run are reduced, and no longer.
 */
#ifndef PAGES_H
#define PAGES_H

#include <stddef.h>
#include <stdint.h>

#include "reduce/store.h"

/* A process uses 1/PAGES_PART of its memory for pairs at most. */
#define PAGES_PART 4

struct pages {
	size_t count;		/* entries; 0: pages are not kept */
	struct page *entry;	/* table; allocated when it is first used */
};

/* Initialises an empty table that takes at most that many bytes. */
void pages_init(struct pages *, size_t most);

/* Empties the table. */
void pages_forget(struct pages *);

/* Reads as store_read(), from pages in the table where they are there.  Without
   memory for the table the store is read.  Returns 0 or -errno. */
int pages_read(struct pages *, const struct store *, uint64_t at, void *to,
    size_t size);

/* Frees the table. */
void pages_release(struct pages *);

#endif
