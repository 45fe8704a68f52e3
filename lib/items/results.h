/*
 * results.h - queue of answered spans that wait for the caller, as they come
 * or in the order of the inputs.
 *
 * Runs in: caller.  Pure.  As they come, spans form a FIFO list.  In order,
 * they form a pairing heap by sequence number, and its top may be taken once
 * its number is the next.
 *
 * Easy to get wrong: the item taken last stays valid until the next take, so
 * its span lives that long.
 */
#ifndef RESULTS_H
#define RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "items/window.h"
#include "vimap.h"

/* An item and its result: pointers into buffers of the span. */
struct item {
	const struct span *span;
	const void *input;
	size_t input_size;
	uint64_t index;
	/* Valid unless span->outcome.cause is set. */
	enum frame_kind kind;	/* FRAME_OUTPUT or FRAME_FAILURE */
	unsigned char *body;
	size_t size;
	/* If not NULL this is no item but the teardown of a worker: kind and
	   body as above or, if kind is 0, a failure with this text. */
	const struct words *teardown;
};

struct results {
	struct window *window;	/* its counts follow each take; not owned */
	bool ordered;
	uint64_t next_seq;	/* ordered: of the item to hand out next */
	struct span *first;	/* list, or top of the heap */
	struct span *last;	/* of the list */
	size_t spans;		/* in the list or heap */
	uint64_t taken;		/* items of all spans handed out to the last */
	struct span *hand;	/* the current span, handed out now; owned */
	uint32_t left;		/* its items not yet handed out */
	uint64_t index;		/* of the next item */
	size_t input_at;	/* offset of the next item in its chunk */
	unsigned char *output;	/* its result frame; NULL: none */
	bool row;		/* the next items are in a row */
};

/* Initializes an empty queue that updates the window, which must outlive it. */
void results_init(struct results *, struct window *, bool ordered);

/* Frees all spans in it, the current span included. */
void results_release(struct results *);

/* Adds a span that window_move() has made ANSWERED, and owns it. */
void results_put(struct results *, struct span *);

/* Is there an item to take? */
bool results_ready(const struct results *);

/* Is there an item to take in the current span? */
bool results_in_hand(const struct results *);

/* Updates the counts after the last item of the current span. */
void results_book(struct results *);

/* Fills in an item without a result frame: its output is where the worker wrote
   it, and gets a 0 behind it; or it has none. */
void results_draw_in_place(const struct span *, struct item *);

/* Hands out the next item of the current span, which must have an item left.
   Inline, as it runs for each item. */
static inline void results_draw(struct results *r, struct item *item)
{
	struct frame f;

	item->span = r->hand;
	item->teardown = NULL;
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

/* The last item was taken by results_draw().  If the inputs of the current span
   have one size, and its results are outputs of one size, its next items differ
   from the last in their pointers, index and tag only: makes them a row, and
   sets the front to them. */
void results_line_up(struct results *, struct vm_front *);

/* Counts the items of the row that were handed out by vm_front_take(), while
   front.left was the number of all at first, and sets front.left to 0. */
void results_settle(struct results *, struct vm_front *);

/* Invalidates the last item; frees its span if that was the span's last. */
void results_let_go(struct results *);

/* Hands out the next item and invalidates the previous one.  Returns false if
   there is none. */
bool results_take(struct results *, struct item *);

#endif
