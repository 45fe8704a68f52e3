/*
 * test_liars.c - agents and links of the test's own: the pool answers each input
 * once whatever the agent sends, an agent ends with all its processes whatever
 * the link sends, and it gives back all that it has not begun.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "os/identity.h"
#include "sample.h"
#include "tools.h"
#include "wire/channel.h"
#include "wire/far.h"
#include "wire/greeting.h"
#include "wire/machine.h"

static char program[4096];

static uint64_t state;

static uint32_t draw(uint32_t below)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 33) % below;
}

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

#define HANGS (-1)

/* An input of that number makes a file, whose path is the config, and never
   ends. */
static int hang(struct vm_context *me, const void *input, size_t size)
{
	int64_t x;

	memcpy(&x, input, sizeof x);
	if (x == HANGS)
		close(open(me->config, O_CREAT | O_WRONLY, 0600));
	while (x == HANGS)
		pause();
	return vm_output(me, input, size);
}

static void no_teardown(struct vm_context *me)
{
	(void)me;
}

static const struct vm_worker table[] = {
	{ .process = echo, .name = "echo" },
	{ .process = hang, .name = "hang" },
	{ .process = echo, .name = "echo", .teardown = no_teardown },
};

/* ---- an agent that lies ---- */

static void say(const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t n = write(1, at, size);

		if (n <= 0)
			_exit(0);
		at += n;
		size -= (size_t)n;
	}
}

static void tell(enum frame_kind kind, const void *body, size_t size)
{
	_Alignas(16) unsigned char frame[512];

	frame_write(frame, kind, body, size);
	say(frame, frame_length(size));
}

static void greet(void)
{
	struct greeting g;
	char text[512];
	size_t size;

	greeting_init(&g);
	identity_of_program(g.identity);
	strcpy(g.host, "liar");
	g.cpus = 2;
	size = greeting_write(&g, text, sizeof text);
	say(text, size);
	say("name echo\n\n", 11);
}

static void tell_outcome(void)
{
	unsigned char body[sizeof(struct far_outcome) + 64];
	struct far_outcome o = { .cause = 1u << draw(9), .signal =
	    (int32_t)draw(70), .exit_status = (int32_t)draw(300) - 1, .pid = 1,
	    .traceback_size = (int32_t)draw(3) - 1, .tail_size = -1 };
	size_t size = sizeof o + draw(4);

	memset(body, 0, sizeof body);
	memcpy(body, &o, sizeof o);
	tell(FRAME_OUTCOME, body, size);
}

/* A frame of any kind and size, or no frame. */
static void tell_nonsense(void)
{
	unsigned char bytes[256];
	uint64_t head = (uint64_t)draw(2) << 63 | draw(1u << 31);

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)draw(256);
	switch (draw(4)) {
	case 0:
		tell((enum frame_kind)draw(30), bytes, draw(200));
		break;
	case 1:
		say(bytes, draw(256));
		break;
	case 2:
		say(&head, sizeof head);
		break;
	default:
		frame_head(bytes, FRAME_OUTPUT, (size_t)1 << (20 + draw(27)));
		say(bytes, 8 + draw(100));
	}
}

/* Items have come up to that number. */
static void lie(uint64_t number)
{
	struct far_seek seek = { number + draw(3) - 1 };

	switch (draw(9)) {
	case 0:
		tell(FRAME_SEEK, &seek, sizeof seek);
		break;
	case 1:
		tell(FRAME_RETURNED, &seek, draw(2));
		break;
	case 2:
		tell_outcome();
		break;
	case 3:
		tell(FRAME_BYE, "bye", draw(4));
		break;
	case 4:
		tell(FRAME_FAILURE, &seek, draw(8));
		break;
	case 5:
		close(1);
		break;
	case 6:
		_exit((int)draw(2));
	case 7:
		seek.item = number - draw(5);
		tell(FRAME_SEEK, &seek, sizeof seek);
		tell(FRAME_OUTPUT, &seek, sizeof seek);
		break;
	default:
		tell_nonsense();
	}
}

/* Greets, and has each frame of the link heeded up to its end. */
static int serve(void (*heed)(const struct frame *))
{
	struct channel in;
	struct frame f;

	channel_open(&in, 0, -1);
	greet();
	for (;;) {
		while (channel_receive(&in, SIZE_MAX, &f) == 1) {
			heed(&f);
			channel_pass(&in, &f);
		}
		if (channel_fill(&in) < 0)
			return 0;
	}
}

static void begin_with(uint32_t workers)
{
	const struct far_begun begun = { .workers = workers };

	tell(FRAME_BEGUN, &begun, sizeof begun);
}

