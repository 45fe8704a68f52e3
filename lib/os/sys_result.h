/*
 * sys_result.h - how the sys_*.c files turn results into -errno.
 *
 * Runs in: everywhere.  For sys_*.c only.
 */
#ifndef SYS_RESULT_H
#define SYS_RESULT_H

#include <errno.h>

/* Repeats a call while signals interrupt it, then turns -1 into -errno.  Writes
   errno only if it changed: after a fork a write copies the page. */
#define RETRY(result, call) \
	do { \
		int kept_ = errno; \
		do \
			(result) = (call); \
		while ((result) == -1 && errno == EINTR); \
		if ((result) == -1) \
			(result) = -errno; \
		if (errno != kept_) \
			errno = kept_; \
	} while (0)

/* The same for calls that signals do not interrupt. */
static inline int result_of(int r)
{
	return r == -1 ? -errno : r;
}

/* Moves a new descriptor above 0, 1 and 2 if it is among them, and passes an
   error through.  Returns the descriptor or -errno; the old descriptor is
   closed.  In sys_io.c. */
int sys_lift(int fd);

#endif
