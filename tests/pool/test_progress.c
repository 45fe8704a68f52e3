/*
 * test_progress.c - VM_PROGRESS on real terminals of any width, through pipes,
 * and where standard error cannot be written to: the run is unharmed, the line
 * fits, and the terminal is left as it was.
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
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "tools.h"

enum { ITEMS = 200, ROOM = 1 << 20 };
enum { GO };

static struct shared *sh;

static int work(struct vm_context *me, const void *input, size_t size)
{
	nap_ms(5);
	if (number(input) == 7)
		return vm_fail(me, 1, "no");
	/* The run lasts until the test has seen enough. */
	if (number(input) == ITEMS - 1)
		await(&sh->counter[GO], 1, limit_ms());
	return vm_output(me, input, size);
}

static const struct vm_worker worker = { .process = work };

/* Runs a pool with progress.  Returns 0 if all results came. */
static int run(void)
{
	const struct vm_options o = { .workers = 3, .flags = VM_PROGRESS };
	vm_pool *pool = vm_fork(&worker, &o);
	struct vm_result r;
	int n = 0, rc;

	if (pool == NULL || vm_imap(pool, vm_range(0, ITEMS)) != 0)
		return 2;
	while ((rc = vm_zip_in_out(pool, &r)) == 1)
		n++;
	if (vm_close(pool) != 0)
		return 3;
	return rc != 0 || n != ITEMS;
}

/* The same with pushed inputs. */
static int push(void)
{
	const struct vm_options o = { .workers = 3, .flags = VM_PROGRESS };
	vm_pool *pool = vm_fork(&worker, &o);
	struct vm_result r;
	int rc = 0;

	if (pool == NULL)
		return 2;
	for (int64_t n = 0; n < ITEMS && rc >= 0; n += rc == 1)
		do
			rc = vm_submit(pool, &n, sizeof n, NULL);
		while (rc == VM_LATER && vm_zip_in_out(pool, &r) == 1);
	while (vm_zip_in_out(pool, &r) == 1)
		continue;
	return rc != 1 || vm_close(pool) != 0;
}

/* ---- terminals ---- */

struct tty {
	int lead;		/* the side of the user */
	int side;		/* the side of the program */
	pid_t pid;		/* of the program */
	char *text;		/* all that it has written */
	size_t size;
};

static void resize(const struct tty *t, unsigned short columns)
{
	const struct winsize w = { .ws_row = 24, .ws_col = columns };

	ck_assert_int_eq(ioctl(t->lead, TIOCSWINSZ, &w), 0);
}

static struct termios modes_of(const struct tty *t)
{
	struct termios modes;

	memset(&modes, 0, sizeof modes);
	ck_assert_int_eq(tcgetattr(t->side, &modes), 0);
	return modes;
}

/* In the program: makes the terminal its own, and standard error. */
static void take_terminal(const struct tty *t)
{
	if (setsid() == -1 || ioctl(t->side, TIOCSCTTY, 0) == -1 ||
	    dup2(t->side, 2) != 2)
		_exit(90);
	close(t->lead);
	setenv("TERM", "xterm", 1);
}

/* Starts the body as a program of a new terminal. */
static struct tty start(unsigned short columns, int (*body)(void))
{
	struct tty t = { .lead = posix_openpt(O_RDWR | O_NOCTTY) };

	sh = shared_new();
	t.text = calloc(1, ROOM);
	ck_assert(t.text != NULL && t.lead >= 0 && grantpt(t.lead) == 0 &&
	    unlockpt(t.lead) == 0);
	t.side = open(ptsname(t.lead), O_RDWR | O_NOCTTY);
	ck_assert_int_ge(t.side, 0);
	resize(&t, columns);
	t.pid = fork();
	if (t.pid == 0) {
		take_terminal(&t);
		_exit(body());
	}
	ck_assert_int_gt(t.pid, 0);
	return t;
}

/* Reads what is there within that time.  Returns false if nothing came. */
static bool pull(struct tty *t, int ms)
{
	struct pollfd p = { .fd = t->lead, .events = POLLIN };
	ssize_t n;

	if (poll(&p, 1, ms) != 1)
		return false;
	n = read(t->lead, t->text + t->size, ROOM - 1 - t->size);
	t->size += (size_t)MAX(n, 0);
	return n > 0;
}

static int lines_in(const char *text)
{
	int n = 0;

	for (; (text = strchr(text, '\r')) != NULL; text++)
		n += text[1] != '\n';
	return n;
}

/* Reads until that many lines were drawn. */
static void await_lines(struct tty *t, int lines)
{
	while (lines_in(t->text) < lines)
		ck_assert(pull(t, limit_ms()));
}

