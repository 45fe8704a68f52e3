/*
 * failures.c - shows the exceptions that the caller gets for failed items.
 *
 * Usage: failures
 *
 * Feeds some settings, "KEY=NUMBER", to a parser with the faults of old code:
 * depending on the setting it returns an error, crashes, aborts, exits, loops,
 * eats memory, or waits for children that do not end.  Each item has two
 * attempts, except after a timeout.  Prints a table of the results: the caller
 * gets every input once, in order, and loses only the failed items.
 *
 * It also shows setup and teardown, and vm_context.attempt.
 *
 * Exit status: 0 if the table is complete, 1 if not.
 */
#define _XOPEN_SOURCE 700

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vimap.h>

/* Values of vm_exception.code for failures of the parser itself. */
enum code { NO_EQUALS = 1, TOO_LONG, NO_SUCH_KEY, NO_NUMBER, NOT_YET };

#define ROOM 32

/* ---- In the worker: the parser ----------------------------------------- */

/* vm_context.state: a setting, parsed. */
struct parser {
	char key[ROOM];
	const char *value;	/* points into the present input */
};

/* Handler for a key. */
typedef int action(struct vm_context *, long number);

static int put_setting(struct vm_context *me, long number)
{
	const struct parser *parser = me->state;
	char text[ROOM + 32];
	int size;

	size = snprintf(text, sizeof text, "%s is %ld", parser->key, number);
	if (size < 0 || (size_t)size >= sizeof text)
		return vm_fail(me, TOO_LONG, "No room for the output.");
	return vm_output(me, text, (size_t)size);
}

/* Aborts on a negative number, which its author thought impossible. */
static int put_length(struct vm_context *me, long number)
{
	if (number < 0)
		abort();
	return put_setting(me, number);
}

/* Exits, as a stand-alone program would. */
static int leave(struct vm_context *me, long number)
{
	(void)me;
	exit((int)number);
}

/* Fails at the first attempt only, as a busy server might. */
static int put_flaky(struct vm_context *me, long number)
{
	if (me->attempt == 1)
		return vm_fail(me, NOT_YET, "Not at the first attempt.");
	return put_setting(me, number);
}

/* Never returns. */
static int loop(struct vm_context *me, long number)
{
	volatile long hops = number;

	(void)me;
	for (;;)
		hops++;
	return 0;
}

/* Allocates blocks until malloc() fails.  The pointer is volatile, or compilers
   would remove the calls.  Only address space is limited, so it is enough to
   write a byte of each block. */
static char *volatile eaten;

static int eat(struct vm_context *me, long number)
{
	const size_t block = (size_t)number << 20;

	(void)me;
	for (;;) {
		eaten = malloc(block);
		if (!eaten)
			abort();
		eaten[0] = 1;
	}
}

/* Forks children and waits for them; they are killed with the worker. */
static int start_children(struct vm_context *me, long number)
{
	while (number-- > 0) {
		switch (fork()) {
		case -1:
			return vm_fail(me, errno, "fork: %m");
		case 0:
			for (;;)
				pause();
		}
	}
	while (wait(NULL) > 0)
		continue;
	return 0;
}

/* The null pointer is a fault to be shown; the pointers are volatile, so that
   no compiler assumes that it is never called. */
static const struct {
	const char *key;
	action *volatile act;
} actions[] = {
	{ "width", put_length },
	{ "height", put_length },
	{ "colour", NULL },
	{ "exit", leave },
	{ "flaky", put_flaky },
	{ "loop", loop },
	{ "eat", eat },
	{ "children", start_children },
};

/* Sets the parser's key and value.  Returns 0, or -1 if the item has failed. */
static int split(struct vm_context *me, const char *setting)
{
	struct parser *parser = me->state;
	const char *equals = strchr(setting, '=');
	size_t length;

	if (!equals)
		return vm_fail(me, NO_EQUALS, "There is no '='.");
	length = (size_t)(equals - setting);
	if (length >= sizeof parser->key)
		return vm_fail(me, TOO_LONG, "The key is too long.");
	memcpy(parser->key, setting, length);
	parser->key[length] = '\0';
	parser->value = equals + 1;
	return 0;
}

