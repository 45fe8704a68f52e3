/*
 * test_surroundings.c - the state of a program around a pool: text in the read
 * buffer of stdio, limits, locks that its other threads hold.
 */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

#include "base/base.h"
#include "os/fdlist.h"
#include "os/sys.h"
#include "tools.h"

/* ---- standard input in the read buffer ---- */

#define LINES 1000

static bool wide;

/* Reads a line of stdin.  Returns the number of characters, 0 at the end. */
static size_t read_line(char *line, size_t size)
{
	wchar_t text[100];

	if (!wide)
		return fgets(line, (int)size, stdin) ? strlen(line) : 0;
	if (fgetws(text, COUNTOF(text), stdin) == NULL)
		return 0;
	return (size_t)snprintf(line, size, "%ls", text);
}

/* Outputs the text that a callback can read from stdin. */
static int reads_stdin(struct vm_context *me, const void *input, size_t size)
{
	char line[100];

	(void)input, (void)size;
	return vm_output(me, line, read_line(line, sizeof line));
}

/* The host must continue at this line. */
static void expect_line(int number)
{
	char line[100], expected[100];

	snprintf(expected, sizeof expected, "line %d\n", number);
	ck_assert_uint_gt(read_line(line, sizeof line), 0);
	ck_assert_str_eq(line, expected);
}

/* No callback reads a byte of stdin, including workers that are forked
   later. */
static void check_hooks_read_nothing(void)
{
	struct vm_worker worker = { .process = reads_stdin };
	vm_pool *pool = fork_pool(&worker, &(struct vm_options){
	    .workers = 2, .chunk_size = 1, .worker_max_items = 1 });
	struct vm_result r;

	imap_to(pool, vm_range(0, 8));
	for (int i = 0; i < 8; i++) {
		take(pool, &r);
		ck_assert_int_eq(r.type, VM_OUTPUT);
		ck_assert_str_eq(r.output, "");
		ck_assert_uint_eq(r.output_size, 0);
	}
	take_end(pool);
	close_pool(pool);
}

/* Makes stdin an unlinked file of lines. */
static void have_lines(void)
{
	FILE *f = tmpfile();

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < LINES; i++)
		fprintf(f, "line %d\n", i);
	ck_assert_int_eq(fflush(f), 0);
	ck_assert_int_eq(dup2(fileno(f), 0), 0);
	ck_assert_int_eq(lseek(0, 0, SEEK_SET), 0);
	fclose(f);
}

static void have_lines_in_a_pipe(void)
{
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(dup2(ends[0], 0), 0);
	for (int i = 0; i < LINES; i++)
		ck_assert_int_gt(dprintf(ends[1], "line %d\n", i), 0);
	close(ends[0]);
	close(ends[1]);
}

static int reads_ahead_in_a_file(void *unused)
{
	off_t at;

	(void)unused;
	have_lines();
	expect_line(0);
	at = lseek(0, 0, SEEK_CUR);
	ck_assert_int_gt(at, 7);	/* stdio has read ahead */
	check_hooks_read_nothing();
	ck_assert_int_eq(lseek(0, 0, SEEK_CUR), at);
	for (int i = 1; i < LINES; i++)
		expect_line(i);
	return 0;
}

static int reads_ahead_in_a_pipe(void *unused)
{
	char line[100];

	(void)unused;
	have_lines_in_a_pipe();
	expect_line(0);
	check_hooks_read_nothing();
	for (int i = 1; i < LINES; i++)
		expect_line(i);
	ck_assert_uint_eq(read_line(line, sizeof line), 0);
	return 0;
}

/* A character that was put back remains in the stream of the host, too. */
static int puts_back(void *unused)
{
	(void)unused;
	have_lines();
	expect_line(0);
	if (wide)
		ck_assert_int_eq(ungetwc(L'x', stdin), L'x');
	else
		ck_assert_int_eq(ungetc('x', stdin), 'x');
	check_hooks_read_nothing();
	if (wide)
		ck_assert_int_eq(getwc(stdin), L'x');
	else
		ck_assert_int_eq(getchar(), 'x');
	expect_line(1);
	return 0;
}

