/*
 * spin.h - whether it pays to wait awake for a moment before one sleeps.
 *
 * Runs in: caller and workers.  To be woken, on another CPU in particular, can
 * take many times as long as what is waited for.  Whoever waited awake in vain,
 * or lost its CPU to others meanwhile, sleeps at once for the next times, for
 * twice as many each time.
 */
#ifndef SPIN_H
#define SPIN_H

#include <stdint.h>

/* Zeroed: it is tried. */
struct spin {
	uint32_t pause;		/* not to be tried so often after the last */
	uint32_t left;		/* of these */
};

/* Waits awake until a descriptor can be read, some 50 us at most, if that has
   paid. */
void spin_at(struct spin *, int fd);

#endif
