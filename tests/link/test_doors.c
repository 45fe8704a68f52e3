/*
 * test_doors.c - machines that join a pool: vm_options.listen, vm_join() and
 * the relay; strangers at the door; each input comes back once.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "os/identity.h"
#include "tools.h"
#include "wire/frame.h"
#include "wire/greeting.h"

#define ITEMS 500

static char dir[40], door[64];
static char program[4096];

/* ---- in the workers ---- */

struct told {
	int64_t number;
	int64_t host;		/* its worker_index tells the hosts apart */
};

static int work(struct vm_context *me, const void *input, size_t size)
{
	const struct told t = { number(input), me->worker_index / 32768 };

	(void)size;
	nap_ms(1);
	return vm_output(me, &t, sizeof t);
}

static const struct vm_worker table[] = {
	{ .process = work, .name = "work" },
};

static const struct vm_worker others[] = {
	{ .process = work, .name = "other" },
};

/* ---- pools and programs that join ---- */

static void set_dir(void)
{
	snprintf(dir, sizeof dir, "/tmp/doors.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(door, sizeof door, "%s/door", dir);
}

/* Asserts that the pool has left nothing there. */
static void drop_dir(void)
{
	ck_assert_int_eq(rmdir(dir), 0);
}

static vm_pool *fork_listening(const char *at)
{
	const struct vm_options o = { .workers = VM_ELSEWHERE, .listen = at,
		.silence_ms = 2 * limit_ms() };

	return fork_pool(&table[0], &o);
}

/* The text of a failed vm_join(). */
static const char *said(int r)
{
	return r == 0 ? "served" : vm_error(NULL);
}

/* Starts a program that joins, with that many workers.  It ends when a pool is
   done: with 0 if it was served; else it writes the error to the pipe. */
static pid_t start(const struct vm_join *how, const struct vm_worker *with,
    int out)
{
	pid_t pid = new_process();
	int r;

	if (pid != 0)
		return pid;
	r = vm_join(how, with, 1);
	if (out >= 0 && write(out, said(r), strlen(said(r))) < 0)
		_exit(9);
	_exit(r == 0 ? 0 : errno);
}

static pid_t start_near(int workers)
{
	const struct vm_join how = { .to = door, .workers = workers,
		.once = 1 };

	return start(&how, table, -1);
}

static void is_served(pid_t pid)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "status %x", status);
}

/* Takes all items and returns how many hosts have answered; each once. */
static int take_all(vm_pool *pool)
{
	bool seen[ITEMS] = { false }, hosts[64] = { false };
	struct vm_result r;
	int n = 0;

	for (int i = 0; i < ITEMS; i++) {
		struct told t;

		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		memcpy(&t, r.output, sizeof t);
		ck_assert_int_eq(t.number, number(r.input));
		ck_assert(!seen[t.number]);
		seen[t.number] = true;
		ck_assert(t.host > 0 && t.host < 64);
		n += !hosts[t.host];
		hosts[t.host] = true;
	}
	take_end(pool);
	return n;
}

static struct vm_host_state state_of(vm_pool *pool, int host)
{
	struct vm_host_state s;

	ck_assert_int_eq(vm_host_state(pool, host, &s), 1);
	return s;
}

/* Waits until that many hosts are up. */
static void await_hosts(vm_pool *pool, int wanted)
{
	const uint64_t until = clock_ns() + limit_ns();
	struct vm_host_state s;
	int up;

	do {
		struct pollfd fd = { .fd = vm_fd(pool), .events = POLLIN };
		struct vm_result r;

		ck_assert_int_ge(fd.fd, 0);
		poll(&fd, 1, 100);
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), 0);
		up = 0;
		for (int i = 1; vm_host_state(pool, i, &s) == 1; i++)
			up += s.status == VM_HOST_UP;
		ck_assert(clock_ns() < until);
	} while (up < wanted);
}

/* ---- machines join ---- */