/* Lets the program end.  Returns its wait status. */
static int finish(struct tty *t)
{
	int status;

	atomic_store(&sh->counter[GO], 1);
	while (waitpid(t->pid, &status, WNOHANG) == 0)
		if (t->lead >= 0)
			pull(t, 10);
		else
			nap_ms(10);
	while (t->lead >= 0 && pull(t, 0))
		;
	return status;
}

static void leave(struct tty *t)
{
	if (t->lead >= 0)
		close(t->lead);
	close(t->side);
	free(t->text);
	shared_free(sh);
}

/* Follows the cursor: it never reaches the last column, and nothing but the
   rest of the line is erased.  Returns the column at the end. */
static size_t follow(const char *text, size_t columns)
{
	size_t column = 0;

	for (; *text != '\0'; text++) {
		if (*text == '\r') {
			column = 0;
		} else if (*text == '\033') {
			ck_assert_int_eq(strncmp(text, "\033[K", 3), 0);
			text += 2;
		} else if (*text != '\n') {
			ck_assert_msg(++column < columns, "at: %s", text);
		}
	}
	return column;
}

static void fit(unsigned short columns)
{
	struct termios before, after;
	uint64_t began = clock_ns();
	struct tty t = start(columns, run);

	before = modes_of(&t);
	await_lines(&t, 4);
	ck_assert_int_eq(finish(&t), 0);
	after = modes_of(&t);
	ck_assert_int_eq(memcmp(&before, &after, sizeof before), 0);
	ck_assert_uint_eq(follow(t.text, columns), 0);
	ck_assert_uint_le((uint64_t)lines_in(t.text),
	    (clock_ns() - began) / (100 * MS_IN_NS) + 2);
	if (columns >= 40) {
		ck_assert_ptr_nonnull(strstr(t.text, "200/200  100%"));
		ck_assert_ptr_nonnull(strstr(t.text, "1 failed"));
	}
	/* The last line stays. */
	ck_assert_str_eq(t.text + t.size - 5, "\033[K\r\n");
	leave(&t);
}

START_TEST(lines_fit_the_terminal)
{
	const unsigned short widths[] = { 2, 12, 40, 80, 200, 400 };

	for (size_t i = 0; i < COUNTOF(widths); i++)
		fit(widths[i]);
}
END_TEST

/* Until the end, nobody but the program knows how many inputs come. */
START_TEST(pushed_inputs_have_no_total)
{
	struct tty t = start(80, push);

	await_lines(&t, 4);
	ck_assert_ptr_null(strchr(t.text, '%'));
	ck_assert_int_eq(finish(&t), 0);
	ck_assert_ptr_nonnull(strstr(t.text, "200/200  100%"));
	leave(&t);
}
END_TEST

START_TEST(lines_fit_after_a_change_of_width)
{
	struct tty t = start(100, run);
	const char *late;
	int lines;

	await_lines(&t, 2);
	resize(&t, 30);
	lines = lines_in(t.text) + 2;
	await_lines(&t, lines);
	late = t.text + t.size;
	await_lines(&t, lines + 3);
	ck_assert_int_eq(finish(&t), 0);
	/* Begins at a line, which may have been cut by the reading. */
	late = strchr(late, '\r');
	ck_assert_ptr_nonnull(late);
	follow(late, 30);
	leave(&t);
}
END_TEST

START_TEST(a_stopped_terminal_does_not_stop_the_run)
{
	struct tty t = start(80, run);

	await_lines(&t, 2);
	ck_assert_int_eq(write(t.lead, "\023", 1), 1);
	nap_ms(300);
	ck_assert_int_eq(finish(&t), 0);
	leave(&t);
}
END_TEST

static int run_without_hangup(void)
{
	signal(SIGHUP, SIG_IGN);
	return run();
}

START_TEST(a_terminal_may_go_away)
{
	struct tty t = start(80, run_without_hangup);

	await_lines(&t, 2);
	close(t.lead);
	t.lead = -1;
	nap_ms(300);
	ck_assert_int_eq(finish(&t), 0);
	leave(&t);
}
END_TEST

/* A program that dies has changed nothing but the text. */
START_TEST(a_dead_program_leaves_the_terminal_as_it_was)
{
	struct termios before, after;
	struct tty t = start(80, run);

	before = modes_of(&t);
	await_lines(&t, 3);
	kill(t.pid, SIGKILL);
	ck_assert_int_eq(finish(&t), SIGKILL);
	after = modes_of(&t);
	ck_assert_int_eq(memcmp(&before, &after, sizeof before), 0);
	follow(t.text, 80);
	leave(&t);
}
END_TEST

