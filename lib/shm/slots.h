/*
 * slots.h - the shared pages of all workers of a pool.
 *
 * Runs in: caller, fork server and worker.  All slots are two shared mappings
 * made before the first fork; a worker unmaps the others', the caller keeps
 * them from the host's own children.  The second one has the halves for inputs.
 * It is a file without a name, of which the fork server, and so each worker,
 * has a mapping made by a descriptor opened to be read: mprotect(2) cannot
 * make that writable.  Where there can be no such mapping there is no half for
 * inputs.
 *
 * Easy to get wrong: what another pool of the caller maps must not come to this
 * pool's workers, so mapping, listing and forking are done under one lock.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/slot.h"

/* What the fork server has behind the slots: a page, whatever its size. */
#define SLOTS_BEHIND ((size_t)64 * 1024)

/* All slots of a pool, and behind them a page of the fork server's, which no
   worker has once a hook runs there. */
struct slots {
	unsigned char *at;	/* NULL: none */
	size_t stride;		/* bytes a slot */
	size_t count;
	size_t payload;		/* bytes of each half of it; 0: none */
	unsigned char *inputs;	/* the halves for inputs; NULL: none */
	size_t room;		/* bytes of each, payload or 0 */
	int readable;		/* caller, until it has forked: what they can be
				   mapped by to be read only; else -1 */
};

/* Maps them, with as much payload area as can be had, up to that many bytes for
   each half: 0 or -ENOMEM.  Takes the lock of fdlist.h. */
int slots_map(struct slots *, size_t count, size_t payload);

/* Gives all back (this process's mapping).  One that was never mapped, but is
   all zero, is fine. */
void slots_unmap(struct slots *);

/* In a new fork server, forked by the thread that had the lock: gives back what
   other pools of its caller have mapped.  Nothing would come of it where they
   keep it from children, but for another thread that is just about to; and a
   tool that watches memory takes for there what nobody gave back. */
void slots_drop_others(const struct slots *, pid_t owner);

/* In a new fork server, likewise: neither this process nor a worker can write
   to inputs.  0 or -errno. */
int slots_shut_inputs(struct slots *);

/* In a worker: gives back all but one, and keeps that one, but for its inputs,
   from processes forked here. */
void slots_keep_one(struct slots *, size_t which);

/* In the caller, while nobody else uses that slot: nothing stays in its control
   page and its ring. */
void slots_wipe(const struct slots *, size_t which);

/* In the caller, after its fork: the host's children do not get them, and no
   process can map the inputs any more.  Takes the lock of fdlist.h. */
void slots_dont_fork(struct slots *);

/* Fork server: from now on it is at something for which it answers nobody, as
   long as that takes; or it is not. */
static inline void slots_set_busy(const struct slots *s, bool busy)
{
	atomic_store((atomic_bool *)(s->at + s->stride * s->count), busy);
}

/* Caller: is it? */
static inline bool slots_busy(const struct slots *s)
{
	return atomic_load((atomic_bool *)(s->at + s->stride * s->count));
}

enum slots_step {
	SLOTS_FORKED,		/* handlers of the host's may still run */
	SLOTS_PREPARING,	/* it calls the C library, and waits for nothing
				   but for a lock that is never given back */
	SLOTS_PREPARED
};

/* How far a fork server has come, as it says itself; the caller sets the first
   step, before it forks one. */
void slots_set_step(const struct slots *, enum slots_step);

/* Caller: how far is it? */
enum slots_step slots_step(const struct slots *);

/* One of them, from 0. */
struct slot *slots_get(const struct slots *, size_t which);

/* The halves of its payload area; that for outputs begins as a stream does in
   its buffer. */
unsigned char *slots_inputs(const struct slots *, size_t which);
unsigned char *slot_outputs(const struct slot *);

#endif
