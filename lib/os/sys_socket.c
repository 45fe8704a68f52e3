/* sys_socket.c - see sys.h: sockets with a path, for machines that join. */
#include "config.h"

#include "os/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"
#include "os/sys_result.h"

/* Connections that wait until they are accepted. */
#define BACKLOG 128

/* Fills in the address.  Returns 0 or -ENAMETOOLONG. */
static int address_of(struct sockaddr_un *a, const char *path)
{
	const size_t size = strlen(path) + 1;

	*a = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (size > sizeof a->sun_path)
		return -ENAMETOOLONG;
	memcpy(a->sun_path, path, size);
	return 0;
}

static int stream_socket(void)
{
	const int type = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

	return sys_lift(result_of(socket(AF_UNIX, type, 0)));
}

int sys_listen(const char *path)
{
	struct sockaddr_un a;
	int r = address_of(&a, path);
	int fd = r == 0 ? stream_socket() : r;

	if (fd < 0)
		return fd;
	/* bind(2) takes the mode from the socket. */
	r = result_of(fchmod(fd, 0600));
	if (r == 0)
		r = result_of(bind(fd, (struct sockaddr *)&a, sizeof a));
	if (r == 0)
		r = result_of(listen(fd, BACKLOG));
	if (r < 0)
		sys_close(&fd);
	return r < 0 ? r : fd;
}

int sys_connect(const char *path)
{
	struct sockaddr_un a;
	int r = address_of(&a, path);
	int fd = r == 0 ? stream_socket() : r;

	if (fd < 0)
		return fd;
	RETRY(r, connect(fd, (struct sockaddr *)&a, sizeof a));
	if (r < 0)
		sys_close(&fd);
	return r < 0 ? r : fd;
}

int sys_accept(int fd)
{
	int r;

	RETRY(r, accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
	return sys_lift(r);
}

bool sys_peer_may(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	    (peer.uid == geteuid() || peer.uid == 0);
}

int sys_unlink(const char *path)
{
	return result_of(unlink(path));
}

int sys_identify_socket(const char *path, struct sys_file *f)
{
	struct stat s;
	int r = result_of(lstat(path, &s));

	if (r == 0 && !S_ISSOCK(s.st_mode))
		r = -ENOTSOCK;
	if (r == 0)
		*f = (struct sys_file){ s.st_dev, s.st_ino };
	return r;
}

int sys_own_directory(const char *path, bool make)
{
	struct stat s;
	int r = make ? result_of(mkdir(path, 0700)) : 0;

	if (r == 0 || r == -EEXIST)
		r = result_of(lstat(path, &s));
	if (r != 0)
		return r;
	if (!S_ISDIR(s.st_mode))
		return -ENOTDIR;
	return s.st_uid == geteuid() && (s.st_mode & 022) == 0 ? 0 : -EPERM;
}

uid_t sys_user(void)
{
	return geteuid();
}
