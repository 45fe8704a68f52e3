/* vimap.c - vimap(1): runs a command for each record.  Its processes start in
   workers, whose process group they have, so that they end with them. */
#define _GNU_SOURCE	/* NOLINT: a name of the C library */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vimap.h>

/* Exit statuses, beside 0 and the 126 and 127 of a shell. */
enum { SOME_FAILED = 1, MISUSED, BROKEN };
/* Codes of failures: the exit status of the command; 128 and the signal that
   killed it; or this and the errno of the failure to start it. */
#define NOT_STARTED 1000

#define READ_SIZE ((size_t)64 * 1024)	/* bytes of a read */
#define INPUT_MOST ((size_t)1 << 30)	/* max_item_bytes by default */
#define WORKERS_MOST 32766	/* of vm_options.workers */
#define DIGITS "0123456789"

/* How far the output is.  A filter ends an answer, and may write more. */
enum progress { FAILED = -1, ENDED = 0, MORE, ANSWERED, SURPLUS };

/* The arguments, of which all processes have a copy. */
static struct vm_options options = { .flags = VM_ORDERED | VM_STDERR_TAIL };
static enum { AS_WORDS, AS_INPUT, AS_LINES } mode;	/* of records: -i, -F */
static int fd;			/* of the records */
static int together = 1;	/* records of an input at most */
static char separator = '\n';	/* behind each */
static size_t memory;		/* bytes of address space; 0: as it is */
static char **command;		/* its words; a NULL ends them */

/* Of the caller. */
static vm_pool *pool;
static int ending;		/* the exit status */
static uint64_t cancelled;	/* inputs */
static volatile sig_atomic_t caught;	/* a signal, or 0 */
static const char *clear = "";	/* removes the line of -p */
static struct stat own;	/* standard error */

/* ---- Arguments --------------------------------------------------------- */

/* Returns the number of these digits in optarg, behind which there may be a
   unit, each 1024 times the one before; 0 if it is none or more than most. */
static double number(const char *digits, const char *units, double most)
{
	char *end;
	double n = strtod(optarg, &end);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (end[unit != NULL] || optarg + strspn(optarg, digits) != end)
		return 0;
	for (; unit && unit >= units; unit--)
		n *= 1024;
	return n > most ? 0 : n;
}

/* Returns false if the argument in optarg is wrong. */
static bool read_option(int letter)
{
	struct vm_options *const o = &options;
	int *to = letter == 'j' ? &o->workers : letter == 'n' ? &together :
	    letter == 'r' ? &o->max_attempts : &o->max_failures;

	switch (letter) {
	case '0':
	case 'd':
		separator = *(letter == '0' ? "" : optarg);
		return letter == '0' || (optarg[0] && !optarg[1]);
	case 'J':
		o->flags |= VM_JOURNAL_OUTPUTS | VM_JOURNAL_RETRY;
		o->journal = optarg;
		return true;
	case 'F':
	case 'i':
		mode = letter == 'F' ? AS_LINES : AS_INPUT;
		return true;
	case 'a':
		fd = open(optarg, O_RDONLY | O_CLOEXEC);
		return fd >= 0;
	case 'm':
		memory = (size_t)number(DIGITS, "KMG", (double)(SIZE_MAX / 2));
		return memory > 0;
	case 'p':
	case 'u':
		o->flags = letter == 'p' ? o->flags | VM_PROGRESS :
		    o->flags & ~(unsigned)VM_ORDERED;
		return true;
	case 't':
		o->item_timeout_ms = (int)(1000 * number(DIGITS ".", "", 2e6));
		return o->item_timeout_ms > 0;
	}
	return letter != '?' && (*to = (int)number(DIGITS, "", letter == 'j' ?
	    WORKERS_MOST : INT_MAX)) > 0;
}

