/*
 * fuzz_worker.c - all inputs of a worker: the bytes of its task pipe, cut
 * anywhere, the words of its slot, and notices on a socket.
 *
 * The worker is lib/worker/worker.c itself: the linker puts the __wrap_ twins
 * below in place of its system calls, and its exit is a longjmp().  The input
 * is a small program: bytes for the pipe, the caller's changes of the slot in
 * between, and the behaviour of the callbacks.
 *
 * Invariants: the frames that the worker has written and staged form a stream
 * of whole frames, a right frame for each item that process() got; its words in
 * the slot about that stream are true before the worker returns; and its report
 * of a failure has the message, stderr and times of process().  Some inputs
 * have it do chunks of an inherited array, whose outputs may have places
 * (fuzz_fill.h): those outputs are in their places, and no frame announces
 * them.
 */
#include "config.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "fuzz_fill.h"
#include "os/owner.h"
#include "os/sys.h"
#include "wire/channel.h"
#include "wire/notice.h"
#include "worker/capture.h"
#include "worker/context.h"
#include "worker/worker.h"

#define INPUT_MOST 512
#define STREAM ((size_t)4 << 20)
#define CALLS_MOST 4096
#define PARENT 4242
#define GENERATION 9
#define ERRORS 1002
/* Bound of the stderr file, and of its size kept between items. */
#define FILE_MOST ((size_t)256 * 1024)
#define FILE_KEPT ((size_t)64 * 1024)

#define REQUIRE(condition, reason) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "FINDING: %s (%s)\n", reason, \
			    #condition); \
			abort(); \
		} \
	} while (0)

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

static void bytes(void *to, size_t size)
{
	unsigned char *at = to;

	while (size-- > 0)
		*at++ = (unsigned char)byte();
}

/* Returns a number, mostly a small number. */
static size_t number(size_t most)
{
	size_t n = byte();

	n = n < 192 ? n : (n - 191) * (n - 191) * 61;
	return MIN(n, most);
}

/* ---- state and expectations ---- */

static jmp_buf end;
static struct channel *tasks_of_worker;
static struct context *context_of_worker;
static struct slots slots;
static struct slot *slot;

static struct run {
	/* Bytes that the pipe delivers. */
	size_t ntasks, at_task;
	uint32_t ordinal;	/* of the next right chunk */
	uint64_t seq;
	/* Bytes written, and expectations for the frames. */
	size_t written;
	size_t write_most;	/* in one write */
	bool broken;		/* the result pipe is gone */
	bool scribbled;		/* the slot's words are overwritten with
				   garbage */
	bool arrays;		/* chunks come from fill_chunk() */
	int calls;		/* of process() */
	bool set_up;
	struct call {
		bool good;
		const struct fill_item *item; /* or NULL */
		size_t size;	/* of its output */
		int cause, code;
		size_t message;	/* bytes of its message that are kept; 0: the
				   library's */
		bool told_why;	/* the message is the library's */
		size_t from, to; /* size of the file at its begin and end */
		bool cut;	/* the file was truncated meanwhile */
		uint64_t begun_at, ended_at;
	} call[CALLS_MOST];
	const struct call *filled; /* the last whose output has a place */
	uint64_t now;		/* of both clocks; CPU time is half as much */
	size_t file;		/* bytes in the file */
	bool no_file;		/* reads of the file fail */
	size_t output_bytes;
	size_t max_item;
} run;
static unsigned char tasks[1 << 20], stream[STREAM];
/* The plan of a run, except callbacks. */
static struct plan plan;

/* ---- steps of the caller ---- */

static void send_frame(enum frame_kind kind, const void *body, size_t size)
{
	size_t length = frame_length(size);

	if (run.ntasks + length > sizeof tasks)
		return;
	frame_write(tasks + run.ntasks, kind, body, size);
	run.ntasks += length;
}

static void send_chunk(void)
{
	unsigned b = byte();
	struct frame_chunk c = {
		.index = run.seq,
		.seq = run.seq,
		.ordinal = run.ordinal++,
		.first = b >> 4 & 3,
		.count = b % 16,
		.attempt = 1 + (b >> 6),
		.stride = 1 + b % 3 * 7,
		.outputs = FRAME_NOWHERE,
	};

	if (run.arrays)
		fill_chunk(&c, byte());
	slot_lease(slot, c.ordinal, c.first, c.first + c.count);
	run.seq += c.count;
	send_frame(FRAME_CHUNK, &c, sizeof c);
}

