/*
 * sources.c - ready-made sources: arrays, strings, numbers, names of files.
 *
 * Runs in: caller.  Each source has a small state on the heap, freed by its
 * close callback; arrays of the user stay the user's.  None of these ever
 * blocks.
 *
 * Easy to get wrong: a constructor has no way to fail; vm_imap() reports its
 * failures.
 */
#include "config.h"

#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/sources.h"
#include "base/base.h"
#include "base/cut.h"

struct vm_source sources_unmade(const struct made_flaw *flaw)
{
	return (struct vm_source){
		.close = made_keep,
		.from = (void *)(uintptr_t)flaw,
	};
}

struct vm_source sources_no_memory(void)
{
	static const struct made_flaw flaw = { ENOMEM,
		"There was no memory for a ready-made source." };

	return sources_unmade(&flaw);
}

struct vm_source sources_unmade_as(int error, const char *format, ...)
{
	struct {
		struct made_flaw flaw;
		char text[512];
	} *state = malloc(sizeof *state);
	va_list ap;

	if (state == NULL)
		return sources_no_memory();
	va_start(ap, format);
	cut_print(state->text, sizeof state->text, format, ap);
	va_end(ap);
	state->flaw = (struct made_flaw){ error, state->text };
	return (struct vm_source){ .close = made_forget, .from = state };
}

void *sources_state(const void *from, size_t size)
{
	void *state = malloc(size);

	if (state != NULL)
		memcpy(state, from, size);
	return state;
}

/* A source with this callback promises not to block; a source that wraps it can
   pass the callback on. */
static int no_fd(void *from)
{
	(void)from;
	return -1;
}

struct vm_source sources_make(inputs_next next, void *state, uint64_t length)
{
	struct made *made = state;

	if (made == NULL)
		return sources_no_memory();
	made->next = next;
	return (struct vm_source){
		.next = next,
		.close = made_drop,
		.from = state,
		.length = length,
		.wait_fd = no_fd,
	};
}

/* ---- callbacks ---- */

struct vm_source vm_callback(inputs_next next, void *from)
{
	return (struct vm_source){ .next = next, .from = from };
}

/* ---- arrays ---- */

static int array_next(void *from, const void **input, size_t *size)
{
	struct source_array *a = from;

	if (a->left == 0)
		return 0;
	*input = a->items;
	*size = a->size;
	a->items += a->size;
	a->left--;
	return 1;
}

/* Empty items may have no array. */
static size_t array_run(void *from, size_t most, const void **items,
    size_t *size)
{
	struct source_array *a = from;
	size_t n = a->size > 0 ? MIN(a->left, most) : 0;

	*items = a->items;
	*size = a->size;
	a->items += n * a->size;
	a->left -= n;
	return n;
}

/* Returns NULL if there can be such an array. */
static const struct made_flaw *flaw_of(const void *items, size_t count,
    size_t item_size)
{
	static const struct made_flaw null = { EINVAL,
		"The array given to vm_array() or vm_inherited_array() is "
		"NULL, and its count is not 0." };
	static const struct made_flaw large = { EINVAL,
		"The array given to vm_array() or vm_inherited_array() has "
		"more bytes than any can have; look at its count and "
		"item_size." };

	if (items == NULL && count > 0 && item_size > 0)
		return &null;
	return item_size > 0 && count > PTRDIFF_MAX / item_size ? &large :
	    NULL;
}

static struct vm_source array(const struct source_array *a)
{
	const struct made_flaw *flaw = flaw_of(a->items, a->left, a->size);

	return flaw != NULL ? sources_unmade(flaw) :
	    sources_make(array_next, sources_state(a, sizeof *a), a->left);
}

struct vm_source vm_array(const void *items, size_t count, size_t item_size)
{
	return array(&(struct source_array){ .items = items, .left = count,
	    .size = item_size, .made = { .run = array_run } });
}

struct vm_source vm_inherited_array(const void *items, size_t count,
    size_t item_size)
{
	struct vm_source s = array(&(struct source_array){ .items = items,
	    .left = count, .size = item_size, .made = { .inherited = true } });
	struct source_array *a = s.from;

	/* Empty items may point anywhere, but not to NULL. */
	if (s.next != NULL && items == NULL)
		a->items = (const unsigned char *)"";
	return s;
}

/* ---- strings ---- */

struct strings {
	struct made made;
	const char *const *next;
	size_t left;
};

static int strings_next(void *from, const void **input, size_t *size)
{
	struct strings *s = from;

	if (s->left == 0 || *s->next == NULL)
		return 0;
	*input = *s->next;
	*size = strlen(*s->next);
	s->next++;
	s->left--;
	return 1;
}

struct vm_source vm_strings(vm_string_array strings, size_t count)
{
	static const struct made_flaw null = { EINVAL,
		"The list given to vm_strings() is NULL, and its count is not "
		"0." };
	const struct strings s = { .next = strings, .left = count };

