/* door.c - see door.h: the socket where agents join a pool. */
#include "config.h"

#include "os/door.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "os/fdlist.h"

/* ---- paths ---- */

static bool is_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' &&
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789._-") == strlen(name);
}

/* Writes the directory of names into a buffer of DOOR_PATH bytes; make: makes
   it, if it is not there.  Returns 0 or -errno. */
static int directory(char *to, bool make)
{
	const char *runtime = sys_getenv("XDG_RUNTIME_DIR");
	const unsigned long user = sys_user();
	char usual[40];

	snprintf(usual, sizeof usual, "/run/user/%lu", user);
	if (runtime == NULL || runtime[0] != '/')
		runtime = sys_own_directory(usual, false) == 0 ? usual : NULL;
	if (runtime == NULL)
		snprintf(to, DOOR_PATH, "/tmp/vimap-%lu", user);
	else if (snprintf(to, DOOR_PATH, "%s/vimap", runtime) >= DOOR_PATH)
		return -ENAMETOOLONG;
	return sys_own_directory(to, make);
}

/* Writes the path of a door into a buffer of DOOR_PATH bytes. */
static int path_of(char *to, const char *name, bool make)
{
	char dir[DOOR_PATH];
	int r;

	if (strchr(name, '/') != NULL)
		return snprintf(to, DOOR_PATH, "%s", name) < DOOR_PATH ? 0 :
		    -ENAMETOOLONG;
	if (!is_name(name))
		return -EINVAL;
	r = directory(dir, make);
	if (r == 0 && snprintf(to, DOOR_PATH, "%s/%s", dir, name) >= DOOR_PATH)
		r = -ENAMETOOLONG;
	return r;
}

/* ---- listening ---- */

/* Listens at the path, in the place of a socket that nobody listens at.
   Returns the descriptor or -errno. */
static int listen_at(const char *path)
{
	int fd = sys_listen(path), other;
	struct sys_file file;
	bool is_left;

	if (fd != -EADDRINUSE || sys_identify_socket(path, &file) < 0)
		return fd;
	other = sys_connect(path);
	is_left = other == -ECONNREFUSED;
	sys_close(&other);
	if (!is_left)
		return -EADDRINUSE;
	sys_unlink(path);
	return sys_listen(path);
}

/* The same for one process at a time: between its bind(2) and listen(2), or
   between the look at a socket that is left and its removal, a socket is not to
   be taken for another's.  The lock is a file beside the path until then. */
static int listen_alone(const char *path)
{
	char lock[DOOR_PATH + 8];
	int fd, r;

	snprintf(lock, sizeof lock, "%s.lock", path);
	fd = sys_extend(lock);
	r = fd < 0 ? fd : sys_lock_file(fd);
	if (r == 0) {
		r = listen_at(path);
		sys_unlink(lock);
	}
	sys_close(&fd);
	/* Another process was here, or is. */
	return r == -EWOULDBLOCK || r == -EMLINK ? -EADDRINUSE : r;
}

int door_open(struct door *d, const char *name)
{
	char path[DOOR_PATH];
	int r;

	*d = (struct door){ .fd = -1 };
	r = path_of(path, name, true);
	if (r < 0)
		return r;
	fdlist_lock();
	r = listen_alone(path);
	if (r >= 0) {
		d->fd = r;
		memcpy(d->path, path, sizeof path);
		r = fdlist_add(d->fd);
	}
	if (d->fd >= 0 && r == 0)
		r = sys_identify_socket(path, &d->file);
	fdlist_unlock();
	return r;
}

void door_close(struct door *d, void (*close)(int *fd))
{
	struct sys_file now;

	if (d->path[0] != '\0' && sys_identify_socket(d->path, &now) == 0 &&
	    now.device == d->file.device && now.inode == d->file.inode)
		sys_unlink(d->path);
	d->path[0] = '\0';
	close(&d->fd);
}

/* ---- connections ---- */

int door_accept(int fd)
{
	int r = sys_accept(fd);

	while (r >= 0 && !sys_peer_may(r)) {
		sys_close(&r);
		r = sys_accept(fd);
	}
	return r;
}

int door_connect(const char *name)
{
	char path[DOOR_PATH];
	int r = path_of(path, name, false);

	if (r == 0)
		r = sys_connect(path);
	if (r >= 0 && !sys_peer_may(r)) {
		sys_close(&r);
		r = -EPERM;
	}
	return r;
}
