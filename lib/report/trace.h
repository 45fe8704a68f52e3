/*
 * trace.h - the events of a pool as JSON text, for Perfetto and
 * chrome://tracing.
 *
 * Runs in: caller.  Pure: times are parameters, and the text goes to a buffer
 * of the caller's.  Of the trace event format only complete slices (X), marks
 * (i), counters (C) and names (M) are used, as the viewers do not like B and E
 * beside X.  A track is a thread to the viewers: track 0 is the caller's, track
 * i + 1 that of place i.
 *
 * The text is an array, and each event but the first begins with its comma.  So
 * a text that ends with a whole event lacks the closing bracket only, which the
 * viewers do not need.
 *
 * Easy to get wrong: slices of a track must not overlap, also after their times
 * were rounded.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/base.h"

/* Bytes of the buffer, of the longest event, and of a text and of the args in
   an event, with their 0. */
#define TRACE_ROOM ((size_t)64 * 1024)
#define TRACE_EVENT 512
#define TRACE_TEXT 128
#define TRACE_ARGS 192
/* The end of the text. */
#define TRACE_LAST "\n]\n"

/* Items that take less time are drawn together, other slices are left out. */
#define TRACE_SHORT_NS 50000

struct trace {
	char *text;		/* buffer of TRACE_ROOM bytes; not owned */
	size_t size;		/* bytes in it */
	bool begun;		/* an event was made */
	int pid;		/* the process that the events belong to */
	uint64_t began;		/* time that the events count from, ns */
};

/* A track while it is drawn. */
struct trace_track {
	uint64_t until;		/* end of its last slice, ns */
	uint64_t leaving;	/* begin of the worker's teardown; 0: none */
	uint32_t ordinal;	/* of the chunk with the item drawn last, */
	uint32_t next;		/* and the number behind that item; 0: none */
};

/* Begins the text in an empty buffer. */
void trace_begin(struct trace *, char *buffer, int pid, uint64_t now);

/* Has the buffer room for another event? */
static inline bool trace_has_room(const struct trace *t)
{
	return t->size + TRACE_EVENT + sizeof TRACE_LAST <= TRACE_ROOM;
}

/* Copies a text as the inside of a JSON string, cut to the buffer, with a "?"
   for each byte that would have to be escaped or is not ASCII. */
void trace_quote(char to[TRACE_TEXT], const char *from);

/* Each of these appends an event to a buffer that has room for it.  name: a
   text that can stand in quotes; args: members of the event's "args" as JSON,
   or "".  They have fewer bytes than TRACE_TEXT and TRACE_ARGS. */

/* Names a track, or the process if track is -1. */
void trace_name(struct trace *, int track, const char *name);

/* Draws a slice. */
void trace_slice(struct trace *, int track, uint64_t from, uint64_t until,
    const char *name, const char *args);

/* Draws a mark. */
void trace_mark(struct trace *, int track, uint64_t at, const char *name,
    const char *args);

/* Sets a counter of that name. */
void trace_count(struct trace *, uint64_t at, const char *name,
    uint64_t value);

/* Ends the text. */
void trace_end(struct trace *);

#endif
