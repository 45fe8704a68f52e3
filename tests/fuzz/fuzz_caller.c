/*
 * fuzz_caller.c - all inputs of the caller from its workers: the bytes of their
 * result pipes, cut anywhere, and the words and bytes of their slots.
 *
 * A whole pool runs in the world of fuzz_world.h.  The input is a small
 * program: its head has the options, and each byte after that is a step of a
 * worker, honest or not, of the fork server or of the host.  After its end
 * dishonest workers die, honest workers finish their work, and the pool must
 * come to its end.
 *
 * Invariants: each input that was read is in one place of the window, and is
 * returned once; the counts agree with the lists; an honest worker is never
 * killed before its time, blamed, or its work repeated; its output is what the
 * host gets (fuzz_truth.h).  In some runs workers inherit an array, which may
 * be mapped to another (fuzz_array.h).
 */
#include "config.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "fuzz_array.h"
#include "fuzz_puppet.h"
#include "fuzz_truth.h"
#include "fuzz_world.h"
#include "os/sys.h"

#define INPUT_MOST 512
/* Most honest steps of a worker between two waits after the input's end; the
   number changes. */
#define KIND_STEPS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the input ---- */

static const uint8_t *program;
static size_t left;

static unsigned byte(void)
{
	if (left == 0)
		return 0;
	left--;
	return *program++;
}

/* Copies bytes of the input; zeroes after its end. */
static void bytes(void *to, size_t size)
{
	unsigned char *at = to;

	while (size-- > 0)
		*at++ = (unsigned char)byte();
}

/* Returns a number, mostly small, times a unit, and bounded. */
static size_t number(size_t unit, size_t most)
{
	size_t n = byte();

	n = (n < 192 ? n : (n - 191) * (n - 191) * 97) * unit;
	return MIN(n, most);
}

/* Capacity of a pipe: often less than a frame. */
static size_t pipe_cap(void)
{
	return 16 + number(32, 65536);
}

/* ---- the run ---- */

static uint64_t total;		/* number of inputs */
static unsigned input_size;
static bool large;		/* some inputs are large */
static bool wide;		/* the head has options of all kinds */
static int resize_to;		/* 0: unchanged */
static unsigned idle;		/* turns without an event */
static bool stopped;		/* the host takes no more results */
static bool broken;		/* the pool was broken at the end */

/* ---- heads in shared memory ---- */

/* Heads of inputs in payload arenas, of chunks that were in the window at the
   caller's last wait.  They are overwritten with nonsense while the caller
   runs, and restored while workers do; in between the caller may pack other
   inputs there. */
static struct {
	unsigned char *at;
	unsigned char right[FRAME_HEAD];
	bool wrong;
} heads[ITEMS_MOST];
static size_t nheads;
static const unsigned char nonsense[FRAME_HEAD] = { 7, 0, 0, 0, 1, 2, 3, 4 };

static void right_heads(void)
{
	for (size_t i = 0; i < nheads; i++) {
		heads[i].wrong = memcmp(heads[i].at, nonsense,
		    sizeof nonsense) == 0;
		if (heads[i].wrong)
			memcpy(heads[i].at, heads[i].right, FRAME_HEAD);
	}
}

static void wrong_heads(void)
{
	for (size_t i = 0; i < nheads; i++)
		if (heads[i].wrong)
			memcpy(heads[i].at, nonsense, sizeof nonsense);
}

static void note_head(unsigned char *at, const unsigned char *right)
{
	size_t i = 0;

	while (i < nheads && heads[i].at != at)
		i++;
	if (i < nheads)
		return;
	WORLD_REQUIRE(nheads < COUNTOF(heads), "more heads than items");
	heads[nheads].at = at;
	memcpy(heads[nheads].right, right, FRAME_HEAD);
	heads[nheads++].wrong = true;
}

static void note_heads(const struct chunk *c)
{
	for (size_t i = 0; c->where == CHUNK_PLACED && i < c->count; i++) {
		const struct chunk_head *h = chunk_head(c, i);

		note_head(c->items.data + h->at, h->head);
	}
}

/* ---- the window ---- */

struct count {
	size_t waiting, sent, chunks, bytes, result_bytes;
	const struct chunk *chunk[ITEMS_MOST];
	int seen[ITEMS_MOST];
};

