/*
 * lines.c - lines of text as a ready-made source, from a FILE or from a
 * descriptor.
 *
 * Runs in: caller.  A line stays in a buffer of the source until the next line
 * is read, and may be as long as made_limit() says; without limit below a
 * source of the program that passes lines on.
 *
 * Easy to get wrong: the descriptor may be shared with other programs, so its
 * flags must not be changed; it is polled before each read.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/sources.h"
#include "base/buf.h"
#include "os/sys.h"

/* Bytes of one read. */
#define READ_SIZE ((size_t)64 * 1024)

struct lines {
	struct made made;
	FILE *file;		/* or NULL: fd */
	int fd;
	struct buf text;	/* buffer of the line; of an fd, with the text
				   after it */
	size_t line;		/* offset of the next line in the buffer */
	size_t seen;		/* bytes of it known to have no newline */
	bool ended;
};

static void lines_release(void *state)
{
	struct lines *l = state;

	buf_release(&l->text);
}

static int fail(int error)
{
	errno = error;
	return -1;
}

/* ---- from a FILE ---- */

static int read_line(struct lines *l)
{
	int c, r = 0;

	l->text.len = 0;
	while (r == 0 && (c = getc_unlocked(l->file)) != EOF && c != '\n') {
		unsigned char byte = (unsigned char)c;

		if (l->text.len >= l->made.most)
			r = -EFBIG;
		else
			r = buf_append(&l->text, &byte, 1);
	}
	if (r < 0)
		return r;
	if (c == EOF && ferror(l->file))
		return errno > 0 ? -errno : -EIO;
	return c != EOF || l->text.len > 0;
}

static int file_next(void *from, const void **input, size_t *size)
{
	struct lines *l = from;
	int r;

	flockfile(l->file);
	r = read_line(l);
	funlockfile(l->file);
	if (r < 0)
		return fail(-r);
	*input = l->text.data;
	*size = l->text.len;
	return r;
}

/* ---- from a descriptor ---- */

/* Takes the next line if the buffer has all of it.  Returns 1 or 0. */
static int cut_line(struct lines *l, const void **input, size_t *size)
{
	const unsigned char *start = l->text.data + l->line;
	size_t have = l->text.len - l->line;
	const unsigned char *end = NULL;

	if (have > l->seen)
		end = memchr(start + l->seen, '\n', have - l->seen);
	l->seen = have;
	if (end == NULL && !(l->ended && have > 0))
		return 0;
	*input = start;
	*size = end ? (size_t)(end - start) : have;
	l->line += *size + (end != NULL);
	l->seen = 0;
	return 1;
}

/* Reads available bytes into the buffer.  Returns 1, 0 at the end of the file,
   VM_LATER, -errno. */
static int read_more(struct lines *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	ssize_t n;
	int r;

	if (l->text.len - l->line > l->made.most)
		return -EFBIG;
	r = sys_poll(&p, 1, 0);
	if (r == 0)
		return VM_LATER;
	memmove(l->text.data, l->text.data + l->line, l->text.len - l->line);
	l->text.len -= l->line;
	l->line = 0;
	r = buf_reserve(&l->text, READ_SIZE);
	if (r < 0)
		return r;
	n = sys_read(l->fd, l->text.data + l->text.len, READ_SIZE);
	if (n == -EAGAIN)
		return VM_LATER;
	if (n <= 0)
		return (int)n;
	l->text.len += (size_t)n;
	return 1;
}

static int fd_next(void *from, const void **input, size_t *size)
{
	struct lines *l = from;
	int r = 1;

	for (;;) {
		if (cut_line(l, input, size))
			return 1;
		if (l->ended)
			return 0;
		r = read_more(l);
		if (r < 0)
			return fail(-r);
		if (r == VM_LATER)
			return r;
		l->ended = r == 0;
	}
}

static int fd_wait(void *from)
{
	const struct lines *l = from;

	return l->fd;
}

/* ---- both ---- */

static struct vm_source make(inputs_next next, FILE *file, int fd)
{
	struct lines first = { .file = file, .fd = fd,
		.made = { .release = lines_release, .most = SIZE_MAX / 8 } };
	struct lines *l;

	buf_init(&first.text, SIZE_MAX / 4);
	if (buf_reserve(&first.text, 1) < 0)
		return sources_no_memory();
	l = sources_state(&first, sizeof first);
	if (l == NULL) {
		buf_release(&first.text);
		return sources_no_memory();
	}
	return sources_make(next, l, 0);
}

struct vm_source vm_lines(FILE *file)
{
	static const struct made_flaw null = { EINVAL,
		"The FILE given to vm_lines() is NULL; was it opened?" };
	struct vm_source s;

	if (file == NULL)
		return sources_unmade(&null);
	s = make(file_next, file, -1);
	if (s.next != NULL)
		s.wait_fd = NULL;	/* reads may block */
	return s;
}

struct vm_source vm_lines_fd(int fd)
{
	static const struct made_flaw negative = { EBADF,
		"The descriptor given to vm_lines_fd() is negative; was it "
		"opened?" };
	struct vm_source s;

	if (fd < 0)
		return sources_unmade(&negative);
	s = make(fd_next, NULL, fd);
	if (s.next != NULL)
		s.wait_fd = fd_wait;
	return s;
}
