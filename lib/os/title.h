/*
 * title.h - names of the pool's processes, as ps(1), top(1) and perf(1) show
 * them: "PROGRAM:server", "PROGRAM:w2", "PROGRAM:spare".
 *
 * Runs in: fork server and worker.  The kernel keeps 15 bytes of a name, so
 * PROGRAM is the begin of the name of the thread that called vm_fork().
 */
#ifndef TITLE_H
#define TITLE_H

/* In a new fork server: keeps the present name for the names of all processes
   to come. */
void title_keep(void);

/* Names this process "PROGRAM:ROLE".  A failure leaves the name as it is. */
void title_set(const char *role);

/* Names this process after a worker index: "PROGRAM:wINDEX". */
void title_set_worker(int index);

#endif
