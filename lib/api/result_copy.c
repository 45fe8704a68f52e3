/*
 * result_copy.c - vm_result_copy(): a copy of a result that outlives its call.
 *
 * Runs in: caller.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/vm_pool.h"

#define ALIGN ((size_t)16)

/* Bytes of a part in the block, with a terminating 0. */
static size_t part(size_t size)
{
	return (size + 1 + ALIGN - 1) / ALIGN * ALIGN;
}

/* Copies a part to the free end of the block.  Returns a pointer to the
   copy. */
static void *place(unsigned char **at, const void *from, size_t size)
{
	unsigned char *here = *at;

	if (size > 0)
		memcpy(here, from, size);
	here[size] = 0;
	*at += part(size);
	return here;
}

struct vm_result *vm_result_copy(const struct vm_result *r)
{
	const struct vm_exception *x = r ? r->exception : NULL;
	size_t text = x ? strlen(x->message) : 0;
	size_t trace = x && x->traceback ? strlen(x->traceback) : 0;
	size_t tail = x && x->stderr_tail ? strlen(x->stderr_tail) : 0;
	size_t host = x && x->host ? strlen(x->host) : 0;
	struct vm_exception *y;
	unsigned char *at;
	struct vm_result *c;

	if (r == NULL) {
		error_null("vm_result_copy", "a result");
		return NULL;
	}
	at = malloc(part(sizeof *r) + part(r->input_size) +
	    part(r->output_size) + part(sizeof *x) + part(text) +
	    part(trace) + part(tail) + part(host));
	if (at == NULL)
		return NULL;
	c = place(&at, r, sizeof *r);
	if (r->input != NULL)
		c->input = place(&at, r->input, r->input_size);
	if (r->output != NULL)
		c->output = place(&at, r->output, r->output_size);
	if (x != NULL) {
		y = place(&at, x, sizeof *x);
		y->message = place(&at, x->message, text);
		if (x->traceback != NULL)
			y->traceback = place(&at, x->traceback, trace);
		if (x->stderr_tail != NULL)
			y->stderr_tail = place(&at, x->stderr_tail, tail);
		if (x->host != NULL)
			y->host = place(&at, x->host, host);
		c->exception = y;
	}
	return c;
}