/* An input begins with its size, so that the hook can check it. */
static void send_item(void)
{
	static unsigned char item[70000];
	uint64_t size = number(sizeof item);

	memset(item, 0x33, sizeof item);
	if (size >= sizeof size)
		memcpy(item, &size, sizeof size);
	send_frame(FRAME_ITEM, item, (size_t)size);
}

static void send_raw(void)
{
	size_t n = byte();

	n = MIN(n, sizeof tasks - run.ntasks);
	bytes(tasks + run.ntasks, n);
	run.ntasks += n;
}

/* Sends any frame, well-formed or not. */
static void send_any(void)
{
	unsigned char body[64];
	unsigned how = byte();

	bytes(body, how % 64);
	send_frame((enum frame_kind)(how >> 4), body, how % 64);
}

static void take_back(void)
{
	uint32_t ordinal = run.ordinal - 1 - byte() % 4;
	uint32_t limit = byte() % 20;

	slot_lower(slot, ordinal, byte() % 20, &limit);
}

static void scribble(void)
{
	_Atomic uint64_t *words = (void *)slot;
	size_t at = byte() % (sizeof(struct slot) / sizeof *words);

	run.scribbled = true;
	if (byte() % 2)
		words[at] ^= (uint64_t)1 << byte() % 64;
	else
		words[at] += byte();
}

/* A step of the caller that sends nothing. */
static void interfere(unsigned b)
{
	switch (b % 8) {
	case 0:
		take_back();
		break;
	case 1:
		atomic_store(&slot->wanted, 1);
		break;
	case 2:
		scribble();
		break;
	case 3:
		run.write_most = 1 + number(SIZE_MAX - 1);
		break;
	case 4:
		run.broken = byte() % 4 == 0;
		break;
	}
}

/* Makes a step.  Returns false when the pipe is to deliver its present
   bytes. */
static bool step(void)
{
	unsigned b = byte();

	switch (b % 16) {
	case 0:
		return false;
	case 1:
	case 2:
		send_chunk();
		break;
	case 3:
		send_frame(FRAME_STOP, NULL, 0);
		break;
	case 4:
		send_raw();
		break;
	case 5:
		send_any();
		break;
	case 6:
	case 7:
		interfere(b >> 4);
		break;
	case 8:
		for (unsigned n = b >> 4; n > 0; n--)
			send_item();
		break;
	default:
		send_item();
		break;
	}
	return true;
}

/* ---- the callbacks ---- */

/* Fails with a message.  Returns the number of its bytes that are kept. */
static size_t refuse(struct vm_context *me)
{
	static char text[8000];
	size_t n = byte() * (plan.measure ? 24 : 1);

	memset(text, 'x', sizeof text);
	vm_fail(me, 5, "%.*s", (int)n, text);
	return MIN(n, 4095);
}

/* The letter that a call writes to stderr. */
static char letter(size_t call)
{
	return (char)('a' + call % 26);
}

/* The byte at an offset of the stderr file, whichever call wrote it; with some
   zeroes. */
static char written(size_t at)
{
	return at % 61 == 60 ? '\0' : letter(at / 61);
}

/* Lets a hook take time, write to stderr, or spoil the file. */
static void be_busy(struct call *c)
{
	unsigned b = plan.measure || plan.capture ? byte() : 0;

	if (b & 1)
		run.now += 1 + number(SIZE_MAX - 1);
	if (b & 2)
		run.file = MIN(run.file + number(SIZE_MAX), FILE_MOST);
	if ((b & 0xfc) == 0x80) {
		run.file = byte();
		c->cut = true;
	}
	if ((b & 0xfc) == 0x84)
		run.no_file = c->cut = true;
}

static int on_setup(struct vm_context *me)
{
	unsigned b = byte();

	run.set_up = b < 250;
	if (!run.set_up && b >= 253)
		refuse(me);
	return run.set_up ? 0 : 1;
}

