/* sys_mem.c - see sys.h: system calls on memory. */
#include "config.h"

#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "os/sys_result.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static void *map(size_t size, int flags)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

/* Maps shared memory.  After mlockall(2) the kernel would touch all pages of a
   new mapping, except those that nobody may access: access comes second, or
   with another mapping at the same place where mprotect(2) is forbidden. */
static void *map_untouched(size_t size, int flags, int fd)
{
	const int access = PROT_READ | PROT_WRITE;
	void *at;

	flags |= MAP_SHARED | MAP_NORESERVE;
	at = mmap(NULL, size, PROT_NONE, flags, fd, 0);
	if (at != MAP_FAILED && mprotect(at, size, access) != 0)
		at = mmap(at, size, access, flags | MAP_FIXED, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

void *sys_map_shared(size_t size)
{
	return map_untouched(size, MAP_ANONYMOUS, -1);
}

/* Pages mapped by a descriptor that was opened read-only can never be made
   writable.  The size is checked first, as exceeding the limit on files would
   raise SIGXFSZ. */
int sys_map_file(size_t size, void **at)
{
	int fd = size > sys_file_limit() ? -EFBIG : sys_memory_file();
	int r = fd;

	if (fd < 0)
		return r;
	RETRY(r, ftruncate(fd, (off_t)size));
	if (r == 0)
		r = sys_reopen(fd, O_RDONLY);
	if (r >= 0) {
		*at = map_untouched(size, 0, fd);
		if (*at == NULL) {
			sys_close(&r);
			r = -ENOMEM;
		}
	}
	sys_close(&fd);
	return r;
}

int sys_map_to_read(void *at, size_t size, int fd)
{
	void *r = mmap(at, size, PROT_READ, MAP_SHARED | MAP_NORESERVE |
	    MAP_FIXED, fd, 0);

	return r == MAP_FAILED ? -errno : 0;
}

void *sys_map_private(size_t size)
{
	return map(size, MAP_PRIVATE);
}

/* Most architectures have huge pages of this size. */
#define HUGE_PAGE ((uintptr_t)2 * 1024 * 1024)

void sys_ask_huge(void *at, size_t size)
{
	uintptr_t from = ((uintptr_t)at + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	uintptr_t to = ((uintptr_t)at + size) & ~(HUGE_PAGE - 1);
	int kept = errno;

	if (from < to)
		madvise((void *)from, to - from, MADV_HUGEPAGE);
	errno = kept;
}

int sys_protect(void *at, size_t size, bool writable)
{
	return result_of(mprotect(at, size,
	    PROT_READ | (writable ? PROT_WRITE : 0)));
}

void sys_unmap(void *at, size_t size)
{
	int kept = errno;

	if (at != NULL && size > 0)
		munmap(at, size);
	errno = kept;
}

int sys_dont_fork(void *at, size_t size)
{
	return result_of(madvise(at, size, MADV_DONTFORK));
}

void sys_do_fork(void *at, size_t size)
{
	int kept = errno;

	madvise(at, size, MADV_DOFORK);
	errno = kept;
}

int sys_wipe_on_fork(void *at, size_t size)
{
	return result_of(madvise(at, size, MADV_WIPEONFORK));
}

void sys_wipe(void *at, size_t size)
{
	int kept = errno;

	if (madvise(at, size, MADV_REMOVE) != 0)
		memset(at, 0, size);
	errno = kept;
}

void sys_give_back(void *at, size_t size)
{
	int kept = errno;

	madvise(at, size, MADV_REMOVE);
	errno = kept;
}

int sys_has_room(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		return -errno;
	munmap(at, size);
	return 0;
}

size_t sys_page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}
