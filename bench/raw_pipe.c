/*
 * raw_pipe.c - forked workers and pipes without the library, as a bound.
 *
 * Each worker has a pair of pipes; a chunk is sent as its length and its items;
 * WINDOW chunks are in flight for each worker.  The caller's ends do not block:
 * it waits in poll() and sends all chunks for a worker in a single write.  A
 * worker reads all available bytes and answers in a single write.  No item is
 * kept for another attempt.  Workers inherit each other's pipes, so an empty
 * chunk, not the end of the pipe, makes them exit.
 */
#define _GNU_SOURCE	/* F_SETPIPE_SZ */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPE_SIZE ((size_t)64 * 1024)
#define PIPE_MOST ((size_t)1024 * 1024)

/* A buffer; its bytes from begin to end are in use. */
struct bytes {
	char *at;
	size_t begin, end, size;
};

struct worker {
	pid_t pid;
	int to, from;		/* descriptors of the caller */
	struct bytes out, in;
	int chunks;		/* in flight */
};

/* Each chunk follows its length in bytes. */
#define HEAD sizeof(uint64_t)

static struct worker *workers;
static struct pollfd *polls;

static size_t frame_size(const struct bench *b, size_t item)
{
	return HEAD + b->chunk * item;
}

static void open_bytes(struct bytes *s, size_t size)
{
	s->size = size > PIPE_SIZE ? size : PIPE_SIZE;
	/* malloc() leaves the pages untouched until they are used. */
	if ((s->at = malloc(s->size)) == NULL)
		bench_fail("malloc");
	s->begin = s->end = 0;
}

/* Moves the bytes to the start of the buffer. */
static void make_room(struct bytes *s)
{
	if (s->begin > 0)
		memmove(s->at, s->at + s->begin, s->end - s->begin);
	s->end -= s->begin;
	s->begin = 0;
}

/* Returns a pointer to the body of the next complete frame, and its size, or
   NULL. */
static const char *next_frame(struct bytes *s, size_t *size)
{
	uint64_t length;
	const char *body = s->at + s->begin + HEAD;

	if (s->end - s->begin < HEAD)
		return NULL;
	memcpy(&length, s->at + s->begin, HEAD);
	if (s->end - s->begin - HEAD < length)
		return NULL;
	*size = (size_t)length;
	s->begin += HEAD + *size;
	return body;
}

/* Appends a frame; returns a pointer to its body, which the caller fills. */
static char *add_frame(struct bytes *s, size_t size)
{
	uint64_t length = size;
	char *body;

	if (s->size - s->end < HEAD + size)
		make_room(s);
	memcpy(s->at + s->end, &length, HEAD);
	body = s->at + s->end + HEAD;
	s->end += HEAD + size;
	return body;
}

/* Reads once.  Returns the number of bytes; 0 at the end, or if none are
   available. */
static size_t read_bytes(struct bytes *s, int fd)
{
	ssize_t n;

	make_room(s);
	do
		n = read(fd, s->at + s->end, s->size - s->end);
	while (n == -1 && errno == EINTR);
	if (n == -1 && errno != EAGAIN)
		bench_fail("read");
	s->end += n > 0 ? (size_t)n : 0;
	return n > 0 ? (size_t)n : 0;
}

static void write_bytes(struct bytes *s, int fd)
{
	ssize_t n;

	while (s->begin < s->end) {
		n = write(fd, s->at + s->begin, s->end - s->begin);
		if (n == -1 && errno == EAGAIN)
			return;
		if (n == -1 && errno != EINTR)
			bench_fail("write");
		s->begin += n > 0 ? (size_t)n : 0;
	}
	s->begin = s->end = 0;
}

/* ---- In the worker ------------------------------------------------------- */

/* Runs until an empty chunk comes. */
_Noreturn static void work(const struct bench *b, int from, int to)
{
	size_t in_size = b->load->in_size, out_size = b->load->out_size;
	size_t size, count, window = (size_t)b->window;
	struct bytes in, out;
	const char *body;

	open_bytes(&in, window * frame_size(b, in_size));
	open_bytes(&out, window * frame_size(b, out_size));
	while (read_bytes(&in, from) > 0) {
		while ((body = next_frame(&in, &size)) != NULL) {
			if ((count = size / in_size) == 0)
				_exit(0);
			b->load->run(body, add_frame(&out, count * out_size),
			    count);
		}
		write_bytes(&out, to);
	}
	_exit(1);
}

/* ---- In the caller ------------------------------------------------------- */

