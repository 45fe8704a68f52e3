/*
 * folder_wordcount.c - counts lines, words and bytes of the files of a folder.
 *
 * Usage: folder_wordcount [-g glob] [-n workers] [-o file] [-p] [-s] FOLDER
 *
 *	-g	which files (*)
 *	-n	how many worker processes (4; 0: one a CPU)
 *	-o	where to write to, instead of stdout
 *	-p	tell of progress on stderr: a line for each file
 *	-s	sort the files by their names, instead of as they come
 *
 * Prints a line "LINES WORDS BYTES NAME" for each file.  A word is what stands
 * between white space.
 *
 * It shows a tool around an ordinary function on a file: vm_glob() finds the
 * files, the workers open them, and what can't be counted (a folder, a file
 * without permission) is told on stderr, file by file, while all others are
 * counted.
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
#include <unistd.h>

#include <vimap.h>

/* The output for a file. */
struct counts {
	uint64_t lines, words, bytes;
};

/* ---- In the worker ----------------------------------------------------- */

/* As isspace() in the C locale; no other locale has a say. */
static int is_blank(int c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Counts what is left of the file: 0, or -1 with errno. */
static int count(struct counts *counts, FILE *file)
{
	int c, before = ' ';

	while ((c = getc_unlocked(file)) != EOF) {
		counts->bytes++;
		counts->lines += c == '\n';
		counts->words += is_blank(before) && !is_blank(c);
		before = c;
	}
	return ferror(file) ? -1 : 0;
}

/* The input is the name of a file; the 0 that ends it is always there. */
static int count_file(struct vm_context *me, const void *input, size_t size)
{
	struct counts counts = { 0 };
	FILE *file = fopen(input, "r");
	int rc;

	(void)size;
	if (!file)
		return vm_fail(me, errno, "%m");
	rc = count(&counts, file);
	if (rc == -1)
		vm_fail(me, errno, "%m");
	fclose(file);	/* it was only read: nothing can be lost here */
	return rc == -1 ? -1 : vm_output(me, &counts, sizeof counts);
}

/* ---- In the caller ----------------------------------------------------- */

struct settings {
	struct vm_options options;
	const char *glob;
	const char *out_name;	/* NULL: stdout */
	int progress;
};

static void complain(const char *words)
{
	fprintf(stderr, "folder_wordcount: %s\n", words);
}

static void complain_of(const char *name, const char *words)
{
	fprintf(stderr, "folder_wordcount: %s: %s\n", name, words);
}

/* The pattern for files in the folder, whatever the folder is called; for
   free(), or NULL with errno. */
static char *pattern_of(const char *folder, const char *glob)
{
	char *pattern = malloc(2 * strlen(folder) + strlen(glob) + 2);
	char *end = pattern;

	if (!pattern)
		return NULL;
	for (; *folder; folder++) {
		if (strchr("*?[\\", *folder))
			*end++ = '\\';
		*end++ = *folder;
	}
	*end++ = '/';
	memcpy(end, glob, strlen(glob) + 1);
	return pattern;
}

static void print_counts(FILE *out, const struct vm_result *r)
{
	const struct counts *counts = r->output;

	fprintf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n", counts->lines,
		counts->words, counts->bytes, (const char *)r->input);
}

/* Prints all results: 0, or -1 if a file or the pool has failed, or if there
   are none. */
static int print_results(FILE *out, vm_pool *pool, int progress)
{
	uint64_t done = 0;
	struct vm_result r;
	int rc, status = 0;

	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		if (r.type == VM_OUTPUT) {
			print_counts(out, &r);
		} else {
			complain_of(r.input, r.exception->message);
			status = -1;
		}
		done++;
		if (progress)
			fprintf(stderr, "%" PRIu64 " done: %s\n", done,
				(const char *)r.input);
	}
	if (rc == -1) {
		complain(vm_error(pool));
		status = -1;
	} else if (done == 0) {
		complain("there is no such file");
		status = -1;
	}
	return status;
}

/* Counts the files that match: 0, or -1 after a message. */
static int count_files(FILE *out, const char *pattern,
		       const struct settings *settings)
{
	const struct vm_worker worker = { .process = count_file };
	vm_pool *pool = vm_fork(&worker, &settings->options);
	int status = -1;

	/* Without a pool, vm_imap() fails and vm_error() tells why. */
	if (vm_imap(pool, vm_glob(pattern)) == -1)
		complain(vm_error(pool));
	else
		status = print_results(out, pool, settings->progress);
	if (vm_close(pool) != 0) {
		complain(vm_error(NULL));
		status = -1;
	}
	return status;
}

/* Counts the folder's files into the output: 0, or -1 after a message. */
static int count_folder(const char *folder, const struct settings *settings)
{
	char *pattern = pattern_of(folder, settings->glob);
	FILE *out = stdout;
	int status, failed;

	if (!pattern) {
		complain_of(folder, strerror(errno));
		return -1;
	}
	if (settings->out_name)
		out = fopen(settings->out_name, "w");
	if (!out) {
		complain_of(settings->out_name, strerror(errno));
		free(pattern);
		return -1;
	}
	status = count_files(out, pattern, settings);
	free(pattern);
	/* Output that did not reach its file is a failure. */
	failed = ferror(out);
	if (fclose(out) == 0 && !failed)
		return status;
	complain("can't write the output");
	return -1;
}

/* Reads a number of workers: 0, or -1 with a message. */
static int parse_workers(const char *text, int *workers)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 || number < 0 ||
	    number > INT_MAX) {
		complain("-n wants a number of workers");
		return -1;
	}
	*workers = (int)number;
	return 0;
}

/* Reads the options up to the folder: 0, or -1 with a message. */
static int parse_options(int argc, char **argv, struct settings *settings)
{
	int letter;

	while ((letter = getopt(argc, argv, "g:n:o:ps")) != -1) {
		switch (letter) {
		case 'g':
			settings->glob = optarg;
			break;
		case 'n':
			if (parse_workers(optarg,
					  &settings->options.workers) == -1)
				return -1;
			break;
		case 'o':
			settings->out_name = optarg;
			break;
		case 'p':
			settings->progress = 1;
			break;
		case 's':
			settings->options.ordered = 1;
			break;
		default:
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct settings settings = { .glob = "*", .options.workers = 4 };

	if (parse_options(argc, argv, &settings) == -1 || optind != argc - 1) {
		complain("usage: folder_wordcount [-g glob] [-n workers] "
			 "[-o file] [-p] [-s] FOLDER");
		return 2;
	}
	return count_folder(argv[optind], &settings) == 0 ? 0 : 1;
}
