/*
 * store.h - stores pairs outside of all processes: in a file in memory (memfd)
 * and, beyond a bound, in an unlinked file on a disk.
 *
 * Runs in: caller and workers, concurrently, through pread(2) and pwrite(2): a
 * write through a wild pointer cannot reach the pairs, only the counters in
 * shared memory.  Both files are opened before the fork.  They are sparse: the
 * caller gives each place (one for each worker, and its own) a fixed stretch of
 * offsets in each file; the holder of the place takes extents from it in
 * sequence, and offsets that are never written take no room.
 *
 *	at:  | spill 1 bit | place 0 | place 1 | ... | the caller's |
 *	                       ^ taken  ^ next
 *
 * Easy to get wrong: a worker that dies leaves its stretch to the next worker
 * at that place, so the taken length is kept in shared memory.
 */
#ifndef STORE_H
#define STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"

/* A range of bytes; the highest bit of "at" selects the file. */
struct extent {
	uint64_t at;
	uint64_t size;
};

/* An extent written once, in sequence, and the hash of its bytes, by which a
   reader finds out whether they have changed. */
struct run {
	struct extent extent;
	uint64_t seal;
};

/* Bytes taken of each stretch: [0] in memory, [1] on a disk.  Only the holder
   of the place writes them. */
struct store_place {
	_Atomic uint64_t taken[2];
};

/* Shared memory of all processes. */
struct store_words {
	_Atomic uint64_t in_memory;	/* bytes taken in memory, all places */
	struct store_place place[];
};

struct store {
	int file[2];		/* descriptors: in memory, on a disk; -1: there
				   is none */
	struct words lack;	/* why there is none on a disk, or "" */
	uint64_t memory_most;	/* bound of bytes in memory */
	uint64_t stretch;	/* bytes of each file for a place */
	size_t places;		/* the last is the caller's */
	struct store_words *words;
};

/*
 * Opens both files and divides them among "workers" places and the caller's.
 * dir: the directory for the file on a disk; NULL: $TMPDIR, else /tmp, and if
 * no file can be made there, the store does without it.  Returns 0, or -errno
 * with a text.
 */
int store_open(struct store *, size_t workers, uint64_t memory_most,
    const char *dir, struct words *);

/* Frees all pages of both files and closes them.  Does nothing for a struct of
   zeroes. */
void store_close(struct store *);

/* In a process forked from the owner: closes the files, keeps their content. */
void store_leave(struct store *);

/* Caller, while no process reads or writes: removes all content and resets the
   counters.  Returns 0 or -errno. */
int store_empty(struct store *);

/* Returns the caller's place. */
size_t store_own_place(const struct store *);

/* Takes an extent from the stretch of a place; in memory if the bound allows.
   Holder of the place only.  Returns 0 or -ENOSPC. */
int store_take(struct store *, size_t place, uint64_t size, struct extent *);

/* Does an extent lie in the stretch of a place? */
bool store_has(const struct store *, size_t place, const struct extent *);

/* Holder of the place only: gives back the bytes of an extent from "size" on,
   which were not written.  If it was the last extent, the next begins there. */
void store_shorten(struct store *, struct extent *, uint64_t size);

/* Gives back the room of an extent, whose bytes are lost.  Any process. */
void store_drop(struct store *, const struct extent *);

/* The taken lengths of a place. */
struct store_mark {
	uint64_t taken[2];
};

/* Returns those of a place now. */
struct store_mark store_mark(const struct store *, size_t place);

/* Holder of the place only: gives back all extents taken since the mark.  None
   of them may have been shortened or dropped. */
void store_rewind(struct store *, size_t place, struct store_mark);

/* Write, or read, "size" bytes from that offset on.  May block for the disk.
   Return 0 or -errno; -EBADMSG if the file ends before. */
int store_write(const struct store *, uint64_t at, const void *from,
    size_t size);
int store_read(const struct store *, uint64_t at, void *to, size_t size);

/* The same, up to the end of the file: returns the bytes read, or -errno. */
int64_t store_read_some(const struct store *, uint64_t at, void *to,
    size_t size);

#endif