	if (strings == NULL && count > 0)
		return sources_unmade(&null);
	return sources_make(strings_next, sources_state(&s, sizeof s), count);
}

/* ---- parts ---- */

struct parts {
	struct made made;
	uint64_t length, offset;
	uint64_t size;		/* of the next part */
	uint64_t longer;	/* number of parts that are longer than the
				   others by 1 */
	struct vm_part given;
};

static int parts_next(void *from, const void **input, size_t *size)
{
	struct parts *p = from;
	uint64_t left = p->length - p->offset;

	if (left == 0)
		return 0;
	p->given.offset = p->offset;
	p->given.limit = MIN(left, p->size);
	p->offset += p->given.limit;
	if (p->longer > 0 && --p->longer == 0)
		p->size--;
	*input = &p->given;
	*size = sizeof p->given;
	return 1;
}

struct vm_source vm_parts(uint64_t length, uint64_t parts, enum vm_cut cut)
{
	static const struct made_flaw none = { EINVAL,
		"vm_parts() was asked for 0 parts; it takes 1 or more." };
	static const struct made_flaw unknown = { EINVAL,
		"vm_parts() was given a cut that is neither VM_CUT_EVENLY nor "
		"VM_CUT_WITH_REST." };
	struct parts p = { .length = length };

	if (parts == 0)
		return sources_unmade(&none);
	if (cut != VM_CUT_EVENLY && cut != VM_CUT_WITH_REST)
		return sources_unmade(&unknown);
	p.size = length / parts;
	if (cut == VM_CUT_EVENLY)
		p.longer = length % parts;
	/* Evenly, only the longer parts exceed the quotient by 1. */
	if (cut == VM_CUT_WITH_REST || p.longer > 0)
		p.size += p.size < UINT64_MAX;
	if (cut == VM_CUT_WITH_REST)
		parts = length / p.size + (length % p.size > 0);
	return sources_make(parts_next, sources_state(&p, sizeof p),
	    MIN(parts, length));
}

/* ---- numbers ---- */

/* Numbers given together. */
#define RANGE_RUN 64

struct range {
	struct made made;
	int64_t next, end;
	int64_t given[RANGE_RUN];
};

static int range_next(void *from, const void **input, size_t *size)
{
	struct range *r = from;

	if (r->next >= r->end)
		return 0;
	r->given[0] = r->next++;
	*input = r->given;
	*size = sizeof r->given[0];
	return 1;
}

static size_t range_run(void *from, size_t most, const void **items,
    size_t *size)
{
	struct range *r = from;
	uint64_t left = r->next < r->end ?
	    (uint64_t)r->end - (uint64_t)r->next : 0;
	size_t n = MIN(most, RANGE_RUN);

	n = (size_t)MIN(left, n);
	for (size_t i = 0; i < n; i++)
		r->given[i] = r->next + (int64_t)i;
	r->next += (int64_t)n;
	*items = r->given;
	*size = sizeof r->given[0];
	return n;
}

struct vm_source vm_range(int64_t begin, int64_t end)
{
	const struct range r = { .next = begin, .end = end,
		.made = { .run = range_run } };

	return sources_make(range_next, sources_state(&r, sizeof r),
	    begin < end ? (uint64_t)end - (uint64_t)begin : 0);
}

/* ---- names of files ---- */

struct names {
	struct strings strings;
	glob_t found;
};

static void names_release(void *state)
{
	struct names *n = state;

	globfree(&n->found);
}

/* Set by unreadable(): musl says GLOB_NOMATCH then. */
static _Thread_local bool unread;

/* Called by glob(3) for a directory that it cannot open: another number than 0
   ends it.  Where there is no directory there are no matches. */
static int unreadable(const char *directory, int error)
{
	(void)directory;
	unread = error != ENOENT && error != ENOTDIR && error != ELOOP;
	return unread;
}

/* Translates the return value of glob(3) to errno. */
static int glob_error(int r)
{
	switch (r) {
	case 0:
	case GLOB_NOMATCH:
		return 0;
	case GLOB_NOSPACE:
		return ENOMEM;
	default:
		return EIO;
	}
}

struct vm_source vm_glob(const char *pattern)
{
	static const struct made_flaw null = { EINVAL,
		"The pattern given to vm_glob() is NULL." };
	static const struct made_flaw flaw = { EIO,
		"vm_glob() could not read a directory of its pattern." };
	struct names *n;
	int error;

	if (pattern == NULL)
		return sources_unmade(&null);
	n = calloc(1, sizeof *n);
	if (n == NULL)
		return sources_no_memory();
	n->strings.made.release = names_release;
	unread = false;
	error = glob_error(glob(pattern, 0, unreadable, &n->found));
	if (error != 0 || unread) {
		made_drop(n);
		return error == ENOMEM ? sources_no_memory() :
		    sources_unmade(&flaw);
	}
	n->strings.next = (const char *const *)n->found.gl_pathv;
	n->strings.left = n->found.gl_pathc;
	return sources_make(strings_next, n, n->found.gl_pathc);
}
