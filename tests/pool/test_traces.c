/*
 * test_traces.c - vm_options.trace and VIMAP_TRACE: each event is in the file,
 * which is valid JSON of the trace event format, whatever happens to the pool,
 * the disk or the program; files that cannot be written are refused.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "api/vm_pool.h"
#include "base/base.h"
#include "json.h"
#include "sample.h"
#include "scratch.h"
#include "tools.h"

/* Tracks that a test may have, and items that it follows. */
#define TRACKS 64
#define ITEMS_MOST 1000000

/* A directory of this program's own, and the trace in it. */
static char dir[] = "/tmp/vimap-traces.XXXXXX";
static char path[64];
static struct shared *sh;

/* ---- reading a trace ---- */

/* A file's text, owned. */
static struct json read_file(const char *name)
{
	struct stat s;
	int fd = open(name, O_RDONLY);
	size_t have = 0;
	ssize_t r = 1;
	char *text;

	ck_assert_msg(fd >= 0 && fstat(fd, &s) == 0, "%s", name);
	text = malloc((size_t)s.st_size + 4);
	ck_assert_ptr_nonnull(text);
	while (have < (size_t)s.st_size && r > 0) {
		r = read(fd, text + have, (size_t)s.st_size - have);
		have += r > 0 ? (size_t)r : 0;
	}
	close(fd);
	ck_assert_uint_eq(have, (size_t)s.st_size);
	return (struct json){ text, text + have };
}

/* What a trace says. */
struct seen {
	double end[TRACKS];	/* of the last slice of each track, us */
	bool named[TRACKS];
	int slices, counters, marks;
	int setups, teardowns, forked, deaths, retries, timeouts;
	int failed;		/* index of the last such item */
	int programs, source_waits, broken, full;
	long items;		/* that slices name, counted once each time */
	unsigned char *times;	/* slices by item; NULL: not counted */
};

static double number_of(struct json event, const char *name)
{
	struct json value;
	double number = -1;

	ck_assert_msg(json_member(event, name, &value), "no %s: %.*s", name,
	    (int)(event.end - event.at), event.at);
	ck_assert_msg(json_number(value, &number), "%s: %.*s", name,
	    (int)(event.end - event.at), event.at);
	return number;
}

static struct json member_of(struct json event, const char *name)
{
	struct json value = { NULL, NULL };

	ck_assert_msg(json_member(event, name, &value), "no %s: %.*s", name,
	    (int)(event.end - event.at), event.at);
	return value;
}

/* Counts the items that the name of a slice has: "item 1" or "items 1-2".  No
   sscanf(): it looks for the end of the whole text first, each time. */
static void see_items(struct seen *s, struct json name)
{
	bool many = json_begins(name, "items");
	unsigned long first, last;
	char *end;

	first = strtoul(name.at + strlen(many ? "\"items " : "\"item "), &end,
	    10);
	last = first;
	if (many) {
		ck_assert_int_eq(*end, '-');
		last = strtoul(end + 1, &end, 10);
	}
	ck_assert_int_eq(*end, '"');
	ck_assert_uint_le(first, last);
	for (unsigned long i = first; i <= last && s->times != NULL; i++) {
		ck_assert_uint_lt(i, ITEMS_MOST);
		s->times[i] += s->times[i] < 100;
	}
	s->items += (long)(last - first) + 1;
}

/* Slices of a track are drawn one after the other, without overlap. */
static void see_slice(struct seen *s, struct json event, struct json name,
    int track)
{
	double at = number_of(event, "ts"), took = number_of(event, "dur");

	ck_assert_double_ge(took, 0);
	if (track > 0) {
		ck_assert_msg(at > s->end[track] - 0.05, "overlaps: %.*s",
		    (int)(event.end - event.at), event.at);
		s->end[track] = at + took;
		ck_assert(!json_is(name, "program"));
	}
	s->slices++;
	s->setups += json_is(name, "setup");
	s->teardowns += json_is(name, "teardown");
	s->programs += json_is(name, "program");
	s->source_waits += json_is(name, "waits for the source");
	if (json_begins(name, "item"))
		see_items(s, name);
}

