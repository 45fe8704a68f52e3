/*
 * cluster_wordcount.c - counts the words of text files on this machine, on
 * others by ssh, or on the nodes of a Slurm job.
 *
 * Usage: cluster_wordcount [-j workers] [-h host]... [-s] FILE...
 *
 *	-j	number of worker processes on this machine (without -h and -s:
 *		that of CPUs; with them: none)
 *	-h	a machine to which ssh(1) leads without a password
 *	-s	all nodes of the Slurm job that this program runs in
 *
 * Prints lines "COUNT WORD", the most frequent first, words of the same count
 * in byte order.  A word is a run of ASCII letters, in lower case.
 *
 * It shows a program whose workers are elsewhere.  The files are read here, in
 * parts, and their text is sent, so other machines need no file but this
 * program, under the same path: the library has it run there, and main() then
 * ends in vm_agent().  An output has the sum for each word of its part, and the
 * caller adds these up.  The result is the same wherever the workers are.
 *
 * Exit status: 0 if all files were counted, 1 if not, 2 for a usage error.
 * Machines that could not be reached are named, and the others do their work.
 */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <search.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <vimap.h>

/* Bytes of text in an input, unless a word is longer. */
#define PART ((size_t)256 * 1024)
#define MOST_HOSTS 1024

static int is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void complain(const char *what, const char *words)
{
	fprintf(stderr, "cluster_wordcount: %s%s%s\n", what, *what ? ": " : "",
		words);
}

/* ---- In the worker, on any machine ------------------------------------- */

