/*
 * intake.h - the engine's first step: sources -> chunks -> window.
 *
 * Runs in: caller.
 */
#ifndef INTAKE_H
#define INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "items/chunk.h"
#include "items/freelist.h"
#include "items/source.h"

struct engine;

/* The sources, and the chunk that is filled from the first of them. */
struct intake {
	struct source *sources;	/* queued; the first is being read */
	struct chunk *filling;	/* a chunk not yet full, or NULL */
	struct source *filled_from;
	size_t chunk_bytes;	/* of the last chunk, for the next */
	uint64_t seq;		/* inputs ever read */
	bool in_hook;		/* a hook of a source, or with VM_SERIAL of the
				   worker, runs now */
	bool ask_again;		/* a source that said VM_LATER may be asked */
	struct freelist freelist;
};

/* Queues a source; it is the engine's now. */
void intake_add(struct engine *, struct source *);

/* Reads inputs while bounds allow, from a source that may block only if
   there is nothing else to do: 0 or -errno. */
int intake_run(struct engine *, uint64_t now);

/* Would a source be asked now? */
bool intake_wants(struct engine *);

/* All sources are closed and forgotten, a chunk being filled too. */
void intake_close(struct engine *);

/* The same in a process they do not belong to: no hook of the user's is
   called, but ready-made sources free their memory. */
void intake_forget(struct engine *);

/* Admits what is being filled, if anything: 0 or -ENOMEM. */
int intake_admit(struct engine *);

/* All that sources have still comes back as VM_CANCELLED, when it is read; what
   is being filled is admitted: 0 or -ENOMEM. */
int intake_give_up(struct engine *);

/* Admits all that was read, and all of an array that is mapped to an array, and
   closes the sources: 0; -ENOMEM and they stay as they are. */
int intake_finish(struct engine *);

#endif
