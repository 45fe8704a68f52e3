/*
 * failures.c - what comes back when the code in the workers goes wrong.
 *
 * Usage: failures
 *
 * Feeds a few settings, "KEY=NUMBER", to a parser with all the manners of old
 * code: it complains, crashes, aborts and exits, loops, eats memory and waits
 * for children that do not end, each on some settings.  Two attempts are made
 * at each, but for those that took too long.  Prints a table of what came
 * back: the caller sees every input once, in order, and loses nothing but the
 * failed items.
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

/* The codes our failures have: vm_exception.code. */
enum code { NO_EQUALS = 1, TOO_LONG, NO_SUCH_KEY, NO_NUMBER, NOT_YET };

#define ROOM 32

/* ---- In the worker: the parser ----------------------------------------- */

/* vm_context.state: a setting taken apart. */
struct parser {
	char key[ROOM];
	const char *value;	/* as text, of the present input */
};

/* What each kind of setting does with its number. */
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

/* Aborts where the author was sure that it could not happen. */
static int put_length(struct vm_context *me, long number)
{
	if (number < 0)
		abort();
	return put_setting(me, number);
}

/* Takes the whole program for its own. */
static int leave(struct vm_context *me, long number)
{
	(void)me;
	exit((int)number);
}

/* Works at the second attempt, as a busy server might. */
static int put_flaky(struct vm_context *me, long number)
{
	if (me->attempt == 1)
		return vm_fail(me, NOT_YET, "Not at the first attempt.");
	return put_setting(me, number);
}

/* Does not see that it has been here before. */
static int loop(struct vm_context *me, long number)
{
	volatile long hops = number;

	(void)me;
	for (;;)
		hops++;
	return 0;
}

/* Keeps all it ever had, and gives up when there is no more.  Volatile, or
   compilers see that nobody wants it.  It is address space that is limited, so
   a byte of each block will do. */
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

/* Starts helpers, and waits for them; they go with the worker. */
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

/* The null pointer is one of the faults shown; volatile, so that no compiler
   reasons that it is never called. */
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

/* Sets the parser's key and value: 0, or -1 if the item has failed. */
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

/* The input, a string, always has its 0 behind it. */
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

/* Also runs in each worker that takes the place of a dead one. */
static int set_up(struct vm_context *me)
{
	/* We know that workers will crash, and nobody wants their cores. */
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) == -1)
		return vm_fail(me, errno, "setrlimit: %m");
	me->state = calloc(1, sizeof(struct parser));
	if (!me->state)
		return vm_fail(me, errno, "No parser: %m");
	return 0;
}

/* Does not run in a worker that crashed or left. */
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

/* What there is to know beside the cause.  New causes may come. */
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

/* Prints the table: 0, or -1 after a message. */
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

/* Output that did not reach its file is a failure: 0, or -1 and a message. */
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
	static char *const settings[] = {
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
		.ordered = 1,
		.max_attempts = 2,
		/* What took too long would do so again. */
		.retry_on = VM_FAILED | VM_KILLED | VM_EXITED,
		.item_timeout_ms = 1000,
		.max_address_space = (size_t)96 << 20,
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