static void see_mark(struct seen *s, struct json event, struct json name)
{
	struct json scope = member_of(event, "s");

	ck_assert(json_is(scope, "t"));
	s->marks++;
	s->forked += json_is(name, "forked");
	s->deaths += json_is(name, "death");
	s->retries += json_is(name, "retry");
	s->timeouts += json_is(name, "timeout");
	if (json_is(name, "failed"))
		s->failed = (int)number_of(member_of(event, "args"), "index");
	s->broken += json_is(name, "broken");
	s->full += json_is(name, "the trace is full");
}

/* Looks at an event: each has its members, and B and E are not mixed with X. */
static void see(struct seen *s, struct json event)
{
	struct json phase = member_of(event, "ph"), args;
	struct json name = member_of(event, "name");
	int track = (int)number_of(event, "tid");

	ck_assert_double_gt(number_of(event, "pid"), 0);
	ck_assert_double_ge(number_of(event, "ts"), 0);
	ck_assert(track >= 0 && track < TRACKS);
	if (json_is(phase, "X")) {
		ck_assert(s->named[track]);
		see_slice(s, event, name, track);
	} else if (json_is(phase, "i")) {
		ck_assert(s->named[track]);
		see_mark(s, event, name);
	} else if (json_is(phase, "C")) {
		ck_assert_double_ge(number_of(member_of(event, "args"),
		    "value"), 0);
		s->counters++;
	} else {
		ck_assert_msg(json_is(phase, "M"), "another phase");
		args = member_of(event, "args");
		ck_assert(*member_of(args, "name").at == '"');
		s->named[track] |= json_is(name, "thread_name");
	}
}

/* Reads the text of a trace, which must be valid. */
static void see_all(struct json text, struct seen *s)
{
	struct json list, event;

	ck_assert(json_is_valid(text));
	list = json_elements(text);
	while (json_next(&list, &event))
		see(s, event);
	free((char *)(uintptr_t)text.at);
}

/* Sees another file anew. */
static void see_file(const char *name, struct seen *s)
{
	*s = (struct seen){ .times = s->times };
	see_all(read_file(name), s);
}

/* ---- a run with everything ---- */

enum { CRASHES = 7, FAILS = 11, HANGS = 17, FAILS_FOR_GOOD = 23, ITEMS = 40 };

static int set_up_worker(struct vm_context *me)
{
	(void)me;
	nap_ms(1);
	return 0;
}

static void tear_down_worker(struct vm_context *me)
{
	(void)me;
	nap_ms(1);
}

static int work(struct vm_context *me, const void *input, size_t size)
{
	int64_t n = number(input);

	if (n == CRASHES && me->attempt == 1)
		raise(SIGKILL);
	if (n == FAILS && me->attempt == 1)
		return vm_fail(me, 1, "once");
	if (n == HANGS)
		pause();
	if (n == FAILS_FOR_GOOD)
		return vm_fail_for_good(me, 1, "for good");
	if (n % 5 == 0)
		nap_ms(1);
	return vm_output(me, input, size);
}

static const struct vm_worker everything = { .process = work,
	.setup = set_up_worker, .teardown = tear_down_worker };

START_TEST(every_event_is_in_the_file)
{
	const struct vm_options o = { .workers = 2, .max_attempts = 2,
		.item_timeout_ms = 400, .trace = path };
	static unsigned char times[ITEMS_MOST];
	struct seen s = { .times = times };
	int cause[ITEMS];
	struct vm_stats stats;
	vm_pool *pool = fork_pool(&everything, &o);

	imap_to(pool, vm_range(0, ITEMS));
	ck_assert_int_eq(take_numbers(pool, ITEMS, cause), 0);
	for (int i = 0; i < ITEMS; i++)
		ck_assert_int_eq(cause[i], i == HANGS ? VM_TIMED_OUT :
		    i == FAILS_FOR_GOOD ? VM_FAILED : 0);
	ck_assert_int_eq(vm_stats(pool, &stats), 0);
	close_pool(pool);
	ck_assert_str_eq(vm_error(NULL), "");
	see_file(path, &s);
	for (int i = 0; i < ITEMS; i++)
		ck_assert_msg(times[i] >= 1, "item %d", i);
	ck_assert_int_eq(times[CRASHES], 2);
	ck_assert_int_eq(times[HANGS], 2);
	ck_assert_int_ge(s.forked, (int)stats.forked);
	ck_assert_int_ge(s.setups, (int)stats.setups);
	ck_assert_int_eq(s.deaths, (int)stats.deaths);
	ck_assert_int_eq(s.retries, (int)stats.retries);
	ck_assert_int_ge(s.timeouts, 2);
	ck_assert_int_eq(s.failed, FAILS_FOR_GOOD);
	ck_assert_int_ge(s.teardowns, 1);
	ck_assert_int_ge(s.counters, 6);
	ck_assert_int_eq(s.broken, 0);
}
END_TEST

