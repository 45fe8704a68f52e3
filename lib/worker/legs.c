/* legs.c - see legs.h: times of a chunk. */
#include "config.h"

#include "worker/legs.h"

void legs_begin(struct legs *l, struct slot *slot, uint32_t first,
    uint64_t now, uint64_t blocked)
{
	*l = (struct legs){
		.chunk_began = now,
		.began = now,
		.blocked = blocked,
		.chunk_blocked = blocked,
		.first = first,
	};
	slot_note_leg(slot, now);
}

void legs_end(struct legs *l, struct slot *slot, uint32_t next, uint64_t now,
    uint64_t blocked)
{
	const uint64_t ns = now - l->began - (blocked - l->blocked);

	if (next > l->first && ns >= l->longest.longest) {
		l->longest.longest = ns;
		l->longest.last = next - 1;
		l->longest.items = next - l->first;
	}
	l->began = now;
	slot_note_leg(slot, now);
	l->blocked = blocked;
	l->first = next;
}

struct frame_end legs_report(const struct legs *l, uint32_t ordinal,
    uint32_t next, uint64_t now, uint64_t blocked)
{
	struct frame_end said = l->longest;

	said.ordinal = ordinal;
	said.next = next;
	said.ns = now - l->chunk_began;
	said.blocked = blocked - l->chunk_blocked;
	return said;
}
