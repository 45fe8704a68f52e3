/* keep.c - see keep.h: failed inputs kept as files. */
#include "config.h"

#include "api/keep.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"
#include "base/words.h"
#include "os/fdlist.h"
#include "os/outfile.h"
#include "os/sys.h"
#include "os/terminal.h"

/* Failures of a pool that are kept; the others are like these. */
#define KEPT_MOST 1000
/* Files of an index, by other sources or earlier runs. */
#define NAMES_MOST 100
/* Bytes of a text: message, traceback and tail of stderr have fewer. */
#define TEXT_MOST ((size_t)16 * 1024)
/* The causes that lie in an item, or may. */
#define OF_ITEMS (VM_FAILED | VM_KILLED | VM_EXITED | VM_TIMED_OUT | \
	VM_TOO_BIG | VM_GARBLED)

/* Buffers that are too large for the stack of the program. */
struct buffers {
	char input_path[PATH_MAX];
	char text_path[PATH_MAX];
	char text[TEXT_MOST];
};

/* Makes the nth name for an index, from 1 on.  Returns false if it does not
   fit. */
static bool name_file(char path[PATH_MAX], const char *dir, uint64_t index,
    int nth, const char *ending)
{
	char number[16] = "";
	int n;

	if (nth > 1)
		snprintf(number, sizeof number, ".%d", nth);
	n = snprintf(path, PATH_MAX, "%s/%llu%s.%s", dir,
	    (unsigned long long)index, number, ending);
	return n > 0 && n < PATH_MAX;
}

/* Writes a new file.  Returns 0; -EEXIST if there is one of that name; or
   -errno. */
static int write_file(const char *path, const void *bytes, size_t size)
{
	struct outfile f;
	int r = outfile_open(&f, path, true);

	if (r == 0)
		r = outfile_write(&f, bytes, size);
	outfile_close(&f, fdlist_drop);
	return r;
}

/* Makes the text about a failure.  Returns its length. */
static size_t explain(char text[TEXT_MOST], const struct vm_result *r)
{
	const struct vm_exception *x = r->exception;
	const char *trace = x->traceback != NULL ? x->traceback : "";
	const char *tail = x->stderr_tail != NULL ? x->stderr_tail : "";
	int n = snprintf(text, TEXT_MOST, "%s\n%s\nindex %llu, attempts %d, "
	    "worker %d, pid %d\n%s%s%s", vm_cause_name(x->cause), x->message,
	    (unsigned long long)r->index, r->attempts, r->worker_index,
	    (int)x->pid, trace, tail[0] != '\0' ? "\nstderr:\n" : "", tail);

	return MIN((size_t)MAX(n, 0), TEXT_MOST - 1);
}

/* Writes the input under the nth name, if there is no text of it either.
   Returns as write_file(). */
static int write_input(struct buffers *b, const char *dir,
    const struct vm_result *r, int nth)
{
	int64_t size;

	if (!name_file(b->text_path, dir, r->index, nth, "txt") ||
	    !name_file(b->input_path, dir, r->index, nth, "input"))
		return -ENAMETOOLONG;
	size = sys_size_of(b->text_path);
	return size >= 0 || size == -ESPIPE ? -EEXIST :
	    write_file(b->input_path, r->input, r->input_size);
}

/* Writes both files under the first free name.  Returns 0 or -errno. */
static int write_both(struct buffers *b, const char *dir,
    const struct vm_result *r)
{
	int error = -EEXIST, nth = 0;

	while (error == -EEXIST && ++nth <= NAMES_MOST)
		error = write_input(b, dir, r, nth);
	if (error < 0)
		return error;
	return write_file(b->text_path, b->text, explain(b->text, r));
}

static void complain(const char *dir, const struct vm_result *r, int error)
{
	char line[512];
	int n = snprintf(line, sizeof line, "vimap: The failed input %llu "
	    "could not be kept in %.300s: %s.  No more are kept.\n",
	    (unsigned long long)r->index, dir, words_of(error));

	terminal_write(line, MIN((size_t)MAX(n, 0), sizeof line - 1));
}

void keep_failure(struct keep *k, const char *dir, const struct vm_result *r)
{
	int kept = errno, error = -ENOMEM;
	struct vm_result own = *r;
	struct buffers *b;

	if (dir == NULL || k->kept >= KEPT_MOST ||
	    (r->exception->cause & OF_ITEMS) == 0)
		return;
	own.input = (const unsigned char *)r->input + k->head;
	own.input_size -= k->head;
	b = malloc(sizeof *b);
	if (b != NULL)
		error = write_both(b, dir, &own);
	free(b);
	k->kept++;
	if (error < 0) {
		complain(dir, r, -error);
		k->kept = KEPT_MOST;
	}
	errno = kept;
}