/* Items that a dead worker had done are drawn, told by it or not. */
static int die_at_the_end(struct vm_context *me, const void *input, size_t size)
{
	if (number(input) == 99 && me->attempt == 1)
		raise(SIGKILL);
	return vm_output(me, input, size);
}

START_TEST(items_of_a_dead_worker_are_drawn)
{
	const struct vm_worker w = { .process = die_at_the_end };
	const struct vm_options o = { .workers = 1, .chunk_size = 100,
		.trace = path };
	static unsigned char times[ITEMS_MOST];
	struct seen s = { .times = times };
	int cause[100];
	vm_pool *pool = fork_pool(&w, &o);

	imap_to(pool, vm_range(0, 100));
	take_numbers(pool, 100, cause);
	ck_assert_int_eq(cause[99], VM_KILLED);
	close_pool(pool);
	see_file(path, &s);
	for (int i = 0; i < 100; i++)
		ck_assert_msg(times[i] >= 1, "item %d", i);
	ck_assert_int_eq(s.deaths, 1);
}
END_TEST

static int echo(struct vm_context *me, const void *input, size_t size)
{
	return vm_output(me, input, size);
}

static const struct vm_worker echoer = { .process = echo };

START_TEST(without_processes_there_is_a_track_too)
{
	const struct vm_options o = { .workers = VM_SERIAL, .max_attempts = 2,
		.trace = path };
	struct vm_worker w = everything;
	struct seen s = { 0 };
	struct vm_result r;
	vm_pool *pool;

	w.process = echo;
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, 5));
	take(pool, &r);
	nap_ms(1);
	for (int i = 1; i < 5; i++)
		take(pool, &r);
	take_end(pool);
	close_pool(pool);
	see_file(path, &s);
	ck_assert_int_eq(s.items, 5);
	ck_assert_int_eq(s.setups, 1);
	ck_assert_int_eq(s.teardowns, 1);
	ck_assert_int_ge(s.programs, 1);
}
END_TEST

/* ---- the caller ---- */

static int pipe_ends[2];

/* A source that has a number after a byte has come. */
static int next_later(void *from, const void **input, size_t *size)
{
	static char byte;
	int *left = from;

	if (*left == 0)
		return 0;
	if (read(pipe_ends[0], &byte, 1) != 1)
		return VM_LATER;
	--*left;
	*input = &byte;
	*size = 1;
	return 1;
}

static int fd_of(void *from)
{
	(void)from;
	return pipe_ends[0];
}

START_TEST(waits_of_the_caller_are_drawn)
{
	const struct vm_options o = { .workers = 1, .trace = path };
	int left = 1, status;
	struct vm_source source = { .next = next_later, .from = &left,
		.wait_fd = fd_of };
	struct seen s = { 0 };
	struct vm_result r;
	vm_pool *pool;
	pid_t pid;

	ck_assert_int_eq(pipe2(pipe_ends, O_NONBLOCK | O_CLOEXEC), 0);
	pool = fork_pool(&echoer, &o);
	ck_assert_int_eq(vm_ready(pool, -1), 0);
	imap_to(pool, source);
	pid = fork();
	if (pid == 0)
		_exit(usleep(5000) != 0 || write(pipe_ends[1], "x", 1) != 1);
	take(pool, &r);
	nap_ms(1);
	take_end(pool);
	close_pool(pool);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	see_file(path, &s);
	ck_assert_int_ge(s.source_waits, 1);
	ck_assert_int_ge(s.programs, 1);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}
END_TEST

/* ---- arrays ---- */