/* Adds to the output: by copy, or in place and in part. */
static int add(struct vm_context *me, struct call *c, size_t size, bool copy)
{
	static unsigned char some[300000];
	unsigned char *room;

	memset(some, run.calls % 251, size);
	if (copy) {
		if (vm_output(me, some, size) < 0)
			return -1;
	} else {
		room = vm_reserve(me, size + size / 2);
		if (room == NULL)
			return -1;
		memcpy(room, some, size);
		REQUIRE(vm_commit(me, 2 * size + 1) == -1, "too much room");
		if (vm_commit(me, size) < 0)
			return -1;
	}
	c->size += size;
	return 0;
}

/* Staged frames are flushed before an item begins if the caller waits for them;
   or before a stride of items with places for their outputs. */
static void check_heeded(const struct fill_item *item)
{
	if (!run.scribbled && (item == NULL || item->place == NULL ||
	    item->strides))
		REQUIRE(atomic_load(&slot->wanted) == 0 ||
		    atomic_load(&slot->flushed) ==
		    atomic_load(&slot->committed), "a caller is not heeded");
}

static void check_input(const void *input, size_t size)
{
	const unsigned char *bytes_of = input;
	volatile unsigned char seen;

	REQUIRE((uintptr_t)input % 16 == 0, "an input is not aligned");
	REQUIRE(bytes_of[size] == 0, "no 0 behind an input");
	for (size_t i = 0; i < size; i++)
		seen = bytes_of[i];
	(void)seen;
}

static uint64_t word(uint32_t ordinal, uint32_t next)
{
	return (uint64_t)(uint16_t)ordinal << 48 | next;
}

/* Checks the input of an item, and that the slot shows it as begun. */
static void check_item(const struct fill_item *item, const void *input,
    size_t size)
{
	uint64_t begun = atomic_load(&slot->begun);
	uint64_t done = atomic_load(&slot->done);

	if (item == NULL || item->input == NULL) {
		check_input(input, size);
	} else {
		REQUIRE(input == item->input && size == item->size,
		    "not the input that was meant");
		if (size > 0)
			REQUIRE(((const unsigned char *)input)[size - 1] ==
			    0x44, "an input has changed");
	}
	if (item == NULL || run.scribbled)
		return;
	REQUIRE(!item->refused, "outputs are made that have no place");
	REQUIRE(begun == word(item->ordinal, item->number + 1),
	    "it is at another item than it says");
	REQUIRE(done >> 48 != (uint16_t)item->ordinal ||
	    (uint32_t)done <= item->number, "said to be done too early");
}

/* An idle worker has published all outputs in places as done. */
static void check_done(void)
{
	const struct fill_item *item = run.filled ? run.filled->item : NULL;

	if (item != NULL && !run.scribbled)
		REQUIRE(atomic_load(&slot->done) == word(item->ordinal,
		    item->number + 1), "what is done is not said to be");
}

/* Checks the note that the caller would read if the worker died in this
   item. */
static void check_noted(const struct call *c)
{
	const struct slot_note n = slot_noted(slot);
	bool told = plan.measure || plan.capture;

	if (run.scribbled)
		return;
	REQUIRE(n.started_at == (plan.measure ? c->begun_at : 0) &&
	    n.started_cpu == (plan.measure ? c->begun_at / 2 : 0),
	    "other times than it began at");
	REQUIRE(n.tail_from == (told && plan.capture && !run.no_file ?
	    c->from : 0), "another place than its text begins at");
	REQUIRE(!plan.capture || run.no_file || c->from <= FILE_KEPT,
	    "the file grows");
}

/* Makes an output of any size or of the size of an element. */
static int make(struct vm_context *me, struct call *c, unsigned b)
{
	size_t most = run.output_bytes < STREAM / 4 ? 220000 : 64;
	size_t whole = plan.element, part;
	int r = 0;

	if (whole > 0 && (b & 8) == 0) {
		part = whole * (b >> 6) / 3;
		r = part > 0 ? add(me, c, part, b & 16) : 0;
		return r < 0 ? r : add(me, c, whole - part, b & 32);
	}
	for (unsigned n = b >> 1 & 3; n > 0 && r == 0; n--)
		r = add(me, c, number(most), n & 1);
	return r;
}

/* An output of an array must have the element's size; a wrong size is found
   when the hook returns. */
static void judge_size(struct call *c)
{
	if (!c->good || plan.element == 0 || c->size == plan.element)
		return;
	c->good = false;
	c->told_why = true;
	c->code = EINVAL;
}

