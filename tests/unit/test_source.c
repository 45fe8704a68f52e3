/*
 * test_source.c - source: callbacks are called when they should be, close()
 * exactly once, and their return values are checked.
 */
#include "config.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/base.h"
#include "items/source.h"
#include "tools.h"

#define MAX_SIZE 100

/* The behaviour of the next() callback in a call. */
struct step {
	int said;
	int error;
	const char *input;
	size_t size;
};

/* A source whose callbacks follow a script, and check how they are called. */
struct script {
	const struct step *steps;
	int nexts, closes, waits;
	int outside;		/* calls with in_hook false */
	int full;		/* calls with *input or *size set before */
	bool in_hook;
};

static int script_next(void *from, const void **input, size_t *size)
{
	struct script *s = from;
	const struct step *step = &s->steps[s->nexts++];

	s->outside += !s->in_hook;
	s->full += *input != NULL || *size != 0;
	errno = step->error;
	*input = step->input;
	*size = step->size;
	return step->said;
}

static void script_close(void *from)
{
	struct script *s = from;

	s->outside += !s->in_hook;
	s->closes++;
}

static int script_wait_fd(void *from)
{
	struct script *s = from;

	s->outside += !s->in_hook;
	s->waits++;
	return 42;
}

static struct source *script_source(struct script *s,
    const struct step *steps)
{
	const struct vm_source hooks = { .next = script_next,
		.close = script_close, .from = s };
	struct source *source;

	*s = (struct script){ .steps = steps };
	source = source_new(&hooks, &s->in_hook);
	ck_assert_ptr_nonnull(source);
	return source;
}

/* Frees the source, and checks that all callbacks were called as they should
   be. */
static void script_end(struct script *s, struct source *source, int nexts)
{
	source_free(source);
	ck_assert_int_eq(s->nexts, nexts);
	ck_assert_int_eq(s->closes, 1);
	ck_assert_int_eq(s->outside, 0);
	ck_assert_int_eq(s->full, 0);
	ck_assert(!s->in_hook);
}

START_TEST(a_new_one_calls_nothing)
{
	struct script s;
	struct source *source = script_source(&s, NULL);

	ck_assert_int_eq(source->state, SOURCE_OPEN);
	ck_assert_uint_eq(source->index, 0);
	ck_assert(!source->held);
	ck_assert_int_eq(s.closes, 0);
	script_end(&s, source, 0);
	source_free(NULL);
}
END_TEST

START_TEST(reads_to_the_end)
{
	static const struct step steps[] = { { 1, 0, "one", 3 },
		{ 1, 0, "", 0 }, { 1, 0, NULL, 0 }, { 0, 0, NULL, 0 } };
	struct script s;
	struct source *source = script_source(&s, steps);

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(source_next(source, MAX_SIZE), 1);
		ck_assert(source->held);
		ck_assert(!s.in_hook);
		ck_assert_ptr_eq(source->input, steps[i].input);
		ck_assert_uint_eq(source->size, steps[i].size);
		source->held = false;
	}
	ck_assert_int_eq(s.closes, 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(source_next(source, MAX_SIZE), 0);
		ck_assert_int_eq(source->state, SOURCE_ENDED);
		ck_assert(!source->held);
		ck_assert_int_eq(s.closes, 1);
	}
	script_end(&s, source, 4);
}
END_TEST

START_TEST(a_held_input_is_not_asked_for_again)
{
	static const struct step steps[] = { { 1, 0, "one", 3 },
		{ 1, 0, "two", 3 } };
	struct script s;
	struct source *source = script_source(&s, steps);

	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(source_next(source, MAX_SIZE), 1);
		ck_assert_ptr_eq(source->input, steps[0].input);
		ck_assert_int_eq(s.nexts, 1);
	}
	source->held = false;
	ck_assert_int_eq(source_next(source, MAX_SIZE), 1);
	ck_assert_ptr_eq(source->input, steps[1].input);
	script_end(&s, source, 2);
}
END_TEST

/* Runs a step that must fail; the callback is not called again. */
static void must_fail(struct step step, int error)
{
	const struct step steps[] = { step, { 1, 0, "never", 5 } };
	struct script s;
	struct source *source = script_source(&s, steps);

	for (int i = 0; i < 3; i++) {
		errno = 0;
		ck_assert_int_eq(source_next(source, MAX_SIZE), -1);
		ck_assert_int_eq(source->state, SOURCE_FAILED);
		ck_assert_int_eq(source->error, error);
		ck_assert(!source->held);
		ck_assert_int_eq(s.closes, 1);
	}
	source_close(source);
	ck_assert_int_eq(source->state, SOURCE_FAILED);
	ck_assert_int_eq(source->error, error);
	script_end(&s, source, 1);
}

START_TEST(a_failure_has_its_errno)
{
	must_fail((struct step){ -1, ENOENT, NULL, 0 }, ENOENT);
	must_fail((struct step){ -1, EAGAIN, "x", 1 }, EAGAIN);
	must_fail((struct step){ -1, 0, NULL, 0 }, EIO);
	must_fail((struct step){ -1, -5, NULL, 0 }, EIO);
}
END_TEST

