/*
 * keep.h - failed inputs kept as files, for VIMAP_KEEP.
 *
 * Runs in: caller.  DIR/INDEX.input has the bytes of the input, DIR/INDEX.txt
 * the reason of its failure; if a name is taken, INDEX.2, INDEX.3 and so on.
 */
#ifndef KEEP_H
#define KEEP_H

#include <stddef.h>
#include <stdint.h>

#include "vimap.h"

struct keep {
	uint64_t kept;		/* failures so far */
	size_t head;		/* bytes at the start of an input that are not
				   the program's */
};

/* Keeps the input of an exception that the item has caused.  dir: path of the
   directory; NULL: none are kept.  If a file cannot be written, says so on
   stderr and keeps no more.  Keeps errno. */
void keep_failure(struct keep *, const char *dir, const struct vm_result *);

#endif
