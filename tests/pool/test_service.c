/*
 * test_service.c - examples/service as its clients see it: whatever requests
 * do, and whenever it is told to end, each gets its answer once, and nothing is
 * left behind.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "sample.h"
#include "tools.h"

#define PROGRAM "./examples/service"

enum { CLIENTS = 3, LINE_MOST = 4096, MANY = 40000 };

/* ---- the service ---- */

static char folder[] = "/tmp/vimap_service.XXXXXX";
static char path[sizeof folder + 8];
static pid_t service;

/* What the service leaves behind becomes a child of this process. */
static void start_service(void)
{
	no_cores();
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/socket", folder);
	service = new_process();
	if (service == 0) {
		setenv("VIMAP_WORKERS", "2", 1);
		execl(PROGRAM, PROGRAM, path, "0", (char *)NULL);
		_exit(99);
	}
}

/* Waits for its end.  Nothing of it is left. */
static void check_end(int wanted)
{
	int status;

	wait_gone(service);
	ck_assert_int_eq(waitpid(service, &status, 0), service);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), wanted);
	ck_assert_int_eq(count_children(), 0);
	ck_assert_int_eq(access(path, F_OK), -1);
	ck_assert_int_eq(rmdir(folder), 0);
}

static int try_to_connect(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	ck_assert_int_ge(fd, 0);
	strcpy(to.sun_path, path);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	close(fd);
	return -1;
}

static int connect_to_service(void)
{
	uint64_t by = clock_ns() + limit_ns();
	int fd;

	while ((fd = try_to_connect()) == -1) {
		ck_assert_msg(clock_ns() < by, "no service");
		ck_assert_msg(is_alive(service), "the service has ended");
		nap_ms(5);
	}
	return fd;
}

/* ---- clients ---- */

/* A client: all that it is to send, and what became of each request. */
struct client {
	int fd, number;
	int count;		/* requests */
	char *text;		/* of all of them */
	size_t *end;		/* of each in the text */
	size_t sent;		/* bytes */
	char *told;		/* times that each was told */
	bool refused;		/* the service reads nothing more */
	bool over;		/* it has closed the connection */
	char line[2 * LINE_MOST];
	size_t size;
};

static int told, cancelled;	/* requests of all clients */

/* The kind of a request: its first word. */
typedef const char *kind_of(int i);

static const char *mixed(int i)
{
	return i % 100 == 50 ? "crash" : i % 300 == 75 ? "exit" :
	    i % 100 == 99 ? "fail" : "req";
}

static const char *hanging(int i)
{
	return i < 2 ? "hang" : "req";
}

static void open_client(struct client *c, int number, int count, kind_of *kind)
{
	size_t size = 0;

	*c = (struct client){ .number = number, .count = count,
		.text = malloc((size_t)count * 32), .told = calloc(count, 1),
		.end = malloc((size_t)count * sizeof *c->end) };
	ck_assert(c->text != NULL && c->told != NULL && c->end != NULL);
	for (int i = 0; i < count; i++) {
		size += (size_t)sprintf(c->text + size, "%s %d %d\n", kind(i),
		    number, i);
		c->end[i] = size;
	}
	c->fd = connect_to_service();
	ck_assert_int_eq(fcntl(c->fd, F_SETFL, O_NONBLOCK), 0);
}

static void leave(struct client *c)
{
	close(c->fd);
	free(c->text);
	free(c->end);
	free(c->told);
}

static bool has_more(const struct client *c)
{
	return !c->refused && c->sent < c->end[c->count - 1];
}

/* Sends what the socket takes. */
static void send_some(struct client *c)
{
	ssize_t n = 0;

	while (has_more(c) && n >= 0) {
		n = send(c->fd, c->text + c->sent,
		    MIN(c->end[c->count - 1] - c->sent, 1000), MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN) {
			ck_assert(errno == EPIPE || errno == ECONNRESET);
			c->refused = true;
		}
		c->sent += (size_t)MAX(n, 0);
	}
}

/* The word that a request of a kind is answered with, unless it is
   cancelled. */
static const char *word_for(const char *kind)
{
	return strcmp(kind, "crash") == 0 ? "killed" :
	    strcmp(kind, "exit") == 0 ? "exited" :
	    strcmp(kind, "fail") == 0 ? "failed" :
	    strcmp(kind, "req") == 0 ? "done" : "none";
}

static void check_answer(struct client *c, const char *line)
{
	char kind[16], word[16], capitals[64];
	int number, i, at = 0;

	ck_assert_msg(sscanf(line, "%15s %d %d\t%15s\t%n", kind, &number, &i,
	    word, &at) == 4 && at > 0, "answer: %s", line);
	ck_assert_int_eq(number, c->number);
	ck_assert(i >= 0 && i < c->count);
	ck_assert_msg(c->told[i]++ == 0, "told twice: %s", line);
	ck_assert_uint_ge(c->sent, c->end[i]);
	ck_assert_msg(strncmp(line, c->text + (i ? c->end[i - 1] : 0),
	    strcspn(line, "\t")) == 0, "not the request: %s", line);
	told++;
	if (strcmp(word, "cancelled") == 0) {
		cancelled++;
		return;
	}
	ck_assert_msg(strcmp(word, word_for(kind)) == 0, "answer: %s", line);
	snprintf(capitals, sizeof capitals, "REQ %d %d", number, i);
	if (strcmp(word, "done") == 0)
		ck_assert_str_eq(line + at, capitals);
	else
		ck_assert_uint_gt(strlen(line + at), 0);
}