/* Answers most items as an agent does, by the sequence that the seed gives. */
static void heed_as_liar(const struct frame *f)
{
	static struct far_seek next;

	if (f->kind == FRAME_BEGIN && draw(20) > 0)
		begin_with(1 + draw(3));
	if (f->kind == FRAME_ITEM) {
		tell(FRAME_SEEK, &next, sizeof next);
		if (draw(20) > 0)
			tell(FRAME_OUTPUT, f->body, f->size);
		else
			lie(next.item);
		next.item++;
	}
	if (f->kind == FRAME_STOP)
		tell(FRAME_BYE, NULL, 0);
}

static int be_liar(unsigned seed)
{
	state = seed ^ (unsigned)getpid();
	return serve(heed_as_liar);
}

/* ---- an agent that answers in an order of its own ---- */

/* Items that it has, and the number of the first. */
#define HELD 16
static int64_t held[HELD];
static struct far_seek held_from;
static size_t held_count;

static void answer_held(size_t i, const char *how)
{
	const struct far_seek seek = { held_from.item + i };
	const struct far_seek beyond = { held_from.item + held_count };

	tell(FRAME_SEEK, strcmp(how, "beyond") == 0 ? &beyond : &seek,
	    sizeof seek);
	tell(FRAME_OUTPUT, &held[i], sizeof held[i]);
}

/* The last first; or every other first. */
static void answer_all_held(const char *how)
{
	const bool evens = strcmp(how, "evens") == 0;
	/* The number of answers is right: only the caller knows better. */
	const bool twice = strcmp(how, "twice") == 0 && held_count > 1;

	for (size_t i = 0; evens && i < held_count; i += 2)
		answer_held(i, how);
	for (size_t i = 1; evens && i < held_count; i += 2)
		answer_held(i, how);
	for (size_t i = held_count; !evens && i > 0; i--)
		answer_held(twice && i == 1 ? 1 : i - 1, how);
	held_from.item += held_count;
	held_count = 0;
}

static void hold(const struct frame *f, const char *how)
{
	memcpy(&held[held_count++], f->body, sizeof held[0]);
	if (held_count == HELD)
		answer_all_held(how);
}

/* Answers items backwards, when no more have come for a while. */
static int be_backwards(const char *how)
{
	struct pollfd fd = { .fd = 0, .events = POLLIN };
	struct channel in;
	struct frame f;

	channel_open(&in, 0, -1);
	greet();
	for (;;) {
		while (channel_receive(&in, SIZE_MAX, &f) == 1) {
			if (f.kind == FRAME_BEGIN)
				begin_with(HELD);
			if (f.kind == FRAME_ITEM)
				hold(&f, how);
			if (f.kind == FRAME_PING)
				tell(FRAME_PONG, NULL, 0);
			if (f.kind == FRAME_STOP)
				tell(FRAME_BYE, NULL, 0);
			channel_pass(&in, &f);
		}
		if (poll(&fd, 1, 10) == 0)
			answer_all_held(how);
		else if (channel_fill(&in) < 0)
			return 0;
	}
}

/* ---- an agent that leaves at once ---- */

/* Its items: it answers the first when it has all, and the others after STOP,
   in the same write as BYE. */
#define HASTY 4

static void answer_and_leave(void)
{
	_Alignas(16) unsigned char frames[HASTY * 64];
	size_t size = 0;

	for (int i = 1; i < HASTY; i++) {
		frame_write(frames + size, FRAME_OUTPUT, &held[i],
		    sizeof held[i]);
		size += frame_length(sizeof held[i]);
	}
	frame_write(frames + size, FRAME_BYE, NULL, 0);
	say(frames, size + frame_length(0));
}

static void heed_in_haste(const struct frame *f)
{
	if (f->kind == FRAME_BEGIN)
		begin_with(HASTY);
	if (f->kind == FRAME_ITEM)
		memcpy(&held[held_count++], f->body, sizeof held[0]);
	if (f->kind == FRAME_ITEM && held_count == HASTY)
		tell(FRAME_OUTPUT, &held[0], sizeof held[0]);
	if (f->kind == FRAME_STOP)
		answer_and_leave();
}

START_TEST(an_agent_may_answer_and_leave_at_once)
{
	const char *command[] = { program, "--hasty", NULL };
	struct vm_host host = { .name = "hasty", .command = command };
	const struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = &host,
		.host_count = 1, .chunk_size = HASTY };
	vm_pool *pool = fork_pool(&table[2], &o);
	struct vm_result r;

	imap_to(pool, vm_range(0, HASTY));
	take(pool, &r);
	ck_assert_int_eq(number(r.input), 0);
	ck_assert_msg(vm_close(pool) == 0, "%s", vm_error(NULL));
}
END_TEST

