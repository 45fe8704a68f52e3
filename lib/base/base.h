/*
 * base.h - small macros for every file of the library; no functions.
 */
#ifndef BASE_H
#define BASE_H

#include <stddef.h>

#define COUNTOF(a) (sizeof(a) / sizeof *(a))
/* Both macros evaluate their arguments twice: pass no calls and no side
   effects. */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))

/* Converts a pointer to a member into a pointer to its struct. */
#define CONTAINER_OF(p, type, member) \
	((type *)(void *)((char *)(p) - offsetof(type, member)))

#define MS_IN_NS ((uint64_t)1000000)

/* A time that never comes. */
#define NEVER UINT64_MAX

/* Keeps a function that does not run for each item apart from those that do. */
#ifdef __GNUC__
#define RARELY __attribute__((__noinline__, __cold__))
#else
#define RARELY
#endif

/* Makes a function a part of its callers, as it runs for each item, where the
   compiler would not. */
#ifdef __GNUC__
#define INLINED static inline __attribute__((__always_inline__))
#else
#define INLINED static inline
#endif

/* Keeps a function out of its caller, whose short way would have to save the
   registers that this function needs. */
#ifdef __GNUC__
#define ASIDE __attribute__((__noinline__))
#else
#define ASIDE
#endif

#ifdef __GNUC__
#define PRINTF_LIKE(f, a) __attribute__((__format__(__printf__, f, a)))
#else
#define PRINTF_LIKE(f, a)
#endif

#endif
