/*
 * map_array.c - vm_map_array(): an array mapped to an array, in one call.
 *
 * Runs in: caller.  Makes a pool whose workers inherit the input array and
 * place their outputs as an array in the payload arena; the engine copies these
 * to the caller's array when a chunk is done, and vm_zip_in_out() returns only
 * the failures.  Outputs for which the arena has no room arrive as results.
 *
 * Easy to get wrong: the output of a failed element must read as zeroes,
 * whatever the array held before.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/vm_pool.h"
#include "base/given.h"
#include "os/sys.h"
#include "pool/settings.h"

/* Copies the program's struct and checks it.  Returns 0, or -EINVAL with
   words. */
static int take_over(struct vm_array_map *m, const struct vm_array_map *given,
    size_t size, struct words *w)
{
	int r;

	if (given == NULL)
		return words_set(w, EINVAL, "vm_map_array() needs a struct "
		    "vm_array_map; it was given NULL.");
	r = given_take(m, sizeof *m, given, size, "vm_array_map", w);
	if (r < 0)
		return r;
	if (m->count > 0 && ((m->in == NULL && m->in_size > 0) ||
	    (m->out == NULL && m->out_size > 0)))
		return words_set(w, EINVAL, "vm_map_array() needs an array of "
		    "inputs and one of outputs.");
	if (m->out_size == 0)
		return words_set(w, EINVAL, "vm_map_array() needs outputs of "
		    "at least a byte.");
	if ((m->in_size > 0 && m->count > PTRDIFF_MAX / m->in_size) ||
	    m->count > PTRDIFF_MAX / m->out_size)
		return words_set(w, EINVAL, "vm_map_array() was given an "
		    "array that is too large.");
	return 0;
}

/* All outputs have the size of an element, and index gives their position. */
static int settle_options(struct settings *s, const struct vm_array_map *m,
    struct words *w)
{
	if (m->out_size > s->plan.max_item)
		return words_set(w, EINVAL, "vm_map_array() was given outputs "
		    "of %zu bytes; vm_options.max_item_bytes is %zu.",
		    m->out_size, s->plan.max_item);
	if (s->hosts.count > 0 || s->workers == 0)
		return words_set(w, EINVAL, "vm_options.hosts do not go with "
		    "vm_map_array(): the array is not there.");
	if (s->journal != NULL)
		return words_set(w, EINVAL, "vm_options.journal does not go "
		    "with vm_map_array().");
	s->max_hosts = 0;
	s->plan.element = m->out_size;
	s->plan.lead = 0;
	s->ordered = false;
	s->plan.tell_teardowns = false;
	return 0;
}

/* Zeroes the output of a failed element before the callback sees the failure,
   but not the input, which may overlap it.  Returns 1 or -ENOMEM. */
static int give_up(const struct vm_array_map *m, const struct vm_result *r,
    unsigned char *at)
{
	uintptr_t input = (uintptr_t)r->input, place = (uintptr_t)at;
	struct vm_result *copy = NULL;

	if (m->failed != NULL && input < place + m->out_size &&
	    place < input + m->in_size) {
		r = copy = vm_result_copy(r);
		if (copy == NULL)
			return -ENOMEM;
	}
	memset(at, 0, m->out_size);
	if (m->failed != NULL)
		m->failed(m->arg, r);
	free(copy);
	return 1;
}

/* Stores a result: an output that found no room in shared memory, or a
   failure. */
static int take(const struct vm_array_map *m, const struct vm_result *r)
{
	unsigned char *at = (unsigned char *)m->out + r->index * m->out_size;

	if (r->type != VM_OUTPUT)
		return give_up(m, r, at);
	memcpy(at, r->output, m->out_size);
	return 0;
}

/* Workers do not use the array of outputs, and each page of it that they shared
   would be copied when the caller writes to it: the whole pages of the array
   are left out of the fork, unless the inputs overlap them. */
static void leave_out(struct plan *p, const struct vm_array_map *m)
{
	uintptr_t page = sys_page_size(), in = (uintptr_t)m->in;
	uintptr_t out = (uintptr_t)m->out;
	uintptr_t from = (out + page - 1) / page * page;
	uintptr_t to = (out + m->count * m->out_size) / page * page;

	if (from >= to || (in < to && in + m->count * m->in_size > from))
		return;
	p->left_out = (unsigned char *)m->out + (from - out);
	p->left_out_size = to - from;
}

/* Without processes no fork preserves the inputs: they are copied, to *copy, if
   an output could be written over the input of another element. */
static int keep_inputs(struct vm_array_map *m, bool serial, void **copy,
    struct words *w)
{
	uintptr_t in = (uintptr_t)m->in, out = (uintptr_t)m->out;
	size_t bytes = m->count * m->in_size;

	if (!serial || bytes == 0 || out >= in + bytes ||
	    in >= out + m->count * m->out_size ||
	    (out == in && m->out_size == m->in_size))
		return 0;
	*copy = malloc(bytes);
	if (*copy == NULL)
		return words_set(w, ENOMEM, "vm_map_array() had no memory for "
		    "a copy of the inputs.");
	m->in = memcpy(*copy, m->in, bytes);
	return 0;
}

/* Maps all elements.  Returns 1 if any failed, 0, or -errno with words. */
static int run(vm_pool *p, const struct vm_array_map *m, struct words *w)
{
	struct vm_result result;
	int any = 0, told = 0, r;

	p->engine.array = m->out;
	r = vm_imap(p, vm_inherited_array(m->in, m->count, m->in_size));
	while (r != -1 && told >= 0 && (r = (vm_zip_in_out)(p, &result)) == 1) {
		told = take(m, &result);
		any |= told;
	}
	if (told < 0)
		return words_set(w, -told, "vm_map_array() had no memory for "
		    "a copy of an input.");
	if (r == 0)
		return any;
	r = -errno;
	*w = p->words;
	return r;
}

int vm_map_array_sized(const struct vm_worker *worker, size_t worker_size,
    const struct vm_options *options, size_t options_size,
    const struct vm_array_map *map, size_t map_size)
{
	struct vm_array_map m = { 0 };
	struct words words = { "" };
	struct settings set;
	vm_pool *p = NULL;
	void *copy = NULL;
	int kept = errno, closed;
	int r = settings_make(&set, worker, worker_size, options,
	    options_size, &words);

	if (r == 0)
		r = take_over(&m, map, map_size, &words);
	if (r == 0)
		r = settle_options(&set, &m, &words);
	if (r == 0)
		leave_out(&set.plan, &m);
	if (r == 0)
		r = keep_inputs(&m, set.serial, &copy, &words);
	if (r == 0 && m.count > 0)
		r = pool_open(&p, &set, &words);
	settings_release(&set);
	if (p != NULL) {
		r = run(p, &m, &words);
		closed = vm_close(p);
		if (r >= 0)
			words = *error_words();
		if (closed == -1 && r >= 0)
			r = -errno;
	}
	free(copy);
	*error_words() = words;
	errno = r < 0 ? -r : kept;
	return r < 0 ? -1 : r;
}