START_TEST(nonsense_is_einval)
{
	static const int said[] = { 3, 4, 99, -2, -3, INT_MAX, INT_MIN };

	for (size_t i = 0; i < COUNTOF(said); i++) {
		must_fail((struct step){ said[i], 0, "x", 1 }, EINVAL);
		must_fail((struct step){ said[i], EIO, NULL, 0 }, EINVAL);
	}
	must_fail((struct step){ 1, 0, NULL, 1 }, EINVAL);
	must_fail((struct step){ 1, 0, NULL, MAX_SIZE + 1 }, EINVAL);
}
END_TEST

START_TEST(too_large_is_efbig)
{
	static const char bytes[MAX_SIZE + 1];
	const struct step steps[] = { { 1, 0, bytes, MAX_SIZE } };
	struct script s;
	struct source *source = script_source(&s, steps);

	ck_assert_int_eq(source_next(source, MAX_SIZE), 1);
	ck_assert_uint_eq(source->size, MAX_SIZE);
	script_end(&s, source, 1);
	must_fail((struct step){ 1, 0, bytes, MAX_SIZE + 1 }, EFBIG);
	must_fail((struct step){ 1, 0, bytes, SIZE_MAX }, EFBIG);
}
END_TEST

START_TEST(later_is_not_the_end)
{
	static const struct step steps[] = { { VM_LATER, 0, "x", 1 },
		{ VM_LATER, EAGAIN, NULL, 0 }, { 1, 0, "one", 3 },
		{ VM_LATER, 0, NULL, 0 }, { 0, 0, NULL, 0 } };
	struct script s;
	struct source *source = script_source(&s, steps);

	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(source_next(source, MAX_SIZE), 0);
		ck_assert_int_eq(source->state, SOURCE_WAITING);
		ck_assert(!source->held);
	}
	ck_assert_int_eq(source_next(source, MAX_SIZE), 1);
	ck_assert_int_eq(source->state, SOURCE_OPEN);
	source->held = false;
	ck_assert_int_eq(source_next(source, MAX_SIZE), 0);
	ck_assert_int_eq(source->state, SOURCE_WAITING);
	ck_assert_int_eq(s.closes, 0);
	ck_assert_int_eq(source_next(source, MAX_SIZE), 0);
	ck_assert_int_eq(source->state, SOURCE_ENDED);
	ck_assert_int_eq(s.closes, 1);
	script_end(&s, source, 5);
}
END_TEST

START_TEST(closing_ends_it_and_drops_what_is_held)
{
	static const struct step steps[] = { { 1, 0, "one", 3 },
		{ 1, 0, "never", 5 } };
	struct script s;
	struct source *source = script_source(&s, steps);

	ck_assert_int_eq(source_next(source, MAX_SIZE), 1);
	for (int i = 0; i < 2; i++) {
		source_close(source);
		ck_assert_int_eq(source->state, SOURCE_ENDED);
		ck_assert(!source->held);
		ck_assert_int_eq(s.closes, 1);
	}
	ck_assert_int_eq(source_next(source, MAX_SIZE), 0);
	script_end(&s, source, 1);
}
END_TEST

START_TEST(needs_no_close_and_no_wait_fd)
{
	static const struct step steps[] = { { 0, 0, NULL, 0 } };
	struct script s = { .steps = steps };
	const struct vm_source hooks = { .next = script_next, .from = &s };
	struct source *source = source_new(&hooks, &s.in_hook);

	ck_assert_ptr_nonnull(source);
	ck_assert_int_eq(source_fd(source), -1);
	ck_assert(!source_prompt(source));
	ck_assert_int_eq(source_next(source, MAX_SIZE), 0);
	ck_assert_int_eq(source->state, SOURCE_ENDED);
	source_free(source);
	ck_assert_int_eq(s.nexts, 1);
	ck_assert_int_eq(s.outside, 0);
}
END_TEST

START_TEST(a_wait_fd_is_a_hook_and_a_promise)
{
	struct script s = { .steps = NULL };
	const struct vm_source hooks = { .next = script_next, .from = &s,
		.wait_fd = script_wait_fd };
	struct source *source = source_new(&hooks, &s.in_hook);

	ck_assert_ptr_nonnull(source);
	ck_assert(source_prompt(source));
	ck_assert_int_eq(s.waits, 0);
	ck_assert_int_eq(source_fd(source), 42);
	ck_assert_int_eq(s.waits, 1);
	ck_assert_int_eq(s.outside, 0);
	ck_assert(!s.in_hook);
	source_free(source);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = { a_new_one_calls_nothing,
		reads_to_the_end, a_held_input_is_not_asked_for_again,
		a_failure_has_its_errno, nonsense_is_einval,
		too_large_is_efbig, later_is_not_the_end,
		closing_ends_it_and_drops_what_is_held,
		needs_no_close_and_no_wait_fd,
		a_wait_fd_is_a_hook_and_a_promise };

	return run_tests("source", tests, COUNTOF(tests));
}