static void count_items(struct count *c, uint64_t first, uint32_t items)
{
	WORLD_REQUIRE(first + items <= given, "an item that was not read");
	for (uint32_t i = 0; i < items; i++)
		c->seen[first + i]++;
}

static void count_span(struct count *c, const struct span *s,
    enum span_state state)
{
	const struct chunk *chunk = s->chunk;
	size_t i = 0, end = arrays.inherits ? chunk->count * chunk->each :
	    chunk->items.len;

	note_heads(chunk);
	WORLD_REQUIRE(s->state == state, "a span in the wrong list");
	WORLD_REQUIRE(s->first + s->count <= chunk->count && s->at <= end,
	    "a span beyond its chunk");
	c->waiting += state == SPAN_WAITING;
	c->sent += state == SPAN_SENT;
	c->result_bytes += state == SPAN_ANSWERED ? s->bytes : 0;
	while (i < c->chunks && c->chunk[i] != chunk)
		i++;
	if (i < c->chunks || chunk->untaken == 0)
		return;
	c->chunk[c->chunks++] = chunk;
	c->bytes += chunk_charge(chunk);
}

/* Counts both the list and the heap: siblings on next, children on child. */
static void count_results(struct count *c, const struct span *s)
{
	for (; s != NULL; s = s->next) {
		count_span(c, s, SPAN_ANSWERED);
		count_items(c, span_seq(s), s->count);
		count_results(c, s->child);
	}
}

static void count_member(struct count *c, const struct member *m)
{
	size_t spans = 0, load = 0;

	for (const struct span *s = m->sent; s != NULL; s = s->next) {
		count_span(c, s, SPAN_SENT);
		count_items(c, span_seq(s), s->count);
		WORLD_REQUIRE(s->limit <= s->first + s->count &&
		    s->limit >= s->first, "a lease beyond its span");
		spans++;
		load += span_load(s);
	}
	WORLD_REQUIRE(spans == m->nsent && load == m->load,
	    "a member's counts are wrong");
	WORLD_REQUIRE(spans == 0 || m->spare != NULL ||
	    m->state == MEMBER_GONE, "a death would need memory");
}

/* The items of an inherited array are not read by calls of next(). */
static void count_given(void)
{
	if (arrays.inherits)
		given = pool->engine.intake.seq;
}

static void check_books(void)
{
	struct engine *e = &pool->engine;
	const struct window *w = &e->window;
	const struct results *r = &e->results;
	struct count c = { 0 };
	uint64_t last = 0;

	/* What inline calls have taken is not in the books before. */
	pool_settle(pool);
	count_given();
	for (const struct span *s = w->waiting; s != NULL; s = s->next) {
		WORLD_REQUIRE(s == w->waiting || span_seq(s) > last,
		    "what waits is not in order");
		last = span_seq(s);
		count_span(&c, s, SPAN_WAITING);
		count_items(&c, last, s->count);
	}
	for (size_t i = 0; i < e->crew.count; i++)
		count_member(&c, &e->crew.members[i]);
	for (const struct span *s = w->paused; s != NULL; s = s->next) {
		WORLD_REQUIRE(s->next == NULL || s->due_at <= s->next->due_at,
		    "what pauses is not in order");
		count_span(&c, s, SPAN_PAUSED);
		count_items(&c, span_seq(s), s->count);
	}
	count_results(&c, r->first);
	if (r->hand != NULL) {
		count_span(&c, r->hand, SPAN_ANSWERED);
		count_items(&c, span_seq(r->hand) + r->hand->count - r->left,
		    r->left);
	}
	if (e->intake.filling != NULL)
		count_items(&c, e->intake.filling->seq, e->intake.filling->count);
	if (e->intake.sources != NULL && e->intake.sources->held)
		count_items(&c, e->intake.seq, 1);
	for (uint64_t i = 0; i < given && !world.leaving; i++)
		WORLD_REQUIRE(c.seen[i] + truth[i].taken == 1,
		    "an item is lost, or there twice");
	WORLD_REQUIRE(c.waiting == w->nwaiting && c.sent == w->nsent,
	    "spans are miscounted");
	WORLD_REQUIRE(c.chunks == w->nchunks && c.bytes == w->bytes &&
	    c.result_bytes == w->result_bytes, "bytes are miscounted");
	WORLD_REQUIRE(roster_is_right(&e->crew), "a member is not booked");
}

