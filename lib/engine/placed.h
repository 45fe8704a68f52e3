/*
 * placed.h - outputs in the payload arena of a worker.
 *
 * Runs in: caller.
 */
#ifndef PLACED_H
#define PLACED_H

#include "items/span.h"
#include "wire/frame.h"

struct engine;
struct member;

/* Checks where an output lies in a member's arena, by the worker's frame.
   Returns 0, or -EPROTO if that is impossible. */
int placed_look(const struct engine *, const struct member *,
    const struct frame *, struct frame_placed *);

/* A worker is ready: tells it whether large outputs are read in place, as far
   as that is known.  Gives back memory that the worker before has left. */
void placed_begin(struct engine *, struct member *);

/* Gives the output to an empty span, as a region or as a copy in a buffer.
   Returns 0, or -ENOMEM and leaves the arena unchanged. */
int placed_take(struct engine *, struct member *,
    const struct frame_placed *, struct span *);

/* Copies the oldest results out of the arena while too little is free for the
   next outputs, and tells the worker; stops when memory runs out. */
void placed_make_room(struct engine *, struct member *);

/* Gives back memory of halves that are empty, if all have more behind
   SLOT_PAYLOAD than they may keep. */
void placed_trim(struct engine *);

/* Invalidates the item that was handed out last: its worker may overwrite it.
   Then placed_trim(). */
void placed_let_go(struct engine *);

#endif
