/* fuzz_puppet.c - see fuzz_puppet.h: workers without processes. */
#include "config.h"

#include "fuzz_puppet.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/base.h"
#include "fuzz_array.h"
#include "fuzz_truth.h"
#include "fuzz_world.h"
#include "items/chunk.h"
#include "vimap.h"
#include "wire/channel.h"
#include "worker/capture.h"
#include "worker/outstream.h"

#define FRAME_MOST ((size_t)400 * 1024)

static struct puppet {
	struct outstream outstream;
	struct channel tasks;
	struct puppet_mood mood;
	struct frame_chunk chunk;
	uint32_t left;		/* items of the chunk not yet received */
	unsigned char *at;	/* pointer to the next item, if not packed */
	uint32_t next;		/* for END: the item it stops before */
	uint32_t end;		/* limit of the items it has taken */
	bool more;		/* the lease has not ended */
	bool fills;		/* its outputs have places, and its items are
				   in memory: */
	bool open;		/* the last item it took is not finished */
	bool made;		/* the last output is complete in its place, but
				   not yet published */
	uint32_t filled;	/* outputs before that item are in place, */
	uint32_t told;		/* and before that, the caller was told so by a
				   frame */
	bool then_apart;	/* the next result has no place; what is before
				   was told */
	bool greeted;
	bool at_work, owes_flush;
	uint64_t number;	/* of the present item */
	struct puppet_work work;
	struct frame_failure failure; /* for the FAILURE frame */
	/* The next frame, and the actions after it: flush, leave, record the
	   truth. */
	size_t length;
	unsigned char *placed;	/* pointer to it elsewhere, or NULL: in frame */
	bool then_flush, then_leave, then_done, then_failed;
	_Alignas(16) unsigned char frame[FRAME_MOST];
} puppets[WORLD_WORKERS];

size_t puppet_usual;

static void no_close(int *fd)
{
	*fd = -1;
}

void world_born(size_t which)
{
	struct puppet *p = &puppets[which];
	size_t kept = offsetof(struct puppet, frame);

	channel_close(&p->tasks, no_close);
	memset(p, 0, kept);
	p->mood.allowed = SIZE_MAX;
	p->work.seen_at = world.now;
	outstream_init(&p->outstream, world.place[which].slot, &world.slots,
	    world_result_end(which));
	if (arrays.maps)
		p->outstream.payload = 0;
	channel_open(&p->tasks, world_task_end(which), -1);
}

void puppet_release_all(void)
{
	for (size_t i = 0; i < COUNTOF(puppets); i++)
		channel_close(&puppets[i].tasks, no_close);
}

struct puppet_mood *puppet_mood(size_t which)
{
	return &puppets[which].mood;
}

const struct puppet_work *puppet_work(size_t which)
{
	return &puppets[which].work;
}

uint64_t puppet_cpu(uint64_t born_at, uint64_t now)
{
	return (now - born_at) / 2;
}

char puppet_letter(uint64_t number)
{
	return (char)('a' + number % 26);
}

const struct frame_chunk *puppet_chunk(size_t which)
{
	return &puppets[which].chunk;
}

bool puppet_greeted(size_t which)
{
	return puppets[which].greeted;
}

size_t world_allows(size_t which, size_t size)
{
	size_t *allowed = &puppets[which].mood.allowed;
	size_t n = MIN(size, *allowed);

	*allowed -= *allowed == SIZE_MAX ? 0 : n;
	return n;
}

void puppet_output(unsigned char *to, uint64_t number, size_t size)
{
	memset(to, (int)(number % 251), size);
	memcpy(to, &number, MIN(size, sizeof number));
}

size_t puppet_body(unsigned char *to, uint64_t number, size_t size)
{
	size_t lead = (options.flags & VM_MEASURE_ITEMS) && !arrays.maps ?
	    sizeof(struct frame_times) : 0;

	memset(to, 'T', lead);
	puppet_output(to + lead, number, size);
	return lead + size;
}

/* ---- frames ---- */

