/*
 * service.c - a service on a Unix socket: a poll() loop, requests that may
 * crash, and an end that leaves no request unanswered.
 *
 * Usage: service SOCKET [MILLISECONDS]
 *
 * A request may take that time (30000; 0: any time).
 *
 * A client connects to the socket and sends lines; each line is a request.  It
 * gets a line for each, in the order in which they are done: the request, a
 * tab, a word, a tab, a text.  The word is "done", and the text the request in
 * capitals; or it is a cause, as "killed", and the text a message.  A request
 * that begins with "crash", "exit", "fail" or "hang" does that.
 *
 * All waiting is in one poll(): for signals, connections, the pool and clients.
 * When the pool has no room no client is read, so clients wait in write() and
 * memory is bounded.
 *
 * At the first Ctrl-C or SIGTERM the service reads what clients have sent until
 * then, and no byte more: their next write() fails.  Requests that have not
 * begun are told as "cancelled", the others end.  The second cancels these too.
 *
 * Exit status: 0 if it was ended by a signal, 1 after a failure, 2 for a usage
 * error.
 */
#define _GNU_SOURCE

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include <vimap.h>

#define CLIENTS 100		/* at a time; others wait in connect() */
#define LINE_MOST 4096		/* bytes of a request, with its newline */
#define ANSWERS_MOST 65536	/* a client is not read while it has as many
				   bytes of answers to read */
#define RESULTS_MOST 100	/* results taken in a turn, so that clients are
				   served in between */

/* ---- In the worker ----------------------------------------------------- */

static bool begins(const char *text, const char *word)
{
	return strncmp(text, word, strlen(word)) == 0;
}

/* The input is a request: the library puts a 0 byte behind each input. */
static int work(struct vm_context *me, const void *input, size_t size)
{
	const char *request = input;
	char *out;
	size_t i;

	if (begins(request, "crash"))
		abort();
	if (begins(request, "exit"))
		exit(3);
	if (begins(request, "fail"))
		return vm_fail(me, 1, "As requested.");
	while (begins(request, "hang"))
		pause();
	out = vm_reserve(me, size);
	if (!out)
		return -1;
	for (i = 0; i < size; i++)
		out[i] = (char)toupper((unsigned char)request[i]);
	return vm_commit(me, size);
}

/* ---- The service ------------------------------------------------------- */

/* A connection, and the tag of its requests: so the struct is used again only
   when the pool has none of them any more. */
struct client {
	int fd;			/* -1: it is gone */
	bool ended;		/* it sends nothing more */
	size_t waiting;		/* its requests in the pool */
	size_t in_size;
	char *out;		/* answers that were not sent yet */
	size_t out_size, out_room;
	char in[LINE_MOST];	/* what was read and not given to the pool */
};

struct service {
	vm_pool *pool;		/* NULL: it is closed */
	int signals;		/* of signalfd() */
	int listener;		/* -1: no more clients */
	const char *path;	/* of the socket */
	int stops;		/* signals that were received */
	int most;		/* clients at a time; fewer than CLIENTS where
				   descriptors are short */
	bool full;		/* the pool had no room for a request */
	bool failed;
	size_t asked;		/* requests in the pool */
	struct client clients[CLIENTS];
};

static void complain(const char *words)
{
	fprintf(stderr, "service: %s\n", words);
}

/* ---- Answers ----------------------------------------------------------- */

static void drop(struct client *c)
{
	close(c->fd);
	free(c->out);
	c->fd = -1;
	c->out = NULL;
	c->out_size = c->out_room = c->in_size = 0;
}

/* Makes room for more bytes of answers.  Returns false without memory. */
static bool make_room(struct client *c, size_t size)
{
	size_t room = 2 * (c->out_size + size);
	char *out;

	if (c->out_room - c->out_size >= size)
		return true;
	out = realloc(c->out, room);
	if (!out)
		return false;
	c->out = out;
	c->out_room = room;
	return true;
}

static void append(struct client *c, const void *bytes, size_t size)
{
	memcpy(c->out + c->out_size, bytes, size);
	c->out_size += size;
}

/* Adds a line to the answers of a client.  Without memory the client goes: its
   answers would have a gap. */
static void answer(struct client *c, const void *request, size_t size,
		   const char *word, const void *text, size_t text_size)
{
	size_t word_size = strlen(word);

	if (c->fd == -1)
		return;
	if (!make_room(c, size + word_size + text_size + 3)) {
		drop(c);
		return;
	}
	append(c, request, size);
	append(c, "\t", 1);
	append(c, word, word_size);
	append(c, "\t", 1);
	append(c, text, text_size);
	append(c, "\n", 1);
}

static void tell(struct client *c, const void *request, size_t size,
		 const char *word, const char *text)
{
	answer(c, request, size, word, text, strlen(text));
}

/* Sends as many answers as the socket takes. */
static void send_answers(struct client *c)
{
	ssize_t n = send(c->fd, c->out, c->out_size,
			 MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n == -1 && errno != EAGAIN && errno != EINTR) {
		drop(c);
	} else if (n > 0) {
		c->out_size -= (size_t)n;
		memmove(c->out, c->out + n, c->out_size);
	}
}