static int on_process(struct vm_context *me, const void *input, size_t size)
{
	struct call *c = &run.call[run.calls % CALLS_MOST];
	const struct fill_item *item = run.arrays ? fill_item(me->index) : NULL;
	unsigned b = byte();
	int r;

	REQUIRE(run.calls < CALLS_MOST, "the test's own bound");
	REQUIRE(run.set_up, "process() without setup()");
	check_item(item, input, size);
	check_heeded(item);
	*c = (struct call){
		.good = true,
		.item = item,
		.cause = VM_FAILED,
		.from = run.file,
		.begun_at = run.now,
	};
	check_noted(c);
	run.calls++;
	if (item != NULL && item->place != NULL)
		run.filled = c;
	be_busy(c);
	if (b & 1)
		interfere(byte());
	r = make(me, c, b);
	c->told_why = r < 0;
	if (r < 0)
		c->cause = VM_TOO_BIG;
	c->code = r < 0 ? EFBIG : 0;
	if (b >= 0xf8 && r == 0) {
		c->message = refuse(me);
		c->code = 5;
		r = -1;
	}
	c->good = r == 0;
	judge_size(c);
	c->to = run.file;
	c->ended_at = run.now;
	run.output_bytes += c->size;
	return r;
}

static void on_teardown(struct vm_context *me)
{
	(void)me;
	REQUIRE(run.set_up, "teardown() without setup()");
}

/* ---- the twins of the system calls ---- */

ssize_t __wrap_sys_read(int fd, void *to, size_t size);
ssize_t __wrap_sys_write(int fd, const void *from, size_t size);
_Noreturn void __wrap_sys_exit(int status);
int __wrap_sys_setpgid(pid_t pid, pid_t group);
uint64_t __wrap_sys_now(void);
uint64_t __wrap_sys_cpu(void);
int __wrap_sys_dup_onto(int fd, int to);
int64_t __wrap_sys_size(int fd);
int __wrap_sys_truncate(int fd, uint64_t size);
ssize_t __wrap_sys_pread(int fd, void *to, size_t size, uint64_t at);
int __wrap_sys_die_with_parent(void);
pid_t __wrap_sys_getppid(void);
int __wrap_sys_open(const char *path, int flags);
int __wrap_sys_handle_sigchld(bool handle);
void __wrap_sys_set_mask(const sigset_t *mask);
int __wrap_sys_dont_fork(void *at, size_t size);
void __wrap_channel_open(struct channel *c, int in, int out);
void __real_channel_open(struct channel *c, int in, int out);
int __wrap_context_init(struct context *c, const struct plan *its_plan,
    int worker_index, int errors, struct outstream *outstream);
int __real_context_init(struct context *c, const struct plan *its_plan,
    int worker_index, int errors, struct outstream *outstream);

ssize_t __wrap_sys_read(int fd, void *to, size_t size)
{
	size_t n;

	(void)fd;
	REQUIRE(run.scribbled || atomic_load(&slot->flushed) ==
	    atomic_load(&slot->committed), "sleeps on what it has staged");
	check_done();
	while (left > 0 && step())
		continue;
	n = MIN(size, run.ntasks - run.at_task);
	if (n == 0 && left > 0)
		return __wrap_sys_read(fd, to, size);
	memcpy(to, tasks + run.at_task, n);
	run.at_task += n;
	return (ssize_t)n;
}

ssize_t __wrap_sys_write(int fd, const void *from, size_t size)
{
	(void)fd;
	if (left > 0 && run.set_up)
		interfere(byte());
	size = MIN(size, run.write_most);
	/* The result pipe breaks before the stream buffer is full. */
	if (run.written + size > STREAM - SLOT_RING)
		run.broken = true;
	if (run.broken)
		return -EPIPE;
	memcpy(stream + run.written, from, size);
	run.written += size;
	if (!run.scribbled) {
		REQUIRE(atomic_load(&slot->intended) >= run.written,
		    "more is written than was said before");
		REQUIRE(atomic_load(&slot->flushed) < run.written,
		    "it says that more is written than is");
	}
	return (ssize_t)size;
}

void __wrap_sys_exit(int status)
{
	longjmp(end, status + 1);
}

uint64_t __wrap_sys_now(void)
{
	return run.now;
}

uint64_t __wrap_sys_cpu(void)
{
	return run.now / 2;
}

