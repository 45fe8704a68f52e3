/* outfile.c - see outfile.h: files that the library writes for people. */
#include "config.h"

#include "os/outfile.h"

#include <errno.h>

#include "base/words.h"
#include "os/fdlist.h"

int outfile_open(struct outfile *f, const char *path, bool fresh)
{
	int r;

	*f = (struct outfile){ .fd = -1 };
	fdlist_lock();
	r = sys_create(path, fresh);
	if (r >= 0) {
		f->fd = r;
		r = fdlist_add(f->fd);
		if (r < 0)
			sys_close(&f->fd);
	}
	fdlist_unlock();
	sys_identify(f->fd, &f->file);
	return r;
}

/* Appends as much as the file takes.  Returns 0 or -errno. */
static int append(const struct outfile *f, const char *text, size_t size)
{
	size_t at = 0;

	while (at < size) {
		ssize_t r = sys_write(f->fd, text + at, size - at);

		if (r <= 0)
			return r < 0 ? (int)r : -ENOSPC;
		at += (size_t)r;
	}
	return 0;
}

int outfile_write(struct outfile *f, const char *text, size_t size)
{
	int r;

	if (f->fd < 0 || !sys_is(f->fd, &f->file))
		return -EBADF;
	if (f->size + size > sys_file_limit())
		return -EFBIG;
	r = append(f, text, size);
	if (r == 0)
		f->size += size;
	else
		sys_truncate(f->fd, f->size);
	return r;
}

void outfile_close(struct outfile *f, void (*close)(int *fd))
{
	close(&f->fd);
}

const char *outfile_flaw(int error)
{
	switch (error) {
	case ELOOP:
		return "it is a symbolic link";
	case EPERM:
		return "it is another user's";
	case EMLINK:
		return "it has several links";
	case ESPIPE:
		return "it is no regular file";
	default:
		return words_of(error);
	}
}