/* A doomed worker is still in the state that it was doomed for. */
static void check_doomed(size_t which, const struct member *m)
{
	const struct place *h = &world.place[which];

	if (m->state == MEMBER_DOOMED && h->lives &&
	    h->generation == m->generation)
		truth_excuse(which, m->blame, member_has_greeted(m));
}

/* Checks that no honest worker is blamed. */
static void check_blame(void)
{
	const struct crew *c = &pool->engine.crew;

	for (size_t i = 0; i < c->count && !world.leaving; i++) {
		const struct member *m = &c->members[i];

		check_doomed(i, m);
		if (member_is_starting(m) || member_is_ready(m) ||
		    m->state == MEMBER_DEAD)
			WORLD_REQUIRE(m->blame == 0 || m->pid < 1000 ||
			    world.bad[m->pid - 1000] ||
			    ends[m->pid - 1000].excused,
			    "an honest worker is blamed");
	}
}

/* The order may be old, and the caller may not have received the worker's
   HELLO. */
void world_kills(size_t which)
{
	truth_excuse(which, 0, puppet_greeted(which) && pool != NULL);
}

/* ---- the source ---- */

/* Sizes of inputs: short, or large as well.  The payload arena has no room for
   some, which would take long through a narrow pipe. */
static size_t size_of(uint64_t n)
{
	size_t size = sizeof n + (n * input_size) % 256;

	if (input_size == 3 && n % 4 == 1 && large)
		size += SLOT_LARGE + n * 1000;
	return size;
}

static int give(void *from, const void **input, size_t *size)
{
	static unsigned char item[SLOT_LARGE + ITEMS_MOST * 1000 + 256];

	(void)from;
	if (given == total)
		return 0;
	*size = size_of(given);
	memset(item, 0x5a, *size);
	memcpy(item, &given, sizeof given);
	*input = item;
	given++;
	return 1;
}

/* ---- steps of dishonest workers ---- */

static void taint(size_t which)
{
	world.bad[world.place[which].life] = true;
	world.any_bad = true;
}

static void write_raw(size_t which)
{
	unsigned char some[256];
	size_t n = byte();

	bytes(some, n);
	world_write(&world.place[which].results, some, n);
}

static void write_much(size_t which)
{
	static unsigned char many[300000];
	size_t n = number(64, sizeof many);

	memset(many, (int)byte(), n);
	world_write(&world.place[which].results, many, n);
}

/* Sends a whole frame with a body from the input, in the ring or in the
   pipe. */
static void say(size_t which)
{
	static unsigned char body[64000], frame[65000];
	unsigned how = byte();
	enum frame_kind kind = (enum frame_kind)(how % 16);
	size_t size = number(1, sizeof body), some = MIN(size, 24);

	bytes(body, some);
	memset(body + some, 0x42, size - some);
	if (how & 0x80) {
		frame_write(frame, kind, body, size);
		world_write(&world.place[which].results, frame,
		    frame_length(size));
	} else {
		puppet_say(which, kind, body, size);
	}
}

/* Announces an output in the payload arena that may not be there. */
static void misplace(size_t which, unsigned how)
{
	const struct slot *slot = world.place[which].slot;
	struct frame_placed p = { .at = slot->released };

	if (how & 8)
		bytes(&p, sizeof p);
	else
		p.at += number(16, SIZE_MAX);
	p.shut = how & 32;
	if (how & 16)
		p.size = number(64, SIZE_MAX);
	puppet_say(which, FRAME_PLACED, &p, sizeof p);
}

/* Spoils the place of an array of outputs, or sends a false frame about it. */
static void misfill(size_t which, unsigned how)
{
	static unsigned char body[20000];
	const struct frame_chunk *c = puppet_chunk(which);
	const struct frame_end done = { .ordinal = c->ordinal,
		.next = c->first + how / 4 };
	const size_t size = c->element > 0 ? c->element : arrays.element;

	switch (how % 4) {
	case 0:
	case 1:
		puppet_say(which, FRAME_DONE, &done, sizeof done);
		break;
	case 2:
		slot_finish(world.place[which].slot, c->ordinal,
		    c->first + how / 4);
		break;
	case 3:
		memset(body, (int)how, size);
		puppet_say(which, FRAME_OUTPUT, body, size);
		break;
	}
}