/* The input is a string: the library puts a 0 byte behind each input. */
static int parse(struct vm_context *me, const void *input, size_t size)
{
	const struct parser *parser = me->state;
	char *end;
	long number;
	size_t i;

	(void)size;
	if (split(me, input) == -1)
		return -1;
	errno = 0;
	number = strtol(parser->value, &end, 10);
	if (end == parser->value || *end != '\0' || errno != 0)
		return vm_fail(me, NO_NUMBER, "'%s' is no number.",
			       parser->value);
	for (i = 0; i < sizeof actions / sizeof *actions; i++)
		if (strcmp(parser->key, actions[i].key) == 0)
			return actions[i].act(me, number);
	return vm_fail(me, NO_SUCH_KEY, "There is no key '%s'.", parser->key);
}

/* Also runs in each worker that replaces a dead worker. */
static int set_up(struct vm_context *me)
{
	/* Some workers will crash; their core files would be of no use. */
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) == -1)
		return vm_fail(me, errno, "setrlimit: %m");
	me->state = calloc(1, sizeof(struct parser));
	if (!me->state)
		return vm_fail(me, errno, "No parser: %m");
	return 0;
}

/* Does not run in a worker that crashed or exited. */
static void tear_down(struct vm_context *me)
{
	free(me->state);
}

/* ---- In the caller: the table ------------------------------------------ */

static void print_row(const char *input, const char *type, const char *cause,
		      const char *why, const char *attempts, const char *words)
{
	printf("%-12s %-9s %-9s %-9s %-8s %s\n", input, type, cause, why,
	       attempts, words);
}

/* Formats the details of a cause.  Later versions may have more causes. */
static void describe(const struct vm_exception *e, char *why, size_t size)
{
	switch (e->cause) {
	case VM_FAILED:
		snprintf(why, size, "code %d", e->code);
		break;
	case VM_KILLED:
		snprintf(why, size, "signal %d", e->signal);
		break;
	case VM_EXITED:
		snprintf(why, size, "status %d", e->exit_status);
		break;
	default:
		snprintf(why, size, "-");
	}
}

static void print_result(const struct vm_result *r)
{
	char why[32], attempts[16];

	snprintf(attempts, sizeof attempts, "%d", r->attempts);
	if (r->type == VM_OUTPUT) {
		print_row(r->input, "output", "-", "-", attempts, r->output);
		return;
	}
	describe(r->exception, why, sizeof why);
	print_row(r->input, "exception", vm_cause_name(r->exception->cause),
		  why, attempts, r->exception->message);
}

/* Prints the table.  Returns 0, or -1 after a message. */
static int print_results(vm_pool *pool)
{
	struct vm_result r;
	int rc;

	print_row("INPUT", "TYPE", "CAUSE", "WHY", "ATTEMPTS", "WORDS");
	while ((rc = vm_zip_in_out(pool, &r)) == 1)
		print_result(&r);
	if (rc == -1)
		fprintf(stderr, "failures: %s\n", vm_error(pool));
	return rc;
}

/* Checks that all output was written.  Returns 0, or -1 after a message. */
static int close_stdout(void)
{
	int failed = ferror(stdout);

	if (fclose(stdout) == 0 && !failed)
		return 0;
	fputs("failures: can't write the output\n", stderr);
	return -1;
}

int main(void)
{
	static const char *const settings[] = {
		"width=640", "depth=8", "height", "height=48O", "colour=7",
		"width=-1", "exit=3", "exit=0", "flaky=5", "loop=1", "eat=16",
		"children=3", "height=480"
	};
	const struct vm_worker worker = {
		.setup = set_up,
		.process = parse,
		.teardown = tear_down,
	};
	const struct vm_options options = {
		.flags = VM_ORDERED,
		.max_attempts = 2,
		/* Not VM_TIMED_OUT: a second attempt would take as long. */
		.retry_on = VM_FAILED | VM_KILLED | VM_EXITED,
		.item_timeout_ms = 1000,
		.worker_max_address_bytes = (size_t)96 << 20,
	};
	const size_t count = sizeof settings / sizeof *settings;
	vm_pool *pool = vm_fork(&worker, &options);
	int rc = -1;

	if (!pool || vm_imap(pool, vm_strings(settings, count)) == -1)
		fprintf(stderr, "failures: %s\n", vm_error(pool));
	else
		rc = print_results(pool);
	if (vm_close(pool) != 0) {
		fprintf(stderr, "failures: %s\n", vm_error(NULL));
		rc = -1;
	}
	if (close_stdout() == -1)
		rc = -1;
	return rc == 0 ? 0 : 1;
}
