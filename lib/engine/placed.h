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

/* Where an output lies in a member's payload area, as its worker says: 0;
   -EPROTO if it cannot. */
int placed_look(const struct engine *, const struct member *,
    const struct frame *, struct frame_placed *);

/* It becomes an empty span's: 0; -ENOMEM and nothing has changed. */
int placed_take(struct engine *, struct member *,
    const struct frame_placed *, struct span *);

/* Copies out what lies there longest, while it is more than half of the area,
   and tells the worker what is free; as far as there is memory. */
void placed_make_room(struct engine *, struct member *);

/* What was handed out last is no longer valid: its worker may write there. */
void placed_let_go(struct engine *);

#endif