/* Sends a valid frame for an item that the worker has not begun. */
static void lie(size_t which)
{
	const struct frame_chunk *c = puppet_chunk(which);
	const struct frame_end end = { .ordinal = c->ordinal,
		.next = c->first + c->count };
	static unsigned char body[4096];
	unsigned how = byte();

	if ((arrays.maps || c->element > 0) && how % 2) {
		misfill(which, how >> 1);
		return;
	}
	if (how % 4 == 0) {
		puppet_say(which, FRAME_END, &end, sizeof end);
		return;
	}
	if ((how & 7) == 3) {
		misplace(which, how);
		return;
	}
	puppet_say(which, FRAME_OUTPUT, body, puppet_body(body, c->seq,
	    8 + how * 16 % 4000));
}

/* Sets a word of the control page, in shared memory, to any value. */
static void set_word(size_t which)
{
	_Atomic uint64_t *words = (void *)world.place[which].slot;
	size_t how = byte(), n = sizeof(struct slot) / sizeof *words;
	size_t at = (how & 7) < 6 ? how & 7 : byte() % n;
	uint64_t value = 0;

	switch (how >> 5) {
	case 0:
		bytes(&value, sizeof value);
		break;
	case 1:
		value = words[at] + byte();
		break;
	case 2:
		value = words[at] - byte();
		break;
	case 3:
		value = words[at] + ((uint64_t)byte() << 24);
		break;
	case 4:
		value = words[at] + number(16, SIZE_MAX);
		break;
	case 5:
		value = UINT64_MAX - byte();
		break;
	case 6:
		value = words[at] ^ ((uint64_t)1 << byte() % 64);
		break;
	}
	words[at] = value;
}

static void write_ring(size_t which)
{
	unsigned char some[64];
	size_t n = byte() % 64, at = number(1, SIZE_MAX);

	bytes(some, n);
	slot_copy_in(world.place[which].slot, at, some, n);
}

/* Sends a FAILURE frame with other sizes than its texts have. */
static void fail_falsely(size_t which)
{
	static unsigned char body[sizeof(struct frame_failure) + 20000];
	struct frame_failure why = { .code = (int32_t)byte() };
	unsigned how = byte();
	size_t size = number(16, 20000), zero = number(16, 20000);

	why.cause = how & 1 ? VM_FAILED : how & 2 ? VM_TOO_BIG : byte();
	why.wall_ns = UINT64_MAX - how;
	why.again = how >> 6;
	why.after_ms = how & 32 ? UINT32_MAX : how;
	why.message_size = (uint32_t)zero;
	if (how & 8)
		why.message_size += byte() - 128u;
	why.tail_size = how & 16 ? (int32_t)(size - zero - 1) : -1;
	if (how & 32)
		why.tail_size += (int32_t)byte() - 128;
	memset(body, 'z', sizeof body);
	if (zero < size && (how & 4) == 0)
		body[sizeof why + zero] = 0;
	memcpy(body, &why, sizeof why);
	puppet_say(which, FRAME_FAILURE, body, sizeof why + size);
}

/* Spoils the words in shared memory and the file that the caller reads after a
   worker's death. */
static void leave_lies(size_t which)
{
	struct slot *slot = world.place[which].slot;
	struct world_file *f = &world.place[which].errors;
	unsigned how = byte();
	uint64_t word = 0;

	bytes(&word, how & 8 ? 8 : 2);
	switch (how % 8) {
	case 0:
		slot->started_at = word;
		break;
	case 1:
		slot->started_cpu = word;
		break;
	case 2:
		slot->tail_from = word;
		break;
	case 3:
		slot->crash_size = word;
		break;
	case 4:
		memset(slot->crash, (int)(how >> 4), sizeof slot->crash);
		break;
	case 5:
		memcpy(&f->size, &word, sizeof word);
		break;
	case 6:
		memset(f->data, (int)(how >> 4), sizeof f->data);
		break;
	default:
		fail_falsely(which);
	}
}