/* Announces an output in the payload arena; undone if the ring has no room. */
static int put_placed(struct puppet *p)
{
	const struct outstream before = p->outstream;
	int r = outstream_add(&p->outstream, p->placed, p->length);

	if (r < 0) {
		p->outstream.told = before.told;
		p->outstream.skip_from = before.skip_from;
		p->outstream.skip_to = before.skip_to;
		p->outstream.large = before.large;
	} else {
		p->placed = NULL;
	}
	return r;
}

/* Stages a frame; if the ring has no room, the frame goes to the pipe at
   once. */
static int put(size_t which)
{
	struct puppet *p = &puppets[which];
	struct world_pipe *pipe = &world.place[which].results;
	size_t cap = pipe->cap;
	int r;

	if (p->placed != NULL)
		return put_placed(p);
	if (p->length > SLOT_RING) {
		if (pipe->len > 0)
			return -EAGAIN;
		pipe->cap = WORLD_PIPE;
	}
	r = outstream_put(&p->outstream, p->frame, p->length);
	pipe->cap = cap;
	return r;
}

/* Kills the worker in the middle of a write if its allowance is used up. */
static bool cut_short(size_t which)
{
	if (puppets[which].mood.allowed > 0)
		return false;
	world_death(which, SIGKILL);
	return true;
}

/* Records the truth once the frame is staged and cannot be taken back. */
static void answered(size_t which)
{
	struct puppet *p = &puppets[which];

	if (p->then_done)
		truth_done(which, p->number);
	if (p->then_failed)
		truth_failed(which, p->number, &p->failure, p->work.written);
	if (p->then_done || p->then_failed)
		p->work.busy = false;
	p->work.lingers = false;
	p->work.seen_at = world.now;
	if (p->then_leave)
		p->work.left_at = world.now;
	p->then_done = p->then_failed = false;
}

/* Tells how far the array in the slot is filled, and writes out the staged
   frames.  Returns 0, or -EAGAIN if the pipe is full. */
static int flush(struct puppet *p)
{
	const struct frame_end done = { .ordinal = p->chunk.ordinal,
		.next = p->filled };
	_Alignas(16) unsigned char frame[64];
	int r;

	if (p->filled != p->told) {
		frame_write(frame, FRAME_DONE, &done, sizeof done);
		r = outstream_put(&p->outstream, frame,
		    frame_length(sizeof done));
		if (r < 0)
			return r;
		p->told = p->filled;
	}
	return outstream_flush(&p->outstream);
}

static bool speak(size_t which)
{
	struct puppet *p = &puppets[which];

	if (p->length > 0) {
		if (put(which) < 0)
			return cut_short(which);
		answered(which);
		p->length = 0;
		if (!p->then_flush)
			return true;
	}
	if (flush(p) < 0)
		return cut_short(which);
	p->then_flush = false;
	return true;
}

static void prepare(struct puppet *p, enum frame_kind kind, const void *body,
    size_t size)
{
	WORLD_REQUIRE(frame_length(size) <= FRAME_MOST, "the test's own bound");
	p->length = frame_length(size);
	frame_write(p->frame, kind, body, size);
}

bool puppet_say(size_t which, enum frame_kind kind, const void *body,
    size_t size)
{
	struct puppet *p = &puppets[which];

	if (p->length > 0)
		return false;
	prepare(p, kind, body, size);
	p->then_done = p->then_failed = false;
	if (put(which) < 0)
		cut_short(which);
	p->length = 0;
	return true;
}

void puppet_flush(size_t which)
{
	if (flush(&puppets[which]) < 0)
		cut_short(which);
}

/* ---- work ---- */

static void greet(struct puppet *p, const struct place *h)
{
	const struct frame_hello hello = {
		.version = FRAME_VERSION,
		.order = FRAME_ORDER,
		.generation = h->generation,
	};

	prepare(p, FRAME_HELLO, &hello, sizeof hello);
	p->then_flush = p->greeted = true;
}

