/*
 * blocks.c - files, whole or in parts, as a ready-made source.
 *
 * Runs in: caller, which asks for the sizes of the files and cuts by them; the
 * workers read the files (worker/block.c).
 *
 * Easy to get wrong: sizes are those of the constructor's time.  A file of
 * which none could be had is an input too, so that its failure is a result.
 */
#include "config.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/sources.h"
#include "base/base.h"
#include "base/buf.h"
#include "os/sys.h"

/* Bytes of a part by default: enough that opening the file costs little beside
   reading it, and few pages for a worker to touch first. */
#define BLOCK_SIZE ((uint64_t)256 * 1024)

struct blocks {
	struct made made;
	const char *const *paths;	/* array of the user */
	size_t count;
	size_t file;			/* the file of the next part */
	uint64_t offset;		/* of the next part */
	uint64_t block_size;
	int separator;
	bool whole;			/* of vm_files(): each file is a part */
	int64_t *sizes;			/* array; -errno where none was had */
	struct buf given;		/* the next input */
};

static void blocks_release(void *state)
{
	struct blocks *b = state;

	free(b->sizes);
	buf_release(&b->given);
}

/* Has a file of this size a part? */
static bool has_part(const struct blocks *b, int64_t size)
{
	return size != 0 || b->whole;
}

/* Puts together the next input.  Returns 0 or -ENOMEM. */
static int put(struct blocks *b, const struct vm_block *part, const char *path)
{
	int r;

	buf_empty(&b->given, SIZE_MAX);
	r = buf_append(&b->given, part, sizeof *part);
	return r < 0 ? r : buf_append(&b->given, path, strlen(path) + 1);
}

static int blocks_next(void *from, const void **input, size_t *size)
{
	struct blocks *b = from;
	struct vm_block part = { .separator = b->separator };
	uint64_t left;
	int64_t file_size;
	int r;

	while (b->file < b->count && !has_part(b, b->sizes[b->file]))
		b->file++;
	if (b->file == b->count)
		return 0;
	file_size = b->sizes[b->file];
	left = file_size > 0 ? (uint64_t)file_size - b->offset : 0;
	part.offset = b->offset;
	part.limit = MIN(left, b->block_size);
	part.error = file_size < 0 ? (int)-file_size : 0;
	r = put(b, &part, b->paths[b->file]);
	if (r < 0) {
		errno = -r;
		return -1;
	}
	b->offset += part.limit;
	if (part.limit == left) {
		b->file++;
		b->offset = 0;
	}
	*input = b->given.data;
	*size = b->given.len;
	return 1;
}

/* Returns the number of parts of all files; 0 if it is too large. */
static uint64_t parts_of(const struct blocks *b)
{
	uint64_t parts = 0;

	for (size_t i = 0; i < b->count; i++) {
		uint64_t size = b->sizes[i] > 0 ? (uint64_t)b->sizes[i] : 0;
		uint64_t more = size / b->block_size +
		    (size % b->block_size > 0);

		if (size == 0)
			more = has_part(b, b->sizes[i]);
		if (more > UINT64_MAX - parts)
			return 0;
		parts += more;
	}
	return parts;
}

/* Asks for the sizes of all files, and allocates.  Returns 0 or -ENOMEM;
   -EINVAL if paths[*wrong] is no file. */
static int measure(struct blocks *b, size_t *wrong)
{
	size_t count = 0;

	while (count < b->count && b->paths[count] != NULL)
		count++;
	b->count = count;
	b->sizes = calloc(MAX(count, 1), sizeof *b->sizes);
	if (b->sizes == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		b->sizes[i] = sys_size_of(b->paths[i]);
		*wrong = i;
		if (b->sizes[i] == -ESPIPE)
			return -EINVAL;
	}
	return 0;
}

static struct vm_source make(struct blocks *b)
{
	static const struct made_flaw null = { EINVAL,
		"The list given to vm_blocks() or vm_files() is NULL, and its "
		"count is not 0." };
	struct vm_source s;
	size_t wrong = 0;
	int r;

	if (b->paths == NULL && b->count > 0)
		return sources_unmade(&null);
	b->made.release = blocks_release;
	buf_init(&b->given, SIZE_MAX / 4);
	r = measure(b, &wrong);
	if (r == 0) {
		s = sources_make(blocks_next, sources_state(b, sizeof *b),
		    parts_of(b));
		if (s.next != NULL)
			return s;
	}
	blocks_release(b);
	return r != -EINVAL ? sources_no_memory() :
	    sources_unmade_as(EINVAL, "%s is a directory, a pipe or a device; "
	    "vm_blocks() and vm_files() take files, whose size is known.",
	    b->paths[wrong]);
}

struct vm_source vm_blocks(vm_string_array paths, size_t count,
    uint64_t block_size, int separator)
{
	static const struct made_flaw flaw = { EINVAL, "The separator given to "
		"vm_blocks() is neither a byte, 0 to 255, nor -1." };

	if (separator < -1 || separator > UINT8_MAX)
		return sources_unmade(&flaw);
	return make(&(struct blocks){ .paths = paths, .count = count,
	    .block_size = block_size > 0 ? block_size : BLOCK_SIZE,
	    .separator = separator });
}

struct vm_source vm_files(vm_string_array paths, size_t count)
{
	return make(&(struct blocks){ .paths = paths, .count = count,
	    .block_size = UINT64_MAX, .separator = -1, .whole = true });
}