static void misbehave(size_t which, unsigned step)
{
	static void (*const ways[])(size_t) = { write_raw, write_much, say,
		lie, set_word, write_ring, puppet_skip, leave_lies };

	if (!world.place[which].lives)
		return;
	taint(which);
	if (step < COUNTOF(ways))
		ways[step](which);
	else
		world.place[which].results.ended = true;
}

/* ---- steps of honest workers ---- */

static void act(size_t which, unsigned times)
{
	while (times-- > 0 && puppet_act(which))
		continue;
}

static void fail_setup(size_t which)
{
	struct frame_failure why = {
		.code = 3,
		.cause = VM_FAILED,
		.message_size = byte() % 40,
		.tail_size = -1,
	};
	unsigned char body[sizeof why + 40];
	size_t size = sizeof why + why.message_size;

	if (!world.place[which].lives || puppet_greeted(which))
		return;
	unfit = true;
	taint(which);
	memset(body, '%', sizeof body);
	memcpy(body, &why, sizeof why);
	puppet_say(which, FRAME_UNFIT, body, size);
	puppet_flush(which);
}

/* Crashes or exits, perhaps with a traceback in the slot. */
static void die(size_t which)
{
	struct end_of_life *end = &ends[world.place[which].life];
	int status = byte() % 2 ? SIGSEGV : byte() % 100 << 8;
	char text[64];

	memset(text, '!', sizeof text);
	if (wide && status == SIGSEGV)
		end->crash = number(16, 4096);
	for (size_t n = end->crash; n > 0; n -= MIN(n, sizeof text))
		slot_tell_crash(world.place[which].slot, text,
		    MIN(n, sizeof text));
	world_death(which, status);
}

/* A step of an honest worker. */
static void live(size_t which, unsigned step)
{
	if (!world.place[which].lives)
		return;
	switch (step) {
	case 0:
		act(which, 1);
		break;
	case 1:
		act(which, 5);
		break;
	case 2:
		act(which, 40);
		break;
	case 3:
		puppet_flush(which);
		break;
	case 4:
		puppet_mood(which)->fail = true;
		break;
	case 5:
		puppet_mood(which)->size = PUPPET_OUTPUT_LEAST + number(64,
		    options.max_item_bytes - PUPPET_OUTPUT_LEAST);
		break;
	case 6:
		puppet_mood(which)->allowed = number(1, SIZE_MAX);
		break;
	case 7:
		die(which);
		break;
	}
}

/* ---- steps of the rest ---- */

static void happen(unsigned step)
{
	switch (step) {
	case 0:
		cancelled = true;
		if (pool != NULL)
			vm_cancel(pool, 0);
		break;
	case 1:
		world.now += number(MS_IN_NS, SIZE_MAX);
		break;
	case 2:
		world.mute = harmed = true;
		break;
	case 3:
		harmed = world.gone = true;
		world.nnews = 0;
		for (size_t i = 0; i < world.workers; i++)
			world_death(i, SIGKILL);
		break;
	case 4:
		world.lose = true;
		break;
	case 5:
		world.refuse = true;
		break;
	case 6:
		for (size_t i = 0; i < world.workers; i++)
			world.place[i].results.cap = pipe_cap();
		break;
	case 7:
		world.room = 1 + byte() % 4;
		break;
	}
}

/* A failing allocation in the caller, or a step of a worker during a copy. */
static void hinder(unsigned step)
{
	if (step % 2) {
		world.race = 1 + byte() % 64;
	} else if (pool != NULL) {
		starved = true;
		world.memory = 1 + byte() % 32;
	}
}

/* An act of the host, or a change of a worker's mood. */
static void arrange(unsigned step)
{
	struct puppet_mood *mood = puppet_mood(byte() % world.workers);

	switch (step) {
	case 0:
	case 1:
	case 2:
		resize_to = 1 + (int)step;
		break;
	case 3:
		idle = byte() % 64;
		break;
	case 4:
		mood->writes = number(32, SIZE_MAX);
		break;
	case 5:
		mood->message = number(16, SIZE_MAX);
		break;
	case 6:
		mood->too_big = mood->fail = true;
		break;
	case 7:
		world.now += number(MS_IN_NS / 8, SIZE_MAX);
		break;
	}
}

