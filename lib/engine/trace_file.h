/*
 * trace_file.h - the file of a pool's trace.
 *
 * Runs in: caller, if vm_options.trace or VIMAP_TRACE asks for it.  Events are
 * written by whole events, 64 KiB at a time, and after a second at the latest:
 * so a program that is killed leaves a file that the viewers can read, at worst
 * with part of an event at its end, if the kernel has ended a write in the
 * middle.  A file that cannot be written to ends the trace, not the pool.
 */
#ifndef TRACE_FILE_H
#define TRACE_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "os/outfile.h"
#include "report/trace.h"

struct engine;

/* What is counted, each with its bound. */
enum trace_counter {
	TRACE_SENT,
	TRACE_SENT_BOUND,
	TRACE_CHUNKS,
	TRACE_CHUNKS_BOUND,
	TRACE_BYTES,
	TRACE_BYTES_BOUND,
	TRACE_COUNTERS
};

struct trace_file {
	bool on;		/* events are drawn */
	struct outfile out;
	struct trace text;	/* events not yet written; its buffer is
				   owned */
	char *path;		/* owned; NULL: there is no trace */
	int error;		/* why the file ends early; 0: it does not */
	uint64_t written_at;	/* time of the last write, ns */
	uint64_t counted_at;	/* time of the last counters, ns */
	uint64_t counters[TRACE_COUNTERS]; /* values last written, plus 1; 0:
					      none */
};

/* Opens the file, if an option asks for it.  Returns 0, or -errno and sets the
   error text. */
int trace_file_open(struct engine *);

/* Writes the end and closes the file with the callback close.  foreign: in
   another process, which writes nothing. */
void trace_file_close(struct engine *, bool foreign, void (*close)(int *fd));

/* Called last.  told: sets the pool's error text to the reason if the trace
   has ended early, else to "", and writes it to stderr if the environment asked
   for the trace. */
void trace_file_sum(struct engine *, bool told);

/* Makes room for an event.  Returns false if no more are drawn. */
bool trace_file_has_room(struct engine *);

/* Returns when events are to be written that are in the buffer; NEVER. */
uint64_t trace_file_alarm(const struct engine *, uint64_t now);

/* Counts what is in flight, and writes events, if that is due.  Returns 0. */
int trace_file_run(struct engine *, uint64_t now);

#endif