static int many(struct vm_context *me, const void *inputs, size_t count,
    void *outputs)
{
	(void)me;
	memcpy(outputs, inputs, count * sizeof(int));
	return 0;
}

START_TEST(arrays_are_traced)
{
	enum { COUNT = 20000 };
	static int in[COUNT], out[COUNT];
	const struct vm_array_map map = { .in = in, .count = COUNT,
		.in_size = sizeof *in, .out = out, .out_size = sizeof *out };
	const struct vm_worker w = { .process = echo };
	const struct vm_worker together = { .process_many = many };
	const struct vm_options o = { .workers = 2, .trace = path };
	struct seen s = { 0 };

	ck_assert_int_eq(vm_map_array(&w, &o, &map), 0);
	see_file(path, &s);
	ck_assert_int_eq(s.items, COUNT);
	ck_assert_int_eq(vm_map_array(&together, &o, &map), 0);
	see_file(path, &s);
	ck_assert_int_eq(s.items, COUNT);
}
END_TEST

/* ---- another machine ---- */

static const struct vm_worker far = { .process = echo, .name = "far" };

START_TEST(a_link_has_a_track)
{
	char program[4096];
	const ssize_t n = readlink("/proc/self/exe", program,
	    sizeof program - 1);
	const char *const command[] = { program, NULL };
	const struct vm_host host = { .name = "\"h1\"", .command = command,
		.workers = 2 };
	const struct vm_options o = { .workers = VM_ELSEWHERE, .hosts = &host,
		.host_count = 1, .trace = path };
	static unsigned char times[ITEMS_MOST];
	struct seen s = { .times = times };
	int cause[1000];
	struct json text;
	vm_pool *pool;

	ck_assert_int_gt(n, 0);
	program[n] = '\0';
	pool = fork_pool(&far, &o);
	imap_to(pool, vm_range(0, 1000));
	ck_assert_int_eq(take_numbers(pool, 1000, cause), 0);
	close_pool(pool);
	see_file(path, &s);
	for (int i = 0; i < 1000; i++)
		ck_assert_msg(times[i] >= 1, "item %d", i);
	text = read_file(path);
	ck_assert_ptr_nonnull(memmem(text.at, (size_t)(text.end - text.at),
	    "\"host ?h1?\"", 11));
	free((char *)(uintptr_t)text.at);
}
END_TEST

/* ---- bad ends ---- */

/* Runs items without end; asserts nothing, as it is killed at any time. */
static void run_for_ever(void)
{
	const struct vm_options o = { .workers = 2, .trace = path,
		.chunk_size = 10 };
	struct vm_result r;
	vm_pool *pool = vm_fork(&echoer, &o);

	while (pool != NULL && vm_imap(pool, vm_range(0, 100000)) == 0)
		while (vm_zip_in_out(pool, &r) == 1)
			continue;
	_exit(1);
}

/* Returns where the comma before the last event is. */
static const char *last_event(struct json text)
{
	const char *at = text.end - 1;

	while (at > text.at && !(at[0] == ',' && at[1] == '\n'))
		at--;
	ck_assert_ptr_ne(at, text.at);
	return at;
}

static void close_array(struct json *text)
{
	memcpy((char *)(uintptr_t)text->end, "]", 1);
	text->end++;
}

START_TEST(a_killed_program_leaves_a_prefix)
{
	uint64_t until = clock_ns() + limit_ns();
	struct seen s = { 0 };
	struct json text;
	struct stat st = { 0 };
	pid_t pid = fork();

	if (pid == 0)
		run_for_ever();
	ck_assert_int_gt(pid, 0);
	while (st.st_size < 100000 && clock_ns() < until) {
		nap_ms(5);
		if (stat(path, &st) != 0)
			st.st_size = 0;
	}
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_ge(st.st_size, 100000);
	text = read_file(path);
	ck_assert(!json_is_valid(text));
	close_array(&text);
	/* The kernel may have ended the last write at a page, in the middle of
	   an event, which is left out. */
	if (!json_is_valid(text)) {
		text.end = last_event(text);
		close_array(&text);
	}
	see_all(text, &s);
	ck_assert_int_gt(s.items, 100);
}
END_TEST

