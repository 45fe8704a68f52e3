/*
 * by_hand.c - the loop that people write by hand: fork, two pipes for each
 * worker, and an item at a time with read() and write().
 *
 * The caller waits in poll() for a worker with an answer, reads it, and writes
 * the next item to that worker.  A worker has a single item, and ends at the end
 * of its pipe.  No worker may die, no item may hang, and neither is noticed.
 * CHUNK and WINDOW are ignored.
 */
#include "bench.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct worker {
	pid_t pid;
	int to;			/* its answers come by the descriptor in polls */
};

static struct worker *workers;
static struct pollfd *polls;

/* Returns 1, or 0 at the end of the pipe. */
static int read_all(int fd, void *to, size_t size)
{
	size_t have = 0;
	ssize_t n;

	while (have < size) {
		n = read(fd, (char *)to + have, size - have);
		if (n == -1)
			bench_fail("read");
		if (n == 0)
			return 0;
		have += (size_t)n;
	}
	return 1;
}

static void write_all(int fd, const void *from, size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = write(fd, (const char *)from + done, size - done);
		if (n == -1)
			bench_fail("write");
		done += (size_t)n;
	}
}

_Noreturn static void work(const struct bench *b, int from, int to)
{
	void *in = bench_memory(b->load->in_size);
	void *out = bench_memory(b->load->out_size);

	while (read_all(from, in, b->load->in_size)) {
		b->load->run(in, out, 1);
		write_all(to, out, b->load->out_size);
	}
	_exit(0);
}

/* The pipes of the workers before it must be closed in a worker, or these would
   never see the end of theirs. */
static void start_worker(const struct bench *b, int i)
{
	int tasks[2], answers[2];

	if (pipe(tasks) == -1 || pipe(answers) == -1)
		bench_fail("pipe");
	workers[i].pid = fork();
	if (workers[i].pid == -1)
		bench_fail("fork");
	if (workers[i].pid == 0) {
		for (int k = 0; k < i; k++) {
			close(workers[k].to);
			close(polls[k].fd);
		}
		close(tasks[1]);
		close(answers[0]);
		work(b, tasks[0], answers[1]);
	}
	close(tasks[0]);
	close(answers[1]);
	workers[i].to = tasks[1];
	polls[i] = (struct pollfd){ .fd = answers[0], .events = POLLIN };
}

static void end_workers(const struct bench *b)
{
	for (int i = 0; i < b->workers; i++) {
		close(workers[i].to);
		close(polls[i].fd);
	}
	for (int i = 0; i < b->workers; i++)
		waitpid(workers[i].pid, NULL, 0);
}

/* Passes the items 0 .. items - 1 to the workers and checks the answers. */
static void map(struct bench *b, uint64_t items)
{
	void *out = bench_memory(b->load->out_size);
	uint64_t next = 0, answered = 0;

	for (int i = 0; i < b->workers && next < items; i++)
		write_all(workers[i].to, bench_input(b, next++),
		    b->load->in_size);
	while (answered < items) {
		if (poll(polls, (nfds_t)b->workers, -1) == -1)
			bench_fail("poll");
		for (int i = 0; i < b->workers; i++) {
			if (polls[i].revents == 0)
				continue;
			if (!read_all(polls[i].fd, out, b->load->out_size))
				bench_fail("a worker has ended");
			bench_check(b, out, 1);
			answered++;
			if (next < items)
				write_all(workers[i].to, bench_input(b, next++),
				    b->load->in_size);
		}
	}
	free(out);
}

static void start(const struct bench *b)
{
	for (int i = 0; i < b->workers; i++)
		start_worker(b, i);
}

int main(int argc, char **argv)
{
	struct bench b;
	int status;

	bench_open(&b, argc, argv);
	workers = bench_memory((size_t)b.workers * sizeof *workers);
	polls = bench_memory((size_t)b.workers * sizeof *polls);
	if (bench_is(&b, "start")) {
		bench_begin(&b);
		for (uint64_t i = 0; i < b.items; i++) {
			start(&b);
			map(&b, BENCH_START_ITEMS);
			end_workers(&b);
		}
		return bench_end(&b);
	}
	start(&b);
	bench_begin(&b);
	map(&b, b.items);
	status = bench_end(&b);
	end_workers(&b);
	return status;
}
