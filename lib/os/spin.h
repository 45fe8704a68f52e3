/*
 * spin.h - polls for a moment before sleeping, where that pays.
 *
 * Runs in: caller and workers.  Waking a sleeping process, on another CPU in
 * particular, can take many times as long as the awaited event.  A process that
 * polled in vain, or lost its CPU meanwhile, sleeps at once the next few times,
 * and twice as many times after each failure.
 */
#ifndef SPIN_H
#define SPIN_H

#include <stdint.h>

/* Looks before sleeping where the wake-up would be on another CPU, half a
   microsecond each if no other process wants the CPU. */
#define SPIN_LOOKS 100

/* All zero at first: polling is tried. */
struct spin {
	uint32_t pause;		/* waits without polling after the last
				   failure */
	uint32_t left;		/* of these, still to come */
};

/* Polls until a descriptor can be read, that many times at most, and yields the
   CPU in between; returns at once while polling does not pay. */
void spin_at(struct spin *, int fd, int looks);

#endif