START_TEST(a_program_joins)
{
	struct vm_host_state s;
	struct stat file;
	vm_pool *pool;
	pid_t pid;

	set_dir();
	pool = fork_listening(door);
	ck_assert_int_eq(stat(door, &file), 0);
	ck_assert_int_eq(file.st_mode & 07777, 0600);
	ck_assert_int_eq(state_of(pool, 1).status, VM_HOST_LISTENING);
	pid = start_near(2);
	imap_to(pool, vm_range(0, ITEMS));
	ck_assert_int_eq(take_all(pool), 1);
	s = state_of(pool, 1);
	ck_assert_int_eq(s.status, VM_HOST_UP);
	ck_assert_int_eq(s.workers, 2);
	ck_assert_int_eq(s.done, ITEMS);
	ck_assert_str_ne(s.name, door);
	ck_assert_int_eq(state_of(pool, 2).status, VM_HOST_LISTENING);
	ck_assert_str_eq(state_of(pool, 2).name, door);
	close_pool(pool);
	is_served(pid);
	drop_dir();
}
END_TEST

START_TEST(programs_wait_for_the_pool)
{
	pid_t pids[3];
	vm_pool *pool;

	set_dir();
	for (int i = 0; i < 3; i++)
		pids[i] = start_near(1);
	for (int i = 0; i < 3; i++)
		wait_asleep(pids[i]);
	pool = fork_listening(door);
	await_hosts(pool, 3);
	imap_to(pool, vm_range(0, ITEMS));
	ck_assert_int_eq(take_all(pool), 3);
	close_pool(pool);
	for (int i = 0; i < 3; i++)
		is_served(pids[i]);
	drop_dir();
}
END_TEST

/* Twice as many as strangers may be at the door. */
START_TEST(many_join_at_once)
{
	enum { MANY = 16 };
	pid_t pids[MANY];
	vm_pool *pool;

	set_dir();
	pool = fork_listening(door);
	for (int i = 0; i < MANY; i++)
		pids[i] = start_near(1);
	await_hosts(pool, MANY);
	imap_to(pool, vm_range(0, ITEMS));
	ck_assert_int_ge(take_all(pool), 2);
	close_pool(pool);
	for (int i = 0; i < MANY; i++)
		is_served(pids[i]);
	drop_dir();
}
END_TEST

START_TEST(a_program_joins_through_a_relay)
{
	const char *command[] = { program, "--vimap-relay", door, NULL };
	const struct vm_join how = { .command = command, .workers = 2,
		.once = 1 };
	vm_pool *pool;
	pid_t pid;

	set_dir();
	pid = start(&how, table, -1);
	pool = fork_listening(door);
	imap_to(pool, vm_range(0, ITEMS));
	ck_assert_int_eq(take_all(pool), 1);
	close_pool(pool);
	is_served(pid);
	drop_dir();
}
END_TEST

/* As sshd leaves it when its client is gone: the greeting has come, and then the
   end of a socket. */
