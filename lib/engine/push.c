/* push.c - see push.h: inputs that the program pushes. */
#include "config.h"

#include "engine/push.h"

#include <errno.h>

#include "engine/dispatch.h"
#include "engine/resume.h"
#include "engine/stats.h"
#include "os/sys.h"

/* Admits the chunk being filled if the pushed input cannot be added to it.
   Returns 0; VM_LATER if the window has no room for a new chunk; or -ENOMEM. */
static int make_way(struct engine *e)
{
	struct intake *in = &e->intake;
	int r = 0;

	if (intake_must_admit(e, &in->pushed))
		r = intake_admit(e);
	if (r == 0 && in->filling == NULL && !window_room_pushed(&e->window))
		return VM_LATER;
	return r;
}

/* An input was packed, as large as the one before: finds how many more may be
   appended, and makes room for them; without memory none. */
static void look_ahead(struct engine *e, struct vm_front *f)
{
	struct intake *in = &e->intake;
	struct chunk *c = in->filling;
	const size_t size = in->pushed.size;
	size_t n = e->resume.on || f->ours == NULL ? 0 : intake_missing(e,
	    size, window_bytes_left(&e->window));

	if (n == 0 || c->each == 0 || chunk_expect_run(c, n, size) < 0 ||
	    chunk_expect_tags(c, n) < 0)
		return;
	frame_head((unsigned char *)&f->head, FRAME_ITEM, size);
	f->size = size;
	f->frame = (char *)c->items.data + c->items.len + (n - 1) * c->each;
	f->own_tag = c->tags.len == 0 ? NULL :
	    (void **)(void *)(c->tags.data + c->tags.len) + n - 1;
	f->only_tag = c->tag;
	in->room = n;
}

void push_settle(struct engine *e, struct vm_front *f)
{
	struct intake *in = &e->intake;
	const size_t n = in->room - f->room;

	if (n > 0)
		chunk_count(in->filling, n);
	in->pushed.index += n;
	in->seq += n;
	in->room -= n;
	f->room = 0;
}

int push_input(struct engine *e, const void *input, size_t size, void *tag,
    struct vm_front *f)
{
	struct source *s = &e->intake.pushed;
	bool same = size == s->size, idle;
	int r = 0;

	e->intake.room = 0;
	stats_resume(e);
	s->input = input;
	s->size = size;
	s->met = 0;
	if (e->resume.on)
		r = resume_meet(e, s, &tag);
	if (r == 1)
		return e->set.journal_outputs;
	if (r == 0)
		r = make_way(e);
	if (r == 0)
		r = intake_pack(e, s, &tag);
	if (r != 0)
		return r;
	idle = crew_idle(&e->crew) != NULL;
	/* The input is taken: what fails now is done by a later call. */
	if (idle || intake_must_admit(e, s))
		r = intake_admit(e);
	else if (same)
		look_ahead(e, f);
	if (r == 0 && idle)
		dispatch_run(e, sys_now());
	return 1;
}
