/*
 * pairs.c - vm_pairs(): makes a source of pairs a source of inputs, for jobs
 * without map.
 *
 * Runs in: caller.  An input is the size of the key in 8 bytes, the key, the
 * value; job_emit_input() parses it on a worker.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>

#include "base/base.h"
#include "base/buf.h"
#include "vimap_reduce.h"

struct pairs {
	struct vm_pair_source source;
	struct buf input;
};

static int next_pair(void *from, const void **input, size_t *size)
{
	struct pairs *p = from;
	const void *key = NULL, *value = NULL;
	size_t key_size = 0, value_size = 0;
	uint64_t head;
	int got = p->source.next(p->source.from, &key, &key_size, &value,
	    &value_size);
	int error;

	if (got != 1)
		return got;
	head = key_size;
	p->input.len = 0;
	error = (key == NULL && key_size > 0) ||
	    (value == NULL && value_size > 0) ? -EINVAL : 0;
	if (error == 0)
		error = buf_append(&p->input, &head, sizeof head);
	if (error == 0)
		error = buf_append(&p->input, key, key_size);
	if (error == 0)
		error = buf_append(&p->input, value, value_size);
	if (error < 0) {
		errno = -error;
		return -1;
	}
	*input = p->input.data;
	*size = p->input.len;
	return 1;
}

static void close_pairs(void *from)
{
	struct pairs *p = from;

	if (p->source.close != NULL)
		p->source.close(p->source.from);
	buf_release(&p->input);
	free(p);
}

static int no_memory(void *from, const void **input, size_t *size)
{
	(void)from;
	(void)input;
	(void)size;
	errno = ENOMEM;
	return -1;
}

struct vm_source vm_pairs(struct vm_pair_source source)
{
	struct pairs *p = source.next ? calloc(1, sizeof *p) : NULL;

	if (p != NULL) {
		p->source = source;
		buf_init(&p->input, SIZE_MAX / 4);
		return (struct vm_source){ .next = next_pair,
			.close = close_pairs, .from = p };
	}
	if (source.close != NULL)
		source.close(source.from);
	return (struct vm_source){ .next = source.next ? no_memory : NULL };
}
