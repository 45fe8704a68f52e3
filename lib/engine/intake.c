/*
 * intake.c - the engine's first step: source next -> chunk pack -> window
 * admit.
 *
 * Runs in: caller.  Easy to get wrong: a source that may block is asked only
 * when no result is ready and all inputs read were sent, except for a chunk
 * that is being filled while no worker is idle: the caller must not wait for a
 * source that waits for its own items to be done.
 */
#include "config.h"

#include "engine/intake.h"

#include <errno.h>
#include <stdlib.h>

#include "base/base.h"
#include "engine/answer.h"
#include "engine/debug.h"
#include "engine/dispatch.h"
#include "engine/engine.h"
#include "engine/resume.h"
#include "engine/tracing.h"
#include "os/sys.h"

/* Most chunks that are read and sent before results are looked for.  With many
   workers, the few that have just been at work then do the next chunks, which
   touches less memory. */
#define WAITING_MOST 16

/* Inputs that are left out without a look at results. */
#define SKIPS_MOST 4096

/* A chunk of this many bytes is sent before the next is packed. */
#define AT_ONCE ((size_t)128 * 1024)

void intake_add(struct engine *e, struct source *s)
{
	struct source **at = &e->intake.sources;

	while (*at != NULL)
		at = &(*at)->next;
	*at = s;
}

void intake_close(struct engine *e)
{
	while (e->intake.sources != NULL) {
		struct source *s = e->intake.sources;

		e->intake.sources = s->next;
		source_free(s);
	}
	e->intake.filled_from = NULL;
	chunk_drop(e->intake.filling);
	e->intake.filling = NULL;
	e->intake.room = 0;
}

void intake_forget(struct engine *e)
{
	for (struct source *s = e->intake.sources; s != NULL; s = s->next)
		if (!made_is(&s->hooks))
			s->hooks.close = NULL;
	intake_close(e);
}

int intake_give_up(struct engine *e)
{
	int r = intake_admit(e);

	for (struct source *s = e->intake.sources; s != NULL && r == 0;
	    s = s->next)
		s->given_up = true;
	return r;
}

int intake_admit(struct engine *e)
{
	struct chunk *c = e->intake.filling;
	int r = 0;

	e->intake.room = 0;
	if (c != NULL) {
		r = window_admit(&e->window, c);
		if (r < 0)
			return r;
		e->intake.chunk_bytes = MIN(c->items.len, SIZER_BYTES);
		e->tally.input_bytes += c->items.len;
		if (c->given_up) {
			e->window.near->attempt = 0;
			answer_cause(e, e->window.near, VM_CANCELLED);
		}
		debug_say(e, "admit: %u items from number %llu", c->count,
		    (unsigned long long)c->seq);
	}
	chunk_drop(c);
	e->intake.filling = NULL;
	return 0;
}

/* ---- large inputs ---- */

/* Is an input large enough to be placed in a payload arena? */
static bool is_large(const struct engine *e, size_t size)
{
	return size >= SLOT_LARGE && size < e->slots.room &&
	    e->serial.context == NULL;
}

/* Returns the bytes of a placed chunk that begins with an input of that
   size. */
static size_t room_for(const struct engine *e, size_t size)
{
	size_t length = frame_length(size);
	size_t fit = MIN(e->slots.room, SLOT_PAYLOAD) / 2 / length;
	size_t n = e->sizer.fixed ? MIN(fit, e->sizer.aim) : 1;

	return (FRAME_START + MAX(n, 1) * length + 1 + 63) & ~(size_t)63;
}

/* Returns the member that a chunk with a large input would be sent to at once,
   if the input arena of its slot has room; else NULL. */
static struct member *host(struct engine *e, size_t size)
{
	struct member *m = e->window.nwaiting > 0 ? NULL :
	    crew_pick(&e->crew);

	return m != NULL && arena_has(&m->inputs, room_for(e, size)) ? m : NULL;
}

/* A large input waits until the arena of the worker that is to have it has
   room, rather than being sent through a pipe; but not if a worker is idle and
   nothing is about to change, nor if it is not to be sent. */
static bool must_wait(struct engine *e, const struct source *s)
{
	const size_t size = s->size;

	if (s->given_up || e->intake.filling != NULL || !is_large(e, size) ||
	    room_for(e, size) > e->slots.room || host(e, size) != NULL)
		return false;
	if (results_ready(&e->results))
		return true;
	return e->window.nsent + e->window.nwaiting > 0 &&
	    (e->window.nwaiting > 0 || crew_idle(&e->crew) == NULL);
}

/* Places an empty chunk in a worker's input arena, in shared memory, if its
   input is large and there is room. */