/* A machine behind it comes while the link says STOP. */
static void heed_restlessly(const struct frame *f)
{
	const struct far_begun more = { .workers = 2 };

	if (f->kind == FRAME_BEGIN)
		begin_with(1);
	if (f->kind == FRAME_STOP) {
		tell(FRAME_WORKERS, &more, sizeof more);
		tell(FRAME_BYE, "late words", 10);
	}
}

START_TEST(workers_may_come_while_an_agent_leaves)
{
	const char *command[] = { program, "--restless", NULL };
	struct vm_host host = { .name = "restless", .command = command };
	const struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = &host,
		.host_count = 1 };
	vm_pool *pool = fork_pool(&table[2], &o);

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	ck_assert_int_eq(vm_close(pool), 1);
	ck_assert_msg(strstr(vm_error(NULL), "late words") != NULL, "%s",
	    vm_error(NULL));
}
END_TEST

static struct vm_host_state state_of(vm_pool *pool)
{
	struct vm_host_state s;

	ck_assert_int_eq(vm_host_state(pool, 1, &s), 1);
	return s;
}

/* Answers all items in one write, with another number of workers before each
   answer. */
static void answer_and_shift(void)
{
	_Alignas(16) unsigned char frames[HELD * 64];
	struct far_begun crew = { .workers = 1 };
	size_t size = 0;

	for (int i = 0; i < HELD; i++) {
		frame_write(frames + size, FRAME_WORKERS, &crew, sizeof crew);
		size += frame_length(sizeof crew);
		frame_write(frames + size, FRAME_OUTPUT, &held[i],
		    sizeof held[i]);
		size += frame_length(sizeof held[i]);
		crew.workers++;
	}
	say(frames, size);
}

static void heed_shiftily(const struct frame *f)
{
	if (f->kind == FRAME_BEGIN)
		begin_with(HELD);
	if (f->kind == FRAME_ITEM)
		memcpy(&held[held_count++], f->body, sizeof held[0]);
	if (f->kind == FRAME_ITEM && held_count == HELD)
		answer_and_shift();
	if (f->kind == FRAME_STOP)
		tell(FRAME_BYE, NULL, 0);
}

START_TEST(workers_may_come_between_two_answers)
{
	const char *command[] = { program, "--shifty", NULL };
	struct vm_host host = { .name = "shifty", .command = command };
	const struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = &host,
		.host_count = 1, .chunk_size = HELD };
	vm_pool *pool = fork_pool(&table[0], &o);
	int cause[HELD];

	imap_to(pool, vm_range(0, HELD));
	ck_assert_int_eq(take_numbers(pool, HELD, cause), 0);
	for (int i = 0; i < HELD; i++)
		ck_assert_int_eq(cause[i], 0);
	ck_assert_int_eq(state_of(pool).workers, HELD);
	close_pool(pool);
}
END_TEST

/* ---- an agent and RECALLs ---- */

static void end_item(uint64_t number)
{
	const struct far_seek seek = { number };
	const struct far_outcome o = { .cause = VM_CANCELLED,
		.exit_status = -1, .traceback_size = -1, .tail_size = -1,
		.host_size = -1 };

	tell(FRAME_SEEK, &seek, sizeof seek);
	tell(FRAME_OUTCOME, &o, sizeof o);
}

/* Answers the first item when it has the second; ends the second, and the third
   as well, when the RECALL has come; answers any other. */
static void heed_late(const struct frame *f)
{
	static uint64_t items;
	static bool recalled, ended;

	if (f->kind == FRAME_BEGIN)
		begin_with(2);
	items += f->kind == FRAME_ITEM;
	recalled |= f->kind == FRAME_RECALL;
	if (f->kind == FRAME_ITEM && (items == 2 || items > 3))
		tell(FRAME_OUTPUT, f->body, f->size);
	if (items == 3 && recalled && !ended) {
		end_item(1);
		end_item(2);
		ended = true;
	}
	if (f->kind == FRAME_STOP)
		tell(FRAME_BYE, NULL, 0);
}

/* Of three items each: answers the first when it has the second, ends the second
   by RECALL, and answers the third with the number of RECALLs so far. */
static void heed_recalls(const struct frame *f)
{
	static struct far_seek next;
	static int64_t recalls;

	if (f->kind == FRAME_BEGIN)
		begin_with(2);
	if (f->kind == FRAME_RECALL)
		end_item(3 * (uint64_t)recalls++ + 1);
	if (f->kind == FRAME_ITEM && next.item % 3 == 1) {
		const struct far_seek before = { next.item - 1 };

		tell(FRAME_SEEK, &before, sizeof before);
		tell(FRAME_OUTPUT, f->body, f->size);
	}
	if (f->kind == FRAME_ITEM && next.item % 3 == 2) {
		tell(FRAME_SEEK, &next, sizeof next);
		tell(FRAME_OUTPUT, &recalls, sizeof recalls);
	}
	next.item += f->kind == FRAME_ITEM;
	if (f->kind == FRAME_STOP)
		tell(FRAME_BYE, NULL, 0);
}