/* Returns false after a message. */
static bool read_arguments(int argc, char **argv)
{
	int letter;

	while ((letter = getopt(argc, argv, "+0FJ:a:d:ij:m:n:pr:t:ux:")) != -1)
		if (!read_option(letter))
			break;
	command = argv + optind;
	if (letter != -1 && letter != '?')
		fprintf(stderr, "vimap: -%c cannot be '%s'%s%s\n", letter,
		    optarg, letter == 'a' ? ": " : "",
		    letter == 'a' ? strerror(errno) : "");
	else if (letter == -1 && optind == argc)
		fprintf(stderr, "vimap: there is no command\n");
	else if (mode == AS_LINES && together > 1)
		fprintf(stderr, "vimap: -F takes no -n\n");
	else if (letter == -1)
		return true;
	fprintf(stderr, "usage: vimap [-0Fipu] [-a FILE] [-d SEP] [-J JOURNAL] "
	    "[-j N] [-m SIZE]\n             [-n N] [-r N] [-t SEC] [-x N] "
	    "COMMAND [ARG...]\n");
	return false;
}

/* ---- Records ----------------------------------------------------------- */

/* The bytes that were read: in a buffer of room bytes, those between offsets
   from and end, which up to seen have that many separators. */
static struct {
	char *bytes;
	size_t room, from, end, seen;
	int found;
	bool over;		/* the end of the file was read */
} text;

/* Returns 1 after bytes or the end were read, VM_LATER, or -1 with errno. */
static int read_more(void)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char *more;
	ssize_t n;

	if (poll(&p, 1, 0) < 1)
		return VM_LATER;
	if (text.from > 0)
		memmove(text.bytes, text.bytes + text.from,
		    text.end - text.from);
	text.end -= text.from;
	text.seen -= text.from;
	text.from = 0;
	if (text.room - text.end < READ_SIZE) {
		text.room = 2 * text.end + READ_SIZE;
		errno = EFBIG;
		more = text.end > INPUT_MOST ? NULL :
		    realloc(text.bytes, text.room);
		if (!more)
			return -1;
		text.bytes = more;
	}
	n = read(fd, text.bytes + text.end, READ_SIZE);
	if (n == -1)
		return errno == EAGAIN || errno == EINTR ? VM_LATER : -1;
	text.end += (size_t)n;
	text.over = n == 0;
	return 1;
}

/* Looks for the end of an input.  Returns false if it was not read yet. */
static bool look(void)
{
	while (text.seen < text.end && text.found < together) {
		const char *at = memchr(text.bytes + text.seen, separator,
		    text.end - text.seen);

		text.seen = at ? (size_t)(at - text.bytes) + 1 : text.end;
		text.found += at != NULL;
	}
	return text.over || text.found == together;
}

static int next(void *nothing, const void **input, size_t *size)
{
	char *begin, *at;
	int rc;

	(void)nothing;
	while (!look())
		if ((rc = read_more()) != 1)
			return rc;
	if (text.from == text.seen)
		return 0;
	*input = at = begin = text.bytes + text.from;
	*size = text.seen - text.from -
	    (text.bytes[text.seen - 1] == separator);
	text.from = text.seen;
	text.found = 0;
	if (mode != AS_WORDS || separator == '\0')
		return 1;
	errno = EILSEQ;
	if (memchr(begin, '\0', *size))
		return -1;
	while ((at = memchr(at, separator, *size - (size_t)(at - begin))))
		*at = '\0';
	return 1;
}

static int wait_fd(void *nothing)
{
	(void)nothing;
	return fd;
}

/* ---- The process ------------------------------------------------------- */

/* Returns the words of the command with those of an input in their place, in a
   block to be freed, or NULL with errno. */
static char **fill(const char *input, size_t size)
{
	size_t count = 1, n = 0, places = 0;
	char **filled, **at;

	for (size_t i = 0; i < size; i++)
		count += input[i] == '\0';
	for (; command[n]; n++)
		places += strcmp(command[n], "{}") == 0;
	at = filled = calloc(n + 2, (count + 1) * sizeof *filled);
	for (size_t i = 0; filled && i < n + (places == 0); i++) {
		const char *word = input;
		bool place = i == n || strcmp(command[i], "{}") == 0;

		for (; place && word <= input + size; word += strlen(word) + 1)
			*at++ = (char *)word;
		if (!place)
			*at++ = command[i];
	}
	return filled;
}

static struct {
	pid_t pid;		/* 0: there is none */
	int to, from;		/* its standard input, or -1, and output */
} child;