/* Callback of qsort(). */
static int compare_strings(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Makes strings of the words in the text, in lower case, and fills the array.
   Returns their number. */
static size_t cut(char *text, size_t size, char **words)
{
	size_t i, count = 0;

	for (i = 0; i < size; i++) {
		if (!is_letter(text[i])) {
			text[i] = '\0';
			continue;
		}
		if (i == 0 || text[i - 1] == '\0')
			words[count++] = &text[i];
		if (text[i] <= 'Z')
			text[i] = (char)(text[i] - 'A' + 'a');
	}
	return count;
}

/* Appends a string "COUNT WORD" to the output for each different word. */
static int put(struct vm_context *me, char **words, size_t count)
{
	char number[32];
	size_t i, next;
	int length;

	qsort(words, count, sizeof *words, compare_strings);
	for (i = 0; i < count; i = next) {
		for (next = i + 1; next < count; next++)
			if (strcmp(words[i], words[next]) != 0)
				break;
		length = snprintf(number, sizeof number, "%zu ", next - i);
		if (vm_output(me, number, (size_t)length) == -1 ||
		    vm_output(me, words[i], strlen(words[i]) + 1) == -1)
			return -1;
	}
	return 0;
}

/* process(): the input is text. */
static int count_words(struct vm_context *me, const void *input, size_t size)
{
	char **words = calloc(size / 2 + 1, sizeof *words);
	char *text = malloc(size + 1);
	int rc;

	if (words && text) {
		memcpy(text, input, size);
		text[size] = '\0';
		rc = put(me, words, cut(text, size, words));
	} else {
		rc = vm_fail(me, errno, "%m");
	}
	free(text);
	free(words);
	return rc;
}

/* ---- In the caller: the text ------------------------------------------- */

/* vm_source.from: reads files in parts that end between two words. */
struct reader {
	char **names;		/* of the files to come; ends with NULL */
	FILE *file;		/* NULL: the next is to be opened */
	char *text;		/* buffer */
	size_t room;		/* its size */
	size_t length;		/* bytes in it, of which */
	size_t given;		/* were the last input */
	int failed;		/* files */
};

/* Ends a file.  What was read of it is still to be given. */
static void end_file(struct reader *r, int failed)
{
	if (failed) {
		complain(*r->names, strerror(errno));
		r->failed++;
	}
	if (r->file)
		fclose(r->file);
	r->file = NULL;
	r->names++;
}

/* Fills the buffer.  Returns 0, or -1 with errno if there is no memory. */
static int fill(struct reader *r)
{
	size_t room = r->room ? r->room : PART;
	char *text = r->text;

	if (r->length == r->room) {
		room = r->room ? 2 * r->room : PART;
		text = realloc(r->text, room);
	}
	if (!text)
		return -1;
	r->text = text;
	r->room = room;
	r->length += fread(text + r->length, 1, room - r->length, r->file);
	if (r->length < room)
		end_file(r, ferror(r->file));
	return 0;
}

/* Returns the number of bytes that can be given: all at the end of a file, else
   those up to the last byte that is no letter. */
static size_t whole_words(const struct reader *r)
{
	size_t n = r->length;

	while (r->file && n > 0 && is_letter(r->text[n - 1]))
		n--;
	return n;
}

/* vm_source.next */
static int next_part(void *from, const void **input, size_t *size)
{
	struct reader *r = from;

	r->length -= r->given;
	if (r->length > 0)
		memmove(r->text, r->text + r->given, r->length);
	r->given = 0;
	while (r->given == 0) {
		if (!r->file && !*r->names)
			return 0;
		if (!r->file && !(r->file = fopen(*r->names, "r"))) {
			end_file(r, 1);
			continue;
		}
		if (fill(r) == -1)
			return -1;
		r->given = whole_words(r);
	}
	*input = r->text;
	*size = r->given;
	return 1;
}

/* ---- In the caller: the sums ------------------------------------------- */

struct word {
	uint64_t count;
	char text[];
};

/* All words: a tree of tsearch(), and an array. */
struct total {
	void *tree;
	struct word **words;
	size_t count, room;
};

/* Callback of tsearch(). */
static int compare_words(const void *left, const void *right)
{
	return strcmp(((const struct word *)left)->text,
		      ((const struct word *)right)->text);
}

/* Makes room for a word in the array.  Returns 0, or -1 with errno. */
static int grow(struct total *t)
{
	size_t room = t->room ? 2 * t->room : 1024;
	struct word **words;

	if (t->count < t->room)
		return 0;
	words = realloc(t->words, room * sizeof(*words));
	if (!words)
		return -1;
	t->words = words;
	t->room = room;
	return 0;
}

/* Adds to the count of a word.  Returns 0, or -1 with errno. */
static int add(struct total *t, const char *text, uint64_t count)
{
	struct word *word = malloc(sizeof *word + strlen(text) + 1), **found;

	if (!word || grow(t) == -1) {
		free(word);
		return -1;
	}
	word->count = 0;
	strcpy(word->text, text);
	found = tsearch(word, &t->tree, compare_words);
	if (!found || *found != word)
		free(word);
	else
		t->words[t->count++] = word;
	if (!found)
		return -1;
	(*found)->count += count;
	return 0;
}

/* Adds the strings of an output.  Returns 0, or -1 with errno. */
static int add_output(struct total *t, const struct vm_result *r)
{
	const char *at = r->output, *end = at + r->output_size;
	char *text;
	uint64_t count;

	for (; at < end; at = text + strlen(text) + 1) {
		count = strtoumax(at, &text, 10);
		if (*text++ != ' ') {
			errno = EPROTO;
			return -1;
		}
		if (add(t, text, count) == -1)
			return -1;
	}
	return 0;
}

/* Callback of qsort(): falling counts, then rising words. */
static int compare_counts(const void *left, const void *right)
{
	const struct word *a = *(struct word *const *)left;
	const struct word *b = *(struct word *const *)right;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return strcmp(a->text, b->text);
}

static void print(struct total *t)
{
	size_t i;

	if (t->count > 0)
		qsort(t->words, t->count, sizeof *t->words, compare_counts);
	for (i = 0; i < t->count; i++)
		printf("%" PRIu64 " %s\n", t->words[i]->count,
		       t->words[i]->text);
}

static void drop(struct total *t)
{
	while (t->count > 0) {
		t->count--;
		tdelete(t->words[t->count], &t->tree, compare_words);
		free(t->words[t->count]);
	}
	free(t->words);
}

/* ---- In the caller: the machines --------------------------------------- */

struct settings {
	struct vm_options options;
	struct vm_host hosts[MOST_HOSTS];
	const char *commands[MOST_HOSTS][16];
	char path[PATH_MAX];	/* of this program */
	char quoted[4 * PATH_MAX]; /* the same for a shell */
	int slurm;
};

/* Finds the path of this program, and quotes it: ssh gives its arguments to a
   shell.  Returns 0, or -1 with errno. */
static int find_program(struct settings *s)
{
	ssize_t n = readlink("/proc/self/exe", s->path, sizeof s->path - 1);
	char *to = s->quoted;
	const char *from;

	if (n == -1)
		return -1;
	s->path[n] = '\0';
	*to++ = '\'';
	for (from = s->path; *from; from++) {
		if (*from == '\'') {
			memcpy(to, "'\\'", 3);
			to += 3;
		}
		*to++ = *from;
	}
	strcpy(to, "'");
	return 0;
}

/* Adds a machine and its command, which a NULL ends.  Returns 0, or -1 after a
   message. */
static int add_host(struct settings *s, const char *name,
		    const char *const *command)
{
	int n = s->options.host_count, i;

	if (n == MOST_HOSTS) {
		complain(name, "too many machines");
		return -1;
	}
	for (i = 0; command[i]; i++)
		s->commands[n][i] = command[i];
	s->hosts[n].name = name;
	s->hosts[n].command = s->commands[n];
	s->options.hosts = s->hosts;
	s->options.host_count = n + 1;
	return 0;
}

/* Without a question for a password, and with an end for a dead connection. */
static int add_by_ssh(struct settings *s, const char *name)
{
	const char *command[] = {
		"ssh", "-oBatchMode=yes", "-oServerAliveInterval=5",
		"-oServerAliveCountMax=3", "-oControlPath=none", "--", name,
		s->quoted, NULL
	};

	return add_host(s, name, command);
}

/* A step for each node.  srun(1) holds back lines unless it is told not to, and
   a step may share the CPUs with others of the job. */
static int add_by_srun(struct settings *s, const char *name)
{
	const char *command[] = {
		"srun", "--unbuffered", "--overlap", "--cpu-bind=none",
		"--no-kill", "-N1", "-n1", "-w", name, s->path, NULL
	};

	return add_host(s, name, command);
}

/* Adds the nodes of the job.  Returns 0, or -1 after a message. */
static int add_nodes(struct settings *s)
{
	FILE *nodes = NULL;
	char name[256], *copy;
	int rc = 0;

	if (getenv("SLURM_JOB_NODELIST"))
		nodes = popen("scontrol show hostnames", "r");
	if (!nodes) {
		complain("-s", "this is no Slurm job");
		return -1;
	}
	while (rc == 0 && fscanf(nodes, "%255s", name) == 1) {
		/* Kept until the program ends. */
		copy = strdup(name);
		rc = copy ? add_by_srun(s, copy) : -1;
	}
	if (pclose(nodes) != 0) {
		complain("scontrol", "it has failed");
		rc = -1;
	}
	return rc;
}

/* ---- In the caller: the run -------------------------------------------- */

/* Adds up all outputs.  Returns the number of parts that failed, or -1 after a
   message. */
static int add_results(struct total *total, vm_pool *pool)
{
	struct vm_result r;
	int rc, failed = 0;

	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		if (r.type != VM_OUTPUT) {
			complain("", r.exception->message);
			failed++;
		} else if (add_output(total, &r) == -1) {
			complain("", strerror(errno));
			return -1;
		}
	}
	if (rc == -1)
		complain("", vm_error(pool));
	return rc == -1 ? -1 : failed;
}

