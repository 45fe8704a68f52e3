/*
 * wordcount.c - counts the words of text files; each file is an input.
 *
 * Usage: wordcount [-w workers] [-c chunk_size] [-a] [-t] FILE...
 *
 *	-w	number of worker processes (0, the default: that of CPUs)
 *	-c	number of files in a chunk (0, the default: automatic)
 *	-a	print all words, not only the 20 most frequent
 *	-t	also print each result as it comes: file, "output" or
 *		"exception", size of the input and of the output; tabs between
 *
 * Prints lines "COUNT WORD", the most frequent first, words of the same count
 * in byte order.  A word is a run of ASCII letters, in lower case, as printed
 * by "tr -cs A-Za-z '\n' | tr A-Z a-z", without its empty lines.
 *
 * It shows a complete job.  The inputs are only names, and the workers open the
 * files.  Each worker keeps a table from its setup to its teardown.  An output
 * is a list of records (struct record), and the caller adds up those of all
 * files.  A file that can't be read is an exception: it is reported on stderr,
 * and the others are counted all the same.
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

#define TOP 20

/* ---- Tables of words and counts: used in workers and in the caller ----- */

struct word {
	struct word *next;	/* list of the words in a slot */
	uint64_t count;
	size_t length;
	char text[];		/* without a terminating 0 */
};

/* A hash table; empty if all zero. */
struct table {
	struct word **slots;
	size_t slot_count;	/* 0 or a power of two */
	size_t word_count;
};

