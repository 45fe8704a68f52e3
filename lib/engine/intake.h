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

/* The sources, and the chunk that is filled from the first source. */
struct intake {
	struct source *sources;	/* queue; the first is being read */
	struct chunk *filling;	/* a chunk not yet full, or NULL */
	struct source *filled_from;
	size_t chunk_bytes;	/* bytes of the last chunk, a guess for the
				   next */
	uint64_t seq;		/* number of inputs ever read */
	struct source pushed;	/* in no queue: vm_submit() gives its inputs */
	size_t room;		/* pushed inputs as large as the last that may
				   be appended by vm_front_give(); 0 again where
				   something may have changed */
	bool in_hook;		/* a hook of the user runs now: of a source, or
				   with VM_SERIAL of the worker */
	bool ask_again;		/* a source that returned VM_LATER may be
				   asked */
	struct freelist freelist;
};

/* Appends a source to the queue; the engine owns it from now on. */
void intake_add(struct engine *, struct source *);

/* Reads inputs while the bounds allow; reads from a source that may block only
   if there is no other work.  Returns 0 or -errno. */
int intake_run(struct engine *, uint64_t now);

/* Must the chunk being filled be admitted before the input that a source holds
   is packed? */
bool intake_must_admit(const struct engine *, const struct source *);

/* Packs the input that a source holds, into a new chunk if none is being
   filled; with its own tag, if that is not NULL, and with its key for the
   journal.  Returns 0 or -errno. */
int intake_pack(struct engine *, struct source *, void *const *tag);

/* Returns how many inputs of that size may follow in the chunk being filled, by
   all bounds, of which "left" is that of the window in bytes; 0 if the chunk is
   full, or their frames must be looked at singly. */
size_t intake_missing(const struct engine *, size_t size, size_t left);

/* Would a source be asked now? */
bool intake_wants(struct engine *);

/* Closes and frees all sources; drops the chunk being filled. */
void intake_close(struct engine *);

/* The same in a process that did not start the engine: calls no callback of the
   user's, but ready-made sources free their memory. */
void intake_forget(struct engine *);

/* Admits the chunk being filled, if any.  Returns 0 or -ENOMEM. */
int intake_admit(struct engine *);

/* Marks all sources: inputs still unread are answered with VM_CANCELLED when
   they are read.  Admits the chunk being filled.  Returns 0 or -ENOMEM. */
int intake_give_up(struct engine *);

/* Admits all inputs that were read and, with vm_map_array(), the whole array;
   then closes the sources.  Returns 0, or -ENOMEM and leaves the sources
   open. */
int intake_finish(struct engine *);

#endif