START_TEST(a_broken_pool_ends_its_trace)
{
	const struct vm_options o = { .workers = 2, .trace = path };
	struct seen s = { 0 };
	struct vm_result r;
	vm_pool *pool = fork_pool(&echoer, &o);
	int rc;

	imap_to(pool, vm_range(0, 1000));
	take(pool, &r);
	kill(pool->engine.server.pid, SIGKILL);
	imap_to(pool, vm_range(0, 100000000));
	while ((rc = vm_zip_in_out(pool, &r)) == 1)
		continue;
	ck_assert_int_eq(rc, -1);
	ck_assert_int_eq(errno, EPIPE);
	vm_close(pool);
	see_file(path, &s);
	ck_assert_int_eq(s.broken, 1);
}
END_TEST

START_TEST(a_child_of_the_host_writes_nothing)
{
	const struct vm_options o = { .workers = 1, .trace = path };
	struct seen s = { 0 };
	struct vm_result r;
	vm_pool *pool = fork_pool(&echoer, &o);
	int status;
	pid_t pid;

	imap_to(pool, vm_range(0, 10));
	take(pool, &r);
	pid = fork();
	if (pid == 0)
		_exit(vm_close(pool));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	for (int i = 1; i < 10; i++)
		take(pool, &r);
	take_end(pool);
	close_pool(pool);
	see_file(path, &s);
	ck_assert_int_eq(s.items, 10);
}
END_TEST

/* ---- files ---- */

/* Asserts that no pool is forked, for that reason. */
static void check_refused(const char *at, int error, const char *why)
{
	const struct vm_options o = { .workers = 1, .trace = at };
	int fds = count_fds();

	ck_assert_ptr_null(vm_fork(&echoer, &o));
	ck_assert_msg(errno == error, "%s: %s", at, vm_error(NULL));
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "The trace "));
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), at));
	ck_assert_msg(strstr(vm_error(NULL), why) != NULL, "%s",
	    vm_error(NULL));
	ck_assert_int_eq(count_fds(), fds);
	ck_assert_int_eq(count_children(), 0);
}

static void make_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	ck_assert_int_eq(fclose(f), 0);
}

static void check_text(const char *name, const char *wanted)
{
	struct json text = read_file(name);

	ck_assert_uint_eq((size_t)(text.end - text.at), strlen(wanted));
	ck_assert_mem_eq(text.at, wanted, strlen(wanted));
	free((char *)(uintptr_t)text.at);
}

START_TEST(files_that_cannot_be_written_are_refused)
{
	char other[80], victim[80];

	snprintf(other, sizeof other, "%s/none/trace.json", dir);
	check_refused(other, ENOENT, "No such file");
	check_refused(dir, EISDIR, "Is a directory");
	check_refused("", ENOENT, "No such file");
	check_refused("/dev/full", ESPIPE, "no regular file");
	snprintf(other, sizeof other, "%s/fifo", dir);
	ck_assert_int_eq(mkfifo(other, 0600), 0);
	check_refused(other, ESPIPE, "no regular file");
	snprintf(victim, sizeof victim, "%s/victim", dir);
	make_file(victim, "precious");
	snprintf(other, sizeof other, "%s/symlink", dir);
	ck_assert_int_eq(symlink(victim, other), 0);
	check_refused(other, ELOOP, "a symbolic link");
	snprintf(other, sizeof other, "%s/link", dir);
	ck_assert_int_eq(link(victim, other), 0);
	check_refused(other, EMLINK, "several links");
	check_text(victim, "precious");
	if (geteuid() == 0) {
		ck_assert_int_eq(unlink(other), 0);
		ck_assert_int_eq(chown(victim, 65534, 65534), 0);
		check_refused(victim, EPERM, "another user's");
		check_text(victim, "precious");
	}
}
END_TEST

START_TEST(a_file_of_ours_is_emptied)
{
	const struct vm_options o = { .workers = 1, .trace = path };
	const mode_t mask = umask(0);
	struct seen s = { 0 };
	struct stat st;

	close_pool(fork_pool(&echoer, &o));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	umask(mask);
	make_file(path, "what was there is longer than nothing");
	close_pool(fork_pool(&echoer, &o));
	see_file(path, &s);
	ck_assert_int_ge(s.marks, 1);
}
END_TEST