static void fork_worker(const struct bench *b, struct worker *w)
{
	int task[2], answer[2];
	pid_t caller = getpid();
	size_t frame = frame_size(b, b->load->in_size);

	if (pipe(task) == -1 || pipe(answer) == -1)
		bench_fail("pipe");
	/* Use the largest pipes allowed, if chunks exceed the usual size. */
	if (frame > PIPE_SIZE) {
		(void)fcntl(task[1], F_SETPIPE_SZ, (int)PIPE_MOST);
		(void)fcntl(answer[1], F_SETPIPE_SZ, (int)PIPE_MOST);
	}
	if ((w->pid = fork()) == -1)
		bench_fail("fork");
	if (w->pid == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 ||
		    getppid() != caller)
			_exit(1);
		work(b, task[0], answer[1]);
	}
	close(task[0]);
	close(answer[1]);
	w->to = task[1];
	w->from = answer[0];
	if (fcntl(w->to, F_SETFL, O_NONBLOCK) == -1 ||
	    fcntl(w->from, F_SETFL, O_NONBLOCK) == -1)
		bench_fail("fcntl");
}

static void start(const struct bench *b)
{
	size_t window = (size_t)b->window;

	for (int i = 0; i < b->workers; i++)
		fork_worker(b, workers + i);
	for (int i = 0; i < b->workers; i++) {
		workers[i].chunks = 0;
		open_bytes(&workers[i].out,
		    window * frame_size(b, b->load->in_size));
		open_bytes(&workers[i].in,
		    window * frame_size(b, b->load->out_size));
	}
}

static void stop(const struct bench *b)
{
	for (int i = 0; i < b->workers; i++) {
		(void)add_frame(&workers[i].out, 0);
		write_bytes(&workers[i].out, workers[i].to);
		close(workers[i].to);
		close(workers[i].from);
		free(workers[i].out.at);
		free(workers[i].in.at);
	}
	for (int i = 0; i < b->workers; i++)
		if (waitpid(workers[i].pid, NULL, 0) == -1)
			bench_fail("waitpid");
}

/* Fills a worker's window and writes as much as the pipe takes. */
static void send_more(const struct bench *b, struct worker *w, uint64_t *next)
{
	size_t count;

	while (w->chunks < b->window && *next < b->items) {
		count = bench_chunk(b, *next);
		bench_fill(b, *next, count,
		    add_frame(&w->out, count * b->load->in_size));
		*next += count;
		w->chunks++;
	}
	write_bytes(&w->out, w->to);
}

static void receive(struct bench *b, struct worker *w)
{
	const char *body;
	size_t size;

	if (read_bytes(&w->in, w->from) == 0) {
		errno = EPIPE;
		bench_fail("a worker");
	}
	while ((body = next_frame(&w->in, &size)) != NULL) {
		bench_check(b, body, size / b->load->out_size);
		w->chunks--;
	}
}

static void wait_for_any(const struct bench *b)
{
	for (int i = 0; i < b->workers; i++) {
		struct worker *w = workers + i;

		polls[2 * i].fd = w->chunks > 0 ? w->from : -1;
		polls[2 * i].events = POLLIN;
		polls[2 * i + 1].fd = w->out.begin < w->out.end ? w->to : -1;
		polls[2 * i + 1].events = POLLOUT;
	}
	while (poll(polls, 2 * (nfds_t)b->workers, -1) == -1)
		if (errno != EINTR)
			bench_fail("poll");
}

/* Maps inputs and checks all their results. */
static void map(struct bench *b, uint64_t end)
{
	uint64_t next = 0, goal = b->answered + end;

	for (int i = 0; i < b->workers; i++)
		send_more(b, workers + i, &next);
	while (b->answered < goal) {
		wait_for_any(b);
		for (int i = 0; i < b->workers; i++) {
			if (polls[2 * i].revents != 0)
				receive(b, workers + i);
			if ((polls[2 * i].revents |
			    polls[2 * i + 1].revents) != 0)
				send_more(b, workers + i, &next);
		}
	}
}

static void run_starts(struct bench *b)
{
	uint64_t starts = b->items;

	bench_begin(b);
	for (uint64_t i = 0; i < starts; i++) {
		b->items = BENCH_START_ITEMS;
		start(b);
		map(b, b->items);
		stop(b);
	}
	b->items = starts;
}

int main(int argc, char **argv)
{
	struct bench b;

	bench_open(&b, argc, argv);
	if (b.chunk == 0)
		b.chunk = 1;
	if (b.window == 0 || bench_is(&b, "pingpong"))
		b.window = bench_is(&b, "pingpong") ? 1 : 2;
	workers = bench_memory((size_t)b.workers * sizeof *workers);
	polls = bench_memory(2 * (size_t)b.workers * sizeof *polls);
	if (bench_is(&b, "start")) {
		run_starts(&b);
		return bench_end(&b);
	}
	start(&b);
	bench_begin(&b);
	map(&b, b.items);
	if (bench_end(&b) != 0)
		return 1;
	stop(&b);
	return 0;
}