/* Executes the words with in (-1: none) and out.  Returns 0 or errno. */
static int spawn(char *const *words, int in, int out)
{
	const struct rlimit most = { memory, memory };
	volatile int error = 0;	/* written by the child, in our memory */

	child.pid = vfork();	/* NOLINT: the cheapest, and allowed */
	if (child.pid == -1)
		return errno;
	if (child.pid == 0) {
		if ((in == -1 || dup2(in, 0) != -1) && dup2(out, 1) != -1 &&
		    (memory == 0 || setrlimit(RLIMIT_AS, &most) == 0))
			execvp(words[0], words);
		error = errno;
		_exit(127);
	}
	if (error != 0)
		waitpid(child.pid, NULL, 0);
	return error;
}

/* Starts the command for an input.  Returns 0, or -1 if the item has failed. */
static int start(struct vm_context *me, const char *input, size_t size)
{
	char **words = command;
	static char index[40], worker[40];	/* in the environment */
	int in[2] = { mode == AS_WORDS ? open("/dev/null", O_RDONLY |
	    O_CLOEXEC) : -1, -1 }, out[2] = { -1, -1 }, r;

	snprintf(index, sizeof index, "VIMAP_INDEX=%" PRIu64, me->index);
	snprintf(worker, sizeof worker, "VIMAP_WORKER=%d", me->worker_index);
	putenv(index);
	putenv(worker);
	if (mode == AS_WORDS)
		words = fill(input, size);
	r = !words || pipe2(out, O_CLOEXEC) == -1 ||
	    (mode != AS_WORDS && pipe2(in, O_CLOEXEC) == -1) ?
	    errno : spawn(words, in[0], out[1]);
	free(words == command ? NULL : words);
	close(in[0]);
	close(out[1]);
	child.to = in[1];
	child.from = out[0];
	fcntl(child.to, F_SETFL, O_NONBLOCK);
	if (r == 0)
		return 0;
	child.pid = 0;
	close(child.to);
	close(child.from);
	return vm_fail(me, NOT_STARTED + r, "%s", strerror(r));
}

/* Closes the pipes, and waits for the end of the process, which is killed if
   now is set.  Returns its wait status. */
static int end(bool now)
{
	int ended = 0;

	if (now)
		kill(child.pid, SIGKILL);
	close(child.to);
	close(child.from);
	waitpid(child.pid, &ended, 0);	/* no handlers, no EINTR */
	child.pid = 0;
	return ended;
}

/* Writes the rest of an input and a separator, as far as there is room.
   Returns the bytes that remain, 0 if nobody reads them. */
static size_t push(const char *input, size_t size, size_t rest)
{
	struct iovec v[] = { { (char *)input + size + 1 - rest, rest - 1 },
		{ &separator, 1 } };
	void (*before)(int) = signal(SIGPIPE, SIG_IGN);
	ssize_t n = writev(child.to, v, 2);

	if (n == -1)
		n = errno == EAGAIN || errno == EINTR ? 0 : (ssize_t)rest;
	signal(SIGPIPE, before);
	return rest - (size_t)n;
}

/* Reads output of the process as that of the item. */
static enum progress pull(struct vm_context *me)
{
	char *bytes = vm_reserve(me, READ_SIZE), *found;
	ssize_t n = bytes ? read(child.from, bytes, READ_SIZE) : -1;

	if (n == -1)	/* without bytes the item has failed already */
		return bytes ? vm_fail(me, errno, "%m") : FAILED;
	vm_commit(me, (size_t)n);
	found = mode == AS_LINES ? memchr(bytes, separator, (size_t)n) : NULL;
	if (found)
		return found == bytes + n - 1 ? ANSWERED : SURPLUS;
	return n > 0 ? MORE : ENDED;
}

/* Gives the process an input, if it has a pipe for it, and reads its output.
   All of the input, as it may be read on behind the end of that or an answer.
   Never returns MORE. */
static enum progress talk(struct vm_context *me, const char *input, size_t size)
{
	struct pollfd p[] = { { .fd = child.from, .events = POLLIN },
		{ .fd = child.to, .events = POLLOUT } };
	size_t rest = child.to >= 0 ? size + 1 : 0;
	enum progress r = MORE;

