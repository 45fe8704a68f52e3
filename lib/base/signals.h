/*
 * signals.h - names of the signals that end programs.
 *
 * Runs in: caller and worker; in signal handlers too.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

/* Returns the name of a signal, such as "SIGSEGV", or "no common one" if it is
   not in the table.  The string is static. */
const char *signals_name(int signal);

#endif
