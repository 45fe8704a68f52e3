/*
 * progress.h - the progress of a pool on standard error.
 *
 * Runs in: caller, if VM_PROGRESS asks for it.  On a terminal it is one line,
 * drawn over at most 10 times a second; elsewhere a line every 10 s.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "os/sys.h"

struct engine;

struct progress {
	bool on;
	bool drawn;		/* a line is on the terminal */
	uint64_t due_at;	/* when the next line is due, ns */
	uint64_t said;		/* items that the last line counted */
	char name[SYS_NAME];	/* of the program */
};

/* Begins, if an option asks for it. */
void progress_start(struct engine *);

/* Returns when the next line is due; NEVER if none is to come. */
uint64_t progress_alarm(const struct engine *, uint64_t now);

/* Writes a line if one is due.  Returns 0: if it cannot be written, the pool
   goes on. */
int progress_run(struct engine *, uint64_t now);

/* Removes the line from the terminal, for another text to be written. */
void progress_hide(struct engine *);

/* Writes the last line, and the table of vm_stats() if it is wanted. */
void progress_end(struct engine *);

#endif