static void place(struct engine *e, struct chunk *c, size_t size)
{
	struct member *m = is_large(e, size) ? host(e, size) : NULL;
	struct region *r = m ? arena_take(&m->inputs, room_for(e, size)) : NULL;

	if (r != NULL && r->to > SLOT_PAYLOAD)
		e->crew.wide = true;
	if (r != NULL)
		chunk_place(c, r, slots_inputs(&e->slots, m->which) +
		    region_offset(r));
}

/* Must the chunk being filled be admitted before an input is packed? */
static inline bool goes_before(const struct engine *e, size_t size)
{
	const struct chunk *c = e->intake.filling;

	if (c == NULL)
		return false;
	if (c->where == CHUNK_PLACED)
		return !chunk_fits(c, size);
	return size >= SLOT_LARGE && !e->sizer.fixed && is_large(e, size);
}

/* Packs the input that a source holds.  Returns 0 or -errno.  Inline, as it
   runs for each item. */
static inline int add(struct engine *e, struct source *s, struct chunk *c)
{
	int r = chunk_pack(c, s->input, s->size);

	if (r == 0) {
		s->held = false;
		s->index++;
		e->intake.seq++;
	}
	return r;
}

/* Makes room in a chunk for as much as the last chunk had, and for its first
   input. */
static void expect(const struct engine *e, struct chunk *c, size_t size)
{
	chunk_expect(c, MAX(e->intake.chunk_bytes, frame_length(size)));
	if (size >= SLOT_LARGE)
		sys_ask_huge(c->items.data, c->items.cap);
}

/* left: bytes of the window that the chunk may count for. */
static bool is_full(const struct engine *e, size_t left)
{
	const struct chunk *c = e->intake.filling;

	return c != NULL && (sizer_enough(&e->sizer, c->count, c->items.len) ||
	    c->count >= CHUNK_ITEMS_MOST || chunk_charge(c) >= left);
}

/* Inputs that are made room for at once, as a source may have fewer. */
#define RUN_MOST 1024

size_t intake_missing(const struct engine *e, size_t size, size_t left)
{
	const struct chunk *c = e->intake.filling;
	size_t length = frame_length(size), n;

	if (c->where != CHUNK_PACKED || size >= SLOT_LARGE || is_full(e, left))
		return 0;
	n = sizer_missing(&e->sizer, c->count, c->items.len, length);
	n = MIN(n, CHUNK_ITEMS_MOST - c->count);
	n = MIN(n, (left - chunk_charge(c)) / (length + CHUNK_ITEM_CHARGE));
	return MIN(n, RUN_MOST);
}

/* Packs inputs that a source gives together, behind an input of the same size.
   The others, and those for which there is no memory, are left to add(). */
static void add_runs(struct engine *e, struct source *s, size_t left)
{
	struct chunk *c = e->intake.filling;
	const void *items;
	size_t n, size;

	while ((n = intake_missing(e, s->size, left)) > 0 &&
	    chunk_expect_run(c, n, s->size) == 0 &&
	    (n = source_run(s, n, &items, &size)) > 0) {
		chunk_pack_run(c, items, n, size);
		s->index += n;
		e->intake.seq += n;
	}
}

/* Returns an empty chunk for the input that a source holds, or NULL without
   memory. */
static struct chunk *begin(struct engine *e, const struct source *s)
{
	struct intake *in = &e->intake;
	struct chunk *c = chunk_new(&in->freelist, s->index, in->seq,
	    s->hooks.tag);

	if (c == NULL)
		return NULL;
	c->given_up = s->given_up;
	c->skipped = e->resume.skipped;
	if (!c->given_up)
		place(e, c, s->size);
	if (c->where == CHUNK_PACKED)
		expect(e, c, s->size);
	return c;
}

int intake_pack(struct engine *e, struct source *s, void *const *tag)
{
	struct intake *in = &e->intake;
	const struct digest *key = e->resume.on ? resume_key(e, s) : NULL;
	struct chunk *c = in->filling;
	bool fresh = c == NULL;
	int r;

	if (fresh)
		c = begin(e, s);
	if (c == NULL)
		return -ENOMEM;
	r = tag != NULL ? chunk_expect_tag(c, *tag) : 0;
	if (r == 0 && key != NULL)
		r = chunk_expect_key(c);
	if (r == 0)
		r = add(e, s, c);
	if (r == 0) {
		if (tag != NULL)
			chunk_keep_tag(c, *tag);
		if (key != NULL)
			chunk_keep_key(c, key);
		in->filling = c;
		in->filled_from = s;
	} else if (fresh) {
		chunk_drop(c);
	}
	return r;
}

/* Is an input not the next after those of the chunk being filled, as the
   journal had an input between them? */
