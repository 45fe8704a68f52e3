/*
 * capture.h - capture of a worker's standard error, for exceptions.
 *
 * Runs in: worker, which writes to a file in memory and records where in it
 * each item began; caller, which reads the file's end after a death.
 *
 * Easy to get wrong: the worker can truncate and fill the file; the caller
 * relies on nothing but the bytes that it reads.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <stddef.h>
#include <stdint.h>

/* Upper bound on the bytes in an exception: the last that an item wrote. */
#define CAPTURE_MOST 4096

struct capture {
	int fd;			/* of the file; -1: nothing is captured */
	uint64_t from;		/* offset at which the present item began */
};

/* Redirects stderr of this process to the file, which it does not own; -1
   leaves stderr. */
void capture_init(struct capture *, int fd);

/* Marks the begin of an item: text from now on is the item's. */
void capture_mark(struct capture *);

/* Copies the last bytes of a file, from an offset on, to a buffer of
   CAPTURE_MOST bytes.  Returns their number.  Replaces zero bytes, and does
   not begin within a character.  fd may be -1. */
size_t capture_read(int fd, uint64_t from, char *to);

#endif