/* Prepares the FAILURE frame: the message, and the tail of its stderr. */
static void fail(size_t which)
{
	static unsigned char body[sizeof(struct frame_failure) + 4095 + 1 +
	    CAPTURE_MOST];
	struct puppet *p = &puppets[which];
	size_t message = MIN(p->mood.message, 4095);
	size_t tail = MIN(p->work.written, CAPTURE_MOST);
	uint64_t born_at = world.place[which].born_at;
	uint64_t begun_at = p->work.begun_at;
	unsigned char *text = body + sizeof p->failure;

	p->failure = (struct frame_failure){
		.code = 7,
		.cause = p->mood.too_big ? VM_TOO_BIG : VM_FAILED,
		.message_size = (uint32_t)message,
		.tail_size = world.captures ? (int32_t)tail : -1,
	};
	if (options.flags & VM_MEASURE_ITEMS) {
		p->failure.wall_ns = world.now - begun_at;
		p->failure.cpu_ns = puppet_cpu(born_at, world.now) -
		    puppet_cpu(born_at, begun_at);
	}
	memcpy(body, &p->failure, sizeof p->failure);
	memset(text, puppet_letter(p->number), sizeof body -
	    sizeof p->failure);
	text[message] = world.captures ? '\0' : text[message];
	prepare(p, FRAME_FAILURE, body, sizeof p->failure + message +
	    (world.captures ? 1 + tail : 0));
	p->then_failed = true;
	p->mood.fail = p->mood.too_big = false;
}

/* Returns the bytes of an output with a place. */
static size_t element_of(const struct puppet *p)
{
	return p->chunk.element > 0 ? p->chunk.element : arrays.element;
}

/* Returns the place of the present item's output in an array of outputs. */
static unsigned char *place_of(size_t which)
{
	const struct puppet *p = &puppets[which];
	struct slot *slot = world.place[which].slot;
	size_t end = FRAME_HEAD + p->chunk.count * arrays.element;
	size_t nth = (size_t)(p->number - p->chunk.seq);
	unsigned char *first;

	if (p->chunk.element > 0) {
		first = slot_array(slot, &p->chunk);
		WORLD_REQUIRE(first != NULL && !arrays.maps,
		    "a place beyond the slot's arrays");
		return first + nth * p->chunk.step;
	}
	WORLD_REQUIRE(arrays.maps && p->chunk.where == CHUNK_INHERITED &&
	    p->chunk.outputs <= world.slots.payload &&
	    end <= world.slots.payload - p->chunk.outputs,
	    "a place beyond the area");
	return slot_outputs(slot) + p->chunk.outputs + FRAME_HEAD +
	    nth * arrays.element;
}

static size_t output_size(const struct puppet *p)
{
	if (arrays.maps)
		return arrays.element;
	if (p->mood.size > 0)
		return p->mood.size;
	return puppet_usual > 0 ? puppet_usual :
	    PUPPET_OUTPUT_LEAST + p->number % 40;
}

/* Returns from process(), with the output in its place if it has that size and
   the item has not failed; else the caller is told of those before. */
static void finish_there(size_t which)
{
	struct puppet *p = &puppets[which];
	const struct frame_end done = { .ordinal = p->chunk.ordinal,
		.next = p->next - 1 };
	const size_t element = element_of(p);
	unsigned char *place = place_of(which);

	if (!p->mood.fail && output_size(p) == element) {
		puppet_output(place, p->number, element);
		p->made = true;
		return;
	}
	memset(place, 'f', element);
	prepare(p, FRAME_DONE, &done, sizeof done);
	p->filled = p->told = done.next;
	p->then_apart = true;
}

/* Sends the result of the present item. */
static void send(size_t which)
{
	static unsigned char body[FRAME_MOST];
	struct puppet *p = &puppets[which];
	size_t room, size = output_size(p);

	p->filled = p->told = p->next;
	if (p->mood.fail) {
		fail(which);
		return;
	}
	size = puppet_body(body, p->number, size);
	prepare(p, FRAME_OUTPUT, body, size);
	p->then_done = true;
	if (size < SLOT_LARGE || arrays.maps)
		return;
	p->placed = outstream_place_large(&p->outstream, p->length, &room);
	if (p->placed != NULL)
		memcpy(p->placed, p->frame, p->length);
}

/* Returns from process(). */
static void finish(size_t which)
{
	struct puppet *p = &puppets[which];

	p->at_work = false;
	if (p->chunk.outputs != FRAME_NOWHERE)
		finish_there(which);
	else
		send(which);
}