START_TEST(a_relay_ends_with_its_input)
{
	int ends[2];
	pid_t pid;

	set_dir();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	pid = new_process();
	if (pid == 0) {
		close(ends[0]);
		dup2(ends[1], 0);
		execl(program, program, "--vimap-relay", door, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	ck_assert_int_eq(send(ends[0], "greeting", 8, 0), 8);
	wait_asleep(pid);
	ck_assert_int_eq(shutdown(ends[0], SHUT_WR), 0);
	wait_gone(pid);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	close(ends[0]);
	drop_dir();
}
END_TEST

/* Also where both its workers and the relay have no place for text. */
START_TEST(a_program_without_streams_joins)
{
	const char *command[] = { program, "--vimap-relay", door, NULL };
	const struct vm_join ways[] = {
		{ .to = door, .workers = 1, .once = 1 },
		{ .command = command, .workers = 1, .once = 1 },
	};
	vm_pool *pool;
	pid_t pid;

	set_dir();
	for (size_t i = 0; i < COUNTOF(ways); i++) {
		pid = new_process();
		if (pid == 0) {
			for (int fd = 0; fd < 3; fd++)
				close(fd);
			_exit(vm_join(&ways[i], table, 1) != 0);
		}
		pool = fork_listening(door);
		imap_to(pool, vm_range(0, ITEMS));
		ck_assert_int_eq(take_all(pool), 1);
		close_pool(pool);
		is_served(pid);
	}
	drop_dir();
}
END_TEST

/* The program that joined serves a pool after the other, and is killed in the
   middle of the second: another takes its items over. */
START_TEST(programs_come_and_die)
{
	const struct vm_join how = { .to = door, .workers = 2 };
	struct vm_result r;
	pid_t first, second;
	vm_pool *pool;
	int n = 0;

	set_dir();
	first = start(&how, table, -1);
	pool = fork_listening(door);
	imap_to(pool, vm_range(0, ITEMS));
	ck_assert_int_eq(take_all(pool), 1);
	close_pool(pool);
	pool = fork_listening(door);
	imap_to(pool, vm_range(0, ITEMS));
	for (; n < 10; n++)
		take(pool, &r);
	ck_assert_int_eq(kill(first, SIGKILL), 0);
	wait_gone(first);
	second = start_near(2);
	for (; n < ITEMS; n++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
	}
	take_end(pool);
	ck_assert_int_eq(state_of(pool, 1).times_lost, 1);
	close_pool(pool);
	is_served(second);
	ck_assert_int_eq(waitpid(first, NULL, 0), first);
	drop_dir();
}
END_TEST

/* ---- who is not let in ---- */

/* Connects as anybody would. */
static int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
		_exit(90);
	return fd;
}

START_TEST(strangers_do_not_keep_others_out)
{
	int fds[7];
	vm_pool *pool;
	pid_t pid;

	set_dir();
	pool = fork_listening(door);
	for (int i = 0; i < 7; i++)
		fds[i] = connect_to(door);
	ck_assert_int_eq(send(fds[0], "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
	close(fds[1]);
	pid = start_near(2);
	imap_to(pool, vm_range(0, ITEMS));
	ck_assert_int_eq(take_all(pool), 1);
	close_pool(pool);
	is_served(pid);
	for (int i = 0; i < 7; i++)
		if (i != 1)
			close(fds[i]);
	drop_dir();
}
END_TEST

/* Runs the pool until the program that joins has ended, and returns its
   text. */
static void refused(const struct vm_join *how, const struct vm_worker *with,
    char text[600])
{
	int ends[2], status = 0;
	vm_pool *pool = fork_listening(door);
	struct vm_result r;
	ssize_t n = 0;
	pid_t pid;

	ck_assert_int_eq(pipe(ends), 0);
	pid = start(how, with, ends[1]);
	close(ends[1]);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		ck_assert_int_eq(vm_zip_in_out_within(pool, &r, 0), 0);
		nap_ms(1);
	}
	n = read(ends[0], text, 599);
	ck_assert_int_gt(n, 0);
	text[n] = '\0';
	close(ends[0]);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), EPROTO);
	close_pool(pool);
}

START_TEST(a_program_with_other_names_is_told)
{
	const struct vm_join how = { .to = door, .workers = 1 };
	char text[600];

	set_dir();
	refused(&how, others, text);
	ck_assert_msg(strstr(text, "no worker of the name 'work'") != NULL,
	    "%s", text);
	drop_dir();
}
END_TEST

/* Reads until there are that many bytes, or the end. */
static size_t read_all(int fd, unsigned char *to, size_t size)
{
	size_t got = 0;
	ssize_t n;

	while (got < size && (n = read(fd, to + got, size - got)) > 0)
		got += (size_t)n;
	return got;
}

/* Connects as an agent of that build. */
static int greet_as(const char *identity)
{
	struct greeting g;
	const int fd = connect_to(door);
	char text[512];
	size_t size;

	greeting_init(&g);
	g.cpus = 1;
	strcpy(g.host, "h");
	snprintf(g.identity, sizeof g.identity, "%s", identity);
	size = greeting_write(&g, text, sizeof text);
	size += (size_t)snprintf(text + size, sizeof text - size,
	    "name work\n\n");
	ck_assert_int_eq(send(fd, text, size, 0), (ssize_t)size);
	return fd;
}

/* Reads the text with which the pool hangs up. */
static void is_told(int fd, const char *words)
{
	static unsigned char answer[1024];
	size_t size = read_all(fd, answer, sizeof answer - 1);

	ck_assert_uint_gt(size, FRAME_HEAD);
	answer[size] = '\0';
	ck_assert_msg(strstr((char *)answer + FRAME_HEAD, words) != NULL, "%s",
	    (char *)answer + FRAME_HEAD);
	close(fd);
}

START_TEST(another_build_is_told)
{
	vm_pool *pool;

	set_dir();
	pool = fork_listening(door);
	is_told(greet_as("abcdef"), "another build");
	close_pool(pool);
	drop_dir();
}
END_TEST

