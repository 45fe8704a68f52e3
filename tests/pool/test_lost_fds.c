/*
 * test_lost_fds.c - hosts that close descriptors of the pool and then open
 * other files with their numbers: the pool breaks with a reason, each input has
 * one result, and no file of the host is written to, read or closed.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "tools.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
/* Descriptors below this number are checked; the test keeps its own from here
   on. */
#define NUMBERS 200

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker echoing = { .process = echo };

/* ---- descriptors of the pool, and files that the host puts there ---- */

enum kind { NOTHING, FILES, SOCKETS, COUNTERS, SETS, PROCESSES, KINDS };

static bool before[NUMBERS];
static int ours[NUMBERS], far[NUMBERS];
static size_t count;
static pid_t child;

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) != -1;
}

static void note_open(void)
{
	for (int fd = 0; fd < NUMBERS; fd++)
		before[fd] = is_open(fd);
}

/* Finds the descriptors of the pool: those opened since note_open(). */
static void find_ours(void)
{
	count = 0;
	for (int fd = 0; fd < NUMBERS; fd++)
		if (!before[fd] && is_open(fd))
			ours[count++] = fd;
	ck_assert_uint_gt(count, 0);
}

/* Returns a new file of a kind; *end is a descriptor of the other end of a
   socket pair, or -1. */
static int make(enum kind kind, int *end)
{
	int ends[2];

	*end = -1;
	if (kind == FILES)
		return memfd_create("host", 0);
	if (kind == COUNTERS)
		return eventfd(0, EFD_NONBLOCK);
	if (kind == SETS)
		return epoll_create1(0);
	if (kind == PROCESSES)
		return (int)syscall(SYS_pidfd_open, child, 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	*end = fcntl(ends[1], F_DUPFD, NUMBERS);
	close(ends[1]);
	return ends[0];
}

/* The host closes a descriptor of the pool, and puts another file there. */
static void take_over(size_t which, enum kind kind)
{
	int fd;

	if (kind == NOTHING) {
		close(ours[which]);
		return;
	}
	fd = make(kind, &far[which]);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dup2(fd, ours[which]), ours[which]);
	close(fd);
}

/* The file of the host was not read, written or closed. */
static void check_untouched(size_t which, enum kind kind)
{
	struct epoll_event event;
	struct stat s;
	uint64_t n;
	int fd = ours[which];

	ck_assert_msg(is_open(fd) == (kind != NOTHING), "number %d, kind %d",
	    fd, (int)kind);
	if (kind == FILES) {
		ck_assert_int_eq(fstat(fd, &s), 0);
		ck_assert_int_eq(s.st_size, 0);
		ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 0);
	} else if (kind == SOCKETS) {
		ck_assert_int_eq(recv(far[which], &n, sizeof n,
		    MSG_DONTWAIT), -1);
		ck_assert_int_eq(errno, EAGAIN);
	} else if (kind == COUNTERS) {
		ck_assert_int_eq(read(fd, &n, sizeof n), -1);
		ck_assert_int_eq(errno, EAGAIN);
	} else if (kind == SETS) {
		ck_assert_int_eq(epoll_wait(fd, &event, 1, 0), 0);
	} else if (kind == PROCESSES) {
		ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
	}
}

/* A child of the host that must survive. */
static void have_child(void)
{
	const pid_t host = getpid();

	child = new_process();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != host)
			_exit(0);
		for (;;)
			pause();
	}
}