static bool is_apart(const struct engine *e, const struct source *s)
{
	const struct chunk *c = e->intake.filling;

	return c != NULL && (c->index + c->count != s->index ||
	    c->seq + c->count != e->intake.seq ||
	    c->skipped != e->resume.skipped);
}

bool intake_must_admit(const struct engine *e, const struct source *s)
{
	return e->intake.filling != NULL && (e->intake.filled_from != s ||
	    is_apart(e, s) || goes_before(e, s->size) ||
	    is_full(e, window_bytes_left(&e->window)));
}

/* Makes an empty chunk refer to the next n items of an inherited array, which
   need no buffer as workers have the array too.  Returns 0 or -ENOMEM. */
static int refer(struct engine *e, struct source *s,
    struct source_array *array, size_t n)
{
	struct intake *in = &e->intake;
	struct chunk *c = chunk_new(&in->freelist, s->index, in->seq,
	    s->hooks.tag);

	if (c == NULL)
		return -ENOMEM;
	chunk_inherit(c, array->items, (uint32_t)n, array->size);
	c->given_up = s->given_up;
	array->items += n * array->size;
	array->left -= n;
	s->index += n;
	e->intake.seq += n;
	e->intake.filling = c;
	e->intake.filled_from = s;
	return 0;
}

/* With vm_map_array() every element has a result: admits the unread elements of
   the array.  Returns 0 or -ENOMEM. */
static int refer_rest(struct engine *e, struct source *s)
{
	struct source_array *array = e->array ? source_inherited(s) : NULL;
	int r = 0;

	while (r == 0 && array != NULL && array->left > 0) {
		r = refer(e, s, array, MIN(array->left, CHUNK_ITEMS_MOST));
		if (r == 0)
			r = intake_admit(e);
	}
	return r;
}

int intake_finish(struct engine *e)
{
	struct source *s = e->intake.sources;
	int r = 0;

	if (s != NULL && e->intake.filling != NULL &&
	    e->intake.filled_from != s)
		r = intake_admit(e);
	if (r == 0 && s != NULL && s->held && (is_apart(e, s) ||
	    goes_before(e, s->size)))
		r = intake_admit(e);
	if (r == 0 && s != NULL && s->held)
		r = intake_pack(e, s, NULL);
	if (r == 0)
		r = intake_admit(e);
	if (r == 0 && s != NULL)
		r = refer_rest(e, s);
	if (r == 0)
		intake_close(e);
	return r;
}

/* Is a worker idle or about to be, and are there inputs for it? */
static bool worker_waits(struct engine *e)
{
	return e->intake.filling != NULL &&
	    (e->set.serial || crew_waits(&e->crew));
}

/* May the source be asked now? */
static bool may_ask(struct engine *e, const struct source *s)
{
	if (s->state != SOURCE_OPEN || (s->held && must_wait(e, s)))
		return false;
	if (e->intake.filling == NULL && !window_room(&e->window))
		return false;
	/* With a waiting span for every worker, reading more is too early. */
	if (e->window.nwaiting >= MIN(e->staffing.workforce, WAITING_MOST))
		return false;
	/* A held input can be packed without asking the source. */
	if (source_prompt(s) || s->held)
		return true;
	return !results_ready(&e->results) && e->window.nwaiting == 0 &&
	    e->window.paused == NULL &&
	    !worker_waits(e) && !dispatch_pending(e);
}

bool intake_wants(struct engine *e)
{
	return e->intake.sources != NULL && may_ask(e, e->intake.sources);
}

/* Fills the next chunk from an inherited array.  Returns 1; 0 if no item is
   left; or -ENOMEM. */
static int refer_some(struct engine *e, struct source *s,
    struct source_array *array)
{
	size_t n = MIN(array->left, e->sizer.aim);
	size_t most = e->crew.element ? e->crew.arrays / 4 /
	    e->crew.element : n;
	int r;

	if (e->intake.filling != NULL)
		return 1;
	if (n == 0) {
		source_close(s);
		return 0;
	}
	/* The arrays of their outputs must fit into the arena, several at a
	   time. */
	r = refer(e, s, array, MIN(n, MAX(most, 1)));
	return r < 0 ? r : 1;
}

/* As fill_only(), for an inherited array. */
static int refer_only(struct engine *e, struct source *s,
    struct source_array *array)
{
	size_t before = (size_t)MIN(array->left, e->set.only - s->index);
	int r = 0;

	array->items += before * array->size;
	array->left -= before;
	s->index += before;
	e->intake.seq += before;
	if (array->left > 0)
		r = refer(e, s, array, 1);
	if (r == 0)
		source_close(s);
	return r;
}

/* Packs a single input of a source, that of the index in "only"; those before
   it are read and count, those behind it are not read.  Returns as fill(). */
