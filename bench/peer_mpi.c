/*
 * peer_mpi.c - the workloads on MPI: rank 0 is the caller, the others are the
 * workers.
 *
 * Usage: mpirun -np 3 peer_mpi WORKLOAD ITEMS 2 ...
 *
 * WINDOW chunks are in flight for each worker.  Neither side blocks to send:
 * before it waits in MPI_Waitany(), it has posted an MPI_Irecv() for each
 * message that may come.  The tag of a message is the place of its chunk in the
 * window; an empty chunk in each place ends the worker.
 */
#include "bench.h"

#include <mpi.h>
#include <stdio.h>

/* A place in the window: buffers of a chunk and of its results. */
struct place {
	char *in, *out;
	int worker, tag;
};

static struct place *places;
static MPI_Request *sends, *receives;	/* arrays, by place */

static int size_in(MPI_Status *status)
{
	int size;

	MPI_Get_count(status, MPI_BYTE, &size);
	return size;
}

/* ---- In the worker ------------------------------------------------------- */

static void expect(const struct bench *b, int tag)
{
	MPI_Irecv(places[tag].in, (int)(b->chunk * b->load->in_size), MPI_BYTE,
	    0, tag, MPI_COMM_WORLD, receives + tag);
}

static void work(const struct bench *b)
{
	int open = b->window, tag;
	size_t count;
	MPI_Status status;

	for (tag = 0; tag < b->window; tag++)
		expect(b, tag);
	MPI_Barrier(MPI_COMM_WORLD);
	while (open > 0) {
		MPI_Waitany(b->window, receives, &tag, &status);
		count = (size_t)size_in(&status) / b->load->in_size;
		if (count == 0) {
			open--;
			continue;
		}
		/* Wait until the buffer was sent; its message left before this
		   chunk came. */
		MPI_Wait(sends + tag, MPI_STATUS_IGNORE);
		b->load->run(places[tag].in, places[tag].out, count);
		MPI_Isend(places[tag].out, (int)(count * b->load->out_size),
		    MPI_BYTE, 0, tag, MPI_COMM_WORLD, sends + tag);
		expect(b, tag);
	}
	MPI_Waitall(b->window, sends, MPI_STATUSES_IGNORE);
}

/* ---- In the caller ------------------------------------------------------- */

/* Sends the next chunk; an empty chunk at the end. */
static void hand_out(const struct bench *b, int i, uint64_t *next)
{
	struct place *p = places + i;
	size_t count = bench_chunk(b, *next);

	if (count > 0)
		MPI_Irecv(p->out, (int)(b->chunk * b->load->out_size),
		    MPI_BYTE, p->worker, p->tag, MPI_COMM_WORLD, receives + i);
	MPI_Wait(sends + i, MPI_STATUS_IGNORE);
	bench_fill(b, *next, count, p->in);
	*next += count;
	MPI_Isend(p->in, (int)(count * b->load->in_size), MPI_BYTE, p->worker,
	    p->tag, MPI_COMM_WORLD, sends + i);
}

static void map(struct bench *b, int n)
{
	uint64_t next = 0;
	MPI_Status status;
	int i;

	for (i = 0; i < n; i++)
		hand_out(b, i, &next);
	while (b->answered < b->items) {
		MPI_Waitany(n, receives, &i, &status);
		bench_check(b, places[i].out,
		    (size_t)size_in(&status) / b->load->out_size);
		hand_out(b, i, &next);
	}
}

/* The caller has WINDOW places for each worker, a worker has WINDOW. */
static void open_places(const struct bench *b, int n)
{
	size_t count = (size_t)n;

	places = bench_memory(count * sizeof *places);
	sends = bench_memory(count * sizeof *sends);
	receives = bench_memory(count * sizeof *receives);
	for (int i = 0; i < n; i++) {
		places[i].in = bench_memory(b->chunk * b->load->in_size);
		places[i].out = bench_memory(b->chunk * b->load->out_size);
		/* The first chunks go to the workers in turn. */
		places[i].worker = 1 + i % b->workers;
		places[i].tag = i / b->workers;
		sends[i] = receives[i] = MPI_REQUEST_NULL;
	}
}

int main(int argc, char **argv)
{
	struct bench b;
	int rank, processes, n, status = 0;

	MPI_Init(&argc, &argv);
	MPI_Comm_rank(MPI_COMM_WORLD, &rank);
	MPI_Comm_size(MPI_COMM_WORLD, &processes);
	bench_open(&b, argc, argv);
	if (processes != b.workers + 1) {
		fprintf(stderr, "peer_mpi: call mpirun -np %d\n",
		    b.workers + 1);
		return 2;
	}
	if (b.chunk == 0)
		b.chunk = 1;
	if (b.window == 0 || bench_is(&b, "pingpong"))
		b.window = bench_is(&b, "pingpong") ? 1 : 2;
	n = rank == 0 ? b.workers * b.window : b.window;
	open_places(&b, n);
	if (rank == 0) {
		MPI_Barrier(MPI_COMM_WORLD);
		bench_begin(&b);
		map(&b, n);
		status = bench_end(&b);
		MPI_Waitall(n, sends, MPI_STATUSES_IGNORE);
	} else {
		work(&b);
	}
	MPI_Finalize();
	return status;
}