static void end_child(void)
{
	kill(child, SIGKILL);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

static void check_broken(const vm_pool *pool)
{
	ck_assert_msg(errno == EPIPE, "%s: %s", strerror(errno),
	    vm_error(pool));
	ck_assert_int_eq(vm_broken(pool), 1);
	ck_assert_msg(strstr(vm_error(pool), "has closed descriptors") != NULL,
	    "%s", vm_error(pool));
}

/* ---- all descriptors are closed ---- */

enum { IDLE, BUSY, CLOSING, CANCELLED, WHENS };

struct loss {
	enum kind kind;
	int when;
	int workers;
	size_t which;
};

static int loses_all(void *arg)
{
	const struct loss *l = arg;
	int cause[300], rc;
	struct vm_result r;
	vm_pool *pool;

	have_child();
	note_open();
	pool = fork_pool(&echoing, &(struct vm_options){
	    .workers = l->workers, .flags = VM_STDERR_TAIL });
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	find_ours();
	if (l->when == BUSY) {
		imap_to(pool, vm_range(0, 300));
		for (int i = 0; i < 5; i++)
			take(pool, &r);
	}
	for (size_t i = 0; i < count; i++)
		take_over(i, l->kind);
	if (l->when == CANCELLED)
		vm_cancel(pool, 0);
	if (l->when == IDLE)
		imap_to(pool, vm_range(0, 300));
	if (l->when == IDLE || l->when == BUSY) {
		rc = take_numbers(pool, 300, cause);
		ck_assert_int_eq(rc, -1);
		check_broken(pool);
		ck_assert_int_eq(vm_zip_in_out(pool, &r), -1);
		check_broken(pool);
		ck_assert_int_eq(vm_ready(pool, limit_ms()), -1);
		check_broken(pool);
	}
	close_pool(pool);
	for (size_t i = 0; i < count; i++)
		check_untouched(i, l->kind);
	end_child();
	return 0;
}

START_TEST(host_closes_all)
{
	struct loss l = { .workers = 2, .when = BUSY };

	for (int kind = 0; kind < KINDS; kind++) {
		l.kind = (enum kind)kind;
		ck_assert_int_eq(in_child(loses_all, &l), 0);
	}
	l.kind = FILES;
	for (l.when = 0; l.when < WHENS; l.when++)
		ck_assert_int_eq(in_child(loses_all, &l), 0);
}
END_TEST

START_TEST(host_closes_all_of_a_serial_pool)
{
	struct loss l = { .workers = VM_SERIAL, .kind = FILES };

	for (l.when = 0; l.when < WHENS; l.when++)
		ck_assert_int_eq(in_child(loses_all, &l), 0);
}
END_TEST

/* ---- one descriptor is closed ---- */

/* Exit status of loses_one() beyond the last descriptor. */
#define NO_NUMBER 2

/* Returns whether the pool needs this descriptor and cannot take another file
   for it: true for pipes and sockets. */
static bool is_needed(int fd)
{
	struct stat s;

	ck_assert_int_eq(fstat(fd, &s), 0);
	return S_ISFIFO(s.st_mode) || S_ISSOCK(s.st_mode);
}

/* Closes a descriptor some time after the pool has worked. */
static int loses_one(void *arg)
{
	const struct loss *l = arg;
	int cause[100], rc;
	vm_pool *pool;
	bool needed;

	have_child();
	note_open();
	pool = fork_pool(&echoing, &(struct vm_options){
	    .workers = l->workers, .chunk_size = 1 });
	/* All workers must be ready, so that each gets inputs later. */
	ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(take_numbers(pool, 100, cause), 0);
	find_ours();
	if (l->which >= count)
		return NO_NUMBER;
	needed = is_needed(ours[l->which]);
	take_over(l->which, l->kind);
	nap_ms(11);
	imap_to(pool, vm_range(0, 100));
	rc = take_numbers(pool, 100, cause);
	ck_assert_int_eq(rc < 0, vm_broken(pool));
	if (rc < 0 || needed)
		check_broken(pool);
	close_pool(pool);
	check_untouched(l->which, l->kind);
	ours[0] = ours[l->which];
	end_child();
	return 0;
}

static void check_each(enum kind kind)
{
	struct loss l = { .kind = kind, .workers = 2 };
	int status;

	while ((status = in_child(loses_one, &l)) == 0)
		l.which++;
	ck_assert_int_eq(status, NO_NUMBER << 8);
	/* Socket, pidfd, epoll set, eventfd; two pipes per worker. */
	ck_assert_uint_ge(l.which, 8);
}

START_TEST(host_closes_one)
{
	check_each(NOTHING);
}
END_TEST

START_TEST(host_has_a_file_in_place_of_one)
{
	check_each(FILES);
}
END_TEST

/* ---- another pool reuses the descriptors ---- */

static void check_works(vm_pool *pool)
{
	int cause[100];

	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(take_numbers(pool, 100, cause), 0);
}

/* The first pool notices the loss, or is closed after the second pool. */
static int loses_all_to_another(void *first_ends_last)
{
	const struct vm_options o = { .workers = 2 };
	int fds = count_fds();
	vm_pool *first, *second;
	struct vm_result r;

	note_open();
	first = fork_pool(&echoing, &o);
	check_works(first);
	find_ours();
	for (size_t i = 0; i < count; i++)
		take_over(i, NOTHING);
	second = fork_pool(&echoing, &o);
	check_works(second);
	ck_assert_int_gt(count_fds(), fds);
	if (*(bool *)first_ends_last)
		close_pool(second);
	ck_assert_int_eq(vm_imap(first, vm_range(0, 10)), 0);
	while (vm_zip_in_out(first, &r) == 1)
		continue;
	check_broken(first);
	close_pool(first);
	if (!*(bool *)first_ends_last) {
		check_works(second);
		close_pool(second);
	}
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), 0);
	return 0;
}

START_TEST(another_pool_has_the_numbers)
{
	ck_assert_int_eq(in_child(loses_all_to_another, &(bool){ false }), 0);
	ck_assert_int_eq(in_child(loses_all_to_another, &(bool){ true }), 0);
}
END_TEST

int main(void)
{
	const TTest *tests[] = {
		host_closes_all,
		host_closes_all_of_a_serial_pool,
		host_closes_one,
		host_has_a_file_in_place_of_one,
		another_pool_has_the_numbers,
	};

	return run_tests("lost", tests, COUNTOF(tests));
}
