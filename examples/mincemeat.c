/*
 * mincemeat.c - counts words with clients that come and go.
 *
 * Usage: mincemeat [-d MS] server QUEUE [FILE]
 *        mincemeat [-d MS] client QUEUE
 *        mincemeat [-d MS] client - COMMAND [ARGUMENT...]
 *
 *	-d	time that each line takes, in milliseconds (0)
 *
 * The server counts the words of the file, or of four lines about Humpty
 * Dumpty, with one worker of its own and those of all clients, and prints lines
 * "COUNT WORD".  QUEUE is a name, or the path of a socket.  Clients may come
 * before the server, or at any time; if one is killed, others do its lines.  A
 * client ends when the server is done.
 *
 * From another machine, the command leads to the queue.  With spiped, which
 * encrypts and authenticates by a file of random bytes that both sides have:
 *
 *	spiped -d -s '[0.0.0.0]:11235' -t /path/of/QUEUE -k KEY
 *	mincemeat client - spipe -t SERVER:11235 -k KEY
 *
 * This is the shape of mincemeat.py: map and collect on the clients, and a
 * server that knows which lines are done.  Here the server also brings the
 * words together and reduces them.
 *
 * Exit status: 0 if all went well, 1 if not, 2 for a usage error.
 */
#define _DEFAULT_SOURCE

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vimap.h>
#include <vimap_reduce.h>

#define BLANKS " \t\n\v\f\r"

/* ---- In the worker ----------------------------------------------------- */

/* Of the machine where it runs. */
static unsigned delay_ms;

/* Emits each word of a line with the number 1. */
static int split(struct vm_context *me, const void *input, size_t size)
{
	static const uint64_t one = 1;
	const char *word = input;
	size_t length;

	(void)size;
	usleep(delay_ms * 1000);
	for (;; word += length) {
		word += strspn(word, BLANKS);
		length = strcspn(word, BLANKS);
		if (length == 0)
			return 0;
		if (vm_emit(me, word, length, &one, sizeof one) == -1)
			return -1;
	}
}

/* Outputs the sum of a word's numbers. */
static int sum(struct vm_context *me, const void *key, size_t key_size,
	       struct vm_values *values)
{
	const void *value;
	uint64_t total = 0;

	(void)key, (void)key_size;
	while ((value = vm_value(values, NULL)))
		total += *(const uint64_t *)value;
	return vm_output(me, &total, sizeof total);
}

static const struct vm_job job = {
	.map = split,
	.collect = vm_add_up,
	.reduce = sum,
};

static int complain(const char *words)
{
	fprintf(stderr, "mincemeat: %s\n", words);
	return 1;
}

static int be_client(const struct vm_worker *table, const char *queue,
		     char **command)
{
	const struct vm_join to = { .to = queue, .once = 1 };
	const struct vm_join by = {
		.command = (const char *const *)command,
		.once = 1,
	};

	if (vm_join(command[0] ? &by : &to, table, 1) == -1)
		return complain(vm_error(NULL));
	return 0;
}

/* ---- In the server ----------------------------------------------------- */

/* Prints all words.  Returns the exit status. */
static int print_words(vm_reducer *reducer)
{
	struct vm_reduced r;
	int rc, status = 0;

	while ((rc = vm_zip_key_out(reducer, &r)) == 1) {
		if (r.type == VM_OUTPUT)
			printf("%" PRIu64 " %s\n",
			       *(const uint64_t *)r.output,
			       (const char *)r.key);
		else
			status = complain(r.exception->message);
	}
	return rc == -1 ? complain(vm_reducer_error(reducer)) : status;
}

/* Returns how many clients have done lines. */
static int count_clients(vm_pool *pool)
{
	struct vm_host_state s;
	int n = 0;

	for (int i = 1; vm_host_state(pool, i, &s) == 1; i++)
		n += s.done > 0;
	return n;
}

static int count_words(const char *queue, struct vm_source source)
{
	const struct vm_options options = {
		.workers = 1,
		.chunk_size = 1,
		.listen = queue,
		.max_hosts = 64,
	};
	const struct vm_reduce_options how = {
		.flags = VM_SORTED,
		.name = "humpty",
	};
	vm_reducer *reducer = vm_fork_jobs(&job, 1, &options, &how);
	int status;

	if (vm_map_reduce(reducer, 0, source) == -1)
		status = complain(vm_reducer_error(reducer));
	else
		status = print_words(reducer);
	fprintf(stderr, "%d clients\n",
		count_clients(vm_reducer_pool(reducer)));
	if (vm_reducer_close(reducer) == -1)
		status = complain(vm_error(NULL));
	return status;
}

static int be_server(const char *queue, const char *path)
{
	static const char *const humpty[] = {
		"Humpty Dumpty sat on a wall",
		"Humpty Dumpty had a great fall",
		"All the King's horses and all the King's men",
		"Couldn't put Humpty together again",
	};
	FILE *file = path ? fopen(path, "r") : NULL;
	int status;

	if (path && !file)
		return complain(strerror(errno));
	status = count_words(queue, file ? vm_lines(file) :
			     vm_strings(humpty, 4));
	if (file)
		fclose(file);	/* was only read */
	if (fclose(stdout) != 0)
		status = complain("can't write the output");
	return status;
}

int main(int argc, char **argv)
{
	const struct vm_worker table = vm_jobs_as_worker("humpty", &job, 1);
	const char *delay = argc > 2 && strcmp(argv[1], "-d") == 0 ? argv[2] :
							     NULL;

	if (delay)
		delay_ms = (unsigned)atoi(delay);
	vm_agent(argc, argv, &table, 1);
	if (delay) {
		argc -= 2;
		argv += 2;
	}
	if (argc >= 5 && strcmp(argv[1], "client") == 0 &&
	    strcmp(argv[2], "-") == 0)
		return be_client(&table, NULL, argv + 3);
	if (argc == 3 && strcmp(argv[1], "client") == 0)
		return be_client(&table, argv[2], argv + 3);
	if ((argc == 3 || argc == 4) && strcmp(argv[1], "server") == 0)
		return be_server(argv[2], argv[3]);
	fprintf(stderr, "usage: mincemeat [-d MS] server QUEUE [FILE]\n"
		"       mincemeat [-d MS] client QUEUE\n"
		"       mincemeat [-d MS] client - COMMAND [ARGUMENT...]\n");
	return 2;
}