static void submit(vm_pool *pool, int64_t x)
{
	ck_assert_int_eq(vm_submit(pool, &x, sizeof x, NULL), 1);
}

static vm_pool *fork_with(const char *how)
{
	const char *command[] = { program, how, NULL };
	struct vm_host host = { .name = how, .command = command };
	const struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = &host,
		.host_count = 1, .flags = VM_ORDERED, .chunk_size = 1 };
	vm_pool *pool = fork_pool(&table[0], &o);

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	return pool;
}

/* Cancels an item that runs at such an agent, and pushes another: takes its
   output. */
static void cancel_and_push(vm_pool *pool, struct vm_result *r)
{
	submit(pool, 0);
	submit(pool, 1);
	take(pool, r);
	ck_assert_int_eq(r->type, VM_OUTPUT);
	vm_cancel(pool, VM_CANCEL_RUNNING);
	submit(pool, 2);
	take(pool, r);
	ck_assert_int_eq(number(r->input), 1);
	ck_assert_int_eq(r->type, VM_EXCEPTION);
	ck_assert_int_eq(r->exception->cause, VM_CANCELLED);
	take(pool, r);
	ck_assert_int_eq(r->type, VM_OUTPUT);
}

START_TEST(an_item_that_nobody_cancelled_is_sent_again)
{
	vm_pool *pool = fork_with("--late");
	struct vm_result r;

	cancel_and_push(pool, &r);
	ck_assert_int_eq(r.attempts, 1);
	ck_assert_int_eq(state_of(pool).times_lost, 0);
	ck_assert_uint_eq(state_of(pool).done, 3);
	close_pool(pool);
}
END_TEST

/* Written together, both orders are heeded at once: so the test tries often. */
START_TEST(a_recall_leaves_before_the_next_input)
{
	vm_pool *pool = fork_with("--recalls");
	struct vm_result r;

	for (int i = 1; i <= 400; i++) {
		cancel_and_push(pool, &r);
		ck_assert_int_eq(number(r.output), i);
		take_end(pool);
	}
	close_pool(pool);
}
END_TEST

/* ---- an agent that is busy at first ---- */

/* Time before its first PONG. */
#define BUSY_MS 300

/* Later PINGs are answered from the second item on: when the caller has seen
   the time of the first. */
static void heed_when_busy(const struct frame *f)
{
	static int pings, owed, items;

	if (f->kind == FRAME_BEGIN)
		begin_with(1);
	if (f->kind == FRAME_PING) {
		nap_ms(pings == 0 ? BUSY_MS : 0);
		owed++;
		pings++;
	}
	items += f->kind == FRAME_ITEM;
	for (; owed > 0 && (pings == 1 || items > 1); owed--)
		tell(FRAME_PONG, NULL, 0);
	if (f->kind == FRAME_ITEM)
		tell(FRAME_OUTPUT, f->body, f->size);
	if (f->kind == FRAME_STOP)
		tell(FRAME_BYE, NULL, 0);
}

static uint64_t round_trip_of(vm_pool *pool)
{
	return state_of(pool).round_trip_ns;
}

/* The connection is measured again while it is in use, so that no time of a
   busy moment stays. */
START_TEST(a_long_round_trip_is_forgotten)
{
	const char *command[] = { program, "--busy", NULL };
	struct vm_host host = { .name = "busy", .command = command };
	const struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = &host,
		.host_count = 1 };
	vm_pool *pool = fork_pool(&table[2], &o);
	struct vm_result r;

	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	ck_assert_uint_ge(round_trip_of(pool), BUSY_MS * MS_IN_NS);
	for (int ms = 0; round_trip_of(pool) >= BUSY_MS * MS_IN_NS; ms += 10) {
		ck_assert_int_lt(ms, limit_ms());
		nap_ms(10);
		imap_to(pool, vm_range(0, 1));
		take(pool, &r);
	}
	close_pool(pool);
}
END_TEST

#define N 300

static vm_pool *fork_backwards(const char *how, int workers)
{
	const char *command[] = { program, "--backwards", how, NULL };
	struct vm_host host = { .name = "backwards", .command = command };
	const struct vm_options o = { .workers = workers, .hosts = &host,
		.host_count = 1, .chunk_size = 5 };
	vm_pool *pool = fork_pool(&table[0], &o);

	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, N));
	return pool;
}

