/*
 * line.h - the progress of a run as a line of text.
 *
 * Runs in: caller.  Pure.  Each part of the line has a rank: where the width
 * does not do for all, those of the lowest rank are left out.
 */
#ifndef LINE_H
#define LINE_H

#include <stddef.h>
#include <stdint.h>

/* The most columns that a line uses. */
#define LINE_MOST 250

/* What the line says. */
struct line_facts {
	const char *name;	/* of the program; "": none */
	uint64_t done;		/* items answered, */
	uint64_t earlier;	/* of these, those of earlier runs, */
	uint64_t total;		/* of that many; 0: unknown */
	uint64_t wall_ns;
	uint64_t failed;	/* with an exception, but those that are lost */
	uint64_t retried;
	uint64_t lost;
	const char *workers;	/* a letter a worker; "": none */
	uint64_t at;		/* index of the input that takes long, */
	uint64_t at_ns;		/* and its time so far; 0: none */
};

/* Writes the line into a buffer: width columns of ASCII at most, and a 0.
   Returns its length. */
size_t line_draw(char to[LINE_MOST + 1], size_t width,
    const struct line_facts *);

#endif
