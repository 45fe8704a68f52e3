/*
 * mapreduce_wordcount.c - counts words by map, collect and reduce.
 *
 * Usage: mapreduce_wordcount [-w workers] [-c chunk_size] [-H command]...
 *	[FILE...]
 *
 *	-w	number of worker processes (0, the default: that of CPUs)
 *	-c	number of lines in a chunk (0, the default: automatic)
 *	-H	another machine: a command that runs there the command line
 *		behind it, as "ssh -oBatchMode=yes h1" does; again for more
 *
 * Counts the words of the files, or of four lines about Humpty Dumpty if no
 * file is given.  Words are separated by white space, and case matters.  Prints
 * lines "COUNT WORD", sorted by word in byte order.
 *
 * Other machines split lines and add up; the words are brought together here.
 *
 * It shows a job of vimap_reduce.h: map() emits each word with a 1, vm_add_up()
 * adds up the numbers that a worker has for the same word, reduce() adds up the
 * remaining numbers, and the caller gets each word once.  It also shows a
 * user-defined source, whose callback returns the lines of all files in turn.
 * A file that can't be read is reported on stderr, and the others are counted
 * all the same.
 *
 * Exit status: 0 if all went well, 1 if not, 2 for a usage error.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <vimap.h>
#include <vimap_reduce.h>

/* ---- In the worker ----------------------------------------------------- */