/* Writes the note and the stderr of an item at its begin. */
static void note(size_t which)
{
	struct puppet *p = &puppets[which];
	struct place *h = &world.place[which];
	struct world_file *f = &h->errors;
	size_t n = MIN(p->mood.writes, (size_t)WORLD_FILE / 2);

	if (p->work.begun_at < world.now)
		p->work.before_at = p->work.begun_at;
	p->work.busy = true;
	p->work.lingers = false;
	p->work.number = p->number;
	p->work.begun_at = p->work.seen_at = world.now;
	if (f->size < 0 || f->size > WORLD_FILE / 2)
		f->size = 0;
	if ((options.flags & VM_MEASURE_ITEMS) || world.captures)
		slot_note(h->slot, (options.flags & VM_MEASURE_ITEMS) ? world.now : 0,
		    (options.flags & VM_MEASURE_ITEMS) ?
		    puppet_cpu(h->born_at, world.now) : 0,
		    (uint64_t)f->size);
	p->work.written = world.captures ? n : 0;
	memset(f->data + f->size, puppet_letter(p->number), n);
	f->size += (int64_t)n;
}

/* Takes the next items of its chunk, if any are left. */
static void take_some(size_t which)
{
	struct puppet *p = &puppets[which];
	uint32_t first, limit;

	first = slot_take(world.place[which].slot, p->chunk.ordinal,
	    p->chunk.stride, &limit);
	p->more = first < limit;
	p->end = MIN(first + p->chunk.stride, limit);
}

/* Begins the next of the items it has taken. */
static void start(size_t which)
{
	struct puppet *p = &puppets[which];

	p->number = p->chunk.seq + (p->next - p->chunk.first);
	slot_begin(world.place[which].slot, p->chunk.ordinal, p->next + 1);
	p->at_work = true;
	note(which);
	truth_begun(which, p->number, (int)p->chunk.attempt);
	p->next++;
}

static bool is_awaited(const struct puppet *p)
{
	return outstream_is_awaited(&p->outstream, p->filled != p->told);
}

static void heed_caller(struct puppet *p)
{
	p->owes_flush = is_awaited(p) && flush(p) < 0;
}

static void check_input(size_t which, const struct frame *f, uint64_t n)
{
	uint64_t number;

	if (world.bad[world.place[which].life])
		return;
	if (arrays.inherits) {
		array_check_seen(f->body, n);
		return;
	}
	WORLD_REQUIRE(f->size >= sizeof number, "an input's size");
	memcpy(&number, f->body, sizeof number);
	WORLD_REQUIRE(number == n,
	    "a worker gets another input than it should");
}

static void begin(size_t which, const struct frame *f)
{
	struct puppet *p = &puppets[which];

	if (p->next == p->end)
		take_some(which);
	if (!p->more)
		return;
	check_input(which, f, p->chunk.seq + (p->next - p->chunk.first));
	heed_caller(p);
	start(which);
}

/* Publishes that the last output is in its place. */
static void show(size_t which)
{
	struct puppet *p = &puppets[which];

	if (!p->made)
		return;
	truth_done(which, p->number);
	p->made = p->work.busy = false;
	p->work.lingers = true;
	p->work.seen_at = world.now;
}

/* The outputs of the items before number "next" are in the array. */
static void filled_to(size_t which, uint32_t next)
{
	struct puppet *p = &puppets[which];

	slot_finish(world.place[which].slot, p->chunk.ordinal, next);
	if (p->chunk.element > 0)
		p->filled = next;
}

/* Returns the next item of a chunk in memory. */
static struct frame look(const struct puppet *p)
{
	struct frame f = { .kind = FRAME_ITEM, .body = p->at,
		.size = p->chunk.size, .length = p->chunk.size };

	if (p->chunk.where == CHUNK_PLACED)
		frame_look(p->at, &f);
	return f;
}

/* Runs the next of the items that it has taken. */
static void fill_next(size_t which)
{
	struct puppet *p = &puppets[which];
	const struct frame f = look(p);

	check_input(which, &f, p->chunk.seq + (p->next - p->chunk.first));
	p->at += f.length;
	show(which);
	if (p->chunk.element > 0 && is_awaited(p)) {
		filled_to(which, p->next);
		heed_caller(p);
	}
	start(which);
}

