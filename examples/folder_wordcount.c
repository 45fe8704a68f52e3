/*
 * folder_wordcount.c - counts lines, words and bytes of the files in a folder.
 *
 * Usage: folder_wordcount [-g glob] [-n workers] [-o file] [-p] [-s] FOLDER
 *
 *	-g	pattern for the names of files (*)
 *	-n	number of worker processes (4; 0: the number of CPUs)
 *	-o	output file, instead of stdout
 *	-p	report progress on stderr: a line for each file
 *	-s	sort the lines by name, instead of as results come
 *
 * Prints a line "LINES WORDS BYTES NAME" for each file.  Words are separated by
 * white space.
 *
 * It shows a tool built around a plain function that reads a file: vm_glob()
 * finds the files and the workers open them.  Each file that can't be counted
 * (a folder, a file without permission) is reported on stderr, and the others
 * are counted all the same.
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

/* As isspace() in the C locale; independent of the present locale. */
static int is_blank(int c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Counts the rest of the file.  Returns 0, or -1 with errno. */
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

/* The input is a file name: the library puts a 0 byte behind each input. */
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
	fclose(file);	/* was only read, so the return value does not matter */
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

/* Returns the pattern for files in the folder, with special characters of the
   folder's name quoted; the caller frees it.  NULL with errno on failure. */
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

/* Prints all results.  Returns 0, or -1 if a file or the pool has failed or
   there are no files. */
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

/* Counts the files that match.  Returns 0, or -1 after a message. */
static int count_files(FILE *out, const char *pattern,
		       const struct settings *settings)
{
	const struct vm_worker worker = { .process = count_file };
	vm_pool *pool = vm_fork(&worker, &settings->options);
	int status = -1;

	/* If vm_fork() failed, vm_imap() fails too and vm_error() says why. */
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

/* Writes the counts of the folder's files.  Returns 0, or -1 after a
   message. */
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
	/* An error while buffers are written is a failure, too. */
	failed = ferror(out);
	if (fclose(out) == 0 && !failed)
		return status;
	complain("can't write the output");
	return -1;
}

/* Parses a number of workers.  Returns 0, or -1 after a message. */
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

/* Parses the options up to the folder.  Returns 0, or -1 after a message. */
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
			settings->options.flags = VM_ORDERED;
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
