/* pages.c - see pages.h: pages of the store read lately. */
#include "config.h"

#include "reduce/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

#define PAGE ((size_t)4096)
/* Entries at most: a page for each of many partitions. */
#define PAGES_MOST 256
/* Larger reads gain nothing by a copy through a page. */
#define READ_MOST (4 * PAGE)

struct page {
	uint64_t number;	/* of the page in the store, and 1 more; 0:
				   none */
	size_t size;		/* bytes there: fewer at the end of the file */
	unsigned char bytes[PAGE];
};

void pages_init(struct pages *p, size_t most)
{
	*p = (struct pages){
		.count = MIN(most / sizeof(struct page), PAGES_MOST),
	};
}

void pages_forget(struct pages *p)
{
	for (size_t i = 0; p->entry != NULL && i < p->count; i++)
		p->entry[i].number = 0;
}

void pages_release(struct pages *p)
{
	free(p->entry);
	p->entry = NULL;
}

/* Returns the page with that number, read if it is not there; or NULL and sets
   *error. */
static const struct page *look_up(struct pages *p, const struct store *s,
    uint64_t number, int *error)
{
	struct page *e = &p->entry[number % p->count];
	int64_t n;

	if (e->number == number + 1)
		return e;
	e->number = 0;
	n = store_read_some(s, number * PAGE, e->bytes, PAGE);
	if (n < 0) {
		*error = (int)n;
		return NULL;
	}
	e->size = (size_t)n;
	e->number = number + 1;
	return e;
}

/* Copies the part of a range that lies in its first page.  Returns the bytes
   copied, or -errno; -EBADMSG if the file ends before. */
static int64_t copy_part(struct pages *p, const struct store *s, uint64_t at,
    unsigned char *to, size_t size)
{
	size_t from = (size_t)(at % PAGE), n = MIN(size, PAGE - from);
	int error = 0;
	const struct page *page = look_up(p, s, at / PAGE, &error);

	if (page == NULL)
		return error;
	if (from + n > page->size)
		return -EBADMSG;
	memcpy(to, page->bytes + from, n);
	return (int64_t)n;
}

int pages_read(struct pages *p, const struct store *s, uint64_t at, void *to,
    size_t size)
{
	unsigned char *bytes = to;
	int64_t n;

	if (p->entry == NULL && p->count > 0 && size <= READ_MOST)
		p->entry = calloc(p->count, sizeof *p->entry);
	if (p->entry == NULL || size > READ_MOST)
		return store_read(s, at, to, size);
	for (; size > 0; at += (uint64_t)n, size -= (size_t)n) {
		n = copy_part(p, s, at, bytes, size);
		if (n < 0)
			return (int)n;
		bytes += n;
	}
	return 0;
}
