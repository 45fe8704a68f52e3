/*
 * peer_zmq.c - the workloads on ZeroMQ between forked processes: PUSH for
 * chunks and PULL for results, both bound by the caller.
 *
 * PUSH distributes chunks in turn, also to busy workers.  WORKERS x WINDOW
 * chunks are in flight; each is a message, written and read in the buffer of
 * ZeroMQ.  Workers are forked before any context is made, since a context must
 * not be inherited.
 */
#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zmq.h>

/* A context and the two sockets of a process. */
struct ends {
	void *context, *in, *out;
};

static pid_t *pids;
static pid_t caller;
static void *straight;	/* buffer for unaligned messages */

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "peer_zmq: %s: %s\n", what, zmq_strerror(zmq_errno()));
	exit(1);
}

/* Binds or connects to an abstract address with the caller's pid, which needs
   no file. */
static void attach(void *socket, const char *name,
    int (*how)(void *, const char *))
{
	char address[64];

	snprintf(address, sizeof address, "ipc://@vimap-bench-%ld-%s",
	    (long)caller, name);
	if (how(socket, address) == -1)
		fail(address);
}

static void open_ends(struct ends *e)
{
	int none = 0;

	if ((e->context = zmq_ctx_new()) == NULL ||
	    (e->in = zmq_socket(e->context, ZMQ_PULL)) == NULL ||
	    (e->out = zmq_socket(e->context, ZMQ_PUSH)) == NULL ||
	    zmq_setsockopt(e->out, ZMQ_LINGER, &none, sizeof none) == -1)
		fail("sockets");
}

static void close_ends(struct ends *e)
{
	zmq_close(e->in);
	zmq_close(e->out);
	zmq_ctx_term(e->context);
}

static void open_message(zmq_msg_t *m, size_t size)
{
	if (zmq_msg_init_size(m, size) == -1)
		fail("a message");
}

static void put(void *socket, zmq_msg_t *m)
{
	if (zmq_msg_send(m, socket, 0) == -1)
		fail("zmq_msg_send");
}

/* Receives a message.  Returns a pointer to its bytes, aligned, valid until it
   is closed. */
static const void *take(void *socket, zmq_msg_t *m)
{
	zmq_msg_init(m);
	if (zmq_msg_recv(m, socket, 0) == -1)
		fail("zmq_msg_recv");
	if ((uintptr_t)zmq_msg_data(m) % sizeof(uint64_t) == 0)
		return zmq_msg_data(m);
	return memcpy(straight, zmq_msg_data(m), zmq_msg_size(m));
}

/* ---- In the worker ------------------------------------------------------- */

/* Sends the worker's number, as the answer to an empty message. */
static void tell_number(void *out, int number)
{
	zmq_msg_t m;

	open_message(&m, sizeof number);
	memcpy(zmq_msg_data(&m), &number, sizeof number);
	put(out, &m);
}

/* Runs until the worker is killed. */
_Noreturn static void work(const struct bench *b, int number)
{
	struct ends e;
	zmq_msg_t task, done;
	const void *in;
	size_t count;

	open_ends(&e);
	attach(e.in, "tasks", zmq_connect);
	attach(e.out, "results", zmq_connect);
	for (;;) {
		in = take(e.in, &task);
		count = zmq_msg_size(&task) / b->load->in_size;
		if (count == 0) {
			tell_number(e.out, number);
		} else {
			open_message(&done, count * b->load->out_size);
			b->load->run(in, zmq_msg_data(&done), count);
			put(e.out, &done);
		}
		zmq_msg_close(&task);
	}
}

static pid_t fork_worker(const struct bench *b, int number)
{
	pid_t pid = fork();

	if (pid == -1)
		bench_fail("fork");
	if (pid != 0)
		return pid;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != caller)
		_exit(1);
	work(b, number);
}

/* ---- In the caller ------------------------------------------------------- */

/* Sends empty messages until each worker has answered. */
static void meet(const struct bench *b, struct ends *e)
{
	char *met = bench_memory((size_t)b->workers);
	zmq_msg_t m;
	int number;

	for (int missing = b->workers; missing > 0;) {
		open_message(&m, 0);
		put(e->out, &m);
		memcpy(&number, take(e->in, &m), sizeof number);
		zmq_msg_close(&m);
		missing -= met[number] == 0;
		met[number] = 1;
	}
	free(met);
}

static void map(struct bench *b, struct ends *e, size_t window)
{
	uint64_t next = 0;
	size_t on_the_way = 0, count;
	const void *out;
	zmq_msg_t m;

	while (b->answered < b->items) {
		for (; on_the_way < window && next < b->items; on_the_way++) {
			count = bench_chunk(b, next);
			open_message(&m, count * b->load->in_size);
			bench_fill(b, next, count, zmq_msg_data(&m));
			put(e->out, &m);
			next += count;
		}
		out = take(e->in, &m);
		bench_check(b, out, zmq_msg_size(&m) / b->load->out_size);
		zmq_msg_close(&m);
		on_the_way--;
	}
}

int main(int argc, char **argv)
{
	struct bench b;
	struct ends e;
	size_t size;
	int status;

	bench_open(&b, argc, argv);
	if (b.chunk == 0)
		b.chunk = 1;
	if (b.window == 0 || bench_is(&b, "pingpong"))
		b.window = bench_is(&b, "pingpong") ? 1 : 2;
	size = b.load->in_size > b.load->out_size ? b.load->in_size :
	    b.load->out_size;
	straight = bench_memory(b.chunk * size);
	pids = bench_memory((size_t)b.workers * sizeof *pids);
	caller = getpid();
	for (int i = 0; i < b.workers; i++)
		pids[i] = fork_worker(&b, i);
	open_ends(&e);
	attach(e.out, "tasks", zmq_bind);
	attach(e.in, "results", zmq_bind);
	meet(&b, &e);
	bench_begin(&b);
	map(&b, &e, (size_t)b.workers * (size_t)b.window);
	status = bench_end(&b);
	for (int i = 0; i < b.workers; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	close_ends(&e);
	return status;
}
