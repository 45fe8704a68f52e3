/* account.c - see account.h: the worker's account of the present chunk. */
#include "config.h"

#include "worker/account.h"

#include "os/sys.h"
#include "shm/slot.h"
#include "worker/exit.h"

void account_init(struct account *a, struct slot *slot,
    const struct slots *slots, int fd, bool traced)
{
	a->slot = slot;
	a->traced = traced;
	outstream_init(&a->outstream, slot, slots, fd);
}

static int add(struct account *a, enum frame_kind kind, const void *body,
    size_t size)
{
	_Alignas(16) unsigned char frame[48];

	frame_write(frame, kind, body, size);
	return outstream_put(&a->outstream, frame, frame_length(size));
}

void account_put(struct account *a, enum frame_kind kind, const void *body,
    size_t size)
{
	if (add(a, kind, body, size) < 0)
		exit_give_up();
}

/* Tells how far the array is filled.  Returns 0 or -errno. */
static int tell_filled(struct account *a)
{
	const struct frame_end done = { .ordinal = a->ordinal,
		.next = a->filled };

	if (a->filled == a->told)
		return 0;
	a->told = a->filled;
	return add(a, FRAME_DONE, &done, sizeof done);
}

void account_flush(struct account *a)
{
	if (tell_filled(a) < 0 || outstream_flush(&a->outstream) < 0)
		exit_give_up();
}

/* Tells when items ran that were not told yet. */
static void tell_stamps(struct account *a)
{
	if (stamps_tell(&a->stamps, &a->outstream) < 0)
		exit_give_up();
}

void account_flush_before(struct account *a, uint32_t next)
{
	tell_stamps(a);
	account_flush(a);
	legs_end(&a->legs, a->slot, next, a->outstream.wrote_at,
	    a->outstream.blocked);
	stamps_begin(&a->stamps, a->outstream.wrote_at);
}

void account_split(struct account *a, uint32_t next)
{
	legs_end(&a->legs, a->slot, next, sys_now(), a->outstream.blocked);
}

void account_begin(struct account *a, const struct frame_chunk *chunk)
{
	const uint64_t now = sys_now();

	legs_begin(&a->legs, a->slot, chunk->first, now,
	    a->outstream.blocked);
	stamps_begin(&a->stamps, now);
	a->ordinal = chunk->ordinal;
	a->filled = a->told = chunk->first;
	if (chunk->outputs != FRAME_NOWHERE)
		slot_finish(a->slot, chunk->ordinal, chunk->first);
}

/* If the result pipe is broken, maybe not by the item, the item is marked as
   not begun. */
void account_send(struct account *a, uint32_t number, unsigned char *frame,
    size_t length)
{
	if (tell_filled(a) < 0 ||
	    outstream_add(&a->outstream, frame, length) < 0) {
		slot_begin(a->slot, a->ordinal, number);
		exit_give_up();
	}
	a->filled = a->told = number + 1;
}

void account_take(struct account *a, uint32_t first)
{
	if (a->traced)
		stamps_note(&a->stamps, a->slot, first);
}

void account_ran(struct account *a, uint32_t next)
{
	if (a->traced && stamps_add(&a->stamps, &a->outstream, a->ordinal,
	    next) < 0)
		exit_give_up();
}

void account_end(struct account *a, const struct frame_chunk *chunk,
    uint32_t next)
{
	const uint64_t now = sys_now();
	struct frame_end said;

	tell_stamps(a);
	legs_end(&a->legs, a->slot, next, now, a->outstream.blocked);
	said = legs_report(&a->legs, chunk->ordinal, next, now,
	    a->outstream.blocked);
	account_put(a, FRAME_END, &said, sizeof said);
	a->told = a->filled;
	if (chunk->report || account_is_due(a))
		account_flush(a);
}
