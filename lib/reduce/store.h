/*
 * store.h - where the pairs of a reducer lie while no process has them: in
 * memory that is a file, and past a bound in an unlinked file on a disk.
 *
 * Runs in: caller and workers, at the same time, by pread(2) and pwrite(2): a
 * wild write of one of them spoils nothing here.  Both files are opened before
 * the fork.  Each has room for ever, of which the caller gives each place (of a
 * worker, and one of its own) a stretch: who has the place takes extents from
 * it, one behind the other, and what nobody has written takes no room.
 *
 *	at:  | spill 1 bit | place 0 | place 1 | ... | the caller's |
 *	                       ^ taken  ^ next
 *
 * Easy to get wrong: a worker that dies leaves its stretch to the next one at
 * that place, so how far it is taken stands in memory they share.
 */
#ifndef STORE_H
#define STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/words.h"

/* So many bytes of either file, beginning there. */
struct extent {
	uint64_t at;
	uint64_t size;
};

/* Bytes that are written as they lie there, and what they add up to, so that
   it is noticed if they are not what was written. */
struct run {
	struct extent extent;
	uint64_t seal;
};

/* How much of each stretch is taken: [0] of the file in memory, [1] of the
   other one.  The holder of the place writes. */
struct store_place {
	_Atomic uint64_t taken[2];
};

/* What all processes share. */
struct store_words {
	_Atomic uint64_t in_memory;	/* bytes taken there, of all places */
	struct store_place place[];
};

struct store {
	int file[2];		/* in memory; on a disk; -1: there is none */
	struct words lack;	/* why there is none on a disk, or "" */
	uint64_t memory_most;	/* bytes in memory */
	uint64_t stretch;	/* bytes of each file that a place has */
	size_t places;		/* the last one is the caller's */
	struct store_words *words;
};

/*
 * Opens both files, with so many places for workers: 0; or -errno and words, if
 * there can be no file in the directory.  NULL: $TMPDIR, else /tmp, and without
 * a file there that in memory will do, while there is room in it.
 */
int store_open(struct store *, size_t workers, uint64_t memory_most,
    const char *dir, struct words *);

/* Gives back all that is in it, and the files.  One that was never opened, but
   is all zero, is fine. */
void store_close(struct store *);

/* In another process than the one that opened it: what is in it stays. */
void store_leave(struct store *);

/* Caller, when nobody reads or writes: what is in it goes.  0 or -errno. */
int store_empty(struct store *);

/* The caller's place. */
size_t store_own_place(const struct store *);

/* Takes an extent of a place: in memory if so much is left of the bound.  0 or
   -ENOSPC. */
int store_take(struct store *, size_t place, uint64_t size, struct extent *);

/* Can a place have taken that extent? */
bool store_has(const struct store *, size_t place, const struct extent *);

/* Who has the place: only so many bytes of an extent were written.  The others
   are not counted any more, and if it was the last one, the next begins
   there. */
void store_shorten(struct store *, struct extent *, uint64_t size);

/* What an extent has is not needed any more: the room it takes is given
   back. */
void store_drop(struct store *, const struct extent *);

/* How far stretches are taken. */
struct store_mark {
	uint64_t taken[2];
};

/* How far those of a place are now. */
struct store_mark store_mark(const struct store *, size_t place);

/* Who has the place: what was taken since then is not needed, and was neither
   shortened nor dropped.  Its room is given back. */
void store_rewind(struct store *, size_t place, struct store_mark);

/* Writes, or reads, all bytes from there on: 0 or -errno; -EBADMSG if there are
   not so many. */
int store_write(const struct store *, uint64_t at, const void *from,
    size_t size);
int store_read(const struct store *, uint64_t at, void *to, size_t size);

#endif
