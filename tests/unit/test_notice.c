/*
 * test_notice.c - notice: whole messages, and the descriptors sent with them
 * arrive in their places; descriptors that do not fit are not leaked.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "tools.h"
#include "wire/notice.h"

static int pair[2];

static void start(void)
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK |
	    SOCK_CLOEXEC, 0, pair), 0);
}

static void stop(void)
{
	close(pair[0]);
	close(pair[1]);
}

/* A different file for each place. */
static void open_all(int fds[NOTICE_FDS])
{
	for (int i = 0; i < NOTICE_FDS; i++) {
		int ends[2];

		ck_assert_int_eq(pipe(ends), 0);
		close(ends[1]);
		fds[i] = ends[0];
	}
}

static void close_all(int fds[NOTICE_FDS])
{
	for (int i = 0; i < NOTICE_FDS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static void is_same_file(int fd, int other)
{
	struct stat a, b;

	ck_assert_int_eq(fstat(fd, &a), 0);
	ck_assert_int_eq(fstat(other, &b), 0);
	ck_assert_uint_eq(a.st_ino, b.st_ino);
	ck_assert_uint_eq(a.st_dev, b.st_dev);
}

START_TEST(a_notice_comes_back)
{
	struct notice sent = { .kind = NOTICE_DIED, .slot = 7,
		.generation = 9, .index = -3, .pid = 12345, .status = 0x8b,
		.error = 4, .max_rss = UINT64_MAX, .cpu_ns = 5,
		.died_at = 6 };
	int fds[NOTICE_FDS], before;
	struct notice came;

	start();
	before = count_fds();
	ck_assert_int_eq(notice_receive(pair[1], &came, fds), 0);
	ck_assert_int_eq(notice_send(pair[0], &sent, NULL), 0);
	ck_assert_int_eq(notice_receive(pair[1], &came, fds), 1);
	ck_assert_mem_eq(&came, &sent, sizeof came);
	for (int i = 0; i < NOTICE_FDS; i++)
		ck_assert_int_eq(fds[i], -1);
	ck_assert_int_eq(count_fds(), before);
	stop();
}
END_TEST

START_TEST(every_subset_of_descriptors_arrives)
{
	int all[NOTICE_FDS], some[NOTICE_FDS], came[NOTICE_FDS];
	struct notice n = { .kind = NOTICE_HIRED };
	int before;

	start();
	open_all(all);
	before = count_fds();
	for (unsigned with = 0; with < 1u << NOTICE_FDS; with++) {
		for (int i = 0; i < NOTICE_FDS; i++)
			some[i] = with & 1u << i ? all[i] : -1;
		ck_assert_int_eq(notice_send(pair[0], &n, some), 0);
		ck_assert_int_eq(notice_receive(pair[1], &n, came), 1);
		ck_assert_uint_eq(n.with, with);
		for (int i = 0; i < NOTICE_FDS; i++) {
			ck_assert_int_eq(came[i] >= 0, some[i] >= 0);
			if (came[i] < 0)
				continue;
			is_same_file(came[i], all[i]);
			ck_assert_int_ne(fcntl(came[i], F_GETFD) &
			    FD_CLOEXEC, 0);
		}
		close_all(came);
		ck_assert_int_eq(count_fds(), before);
	}
	close_all(all);
	stop();
}
END_TEST

/* Sends a raw message with that many descriptors. */
static void send_raw(const void *from, size_t size, int *fds, size_t count)
{
	union {
		char room[CMSG_SPACE(sizeof(int) * NOTICE_FDS)];
		struct cmsghdr align;
	} u;
	struct iovec part = { (void *)from, size };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *c;

	memset(&u, 0, sizeof u);
	if (count > 0) {
		m.msg_control = u.room;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
	}
	ck_assert_int_eq(sendmsg(pair[0], &m, 0), (int)size);
}

/* The receiver owns the descriptors that arrived and were announced; all others
   are closed. */
START_TEST(descriptors_that_were_not_announced_are_closed)
{
	int all[NOTICE_FDS], came[NOTICE_FDS], before;
	struct notice n = { .kind = NOTICE_HIRED };

	start();
	open_all(all);
	before = count_fds();
	for (unsigned with = 0; with < 1u << NOTICE_FDS; with++) {
		n.with = with;
		send_raw(&n, sizeof n, all, NOTICE_FDS);
		ck_assert_int_eq(notice_receive(pair[1], &n, came), 1);
		for (int i = 0, k = 0; i < NOTICE_FDS; i++) {
			ck_assert_int_eq(came[i] >= 0, (with >> i) & 1);
			if (came[i] >= 0)
				is_same_file(came[i], all[k++]);
		}
		close_all(came);
		ck_assert_int_eq(count_fds(), before);
	}
	close_all(all);
	stop();
}
END_TEST

START_TEST(descriptors_that_do_not_come_are_told)
{
	int all[NOTICE_FDS], came[NOTICE_FDS], before;
	struct notice n = { .kind = NOTICE_HIRED };

	start();
	open_all(all);
	before = count_fds();
	for (size_t count = 0; count < NOTICE_FDS; count++) {
		n.with = (1u << NOTICE_FDS) - 1;
		send_raw(&n, sizeof n, all, count);
		ck_assert_int_eq(notice_receive(pair[1], &n, came), -EMFILE);
		ck_assert_int_eq(n.kind, NOTICE_HIRED);
		close_all(came);
		ck_assert_int_eq(count_fds(), before);
	}
	close_all(all);
	stop();
}
END_TEST

/* The limit leaves room for two descriptors, and four arrive. */
START_TEST(descriptors_beyond_the_limit_are_told)
{
	int all[NOTICE_FDS], came[NOTICE_FDS], before, top;
	struct notice n = { .kind = NOTICE_HIRED };
	struct rlimit limit;

	start();
	open_all(all);
	before = count_fds();
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	top = dup(0);
	close(top);
	limit.rlim_cur = (rlim_t)top + 2;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(notice_send(pair[0], &n, all), 0);
	ck_assert_int_eq(notice_receive(pair[1], &n, came), -EMFILE);
	ck_assert_int_eq(n.kind, NOTICE_HIRED);
	close_all(came);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(count_fds(), before);
	close_all(all);
	stop();
}
END_TEST

START_TEST(part_of_a_notice_is_nonsense)
{
	unsigned char bytes[sizeof(struct notice)] = { 0 };
	int all[NOTICE_FDS], came[NOTICE_FDS], before;
	struct notice n;

	start();
	open_all(all);
	before = count_fds();
	for (size_t size = 1; size < sizeof bytes; size++) {
		send_raw(bytes, size, all, NOTICE_FDS);
		ck_assert_int_lt(notice_receive(pair[1], &n, came), 0);
		for (int i = 0; i < NOTICE_FDS; i++)
			ck_assert_int_eq(came[i], -1);
		ck_assert_int_eq(count_fds(), before);
	}
	close_all(all);
	stop();
}
END_TEST

START_TEST(the_other_end_may_be_gone)
{
	struct notice n = { .kind = NOTICE_END };
	int came[NOTICE_FDS];

	start();
	ck_assert_int_eq(notice_send(pair[0], &n, NULL), 0);
	close(pair[0]);
	ck_assert_int_eq(notice_receive(pair[1], &n, came), 1);
	ck_assert_int_eq(n.kind, NOTICE_END);
	ck_assert_int_eq(notice_receive(pair[1], &n, came), -EPIPE);
	ck_assert_int_eq(notice_send(pair[1], &n, NULL), -EPIPE);
	close(pair[1]);
}
END_TEST

/* Neither side blocks: a send that would block fails, and works later. */
START_TEST(a_full_socket_is_told)
{
	struct notice n = { .kind = NOTICE_KILL };
	int came[NOTICE_FDS], sent = 0;

	start();
	while (notice_send(pair[0], &n, NULL) == 0)
		n.slot = (uint32_t)++sent;
	ck_assert_int_ge(sent, 16);
	ck_assert_int_eq(notice_send(pair[0], &n, NULL), -EAGAIN);
	for (int i = 0; i < sent; i++) {
		ck_assert_int_eq(notice_receive(pair[1], &n, came), 1);
		ck_assert_uint_eq(n.slot, (uint32_t)i);
	}
	ck_assert_int_eq(notice_receive(pair[1], &n, came), 0);
	stop();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { a_notice_comes_back,
		every_subset_of_descriptors_arrives,
		descriptors_that_were_not_announced_are_closed,
		descriptors_that_do_not_come_are_told,
		descriptors_beyond_the_limit_are_told,
		part_of_a_notice_is_nonsense, the_other_end_may_be_gone,
		a_full_socket_is_told };

	return run_tests("notice", tests, COUNTOF(tests));
}
