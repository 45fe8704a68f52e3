/*
 * verdict.h - what limits a run, by the figures of vm_stats().
 *
 * Runs in: caller.  Pure: a function of the figures.  The first rule of a table
 * that applies gives the sentence; the order is from causes that spoil other
 * figures to those that are left when nothing else is found.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "report/tally.h"
#include "vimap.h"

/* Figures beside those of vm_stats(). */
struct verdict_facts {
	const struct vm_stats *stats;
	uint64_t want_ns[WANTS]; /* see struct tally */
	uint64_t lacked_ns;
	size_t cpus;		/* that workers share */
	bool serial;		/* without processes */
	bool ordered;
	bool restarts;		/* options replace workers after some items */
	bool pushed;		/* most inputs were pushed by the program */
	bool far;		/* other machines had items: each is a worker in
				   the sums */
};

/* Sets the words to a sentence with the figures that show the limit, and the
   option or change that would help.  Returns the limit. */
enum vm_limit verdict_find(const struct verdict_facts *, struct words *);

#endif