/* FNV-1a, with the upper half mixed into the lower. */
static size_t hash(const char *text, size_t length)
{
	uint64_t h = UINT64_C(14695981039346656037);
	size_t i;

	for (i = 0; i < length; i++)
		h = (h ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
	return (size_t)(h ^ h >> 32);
}

static struct word **slot_of(const struct table *t, const char *text,
			     size_t length)
{
	return &t->slots[hash(text, length) & (t->slot_count - 1)];
}

/* Frees all words; the table is empty afterwards. */
static void table_clear(struct table *t)
{
	struct word *word, *next;
	size_t i;

	for (i = 0; i < t->slot_count; i++) {
		for (word = t->slots[i]; word; word = next) {
			next = word->next;
			free(word);
		}
	}
	free(t->slots);
	*t = (struct table){ 0 };
}

/* Makes room for a word.  Returns 0, or -1 with errno. */
static int table_grow(struct table *t)
{
	struct table bigger = { .word_count = t->word_count };
	struct word *word, **slot;
	size_t i;

	if (t->word_count < t->slot_count)
		return 0;
	if (t->slot_count > SIZE_MAX / 2) {
		errno = ENOMEM;
		return -1;
	}
	bigger.slot_count = t->slot_count ? t->slot_count * 2 : 1024;
	bigger.slots = calloc(bigger.slot_count, sizeof *bigger.slots);
	if (!bigger.slots)
		return -1;
	for (i = 0; i < t->slot_count; i++) {
		while ((word = t->slots[i])) {
			t->slots[i] = word->next;
			slot = slot_of(&bigger, word->text, word->length);
			word->next = *slot;
			*slot = word;
		}
	}
	free(t->slots);
	*t = bigger;
	return 0;
}

/* Finds a word, or adds it with count 0.  Returns NULL with errno on
   failure. */
static struct word *table_find(struct table *t, const char *text,
			       size_t length)
{
	struct word *word, **slot;

	if (table_grow(t) == -1)
		return NULL;
	slot = slot_of(t, text, length);
	for (word = *slot; word; word = word->next)
		if (word->length == length &&
		    memcmp(word->text, text, length) == 0)
			return word;
	if (length > SIZE_MAX - sizeof *word) {
		errno = ENOMEM;
		return NULL;
	}
	word = malloc(sizeof *word + length);
	if (!word)
		return NULL;
	word->next = *slot;
	word->count = 0;
	word->length = length;
	memcpy(word->text, text, length);
	*slot = word;
	t->word_count++;
	return word;
}

/* Adds to the count of a word.  Returns 0, or -1 with errno. */
static int table_add(struct table *t, const char *text, size_t length,
		     uint64_t count)
{
	struct word *word = table_find(t, text, length);

	if (!word)
		return -1;
	if (count > UINT64_MAX - word->count) {
		errno = EOVERFLOW;
		return -1;
	}
	word->count += count;
	return 0;
}

/* ---- The output for a file --------------------------------------------- */

/*
 * Record of a different word, in any order: this struct, in the machine's byte
 * order, then the letters.  There is no padding between records, so most are
 * not aligned: copy the struct before use.
 */
struct record {
	uint64_t count;		/* at least 1 */
	uint64_t length;	/* bytes; at least 1 */
};

/* In the worker: appends a record to the output.  Returns 0, or -1 if the item
   has failed. */
static int put_record(struct vm_context *me, const struct word *word)
{
	const struct record record = { word->count, word->length };

	if (vm_output(me, &record, sizeof record) == -1)
		return -1;
	return vm_output(me, word->text, word->length);
}

/* In the caller: adds an output to the table.  Returns 0, or -1 with errno. */
static int add_records(struct table *t, const char *output, size_t size)
{
	struct record record;

	while (size > 0) {
		if (size < sizeof record)
			break;
		memcpy(&record, output, sizeof record);
		output += sizeof record;
		size -= sizeof record;
		if (record.length == 0 || record.length > size)
			break;
		if (table_add(t, output, (size_t)record.length,
			      record.count) == -1)
			return -1;
		output += record.length;
		size -= (size_t)record.length;
	}
	if (size == 0)
		return 0;
	errno = EPROTO;
	return -1;
}

/* ---- In the worker ----------------------------------------------------- */

/* vm_context.state: kept by a worker between files. */
struct counter {
	struct table table;	/* of the present file */
	char *word;		/* buffer of the present word */
	size_t length;
	size_t room;
};

static int set_up(struct vm_context *me)
{
	me->state = calloc(1, sizeof(struct counter));
	if (!me->state)
		return vm_fail(me, errno, "No counter: %m");
	return 0;
}

static void tear_down(struct vm_context *me)
{
	struct counter *counter = me->state;

	table_clear(&counter->table);
	free(counter->word);
	free(counter);
}

/* Appends a letter to the present word.  Returns 0, or -1 with errno. */
static int add_letter(struct counter *counter, char letter)
{
	size_t room = counter->room;
	char *word;

	if (counter->length == room) {
		if (room > SIZE_MAX / 2) {
			errno = ENOMEM;
			return -1;
		}
		room = room ? room * 2 : 64;
		word = realloc(counter->word, room);
		if (!word)
			return -1;
		counter->word = word;
		counter->room = room;
	}
	counter->word[counter->length++] = letter;
	return 0;
}

/* Counts the present word, unless it is empty.  Returns 0, or -1 with errno. */
static int end_word(struct counter *counter)
{
	size_t length = counter->length;

	counter->length = 0;
	if (length == 0)
		return 0;
	return table_add(&counter->table, counter->word, length, 1);
}

/* Handles a byte of the file, in any locale.  Returns 0, or -1 with errno. */
static int take_byte(struct counter *counter, int c)
{
	if (c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	if (c >= 'a' && c <= 'z')
		return add_letter(counter, (char)c);
	return end_word(counter);
}

/* Fills the table with the words of the file.  Returns 0, or -1 with errno. */
static int read_words(struct counter *counter, FILE *file)
{
	int c;

	table_clear(&counter->table);
	counter->length = 0;
	while ((c = getc_unlocked(file)) != EOF)
		if (take_byte(counter, c) == -1)
			return -1;
	return ferror(file) ? -1 : end_word(counter);
}

/* Outputs the records of a table.  Returns 0, or -1 if the item has failed. */
static int put_table(struct vm_context *me, const struct table *t)
{
	const struct word *word;
	size_t i;

	for (i = 0; i < t->slot_count; i++)
		for (word = t->slots[i]; word; word = word->next)
			if (put_record(me, word) == -1)
				return -1;
	return 0;
}

/* The input is a file name: the library puts a 0 byte behind each input. */
static int count_file(struct vm_context *me, const void *input, size_t size)
{
	struct counter *counter = me->state;
	const char *name = input;
	FILE *file = fopen(name, "r");
	int rc;

	(void)size;
	if (!file)
		return vm_fail(me, errno, "%s: %m", name);
	rc = read_words(counter, file);
	if (rc == -1)
		vm_fail(me, errno, "%s: %m", name);
	fclose(file);	/* was only read, so the return value does not matter */
	return rc == -1 ? -1 : put_table(me, &counter->table);
}

/* ---- In the caller ----------------------------------------------------- */

struct settings {
	struct vm_options options;
	int print_all;
	int print_results;
};

static void complain(const char *words)
{
	fprintf(stderr, "wordcount: %s\n", words);
}

static void print_result(const struct vm_result *r)
{
	printf("%s\t%s\t%zu\t%zu\n", (const char *)r->input,
	       r->type == VM_OUTPUT ? "output" : "exception",
	       r->input_size, r->output_size);
}

/* Adds up all results.  Returns the number of files that failed, or -1 after a
   message. */
static int add_results(struct table *total, vm_pool *pool, int print)
{
	struct vm_result r;
	int rc, failed = 0;

	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		if (print)
			print_result(&r);
		if (r.type != VM_OUTPUT) {
			complain(r.exception->message);
			failed++;
		} else if (add_records(total, r.output, r.output_size) == -1) {
			complain(strerror(errno));
			return -1;
		}
	}
	if (rc == -1)
		complain(vm_error(pool));
	return rc == -1 ? -1 : failed;
}

/* Counts the words of all files.  Returns the number of files that failed, or
   -1 after a message. */
static int count_files(struct table *total, const struct settings *settings,
		       const char *const *names, size_t count)
{
	static const struct vm_worker worker = {
		.setup = set_up,
		.process = count_file,
		.teardown = tear_down,
	};
	vm_pool *pool = vm_fork(&worker, &settings->options);
	int failed = -1;

	if (!pool || vm_imap(pool, vm_strings(names, count)) == -1)
		complain(vm_error(pool));
	else
		failed = add_results(total, pool, settings->print_results);
	if (vm_close(pool) != 0) {
		complain(vm_error(NULL));
		failed = -1;
	}
	return failed;
}

/* Callback of qsort(): falling counts, then rising words. */
static int compare(const void *left, const void *right)
{
	const struct word *a = *(struct word *const *)left;
	const struct word *b = *(struct word *const *)right;
	size_t common = a->length < b->length ? a->length : b->length;
	int order;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	order = memcmp(a->text, b->text, common);
	if (order != 0)
		return order;
	return (a->length > b->length) - (a->length < b->length);
}

/* Returns an array of pointers to all words, sorted for printing, which the
   caller frees; or NULL with errno. */
static struct word **sort_words(const struct table *t)
{
	struct word *word, **sorted;
	size_t i, count = 0;

	sorted = calloc(t->word_count + 1, sizeof(*sorted));
	if (!sorted)
		return NULL;
	for (i = 0; i < t->slot_count; i++)
		for (word = t->slots[i]; word; word = word->next)
			sorted[count++] = word;
	qsort(sorted, count, sizeof(*sorted), compare);
	return sorted;
}

/* Prints at most limit words.  Returns 0, or -1 after a message. */
static int print_words(const struct table *t, size_t limit)
{
	struct word **sorted = sort_words(t);
	size_t i;

	if (!sorted) {
		complain(strerror(errno));
		return -1;
	}
	for (i = 0; i < t->word_count && i < limit; i++) {
		printf("%" PRIu64 " ", sorted[i]->count);
		fwrite(sorted[i]->text, 1, sorted[i]->length, stdout);
		putchar('\n');
	}
	free(sorted);
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

/* Parses a decimal number from 0 to max.  Returns 0, or -1 after a message. */
static int parse_number(const char *text, uintmax_t max, uintmax_t *number)
{
	char *end;

	errno = 0;
	*number = strtoumax(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 &&
	    *number <= max)
		return 0;
	fprintf(stderr, "wordcount: '%s' is no number from 0 to %ju\n", text,
		max);
	return -1;
}

/* Parses the options up to the first file.  Returns 0, or -1 after a
   message. */
static int parse_options(int argc, char **argv, struct settings *settings)
{
	uintmax_t number;
	int letter;

	while ((letter = getopt(argc, argv, "ac:tw:")) != -1) {
		switch (letter) {
		case 'a':
			settings->print_all = 1;
			break;
		case 'c':
			if (parse_number(optarg, SIZE_MAX, &number) == -1)
				return -1;
			settings->options.chunk_size = (size_t)number;
			break;
		case 't':
			settings->print_results = 1;
			break;
		case 'w':
			if (parse_number(optarg, INT_MAX, &number) == -1)
				return -1;
			settings->options.workers = (int)number;
			break;
		default:
			return -1;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct settings settings = { .print_all = 0 };
	struct table total = { 0 };
	int failed;

	if (parse_options(argc, argv, &settings) == -1 || optind >= argc) {
		fputs("Usage: wordcount [-w workers] [-c chunk_size] [-a] [-t] "
		      "FILE...\n", stderr);
		return 2;
	}
	failed = count_files(&total, &settings,
			     (const char *const *)argv + optind,
			     (size_t)(argc - optind));
	if (failed != -1 &&
	    print_words(&total, settings.print_all ? SIZE_MAX : TOP) == -1)
		failed = -1;
	table_clear(&total);
	if (close_stdout() == -1)
		failed = -1;
	return failed != 0;
}
