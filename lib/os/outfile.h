/*
 * outfile.h - a file of the user's that the library writes.
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
	uint64_t size;		/* bytes in it */
	bool torn;		/* it has a part of a write behind them, which
				   could not be cut off */
};

/* Opens a file, which is emptied; fresh: it must not exist.  Returns 0 or
   -errno, as sys_create() and fdlist_add() do. */
int outfile_open(struct outfile *, const char *path, bool fresh);

/* Opens a file, or makes it, and keeps its contents, for reading as well.  No
   other process that does the same can have it meanwhile.  Returns as above;
   -EWOULDBLOCK if another has it. */
int outfile_extend(struct outfile *, const char *path);

/* Appends a text.  Returns 0; or -errno, and nothing is appended: -EBADF,
   -EFBIG, or -ESTALE if the file was changed or removed meanwhile, so that its
   reader would not find the text. */
int outfile_write(struct outfile *, const char *text, size_t size);

#define OUTFILE_PARTS 3

/* The same for bytes in up to OUTFILE_PARTS parts, by a single write(2) if the
   disk takes it whole. */
int outfile_append(struct outfile *, const struct iovec *parts, int count);

/* Cuts off all behind the first "size" bytes.  Returns 0 or -errno. */
int outfile_cut(struct outfile *, uint64_t size);

/* Closes the file with the callback close, which sets the descriptor to -1;
   none is fine. */
void outfile_close(struct outfile *, void (*close)(int *fd));

/* Returns why such a file could not be opened or written, for a sentence. */
const char *outfile_flaw(int error);

#endif
