/*
 * teardown.h - how teardowns end: well, or in words for vm_close().
 *
 * Runs in: caller.  A worker that was told to leave owes its teardown: that
 * fails if the worker says so, dies in it, or does not come to it.
 *
 * Easy to get wrong: the words of the pool may tell why it broke down; those
 * about teardowns are apart until it is closed.
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

/* What is told of a teardown. */
struct teardown {
	struct teardown *next;
	struct words words;	/* if it has failed */
	struct span about;	/* no chunk; a block if the worker said it */
};

struct teardowns {
	uint64_t failed;
	struct words words;	/* of the first that failed */
	struct teardown *first;	/* queued for the caller, if the option asks, */
	struct teardown *told;	/* and the last that was handed out */
};

/* A worker is set up: room to tell of its teardown, if the option asks.  0 or
   -ENOMEM. */
int teardown_prepare(const struct engine *, struct member *);

/* What a worker says after LEAVING: 0 or -EPROTO. */
int teardown_said(struct engine *, struct member *, const struct frame *);

/* A member is buried: if it owed a teardown, that has failed. */
void teardown_missed(struct engine *, struct member *);

/* Runs the teardown of the one context. */
void teardown_serial(struct engine *);

/* The next that is to be told, valid until it is let go: true, or false if
   there is none. */
bool teardown_take(struct engine *, struct item *);
void teardown_let_go(struct engine *);

/* Frees what was not told. */
void teardown_release(struct engine *);

/* The pool is at its end: 0; 1 and words if teardowns have failed. */
int teardown_sum(struct engine *);

#endif