/* Takes the results of that many items.  Returns 0 if all are outputs.  Asserts
   nothing: Check writes a file for each assertion. */
static int run_round(vm_pool *pool, int items)
{
	struct vm_result r;
	int n = 0, rc;

	if (vm_imap(pool, vm_range(0, items)) != 0)
		return -1;
	while ((rc = vm_zip_in_out(pool, &r)) == 1 && r.type == VM_OUTPUT)
		n++;
	return rc == 0 && n == items ? 0 : -1;
}

/* Runs items until the trace has ended early, and then some more.  Returns 0,
   or the number of the step that failed. */
static int run_until_full(const char *trace, const char *why)
{
	const struct vm_options o = { .workers = 2, .trace = trace,
		.chunk_size = 1 };
	vm_pool *pool = vm_fork(&echoer, &o);
	int r = 0;

	if (pool == NULL)
		return 1;
	for (int i = 0; i < 1000 && vm_error(pool)[0] == '\0' && r == 0; i++)
		r = run_round(pool, 1000);
	if (r != 0 || strstr(vm_error(pool), why) == NULL)
		return 2;
	if (run_round(pool, 1000) != 0)
		return 3;
	if (vm_close(pool) != 0 || strstr(vm_error(NULL), path) == NULL ||
	    strstr(vm_error(NULL), "ends early: ") == NULL ||
	    strstr(vm_error(NULL), why) == NULL)
		return 4;
	return 0;
}

static int limit_files(void)
{
	const struct rlimit limit = { 100 * 1024, 100 * 1024 };

	signal(SIGXFSZ, SIG_DFL);
	return setrlimit(RLIMIT_FSIZE, &limit);
}

static int run_with_limit(void *unused)
{
	(void)unused;
	return limit_files() != 0 ? 9 : run_until_full(path, "RLIMIT_FSIZE");
}

START_TEST(a_limit_on_files_ends_the_trace_only)
{
	struct seen s = { 0 };

	ck_assert_int_eq(in_child(run_with_limit, NULL), 0);
	see_file(path, &s);
	ck_assert_int_gt(s.items, 100);
}
END_TEST

/* A small disk of this process's own.  Returns 77 if there can be none. */
static int run_on_small_disk(void *unused)
{
	struct seen s = { 0 };

	(void)unused;
	if (scratch_mount(dir, 160) != 0)
		return 77;
	ck_assert_int_eq(run_until_full(path, "No space left"), 0);
	see_file(path, &s);
	ck_assert_int_gt(s.items, 100);
	return 0;
}

START_TEST(a_full_disk_ends_the_trace_only)
{
	int status = in_child(run_on_small_disk, NULL);

	ck_assert(WIFEXITED(status));
	ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
}
END_TEST

START_TEST(a_file_at_its_number_is_left_alone)
{
	const struct vm_options o = { .workers = 1, .trace = path };
	char victim[80];
	vm_pool *pool = fork_pool(&echoer, &o);
	int fd = pool->engine.trace.out.fd, other, cause[100];

	snprintf(victim, sizeof victim, "%s/victim", dir);
	make_file(victim, "precious");
	other = open(victim, O_WRONLY | O_APPEND);
	ck_assert_int_ge(other, 0);
	ck_assert_int_eq(dup2(other, fd), fd);
	imap_to(pool, vm_range(0, 100));
	ck_assert_int_eq(take_numbers(pool, 100, cause), 0);
	ck_assert_int_eq(vm_close(pool), 0);
	ck_assert_ptr_nonnull(strstr(vm_error(NULL), "has closed its"));
	check_text(victim, "precious");
	ck_assert_int_ne(fcntl(fd, F_GETFD), -1);
	close(fd);
	close(other);
}
END_TEST

/* ---- the environment ---- */

/* Runs a pool of its own in a worker. */
static int run_inner(struct vm_context *me, const void *input, size_t size)
{
	const struct vm_options o = { .workers = 1 };
	vm_pool *pool = vm_fork(&echoer, &o);

	(void)input, (void)size;
	if (pool == NULL || vm_close(pool) != 0)
		return vm_fail(me, 1, "%s", vm_error(NULL));
	return vm_output(me, &(pid_t){ getpid() }, sizeof(pid_t));
}