int __wrap_sys_dup_onto(int fd, int to)
{
	REQUIRE(fd == ERRORS && to == 2 && plan.capture, "a stream goes away");
	return 0;
}

int64_t __wrap_sys_size(int fd)
{
	REQUIRE(fd == ERRORS, "another file");
	return run.no_file ? -EBADF : (int64_t)run.file;
}

int __wrap_sys_truncate(int fd, uint64_t size)
{
	REQUIRE(fd == ERRORS && size == 0, "another file or size");
	run.file = 0;
	return 0;
}

ssize_t __wrap_sys_pread(int fd, void *to, size_t size, uint64_t at)
{
	char *text = to;

	REQUIRE(fd == ERRORS && at + size <= run.file, "another file");
	for (size_t i = 0; i < size; i++)
		text[i] = written(at + i);
	return (ssize_t)size;
}

int __wrap_sys_setpgid(pid_t pid, pid_t group)
{
	return (int)(pid + group);
}

int __wrap_sys_die_with_parent(void)
{
	return 0;
}

pid_t __wrap_sys_getppid(void)
{
	return PARENT;
}

int __wrap_sys_open(const char *path, int flags)
{
	(void)path;
	(void)flags;
	return -ENOENT;
}

int __wrap_sys_handle_sigchld(bool handle)
{
	return handle;
}

void __wrap_sys_set_mask(const sigset_t *mask)
{
	(void)mask;
}

int __wrap_sys_dont_fork(void *at, size_t size)
{
	(void)at;
	(void)size;
	return 0;
}

/* Remember memory that a worker leaves to its exit, to free it after the
   run. */
void __wrap_channel_open(struct channel *c, int in, int out)
{
	if (in >= 0)
		tasks_of_worker = c;
	__real_channel_open(c, in, out);
}

int __wrap_context_init(struct context *c, const struct plan *its_plan,
    int worker_index, int errors, struct outstream *outstream)
{
	context_of_worker = c;
	return __real_context_init(c, its_plan, worker_index, errors, outstream);
}

/* ---- checks of the stream ---- */

/* Checks that the tail is the end of the text of this call, and no other text
   if that is there. */
static void check_tail(const struct failure *f, const struct call *c)
{
	size_t n = MIN(c->to - c->from, (size_t)CAPTURE_MOST);

	if (!plan.capture) {
		REQUIRE(f->tail == NULL, "a tail of nothing");
		return;
	}
	REQUIRE(f->tail != NULL && f->head.tail_size <= CAPTURE_MOST,
	    "no tail, or a long one");
	REQUIRE(strlen(f->tail) == (size_t)f->head.tail_size, "a 0 in it");
	if (c->cut || run.no_file)
		return;
	REQUIRE((size_t)f->head.tail_size == n, "a tail that was not cut");
	for (size_t i = 0; i < n; i++)
		REQUIRE(f->tail[i] == (written(c->to - n + i) ?
		    written(c->to - n + i) : '?'), "another tail");
}

static void check_failure(const struct failure *f, const struct call *c)
{
	uint64_t wall = c->ended_at - c->begun_at;
	uint64_t cpu = c->ended_at / 2 - c->begun_at / 2;

	REQUIRE(f->head.cause == (uint32_t)c->cause &&
	    f->head.code == c->code, "a failure's cause");
	REQUIRE(f->head.wall_ns == (plan.measure ? wall : 0) &&
	    f->head.cpu_ns == (plan.measure ? cpu : 0), "a failure's times");
	REQUIRE(c->told_why ? f->head.message_size > 0 :
	    f->head.message_size == c->message, "a message's size");
	for (size_t i = 0; i < c->message; i++)
		REQUIRE(f->message[i] == 'x', "a message has changed");
	check_tail(f, c);
}

/* Returns a pointer to a right output, in the stream or in the payload
   arena. */
static const unsigned char *output_of(const struct frame *f, size_t *size)
{
	struct frame_placed p;

	*size = f->size;
	if (f->kind != FRAME_PLACED)
		return f->body;
	REQUIRE(frame_body(f, &p, sizeof p) == 0 && p.size <= slots.payload &&
	    p.at % slots.payload + frame_length(p.size) <= slots.payload,
	    "an output is nowhere");
	*size = p.size;
	return slot_outputs(slot) + p.at % slots.payload + FRAME_HEAD;
}