/* At once, as no shell can write before an agent there. */
START_TEST(strangers_are_told)
{
	vm_pool *pool;
	int fd;

	set_dir();
	pool = fork_listening(door);
	fd = connect_to(door);
	ck_assert_int_eq(send(fd, "GET / HTTP/1.0\r\n\r\n", 18, 0), 18);
	is_told(fd, "does not begin as that of an agent");
	fd = connect_to(door);
	ck_assert_int_eq(send(fd, "\nvimap", 6, 0), 6);
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	is_told(fd, "ended before an agent had greeted");
	close_pool(pool);
	drop_dir();
}
END_TEST

/* They waited for a place, and gave up. */
START_TEST(connections_that_have_ended_are_passed_over)
{
	struct vm_options o = { .workers = VM_ELSEWHERE, .max_hosts = 1,
		.silence_ms = 2 * limit_ms() };
	char identity[IDENTITY_SIZE];
	pid_t first, second;
	vm_pool *pool;

	set_dir();
	o.listen = door;
	identity_of_program(identity);
	pool = fork_pool(&table[0], &o);
	first = start_near(1);
	await_hosts(pool, 1);
	for (int i = 0; i < 3; i++)
		close(greet_as(identity));
	second = start_near(1);
	ck_assert_int_eq(kill(first, SIGKILL), 0);
	ck_assert_int_eq(waitpid(first, NULL, 0), first);
	imap_to(pool, vm_range(0, ITEMS));
	ck_assert_int_eq(take_all(pool), 1);
	/* No link was spent on them. */
	ck_assert_ptr_null(strstr(state_of(pool, 1).words, "had started"));
	close_pool(pool);
	is_served(second);
	drop_dir();
}
END_TEST

/* In a process of another user: returns 0 if the pool has hung up without a
   word. */
static int is_ignored(void *arg)
{
	unsigned char byte;
	int fd;

	(void)arg;
	if (setgid(65534) != 0 || setuid(65534) != 0)
		return 2;
	fd = connect_to(door);
	if (send(fd, "x", 1, MSG_NOSIGNAL) < 0 && errno != EPIPE)
		return 3;
	return read(fd, &byte, 1) > 0;
}

START_TEST(another_user_is_not_let_in)
{
	vm_pool *pool;
	int status;

	if (getuid() != 0) {
		fprintf(stderr, "skipped: only root can be two users\n");
		return;
	}
	set_dir();
	pool = fork_listening(door);
	/* As if the user had opened both. */
	ck_assert_int_eq(chmod(dir, 0755), 0);
	ck_assert_int_eq(chmod(door, 0666), 0);
	status = in_child(is_ignored, NULL);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	ck_assert_str_eq(state_of(pool, 1).name, door);
	close_pool(pool);
	drop_dir();
}
END_TEST

/* ---- the socket ---- */

static void is_wrong(const struct vm_options *o, int error, const char *words)
{
	errno = 0;
	ck_assert_ptr_null(vm_fork(&table[0], o));
	ck_assert_int_eq(errno, error);
	ck_assert_msg(strstr(vm_error(NULL), words) != NULL, "%s",
	    vm_error(NULL));
}

START_TEST(a_place_has_a_single_pool)
{
	struct vm_options o = { .workers = 1 };
	vm_pool *pool;
	FILE *file;

	set_dir();
	o.listen = door;
	pool = fork_listening(door);
	is_wrong(&o, EADDRINUSE, "another pool listens");
	ck_assert_int_eq(access(door, F_OK), 0);
	close_pool(pool);
	ck_assert_int_ne(access(door, F_OK), 0);
	file = fopen(door, "w");
	ck_assert_ptr_nonnull(file);
	fclose(file);
	is_wrong(&o, EADDRINUSE, "there is a file");
	ck_assert_int_eq(unlink(door), 0);
	o.workers = VM_SERIAL;
	is_wrong(&o, EINVAL, ".listen");
	o.workers = 1;
	o.listen = "no/such/directory";
	is_wrong(&o, ENOENT, "listen");
	o.listen = "bad name";
	is_wrong(&o, EINVAL, "A-Z a-z");
	drop_dir();
}
END_TEST