static void take_in_order_of(const char *how)
{
	vm_pool *pool = fork_backwards(how, VM_ELSEWHERE);
	bool seen[N] = { false };
	int64_t last = 0, x;
	int backwards = 0;
	struct vm_result r;

	for (int i = 0; i < N; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		memcpy(&x, r.output, sizeof x);
		ck_assert_int_eq(x, number(r.input));
		ck_assert(!seen[x]);
		seen[x] = true;
		backwards += x < last;
		last = x;
	}
	take_end(pool);
	ck_assert_int_gt(backwards, N / HELD / 2);
	ck_assert_int_eq(state_of(pool).times_lost, 0);
	ck_assert_uint_eq(state_of(pool).done, N);
	close_pool(pool);
}

START_TEST(answers_come_in_any_order)
{
	take_in_order_of("backwards");
	take_in_order_of("evens");
}
END_TEST

/* Its link ends; a worker here does what is left. */
static void is_found_out(const char *how, const char *words)
{
	vm_pool *pool = fork_backwards(how, 1);
	int cause[N];

	ck_assert_int_eq(take_numbers(pool, N, cause), 0);
	for (int i = 0; i < N; i++)
		ck_assert_int_eq(cause[i], 0);
	for (int ms = 0; state_of(pool).times_lost == 0; ms++) {
		ck_assert_int_lt(ms, limit_ms());
		vm_ready(pool, 0);
		nap_ms(1);
	}
	ck_assert_msg(strstr(state_of(pool).words, words) != NULL, "%s",
	    state_of(pool).words);
	vm_close(pool);
}

START_TEST(an_answer_that_comes_twice_ends_the_link)
{
	is_found_out("twice", "protocol");
}
END_TEST

START_TEST(an_answer_to_no_item_ends_the_link)
{
	is_found_out("beyond", "protocol");
}
END_TEST

/* A liar, and a worker here that does what the liar leaves. */
static void run_beside(unsigned seed, unsigned flags)
{
	char number_of[16];
	const char *command[] = { program, "--liar", number_of, NULL };
	struct vm_host host = { .name = "liar", .command = command };
	struct vm_options o = { .workers = 1, .hosts = &host,
		.host_count = 1, .flags = flags, .silence_ms = 1000 };
	bool seen[N] = { false };
	vm_pool *pool;
	struct vm_result r;
	int64_t x;
	int rc;

	snprintf(number_of, sizeof number_of, "%u", seed);
	pool = fork_pool(&table[0], &o);
	vm_ready(pool, limit_ms());
	imap_to(pool, vm_range(0, N));
	while ((rc = vm_zip_in_out_within(pool, &r, limit_ms())) == 1) {
		int64_t i = number(r.input);

		ck_assert_msg(!seen[i], "seed %u: %d twice", seed, (int)i);
		seen[i] = true;
		if (r.type == VM_EXCEPTION) {
			ck_assert_ptr_nonnull(r.exception->message);
			continue;
		}
		/* A liar can garble outputs only by lying about items. */
		ck_assert_uint_le(r.output_size, (size_t)1 << 30);
		if (r.host == 0) {
			memcpy(&x, r.output, sizeof x);
			ck_assert_int_eq(x, i);
		}
	}
	ck_assert_msg(rc == 0, "seed %u: %s", seed, vm_error(pool));
	for (int i = 0; i < N; i++)
		ck_assert_msg(seen[i], "seed %u: %d is missing", seed, i);
	vm_close(pool);
}

START_TEST(each_input_comes_back_once_from_liars)
{
	int runs = sample_size(300, 6);

	for (int i = 0; i < runs; i++)
		run_beside(sample_seed() * 1000 + (unsigned)i,
		    i % 2 ? VM_ORDERED : 0);
}
END_TEST

/* ---- a link that lies ---- */