	do {
		rest = rest > 0 ? push(input, size, rest) : 0;
		if (rest == 0 && mode == AS_INPUT && child.to >= 0) {
			close(child.to);
			child.to = -1;
		}
		p[0].fd = p[0].revents == POLLHUP ? -1 : p[0].fd;
		if (rest > 0 ? poll(p, 2, -1) > 0 && p[0].revents : r == MORE)
			r = r != ANSWERED ? pull(me) :
			    p[0].revents & POLLIN ? SURPLUS : ANSWERED;
	} while (r == MORE ||
	    (rest > 0 && r == (mode == AS_INPUT ? ENDED : ANSWERED)));
	return r;
}

/* Returns the bytes on fd 2 if that is a file of this worker, else 0. */
static off_t errors(void)
{
	struct stat file;

	return fstat(2, &file) == 0 && (file.st_ino != own.st_ino ||
	    file.st_dev != own.st_dev) ? file.st_size : 0;
}

/* Ends the output of the item with the errors: each item has a new file. */
static int succeed(struct vm_context *me)
{
	size_t size = (size_t)errors();
	void *room = size > 0 ? vm_reserve(me, size) : NULL;

	if (!room || pread(2, room, size, 0) != (ssize_t)size)
		size = 0;
	vm_commit(me, size);
	return vm_output(me, &(uint64_t){ size }, sizeof(uint64_t));
}

/* Fails the item, or teardown, by a wait status, in place of that. */
static int fail(struct vm_context *me, int ended, const char *expected)
{
	const int n = WTERMSIG(ended);

	if (WIFSIGNALED(ended))
		return vm_fail(me, 128 + n, "killed by signal %d (%s)", n,
		    strsignal(n));
	return vm_fail(me, WEXITSTATUS(ended), "exit status %d%s",
	    WEXITSTATUS(ended), expected);
}

static int process(struct vm_context *me, const void *input, size_t size)
{
	struct pollfd p = { .fd = child.from, .events = POLLIN };
	enum progress r = ENDED;
	int ended = 0;
	char byte;

	if (child.pid > 0 && poll(&p, 1, 0) > 0) {	/* a filter */
		r = read(child.from, &byte, 1) > 0 ? SURPLUS : ENDED;
		end(true);
	}
	if (r == ENDED) {
		if (child.pid == 0 && start(me, input, size) == -1)
			return -1;
		r = talk(me, input, size);
	}
	if (child.pid > 0 && r != ANSWERED)
		ended = end(r != ENDED);
	if (r == FAILED)
		return -1;
	if (r == SURPLUS)
		return vm_fail(me, 1, "more than an answer to a record");
	if (r == ENDED && mode == AS_LINES)
		return fail(me, ended, " in place of an answer");
	return ended != 0 ? fail(me, ended, "") : succeed(me);
}

/* Lets a filter end. */
static void tear_down(struct vm_context *me)
{
	char byte;
	int ended;

	if (child.pid == 0)
		return;
	close(child.to);
	child.to = -1;
	if (read(child.from, &byte, 1) > 0)
		end(vm_fail(me, 1, "more than an answer to a record") == -1);
	else if ((ended = end(false)) != 0)
		fail(me, ended, "");
}

/* ---- Results ----------------------------------------------------------- */

/* Ends the run, and says why, unless it ends already. */
static void stop(int value, const char *subject, const char *why)
{
	if (ending > SOME_FAILED)
		return;
	fflush(stdout);
	fprintf(stderr, "%svimap: %s: %s\n", clear, subject, why);
	vm_cancel(pool, VM_CANCEL_RUNNING);
	ending = value;
}

/* Writes what was printed. */
static void flush(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		stop(BROKEN, "standard output", strerror(errno));
}

static void print_output(const char *output, size_t size)
{
	uint64_t errors;

	size -= sizeof errors;
	memcpy(&errors, output + size, sizeof errors);
	size -= (size_t)errors;
	if (*clear && (errors > 0 || isatty(1)))
		fputs(clear, stderr);
	if (fwrite(output, 1, size, stdout) < size || errors > 0)
		flush();
	fwrite(output + size, 1, (size_t)errors, stderr);
}

