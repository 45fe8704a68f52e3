/*
 * summary.h - the figures of vm_stats() as a table for people.
 *
 * Runs in: caller.  Pure.
 */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <stddef.h>

#include "vimap.h"

#define SUMMARY_MOST 2048

/* Writes lines into the buffer, each begun with the name.  Returns the length
   in bytes. */
size_t summary_make(char to[SUMMARY_MOST], const char *name,
    const struct vm_stats *);

#endif
