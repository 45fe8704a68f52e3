/*
 * door.h - the socket where agents join a pool, and the way to it.
 *
 * Runs in: caller, which opens the door and removes it; links, which accept;
 * agents that join, and relays, which connect.  Only processes of the same user
 * and of root can connect, and only to such a process.
 *
 * A name without "/" is a socket in a directory of the user's own: vimap in
 * $XDG_RUNTIME_DIR or, if that is not set, in /run/user/UID; where there is
 * neither, /tmp/vimap-UID.
 */
#ifndef DOOR_H
#define DOOR_H

#include "os/sys.h"

/* Bytes of a path that a socket can have, with its 0. */
#define DOOR_PATH 108

struct door {
	int fd;			/* listens; -1: closed */
	char path[DOOR_PATH];	/* removed by this process; "": not */
	struct sys_file file;	/* the path's, when it was made */
};

/*
 * Makes the socket, of mode 0600, under a path or a name.  A socket there that
 * nobody listens at is replaced.  Does not block.  Returns 0; -EADDRINUSE if a
 * process listens there, or the path is that of another file; -EINVAL for an
 * impossible name; -ENAMETOOLONG; -EPERM if the directory is open to others; or
 * another -errno.
 */
int door_open(struct door *, const char *name);

/* Removes the path, unless another file has its place, and closes the
   descriptor by the callback. */
void door_close(struct door *, void (*close)(int *fd));

/* Accepts a connection of this user's.  Returns a descriptor that does not
   block, or -EAGAIN if there is none now. */
int door_accept(int fd);

/* Connects without blocking.  Returns the descriptor; -ENOENT or -ECONNREFUSED
   if no pool listens there now; -EAGAIN if too many wait; -EPERM if the process
   there is another user's; or as door_open(). */
int door_connect(const char *name);

#endif