static void check_frame(const struct frame *f, const struct call *c)
{
	const unsigned char *at;
	struct failure why;
	size_t size;

	if (c->good) {
		REQUIRE(f->kind == FRAME_OUTPUT || f->kind == FRAME_PLACED,
		    "not the output that was made");
		at = output_of(f, &size);
		REQUIRE(size == c->size, "not all of an output");
		for (size_t i = 0; i < size; i++)
			REQUIRE(at[i] == (c - run.call + 1) % 251,
			    "an output has changed");
		return;
	}
	REQUIRE(f->kind == FRAME_FAILURE &&
	    frame_failure(f->body, f->size, &why) == 0,
	    "a failure is not told");
	check_failure(&why, c);
}

static bool has_place(const struct call *c)
{
	return c->item != NULL && c->item->place != NULL;
}

static void check_place(const struct call *c)
{
	REQUIRE(c->good, "a failure is said to be done");
	for (size_t i = 0; i < plan.element; i++)
		REQUIRE(c->item->place[i] == (c - run.call + 1) % 251,
		    "an output is not in its place");
}

/* Skips the items of a chunk up to a frame that are done in their places
   without frames.  Returns the number of answered items. */
static int pass_filled(const struct frame *f, int answered)
{
	const struct call *c = &run.call[answered];
	struct frame_end said;

	REQUIRE(frame_body(f, &said, sizeof said) == 0, "no frame_end");
	for (; answered < run.calls && has_place(c) && c->item->ordinal ==
	    said.ordinal && c->item->number < said.next; c++, answered++)
		check_place(c);
	REQUIRE(f->kind != FRAME_DONE || (answered < run.calls &&
	    has_place(c) && !c->good && c->item->ordinal == said.ordinal &&
	    c->item->number == said.next), "no failure where one was said");
	return answered;
}

/* Checks a frame.  Returns the number of answered items; counts in *others the
   frames that answer no item. */
static int check_one(const struct frame *f, int answered, int *others)
{
	struct failure why;

	if (f->kind == FRAME_OUTPUT || f->kind == FRAME_FAILURE ||
	    f->kind == FRAME_PLACED) {
		REQUIRE(answered < run.calls, "an item too many");
		REQUIRE(!has_place(&run.call[answered]) ||
		    f->kind == FRAME_FAILURE, "an output that has a place");
		check_frame(f, &run.call[answered]);
		return answered + 1;
	}
	REQUIRE(*others > 0 || f->kind == FRAME_HELLO ||
	    f->kind == FRAME_UNFIT, "no hello");
	REQUIRE(f->kind != FRAME_UNFIT ||
	    frame_failure(f->body, f->size, &why) == 0,
	    "a setup's failure is not told");
	++*others;
	return f->kind == FRAME_DONE || f->kind == FRAME_END ?
	    pass_filled(f, answered) : answered;
}

/* Checks all frames, the last of which may be cut if the pipe broke.  Returns
   the number of items they answer. */
static int check_stream(bool whole, bool *left_well)
{
	size_t at = FRAME_START, length = run.written;
	int answered = 0, others = 0;
	struct frame f;
	static _Alignas(16) unsigned char copy[STREAM + 16];

	memcpy(copy + at, stream, length);
	copy[at + length] = 0;
	*left_well = false;
	while (length > 0 && frame_read(copy + at, length, SIZE_MAX, &f) == 1) {
		answered = check_one(&f, answered, &others);
		*left_well = f.kind == FRAME_LEAVING;
		at += f.length;
		length -= f.length;
	}
	REQUIRE(!whole || length == 0, "a frame is not whole");
	return answered;
}

/* Staged frames that are not written are part of the stream. */
static void add_staged(void)
{
	uint64_t committed = atomic_load(&slot->committed);
	uint64_t flushed = atomic_load(&slot->flushed);

	REQUIRE(flushed <= run.written && flushed <= committed &&
	    committed - flushed <= SLOT_RING, "words that make no sense");
	if (committed > run.written) {
		slot_copy_out(slot, run.written, stream + run.written,
		    (size_t)(committed - run.written));
		run.written = (size_t)committed;
	}
}

