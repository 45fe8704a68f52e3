/*
 * streams.h - text that stdio keeps in its buffers, and whose text it is.
 *
 * Runs in: caller, which writes out its text before it forks; fork server,
 * which throws away its copy of the rest, stdin's included; worker, which
 * writes out its own text at its end.
 *
 * Easy to get wrong: a stream may be locked by another thread of the host when
 * that forks.  That thread is not there in the fork server, and some C
 * libraries leave the stream locked there for good: nothing here waits for a
 * lock in the caller or in the fork server.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include <stdbool.h>

/*
 * Caller, before a fork, with all signals blocked: writes out waiting text, so
 * that no child prints it again.  With threads a stream may be locked by one
 * that waits for input; then only stdout and stderr are written out, if nobody
 * has them.  A SIGPIPE that comes of it is taken back.
 */
void streams_release(void);

/* Fork server: descriptor 0 is at its end from now on.  True if it is
   /dev/null, false if that cannot be had. */
bool streams_end_stdin(void);

/*
 * Fork server: forgets what its copies of stdin, stdout and stderr hold, which
 * is the host's to read and to print.  empty: descriptor 0 is not the host's
 * any more, so that stdin may be opened again without harm to the host's
 * position in its input.
 */
void streams_forget(bool empty);

/* Worker, before its setup: stdout and stderr are written line by line, if
   streams_forget() did not find the stream locked. */
void streams_by_lines(void);

/* Worker: writes out the buffers of stdout and stderr, if streams_forget() did
   not find the stream locked. */
void streams_flush(void);

#endif
