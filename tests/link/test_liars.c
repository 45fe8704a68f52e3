/*
 * test_liars.c - an agent and a link that break the protocol: the pool answers
 * each input once whatever the agent sends, and an agent ends with all its
 * processes whatever the link sends.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
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

static const struct vm_worker table[] = {
	{ .process = echo, .name = "echo" },
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

static void lie(uint32_t ordinal, uint32_t number)
{
	struct far_seek seek = { ordinal - draw(2), number + draw(3) - 1 };

	switch (draw(8)) {
	case 0:
		tell(FRAME_SEEK, &seek, sizeof seek);
		break;
	case 1:
		tell(FRAME_RETURNED, NULL, draw(2));
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
	default:
		tell_nonsense();
	}
}

/* Answers most items as an agent does, by the sequence that the seed gives. */
static int be_liar(unsigned seed)
{
	const struct far_begun begun = { .workers = 1 + draw(3) };
	struct channel in;
	struct frame f;
	struct frame_chunk chunk = { 0 };
	struct far_seek next = { 0, 0 };
	uint32_t number = 0;

	state = seed ^ (unsigned)getpid();
	channel_open(&in, 0, -1);
	greet();
	for (;;) {
		while (channel_receive(&in, SIZE_MAX, &f) == 1) {
			if (f.kind == FRAME_BEGIN && draw(20) > 0)
				tell(FRAME_BEGUN, &begun, sizeof begun);
			if (f.kind == FRAME_CHUNK) {
				memcpy(&chunk, f.body, sizeof chunk);
				number = chunk.first;
			}
			if (f.kind == FRAME_ITEM) {
				next = (struct far_seek){ chunk.ordinal,
					number };
				tell(FRAME_SEEK, &next, sizeof next);
				if (draw(20) > 0)
					tell(FRAME_OUTPUT, f.body, f.size);
				else
					lie(chunk.ordinal, number);
				number++;
			}
			if (f.kind == FRAME_STOP)
				tell(FRAME_BYE, NULL, 0);
			channel_pass(&in, &f);
		}
		if (channel_fill(&in) < 0)
			return 0;
	}
}

#define N 300

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

static pid_t start_agent(int *to, int *from)
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
		execl(program, program, "--vimap-agent", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	*to = in[1];
	*from = out[0];
	return pid;
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

int main(int argc, char **argv)
{
	const TTest *const tests[] = { each_input_comes_back_once_from_liars,
		an_agent_ends_whatever_the_link_sends };

	if (argc > 2 && strcmp(argv[1], "--liar") == 0)
		return be_liar((unsigned)atoi(argv[2]));
	vm_agent(argc, argv, table, COUNTOF(table));
	if (realpath(argv[0], program) == NULL)
		return 1;
	return run_tests("liars", tests, COUNTOF(tests));
}