void world_race(size_t which, unsigned steps)
{
	count_given();
	right_heads();
	act(which, steps);
	wrong_heads();
}

/* Makes one step: the low five bits select it, the others the worker. */
static void step(unsigned b)
{
	size_t which = (b >> 5) % world.workers;
	unsigned what = b & 31;

	if (what < 8)
		live(which, what);
	else if (what < 17)
		misbehave(which, what - 8);
	else if (what < 20)
		act(which, 3);
	else if (what == 20)
		fail_setup(which);
	else if (what < 24)
		happen(b >> 5);
	else if (what < 27)
		hinder(b >> 5);
	else if (what == 27)
		arrange(b >> 5);
}

/* A turn of the world after the input.  Returns true while anything can
   change. */
static bool turn_kind(void)
{
	bool any = false;

	for (size_t i = 0; i < world.workers; i++) {
		struct place *h = &world.place[i];

		h->results.cap = MAX(h->results.cap, 4096);
		if (!h->lives)
			continue;
		if (world.bad[h->life]) {
			world_death(i, SIGABRT);
			any = true;
		}
		for (long n = world.polls % KIND_STEPS; n >= 0; n--)
			any |= puppet_act(i);
	}
	return any;
}

static bool turn(void)
{
	size_t norders = world.norders;
	unsigned b;

	world_serve();
	world.memory = left > 0 ? world.memory : 0;
	if (left == 0)
		return turn_kind() || norders > 0;
	if (idle > 0) {
		idle--;
		return true;
	}
	while (left > 0 && idle == 0 && (b = byte()) % 32 < 28)
		step(b);
	return true;
}

bool world_turn(void)
{
	bool any;

	right_heads();
	nheads = 0;
	if (pool != NULL && !world.leaving) {
		check_books();
		check_blame();
	}
	any = turn();
	wrong_heads();
	return any;
}

/* ---- the host ---- */

static void check_output(const struct vm_result *r, uint64_t n)
{
	static unsigned char right[400000];
	const unsigned char *output = r->output;
	size_t least = arrays.maps ? arrays.element : PUPPET_OUTPUT_LEAST;
	volatile unsigned char seen;
	bool same;

	WORLD_REQUIRE(r->output_size <= options.max_item_bytes,
	    "an output beyond max_item_bytes");
	for (size_t i = 0; i < r->output_size; i++)
		seen = output[i];
	(void)seen;
	WORLD_REQUIRE(output[r->output_size] == 0, "no 0 behind an output");
	WORLD_REQUIRE(!arrays.maps || r->output_size == arrays.element,
	    "no element of the array");
	WORLD_REQUIRE((uintptr_t)output % 16 == 0, "an output not aligned");
	if (world.any_bad && !truth_is_done(n))
		return;
	WORLD_REQUIRE(truth_is_done(n), "an output that nobody made");
	WORLD_REQUIRE(r->attempts == truth[n].done_attempt,
	    "other attempts than there were");
	puppet_output(right, n, MAX(r->output_size, least));
	same = r->output_size >= least &&
	    memcmp(output, right, r->output_size) == 0;
	WORLD_REQUIRE(same, "another output than was made");
}

static void check_input(const struct vm_result *r)
{
	uint64_t n;

	if (arrays.inherits) {
		array_check_input(r);
		return;
	}
	WORLD_REQUIRE(r->input_size >= sizeof n, "another input's size");
	memcpy(&n, r->input, sizeof n);
	WORLD_REQUIRE(n == r->index, "another input");
	WORLD_REQUIRE(r->input_size == size_of(n) &&
	    (r->input_size == sizeof n ||
	    ((const unsigned char *)r->input)[r->input_size - 1] == 0x5a),
	    "an input has changed");
}

static void check_result(const struct vm_result *r)
{
	static uint64_t last;
	uint64_t n = r->index, before = 0;

	count_given();
	WORLD_REQUIRE(n < given, "an input that was not read");
	check_input(r);
	WORLD_REQUIRE(truth[n].taken++ == 0, "an input is answered twice");
	for (size_t i = 0; i < ITEMS_MOST; i++)
		before += (uint64_t)truth[i].taken;
	WORLD_REQUIRE(!(options.flags & VM_ORDERED) || before == 1 || n == last + 1,
	    "out of order");
	last = n;
	WORLD_REQUIRE(r->attempts >= 0 && r->attempts <= options.max_attempts,
	    "an attempt too many");
	if (r->type == VM_OUTPUT)
		check_output(r, n);
	else
		truth_check(r, n);
}

