/* given.c - see given.h: copies of structs passed by the program. */
#include "config.h"

#include "base/given.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"

int given_take(void *to, size_t size, const void *from, size_t theirs,
    const char *name, struct words *w)
{
	const unsigned char *p = from;

	memset(to, 0, size);
	if (from != NULL)
		memcpy(to, from, MIN(size, theirs));
	for (size_t i = size; from != NULL && i < theirs; i++)
		if (p[i] != 0)
			return words_set(w, EINVAL, "struct %s has a field "
			    "that this version of the library does not know.",
			    name);
	return 0;
}

void given_fill(void *to, size_t theirs, const void *from, size_t size)
{
	memset(to, 0, theirs);
	memcpy(to, from, MIN(size, theirs));
}
