/* double.c - the smallest complete program: doubles numbers in workers. */
#include <stdio.h>

#include <vimap.h>

/* Runs in a worker, once for each number. */
static int twice(struct vm_context *me, const void *input, size_t size)
{
	int x = 2 * *(const int *)input;

	(void)size;
	return vm_output(me, &x, sizeof x);
}

int main(void)
{
	static const int numbers[] = { 1, 2, 3, 4 };
	const struct vm_worker worker = { .process = twice };
	const struct vm_options options = { .flags = VM_ORDERED };
	vm_pool *pool = vm_fork(&worker, &options);
	struct vm_result r;
	int rc = -1;

	/* If vm_fork() failed, vm_imap() fails too and vm_error() says why. */
	if (vm_imap(pool, vm_array(numbers, 4, sizeof *numbers)) == 0)
		while ((rc = vm_zip_in_out(pool, &r)) == 1) {
			if (r.type == VM_OUTPUT)
				printf("%d\n", *(const int *)r.output);
			else
				fprintf(stderr, "%s\n", r.exception->message);
		}
	if (rc == -1)
		fprintf(stderr, "double: %s\n", vm_error(pool));
	return vm_close(pool) != 0 || rc != 0;
}