/* A terminal may stop processes in the background that write to it. */
static int run_in_background(void)
{
	struct termios t;
	int status;
	pid_t pid;

	if (tcgetattr(2, &t) != 0)
		return 80;
	t.c_lflag |= TOSTOP;
	if (tcsetattr(2, TCSANOW, &t) != 0)
		return 81;
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		_exit(run());
	}
	setpgid(pid, pid);
	if (waitpid(pid, &status, WUNTRACED) != pid)
		return 82;
	return status;
}

START_TEST(nothing_is_drawn_in_the_background)
{
	struct tty t = start(80, run_in_background);

	ck_assert_int_eq(finish(&t), 0);
	ck_assert_str_eq(t.text, "");
	leave(&t);
}
END_TEST

static int run_dumb(void)
{
	setenv("TERM", "dumb", 1);
	return run();
}

START_TEST(a_dumb_terminal_gets_plain_lines)
{
	struct tty t = start(80, run_dumb);

	ck_assert_int_eq(finish(&t), 0);
	ck_assert_ptr_null(strchr(t.text, '\033'));
	ck_assert_int_eq(lines_in(t.text), 0);
	ck_assert_ptr_nonnull(strstr(t.text, "200/200  100%"));
	leave(&t);
}
END_TEST

/* ---- other standard errors ---- */

static int with_stderr(void *fd)
{
	signal(SIGPIPE, SIG_DFL);
	setenv("TERM", "xterm", 1);
	if (*(int *)fd < 0)
		close(2);
	else
		dup2(*(int *)fd, 2);
	return run();
}

/* Returns the wait status of a run with that standard error; -1: closed. */
static int status_with(int fd)
{
	int status;

	sh = shared_new();
	atomic_store(&sh->counter[GO], 1);
	status = in_child(with_stderr, &fd);
	shared_free(sh);
	return status;
}

START_TEST(a_pipe_gets_plain_lines)
{
	char text[1000] = "";
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(status_with(ends[1]), 0);
	ck_assert_int_gt(read(ends[0], text, sizeof text - 1), 0);
	ck_assert_ptr_null(strpbrk(text, "\r\033"));
	ck_assert_ptr_nonnull(strstr(text, "200/200  100%"));
	ck_assert_ptr_nonnull(strstr(text, "1 failed"));
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(any_standard_error_is_good)
{
	char byte = 0;
	int ends[2], full = open("/dev/full", O_WRONLY);

	ck_assert_int_eq(status_with(-1), 0);
	ck_assert_int_ge(full, 0);
	ck_assert_int_eq(status_with(full), 0);
	close(full);

	/* A pipe without a reader. */
	ck_assert_int_eq(pipe(ends), 0);
	close(ends[0]);
	ck_assert_int_eq(status_with(ends[1]), 0);
	close(ends[1]);

	/* A full pipe. */
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	while (write(ends[1], &byte, 1) == 1)
		;
	ck_assert_int_eq(fcntl(ends[1], F_SETFL, 0), 0);
	ck_assert_int_eq(status_with(ends[1]), 0);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

/* Takes all results; a line is made due for some of them. */
static int run_with_due_lines(void *fd)
{
	const struct vm_options o = { .workers = 1, .flags = VM_PROGRESS };
	vm_pool *pool;
	struct vm_result r;

	if (dup2(*(int *)fd, 2) != 2)
		return 1;
	pool = fork_pool(&worker, &o);
	imap_to(pool, vm_range(100, 150));
	for (int i = 0; i < 50; i++) {
		if (i % 20 == 10)
			pool->engine.progress.due_at = 1;
		take(pool, &r);
	}
	take_end(pool);
	close_pool(pool);
	return 0;
}

START_TEST(plain_lines_come_now_and_then)
{
	char text[4000] = "";
	int ends[2], lines = 0;

	sh = shared_new();
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(in_child(run_with_due_lines, &ends[1]), 0);
	ck_assert_int_gt(read(ends[0], text, sizeof text - 1), 0);
	for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
		lines++;
	/* Two that were due, and the last. */
	ck_assert_int_eq(lines, 3);
	close(ends[0]);
	close(ends[1]);
	shared_free(sh);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		lines_fit_the_terminal, pushed_inputs_have_no_total,
		lines_fit_after_a_change_of_width,
		a_stopped_terminal_does_not_stop_the_run,
		a_terminal_may_go_away,
		a_dead_program_leaves_the_terminal_as_it_was,
		nothing_is_drawn_in_the_background,
		a_dumb_terminal_gets_plain_lines, a_pipe_gets_plain_lines,
		any_standard_error_is_good, plain_lines_come_now_and_then,
	};

	return run_tests("progress", tests, COUNTOF(tests));
}