/* Resizes the pool, which may fail beyond max_workers or if it is broken. */
static void resize(void)
{
	int r = vm_resize(pool, resize_to);
	int error = vm_broken(pool) ? EPIPE : ERANGE;

	if (r == 0)
		WORLD_REQUIRE(resize_to <= options.max_workers &&
		    vm_workers(pool) == resize_to, "more than there may be");
	else
		WORLD_REQUIRE(errno == error && (vm_broken(pool) ||
		    resize_to > options.max_workers), "not resized");
	resize_to = 0;
}

/* Takes the next result, perhaps with a time limit. */
static int take_one(unsigned b, struct vm_result *r)
{
	int got = vm_zip_in_out_within(pool, r, b % 4 == 3 ?
	    (int)(b / 64) : -1);

	if (got == 1)
		check_result(r);
	check_books();
	return got;
}

/* Checks that all results were returned, unless the pool is broken. */
static void check_end(int got)
{
	uint64_t n = 0;

	for (size_t i = 0; i < ITEMS_MOST; i++)
		n += (uint64_t)truth[i].taken;
	broken = vm_broken(pool) == 1;
	WORLD_REQUIRE(n == given, "the end comes too early");
	WORLD_REQUIRE(got == 0 || broken, "an error for nothing");
	WORLD_REQUIRE(got == 0 || harmed || unfit || world.any_bad ||
	    world.lives >= 5, "broken for nothing");
	WORLD_REQUIRE(given == total || (!arrays.maps && (got < 0 ||
	    cancelled || options.max_failures > 0)), "inputs were not read");
	truth_check_sums();
}

/* Takes the next result.  Returns 1; 0 or -1 at the end, or early if the input
   says so. */
static int take(struct vm_result *r)
{
	unsigned b;
	int got;

	for (;;) {
		b = left > 0 ? byte() : 0;
		stopped = b == 0xfe;
		if (stopped) {
			errno = EINTR;
			return -1;
		}
		if (b == 0xfd)
			vm_ready(pool, 1);
		if (resize_to > 0)
			resize();
		got = take_one(b, r);
		if (got == 1)
			return got;
		if (got == 0 || (got == -1 && errno != ENOMEM))
			break;
	}
	check_end(got);
	return got;
}

/* Reads the options that only some inputs have. */
static void read_more(void)
{
	static const int times[] = { 0, 0, 1, 8, 50, 400, 3000, 20000 };
	static const int counts[] = { 0, 1, 2, 7 };
	static const unsigned causes[] = { 0, VM_FAILED,
		VM_KILLED | VM_TIMED_OUT, VM_EXITED | VM_TOO_BIG | VM_GARBLED };
	unsigned b = byte();

	if (b & 1)
		options.max_workers = WORLD_WORKERS;
	options.flags |= b >> 1 & 1 ? VM_MEASURE_ITEMS : 0;
	options.flags |= b >> 2 & 1 ? VM_STDERR_TAIL : 0;
	options.max_failures = counts[b >> 4 & 3];
	options.worker_max_items = counts[b >> 6];
	b = byte();
	options.item_timeout_ms = times[b & 7];
	options.setup_timeout_ms = times[b >> 3 & 7];
	options.max_attempts += (int)(b >> 6);
	b = byte();
	options.retry_delay_ms = times[b & 7];
	options.retry_delay_max_ms = times[b >> 3 & 7];
	options.retry_on = causes[b >> 6];
}

/* Arrays are so small that there is often, not always, a place for their
   outputs. */
static void read_arrays(bool maps)
{
	unsigned how = byte(), where = byte();

	array_begin(total, maps, options.max_item_bytes, how, where);
	options.chunk_size = byte() % 40;
	if (maps)
		options.flags = 0;
}

/* Outputs have one size, so that small ones form arrays in the slot once some
   have come. */
static void read_alike(void)
{
	unsigned how = byte();

	puppet_usual = PUPPET_OUTPUT_LEAST + how % 64;
	if (how & 64)
		read_arrays(false);
	else
		options.chunk_size = byte() % 40;
}