/* Reads what is there. */
static void read_some(struct client *c)
{
	ssize_t n = recv(c->fd, c->line + c->size, sizeof c->line - c->size,
	    0);
	char *line = c->line, *newline;

	if (n == -1 && errno == EAGAIN)
		return;
	/* At the end what was not read by the service makes an error. */
	c->over = n == 0 || (n == -1 && errno == ECONNRESET);
	ck_assert(n >= 0 || c->over);
	c->size += (size_t)MAX(n, 0);
	while ((newline = memchr(line, '\n', c->size)) != NULL) {
		*newline = '\0';
		check_answer(c, line);
		c->size -= (size_t)(newline + 1 - line);
		line = newline + 1;
	}
	memmove(c->line, line, c->size);
	ck_assert_uint_lt(c->size, sizeof c->line);
}

/* Waits for the service, and sends and reads what can be. */
static void step(struct client *clients, int count)
{
	struct pollfd fds[CLIENTS];

	for (int i = 0; i < count; i++)
		fds[i] = (struct pollfd){ .fd = clients[i].over ? -1 :
			clients[i].fd, .events = POLLIN |
			(has_more(&clients[i]) ? POLLOUT : 0) };
	ck_assert_msg(poll(fds, (nfds_t)count, limit_ms()) > 0, "a hang");
	for (int i = 0; i < count; i++) {
		if (fds[i].revents & POLLOUT)
			send_some(&clients[i]);
		if (fds[i].revents & ~POLLOUT)
			read_some(&clients[i]);
	}
}

static bool all_over(const struct client *clients, int count)
{
	int n = 0;

	for (int i = 0; i < count; i++)
		n += clients[i].over;
	return n == count;
}

/* Returns the number of requests that were sent to their last byte. */
static int count_sent(const struct client *c)
{
	int n = 0;

	while (n < c->count && c->end[n] <= c->sent)
		n++;
	return n;
}

/* Every request that was sent to its last byte was told. */
static void check_told(const struct client *c)
{
	ck_assert_uint_eq(c->size, 0);
	for (int i = 0; i < c->count; i++)
		ck_assert_msg(c->told[i] == (c->end[i] <= c->sent),
		    "client %d, request %d", c->number, i);
}

/* ---- tests ---- */

/* Leaves before its answers come. */
static void come_and_go(void)
{
	struct client c;

	open_client(&c, CLIENTS, 50, mixed);
	send_some(&c);
	leave(&c);
}

START_TEST(ended_in_the_middle)
{
	int n = sample_size(10000, 900) / CLIENTS;
	struct client c[CLIENTS];

	start_service();
	for (int i = 0; i < CLIENTS; i++)
		open_client(&c[i], i, n, mixed);
	while (told < n * CLIENTS / 4)
		step(c, CLIENTS);
	come_and_go();
	while (told < n * CLIENTS / 2)
		step(c, CLIENTS);
	ck_assert_int_eq(cancelled, 0);
	kill(service, SIGINT);
	while (!all_over(c, CLIENTS))
		step(c, CLIENTS);
	for (int i = 0; i < CLIENTS; i++) {
		check_told(&c[i]);
		leave(&c[i]);
	}
	check_end(0);
}
END_TEST

/* Both workers hang, and no request after them can be done. */
START_TEST(ended_while_requests_hang)
{
	struct client c;

	start_service();
	open_client(&c, 0, MANY, hanging);
	do {
		send_some(&c);
		wait_asleep(service);
	} while (poll(&(struct pollfd){ .fd = c.fd, .events = POLLOUT }, 1,
	    0) == 1);
	ck_assert_msg(has_more(&c), "the service has read it all");
	ck_assert_int_eq(told, 0);
	kill(service, SIGTERM);
	while (!c.over && (!c.refused || told < count_sent(&c) - 2))
		step(&c, 1);
	kill(service, SIGINT);
	while (!c.over)
		step(&c, 1);
	check_told(&c);
	ck_assert_int_eq(cancelled, told);
	leave(&c);
	check_end(0);
}
END_TEST

START_TEST(a_client_has_its_answers_after_its_end)
{
	struct client c;

	start_service();
	open_client(&c, 0, 300, mixed);
	while (has_more(&c))
		step(&c, 1);
	ck_assert_int_eq(shutdown(c.fd, SHUT_WR), 0);
	while (!c.over)
		step(&c, 1);
	check_told(&c);
	ck_assert_int_eq(cancelled, 0);
	leave(&c);
	kill(service, SIGTERM);
	check_end(0);
}
END_TEST

/* The socket of another service is left alone. */
START_TEST(a_path_that_is_taken)
{
	pid_t first;
	int status;

	start_service();
	close(connect_to_service());
	first = service;
	service = fork();
	if (service == 0) {
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(98);
		execl(PROGRAM, PROGRAM, path, (char *)NULL);
		_exit(99);
	}
	ck_assert_int_eq(waitpid(service, &status, 0), service);
	ck_assert_int_eq(WEXITSTATUS(status), 1);
	service = first;
	close(connect_to_service());
	kill(service, SIGINT);
	check_end(0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		ended_in_the_middle, ended_while_requests_hang,
		a_client_has_its_answers_after_its_end, a_path_that_is_taken,
	};

	return run_tests("service", tests, COUNTOF(tests));
}