/* A pool that opens its door has a lock until it listens. */
START_TEST(pools_open_doors_one_at_a_time)
{
	const struct vm_options o = { .workers = 1, .listen = door };
	char lock[80];
	int fd;

	set_dir();
	snprintf(lock, sizeof lock, "%s.lock", door);
	fd = open(lock, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	is_wrong(&o, EADDRINUSE, "another pool listens");
	ck_assert_int_ne(access(door, F_OK), 0);
	ck_assert_int_eq(access(lock, F_OK), 0);
	close(fd);
	close_pool(fork_pool(&table[0], &o));
	/* The lock is gone, too. */
	drop_dir();
}
END_TEST

static int fork_and_die(void *arg)
{
	const struct vm_options o = { .workers = VM_ELSEWHERE,
		.listen = door };

	(void)arg;
	if (vm_fork(&table[0], &o) == NULL)
		return 1;
	raise(SIGKILL);
	return 2;
}

START_TEST(the_socket_of_a_killed_pool_is_replaced)
{
	vm_pool *pool;
	pid_t pid;

	set_dir();
	ck_assert(WIFSIGNALED(in_child(fork_and_die, NULL)));
	ck_assert_int_eq(access(door, F_OK), 0);
	/* The fork server of the killed pool has the socket until it ends. */
	while ((pool = vm_fork(&table[0], &(struct vm_options){
	    .workers = VM_ELSEWHERE, .listen = door })) == NULL) {
		ck_assert_int_eq(errno, EADDRINUSE);
		nap_ms(1);
	}
	pid = start_near(1);
	imap_to(pool, vm_range(0, ITEMS));
	ck_assert_int_eq(take_all(pool), 1);
	close_pool(pool);
	is_served(pid);
	drop_dir();
}
END_TEST

START_TEST(a_name_is_a_socket_of_the_user)
{
	const struct vm_join how = { .to = "queue", .once = 1, .workers = 1 };
	char path[80];
	vm_pool *pool;
	struct stat s;
	pid_t pid;

	set_dir();
	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
	pid = start(&how, table, -1);
	pool = fork_listening("queue");
	snprintf(path, sizeof path, "%s/vimap", dir);
	ck_assert_int_eq(stat(path, &s), 0);
	ck_assert_int_eq(s.st_mode & 07777, 0700);
	imap_to(pool, vm_range(0, ITEMS));
	ck_assert_int_eq(take_all(pool), 1);
	close_pool(pool);
	is_served(pid);
	ck_assert_int_eq(chmod(path, 0777), 0);
	is_wrong(&(struct vm_options){ .workers = 1, .listen = "queue" },
	    EPERM, "open to others");
	ck_assert_int_eq(vm_join(&how, table, 1), -1);
	ck_assert_int_eq(errno, EPERM);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "open to others"));
	ck_assert_int_eq(rmdir(path), 0);
	drop_dir();
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
	const char *none[] = { NULL };
	const struct vm_join empty = { 0 }, both = { .to = "a",
		.command = none }, nothing = { .command = none },
	    many = { .to = "a", .workers = -1 }, name = { .to = "a b" },
	    good = { .to = "a" };
	const struct vm_worker nameless = { .process = work };

	ck_assert_int_eq(vm_join(NULL, table, 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(vm_join(&empty, table, 1), -1);
	ck_assert_int_eq(vm_join(&both, table, 1), -1);
	ck_assert_int_eq(vm_join(&nothing, table, 1), -1);
	ck_assert_int_eq(vm_join(&many, table, 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(vm_join(&name, table, 1), -1);
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(vm_join(&good, &nameless, 1), -1);
	ck_assert_msg(strstr(vm_error(NULL), "needs a worker") != NULL, "%s",
	    vm_error(NULL));
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = { a_program_joins,
		programs_wait_for_the_pool, many_join_at_once,
		a_program_joins_through_a_relay, a_relay_ends_with_its_input,
		a_program_without_streams_joins, programs_come_and_die,
		strangers_do_not_keep_others_out,
		a_program_with_other_names_is_told, another_build_is_told,
		strangers_are_told,
		connections_that_have_ended_are_passed_over,
		another_user_is_not_let_in, a_place_has_a_single_pool,
		pools_open_doors_one_at_a_time,
		the_socket_of_a_killed_pool_is_replaced,
		a_name_is_a_socket_of_the_user, wrong_arguments_are_refused };

	vm_agent(argc, argv, table, COUNTOF(table));
	if (realpath(argv[0], program) == NULL)
		return 1;
	return run_tests("doors", tests, COUNTOF(tests));
}