/* With a buffer set by the program, stdio converts only a part of it at a
   time. */
static int has_buffer(void *host)
{
	static char buffer[4096];
	int (*const *body)(void *) = host;

	if (setvbuf(stdin, buffer, _IOFBF, sizeof buffer) != 0)
		return 1;
	return (*body)(NULL);
}

/* A stream has bytes or wide characters, which cannot change later; so each
   case runs in a child. */
static void check_both(int (*host)(void *))
{
	for (int i = 0; i < 2; i++) {
		wide = i == 1;
		ck_assert_int_eq(in_child(host, NULL), 0);
		ck_assert_int_eq(in_child(has_buffer, &host), 0);
	}
}

START_TEST(hooks_read_nothing_of_a_file)
{
	check_both(reads_ahead_in_a_file);
}
END_TEST

START_TEST(hooks_read_nothing_of_a_pipe)
{
	check_both(reads_ahead_in_a_pipe);
}
END_TEST

START_TEST(hooks_read_nothing_that_was_put_back)
{
	check_both(puts_back);
}
END_TEST

/* ---- streams that another thread has locked ---- */

static pthread_barrier_t barrier;

/* Holds the lock of a stream until the second barrier. */
static void *holds(void *stream)
{
	flockfile(stream);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	funlockfile(stream);
	return NULL;
}

/* No process waits for the lock of the stream: neither vm_fork(), nor callbacks
   that do not use the stream, nor callbacks that read it where fork() releases
   the lock in the child. */
static void check_with_locked(FILE *stream)
{
	pthread_t thread;

	pthread_barrier_init(&barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&thread, NULL, holds, stream), 0);
	pthread_barrier_wait(&barrier);
	ck_assert_int_ne(ftrylockfile(stream), 0);
#ifdef __GLIBC__
	check_hooks_read_nothing();
#else
	close_pool(fork_pool(&(struct vm_worker){ .process = reads_stdin },
	    &(struct vm_options){ .workers = 2 }));
#endif
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

START_TEST(another_thread_has_a_stream)
{
	FILE *streams[] = { stdin, stdout, stderr };

	wide = false;
	have_lines();
	expect_line(0);
	for (size_t i = 0; i < COUNTOF(streams); i++)
		check_with_locked(streams[i]);
	expect_line(1);
}
END_TEST

/* ---- more CPUs than the limits allow workers ---- */

static int cpus;		/* 0: the number of usable CPUs */

int __real_sys_affinity(void);
int __wrap_sys_affinity(void);
int __wrap_sys_affinity(void)
{
	return cpus > 0 ? cpus : __real_sys_affinity();
}

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker echoing = { .process = echo };

/* All workers are set up, and every item succeeds. */
static void check_works(vm_pool *pool)
{
	int64_t n = 10 * vm_workers(pool);
	int *cause = calloc((size_t)n, sizeof *cause);

	ck_assert_ptr_nonnull(cause);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, vm_range(0, n));
	ck_assert_int_eq(take_numbers(pool, n, cause), 0);
	for (int64_t i = 0; i < n; i++)
		ck_assert_int_eq(cause[i], 0);
	free(cause);
}

/* Opens up to "most" descriptors.  Returns the number opened. */
static int open_most(int *fds, int most)
{
	int n = 0;

	while (n < most && (fds[n] = dup(0)) >= 0)
		n++;
	return n;
}

static void close_many(const int *fds, int count)
{
	for (int i = 0; i < count; i++)
		close(fds[i]);
}

static void set_limit(int resource, rlim_t most)
{
	ck_assert_int_eq(setrlimit(resource,
	    &(struct rlimit){ most, most }), 0);
}

struct limited {
	int limit, open;	/* descriptors allowed, and in use */
	int tail;		/* VM_STDERR_TAIL */
	int least, most;	/* bounds on the number of workers */
};

/* A pool with defaults forks as many workers as the descriptors allow, and
   leaves some unused; a pool with a number of workers that is too large fails
   with the reason. */
