/* notice.c - see notice.h: messages between caller and fork server. */
#include "config.h"

#include "wire/notice.h"

#include <errno.h>
#include <stddef.h>

#include "os/sys.h"

_Static_assert(NOTICE_FDS <= SYS_FDS, "all can travel");

int notice_send(int socket, struct notice *n, const int fds[NOTICE_FDS])
{
	int some[SYS_FDS], count = 0;

	n->with = 0;
	for (int i = 0; fds != NULL && i < NOTICE_FDS; i++) {
		if (fds[i] < 0)
			continue;
		n->with |= 1u << i;
		some[count++] = fds[i];
	}
	return sys_send(socket, n, sizeof *n, some, count);
}

/* Moves the received descriptors to their places in fds.  Returns true if all
   announced descriptors have arrived. */
static bool sort(const struct notice *n, int came[SYS_FDS],
    int fds[NOTICE_FDS])
{
	bool all = true;
	int k = 0;

	for (int i = 0; i < NOTICE_FDS; i++) {
		if (!(n->with & 1u << i))
			continue;
		fds[i] = came[k];
		all &= came[k] >= 0;
		came[k++] = -1;
	}
	return all;
}

int notice_receive(int socket, struct notice *n, int fds[NOTICE_FDS])
{
	int came[SYS_FDS];
	bool lost;
	ssize_t r = sys_receive(socket, n, sizeof *n, came, &lost);

	for (int i = 0; i < NOTICE_FDS; i++)
		fds[i] = -1;
	if (r == sizeof *n && !sort(n, came, fds))
		lost = true;
	for (int i = 0; i < SYS_FDS; i++)
		sys_close(&came[i]);
	/* A message that the kernel has no memory to deliver stays in the
	   socket's queue. */
	if (r == -EAGAIN || r == -ENOMEM || r == -ENOBUFS)
		return 0;
	if (r == 0 || r == -ECONNRESET)
		return -EPIPE;
	if (r < 0)
		return (int)r;
	if (lost)
		return -EMFILE;
	return r == sizeof *n ? 1 : -EPROTO;
}