START_TEST(each_pool_has_a_file)
{
	const struct vm_worker w = { .process = run_inner };
	const struct vm_options o = { .workers = 1 };
	const struct vm_options off = { .workers = 1,
		.flags = VM_NO_ENVIRONMENT };
	struct seen s = { 0 };
	struct vm_result r;
	char other[128];
	vm_pool *pool;
	pid_t pid;

	ck_assert_int_eq(setenv("VIMAP_TRACE", path, 1), 0);
	unlink(path);
	close_pool(fork_pool(&echoer, &off));
	ck_assert_int_eq(access(path, F_OK), -1);
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, 1));
	take(pool, &r);
	ck_assert_msg(r.type == VM_OUTPUT, "%s", r.exception ?
	    r.exception->message : "");
	memcpy(&pid, r.output, sizeof pid);
	close_pool(pool);
	see_file(path, &s);
	ck_assert_int_eq(s.items, 1);
	snprintf(other, sizeof other, "%s.%d", path, (int)pid);
	see_file(other, &s);
	close_pool(fork_pool(&echoer, &o));
	snprintf(other, sizeof other, "%s.2", path);
	see_file(other, &s);
	snprintf(other, sizeof other, "%s/%%p.json", dir);
	ck_assert_int_eq(setenv("VIMAP_TRACE", other, 1), 0);
	close_pool(fork_pool(&echoer, &o));
	snprintf(other, sizeof other, "%s/%d.json.3", dir, (int)getpid());
	see_file(other, &s);
}
END_TEST

/* The environment asks, so the end is told on stderr. */
static int run_to_stderr(void *file)
{
	if (dup2(fileno(file), STDERR_FILENO) < 0 || limit_files() != 0 ||
	    setenv("VIMAP_TRACE", path, 1) != 0)
		return 9;
	return run_until_full(NULL, "RLIMIT_FSIZE");
}

START_TEST(people_are_told_of_an_early_end)
{
	FILE *file = tmpfile();
	char text[1000] = "";

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(in_child(run_to_stderr, file), 0);
	rewind(file);
	ck_assert_uint_gt(fread(text, 1, sizeof text - 1, file), 0);
	ck_assert_int_eq(strncmp(text, "vimap: The trace ", 17), 0);
	ck_assert_ptr_nonnull(strstr(text, path));
	ck_assert_ptr_eq(strchr(text, '\n'), text + strlen(text) - 1);
	fclose(file);
}
END_TEST

/* ---- workers that lie ---- */

static struct frame_stamp lie;
static size_t lie_size;

/* Puts a STAMP into its ring, as if the library had, and dies. */
static int lie_and_die(struct vm_context *me, const void *input, size_t size)
{
	_Alignas(16) unsigned char frame[64];
	size_t slot_size, length = frame_length(lie_size);
	struct slot *slot;
	uint64_t at;

	if (number(input) != 2 || me->attempt > 1)
		return vm_output(me, input, size);
	slot = (void *)own_slot(sh, &slot_size);
	at = atomic_load(&slot->committed);
	frame_write(frame, FRAME_STAMP, &lie, lie_size);
	slot_copy_in(slot, at, frame, length);
	atomic_store(&slot->committed, at + length);
	raise(SIGKILL);
	return 0;
}

/* Returns the cause of the item whose worker sent that stamp. */
static int lie_to(const char *trace, struct frame_stamp said, size_t size)
{
	const struct vm_worker w = { .process = lie_and_die };
	const struct vm_options o = { .workers = 1, .chunk_size = 5,
		.trace = trace };
	struct seen s = { 0 };
	int cause[5];
	vm_pool *pool;

	lie = said;
	lie_size = size;
	pool = fork_pool(&w, &o);
	imap_to(pool, vm_range(0, 5));
	ck_assert_int_eq(take_numbers(pool, 5, cause), 0);
	for (int i = 0; i < 5; i++)
		ck_assert(i == 2 || cause[i] == 0);
	ck_assert_int_eq(vm_close(pool), 0);
	if (trace != NULL)
		see_file(trace, &s);
	return cause[2];
}

