/* outfile.c - see outfile.h: files that the library writes. */
#include "config.h"

#include "os/outfile.h"

#include <errno.h>

#include "base/base.h"
#include "base/words.h"
#include "os/fdlist.h"

/* Takes over a descriptor that was opened with the lock of the list held, or
   the error.  Returns 0 or -errno. */
static int list(struct outfile *f, int fd)
{
	int r = fd;

	*f = (struct outfile){ .fd = -1 };
	if (fd >= 0) {
		f->fd = fd;
		r = fdlist_add(f->fd);
		if (r < 0)
			sys_close(&f->fd);
	}
	sys_identify(f->fd, &f->file);
	return MIN(r, 0);
}

int outfile_open(struct outfile *f, const char *path, bool fresh)
{
	int r;

	fdlist_lock();
	r = list(f, sys_create(path, fresh));
	fdlist_unlock();
	return r;
}

int outfile_extend(struct outfile *f, const char *path)
{
	int64_t size;
	int r;

	fdlist_lock();
	r = list(f, sys_extend(path));
	fdlist_unlock();
	if (r == 0)
		r = sys_lock_file(f->fd);
	size = r == 0 ? sys_size(f->fd) : r;
	if (size < 0)
		fdlist_drop(&f->fd);
	else
		f->size = (uint64_t)size;
	return (int)MIN(size, 0);
}

/* Appends as much as the file takes.  Returns 0 or -errno. */
static int append(const struct outfile *f, struct iovec *at, int count)
{
	while (count > 0) {
		ssize_t r = sys_writev(f->fd, at, count);

		if (r <= 0)
			return r < 0 ? (int)r : -ENOSPC;
		for (; count > 0 && (size_t)r >= at->iov_len; at++, count--)
			r -= (ssize_t)at->iov_len;
		if (count > 0) {
			at->iov_base = (char *)at->iov_base + r;
			at->iov_len -= (size_t)r;
		}
	}
	return 0;
}

/* Cuts off what a write has left.  Returns 0 or -errno. */
static int mend(struct outfile *f)
{
	int r = f->torn ? sys_truncate(f->fd, f->size) : 0;

	f->torn = r < 0;
	return r;
}

int outfile_append(struct outfile *f, const struct iovec *parts, int count)
{
	struct iovec left[OUTFILE_PARTS];
	size_t size = 0;
	int n = 0, r;

	for (int i = 0; i < count; i++) {
		size += parts[i].iov_len;
		if (parts[i].iov_len > 0)
			left[n++] = parts[i];
	}
	r = f->fd < 0 ? -EBADF : sys_is_whole(f->fd, &f->file,
	    f->torn ? UINT64_MAX : f->size);
	if (r < 0)
		return r;
	if (f->size + size > sys_file_limit())
		return -EFBIG;
	r = mend(f);
	if (r == 0)
		r = append(f, left, n);
	if (r == 0)
		f->size += size;
	else
		f->torn = sys_truncate(f->fd, f->size) < 0;
	return r;
}

int outfile_write(struct outfile *f, const char *text, size_t size)
{
	const struct iovec part = { .iov_base = (void *)(uintptr_t)text,
		.iov_len = size };

	return outfile_append(f, &part, 1);
}

int outfile_cut(struct outfile *f, uint64_t size)
{
	int r = sys_truncate(f->fd, size);

	if (r == 0)
		f->size = size;
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
		return "it is another user's, or others may write to it";
	case EMLINK:
		return "it has several links";
	case ESPIPE:
		return "it is no regular file";
	case EWOULDBLOCK:
		return "another pool has it open";
	case EFBIG:
		return "the limit on the size of files is reached "
		    "(RLIMIT_FSIZE)";
	case EBADF:
		return "the program has closed its descriptor";
	case ESTALE:
		return "another program has changed or removed it";
	default:
		return words_of(error);
	}
}
