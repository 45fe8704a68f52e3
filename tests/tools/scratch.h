/*
 * scratch.h - directories that a test makes for itself.
 *
 * The functions assert by the ck_ macros of Check, so call them inside tests.
 */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <stddef.h>

/* Makes an empty directory of this user's own, and writes its path to a buffer
   of "room" bytes, 64 or so.  It is in TMPDIR, or in /tmp if that is not set or
   too long.  Remove it with scratch_drop(). */
void scratch_make(char *dir, size_t room);

/* Removes a directory with all that is in it. */
void scratch_drop(const char *dir);

/* Mounts an empty disk of that many KiB on a directory, for this process and
   its children only, so call it in a child (in_child()).  Returns 0; -1 where
   this user may not mount, and then it prints that the test is skipped. */
int scratch_mount(const char *dir, unsigned kib);

#endif
