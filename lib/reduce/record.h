/*
 * record.h - records: keys, each with a value, as they are written to a run and
 * read back.
 *
 * Runs in: caller and workers.
 *
 *	record:  key size 4 | body size 4 | key | body
 *
 * The body is the value.  A large value is written as a run of its own; then
 * the body is its struct run, and its size reads RECORD_APART.  In an index the
 * body is a struct group.
 *
 * Easy to get wrong: another process wrote the bytes, so each size is checked
 * before it is used; and the seal, which proves them unchanged, can only be
 * checked at the end of a run.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "reduce/store.h"

#define RECORD_HEAD 8
/* Values of at least this size are written apart. */
#define RECORD_LARGE ((size_t)64 * 1024)
#define RECORD_APART UINT32_MAX

struct record {
	const unsigned char *key, *body;
	uint32_t key_size;
	uint32_t body_size;	/* bytes of the body */
	bool apart;		/* the body is the struct run of the value */
};

/* Appends a record to a buffer.  Returns 0, -EFBIG or -ENOMEM. */
int record_append(struct buf *, const struct record *);

/* Parses the record at the start of a buffer of "size" bytes; its pointers
   point into the buffer.  A key has at most key_most bytes.  Returns its
   length, 0 if it is incomplete, or -EBADMSG. */
int64_t record_read(const unsigned char *at, size_t size, size_t key_most,
    struct record *);

/* The same for a record with its whole value in it, however large: key and
   value have at most "most" bytes each. */
int64_t record_read_whole(const unsigned char *at, size_t size, size_t most,
    struct record *);

/* Compares keys as memcmp(); a prefix comes before a longer key. */
int record_compare(const void *a, size_t a_size, const void *b,
    size_t b_size);

/* ---- writing a run ---- */

struct sink {
	struct store *store;
	struct extent extent;	/* taken from the store */
	uint64_t written;
	uint64_t seal;
	struct buf buf;		/* bytes not written yet */
};

/* Takes an extent of at most "most" bytes at a place in the store.  Returns 0,
   -ENOSPC or -ENOMEM; sink_release() is needed in each case. */
int sink_open(struct sink *, struct store *, size_t place, uint64_t most);

/* Appends bytes, through a buffer.  Blocks for the disk.  Returns 0 or
   -errno. */
int sink_put(struct sink *, const void *from, size_t size);

/* Appends a record.  Returns as sink_put(). */
int sink_put_record(struct sink *, const struct record *);

/* Returns the offset in the store of the next byte. */
uint64_t sink_at(const struct sink *);

/* Writes the rest of the buffer, gives back the unused end of the extent and
   fills in the run.  Returns 0 or -errno. */
int sink_close(struct sink *, struct run *);

/* Frees the buffer; the extent stays. */
void sink_release(struct sink *);

/* Writes a buffer as a run.  Returns 0 or -errno. */
int run_write(struct store *, size_t place, const void *from, size_t size,
    struct run *);

/* ---- reading a run ---- */

struct scan {
	const struct store *store;
	struct run run;
	uint64_t read;		/* bytes read so far */
	uint64_t seal;		/* of these bytes */
	size_t key_most;
	size_t from;		/* offset in buf of the first byte not parsed */
	struct buf buf;
	struct record now;	/* present record; it points into buf */
};

/* Begins to read a run; copies the struct.  Always returns 0; scan_next()
   reports errors. */
int scan_open(struct scan *, const struct store *, const struct run *,
    size_t key_most);

/* Reads the next record into "now", whose pointers are valid until the next
   call.  Returns 1, 0 at the end, -EBADMSG if the bytes do not parse or do not
   match the seal, or another -errno. */
int scan_next(struct scan *);

/* Frees the buffer. */
void scan_release(struct scan *);

/* Reads a whole run into a buffer of its size.  Returns 0, -EBADMSG if it does
   not match its seal, or another -errno. */
int run_read(const struct store *, const struct run *, void *to);

#endif