static int has_few_descriptors(void *arg)
{
	const struct limited *l = arg;
	struct vm_options o = { .flags = l->tail ? VM_STDERR_TAIL : 0 };
	int fds[1000];
	int open = open_most(fds, l->open), left;
	uint64_t free, unused = 0;
	vm_pool *pool;

	cpus = 512;
	set_limit(RLIMIT_NOFILE, (rlim_t)l->limit);
	ck_assert(fdlist_left(&free));
	for (int fd = 0; fd < l->limit; fd++)
		unused += fcntl(fd, F_GETFD) == -1;
	ck_assert_uint_eq(free, unused);
	pool = fork_pool(&echoing, &o);
	ck_assert_int_ge(vm_workers(pool), l->least);
	ck_assert_int_le(vm_workers(pool), l->most);
	check_works(pool);
	left = open_most(fds + open, 64);
	ck_assert_int_ge(left, l->limit - l->open >= 150 ? 60 : 5);
	close_many(fds + open, left);
	close_pool(pool);
	o.workers = l->most + 1;
	ck_assert_ptr_null(vm_fork(&echoing, &o));
	ck_assert_int_eq(errno, EMFILE);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "RLIMIT_NOFILE"));
	ck_assert_int_eq(count_children(), 0);
	return 0;
}

START_TEST(few_descriptors)
{
	static const struct limited all[] = {
		{ 256, 0, 0, 80, 124 },
		{ 256, 0, 1, 50, 84 },
		{ 256, 150, 0, 5, 50 },
		{ 64, 0, 0, 5, 28 },
		{ 30, 0, 0, 1, 12 },
	};

	for (size_t i = 0; i < COUNTOF(all); i++)
		ck_assert_int_eq(in_child(has_few_descriptors,
		    (void *)&all[i]), 0);
}
END_TEST

/* Without such a limit there are as many workers as CPUs. */
START_TEST(descriptors_enough)
{
	vm_pool *pool;

	cpus = 40;
	pool = fork_pool(&echoing, NULL);
	ck_assert_int_eq(vm_workers(pool), 40);
	check_works(pool);
	close_pool(pool);
	pool = fork_pool(&echoing, &(struct vm_options){ .max_workers = 7 });
	ck_assert_int_eq(vm_workers(pool), 7);
	close_pool(pool);
}
END_TEST

/* The second pool uses the descriptors that the first has left. */
static int has_two_pools(void *unused)
{
	vm_pool *first, *second;

	(void)unused;
	cpus = 512;
	set_limit(RLIMIT_NOFILE, 200);
	first = fork_pool(&echoing, NULL);
	second = fork_pool(&echoing, NULL);
	ck_assert_int_gt(vm_workers(first), 40);
	ck_assert_int_ge(vm_workers(second), 5);
	check_works(second);
	check_works(first);
	close_pool(first);
	close_pool(second);
	return 0;
}

START_TEST(few_descriptors_for_two_pools)
{
	ck_assert_int_eq(in_child(has_two_pools, NULL), 0);
}
END_TEST

/* ---- forks while another thread opens pools ---- */

/* Holds the fdlist lock until the second barrier, like a thread in the middle
   of vm_fork(). */
static void *has_lock(void *unused)
{
	fdlist_lock();
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	fdlist_unlock();
	return unused;
}

static void *opens_and_closes(void *unused)
{
	vm_pool *pool = fork_pool(&echoing, &(struct vm_options){
	    .workers = 2 });

	check_works(pool);
	close_pool(pool);
	return unused;
}

/* Opens pools in several threads, then forks while another thread holds the
   lock; the child does the same, for this number of generations. */
static int has_pools(void *generations)
{
	const int left = *(const int *)generations - 1;
	pthread_t threads[3], holder;

	for (size_t i = 0; i < COUNTOF(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL,
		    opens_and_closes, NULL), 0);
	for (size_t i = 0; i < COUNTOF(threads); i++)
		pthread_join(threads[i], NULL);
	if (left == 0)
		return 0;
	pthread_barrier_init(&barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&holder, NULL, has_lock, NULL), 0);
	pthread_barrier_wait(&barrier);
	ck_assert_int_eq(in_child(has_pools, (void *)&left), 0);
	pthread_barrier_wait(&barrier);
	pthread_join(holder, NULL);
	opens_and_closes(NULL);
	return 0;
}

