/* scratch.c - see scratch.h: directories that a test makes for itself. */
#include "config.h"

#include "scratch.h"

#include <check.h>
#include <errno.h>
#include <ftw.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/base.h"

#define NAME "vimap-test.XXXXXX"

void scratch_make(char *dir, size_t room)
{
	const char *tmp = getenv("TMPDIR");

	if (tmp == NULL ||
	    snprintf(dir, room, "%s/%s", tmp, NAME) >= (int)room)
		snprintf(dir, room, "/tmp/%s", NAME);
	ck_assert_msg(mkdtemp(dir) != NULL, "%s: %s", dir, strerror(errno));
}

static int drop(const char *path, const struct stat *st, int flag,
    struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void scratch_drop(const char *dir)
{
	ck_assert_msg(nftw(dir, drop, 8, FTW_DEPTH | FTW_PHYS) == 0, "%s: %s",
	    dir, strerror(errno));
}

/* Writes a text to a file of this process in /proc.  Returns 0 or -1. */
static int tell_kernel(const char *file, const char *format, ...)
    PRINTF_LIKE(2, 3);
static int tell_kernel(const char *file, const char *format, ...)
{
	FILE *f = fopen(file, "w");
	va_list ap;
	int r;

	if (f == NULL)
		return -1;
	va_start(ap, format);
	r = vfprintf(f, format, ap);
	va_end(ap);
	return fclose(f) == 0 && r > 0 ? 0 : -1;
}

/* Mounts of this process's own.  Who is not root has them in a user namespace,
   which has to know a user, or no file could be made on its disks. */
static int unshare_mounts(void)
{
	long user = geteuid(), group = getegid();

	if (user == 0)
		return unshare(CLONE_NEWNS);
	if (unshare(CLONE_NEWNS | CLONE_NEWUSER) != 0 ||
	    tell_kernel("/proc/self/setgroups", "deny") != 0 ||
	    tell_kernel("/proc/self/uid_map", "%ld %ld 1", user, user) != 0)
		return -1;
	return tell_kernel("/proc/self/gid_map", "%ld %ld 1", group, group);
}

int scratch_mount(const char *dir, unsigned kib)
{
	char size[32];

	snprintf(size, sizeof size, "size=%uk", kib);
	if (unshare_mounts() == 0 &&
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
	    mount("none", dir, "tmpfs", 0, size) == 0)
		return 0;
	fprintf(stderr, "skipped: a small disk cannot be mounted here: %s\n",
	    strerror(errno));
	return -1;
}