START_TEST(stamps_that_lie_are_found)
{
	const struct frame_stamp good = { .begin = 1, .end = 2, .first = 1,
		.count = 1 };
	struct frame_stamp bad[] = { good, good, good, good, good, good };
	const struct { uint64_t begin, end; } times[] = { { 0, 0 },
		{ UINT64_MAX, 0 }, { 0, UINT64_MAX },
		{ UINT64_MAX, UINT64_MAX }, { clock_ns(), 1 } };
	struct frame_stamp odd = good;

	sh = shared_new();
	bad[0].ordinal = 1;
	bad[1].first = 5;
	bad[2].count = 0;
	bad[3].count = 5;
	bad[4].count = UINT32_MAX;
	bad[5].first = UINT32_MAX;
	for (size_t i = 0; i < COUNTOF(bad); i++)
		ck_assert_int_eq(lie_to(path, bad[i], sizeof *bad),
		    VM_GARBLED);
	ck_assert_int_eq(lie_to(path, good, sizeof good - 1), VM_GARBLED);
	ck_assert_int_eq(lie_to(NULL, good, sizeof good), VM_GARBLED);
	for (size_t i = 0; i < COUNTOF(times); i++) {
		odd.begin = times[i].begin;
		odd.end = times[i].end;
		ck_assert_int_eq(lie_to(path, odd, sizeof odd), VM_KILLED);
	}
	shared_free(sh);
}
END_TEST

/* ---- a million ---- */

static int spin_60us(struct vm_context *me, const void *input, size_t size)
{
	const uint64_t until = clock_ns() + 60000;

	while (clock_ns() < until)
		continue;
	return vm_output(me, input, size);
}

/* Traces that many items.  Returns the bytes of the file. */
static long trace_many(int (*process)(struct vm_context *, const void *,
    size_t), int items)
{
	const struct vm_worker w = { .process = process };
	const struct vm_options o = { .workers = 2, .trace = path };
	static unsigned char times[ITEMS_MOST];
	struct seen s = { .times = times };
	struct vm_result r;
	struct stat st;
	vm_pool *pool = fork_pool(&w, &o);

	memset(times, 0, sizeof times);
	imap_to(pool, vm_range(0, items));
	for (int i = 0; i < items; i++)
		take(pool, &r);
	take_end(pool);
	close_pool(pool);
	ck_assert_int_eq(stat(path, &st), 0);
	see_file(path, &s);
	if (s.full == 0)
		for (int i = 0; i < items; i++)
			ck_assert_msg(times[i] == 1, "item %d: %d", i,
			    times[i]);
	return (long)st.st_size;
}

/* A tenth of the items may have a tenth of the bytes, and those of the
   counters. */
START_TEST(a_million_items_are_less_than_100_mb)
{
	const int tiny = sample_size(ITEMS_MOST, ITEMS_MOST / 10);
	const int longer = sample_size(ITEMS_MOST, ITEMS_MOST / 1000);

	ck_assert_int_lt(trace_many(echo, tiny), 100L * tiny + 1000000);
	ck_assert_int_lt(trace_many(spin_60us, longer), 100000000);
}
END_TEST

int main(int argc, char **argv)
{
	const TTest *const tests[] = {
		every_event_is_in_the_file, items_of_a_dead_worker_are_drawn,
		without_processes_there_is_a_track_too,
		waits_of_the_caller_are_drawn, arrays_are_traced,
		a_link_has_a_track,
		a_killed_program_leaves_a_prefix,
		a_broken_pool_ends_its_trace,
		a_child_of_the_host_writes_nothing,
		files_that_cannot_be_written_are_refused,
		a_file_of_ours_is_emptied,
		a_limit_on_files_ends_the_trace_only,
		a_full_disk_ends_the_trace_only,
		a_file_at_its_number_is_left_alone, each_pool_has_a_file,
		people_are_told_of_an_early_end, stamps_that_lie_are_found,
		a_million_items_are_less_than_100_mb,
	};
	char command[80];
	int failed;

	vm_agent(argc, argv, &far, 1);
	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	snprintf(path, sizeof path, "%s/trace.json", dir);
	snprintf(command, sizeof command, "rm -rf %s", dir);
	failed = run_tests("traces", tests, COUNTOF(tests));
	return system(command) != 0 ? EXIT_FAILURE : failed;
}