START_TEST(host_forks_while_a_thread_has_the_lock)
{
	ck_assert_int_eq(has_pools(&(int){ 3 }), 0);
}
END_TEST

/* Without Check, which has a lock of its own that a child would find locked.
   Returns 0, or not 0 if anything fails. */
static int has_a_pool(void *unused)
{
	struct vm_result r;
	int n = 0, rc = 0;
	vm_pool *pool = vm_fork(&echoing, &(struct vm_options){
	    .workers = 2 });

	(void)unused;
	if (pool == NULL)
		return 1;
	if (vm_imap(pool, vm_range(0, 10)) == 0)
		while ((rc = vm_zip_in_out(pool, &r)) == 1)
			n += r.type == VM_OUTPUT;
	return vm_close(pool) != 0 || rc != 0 || n != 10;
}

static atomic_int stop, bad;

static void *churns(void *unused)
{
	while (!atomic_load(&stop))
		atomic_fetch_add(&bad, has_a_pool(unused) != 0);
	return unused;
}

static int waits_for(pid_t pid)
{
	int status = -1;

	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

/* The address sanitizer's allocator has locks that no fork releases: a child
   of a program whose threads allocate memory may wait for them for ever. */
START_TEST(host_forks_while_threads_open_pools)
{
	pthread_t threads[2];

	if (SANITIZED)
		return;
	for (size_t i = 0; i < COUNTOF(threads); i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, churns,
		    NULL), 0);
	for (int i = 0; i < 12; i++) {
		pid_t pid = fork();

		if (pid == 0)
			sys_exit(has_a_pool(NULL));
		ck_assert_int_eq(waits_for(pid), 0);
	}
	atomic_store(&stop, 1);
	for (size_t i = 0; i < COUNTOF(threads); i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(atomic_load(&bad), 0);
}
END_TEST

/* ---- too few processes ---- */

/* As root, becomes a user without other processes.  Returns the number of
   processes and threads of the user. */
static long become_limited(void)
{
	char path[300];
	struct dirent *e;
	struct stat s;
	long count = 0;
	DIR *proc;

	if (getuid() == 0) {
		ck_assert_int_eq(setgroups(0, NULL), 0);
		ck_assert_int_eq(setgid(61234), 0);
		ck_assert_int_eq(setuid(61234), 0);
	}
	proc = opendir("/proc");
	ck_assert_ptr_nonnull(proc);
	while ((e = readdir(proc)) != NULL) {
		snprintf(path, sizeof path, "/proc/%s/task", e->d_name);
		if (atol(e->d_name) > 0 && stat(path, &s) == 0 &&
		    s.st_uid == getuid())
			count += (long)s.st_nlink - 2;
	}
	closedir(proc);
	return count;
}

/* A pool with a given number of workers fails with the name of the limit; a
   pool with defaults has fewer workers. */
static int has_few_processes(void *arg)
{
	const int *allowed = arg;
	char said[4096] = "";
	vm_pool *pool;
	FILE *f = tmpfile();

	ck_assert_ptr_nonnull(f);
	cpus = 512;
	set_limit(RLIMIT_NPROC, (rlim_t)(become_limited() + *allowed));
	ck_assert_int_eq(dup2(fileno(f), 2), 2);
	ck_assert_ptr_null(vm_fork(&echoing, &(struct vm_options){
	    .workers = *allowed }));
	ck_assert_int_eq(errno, EAGAIN);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "RLIMIT_NPROC"));
	pool = vm_fork(&echoing, &(struct vm_options){ .flags = VM_DEBUG });
	ck_assert_msg(pool != NULL, "%s", vm_error(NULL));
	ck_assert_int_ge(vm_workers(pool), MAX(*allowed / 2, 1));
	ck_assert_int_lt(vm_workers(pool), *allowed);
	/* Some processes are left for the program. */
	ck_assert_int_le(vm_workers(pool), *allowed - *allowed / 5);
	check_works(pool);
	close_pool(pool);
	ck_assert_int_eq(count_children(), 0);
	rewind(f);
	ck_assert_uint_gt(fread(said, 1, sizeof said - 1, f), 0);
	ck_assert_ptr_nonnull(strstr(said, "workers, not"));
	fclose(f);
	return 0;
}

