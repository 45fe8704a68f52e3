/*
 * raw_shm.c - forked workers and shared memory without the library, as a bound.
 *
 * Each worker has a ring of WINDOW places in shared memory; a place has room
 * for a chunk and its results, which the worker writes there.  Each ring has
 * two counters: of chunks sent, written by the caller, and of chunks done,
 * written by the worker.  An idle side sets a flag and waits on a futex; the
 * other side checks the flag after each chunk and wakes it.  No data passes
 * through the kernel.
 */
#include "bench.h"

#include <linux/futex.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE 64

/* Futex on which a side sleeps until the other rings. */
struct bell {
	_Alignas(LINE) atomic_uint rings;
	atomic_uint asleep;
};

struct ring {
	_Alignas(LINE) atomic_uint sent;	/* written by the caller */
	_Alignas(LINE) atomic_uint done;	/* written by the worker */
	struct bell bell;			/* on which the worker sleeps */
};

struct worker {
	pid_t pid;
	struct ring *ring;
	char *places;
	unsigned sent, taken;	/* counters of the caller */
};

static struct worker *workers;
static struct bell *mine;	/* on which the caller sleeps */
static size_t in_room, out_room;

static void *shared(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		bench_fail("mmap");
	return p;
}

static void ring_bell(struct bell *bell)
{
	if (atomic_load(&bell->asleep) == 0 ||
	    atomic_exchange(&bell->asleep, 0) == 0)
		return;
	atomic_fetch_add(&bell->rings, 1);
	syscall(SYS_futex, &bell->rings, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* Sets the flag.  The caller of this function must check for work again before
   it sleeps, or a wake-up may be lost. */
static unsigned lie_down(struct bell *bell)
{
	unsigned rings = atomic_load(&bell->rings);

	atomic_store(&bell->asleep, 1);
	return rings;
}

static void sleep_until_rung(struct bell *bell, unsigned rings)
{
	syscall(SYS_futex, &bell->rings, FUTEX_WAIT, rings, NULL, NULL, 0);
	atomic_store(&bell->asleep, 0);
}

/* Returns a pointer to a place: number of items, inputs, outputs. */
static char *place(const struct bench *b, const struct worker *w, unsigned n)
{
	return w->places + n % (unsigned)b->window * (LINE + in_room +
	    out_room);
}

/* ---- In the worker ------------------------------------------------------- */

static void wait_for_work(struct ring *ring, unsigned done)
{
	unsigned rings = lie_down(&ring->bell);

	if (atomic_load(&ring->sent) == done)
		sleep_until_rung(&ring->bell, rings);
	else
		atomic_store(&ring->bell.asleep, 0);
}

_Noreturn static void work(const struct bench *b, const struct worker *w)
{
	unsigned done = 0;
	char *p;

	for (;;) {
		while (atomic_load(&w->ring->sent) == done)
			wait_for_work(w->ring, done);
		p = place(b, w, done);
		b->load->run(p + LINE, p + LINE + in_room, *(size_t *)p);
		atomic_store(&w->ring->done, ++done);
		ring_bell(mine);
	}
}

/* ---- In the caller ------------------------------------------------------- */

static size_t lines(size_t size)
{
	return (size + LINE - 1) / LINE * LINE;
}

static void fork_worker(const struct bench *b, struct worker *w)
{
	pid_t caller = getpid();

	w->ring = shared(sizeof *w->ring);
	w->places = shared((size_t)b->window * (LINE + in_room + out_room));
	if ((w->pid = fork()) == -1)
		bench_fail("fork");
	if (w->pid != 0)
		return;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) == -1 || getppid() != caller)
		_exit(1);
	work(b, w);
}

static int send_more(const struct bench *b, struct worker *w, uint64_t *next)
{
	size_t count;
	char *p;
	int sent = 0;

	for (; w->sent - w->taken < (unsigned)b->window && *next < b->items;
	    sent++) {
		count = bench_chunk(b, *next);
		p = place(b, w, w->sent);
		*(size_t *)p = count;
		bench_fill(b, *next, count, p + LINE);
		*next += count;
		atomic_store(&w->ring->sent, ++w->sent);
		ring_bell(&w->ring->bell);
	}
	return sent;
}

static int take(struct bench *b, struct worker *w)
{
	unsigned done = atomic_load(&w->ring->done);
	int taken = 0;
	char *p;

	for (; w->taken != done; w->taken++, taken++) {
		p = place(b, w, w->taken);
		bench_check(b, p + LINE + in_room, *(size_t *)p);
	}
	return taken;
}

/* Takes all results and refills the windows.  Returns the number of chunks
   moved. */
static int turn(struct bench *b, uint64_t *next)
{
	int moved = 0;

	for (int i = 0; i < b->workers; i++) {
		moved += take(b, workers + i);
		moved += send_more(b, workers + i, next);
	}
	return moved;
}

static void map(struct bench *b)
{
	uint64_t next = 0;
	unsigned rings;

	while (b->answered < b->items) {
		if (turn(b, &next) > 0)
			continue;
		rings = lie_down(mine);
		if (turn(b, &next) == 0)
			sleep_until_rung(mine, rings);
		else
			atomic_store(&mine->asleep, 0);
	}
}

int main(int argc, char **argv)
{
	struct bench b;
	int status;

	bench_open(&b, argc, argv);
	if (b.chunk == 0)
		b.chunk = 1;
	if (b.window == 0 || bench_is(&b, "pingpong"))
		b.window = bench_is(&b, "pingpong") ? 1 : 2;
	in_room = lines(b.chunk * b.load->in_size);
	out_room = lines(b.chunk * b.load->out_size);
	workers = bench_memory((size_t)b.workers * sizeof *workers);
	mine = shared(sizeof *mine);
	for (int i = 0; i < b.workers; i++)
		fork_worker(&b, workers + i);
	bench_begin(&b);
	map(&b);
	status = bench_end(&b);
	for (int i = 0; i < b.workers; i++) {
		kill(workers[i].pid, SIGKILL);
		waitpid(workers[i].pid, NULL, 0);
	}
	return status;
}
