/*
 * entry.h - an entry of a journal: writer and reader.
 *
 * Runs in: caller.  Pure.  An entry is a head of ENTRY_HEAD bytes and data of
 * any size.  The head has a check of itself and a check of the data, so that a
 * journal is opened without reading outputs:
 *
 *	BEGIN	the worker whose results follow: its name and its version
 *	OUTPUT	an input that has an output, which is the data if outputs are
 *		kept
 *	FAILURE	an input that has failed; the data say why
 *
 * Easy to get wrong: the bytes may be of an entry that was cut short, or of
 * another program; no size is used before its check.
 */
#ifndef ENTRY_H
#define ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "journal/digest.h"

#define ENTRY_HEAD 80

enum entry_type { ENTRY_BEGIN = 1, ENTRY_OUTPUT, ENTRY_FAILURE };

struct entry {
	enum entry_type type;
	struct digest key;	/* of the input */
	uint64_t index;		/* vm_result.index in its run */
	uint64_t wall_ns;	/* time of its last attempt; 0: not measured */
	uint64_t cpu_ns;
	uint32_t attempts;
	bool replaces;		/* an earlier FAILURE with this key is void */
	uint64_t size;		/* of the data, in bytes, */
	uint64_t check;		/* and the check of the data */
};

/* Returns the check of data. */
uint64_t entry_check(const struct digest *secret, const void *data,
    size_t size);

/* Writes a head, with its check. */
void entry_write(unsigned char to[ENTRY_HEAD], const struct entry *,
    const struct digest *secret);

/* Returns 0, or -EPROTO if the bytes are no head. */
int entry_read(struct entry *, const unsigned char from[ENTRY_HEAD],
    const struct digest *secret);

/* The data of a FAILURE; members as in struct vm_exception. */
struct entry_failure {
	uint32_t cause;
	int32_t code;
	int32_t signal;
	int32_t exit_status;
	bool core_dumped;
	bool out_of_memory;
	uint64_t max_rss;
	const char *message;
	const char *traceback;	/* NULL: none */
	const char *stderr_tail; /* NULL: none */
};

/* Returns the size of the data in bytes, for entry_write_failure(). */
size_t entry_failure_size(const struct entry_failure *);
void entry_write_failure(unsigned char *to, const struct entry_failure *);

/* Returns 0, or -EPROTO.  The texts point into the data. */
int entry_read_failure(struct entry_failure *, const unsigned char *from,
    size_t size);

#endif
