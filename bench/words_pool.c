/*
 * words_pool.c - counts the words of a file by vm_map_reduce().
 *
 * Usage: words_pool FILE [WORKERS [PART_KIB [MEMORY_MIB]]] Prints "COUNT WORD"
 * lines, sorted by word; on stderr, seconds, CPU seconds of the caller and of
 * the workers.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vimap_reduce.h>

#include "clock.h"
#include "words.h"

static struct text text;

/* Emits the words that begin in a part.  A word that begins before it is
   counted with the part before. */
static int split(struct vm_context *me, const void *input, size_t size)
{
	const struct vm_part *part = input;
	const char *at = text.at + part->offset;
	const char *end = at + part->limit, *text_end = text.at + text.size;
	const uint64_t one = 1;
	size_t n;

	(void)size;
	if (part->offset > 0 && !is_blank(at[-1]))
		while (at < end && !is_blank(*at))
			at++;
	for (; (n = next_word(&at, end, text_end)) > 0; at += n) {
		if (vm_emit(me, at, n, &one, sizeof one) < 0)
			return -1;
		if (at + n >= end)
			break;
	}
	return 0;
}

static int sum(struct vm_context *me, const void *key, size_t size,
    struct vm_values *values)
{
	uint64_t n = 0, one;
	const void *value;

	(void)key;
	(void)size;
	while ((value = vm_value(values, NULL)) != NULL) {
		memcpy(&one, value, sizeof one);
		n += one;
	}
	return vm_output(me, &n, sizeof n);
}

static int print_all(vm_reducer *reducer)
{
	struct vm_reduced r;
	uint64_t n;
	int rc;

	while ((rc = vm_zip_key_out(reducer, &r)) == 1) {
		if (r.type != VM_OUTPUT) {
			fprintf(stderr, "words_pool: %s\n",
			    r.exception->message);
			return -1;
		}
		memcpy(&n, r.output, sizeof n);
		printf("%7" PRIu64 " ", n);
		fwrite(r.key, 1, r.key_size, stdout);
		putchar('\n');
	}
	return rc;
}

int main(int argc, char **argv)
{
	const struct vm_job job = { .map = split, .collect = vm_add_up,
		.reduce = sum };
	const struct vm_options options = {
		.workers = argc > 2 ? atoi(argv[2]) : 2,
	};
	size_t kib = argc > 3 ? strtoul(argv[3], NULL, 10) : 8192;
	const struct vm_reduce_options how = {
		.flags = VM_SORTED,
		.memory_limit = argc > 4 ?
		    strtoul(argv[4], NULL, 10) << 20 : 0,
	};
	double start = clock_now();
	vm_reducer *reducer;
	uint64_t parts;
	int rc;

	if (argc < 2 || kib == 0)
		return EXIT_FAILURE;
	text = text_open(argv[1]);
	parts = text.size / (kib * 1024) + 1;
	reducer = vm_fork_jobs(&job, 1, &options, &how);
	if (reducer == NULL || vm_map_reduce(reducer, 0, vm_parts(text.size,
	    parts, VM_CUT_EVENLY)) < 0) {
		fprintf(stderr, "words_pool: %s\n",
		    vm_reducer_error(reducer));
		return EXIT_FAILURE;
	}
	rc = print_all(reducer);
	if (rc < 0)
		fprintf(stderr, "words_pool: %s\n",
		    vm_reducer_error(reducer));
	if (vm_reducer_close(reducer) < 0 || fflush(stdout) != 0)
		rc = -1;
	fprintf(stderr, "%.3f %.3f %.3f\n", clock_now() - start,
	    clock_cpu(RUSAGE_SELF), clock_cpu(RUSAGE_CHILDREN));
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
