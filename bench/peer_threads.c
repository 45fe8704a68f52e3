/*
 * peer_threads.c - the workloads on POSIX threads, with two queues of chunks,
 * each with a mutex and a condition: a first, plain implementation.
 *
 * There are WORKERS x WINDOW chunks; each goes from the caller to any thread
 * and back.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>

struct chunk {
	struct chunk *next;
	size_t count;
	char *in, *out;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct chunk *first, **last;
};

static struct queue todo, done;
static struct chunk *chunks;
static pthread_t *threads;

static void open_queue(struct queue *q)
{
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->filled, NULL);
	q->first = NULL;
	q->last = &q->first;
}

static void put(struct queue *q, struct chunk *c)
{
	c->next = NULL;
	pthread_mutex_lock(&q->lock);
	*q->last = c;
	q->last = &c->next;
	pthread_cond_signal(&q->filled);
	pthread_mutex_unlock(&q->lock);
}

static struct chunk *take(struct queue *q)
{
	struct chunk *c;

	pthread_mutex_lock(&q->lock);
	while ((c = q->first) == NULL)
		pthread_cond_wait(&q->filled, &q->lock);
	if ((q->first = c->next) == NULL)
		q->last = &q->first;
	pthread_mutex_unlock(&q->lock);
	return c;
}

/* An empty chunk ends the thread. */
static void *work(void *from)
{
	const struct bench *b = from;
	struct chunk *c;

	while ((c = take(&todo))->count > 0) {
		b->load->run(c->in, c->out, c->count);
		put(&done, c);
	}
	return NULL;
}

/* Fills a chunk and queues it, unless all inputs are sent. */
static void hand_out(const struct bench *b, struct chunk *c, uint64_t *next)
{
	if (*next == b->items)
		return;
	c->count = bench_chunk(b, *next);
	bench_fill(b, *next, c->count, c->in);
	*next += c->count;
	put(&todo, c);
}

static void map(struct bench *b, size_t n)
{
	uint64_t next = 0;
	struct chunk *c;

	for (size_t i = 0; i < n; i++)
		hand_out(b, chunks + i, &next);
	while (b->answered < b->items) {
		c = take(&done);
		bench_check(b, c->out, c->count);
		hand_out(b, c, &next);
	}
}

int main(int argc, char **argv)
{
	struct bench b;
	size_t n;
	int status;

	bench_open(&b, argc, argv);
	if (b.chunk == 0)
		b.chunk = 1;
	n = (size_t)b.workers * (size_t)(b.window > 0 ? b.window : 2);
	chunks = bench_memory(n * sizeof *chunks);
	threads = bench_memory((size_t)b.workers * sizeof *threads);
	for (size_t i = 0; i < n; i++) {
		chunks[i].in = bench_memory(b.chunk * b.load->in_size);
		chunks[i].out = bench_memory(b.chunk * b.load->out_size);
	}
	open_queue(&todo);
	open_queue(&done);
	for (int i = 0; i < b.workers; i++)
		if (pthread_create(threads + i, NULL, work, &b) != 0)
			bench_fail("pthread_create");
	bench_begin(&b);
	map(&b, n);
	status = bench_end(&b);
	/* All chunks have come back, at least as many as threads. */
	for (int i = 0; i < b.workers; i++) {
		chunks[i].count = 0;
		put(&todo, chunks + i);
	}
	for (int i = 0; i < b.workers; i++)
		pthread_join(threads[i], NULL);
	return status;
}