static pid_t start(const char *how, int *to, int *from)
{
	int in[2], out[2];
	pid_t pid;

	ck_assert_int_eq(pipe(in), 0);
	ck_assert_int_eq(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		for (int fd = 3; fd < 32; fd++)
			close(fd);
		execl(program, program, how, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	*to = in[1];
	*from = out[0];
	return pid;
}

static pid_t start_agent(int *to, int *from)
{
	return start("--vimap-agent", to, from);
}

static void send_frame(int to, enum frame_kind kind, const void *body,
    size_t size)
{
	_Alignas(16) unsigned char frame[1024];
	ssize_t n;

	frame_write(frame, kind, body, size);
	n = write(to, frame, frame_length(size));
	(void)n;
}

static void send_begin(int to)
{
	unsigned char body[sizeof(struct far_begin) + 8];
	struct far_begin b = { .name_size = 4, .workers = 2,
		.max_item = 1 << 20, .first_index = 32768,
		.silence_ms = 1000 };

	if (draw(10) == 0)
		b.config_size = draw(3);
	if (draw(10) == 0)
		b.workers = draw(1u << 31);
	if (draw(10) == 0)
		b.item_ms = -(int32_t)draw(5);
	if (draw(10) == 0)
		b.flags = draw(1u << 20);
	memcpy(body, &b, sizeof b);
	memcpy(body + sizeof b, draw(10) ? "echo" : "ecco", 4);
	send_frame(to, FRAME_BEGIN, body, sizeof b + 4);
}

/* Chunks and items, and now and then bytes of any kind. */
static void send_some(int to)
{
	struct frame_chunk c = { .ordinal = draw(100), .first = draw(50),
		.count = draw(50), .attempt = draw(3) };
	unsigned char bytes[256];

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (unsigned char)draw(256);
	send_frame(to, FRAME_CHUNK, &c, sizeof c);
	for (uint32_t i = draw(20); i > 0; i--)
		send_frame(to, FRAME_ITEM, bytes, draw(200));
	if (draw(4) == 0)
		send_frame(to, FRAME_PING, NULL, 0);
	if (draw(8) == 0)
		send_frame(to, (enum frame_kind)draw(30), bytes, draw(200));
	if (draw(8) == 0 && write(to, bytes, draw(256)) < 0)
		return;
}

/* Takes what the agent writes, so that it does not wait for this process. */
static void drain(int from)
{
	char bytes[4096];

	fcntl(from, F_SETFL, O_NONBLOCK);
	while (read(from, bytes, sizeof bytes) > 0)
		continue;
}

static void harass(unsigned seed)
{
	int to, from, status;
	pid_t pid;

	state = seed;
	pid = start_agent(&to, &from);
	if (draw(20) > 0)
		send_begin(to);
	for (uint32_t i = draw(20); i > 0; i--) {
		send_some(to);
		drain(from);
	}
	if (draw(3) == 0)
		send_frame(to, FRAME_STOP, NULL, 0);
	if (draw(3) > 0)
		close(to);
	/* Silence ends it, if nothing else does; without BEGIN it waits. */
	for (int ms = 0; waitpid(pid, &status, WNOHANG) == 0; ms += 5) {
		ck_assert_msg(ms < limit_ms(), "seed %u", seed);
		drain(from);
		nap_ms(5);
		if (ms == 3000)
			close(to);
	}
	ck_assert_msg(WIFEXITED(status), "seed %u: status 0x%x", seed, status);
	close(to);
	close(from);
}

START_TEST(an_agent_ends_whatever_the_link_sends)
{
	int runs = sample_size(300, 8);

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < runs; i++)
		harass(sample_seed() * 1000 + (unsigned)i);
	/* Its workers have ended too: they would be this process's orphans, or
	   hold the pipe. */
}
END_TEST

/* ---- a link that keeps the protocol ---- */

/* BEGIN for a worker. */
static void begin_hang(int to, const char *path)
{
	unsigned char body[sizeof(struct far_begin) + 100];
	const struct far_begin b = { .name_size = 4, .workers = 1,
		.config_size = strlen(path) + 1, .max_item = 1 << 20,
		.first_index = 32768, .silence_ms = 600000 };

	memcpy(body, &b, sizeof b);
	memcpy(body + sizeof b, "hang", 4);
	strcpy((char *)body + sizeof b + 4, path);
	send_frame(to, FRAME_BEGIN, body, sizeof b + 4 + b.config_size);
}

static void send_items(int to, int64_t from, int n)
{
	for (int i = 0; i < n; i++, from++)
		send_frame(to, FRAME_ITEM, &from, sizeof from);
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Waits for the next frame.  Returns its kind. */
static enum frame_kind take_frame(struct channel *from)
{
	struct pollfd fd = { .fd = from->in, .events = POLLIN };
	struct frame f;

	while (channel_receive(from, SIZE_MAX, &f) != 1) {
		ck_assert_int_eq(poll(&fd, 1, limit_ms()), 1);
		ck_assert_int_ge(channel_fill(from), 0);
	}
	channel_pass(from, &f);
	return f.kind;
}

/* Reads frames until n of that kind have come. */
static void await_frames(struct channel *from, enum frame_kind kind, int n)
{
	while (n > 0)
		n -= take_frame(from) == kind;
}

/* Reads the greeting, up to its empty line. */
static void skip_greeting(int from)
{
	char last = ' ', c = ' ';

	do {
		last = c;
		ck_assert_int_eq(read(from, &c, 1), 1);
	} while (last != '\n' || c != '\n');
}

/* Sends RECALL, and an item behind it in the same write. */
static void recall_and_send(int to)
{
	const struct far_recall all = { .running = 0 };
	unsigned char both[128];
	const int64_t item = 0;
	const size_t first = frame_length(sizeof all);
	const size_t size = first + frame_length(sizeof item);

	frame_write(both, FRAME_RECALL, &all, sizeof all);
	frame_write(both + first, FRAME_ITEM, &item, sizeof item);
	ck_assert_int_eq(write(to, both, size), (ssize_t)size);
}

/* The agent fills a chunk with the last items, as its only worker is busy.  An
   item that comes behind a RECALL stays until the next. */
START_TEST(items_of_an_incomplete_chunk_are_given_back)
{
	const struct frame_chunk c = { .count = 4000, .attempt = 1 };
	const struct far_recall running = { .running = 1 };
	char dir[] = "/tmp/liars.XXXXXX", path[64];
	int to, out, status;
	struct channel from;
	pid_t pid;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/hangs", dir);
	pid = start_agent(&to, &out);
	skip_greeting(out);
	fcntl(out, F_SETFL, O_NONBLOCK);
	channel_open(&from, out, -1);
	begin_hang(to, path);
	await_frames(&from, FRAME_BEGUN, 1);
	send_frame(to, FRAME_CHUNK, &c, sizeof c);
	/* Short items make large chunks. */
	for (int i = 0; i < 10; i++) {
		send_items(to, 0, 300);
		await_frames(&from, FRAME_OUTPUT, 300);
	}
	send_items(to, HANGS, 1);
	for (int ms = 0; access(path, F_OK) != 0; ms++) {
		ck_assert_int_lt(ms, limit_ms());
		nap_ms(1);
	}
	send_items(to, 0, 3);
	recall_and_send(to);
	await_frames(&from, FRAME_RETURNED, 3);
	send_frame(to, FRAME_PING, NULL, 0);
	ck_assert_int_eq(take_frame(&from), FRAME_PONG);
	send_frame(to, FRAME_RECALL, &running, sizeof running);
	await_frames(&from, FRAME_RETURNED, 1);
	close(to);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	channel_close(&from, close_end);
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

/* Items of an agent's link, and the bytes of each. */
#define HELD_UP 2000
#define WIDE 20000

/* In a child: sends the items, each with its number in all words. */
static void send_wide(int to)
{
	static _Alignas(16) unsigned char frame[WIDE + 64];
	static uint32_t body[(sizeof(struct far_carried) + WIDE) / 4];
	const struct frame_chunk c = { .count = HELD_UP, .attempt = 1 };
	const size_t size = frame_length(sizeof body);

	send_frame(to, FRAME_CHUNK, &c, sizeof c);
	for (uint32_t i = 0; i < HELD_UP; i++) {
		for (size_t k = sizeof(struct far_carried) / 4;
		    k < COUNTOF(body); k++)
			body[k] = i;
		frame_write(frame, FRAME_ITEM, body, sizeof body);
		for (size_t at = 0; at < size;) {
			ssize_t n = write(to, frame + at, size - at);

			if (n <= 0)
				_exit(1);
			at += (size_t)n;
		}
	}
}

/* Takes the outputs of these items. */
static void take_wide(struct channel *from)
{
	struct pollfd fd = { .fd = from->in, .events = POLLIN };
	struct frame f;
	uint32_t word, others;

	for (uint32_t i = 0; i < HELD_UP;) {
		while (channel_receive(from, SIZE_MAX, &f) != 1) {
			ck_assert_int_eq(poll(&fd, 1, limit_ms()), 1);
			ck_assert_int_ge(channel_fill(from), 0);
		}
		if (f.kind == FRAME_OUTPUT) {
			ck_assert_uint_eq(f.size, WIDE);
			others = 0;
			for (size_t k = 0; k < WIDE; k += sizeof word) {
				memcpy(&word, f.body + k, sizeof word);
				others += word != i;
			}
			ck_assert_uint_eq(others, 0);
			i++;
		}
		channel_pass(from, &f);
	}
}

/* The agent behind another has no room for an input that it has read; what it
   reads meanwhile leaves that input as it is. */
START_TEST(an_input_that_waits_for_room_stays_as_it_is)
{
	unsigned char body[sizeof(struct far_begin) + 4];
	const struct far_begin b = { .name_size = 4, .workers = 1,
		.max_item = 1 << 20, .first_index = 32768,
		.silence_ms = 600000, .nested = 1 };
	struct channel from;
	int to, out;
	pid_t pid = start_agent(&to, &out), sender;

	skip_greeting(out);
	fcntl(out, F_SETFL, O_NONBLOCK);
	channel_open(&from, out, -1);
	memcpy(body, &b, sizeof b);
	memcpy(body + sizeof b, "echo", 4);
	send_frame(to, FRAME_BEGIN, body, sizeof body);
	await_frames(&from, FRAME_BEGUN, 1);
	sender = new_process();
	if (sender == 0) {
		send_wide(to);
		_exit(0);
	}
	take_wide(&from);
	ck_assert_int_eq(waitpid(sender, NULL, 0), sender);
	close(to);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	channel_close(&from, close_end);
}
END_TEST

/* Returns the kind of the agent's answer to a BEGIN for a worker "echo" of that
   head, with a record of a machine behind it or NULL; and the answer's size. */
static enum frame_kind answer_to(struct far_begin b,
    const struct machine_head *behind, size_t *size)
{
	unsigned char body[sizeof b + 4 + sizeof *behind + 8] = { 0 };
	struct pollfd fd = { .events = POLLIN };
	struct channel c;
	struct frame f;
	int to, r;
	pid_t pid = start(behind ? FAR_TREE : FAR_AGENT, &to, &fd.fd);

	b.name_size = 4;
	b.max_item = 1 << 20;
	b.silence_ms = 600000;
	b.behind_size = behind ? behind->size : 0;
	memcpy(body, &b, sizeof b);
	memcpy(body + sizeof b, "echo", 4);
	if (behind != NULL)
		memcpy(body + sizeof b + 4, behind, sizeof *behind);
	skip_greeting(fd.fd);
	send_frame(to, FRAME_BEGIN, body, sizeof b + 4 + b.behind_size);
	ck_assert_int_eq(fcntl(fd.fd, F_SETFL, O_NONBLOCK), 0);
	channel_open(&c, fd.fd, -1);
	while ((r = channel_receive(&c, SIZE_MAX, &f)) == 0) {
		ck_assert_int_eq(poll(&fd, 1, limit_ms()), 1);
		ck_assert_int_ge(channel_fill(&c), 0);
	}
	ck_assert_int_eq(r, 1);
	*size = f.size;
	close(to);
	channel_close(&c, close_end);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return f.kind;
}

/* The sum of the index and the number of a worker is an int. */
START_TEST(an_index_beyond_an_int_is_refused)
{
	struct far_begin b = { .workers = 2, .first_index = 32768 };
	size_t size;

	ck_assert_int_eq(answer_to(b, NULL, &size), FRAME_BEGUN);
	b.first_index = INT32_MAX;
	ck_assert_int_eq(answer_to(b, NULL, &size), FRAME_REFUSED);
	b.first_index = UINT32_MAX;
	ck_assert_int_eq(answer_to(b, NULL, &size), FRAME_REFUSED);
}
END_TEST

/* A record whose texts are none. */
START_TEST(a_refused_machine_has_words)
{
	const struct far_begin b = { .workers = 1, .first_index = 32768 };
	const struct machine_head h = { .size = sizeof h + 8, .workers = 1,
		.first_index = 65536, .texts = 3, .text_size = 8 };
	size_t size;

	ck_assert_int_eq(answer_to(b, &h, &size), FRAME_REFUSED);
	ck_assert_uint_gt(size, 0);
}
END_TEST

/* Its link's machine is gone, and standard input stays open; the agent needs
   half a minute to notice. */
START_TEST(an_agent_does_not_wait_for_ever_to_begin)
{
	int to, from;
	pid_t pid;

	if (!sample_all())
		return;
	pid = start_agent(&to, &from);
	skip_greeting(from);
	wait_gone(pid);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(to);
	close(from);
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = { answers_come_in_any_order,
		a_long_round_trip_is_forgotten,
		an_agent_may_answer_and_leave_at_once,
		workers_may_come_while_an_agent_leaves,
		workers_may_come_between_two_answers,
		an_item_that_nobody_cancelled_is_sent_again,
		a_recall_leaves_before_the_next_input,
		an_answer_that_comes_twice_ends_the_link,
		an_answer_to_no_item_ends_the_link,
		each_input_comes_back_once_from_liars,
		an_agent_ends_whatever_the_link_sends,
		items_of_an_incomplete_chunk_are_given_back,
		an_input_that_waits_for_room_stays_as_it_is,
		an_index_beyond_an_int_is_refused,
		a_refused_machine_has_words,
		an_agent_does_not_wait_for_ever_to_begin };

	if (argc > 2 && strcmp(argv[1], "--liar") == 0)
		return be_liar((unsigned)atoi(argv[2]));
	if (argc > 2 && strcmp(argv[1], "--backwards") == 0)
		return be_backwards(argv[2]);
	if (argc > 1 && strcmp(argv[1], "--hasty") == 0)
		return serve(heed_in_haste);
	if (argc > 1 && strcmp(argv[1], "--restless") == 0)
		return serve(heed_restlessly);
	if (argc > 1 && strcmp(argv[1], "--shifty") == 0)
		return serve(heed_shiftily);
	if (argc > 1 && strcmp(argv[1], "--late") == 0)
		return serve(heed_late);
	if (argc > 1 && strcmp(argv[1], "--recalls") == 0)
		return serve(heed_recalls);
	if (argc > 1 && strcmp(argv[1], "--busy") == 0)
		return serve(heed_when_busy);
	vm_agent(argc, argv, table, COUNTOF(table));
	if (realpath(argv[0], program) == NULL)
		return 1;
	return run_tests("liars", tests, COUNTOF(tests));
}