/* The kind of the head, by four bits of a byte. */
enum { ANY_KIND, INHERITS = 1, MAPS = 5, ALIKE = 6, INHERITS_WIDE = 7,
	ALIKE_WIDE = 9, MAPS_WIDE = 10 };

static void read_head(void)
{
	unsigned b = byte(), kind;
	size_t tasks = pipe_cap(), results = pipe_cap();

	options = (struct vm_options){
		.workers = 1 + (int)(b % WORLD_WORKERS),
		.flags = b >> 2 & 1 ? VM_ORDERED : 0,
		.chunk_size = b >> 3 & 3,
		.max_attempts = 1 + (int)(b >> 5 & 1),
		.max_item_bytes = b >> 6 & 1 ? 400000 : 5000,
		.max_in_flight_bytes = b >> 7 ? 600 : 0,
	};
	options.max_workers = options.workers;
	b = byte();
	options.max_real_in_flight_factor = 1 + (int)(b % 16);
	kind = b >> 4;
	wide = b >> 6 == 2 || kind == INHERITS_WIDE;
	b = byte();
	total = b % ITEMS_MOST;
	input_size = b / ITEMS_MOST;
	large = options.max_item_bytes > SLOT_LARGE && tasks >= 1024;
	array_none();
	puppet_usual = 0;
	if (kind == INHERITS || kind == INHERITS_WIDE)
		read_arrays(false);
	else if (kind == MAPS || kind == MAPS_WIDE)
		read_arrays(true);
	else if (kind == ALIKE || kind == ALIKE_WIDE)
		read_alike();
	if (wide)
		read_more();
	world_begin((size_t)options.max_workers);
	world.captures = options.flags & VM_STDERR_TAIL;
	truth_begin();
	resize_to = 0;
	idle = 0;
	stopped = broken = false;
	for (size_t i = 0; i < WORLD_WORKERS; i++) {
		world.place[i].tasks.cap = tasks;
		world.place[i].results.cap = results;
	}
}

static int no_process(struct vm_context *me, const void *input, size_t size)
{
	(void)input;
	(void)size;
	return vm_fail(me, 1, "No process is forked here.");
}

/* ---- the twins: calls of vm_map_array() to its pool ---- */

int __wrap_pool_open(struct vm_pool **p, struct settings *set,
    struct words *words);
int __real_pool_open(struct vm_pool **p, struct settings *set,
    struct words *words);
int __wrap_vm_zip_in_out(vm_pool *p, struct vm_result *result);
int __wrap_vm_close(vm_pool *p);
int __real_vm_close(vm_pool *p);

int __wrap_pool_open(struct vm_pool **p, struct settings *set,
    struct words *words)
{
	int r = __real_pool_open(p, set, words);

	pool = *p;
	return r;
}

/* Errors of the pool are not passed on before the end. */
int __wrap_vm_zip_in_out(vm_pool *p, struct vm_result *result)
{
	WORLD_REQUIRE(p == pool, "another pool");
	return take(result);
}

int __wrap_vm_close(vm_pool *p)
{
	int r;

	right_heads();
	nheads = 0;
	world.leaving = true;
	world.memory = 0;
	r = __real_vm_close(p);
	pool = NULL;
	return r;
}

/* ---- a run ---- */

static bool may_fail(void)
{
	return stopped || broken || starved || world.any_refused || harmed;
}

static void imap(const struct vm_worker *worker)
{
	struct vm_source s = { .next = give };
	struct vm_result result;
	int r;

	pool = vm_fork(worker, &options);
	if (pool == NULL)
		return;
	if (arrays.inherits)
		s = array_source();
	r = vm_imap(pool, s);
	WORLD_REQUIRE(r == 0 || vm_broken(pool), "no source taken");
	while (take(&result) == 1)
		continue;
	vm_close(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct vm_worker worker = { .process = no_process };

	program = data;
	left = MIN(size, INPUT_MOST);
	read_head();
	if (arrays.maps)
		array_map(&worker, &options, may_fail);
	else
		imap(&worker);
	/* A pending failure of an allocation must not reach the next input's
	   run. */
	world.memory = 0;
	puppet_release_all();
	world_end();
	return 0;
}
