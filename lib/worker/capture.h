/*
 * capture.h - what a worker writes to its standard error, kept for the
 * exception of the item that wrote it.
 *
 * Runs in: worker, which writes to a file in memory and notes where each item
 * began; caller, which reads the end of it when the worker has died.
 *
 * Easy to get wrong: the file is the worker's to cut and to fill; nothing is
 * believed of it but what can be read.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include <stddef.h>
#include <stdint.h>

/* The most that is told of an item: its last bytes. */
#define CAPTURE_MOST 4096

struct capture {
	int fd;			/* of the file; -1: nothing is captured */
	uint64_t from;		/* where in it the present item began */
};

/* Sends this process's standard error to the file (-1: leaves it). */
void capture_init(struct capture *, int fd);

/* An item begins: what comes from now on is its own. */
void capture_mark(struct capture *);

/* Reads the last bytes of a file, from a place on: how many, at most
   CAPTURE_MOST.  None of them is 0, and the first one begins a character. */
size_t capture_read(int fd, uint64_t from, char *to);

#endif
