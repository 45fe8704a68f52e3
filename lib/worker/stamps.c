/* stamps.c - see stamps.h: when the items of a worker ran. */
#include "config.h"

#include "worker/stamps.h"

#include "os/sys.h"
#include "shm/slot.h"

void stamps_note(struct stamps *s, struct slot *slot, uint32_t first)
{
	s->began = s->from != 0 ? s->from : sys_now();
	s->first = first;
	slot_note(slot, s->began, 0, 0);
}

static int tell(struct outstream *g, const struct frame_stamp *s)
{
	_Alignas(16) unsigned char frame[48];

	frame_write(frame, FRAME_STAMP, s, sizeof *s);
	return outstream_put(g, frame, frame_length(sizeof *s));
}

int stamps_tell(struct stamps *s, struct outstream *g)
{
	int r = s->run.count > 0 ? tell(g, &s->run) : 0;

	s->run.count = 0;
	return r;
}

/* Do these short items follow those that were not told yet? */
static bool continues(const struct frame_stamp *run,
    const struct frame_stamp *more)
{
	return run->count > 0 && run->ordinal == more->ordinal &&
	    run->first + run->count == more->first &&
	    more->begin - run->end < STAMPS_SHORT_NS;
}

int stamps_add(struct stamps *s, struct outstream *g, uint32_t ordinal,
    uint32_t next)
{
	const struct frame_stamp these = { .begin = s->began, .end = sys_now(),
		.ordinal = ordinal, .first = s->first,
		.count = next - s->first };
	bool short_ = these.end - these.begin < STAMPS_SHORT_NS;
	int r = 0;

	s->from = these.end;
	if (short_ && continues(&s->run, &these)) {
		s->run.end = these.end;
		s->run.count += these.count;
		return 0;
	}
	r = stamps_tell(s, g);
	if (short_)
		s->run = these;
	else if (r == 0)
		r = tell(g, &these);
	return r;
}
