/* sys_file.c - see sys.h: system calls on large files and terminals. */
#include "config.h"

#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/base.h"
#include "os/sys_result.h"

int64_t sys_size_of(const char *path)
{
	struct stat s;
	int r;

	RETRY(r, stat(path, &s));
	if (r < 0)
		return r;
	return S_ISREG(s.st_mode) ? (int64_t)s.st_size : -ESPIPE;
}

ssize_t sys_pwrite(int fd, const void *from, size_t size, uint64_t at)
{
	ssize_t r;

	RETRY(r, pwrite(fd, from, size, (off_t)at));
	return r;
}

int sys_memory_file(void)
{
	return sys_lift(result_of((int)syscall(SYS_memfd_create, "vimap",
	    1u /* MFD_CLOEXEC */)));
}

/* For systems that cannot make a file without a name: unlinks it at once. */
static int make_and_unlink(const char *dir)
{
	char path[3840];	/* a stack frame may have 4096 */
	int n = snprintf(path, sizeof path, "%s/vimap.XXXXXX", dir);
	int fd;

	if (n < 0 || (size_t)n >= sizeof path)
		return -ENAMETOOLONG;
	fd = result_of(mkostemp(path, O_CLOEXEC));
	if (fd >= 0)
		unlink(path);
	return fd;
}

int sys_temporary(const char *dir)
{
	int fd;

	RETRY(fd, open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600));
	/* Old kernels report a directory, and some file systems refuse. */
	if (fd == -EISDIR || fd == -EOPNOTSUPP || fd == -EINVAL ||
	    sys_lacks(fd))
		fd = make_and_unlink(dir);
	return sys_lift(fd);
}

/* Checks a file that may have been there before, and empties it if it is not to
   be kept.  Contents that are kept are believed, so nobody else may write
   them. */
static int take_over(int fd, bool keep)
{
	struct stat s;
	int r;

	RETRY(r, fstat(fd, &s));
	if (r < 0)
		return r;
	if (!S_ISREG(s.st_mode))
		return -ESPIPE;
	if (s.st_uid != geteuid() ||
	    (keep && (s.st_mode & (S_IWGRP | S_IWOTH)) != 0))
		return -EPERM;
	if (s.st_nlink != 1)
		return -EMLINK;
	if (!keep)
		RETRY(r, ftruncate(fd, 0));
	return r;
}

/* Opens or makes a file for appending, with further flags. */
static int open_own(const char *path, int more)
{
	/* Without a reader, a FIFO would make open(2) wait. */
	const int flags = O_APPEND | O_CREAT | O_CLOEXEC |
	    O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | more;
	int fd, r;

	RETRY(fd, open(path, flags, 0600));
	r = fd < 0 || more & O_EXCL ? 0 : take_over(fd, more & O_RDWR);
	if (r < 0) {
		sys_close(&fd);
		return r;
	}
	return sys_lift(fd == -ENXIO ? -ESPIPE : fd);
}

int sys_create(const char *path, bool fresh)
{
	return open_own(path, O_WRONLY | (fresh ? O_EXCL : 0));
}

int sys_extend(const char *path)
{
	return open_own(path, O_RDWR);
}

int sys_lock_file(int fd)
{
	struct stat s;
	int r;

	RETRY(r, flock(fd, LOCK_EX | LOCK_NB));
	if (r == 0)
		RETRY(r, fstat(fd, &s));
	return r == 0 && s.st_nlink == 0 ? -EWOULDBLOCK : r;
}

int sys_sync(int fd)
{
	int r;

	RETRY(r, fdatasync(fd));
	return r;
}

int sys_sync_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	size_t size = slash == NULL ? 0 : (size_t)MAX(slash - path, 1);
	char *dir = size > 0 ? strndup(path, size) : strdup(".");
	int fd = dir != NULL ? sys_open(dir, O_RDONLY | O_DIRECTORY) : -ENOMEM;
	int r = fd;

	if (fd >= 0) {
		RETRY(r, fsync(fd));
		sys_close(&fd);
	}
	free(dir);
	/* Some file systems cannot, as those without a disk. */
	return r == -EINVAL ? 0 : r;
}

void sys_random(unsigned char to[16])
{
	const void *from = (const void *)(uintptr_t)getauxval(AT_RANDOM);

	memset(to, 0, 16);
	if (from != NULL)
		memcpy(to, from, 16);
}

void sys_punch(int fd, uint64_t at, uint64_t size)
{
	int kept = errno;

	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)at,
	    (off_t)size);
	errno = kept;
}

uint64_t sys_file_limit(void)
{
	struct rlimit limit = { .rlim_cur = RLIM_INFINITY };

	getrlimit(RLIMIT_FSIZE, &limit);
	return limit.rlim_cur;
}

/* ---- terminals ---- */

int sys_columns(int fd)
{
	struct winsize size;
	int r;

	memset(&size, 0, sizeof size);
	r = result_of(ioctl(fd, TIOCGWINSZ, &size));
	return r < 0 ? r : size.ws_col;
}

bool sys_in_foreground(int fd)
{
	pid_t group = tcgetpgrp(fd);

	return group < 0 || group == getpgrp();
}

const char *sys_getenv(const char *name)
{
	return secure_getenv(name);
}