static void print_failure(const struct vm_result *r)
{
	const char *tail = r->exception->stderr_tail, *input = r->input;
	char name[64];		/* its last character may be longer than 1 */
	size_t n = 0;

	flush();
	for (; n < r->input_size && (n < 60 || (n < sizeof name &&
	    (input[n] & 0xc0) == 0x80)); n++)
		name[n] = *((unsigned char)input[n] < ' ' || input[n] == 127 ?
		    "?" : input + n);
	fprintf(stderr, "%svimap: record %" PRIu64 " '%.*s%s': %s\n", clear,
	    r->index, (int)n, name, n < r->input_size ? "..." : "",
	    r->exception->message);
	if (tail && *tail)
		fprintf(stderr, "%s%s", tail,
		    tail[strlen(tail) - 1] == '\n' ? "" : "\n");
	if (ending == 0)
		ending = SOME_FAILED;
}

static void print(const struct vm_result *r)
{
	const int error = r->exception ? r->exception->code - NOT_STARTED : 0;

	if (r->exception && r->exception->cause == VM_CANCELLED)
		cancelled++;
	else if (ending > SOME_FAILED)
		return;
	else if (!r->exception)
		print_output(r->output, r->output_size);
	else if ((error == ENOENT || error == EACCES || error == ENOTDIR ||
	    error == ELOOP || error == ENAMETOOLONG) &&
	    strcmp(command[0], "{}") != 0)	/* so it is for all */
		stop(error == ENOENT ? 127 : 126, command[0], strerror(error));
	else
		print_failure(r);
}

static void print_all(void)
{
	struct vm_result r;
	int rc;

	do {
		rc = vm_zip_in_out_within(pool, &r, 0);
		if (rc == VM_LATER) {
			flush();
			rc = vm_zip_in_out(pool, &r);
		}
		if (rc == 1)
			print(&r);
	} while (rc == 1);
	if (rc == -1)
		stop(BROKEN, "the records", errno != EILSEQ ? vm_error(pool) :
		    "a 0 byte, which no argument can have");
	flush();
	if (cancelled > 0)
		fprintf(stderr, "vimap: %" PRIu64 " records were read and not "
		    "done\n", cancelled);
}

static void on_signal(int number)
{
	signal(number, SIG_DFL);	/* the second ends this process */
	caught = number;
	if (!pool)
		raise(number);		/* filters are at their end */
	vm_cancel(pool, VM_CANCEL_RUNNING);	/* NOLINT: a handler may */
}

/* Returns how the command gets records, and a hash of its words (FNV-1a). */
static const char *describe(void)
{
	static char kind[40];
	uint64_t h = 0xcbf29ce484222325;

	for (char **word = command; *word; word++)
		for (const char *at = *word; at == *word || at[-1]; at++)
			h = (h ^ (unsigned char)*at) * 0x100000001b3;
	snprintf(kind, sizeof kind, "%d %d %" PRIx64, (int)mode, separator, h);
	return kind;
}

int main(int argc, char **argv)
{
	struct vm_worker hooks = { .process = process, .teardown = tear_down };
	vm_pool *p;

	if (!read_arguments(argc, argv))
		return MISUSED;
	fstat(2, &own);
	if (mode == AS_LINES)	/* whose errors are of no record for sure */
		options.flags &= ~(unsigned)VM_STDERR_TAIL;
	options.teardown_timeout_ms = options.item_timeout_ms;
	if (options.flags & VM_PROGRESS && isatty(2))
		clear = "\r\033[K";
	hooks.version = describe();	/* a journal is of one such */
	signal(SIGCHLD, SIG_DFL);	/* serial commands are waited for */
	p = pool = vm_fork(&hooks, &options);	/* NULL is refused below */
	if (signal(SIGINT, on_signal) == SIG_IGN)
		signal(SIGINT, SIG_IGN);
	if (signal(SIGTERM, on_signal) == SIG_IGN)
		signal(SIGTERM, SIG_IGN);
	if (vm_imap(p, (struct vm_source){ .next = next, .wait_fd = wait_fd }))
		stop(BROKEN, "no pool", vm_error(p));
	else
		print_all();
	pool = NULL;		/* for on_signal() and stop() */
	if (vm_close(p) != 0 && !caught)
		stop(SOME_FAILED, command[0], vm_error(NULL));
	if (caught)
		raise(caught);
	return ending;
}
