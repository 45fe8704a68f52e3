/*
 * push.h - inputs that the program pushes: vm_submit().
 *
 * Runs in: caller.  A pushed input is packed as that of a source is, with a tag
 * of its own.  After an input, inputs of the same size follow without a look at
 * the bounds, as many as the chunk being filled has room for.
 *
 * Easy to get wrong: that number is for the moment.  It is set to 0 where the
 * chunk, the window or a worker may have changed.
 */
#ifndef PUSH_H
#define PUSH_H

#include "engine/engine.h"

/* Takes an input, with its tag; a worker gets it at once if one is idle.  Does
   not block.  Returns 1; 0 if the journal has it finished, and it is left out;
   VM_LATER if a bound is reached; or -ENOMEM. */
int push_input(struct engine *, const void *input, size_t size, void *tag);

/* The same for an input that needs only be copied to the chunk being filled.
   Returns false if push_input() must be called.  Inline, as it runs for each
   item. */
static inline bool push_append(struct engine *e, const void *input, size_t size,
    void *tag)
{
	struct intake *in = &e->intake;

	if (in->appends == 0 || size != in->pushed.size || input == NULL)
		return false;
	in->appends--;
	in->pushed.index++;
	in->seq++;
	chunk_append(in->filling, input, size, tag);
	return true;
}

#endif
