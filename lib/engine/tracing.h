/*
 * tracing.h - the events of each step for the trace of a pool.
 *
 * Runs in: caller.  Each hook does nothing if no trace is written.
 *
 * Easy to get wrong: times of a worker are not trusted.  They are moved to
 * where its track is free, so that its slices never overlap.
 */
#ifndef TRACING_H
#define TRACING_H

#include <stdint.h>

#include "items/span.h"
#include "report/tally.h"
#include "wire/frame.h"

struct engine;
struct member;

/* ---- the caller ---- */

/* It was outside the library since it left it last. */
void tracing_enter(struct engine *, uint64_t now);

/* It slept, while a worker was idle for want of something. */
void tracing_sleep(struct engine *, uint64_t from, uint64_t until,
    enum tally_want);

/* It read sources. */
void tracing_read(struct engine *, uint64_t from, uint64_t until);

/* An item has failed and gets another attempt. */
void tracing_retry(struct engine *, const struct span *);

/* The pool is broken. */
void tracing_break(struct engine *);

/* ---- workers ---- */

/* A worker was forked; its setup took so long; its setup has failed, by its
   frame; it begins its teardown. */
void tracing_fork(struct engine *, struct member *, uint64_t now);
void tracing_setup(struct engine *, struct member *, uint32_t us,
    uint64_t now);
void tracing_leave(struct engine *, struct member *, uint64_t now);

/* Draws items by a STAMP of their worker.  Returns 0 or -EPROTO. */
int tracing_stamp(struct engine *, struct member *, const struct frame *,
    uint64_t now);

/* The last answer to an item of that span was that the item has failed. */
void tracing_fail(struct engine *, struct member *, const struct span *,
    enum vm_cause, uint64_t now);

/* A link has answered the items of that span from a number on to the first that
   is left. */
void tracing_run(struct engine *, struct member *, const struct span *,
    uint32_t from, uint64_t now);

/* Its item takes too long: it will be killed. */
void tracing_overdue(struct engine *, const struct member *, uint64_t now);

/* The worker is dead, and its items are still with it. */
void tracing_bury(struct engine *, struct member *);

/* VM_SERIAL: setup, teardown or the first item of a span has run until now. */
void tracing_serial(struct engine *, const char *name, const struct span *,
    uint64_t from);

#endif