/* Makes the next step at a chunk with places for its outputs. */
static void fill(size_t which)
{
	struct puppet *p = &puppets[which];

	if (p->next < p->end) {
		fill_next(which);
	} else if (p->open) {
		show(which);
		filled_to(which, p->end);
		p->open = false;
	} else {
		p->more = p->next < p->chunk.first + p->chunk.count;
		if (p->more)
			take_some(which);
		p->open = p->fills = p->more;
		p->end = p->more ? p->end : p->next;
		if (p->more)
			heed_caller(p);
	}
}

static void end_chunk(struct puppet *p)
{
	const struct frame_end end = { .ordinal = p->chunk.ordinal,
		.next = p->next };

	prepare(p, FRAME_END, &end, sizeof end);
	p->told = p->filled;
	p->chunk.count = 0;
}

static void begin_chunk(size_t which)
{
	struct puppet *p = &puppets[which];
	const bool places = p->chunk.outputs != FRAME_NOWHERE;

	p->fills = places && p->chunk.where != CHUNK_PACKED;
	p->left = p->fills ? 0 : p->chunk.count;
	p->next = p->end = p->filled = p->told = p->chunk.first;
	p->more = true;
	p->open = false;
	p->at = p->chunk.where == CHUNK_PLACED ?
	    slots_inputs(&world.slots, which) + p->chunk.at :
	    (void *)(uintptr_t)p->chunk.at;
	if (places)
		slot_finish(world.place[which].slot, p->chunk.ordinal,
		    p->chunk.first);
}

static void heed(size_t which, const struct frame *f)
{
	struct puppet *p = &puppets[which];

	if (p->left > 0) {
		WORLD_REQUIRE(f->kind == FRAME_ITEM, "an ITEM is missing");
		p->left--;
		if (p->more)
			begin(which, f);
	} else if (f->kind == FRAME_STOP) {
		prepare(p, FRAME_LEAVING, NULL, 0);
		p->then_flush = p->then_leave = true;
	} else {
		WORLD_REQUIRE(f->kind == FRAME_CHUNK &&
		    frame_body(f, &p->chunk, sizeof p->chunk) == 0 &&
		    p->chunk.count > 0, "not a CHUNK");
		begin_chunk(which);
	}
}

/* Finds the next item of a chunk that is in shared memory or inherited; items
   that were taken back are skipped. */
static void find(size_t which)
{
	struct puppet *p = &puppets[which];
	const struct frame f = look(p);

	p->at += f.length;
	heed(which, &f);
	if (!p->more)
		p->left = 0;
}

static bool receive(size_t which)
{
	struct puppet *p = &puppets[which];
	struct frame f;
	int r = channel_receive(&p->tasks, SIZE_MAX, &f);

	WORLD_REQUIRE(r >= 0, "the caller sends nonsense");
	if (r == 0) {
		if (flush(p) < 0)
			return cut_short(which);
		return channel_fill(&p->tasks) > 0;
	}
	channel_pass(&p->tasks, &f);
	heed(which, &f);
	return true;
}

bool puppet_act(size_t which)
{
	struct puppet *p = &puppets[which];

	if (!world.place[which].lives)
		return false;
	if (p->length > 0 || p->then_flush)
		return speak(which);
	if (p->then_leave) {
		world_death(which, 0);
	} else if (!p->greeted) {
		greet(p, &world.place[which]);
	} else if (p->owes_flush) {
		if (flush(p) < 0)
			return cut_short(which);
		p->owes_flush = false;
	} else if (p->at_work) {
		finish(which);
	} else if (p->then_apart) {
		p->then_apart = false;
		send(which);
	} else if (p->fills) {
		fill(which);
	} else if (p->made) {
		show(which);
		filled_to(which, p->next);
	} else if (p->left == 0 && p->chunk.count > 0) {
		end_chunk(p);
	} else if (p->left > 0 && p->chunk.where != CHUNK_PACKED) {
		find(which);
	} else {
		return receive(which);
	}
	return true;
}

void puppet_skip(size_t which)
{
	puppets[which].at_work = puppets[which].owes_flush = false;
	puppets[which].work.busy = false;
}