START_TEST(few_processes)
{
	static const int all[] = { 2, 3, 20 };

	for (size_t i = 0; i < COUNTOF(all); i++)
		ck_assert_int_eq(in_child(has_few_processes,
		    (void *)&all[i]), 0);
}
END_TEST

/* ---- state of the program that workers inherit ---- */

/* Outputs a number of each random number generator. */
static int draw(struct vm_context *me, const void *input, size_t size)
{
	long drawn[3] = { rand(), random(), lrand48() };

	(void)input, (void)size;
	return vm_output(me, drawn, sizeof drawn);
}

/* Stores the first numbers of two workers, then the numbers that the host draws
   next. */
static void draw_in_two(const struct vm_options *o, long (*drawn)[3])
{
	const struct vm_worker worker = { .process = draw };
	struct vm_result r;
	vm_pool *pool;

	srand48(3);
	srandom(2);
	pool = fork_pool(&worker, o);
	imap_to(pool, vm_range(0, 2));
	for (int i = 0; i < 2; i++) {
		take(pool, &r);
		ck_assert_uint_eq(r.output_size, sizeof *drawn);
		memcpy(drawn[i], r.output, sizeof *drawn);
	}
	take_end(pool);
	close_pool(pool);
	drawn[2][0] = rand();
	drawn[2][1] = random();
	drawn[2][2] = lrand48();
}

START_TEST(workers_draw_numbers_of_their_own)
{
	struct vm_options o = { .workers = 1, .chunk_size = 1,
		.worker_max_items = 1 };
	long drawn[3][3], again[3][3];

	draw_in_two(&o, drawn);
	draw_in_two(&o, again);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_ne(drawn[0][i], drawn[1][i]);
		ck_assert_int_ne(drawn[0][i], drawn[2][i]);
		ck_assert_int_eq(drawn[0][i], again[0][i]);
		ck_assert_int_eq(drawn[1][i], again[1][i]);
	}
	o.seed = 1;
	draw_in_two(&o, again);
	ck_assert_int_ne(drawn[0][1], again[0][1]);
	o.flags = VM_KEEP_RAND;
	draw_in_two(&o, drawn);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(drawn[0][i], drawn[2][i]);
		ck_assert_int_eq(drawn[1][i], drawn[2][i]);
	}
}
END_TEST

/* Sends SIGTERM as an init system does that ends a service. */
static int terminate(struct vm_context *me, const void *input, size_t size)
{
	kill(getpid(), SIGTERM);
	if (me->index == 3)
		for (;;)
			pause();
	return vm_output(me, input, size);
}

START_TEST(workers_may_ignore_the_end_of_a_service)
{
	const struct vm_worker worker = { .process = terminate };
	struct vm_options o = { .workers = 2, .chunk_size = 1,
		.item_timeout_ms = 300 };
	struct vm_result r;

	for (int ignore = 0; ignore < 2; ignore++) {
		vm_pool *pool;

		o.flags = ignore ? VM_IGNORE_SIGTERM : 0;
		pool = fork_pool(&worker, &o);
		imap_to(pool, vm_range(0, 5));
		for (int i = 0; i < 5; i++) {
			take(pool, &r);
			if (!ignore)
				ck_assert_int_eq(r.exception->signal, SIGTERM);
			else if (r.index == 3)
				ck_assert_int_eq(r.exception->cause,
				    VM_TIMED_OUT);
			else
				ck_assert_int_eq(r.type, VM_OUTPUT);
		}
		take_end(pool);
		close_pool(pool);
	}
}
END_TEST

