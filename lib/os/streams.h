/*
 * streams.h - text that stdio keeps in its buffers, and which process owns it.
 *
 * Runs in: caller, which writes out its text before it forks; fork server,
 * which discards its copy of the rest, stdin's included; worker, which writes
 * out its own text at its end.
 *
 * Easy to get wrong: another thread of the host program may hold a stream's
 * lock during the fork.  That thread does not exist in the fork server, and
 * some C libraries leave the stream locked there for ever: no function here
 * waits for a lock in the caller or in the fork server.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include <stdbool.h>

/*
 * Caller, before a fork, with all signals blocked: flushes the buffers, so that
 * no child prints their text again.  In a process with threads a stream may be
 * locked by a thread that waits for input; then only stdout and stderr are
 * flushed, if they are not locked.  Discards a SIGPIPE caused by this.
 */
void streams_release(void);

/* Fork server: puts descriptor 0 at end of file.  Returns true if it is
   /dev/null, false if that could not be opened. */
bool streams_end_stdin(void);

/*
 * Fork server: discards the buffers of its copies of stdin, stdout and stderr,
 * whose text is the host program's to read and to print.  empty: descriptor 0
 * is no longer the host program's file, so that stdin may be opened again
 * without moving the position there.
 */
void streams_forget(bool empty);

/* Worker, before its setup: makes stdout and stderr line-buffered, unless
   streams_forget() found them locked. */
void streams_by_lines(void);

/* Worker: flushes the buffers of stdout and stderr, unless streams_forget()
   found them locked. */
void streams_flush(void);

#endif
