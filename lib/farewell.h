/*
 * farewell.h - how teardowns end: well, or in words for vm_close().
 *
 * Runs in: caller.  A worker that was told to leave owes its teardown: that
 * fails if the worker says so, dies in it, or does not come to it.
 *
 * Easy to get wrong: the words of the pool may tell why it broke down; those
 * about teardowns are apart until it is closed.
 */
#ifndef FAREWELL_H
#define FAREWELL_H

#include "engine.h"

/* What a worker says after LEAVING: 0 or -EPROTO. */
int farewell_said(struct engine *, struct member *, const struct frame *);

/* A member is buried: if it owed a teardown, that has failed. */
void farewell_missed(struct engine *, const struct member *);

/* The teardown of the one context has failed. */
void farewell_serial(struct engine *);

/* The pool is at its end: 0; 1 and words if teardowns have failed. */
int farewell_sum(struct engine *);

#endif