static int answer(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

/* The reader of a pipe sees its end when the host has closed the pipe, if no
   process of the pool has the descriptor. */
START_TEST(workers_need_not_have_all_descriptors)
{
	const struct vm_worker worker = { .process = answer };
	struct vm_options o = { .workers = 2 };
	struct pollfd end = { .events = POLLIN };

	for (o.close_count = 0; o.close_count < 2; o.close_count++) {
		vm_pool *pool;
		int ends[2];

		ck_assert_int_eq(pipe(ends), 0);
		o.close_fds = &ends[1];
		pool = fork_pool(&worker, &o);
		ck_assert_int_eq(vm_ready(pool, limit_ms()), 0);
		close(ends[1]);
		end.fd = ends[0];
		ck_assert_int_eq(poll(&end, 1, 0), o.close_count);
		close_pool(pool);
		ck_assert_int_eq(poll(&end, 1, limit_ms()), 1);
		close(ends[0]);
	}
}
END_TEST

START_TEST(what_is_not_open_cannot_be_closed)
{
	const struct vm_worker worker = { .process = answer };
	int fds[] = { 0, 1000000 };
	struct vm_options o = { .workers = 1, .close_fds = fds,
		.close_count = 2 };

	ck_assert_ptr_null(vm_fork(&worker, &o));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_str_eq(vm_error(NULL), "vm_options.close_fds[1] is 1000000, "
	    "which is no open descriptor.");
	o.close_count = -1;
	ck_assert_ptr_null(vm_fork(&worker, &o));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "close_count must not"));
	o.close_count = 2;
	o.close_fds = NULL;
	ck_assert_ptr_null(vm_fork(&worker, &o));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "close_count of 2"));
}
END_TEST

/* Prints a line in three calls, and dies before stdio would flush its
   buffer. */
static int print_and_die(struct vm_context *me, const void *input, size_t size)
{
	(void)input, (void)size;
	printf("line ");
	printf("%d", (int)me->index);
	printf(" is whole\n");
	raise(SIGKILL);
	return 0;
}

/* stdout is a socket that keeps messages apart, and each write(2) is a message.
   Returns 0 if each message is a whole line, or the number of the failed
   check. */
static int prints_lines(void *arg)
{
	const struct vm_worker worker = { .process = print_and_die };
	const struct vm_options o = { .workers = 2, .chunk_size = 1,
		.flags = (*(int *)arg) ? VM_WHOLE_LINES : 0 };
	char line[100], expected[100];
	struct vm_result r;
	vm_pool *pool;
	int ends[2], lines = 0;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) != 0 ||
	    dup2(ends[1], 1) != 1)
		return 1;
	pool = vm_fork(&worker, &o);
	if (pool == NULL || vm_imap(pool, vm_range(0, 6)) != 0)
		return 2;
	while (vm_zip_in_out(pool, &r) == 1) {
		ssize_t n = recv(ends[0], line, sizeof line, MSG_DONTWAIT);

		if (n <= 0)
			continue;
		line[n] = '\0';
		snprintf(expected, sizeof expected, "line %c is whole\n",
		    line[5]);
		lines += strcmp(line, expected) == 0;
	}
	vm_close(pool);
	return lines == (o.flags ? 6 : 0) ? 0 : 3;
}

START_TEST(workers_may_print_whole_lines)
{
	for (int whole = 0; whole < 2; whole++)
		ck_assert_int_eq(in_child(prints_lines, &whole), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		hooks_read_nothing_of_a_file, hooks_read_nothing_of_a_pipe,
		hooks_read_nothing_that_was_put_back,
		another_thread_has_a_stream, descriptors_enough,
		few_descriptors_for_two_pools, few_processes,
		workers_draw_numbers_of_their_own,
		workers_may_ignore_the_end_of_a_service,
		workers_need_not_have_all_descriptors,
		what_is_not_open_cannot_be_closed,
		workers_may_print_whole_lines,
		host_forks_while_a_thread_has_the_lock,
		host_forks_while_threads_open_pools };
	const TTest *const drawn[] = {
		few_descriptors };

	return run_sampled_tests("surroundings", tests, COUNTOF(tests), drawn,
	    COUNTOF(drawn));
}
