/*
 * words_one.c - counts the words of a file in a single process, with a special
 * hash table: the reference for words_pool.
 *
 * Usage: words_one FILE.  Prints the same lines as words_pool.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "words.h"

struct entry {
	const char *word;	/* points into the text; NULL: free */
	size_t size;
	uint64_t hash, count;
};

static struct entry *table;
static size_t mask, used;

static void *memory(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (p == NULL) {
		perror("words_one");
		exit(EXIT_FAILURE);
	}
	return p;
}

static uint64_t hash_of(const char *word, size_t size)
{
	uint64_t h = size * 0x9e3779b97f4a7c15u, w;

	for (; size >= 8; word += 8, size -= 8) {
		memcpy(&w, word, 8);
		h = (h ^ w) * 0x9fb21c651e98df25u;
		h ^= h >> 35;
	}
	for (w = 0; size > 0; size--)
		w = w << 8 | (unsigned char)*word++;
	h = (h ^ w) * 0x9fb21c651e98df25u;
	return h ^ h >> 35;
}

static struct entry *find(uint64_t hash, const char *word, size_t size)
{
	size_t at = hash & mask;

	while (table[at].word != NULL && (table[at].hash != hash ||
	    table[at].size != size || memcmp(table[at].word, word, size) != 0))
		at = (at + 1) & mask;
	return &table[at];
}

static void grow(void)
{
	struct entry *old = table;
	size_t n = mask + 1;

	table = memory(2 * n, sizeof *table);
	mask = 2 * n - 1;
	for (size_t i = 0; i < n; i++)
		if (old[i].word != NULL)
			*find(old[i].hash, old[i].word, old[i].size) = old[i];
	free(old);
}

static void count(const char *word, size_t size)
{
	uint64_t hash = hash_of(word, size);
	struct entry *e = find(hash, word, size);

	if (e->word == NULL) {
		*e = (struct entry){ word, size, hash, 0 };
		used++;
	}
	e->count++;
	if (used > mask / 2)
		grow();
}

/* Callback of qsort(): the order of memcmp(), unused entries last. */
static int by_word(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	size_t n = x->size < y->size ? x->size : y->size;
	int r;

	if (x->word == NULL || y->word == NULL)
		return (x->word == NULL) - (y->word == NULL);
	r = memcmp(x->word, y->word, n);
	return r != 0 ? r : (x->size > y->size) - (x->size < y->size);
}

int main(int argc, char **argv)
{
	double start = clock_now();
	struct text text;
	const char *at, *end;
	size_t n;

	if (argc < 2)
		return EXIT_FAILURE;
	text = text_open(argv[1]);
	at = text.at;
	end = at + text.size;
	mask = 65535;
	table = memory(mask + 1, sizeof *table);
	for (; (n = next_word(&at, end, end)) > 0; at += n)
		count(at, n);
	qsort(table, mask + 1, sizeof *table, by_word);
	for (size_t i = 0; i < used; i++) {
		printf("%7" PRIu64 " ", table[i].count);
		fwrite(table[i].word, 1, table[i].size, stdout);
		putchar('\n');
	}
	fprintf(stderr, "%.3f %.3f 0\n", clock_now() - start, clock_cpu(RUSAGE_SELF));
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
