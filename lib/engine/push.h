/*
 * push.h - inputs that the program pushes: vm_submit().
 *
 * Runs in: caller.  A pushed input is packed as that of a source is, with a tag
 * of its own.  After an input, inputs of the same size follow without a look at
 * the bounds, as many as the chunk being filled has room for.
 *
 * Easy to get wrong: that number is for the moment.  It is set to 0 where the
 * chunk, the window or a worker may have changed; and while a call of the API
 * runs, vm_front.room is 0.
 */
#ifndef PUSH_H
#define PUSH_H

#include "engine/engine.h"

/* Takes an input, with its tag; a worker gets it at once if one is idle.  Does
   not block.  Sets intake.room, and the front to where inputs are to be
   appended.  Returns 1; 0 if the journal has it finished, and it is left out;
   VM_LATER if a bound is reached; or -ENOMEM. */
int push_input(struct engine *, const void *input, size_t size, void *tag,
    struct vm_front *);

/* Counts the inputs that were appended, while front.room was intake.room at
   first, and sets front.room to 0. */
void push_settle(struct engine *, struct vm_front *);

#endif