static int fill_only(struct engine *e, struct source *s)
{
	struct source_array *array = source_inherited(s);
	int r = 0;

	if (array != NULL)
		return refer_only(e, s, array);
	while (r == 0 && s->index < e->set.only) {
		if (source_next(s, e->set.plan.max_item) != 1)
			return 0;
		s->held = false;
		s->index++;
		e->intake.seq++;
	}
	if (source_next(s, e->set.plan.max_item) != 1)
		return 0;
	r = intake_pack(e, s, NULL);
	if (r == 0)
		source_close(s);
	return r < 0 ? r : 1;
}

/* As fill(), for inputs that are looked up in the journal: after many that are
   left out, other work comes first. */
static int fill_unfinished(struct engine *e, struct source *s, size_t left)
{
	int r = 0, skips = 0;

	do {
		if (skips == SKIPS_MOST ||
		    source_next(s, e->set.plan.max_item) != 1)
			return 0;
		r = resume_meet(e, s, NULL);
		if (r == 1 && !e->set.journal_outputs) {
			skips++;
			continue;
		}
		if (r != 0)
			return MIN(r, 1);
		if (s->size >= SLOT_LARGE && must_wait(e, s))
			return 0;
		if (is_apart(e, s) || goes_before(e, s->size))
			return 1;
		r = intake_pack(e, s, NULL);
		if (r == 0 && is_full(e, left))
			return 1;
	} while (r >= 0 && (source_prompt(s) || may_ask(e, s)));
	return MIN(r, 0);
}

/* Packs inputs until the chunk is full.  Returns 1; 0 if it is not full yet; or
   -errno.  The facts that may_ask() tests do not change while a source that
   never blocks fills a chunk. */
static int fill(struct engine *e, struct source *s)
{
	const size_t left = window_bytes_left(&e->window);
	const bool prompt = source_prompt(s);
	const bool runs = prompt && source_has_runs(s);
	struct source_array *array = source_inherited(s);
	int r;

	/* The library's own items, as partitions and keys, are not indexed by
	   the user. */
	if (e->set.only != NEVER && s->hooks.reserved[0] != made_here)
		return fill_only(e, s);
	if (e->resume.on)
		return fill_unfinished(e, s, left);
	if (array != NULL)
		return refer_some(e, s, array);
	do {
		if (source_next(s, e->set.plan.max_item) != 1)
			return 0;
		if (s->size >= SLOT_LARGE && must_wait(e, s))
			return 0;
		if (goes_before(e, s->size))
			return 1;
		r = e->intake.filling ? add(e, s, e->intake.filling) :
		    intake_pack(e, s, NULL);
		if (r == 0 && runs)
			add_runs(e, s, left);
		if (r == 0 && is_full(e, left))
			return 1;
	} while (r == 0 && (prompt || may_ask(e, s)));
	return r;
}

/* Reads a source until it has no more inputs for now or a bound is reached.  A
   source that may block is left after each chunk, so that results are seen. */
static int read_source(struct engine *e, struct source *s, uint64_t now)
{
	bool more = true, at_once;
	int r = 0;

	while (r == 0 && more && may_ask(e, s)) {
		r = fill(e, s);
		more = r == 1 && source_prompt(s);
		at_once = more && e->intake.filling != NULL &&
		    e->intake.filling->items.len >= AT_ONCE;
		if (r == 1)
			r = intake_admit(e);
		/* Several chunks for a worker leave in a single write, later,
		   except chunks that take longer to pack than to send. */
		if (r == 0 && more)
			r = at_once ? dispatch_run(e, now) :
			    dispatch_give(e, now);
	}
	return r;
}

/* Drops a source that has ended, for the next in the queue; a source that has
   failed stays until its failure was reported. */
static bool turn_to_next(struct engine *e)
{
	struct source *s = e->intake.sources;

	if (s->state != SOURCE_ENDED)
		return false;
	e->intake.sources = s->next;
	source_free(s);
	return true;
}

int intake_run(struct engine *e, uint64_t now)
{
	bool any = e->intake.sources != NULL;
	struct source *s;
	int r = 0;

	while (r == 0 && (s = e->intake.sources) != NULL) {
		if (e->intake.filling != NULL && e->intake.filled_from != s)
			r = intake_admit(e);
		if (r == 0)
			r = read_source(e, s, now);
		if (r < 0 || !turn_to_next(e))
			break;
		r = intake_admit(e);
	}
	/* A chunk that cannot grow now, or that a worker waits for, is admitted
	   as it is. */
	if (r == 0 && (e->intake.sources == NULL ||
	    e->intake.sources->state != SOURCE_OPEN || worker_waits(e)))
		r = intake_admit(e);
	if (any) {
		const uint64_t end = sys_now();

		e->tally.sources_ns += end - now;
		tracing_read(e, now, end);
	}
	return r;
}