/* ---- Requests ---------------------------------------------------------- */

/* Gives a request to the pool, or tells the client why not.  Returns false if
   it must be offered again later. */
static bool ask(struct service *s, struct client *c, const char *request,
		size_t size)
{
	int rc;

	if (s->stops > 0) {
		tell(c, request, size, "cancelled", "The service ends.");
		return true;
	}
	rc = vm_submit(s->pool, request, size, c);
	if (rc == VM_LATER) {
		s->full = true;
		return false;
	}
	if (rc == -1) {
		tell(c, request, size, "refused", vm_error(s->pool));
		return true;
	}
	c->waiting++;
	s->asked++;
	return true;
}

/* Takes the whole lines from the buffer of a client. */
static void take_lines(struct service *s, struct client *c)
{
	char *line = c->in, *newline;
	size_t left = c->in_size;

	while ((newline = memchr(line, '\n', left)) != NULL) {
		size_t size = (size_t)(newline - line);

		if (!ask(s, c, line, size))
			break;
		line = newline + 1;
		left -= size + 1;
	}
	if (c->fd == -1)
		return;		/* dropped meanwhile */
	memmove(c->in, line, left);
	c->in_size = left;
	if (newline)
		return;
	if (left == LINE_MOST) {
		tell(c, "", 0, "refused", "The line is too long.");
		c->ended = true;
	}
	if (c->ended)
		c->in_size = 0;
}

static void read_client(struct service *s, struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_size, LINE_MOST - c->in_size,
			 MSG_DONTWAIT);

	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		c->ended = true;
	else
		c->in_size += (size_t)n;
	take_lines(s, c);
}

/* ---- The pool ---------------------------------------------------------- */

static void take_result(struct service *s, const struct vm_result *r)
{
	struct client *c = r->tag;

	c->waiting--;
	s->asked--;
	if (r->type == VM_OUTPUT)
		answer(c, r->input, r->input_size, "done", r->output,
		       r->output_size);
	else
		tell(c, r->input, r->input_size,
		     vm_cause_name(r->exception->cause),
		     r->exception->message);
}

/* Ends the service, at once or by and by: called once for each signal. */
static void stop(struct service *s)
{
	int i;

	if (s->stops++ > 0) {
		if (s->pool)
			vm_cancel(s->pool, VM_CANCEL_RUNNING);
		return;
	}
	close(s->listener);
	s->listener = -1;
	unlink(s->path);
	vm_cancel(s->pool, 0);
	s->full = false;
	for (i = 0; i < CLIENTS; i++) {
		struct client *c = &s->clients[i];

		if (c->fd == -1)
			continue;
		/* What is in the socket can still be read; nothing can be
		   added. */
		shutdown(c->fd, SHUT_RD);
		take_lines(s, c);
	}
}

static void take_results(struct service *s)
{
	struct vm_result r;
	int i, rc = 1;

	for (i = 0; i < RESULTS_MOST && rc == 1; i++) {
		rc = vm_zip_in_out_within(s->pool, &r, 0);
		if (rc == 1)
			take_result(s, &r);
	}
	if (rc == -1) {
		complain(vm_error(s->pool));
		s->failed = true;
		if (s->stops == 0)
			stop(s);
	}
	if (!s->full)
		return;
	s->full = false;
	for (i = 0; i < CLIENTS && !s->full; i++)
		if (s->clients[i].fd != -1)
			take_lines(s, &s->clients[i]);
}

/* Called when vm_fd() is readable.  Once nothing is in the pool it is closed,
   while clients read their last answers. */
static void attend_pool(struct service *s)
{
	int rc;

	if (s->stops == 0 || s->asked > 0)
		take_results(s);
	if (s->stops == 0 || s->asked > 0)
		return;
	rc = vm_close_within(s->pool, 0);
	if (rc == VM_LATER)
		return;
	s->pool = NULL;
	if (rc != 0) {
		complain(vm_error(NULL));
		s->failed = true;
	}
}

/* ---- Clients ----------------------------------------------------------- */

static int count_clients(const struct service *s)
{
	int i, n = 0;

	for (i = 0; i < CLIENTS; i++)
		n += s->clients[i].fd != -1;
	return n;
}

/* Returns an unused struct, or NULL. */
static struct client *find_room(struct service *s)
{
	int i;

	if (count_clients(s) >= s->most)
		return NULL;
	for (i = 0; i < CLIENTS; i++)
		if (s->clients[i].fd == -1 && s->clients[i].waiting == 0)
			return &s->clients[i];
	return NULL;
}

static void welcome(struct service *s)
{
	struct client *c = find_room(s);
	int fd;

	if (!c)
		return;
	fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd != -1) {
		c->fd = fd;
		c->ended = false;
	} else if (errno == EMFILE || errno == ENFILE) {
		/* Else the listener would stay readable, and poll() spin. */
		s->most = count_clients(s) > 1 ? count_clients(s) : 1;
	}
}