static void check_all(int status)
{
	bool left_well;
	int answered;

	REQUIRE(!run.arrays || fill_is_clean(), "written beside a place");
	if (run.scribbled) {
		/* A lowered lease word may make it answer fewer items, never
		   more. */
		check_stream(false, &left_well);
		return;
	}
	add_staged();
	answered = check_stream(!run.broken, &left_well);
	REQUIRE(run.broken || answered == run.calls, "an item is missing");
	REQUIRE(status != EXIT_SUCCESS || left_well, "it left too early");
}

/* ---- notices ---- */

/* Sends any bytes through the socket, with descriptors or without. */
static void receive_notice(void)
{
	static int ends[2] = { -1, -1 };
	unsigned char some[2 * sizeof(struct notice)];
	size_t size = 1 + byte() % (sizeof some - 1);
	int count = (int)(byte() % (SYS_FDS + 1)), want = 0, r;
	int fds[NOTICE_FDS], carried[SYS_FDS];
	struct notice n;

	if (ends[0] < 0)
		REQUIRE(sys_socketpair(ends) == 0, "no socket");
	bytes(some, sizeof some);
	for (int i = 0; i < SYS_FDS; i++)
		carried[i] = ends[0];
	memcpy(&n, some, sizeof n);
	for (int i = 0; i < NOTICE_FDS; i++)
		want += (n.with >> i & 1) != 0;
	REQUIRE(sys_send(ends[0], some, size, carried, count) == 0, "sent");
	r = notice_receive(ends[1], &n, fds);
	REQUIRE(r == (size != sizeof n ? -EPROTO : want > count ? -EMFILE : 1),
	    "not what was sent");
	for (int i = 0; i < NOTICE_FDS; i++) {
		if (r == 1 && (n.with & 1u << i) != 0)
			REQUIRE(fds[i] >= 0, "a descriptor is missing");
		else if (r == 1)
			REQUIRE(fds[i] == -1, "a descriptor too many");
		sys_close(&fds[i]);
	}
	REQUIRE(notice_receive(ends[1], &n, fds) == 0, "there is more");
}

/* ---- a run ---- */

static void live(void)
{
	struct worker_life life = {
		.plan = &plan,
		.slots = slots,
		.generation = GENERATION,
		.parent = PARENT,
		.tasks = 1000,
		.results = 1001,
		.errors = plan.capture ? ERRORS : -1,
		.fds = { -1, -1, -1, -1, -1 },
	};
	int status = setjmp(end);

	if (status == 0) {
		worker_begin(&life);
		worker_main(&life);
	}
	check_all(status - 1);
}

static void forget(int *fd)
{
	*fd = -1;
}

/* Reads options for arrays, with outputs of equal size if they are mapped. */
static unsigned read_arrays(void)
{
	static const size_t elements[] = { 0, 1, 8, 40, 300, 1000, 5000,
		60000 };
	unsigned how = byte();

	plan.element = MIN(elements[how & 7], plan.max_item);
	if (how & 64)
		run.ordinal = UINT16_MAX - 1;
	return how >> 3 & 3;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned b, how;

	program = data;
	left = MIN(size, INPUT_MOST);
	b = byte();
	run.ntasks = run.at_task = run.written = run.output_bytes = 0;
	run.broken = run.scribbled = run.set_up = false;
	run.calls = 0;
	run.ordinal = b & 4 ? UINT16_MAX - 1 : 0;
	run.seq = 0;
	run.write_most = SIZE_MAX;
	run.now = 1000;
	run.file = 0;
	run.no_file = false;
	plan = (struct plan){
		.hooks = { .setup = on_setup,
			.process = on_process, .teardown = on_teardown },
		.max_item = b & 1 ? 300000 : 1000,
		.measure = (b & 0xe0) == 0xa0 || (b & 0xe0) == 0xe0,
		.capture = (b & 0xe0) == 0xc0 || (b & 0xe0) == 0xe0,
	};
	run.arrays = (b & 0x1c) == 0x18;
	run.filled = NULL;
	how = run.arrays ? read_arrays() : 0;
	if (b & 2)
		receive_notice();
	REQUIRE(slots_map(&slots, 1, SLOT_PAYLOAD) == 0, "no memory for the test itself");
	slot = slots_get(&slots, 0);
	atomic_store(&slot->in_place, !(b & 8));
	if (run.arrays)
		fill_begin(&slots, slot, plan.element, how);
	live();
	channel_close(tasks_of_worker, forget);
	context_release(context_of_worker);
	slots_unmap(&slots);
	return 0;
}
