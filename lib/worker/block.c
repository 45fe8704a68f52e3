/* block.c - see block.h: reads a part of a file. */
#include "config.h"

#include "worker/block.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/base.h"
#include "base/words.h"
#include "os/sys.h"
#include "worker/context.h"

/* Bytes read at first beyond a part, for the end of its last record. */
#define BEYOND ((size_t)4096)

/* A buffer of that many bytes is kept for the next part, however small. */
#define KEPT ((size_t)16 * 1024 * 1024)

const char *vm_block_path(const struct vm_block *part)
{
	return part != NULL ? (const char *)(part + 1) : "";
}

int block_parse(struct block *b, const void *input, size_t size)
{
	const unsigned char *bytes = input;
	struct vm_block *part = &b->part;

	if (input == NULL || size <= sizeof *part || bytes[size - 1] != '\0')
		return -EINVAL;
	memcpy(part, bytes, sizeof *part);
	b->path = (const char *)bytes + sizeof *part;
	if (part->separator < -1 || part->separator > UINT8_MAX ||
	    part->error < 0 || part->offset > INT64_MAX ||
	    part->limit > INT64_MAX - part->offset)
		return -EINVAL;
	b->lead = part->offset > 0 && part->separator >= 0;
	return 0;
}

/* Reads on until the buffer has "size" bytes or the file ends.  Returns 0 or
   -errno. */
static int fill(struct block *b, size_t size)
{
	struct buf *t = b->text;
	uint64_t at = b->part.offset - b->lead;
	int r = buf_reserve(t, size - t->len);
	ssize_t n = 1;

	while (r == 0 && n > 0 && t->len < size) {
		n = sys_pread(b->fd, t->data + t->len, size - t->len,
		    at + t->len);
		if (n < 0)
			r = (int)n;
		else
			t->len += (size_t)n;
	}
	return r;
}

/* Returns the position behind the first separator in [from, to) of the buffer;
   0 if there is none. */
static size_t behind(const struct block *b, size_t from, size_t to)
{
	const unsigned char *data = b->text->data;
	const unsigned char *p = memchr(data + from, b->part.separator,
	    to - from);

	return p != NULL ? (size_t)(p - data) + 1 : 0;
}

/* Reads on to the end of the record in which the part ends.  Returns 0 or
   -errno. */
static int complete(struct block *b)
{
	const size_t part_end = b->text->len;
	size_t seen = part_end, step = BEYOND, most;
	int r = 0;

	b->end = behind(b, part_end - 1, part_end);
	while (r == 0 && b->end == 0) {
		most = b->longest - (seen - part_end);
		if (most == 0)
			return -EFBIG;
		r = fill(b, seen + MIN(step, most));
		if (r == 0)
			b->end = b->text->len > seen ?
			    behind(b, seen, b->text->len) : seen;
		seen = b->text->len;
		step *= 2;
	}
	return r;
}

int block_read(struct block *b)
{
	const size_t limit = (size_t)b->part.limit;
	int r;

	if (b->part.limit > SIZE_MAX / 4)
		return -ENOMEM;
	b->longest = MIN(b->longest, SIZE_MAX / 4);
	b->text->max = b->lead + limit + b->longest;
	buf_empty(b->text, MAX(KEPT, 2 * limit));
	r = fill(b, b->lead + limit);
	if (r == 0 && b->text->len < b->lead + limit)
		r = -ESTALE;
	if (r < 0 || limit == 0)
		return r;
	b->end = b->text->len;
	if (b->lead > 0) {
		b->begin = behind(b, 0, limit);
		if (b->begin == 0)
			b->begin = b->end;
	}
	return b->part.separator >= 0 && b->begin < b->end ? complete(b) : 0;
}

/* ---- the public function ---- */

/* Makes the item fail with the reason. */
static void tell(struct vm_context *me, const struct block *b, int error)
{
	unsigned long long from = b->part.offset;

	if (b->part.error > 0)
		vm_fail(me, error, "The size of %s could not be had when the "
		    "source was made: %s.", b->path, words_of(error));
	else if (b->fd < 0)
		vm_fail(me, error, "%s cannot be opened: %s.", b->path,
		    words_of(error));
	else if (error == ESTALE)
		vm_fail(me, error, "%s has become shorter: it ends at byte "
		    "%llu, within the part of %llu bytes from byte %llu on.",
		    b->path, from + b->text->len - b->lead,
		    (unsigned long long)b->part.limit, from);
	else if (error == EFBIG)
		vm_fail(me, error, "The last record of %s in the part from "
		    "byte %llu on does not end within the %zu bytes of "
		    "max_item_bytes beyond the part.", b->path, from,
		    b->longest);
	else
		vm_fail(me, error, "%s cannot be read from byte %llu on: %s.",
		    b->path, from, words_of(error));
}

/* Opens the file, reads the part and closes the file.  Returns 0 or -errno.
   Opening does not wait for a pipe that has taken the place of the file. */
static int read_file(struct vm_context *me, struct block *b)
{
	int r;

	if (b->part.error > 0) {
		tell(me, b, b->part.error);
		return -b->part.error;
	}
	b->fd = sys_open(b->path, O_RDONLY | O_NONBLOCK);
	r = b->fd < 0 ? b->fd : block_read(b);
	if (r < 0)
		tell(me, b, -r);
	sys_close(&b->fd);
	return r;
}

/* Makes the item fail, if there is one.  Returns -1. */
static int refuse(struct context *c)
{
	if (c != NULL && c->in_process)
		vm_fail(&c->public, EINVAL, "vm_read_block() was given NULL, "
		    "or an input that is not of vm_blocks() or vm_files().");
	errno = EINVAL;
	return -1;
}

int vm_read_block(struct vm_context *me, const void *input, size_t size,
    const char **bytes, size_t *length)
{
	struct context *c = me != NULL ?
	    CONTAINER_OF(me, struct context, public) : NULL;
	struct block b = { .fd = -1 };
	int kept = errno;
	int r;

	if (c == NULL || !c->in_process || bytes == NULL || length == NULL ||
	    block_parse(&b, input, size) < 0)
		return refuse(c);
	b.text = &c->text;
	b.longest = c->plan->max_item;
	r = read_file(me, &b);
	errno = r < 0 ? -r : kept;
	if (r < 0)
		return -1;
	*bytes = (const char *)b.text->data + b.begin;
	*length = b.end - b.begin;
	b.text->data[b.end] = '\0';
	return 0;
}
