/*
 * record.h - keys and what belongs to them, one behind the other: how they are
 * written to a run, how they are read back.
 *
 * Runs in: caller and workers.
 *
 *	record:  key size 4 | body size 4 | key | body
 *
 * The body is a value; one that is large lies in a run of its own, and the body
 * says where (its size is RECORD_APART then).  In an index the body is a
 * struct group.
 *
 * Easy to get wrong: what is read was written by another process, so each size
 * is checked before it is used; and what a run has was written if its seal is
 * right, which is known only at its end.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "reduce/store.h"

#define RECORD_HEAD 8
/* Values from this size on lie apart. */
#define RECORD_LARGE ((size_t)64 * 1024)
#define RECORD_APART UINT32_MAX

struct record {
	const unsigned char *key, *body;
	uint32_t key_size;
	uint32_t body_size;	/* bytes of the body */
	bool apart;		/* the body is the run of the value */
};

/* Appends one to bytes: 0, -EFBIG or -ENOMEM. */
int record_append(struct buf *, const struct record *);

/* Reads the one that bytes begin with: its length; 0 if it is not whole; or
   -EBADMSG.  Keys have at most so many bytes. */
int64_t record_read(const unsigned char *at, size_t size, size_t key_most,
    struct record *);

/* The order of keys: as memcmp(), and a prefix before what it begins. */
int record_compare(const void *a, size_t a_size, const void *b,
    size_t b_size);

/* ---- writing a run ---- */

struct sink {
	struct store *store;
	struct extent extent;	/* what was taken */
	uint64_t written;
	uint64_t seal;
	struct buf buf;		/* not written yet */
};

/* For at most so many bytes, at a place: 0, -ENOSPC or -ENOMEM. */
int sink_open(struct sink *, struct store *, size_t place, uint64_t most);

/* Adds bytes: 0 or -errno. */
int sink_put(struct sink *, const void *from, size_t size);

/* Adds a record: 0 or -errno. */
int sink_put_record(struct sink *, const struct record *);

/* Where the next byte will be. */
uint64_t sink_at(const struct sink *);

/* Writes what is left and says what the run is: 0 or -errno. */
int sink_close(struct sink *, struct run *);

/* Frees its memory, in each case. */
void sink_release(struct sink *);

/* Writes bytes as a run: 0 or -errno. */
int run_write(struct store *, size_t place, const void *from, size_t size,
    struct run *);

/* ---- reading a run ---- */

struct scan {
	const struct store *store;
	struct run run;
	uint64_t read;		/* bytes of it so far */
	uint64_t seal;		/* of those */
	size_t key_most;
	size_t from;		/* in buf, of what is not passed yet */
	struct buf buf;
	struct record now;	/* the present one; it is in buf */
};

/* Begins to read a run: 0 or -ENOMEM. */
int scan_open(struct scan *, const struct store *, const struct run *,
    size_t key_most);

/* Makes the next record the present one: 1; 0 at the end; -EBADMSG if it is
   not what was written, or -errno. */
int scan_next(struct scan *);

/* Frees its memory. */
void scan_release(struct scan *);

/* Reads a whole run: 0, -EBADMSG or -errno. */
int run_read(const struct store *, const struct run *, void *to);

#endif