/* A client that sends nothing more goes when it has all its answers. */
static void attend_client(struct service *s, struct client *c, short events)
{
	if (events & POLLIN)
		read_client(s, c);
	else if (events & (POLLHUP | POLLERR))
		drop(c);	/* nobody is left to read answers */
	if (c->fd != -1 && c->out_size > 0)
		send_answers(c);
	if (c->fd != -1 && c->ended && c->waiting == 0 && c->in_size == 0 &&
	    c->out_size == 0)
		drop(c);
}

/* ---- The loop ---------------------------------------------------------- */

enum { SIGNALS, LISTENER, POOL, FIRST_CLIENT, FDS = FIRST_CLIENT + CLIENTS };

/* poll() passes over descriptors of -1.  A client that has ended and waits for
   its answers has no events: so its end is no news again and again, but
   POLLHUP is told always. */
static void fill(struct service *s, struct pollfd *fds)
{
	int i;

	fds[SIGNALS] = (struct pollfd){ s->signals, POLLIN, 0 };
	fds[LISTENER] = (struct pollfd){ find_room(s) ? s->listener : -1,
					 POLLIN, 0 };
	fds[POOL] = (struct pollfd){ s->pool ? vm_fd(s->pool) : -1, POLLIN,
				     0 };
	for (i = 0; i < CLIENTS; i++) {
		struct client *c = &s->clients[i];
		short events = 0;

		if (!c->ended && !s->full && c->out_size < ANSWERS_MOST)
			events |= POLLIN;
		if (c->out_size > 0)
			events |= POLLOUT;
		fds[FIRST_CLIENT + i] = (struct pollfd){ c->fd, events, 0 };
	}
}

/* Has all been told?  After a second signal clients that do not read are not
   waited for: what their sockets take is sent. */
static bool is_over(struct service *s)
{
	int i;

	if (s->pool)
		return false;
	for (i = 0; i < CLIENTS; i++)
		if (s->clients[i].fd != -1) {
			if (s->stops < 2)
				return false;
			send_answers(&s->clients[i]);
			drop(&s->clients[i]);
		}
	return true;
}

static void serve(struct service *s)
{
	struct pollfd fds[FDS];
	struct signalfd_siginfo info;
	int i;

	while (!is_over(s)) {
		fill(s, fds);
		if (poll(fds, FDS, -1) == -1)
			continue;	/* EINTR, of SIGCONT */
		if (fds[SIGNALS].revents &&
		    read(s->signals, &info, sizeof info) == sizeof info)
			stop(s);
		if (fds[POOL].revents)
			attend_pool(s);
		for (i = 0; i < CLIENTS; i++)
			if (fds[FIRST_CLIENT + i].revents &&
			    fds[FIRST_CLIENT + i].fd == s->clients[i].fd)
				attend_client(s, &s->clients[i],
					      fds[FIRST_CLIENT + i].revents);
		/* Last: the events above are those of clients before. */
		if (fds[LISTENER].revents && s->listener != -1)
			welcome(s);
	}
}

/* ---- Begin and end ----------------------------------------------------- */

/* Only the user of the service may connect.  Returns -1 after a message. */
static int open_listener(const char *path)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof to.sun_path) {
		complain("the path of the socket is too long");
		return -1;
	}
	strcpy(to.sun_path, path);
	umask(077);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1 && bind(fd, (struct sockaddr *)&to, sizeof to) == 0) {
		if (listen(fd, CLIENTS) == 0)
			return fd;
		unlink(path);
	}
	fprintf(stderr, "service: %s: %s\n", path, strerror(errno));
	if (fd != -1)
		close(fd);
	return -1;
}

/* From now on Ctrl-C and SIGTERM are read.  Returns -1 after a message. */
static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd == -1)
		complain("no descriptor for signals");
	return fd;
}

/* Returns 0, or -1 after a message.  The pool is forked before the rest is
   opened: so none of its processes holds the socket, or that of a client. */
static int run(const char *path, const struct vm_options *options)
{
	static const struct vm_worker worker = { .process = work };
	static struct service s = { .listener = -1, .most = CLIENTS };
	int i;

	s.pool = vm_fork(&worker, options);
	/* The first client meets workers that are ready. */
	if (vm_ready(s.pool, -1) == -1 || vm_fd(s.pool) == -1) {
		complain(vm_error(s.pool));
		vm_close(s.pool);
		return -1;
	}
	for (i = 0; i < CLIENTS; i++)
		s.clients[i].fd = -1;
	s.path = path;
	s.signals = open_signals();
	if (s.signals != -1)
		s.listener = open_listener(path);
	if (s.listener == -1) {
		vm_close(s.pool);
		return -1;
	}
	serve(&s);
	return s.failed ? -1 : 0;
}

int main(int argc, char **argv)
{
	/* Each request is sent by itself, as some take far longer than others.
	   The window then has 100 of them for each worker. */
	struct vm_options options = { .chunk_size = 1,
				      .item_timeout_ms = 30000 };

	if (argc == 3)
		options.item_timeout_ms = atoi(argv[2]);
	if (argc != 2 && argc != 3) {
		complain("usage: service SOCKET [MILLISECONDS]");
		return 2;
	}
	return run(argv[1], &options) == 0 ? 0 : 1;
}
