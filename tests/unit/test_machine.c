/*
 * test_machine.c - the record of a machine: what was written is read, and no
 * other bytes are taken for a record.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "tools.h"
#include "wire/far.h"
#include "wire/machine.h"

static const char *ssh[] = { "ssh", "h1", "prog", NULL };
static const char *plain[] = { "prog", NULL };
static const struct vm_host leaves[] = {
	{ .name = "l1", .command = plain, .workers = 3 },
	{ .name = "l2", .command = plain },
};
static const struct vm_host inner[] = {
	{ .command = ssh, .workers = VM_ELSEWHERE, .host_count = 2,
	    .hosts = leaves },
	{ .name = "i2", .command = plain, .workers = 1 },
};
static const struct vm_host root = { .name = "root", .command = ssh,
	.workers = 7, .host_count = 2, .hosts = inner };

static unsigned char bytes[4096];

/* Reads a copy of just that size, so that a read beyond it is seen. */
static int parse(const unsigned char *from, size_t size)
{
	unsigned char *copy = malloc(size + !size);
	struct machine m;
	int r;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, from, size);
	r = machine_read(copy, size, &m);
	free(copy);
	return r;
}

/* Asserts that the texts are the name, these arguments and the last. */
static void has_texts(const struct machine *m, const char *name,
    const char *const *command, const char *last)
{
	const char *at = m->texts;
	uint32_t n = 2;

	ck_assert_str_eq(at, name);
	for (; *command != NULL; command++, n++) {
		at += strlen(at) + 1;
		ck_assert_str_eq(at, *command);
	}
	at += strlen(at) + 1;
	ck_assert_str_eq(at, last);
	ck_assert_uint_eq(m->head.texts, n);
}

START_TEST(a_tree_is_read_as_it_was_written)
{
	const size_t size = machine_size(&root);
	struct machine top, first, leaf, second;
	size_t part;

	ck_assert_uint_eq(machine_count(&root), 5);
	machine_write(bytes, &root, 10);
	ck_assert_int_eq(machine_read(bytes, size, &top), 0);
	has_texts(&top, "root", ssh, FAR_TREE);
	ck_assert_int_eq(top.head.workers, 7);
	ck_assert_uint_eq(top.head.nested, 0);
	ck_assert_int_eq(top.head.first_index, 10 * MACHINE_INDICES);
	ck_assert_uint_eq(top.head.behind, 2);
	part = machine_first(top.behind, top.behind_size);
	ck_assert_int_eq(machine_read(top.behind, part, &first), 0);
	has_texts(&first, "h1", ssh, FAR_TREE);
	ck_assert_int_eq(first.head.workers, VM_ELSEWHERE);
	ck_assert_uint_ne(first.head.nested, 0);
	ck_assert_int_eq(first.head.first_index, 11 * MACHINE_INDICES);
	ck_assert_int_eq(machine_read(first.behind,
	    machine_first(first.behind, first.behind_size), &leaf), 0);
	has_texts(&leaf, "l1", plain, FAR_AGENT);
	ck_assert_int_eq(leaf.head.first_index, 12 * MACHINE_INDICES);
	ck_assert_int_eq(machine_read(top.behind + part,
	    top.behind_size - part, &second), 0);
	has_texts(&second, "i2", plain, FAR_AGENT);
	ck_assert_int_eq(second.head.first_index, 14 * MACHINE_INDICES);
}
END_TEST

START_TEST(a_door_has_a_name_only)
{
	const struct vm_host door = { .name = "joins" };
	struct machine m;

	machine_write(bytes, &door, 1);
	ck_assert_int_eq(machine_read(bytes, machine_size(&door), &m), 0);
	ck_assert_uint_eq(m.head.texts, 1);
	ck_assert_str_eq(m.texts, "joins");
}
END_TEST

START_TEST(a_record_of_another_size_is_refused)
{
	const size_t size = machine_size(&root);

	machine_write(bytes, &root, 1);
	for (size_t i = 0; i < size; i++)
		ck_assert_int_eq(parse(bytes, i), -EPROTO);
	ck_assert_int_eq(parse(bytes, size), 0);
	ck_assert_int_eq(parse(bytes, size + 1), -EPROTO);
}
END_TEST

/* Writes a head with a changed field.  Returns what the reader says. */
static int changed(size_t offset, uint32_t value)
{
	machine_write(bytes, &root, 1);
	memcpy(bytes + offset, &value, sizeof value);
	return parse(bytes, machine_size(&root));
}

START_TEST(an_impossible_head_is_refused)
{
#define AT(field) offsetof(struct machine_head, field)
	static const struct { size_t offset; uint32_t value; } wrong[] = {
		{ AT(size), 0 }, { AT(size), 7 }, { AT(size) + 4, 1 },
		{ AT(texts), 0 }, { AT(texts), 4 }, { AT(texts), 6 },
		{ AT(text_size), 0 }, { AT(text_size), UINT32_MAX },
		{ AT(text_size), 9 }, { AT(behind), 1 }, { AT(behind), 3 },
		{ AT(behind), 0 }, { AT(workers), (uint32_t)-1 },
		{ AT(first_index), (uint32_t)-1 },
	};

	for (size_t i = 0; i < COUNTOF(wrong); i++)
		ck_assert_msg(changed(wrong[i].offset, wrong[i].value) ==
		    -EPROTO, "%zu", i);
	ck_assert_int_eq(changed(AT(workers), 5), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { a_tree_is_read_as_it_was_written,
		a_door_has_a_name_only, a_record_of_another_size_is_refused,
		an_impossible_head_is_refused };

	return run_tests("machine", tests, COUNTOF(tests));
}
