/*
 * test_poller.c - poller: polled descriptors, above all a source's descriptor,
 * which belongs to the user: a plain file, a changing descriptor, a closed
 * descriptor, a number that was reused for another file.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "os/fdlist.h"
#include "os/sys.h"
#include "tools.h"

/* Number of ready descriptors in the set. */
static int ready(const struct poller *w)
{
	struct epoll_event told[8];

	return sys_epoll_wait(w->set, told, COUNTOF(told), 0);
}

START_TEST(keys_come_back)
{
	const uint32_t numbers[] = { 0, 1, 32765, UINT32_MAX };

	for (size_t i = 0; i < COUNTOF(numbers); i++)
		for (int kind = WATCHED_SERVER; kind <= WATCHED_TASKS; kind++) {
			uint64_t key = poller_key((enum watched)kind,
			    numbers[i]);

			ck_assert_int_eq(poller_kind(key), (enum watched)kind);
			ck_assert_uint_eq(poller_which(key), numbers[i]);
		}
}
END_TEST

START_TEST(in_the_set_or_not)
{
	uint32_t have = 0;
	struct poller w;
	int ends[2];

	ck_assert_int_eq(poller_open(&w), 0);
	ck_assert_int_eq(sys_pipe(ends), 0);
	ck_assert_int_eq(sys_write(ends[1], "x", 1), 1);
	ck_assert_int_eq(poller_set(&w, -1, &have, EPOLLIN, 0), 0);
	ck_assert_uint_eq(have, 0);
	ck_assert_int_eq(poller_set(&w, ends[0], &have, EPOLLIN, 0), 0);
	ck_assert_int_eq(ready(&w), 1);
	ck_assert_int_eq(poller_set(&w, ends[0], &have, EPOLLPRI, 0), 0);
	ck_assert_int_eq(ready(&w), 0);
	ck_assert_int_eq(poller_set(&w, ends[0], &have, 0, 0), 0);
	sys_close(&ends[1]);
	ck_assert_int_eq(ready(&w), 0);
	/* The descriptor is no longer in the epoll set. */
	have = EPOLLIN;
	ck_assert_int_eq(poller_set(&w, ends[0], &have, 0, 0), 0);
	ck_assert_uint_eq(have, 0);
	sys_close(&ends[0]);
	poller_close(&w, fdlist_drop);
	poller_close(&w, fdlist_drop);
}
END_TEST

/* The previous file with that number is still open, and ready for ever. */
START_TEST(a_number_that_stands_for_another)
{
	int one[2], other[2], kept, fd;
	struct poller w;

	ck_assert_int_eq(poller_open(&w), 0);
	ck_assert_int_eq(sys_pipe(one), 0);
	ck_assert_int_eq(sys_pipe(other), 0);
	fd = one[0];
	kept = dup(fd);
	ck_assert_int_eq(poller_source(&w, fd), 0);
	ck_assert_int_eq(ready(&w), 0);
	ck_assert_int_eq(dup2(other[0], fd), fd);
	ck_assert_int_eq(sys_write(one[1], "x", 1), 1);
	ck_assert_int_eq(poller_source(&w, fd), 0);
	ck_assert_int_eq(ready(&w), 0);
	ck_assert_int_eq(sys_write(other[1], "x", 1), 1);
	ck_assert_int_eq(ready(&w), 1);
	poller_source_told(&w);
	/* Reported once, until poller_source() waits for it again. */
	ck_assert_int_eq(ready(&w), 0);
	ck_assert_int_eq(poller_source(&w, fd), 0);
	ck_assert_int_eq(ready(&w), 1);
	poller_source_told(&w);
	ck_assert_int_eq(poller_source(&w, -1), 0);
	ck_assert_int_eq(ready(&w), 0);
	close(fd);
	ck_assert_int_eq(poller_source(&w, fd), 1);
	ck_assert_int_eq(poller_source(&w, w.set), 1);
	ck_assert_int_eq(poller_source(&w, kept), 0);
	ck_assert_int_eq(ready(&w), 1);
	close(kept);
	sys_close(&one[1]);
	sys_close(&other[0]);
	sys_close(&other[1]);
	poller_close(&w, fdlist_drop);
}
END_TEST

/* ---- in a pool ---- */

/* Every second call of next() returns an input; before that, the pool waits for
   a descriptor. */
struct reluctant {
	int left, calls;
	bool now;
	int (*fd)(struct reluctant *);
	vm_pool *pool;
	int ends[2][2];
};

static int next_reluctantly(void *from, const void **input, size_t *size)
{
	struct reluctant *s = from;

	s->calls++;
	s->now = !s->now;
	if (s->left == 0)
		return 0;
	if (s->now)
		return VM_LATER;
	*input = &s->left;
	*size = sizeof s->left;
	s->left--;
	return 1;
}

static int fd_of(void *from)
{
	struct reluctant *s = from;

	return s->fd(s);
}

static int plain_file(struct reluctant *s)
{
	return s->ends[0][0];
}

/* Returns a ready descriptor, another each time. */
static int changing(struct reluctant *s)
{
	return s->ends[s->left % 2][0];
}

static int closed(struct reluctant *s)
{
	(void)s;
	return 1000;
}

/* Returns a number that the host has closed, or that the pool uses for its
   epoll set.  The pool never reads from its end of a task pipe, so only the set
   will do. */
static int of_the_pool(struct reluctant *s)
{
	return s->left % 2 ? s->pool->engine.listening.poller.set : closed(s);
}

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static void take_from(struct reluctant *s, int workers)
{
	const struct vm_worker worker = { .process = echo };
	int fds = count_fds();
	struct vm_result r;

	s->left = 50;
	s->pool = fork_pool(&worker, &(struct vm_options){
	    .workers = workers });
	imap_to(s->pool, (struct vm_source){ .next = next_reluctantly,
	    .wait_fd = fd_of, .from = s });
	for (int i = 0; i < 50; i++)
		take(s->pool, &r);
	take_end(s->pool);
	close_pool(s->pool);
	ck_assert_int_eq(count_fds(), fds);
}

START_TEST(a_plain_file_is_always_ready)
{
	struct reluctant s = { .fd = plain_file };
	FILE *f = tmpfile();

	ck_assert_ptr_nonnull(f);
	s.ends[0][0] = fileno(f);
	take_from(&s, 2);
	s = (struct reluctant){ .fd = plain_file,
		.ends[0][0] = fileno(f) };
	take_from(&s, VM_SERIAL);
	fclose(f);
}
END_TEST

START_TEST(it_may_change)
{
	struct reluctant s = { .fd = changing };

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(pipe(s.ends[i]), 0);
		ck_assert_int_eq(write(s.ends[i][1], "x", 1), 1);
	}
	take_from(&s, 2);
	for (int i = 0; i < 2; i++) {
		close(s.ends[i][0]);
		close(s.ends[i][1]);
	}
}
END_TEST

START_TEST(it_may_be_closed)
{
	struct reluctant s = { .fd = closed };

	ck_assert_int_eq(fcntl(1000, F_GETFD), -1);
	take_from(&s, 2);
}
END_TEST

START_TEST(it_may_be_one_of_the_pool)
{
	struct reluctant s = { .fd = of_the_pool };

	take_from(&s, 1);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { keys_come_back, in_the_set_or_not,
		a_number_that_stands_for_another,
		a_plain_file_is_always_ready, it_may_change, it_may_be_closed,
		it_may_be_one_of_the_pool };

	return run_tests("poller", tests, COUNTOF(tests));
}
