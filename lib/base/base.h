/*
 * base.h - small macros for every file of the library; no functions.
 */
#ifndef BASE_H
#define BASE_H

#include <stddef.h>

#define COUNTOF(a) (sizeof(a) / sizeof *(a))
/* Their arguments are evaluated twice: no calls, no side effects. */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* The struct that holds a member, from the member's address. */
#define CONTAINER_OF(p, type, member) \
	((type *)(void *)((char *)(p) - offsetof(type, member)))

#define MS_IN_NS ((uint64_t)1000000)

/* Never: a time that does not come. */
#define NEVER UINT64_MAX

/* A function off the path of items, kept out of those that are on it. */
#ifdef __GNUC__
#define RARELY __attribute__((__noinline__, __cold__))
#else
#define RARELY
#endif

#ifdef __GNUC__
#define PRINTF_LIKE(f, a) __attribute__((__format__(__printf__, f, a)))
#else
#define PRINTF_LIKE(f, a)
#endif

#endif