/* As isspace() in the C locale; independent of the present locale. */
static int is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Emits each word of a line with the number 1. */
static int split(struct vm_context *me, const void *input, size_t size)
{
	static const uint64_t one = 1;
	const char *text = input;
	size_t i, begin;

	for (i = 0;;) {
		while (i < size && is_blank(text[i]))
			i++;
		if (i == size)
			return 0;
		begin = i;
		while (i < size && !is_blank(text[i]))
			i++;
		if (vm_emit(me, text + begin, i - begin, &one,
			    sizeof one) == -1)
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

static void complain(const char *words)
{
	fprintf(stderr, "mapreduce_wordcount: %s\n", words);
}

/* ---- Other machines ---------------------------------------------------- */

#define MOST_HOSTS 64

/* Machines, as commands. */
struct machines {
	struct vm_host hosts[MOST_HOSTS];
	const char *commands[MOST_HOSTS][6];
	int count;
	char path[PATH_MAX];	/* of this program */
};

/* Adds a machine: the shell cuts the command into words, and runs it with the
   path of this program behind them.  Returns 0, or -1 after a message. */
static int add_machine(struct machines *m, const char *command)
{
	const char *words[] = { "sh", "-c", "exec $0 \"$@\"", command,
				m->path };
	ssize_t n = readlink("/proc/self/exe", m->path, sizeof m->path - 1);

	if (n == -1 || m->count == MOST_HOSTS) {
		complain(n == -1 ? strerror(errno) : "too many machines");
		return -1;
	}
	m->path[n] = '\0';
	memcpy(m->commands[m->count], words, sizeof words);
	m->hosts[m->count].command = m->commands[m->count];
	m->count++;
	return 0;
}

/* ---- The source, in the caller ----------------------------------------- */

/* vm_source.from: reads the lines of several files. */
struct reader {
	char *const *names;	/* array of the files not opened yet */
	size_t count;		/* number of these files */
	const char *name;	/* name of the open file */
	FILE *file;		/* NULL between two files */
	char *line;		/* buffer of getline() */
	size_t room;
	size_t failed;		/* number of files that could not be read */
};

/* Closes the open file, after a message with errno if it has failed. */
static void leave_file(struct reader *reader, int failed)
{
	if (failed) {
		fprintf(stderr, "mapreduce_wordcount: %s: %s\n", reader->name,
			strerror(errno));
		reader->failed++;
	}
	if (reader->file)
		fclose(reader->file);	/* was only read: no error to check */
	reader->file = NULL;
}

/* vm_source.next: returns the next line of the files. */
static int next_line(void *from, const void **input, size_t *size)
{
	struct reader *reader = from;
	ssize_t length;

	while (reader->file || reader->count > 0) {
		if (!reader->file) {
			reader->name = *reader->names++;
			reader->count--;
			reader->file = fopen(reader->name, "r");
		}
		length = -1;
		if (reader->file)
			length = getline(&reader->line, &reader->room,
					 reader->file);
		if (length != -1) {
			*input = reader->line;
			*size = (size_t)length;
			return 1;
		}
		leave_file(reader, !reader->file || !feof(reader->file));
	}
	return 0;
}

/* vm_source.close: the library calls it once, at the end or on failure. */
static void close_reader(void *from)
{
	struct reader *reader = from;

	leave_file(reader, 0);
	free(reader->line);
}

static struct vm_source lines_of(struct reader *reader)
{
	return (struct vm_source){
		.next = next_line,
		.close = close_reader,
		.from = reader,
	};
}

/* ---- In the caller ----------------------------------------------------- */

/* Prints all words.  Returns 0, or -1 if a line, a word or the pool has
   failed. */
static int print_words(vm_reducer *reducer)
{
	struct vm_reduced r;
	int rc, status = 0;

	while ((rc = vm_zip_key_out(reducer, &r)) == 1) {
		if (r.type == VM_OUTPUT) {
			printf("%" PRIu64 " ", *(const uint64_t *)r.output);
			fwrite(r.key, 1, r.key_size, stdout);
			putchar('\n');
		} else {
			complain(r.exception->message);
			status = -1;
		}
	}
	if (rc == -1) {
		complain(vm_reducer_error(reducer));
		status = -1;
	}
	return status;
}

/* Tells which machines are missing; the others have done their work. */
static void tell_missing(vm_pool *pool)
{
	struct vm_host_state state;
	int i;

	for (i = 1; vm_host_state(pool, i, &state) == 1; i++)
		if (state.status != VM_HOST_UP && *state.words)
			complain(state.words);
}

/* Counts and prints the words of a source.  Returns 0, or -1 after a
   message. */
static int count_words(const struct vm_job *job, struct vm_source source,
		       const struct vm_options *options)
{
	const struct vm_reduce_options how = {
		.flags = VM_SORTED,
		.name = "words",
	};
	vm_reducer *reducer = vm_fork_jobs(job, 1, options, &how);
	int status = -1;

	/* If vm_fork_jobs() failed, vm_map_reduce() closes the source and
	   fails. */
	if (vm_map_reduce(reducer, 0, source) == -1)
		complain(vm_reducer_error(reducer));
	else
		status = print_words(reducer);
	tell_missing(vm_reducer_pool(reducer));
	if (vm_reducer_close(reducer) == -1) {
		complain(vm_error(NULL));
		status = -1;
	}
	return status;
}

/* Parses a decimal number from 0 to max.  Returns 0, or -1 after a message. */
static int parse_number(const char *text, uintmax_t max, uintmax_t *number)
{
	char *end;

	errno = 0;
	*number = strtoumax(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 &&
	    *number <= max)
		return 0;
	fprintf(stderr, "mapreduce_wordcount: '%s' is no number from 0 to "
		"%ju\n", text, max);
	return -1;
}

/* Parses the options up to the first file.  Returns 0, or -1 after a
   message. */
static int parse_options(int argc, char **argv, struct machines *machines,
			 struct vm_options *options)
{
	uintmax_t number;
	int letter;

	while ((letter = getopt(argc, argv, "H:c:w:")) != -1) {
		switch (letter) {
		case 'H':
			if (add_machine(machines, optarg) == -1)
				return -1;
			break;
		case 'c':
			if (parse_number(optarg, SIZE_MAX, &number) == -1)
				return -1;
			options->chunk_size = (size_t)number;
			break;
		case 'w':
			if (parse_number(optarg, INT_MAX, &number) == -1)
				return -1;
			options->workers = (int)number;
			break;
		default:
			return -1;
		}
	}
	return 0;
}

/* Checks that all output was written.  Returns 0, or -1 after a message. */
static int close_stdout(void)
{
	int failed = ferror(stdout);

	if (fclose(stdout) == 0 && !failed)
		return 0;
	complain("can't write the output");
	return -1;
}

int main(int argc, char **argv)
{
	static const char *const humpty[] = {
		"Humpty Dumpty sat on a wall",
		"Humpty Dumpty had a great fall",
		"All the King's horses and all the King's men",
		"Couldn't put Humpty together again",
	};
	static const struct vm_job job = {
		.map = split,
		.collect = vm_add_up,
		.reduce = sum,
	};
	const struct vm_worker table = vm_jobs_as_worker("words", &job, 1);
	static struct machines machines;
	struct vm_options options = { .workers = 0 };
	struct reader reader = { .names = NULL };
	int status;

	/* On another machine the program ends here. */
	vm_agent(argc, argv, &table, 1);
	if (parse_options(argc, argv, &machines, &options) == -1) {
		complain("usage: mapreduce_wordcount [-w workers] "
			 "[-c chunk_size] [-H command]... [FILE...]");
		return 2;
	}
	options.hosts = machines.hosts;
	options.host_count = machines.count;
	reader.names = argv + optind;
	reader.count = (size_t)(argc - optind);
	if (reader.count > 0)
		status = count_words(&job, lines_of(&reader), &options);
	else
		status = count_words(&job, vm_strings(humpty, 4), &options);
	if (close_stdout() == -1 || reader.failed > 0)
		status = -1;
	return status == 0 ? 0 : 1;
}
