/*
 * outfile.h - a file of the user's that the library writes for people.
 *
 * Runs in: caller.  The file has mode 0600, and no symbolic link is followed
 * to it.  A write is whole or leaves nothing: if the disk is full, the file
 * ends with the last write that was whole.
 *
 * Easy to get wrong: beyond the limit on the size of files a write(2) would
 * kill the host program by SIGXFSZ; and the host may have closed the
 * descriptor, so that its number belongs to another file.
 */
#ifndef OUTFILE_H
#define OUTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os/sys.h"

struct outfile {
	int fd;			/* -1: none */
	struct sys_file file;	/* identity of the descriptor's file */
	uint64_t size;		/* bytes written */
};

/* Opens a file, which is emptied; fresh: it must not exist.  Returns 0 or
   -errno, as sys_create() and fdlist_add() do. */
int outfile_open(struct outfile *, const char *path, bool fresh);

/* Appends a text.  Returns 0; or -errno, and nothing is appended. */
int outfile_write(struct outfile *, const char *text, size_t size);

/* Closes the file with the callback close, which sets the descriptor to -1;
   none is fine. */
void outfile_close(struct outfile *, void (*close)(int *fd));

/* Returns why such a file could not be opened, for a sentence. */
const char *outfile_flaw(int error);

#endif
