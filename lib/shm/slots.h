/*
 * slots.h - the shared memory of all workers of a pool.
 *
 * Runs in: caller, fork server and worker.  All slots are in two shared
 * mappings made before the first fork; a worker unmaps the other workers'
 * slots, and the caller keeps the mappings out of the host program's children.
 * The second mapping has the halves for inputs.  It is a file without a name,
 * which the fork server, and so each worker, maps by a descriptor opened
 * read-only: mprotect(2) cannot make such pages writable.  Where that is
 * impossible, there is no half for inputs.
 *
 * Easy to get wrong: mappings of another pool of the caller must not get into
 * this pool's workers, so mapping, listing and forking happen under the lock of
 * fdlist.h.
 */
#ifndef SLOTS_H
#define SLOTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/slot.h"

/* Bytes behind the slots for the fork server: a page of any page size. */
#define SLOTS_BEHIND ((size_t)64 * 1024)

/* All slots of a pool, and behind them the fork server's page, which a worker
   unmaps before it runs hooks. */
struct slots {
	unsigned char *at;	/* NULL: none */
	size_t stride;		/* bytes per slot */
	size_t count;
	size_t payload;		/* bytes of each half of an area; 0: no area */
	unsigned char *inputs;	/* the halves for inputs; NULL: none */
	size_t room;		/* bytes of each, payload or 0; behind them lie
				   SLOT_COPIES */
	int readable;		/* caller, until it has forked: descriptor to
				   map inputs read-only; else -1 */
};

/* Returns the bytes that each half of a payload area should have with that many
   slots: more than SLOT_PAYLOAD only where neither addresses nor sizes of files
   are limited. */
size_t slots_half(size_t count);

/* Returns the bytes from a half for inputs to the next. */
static inline size_t slots_inputs_stride(const struct slots *s)
{
	return s->room > 0 ? s->room + SLOT_COPIES : 0;
}

/* Maps the slots, with a payload area as large as memory allows, up to
   "payload" bytes for each half, with some room left.  Returns 0 or -ENOMEM.
   Takes the lock of fdlist.h. */
int slots_map(struct slots *, size_t count, size_t payload);

/* Unmaps all slots in this process.  All zero, never mapped, is allowed.  Takes
   the lock of fdlist.h. */
void slots_unmap(struct slots *);

/* In a new fork server, forked by the thread that held the lock: unmaps the
   other pools of its caller.  Most keep their mappings out of children, except
   while another thread is about to do so; and memory checkers do not notice
   mappings that vanish in a child. */
void slots_drop_others(const struct slots *, pid_t owner);

/* In a new fork server, likewise: makes the inputs read-only for this process
   and all workers.  Returns 0 or -errno. */
int slots_shut_inputs(struct slots *);

/* In a worker: unmaps all slots except its own, and keeps that out of processes
   forked here, except for its inputs. */
void slots_keep_one(struct slots *, size_t which);

/* In the caller, while no other process uses the slot: zeroes its control
   page, its ring and its arrays. */
void slots_wipe(const struct slots *, size_t which);

/* In the caller: gives back the memory of a half for inputs, or of one for
   outputs which the worker does not use, behind SLOT_PAYLOAD. */
void slots_trim_inputs(const struct slots *, size_t which);
void slots_trim_outputs(const struct slots *, size_t which);

/* In the caller, after its fork: keeps all slots out of the host program's
   children, and closes the descriptor of the inputs, so that no process can map
   them any more.  Takes the lock of fdlist.h. */
void slots_dont_fork(struct slots *);

/* Fork server: sets whether it is busy with work during which it does not
   answer the caller. */
static inline void slots_set_busy(const struct slots *s, bool busy)
{
	atomic_store((atomic_bool *)(s->at + s->stride * s->count), busy);
}

/* Caller: is the fork server busy? */
static inline bool slots_busy(const struct slots *s)
{
	return atomic_load((atomic_bool *)(s->at + s->stride * s->count));
}

enum slots_step {
	SLOTS_FORKED,		/* handlers of the host program may still run */
	SLOTS_PREPARING,	/* it runs the C library, and can only block on
				   a lock whose holder does not exist here */
	SLOTS_PREPARED
};

/* Caller: says that it hires no more workers, so that the fork server ends with
   the last of them. */
void slots_set_closing(const struct slots *);

/* Fork server: has the caller said so? */
bool slots_closing(const struct slots *);

/* Publishes how far the fork server has come; the caller sets the first step
   before it forks. */
void slots_set_step(const struct slots *, enum slots_step);

/* Caller: returns the last step published. */
enum slots_step slots_step(const struct slots *);

/* Returns a pointer to the slot of number "which", from 0. */
struct slot *slots_get(const struct slots *, size_t which);

/* Return pointers to the halves of its payload area: NULL if there is none for
   inputs; that for outputs is 8 mod 16, as the start of a stream. */
unsigned char *slots_inputs(const struct slots *, size_t which);
unsigned char *slot_outputs(const struct slot *);

#endif
