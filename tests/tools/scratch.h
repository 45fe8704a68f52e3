/*
 * scratch.h - directories that a test makes for itself.
 *
 * The functions assert by the ck_ macros of Check, so call them inside tests.
 */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

/* Mounts an empty disk of that many KiB on a directory, for this process and
   its children only, so call it in a child (in_child()).  Returns 0; -1 where
   this user may not mount, and then it prints that the test is skipped. */
int scratch_mount(const char *dir, unsigned kib);

#endif
