/*
 * identity.h - whether two processes run the same program.
 *
 * Runs in: link and agent.  The linker's build-id, which is a hash of the
 * program's contents; where the program has none, a hash of its file.
 */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <stddef.h>

/* Hexadecimal digits of an identity, and the 0 behind them. */
#define IDENTITY_SIZE 65

/* Writes the identity of this program; "unknown" if it has no build-id and its
   file cannot be read. */
void identity_of_program(char to[IDENTITY_SIZE]);

#endif