/* Tells which machines are missing. */
static void tell_missing(vm_pool *pool)
{
	struct vm_host_state state;
	int i;

	for (i = 1; vm_host_state(pool, i, &state) == 1; i++)
		if (state.status != VM_HOST_UP && *state.words)
			complain(state.name, state.words);
}

/* Counts the words of all files.  Returns the number of failures, or -1 after a
   message. */
static int count_files(struct total *total, const struct vm_worker *worker,
		       const struct vm_options *options, char **names)
{
	struct reader reader = { .names = names };
	vm_pool *pool = vm_fork(worker, options);
	int failed = -1;

	if (!pool || vm_imap(pool, vm_callback(next_part, &reader)) == -1)
		complain("", vm_error(pool));
	else
		failed = add_results(total, pool);
	/* If machines are missing, the others have counted all parts. */
	tell_missing(pool);
	if (vm_close(pool) == -1)
		complain("", vm_error(NULL));
	if (reader.file)
		fclose(reader.file);
	free(reader.text);
	return failed == -1 ? -1 : failed + reader.failed;
}

/* Parses the options up to the first file.  Returns 0, or -1. */
static int parse_options(int argc, char **argv, struct settings *s)
{
	char *end;
	long number;
	int letter, rc = 0;

	while (rc == 0 && (letter = getopt(argc, argv, "h:j:s")) != -1) {
		if (letter == 'h') {
			rc = add_by_ssh(s, optarg);
		} else if (letter == 'j') {
			number = strtol(optarg, &end, 10);
			rc = *end == '\0' && number > 0 && number < 32767 ?
				0 : -1;
			s->options.workers = (int)number;
		} else {
			s->slurm = 1;
			rc = letter == 's' ? 0 : -1;
		}
	}
	return rc == 0 && optind < argc ? 0 : -1;
}

int main(int argc, char **argv)
{
	static const struct vm_worker worker = {
		.name = "words",
		.process = count_words,
	};
	static struct settings settings;
	struct total total = { .tree = NULL };
	int failed;

	/* On another machine the program ends here. */
	vm_agent(argc, argv, &worker, 1);
	if (find_program(&settings) == -1) {
		complain("/proc/self/exe", strerror(errno));
		return 1;
	}
	if (parse_options(argc, argv, &settings) == -1) {
		fputs("Usage: cluster_wordcount [-j workers] [-h host]... [-s] "
		      "FILE...\n", stderr);
		return 2;
	}
	if (settings.slurm && add_nodes(&settings) == -1)
		return 1;
	if (settings.options.host_count > 0 && settings.options.workers == 0)
		settings.options.workers = VM_ELSEWHERE;
	failed = count_files(&total, &worker, &settings.options, argv + optind);
	print(&total);
	drop(&total);
	if (ferror(stdout) || fclose(stdout) != 0) {
		complain("", "can't write the output");
		failed = -1;
	}
	return failed != 0;
}
