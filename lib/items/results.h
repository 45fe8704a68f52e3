/*
 * results.h - answered spans that wait for the caller, as they come or in
 * the order of the inputs.
 *
 * Runs in: caller.  Pure.  As they come they form a list; in order they form
 * a pairing heap by sequence number, of which the top may be taken once it is
 * the next in order.
 *
 * Easy to get wrong: what was taken last stays valid until the next take, so
 * its span lives that long.
 */
#ifndef RESULTS_H
#define RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "items/window.h"

/* One item and what became of it, read in place. */
struct item {
	const struct span *span;
	const void *input;
	size_t input_size;
	uint64_t index;
	/* Valid unless span->outcome.cause is set. */
	enum frame_kind kind;	/* FRAME_OUTPUT or FRAME_FAILURE */
	unsigned char *body;
	size_t size;
	/* If not NULL this is no item: a worker was given up; words for it. */
	const struct words *given_up;
	bool teardown;		/* or it has torn down; kind and body as above,
				   or words if kind is 0 */
};

struct results {
	struct window *window;	/* told what is taken */
	bool ordered;
	uint64_t next_seq;	/* ordered: of the item to hand out next */
	struct span *first;	/* list, or top of the heap */
	struct span *last;	/* of the list */
	struct span *hand;	/* the span being handed out */
	uint32_t left;		/* of its items */
	uint64_t index;		/* of the next one, */
	size_t input_at;	/* its offset in its chunk */
	unsigned char *output;	/* and its result frame; NULL: none */
};

/* An empty one that tells the window what is taken. */
void results_init(struct results *, struct window *, bool ordered);

/* Frees all of it, the one in hand included. */
void results_release(struct results *);

/* Adds a span that window_move() has made ANSWERED. */
void results_put(struct results *, struct span *);

/* Is there one to take? */
bool results_ready(const struct results *);

/* Is there one to take that does not begin another span? */
bool results_in_hand(const struct results *);

/* The last item of the span in hand was handed out. */
void results_book(struct results *);

/* What an item without a result frame has: an output where its worker made it,
   which is ended here, or none. */
void results_draw_in_place(const struct span *, struct item *);

/* Hands out the next item of the span in hand, which must have one.  Inline,
   as it is done for each item. */
static inline void results_draw(struct results *r, struct item *item)
{
	struct frame f;

	item->span = r->hand;
	item->given_up = NULL;
	item->index = r->index++;
	r->input_at = chunk_unpack(r->hand->chunk, r->input_at, &item->input,
	    &item->input_size);
	if (r->output != NULL) {
		frame_look(r->output, &f);
		item->kind = f.kind;
		item->body = f.body;
		item->size = f.size;
		f.body[f.size] = 0;
		r->output += f.length;
	} else {
		results_draw_in_place(r->hand, item);
	}
	if (--r->left == 0)
		results_book(r);
}

/* What was handed out last is no longer valid; its span is freed if that was
   its last item. */
void results_let_go(struct results *);

/* Hands out the next item: true, or false if there is none.  What was handed
   out before it is no longer valid. */
bool results_take(struct results *, struct item *);

#endif
