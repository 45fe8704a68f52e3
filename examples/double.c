/*
 * double.c - the smallest complete program: doubles numbers in workers.
 *
 * Usage: double [NUMBER...]
 *
 * Doubles the numbers (1 2 3 4 if none is given) in worker processes and prints
 * a result per line, in the order of the arguments.  It shows the parts of
 * every program: a callback for the workers, vm_fork(), vm_imap(), a loop over
 * vm_zip_in_out(), vm_close().
 *
 * Exit status: 0 if all went well, 1 if not, 2 if an argument is no number.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vimap.h>

/* Runs in a worker, once for each number. */
static int twice(struct vm_context *me, const void *input, size_t size)
{
	long long x = *(const long long *)input;

	(void)size;
	if (x > LLONG_MAX / 2 || x < LLONG_MIN / 2)
		return vm_fail(me, ERANGE, "%lld is too big to double.", x);
	x *= 2;
	return vm_output(me, &x, sizeof x);
}

/* Prints all results.  Returns 0, or 1 if any number or the pool has failed. */
static int print_results(vm_pool *pool)
{
	struct vm_result r;
	int rc, status = 0;

	while ((rc = vm_zip_in_out(pool, &r)) == 1) {
		if (r.type == VM_OUTPUT) {
			printf("%lld\n", *(const long long *)r.output);
		} else {
			fprintf(stderr, "double: %s\n", r.exception->message);
			status = 1;
		}
	}
	if (rc == -1) {
		fprintf(stderr, "double: %s\n", vm_error(pool));
		status = 1;
	}
	return status;
}

/* Doubles the numbers.  Returns 0, or 1 after any failure. */
static int double_all(const long long *numbers, size_t count)
{
	const struct vm_worker worker = { .process = twice };
	const struct vm_options options = { .ordered = 1 };
	vm_pool *pool = vm_fork(&worker, &options);
	int status;

	/* If vm_fork() failed, vm_imap() fails too and vm_error() says why. */
	if (vm_imap(pool, vm_array(numbers, count, sizeof *numbers)) == -1) {
		fprintf(stderr, "double: %s\n", vm_error(pool));
		status = 1;
	} else {
		status = print_results(pool);
	}
	if (vm_close(pool) != 0) {
		fprintf(stderr, "double: %s\n", vm_error(NULL));
		status = 1;
	}
	return status;
}

/* Parses the whole of text as a number.  Returns 0, or -1 after a message. */
static int parse_number(const char *text, long long *number)
{
	char *end;

	errno = 0;
	*number = strtoll(text, &end, 10);
	if (end != text && *end == '\0' && errno == 0)
		return 0;
	fprintf(stderr, "double: '%s' is no number, or too big a one\n", text);
	return -1;
}

/* Checks that all output was written.  Returns 0, or -1 after a message. */
static int close_stdout(void)
{
	int failed = ferror(stdout);

	if (fclose(stdout) == 0 && !failed)
		return 0;
	fputs("double: can't write the output\n", stderr);
	return -1;
}

/* Returns an array of the arguments as numbers, which the caller frees; or NULL
   after a message. */
static long long *parse_numbers(char *const *words, size_t count, int *status)
{
	long long *numbers = calloc(count, sizeof *numbers);
	size_t i;

	if (!numbers) {
		fprintf(stderr, "double: %s\n", strerror(errno));
		*status = 1;
		return NULL;
	}
	for (i = 0; i < count; i++) {
		if (parse_number(words[i], &numbers[i]) == -1) {
			*status = 2;
			free(numbers);
			return NULL;
		}
	}
	return numbers;
}

int main(int argc, char **argv)
{
	static const long long examples[] = { 1, 2, 3, 4 };
	long long *numbers;
	size_t count;
	int status = 0;

	if (argc < 2) {
		status = double_all(examples, 4);
	} else {
		count = (size_t)argc - 1;
		numbers = parse_numbers(argv + 1, count, &status);
		if (!numbers)
			return status;
		status = double_all(numbers, count);
		free(numbers);
	}
	if (close_stdout() == -1)
		status = 1;
	return status;
}
