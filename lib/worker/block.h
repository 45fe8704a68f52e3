/*
 * block.h - reads a part of a file for process(): the whole records in it.
 *
 * Runs in: worker; in the caller with VM_SERIAL.  The part was cut by
 * vm_blocks() without a look at the contents.  The public functions
 * vm_read_block() and vm_block_path() are defined here.
 *
 * Easy to get wrong: a record belongs to the part in which its first byte lies,
 * and that is decided by the byte before the part.  The file may have become
 * shorter or longer since its size was asked.
 */
#ifndef BLOCK_H
#define BLOCK_H

#include <stddef.h>

#include "base/buf.h"
#include "vimap.h"

/* The records of a part, in a buffer that the context owns. */
struct block {
	struct vm_block part;
	const char *path;
	struct buf *text;	/* bytes of the file, from "lead" bytes before
				   the part on */
	size_t lead;		/* 1 if the byte before the part is needed */
	size_t longest;		/* bytes that a record may have beyond the
				   part */
	int fd;
	size_t begin, end;	/* the records' bytes in the buffer */
};

/* Takes the input of a worker apart.  Returns 0, or -EINVAL if vm_blocks() or
   vm_files() cannot have made it. */
int block_parse(struct block *, const void *input, size_t size);

/* Reads the records from the open file.  Returns 0; -ESTALE if the file ends
   within the part, -EFBIG if the last record is too long, or -errno. */
int block_read(struct block *);

#endif
