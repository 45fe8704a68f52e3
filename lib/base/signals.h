/*
 * signals.h - names of the signals that end programs.
 *
 * Runs in: caller and worker; in signal handlers too.
 */
#ifndef SIGNALS_H
#define SIGNALS_H

/* "SIGSEGV" and the like; "no common one" for others.  Static. */
const char *signals_name(int signal);

#endif
