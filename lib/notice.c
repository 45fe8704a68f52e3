/* notice.c - see notice.h: what caller and fork server say. */
#include "config.h"

#include "notice.h"

#include <errno.h>

#include "sys.h"

int notice_send(int socket, const struct notice *n, const int fds[NOTICE_FDS])
{
	int count = 0;

	while (fds != NULL && count < NOTICE_FDS && fds[count] >= 0)
		count++;
	return sys_send(socket, n, sizeof *n, fds, count);
}

int notice_receive(int socket, struct notice *n, int fds[NOTICE_FDS])
{
	bool lost;
	ssize_t r = sys_receive(socket, n, sizeof *n, fds, &lost);

	if (r == -EAGAIN)
		return 0;
	if (r == 0 || r == -ECONNRESET)
		return -EPIPE;
	if (r < 0)
		return (int)r;
	if (lost)
		return -EMFILE;
	return r == sizeof *n ? 1 : -EPROTO;
}
