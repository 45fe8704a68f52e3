/* environment.c - see environment.h: options from the environment. */
#include "config.h"

#include "pool/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

#include "base/base.h"
#include "os/sys.h"
#include "pool/settings.h"
#include "vimap.h"

/* Bound on the factor of timeouts. */
#define TIMES_MOST 1000000
/* A timeout that does not come. */
#define NO_TIMEOUT ((uint64_t)365 * 86400 * 1000 * MS_IN_NS)

/* Returns a variable, NULL if it is not set or empty. */
static const char *look_up(const char *name)
{
	const char *value = sys_getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static int refuse(const char *name, const char *value, const char *wanted,
    struct words *w)
{
	return words_set(w, EINVAL, "The environment has %s=%.40s, but it must "
	    "be %s.", name, value, wanted);
}

/* Reads a decimal number.  Returns false if it is none, or more than most. */
static bool read_number(const char *value, uint64_t most, uint64_t *number)
{
	uint64_t n = 0;

	for (; *value != '\0'; value++) {
		uint64_t digit = (uint64_t)(*value - '0');

		if (*value < '0' || *value > '9' || n > (most - digit) / 10)
			return false;
		n = 10 * n + digit;
	}
	*number = n;
	return true;
}

/* Sets or clears a flag, if the variable is 1 or 0. */
static int change_flag(const char *name, unsigned flag, unsigned *flags,
    struct words *w)
{
	const char *value = look_up(name);

	if (value == NULL)
		return 0;
	if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0)
		return refuse(name, value, "0 or 1", w);
	*flags = value[0] == '1' ? *flags | flag : *flags & ~flag;
	return 0;
}

static int change_workers(struct vm_options *o, struct words *w)
{
	const char *value = look_up("VIMAP_WORKERS");
	uint64_t n;

	if (value == NULL)
		return 0;
	/* With indices the bound can only be the number itself. */
	if (o->worker_indices != NULL && o->max_workers == o->workers)
		o->max_workers = 0;
	if (strcmp(value, "serial") == 0) {
		o->workers = VM_SERIAL;
		o->host_count = o->max_hosts = 0;
		o->listen = NULL;
		return 0;
	}
	if (!read_number(value, WORKERS_MOST, &n) || n == 0)
		return refuse("VIMAP_WORKERS", value, "serial or a number "
		    "from 1 to 32766", w);
	if (o->worker_indices != NULL && (int)n > o->workers)
		return refuse("VIMAP_WORKERS", value, "at most the number of "
		    "vm_options.worker_indices", w);
	o->workers = (int)n;
	if (o->max_workers > 0)
		o->max_workers = MAX(o->max_workers, (int)n);
	return 0;
}

int environment_change(struct vm_options *o, struct words *w)
{
	int r = change_workers(o, w);

	if (r == 0)
		r = change_flag("VIMAP_PROGRESS", VM_PROGRESS, &o->flags, w);
	if (r == 0)
		r = change_flag("VIMAP_DEBUG", VM_DEBUG, &o->flags, w);
	if (look_up("VIMAP_TRACE") != NULL)
		o->trace = look_up("VIMAP_TRACE");
	return r;
}

/* Multiplies a timeout by a factor; with 0 it is without end.  none: the value
   that stands for no timeout. */
static void stretch(uint64_t *ns, uint64_t times, uint64_t none)
{
	if (times == 0)
		*ns = none;
	else
		*ns = *ns > NO_TIMEOUT / times ? NO_TIMEOUT : *ns * times;
}

static int adjust_timeouts(struct settings *s, struct words *w)
{
	const char *value = look_up("VIMAP_TIMEOUTS");
	uint64_t times;

	if (value == NULL)
		return 0;
	if (!read_number(value, TIMES_MOST, &times))
		return refuse("VIMAP_TIMEOUTS", value, "0 for none, or how "
		    "many times as long they are, up to 1000000", w);
	stretch(&s->item_ns, times, 0);
	stretch(&s->setup_ns, times, 0);
	stretch(&s->teardown_ns, times, NO_TIMEOUT);
	stretch(&s->close_ns, times, NO_TIMEOUT);
	stretch(&s->fork_ns, times, NO_TIMEOUT);
	return 0;
}

/* The other inputs have no result, so the order has gaps. */
static int adjust_only(struct settings *s, struct words *w)
{
	const char *value = look_up("VIMAP_ONLY");

	if (value == NULL)
		return 0;
	if (!read_number(value, NEVER - 1, &s->only))
		return refuse("VIMAP_ONLY", value, "the index of an input",
		    w);
	s->ordered = false;
	return 0;
}

/* Failed inputs are kept in a directory that exists. */
static int adjust_keep(struct settings *s, struct words *w)
{
	const char *value = look_up("VIMAP_KEEP");
	int fd;

	if (value == NULL)
		return 0;
	fd = sys_open(value, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return refuse("VIMAP_KEEP", value, "a directory that exists",
		    w);
	sys_close(&fd);
	s->keep = strdup(value);
	return s->keep != NULL ? 0 : words_set(w, ENOMEM, "There was no "
	    "memory for the path in VIMAP_KEEP.");
}

int environment_adjust(struct settings *s, struct words *w)
{
	unsigned stats = 0;
	int r = change_flag("VIMAP_STATS", 1, &stats, w);

	s->tell_stats = stats != 0;
	s->tell_trace = look_up("VIMAP_TRACE") != NULL;
	if (r == 0)
		r = adjust_timeouts(s, w);
	if (r == 0)
		r = adjust_only(s, w);
	return r == 0 ? adjust_keep(s, w) : r;
}
