/*
 * machine.h - a machine as it is told to the process that is to reach it: the
 * command that leads there, and the machines behind it.
 *
 * Runs in: caller and agent, which write and read the machines of their pools;
 * link, which reads its own.  Pure.  A record is the body of a HOST frame; the
 * records of the machines behind it, whose commands its agent runs, are inside:
 *
 *	head, texts, record, record ...
 *
 * Each text has a 0 behind it: the name; the arguments of the command, and
 * FAR_AGENT or, with machines behind it, FAR_TREE.  A door has a name only.
 *
 * Easy to get wrong: a record comes from another process, and sizes inside it
 * from there, too.  Records have no alignment.
 */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vimap.h"

/* Deepest machine behind machines, so that a list that contains itself is
   noticed. */
#define MACHINE_DEPTH 8
/* The indices of the workers of a machine: from its number times this on. */
#define MACHINE_INDICES 32768
/* Largest number of a machine; numbers are never used again. */
#define MACHINE_MOST (INT32_MAX / MACHINE_INDICES - 1)

struct machine_head {
	uint64_t size;		/* bytes of the record */
	int32_t workers;	/* 0: as many as usable CPUs; VM_ELSEWHERE:
				   none */
	int32_t first_index;	/* vm_context.worker_index of its first
				   worker */
	uint32_t texts;		/* 1 for a door, else 3 at least */
	uint32_t text_size;	/* bytes of all texts */
	uint32_t behind;	/* machines that follow the texts */
	uint32_t nested;	/* not 0: it is behind another machine */
};

/* A parsed record: the pointers point into it. */
struct machine {
	struct machine_head head;
	const char *texts;
	const unsigned char *behind;	/* records of head.behind machines, */
	size_t behind_size;	/* bytes */
};

/* Returns the number of machines: this, and all behind it. */
size_t machine_count(const struct vm_host *);

/* Returns the bytes of the record of a machine, or of a door if it has no
   command.  Writes it at a pointer to that room; number: of this machine, those
   behind it get the next. */
size_t machine_size(const struct vm_host *);
void machine_write(unsigned char *at, const struct vm_host *, int number);

/* Parses a record of that size.  Returns 0 or -EPROTO. */
int machine_read(const unsigned char *at, size_t size, struct machine *);

/* Returns the bytes of the first record among those at a pointer; 0 if there is
   none, or it is not whole. */
size_t machine_first(const unsigned char *at, size_t size);

#endif
