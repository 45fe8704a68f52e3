/*
 * journal.h - the file that keeps the finished inputs of a run for the next.
 *
 * Runs in: caller.  The file begins with a line that has the version of the
 * format, whether outputs are kept, and the secret of its digests; entries
 * follow (entry.h).  Those behind a BEGIN are of the worker that it names, so
 * that the results of another version of the worker stay in the file, unused;
 * its names are part of each key as well, as a BEGIN may be damaged.
 * Opened, the finished inputs of this worker are in two ledgers; entries that
 * are added later are not, as they answer no input of the same run.
 *
 * Easy to get wrong: the end of a file may be part of an entry, as its writer
 * was killed.  All behind the last whole entry is cut off, before anything is
 * appended; damage before that is passed over, and costs the entries that it
 * hit.  A file that is no journal is never changed.
 */
#ifndef JOURNAL_H
#define JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"
#include "journal/entry.h"
#include "journal/ledger.h"
#include "os/outfile.h"

struct journal {
	struct outfile out;	/* out.fd -1: not open */
	struct digest secret;	/* of checks, */
	struct digest keys;	/* and of the keys of this worker's inputs */
	struct ledger done;	/* inputs with an output */
	struct ledger failed;
};

/* Which journal is opened. */
struct journal_wants {
	const char *path;
	const char *name;	/* of the worker, and its version; not NULL */
	const char *version;
	bool outputs;		/* the journal keeps outputs */
};

/* Opens or makes a journal, and reads the heads of its entries.  Returns 0, or
   -errno and sets the words. */
int journal_open(struct journal *, const struct journal_wants *,
    struct words *);

/* Reads the head of an entry, and its data; "to" has room for them.  Return 0;
   -EPROTO if they are damaged; or -errno. */
int journal_read(const struct journal *, uint64_t at, struct entry *);
int journal_read_data(const struct journal *, uint64_t at,
    const struct entry *, void *to);

/* Appends an entry with its data, which may be NULL if the size is 0, and sets
   the check of the data in it.  Returns 0; or -errno, and the journal is as
   before. */
int journal_add(struct journal *, struct entry *, const void *data);

/* Closes the file with the callback close, which sets the descriptor to -1, and
   frees the memory. */
void journal_close(struct journal *, void (*close)(int *fd));

#endif
