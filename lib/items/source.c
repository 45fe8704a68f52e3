/* source.c - see source.h: a source of inputs. */
#include "config.h"

#include "items/source.h"

#include <errno.h>
#include <stdlib.h>

#include "base/base.h"

struct source *source_new(const struct vm_source *hooks, bool *in_hook)
{
	struct source *s = calloc(1, sizeof *s);

	if (s != NULL) {
		s->hooks = *hooks;
		s->in_hook = in_hook;
	}
	return s;
}

void source_close(struct source *s)
{
	void (*close)(void *) = s->hooks.close;

	s->hooks.close = NULL;
	s->held = false;
	if (s->state != SOURCE_FAILED)
		s->state = SOURCE_ENDED;
	if (close != NULL) {
		*s->in_hook = true;
		close(s->hooks.from);
		*s->in_hook = false;
	}
}

void source_free(struct source *s)
{
	if (s == NULL)
		return;
	source_close(s);
	free(s);
}

static int fail(struct source *s, int error, const char *flaw)
{
	s->error = error;
	s->flaw = flaw;
	s->state = SOURCE_FAILED;
	source_close(s);
	return -1;
}

int source_judge(struct source *s, int said, int error)
{
	switch (said) {
	case 1:
		return s->input == NULL ?
		    fail(s, EINVAL, "next() returned 1 and set no input") :
		    fail(s, EFBIG, "an input has more bytes than "
		    "vm_options.max_item_bytes allows");
	case 0:
		source_close(s);
		return 0;
	case VM_LATER:
		s->state = SOURCE_WAITING;
		return 0;
	case -1:
		if (error == EFBIG && made_is(&s->hooks))
			return fail(s, error, "a line has more bytes than "
			    "vm_options.max_item_bytes allows");
		return error > 0 ? fail(s, error, NULL) :
		    fail(s, EIO, "next() returned -1 and left errno 0");
	default:
		return fail(s, EINVAL, "next() returned neither 1, 0, -1 "
		    "nor VM_LATER");
	}
}

/* Returns the state of a source of the library whose next() was not replaced;
   else NULL. */
static struct made *own(const struct source *s)
{
	struct made *made = s->hooks.from;

	return made_is(&s->hooks) && s->hooks.next == made->next ? made :
	    NULL;
}

bool source_has_runs(const struct source *s)
{
	const struct made *made = own(s);

	return made != NULL && made->run != NULL;
}

size_t source_run(struct source *s, size_t most, const void **items,
    size_t *size)
{
	struct made *made = s->hooks.from;

	return s->held ? 0 : made->run(made, most, items, size);
}

bool source_prompt(const struct source *s)
{
	return s->hooks.wait_fd != NULL;
}

struct source_array *source_inherited(const struct source *s)
{
	struct made *made = own(s);

	return made != NULL && made->inherited ? (void *)made : NULL;
}

int source_fd(struct source *s)
{
	int fd;

	if (s->hooks.wait_fd == NULL)
		return -1;
	*s->in_hook = true;
	fd = s->hooks.wait_fd(s->hooks.from);
	*s->in_hook = false;
	return fd;
}

bool source_is_stuck(struct source *s)
{
	return s->state == SOURCE_WAITING && source_fd(s) < 0;
}

void source_wake(struct source *s)
{
	if (s->state == SOURCE_WAITING)
		s->state = SOURCE_OPEN;
}

bool source_unstick(struct source *s)
{
	if (!source_is_stuck(s))
		return false;
	s->state = SOURCE_OPEN;
	return true;
}
