/*
 * teardown.h - outcomes of teardowns: good, or an error text for vm_close().
 *
 * Runs in: caller.  A worker that was told to leave owes its teardown: that
 * fails if the worker says so, dies in it, or does not begin it.
 *
 * Easy to get wrong: the pool's error text may say why it broke down; the text
 * about teardowns is kept apart until it is closed.
 */
#ifndef TEARDOWN_H
#define TEARDOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/words.h"
#include "items/results.h"
#include "items/span.h"
#include "wire/frame.h"

struct engine;
struct member;

/* The result of a teardown for the caller. */
struct teardown {
	struct teardown *next;
	struct words words;	/* error text, if it has failed */
	struct span about;	/* has no chunk; has a buffer if the worker sent
				   a frame */
};

struct teardowns {
	uint64_t failed;
	struct words words;	/* error text of the first that failed */
	struct teardown *first;	/* queue for the caller, if the option asks */
	struct teardown *told;	/* the last that was handed out */
};

/* Allocates the result of the teardown of a worker that is set up, if the
   option asks.  Returns 0 or -ENOMEM. */
int teardown_prepare(const struct engine *, struct member *);

/* Handles a worker's frame after LEAVING.  Returns 0 or -EPROTO. */
int teardown_said(struct engine *, struct member *, const struct frame *);

/* A member that was set up is buried: if it owed a teardown, counts that as
   failed. */
void teardown_missed(struct engine *, struct member *);

/* Runs the teardown of a VM_SERIAL pool. */
void teardown_serial(struct engine *);

/* Takes the next result from the queue; its pointers are valid until
   teardown_let_go().  Returns false if there is none. */
bool teardown_take(struct engine *, struct item *);
void teardown_let_go(struct engine *);

/* Frees all results of teardowns. */
void teardown_release(struct engine *);

/* Called at the pool's end.  Returns 0; or 1 with the error text set if
   teardowns have failed. */
int teardown_sum(struct engine *);

#endif
