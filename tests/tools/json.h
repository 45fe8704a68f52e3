/*
 * json.h - a strict reader of JSON, as RFC 8259 has it, for tests.
 *
 * Values are texts between two pointers; nothing is copied.  Asserts nothing.
 */
#ifndef TESTS_JSON_H
#define TESTS_JSON_H

#include <stdbool.h>
#include <stddef.h>

/* A part of a text. */
struct json {
	const char *at, *end;
};

/* Is all of the text a single valid value, with white space around it? */
bool json_is_valid(struct json);

/* Returns the elements of an array that is valid; takes the next of them.  The
   second returns false at the end. */
struct json json_elements(struct json array);
bool json_next(struct json *elements, struct json *element);

/* Finds a member of an object that is valid.  Returns false if there is
   none. */
bool json_member(struct json object, const char *name, struct json *value);

/* Is the value this string, which has no escapes?  Does it begin so? */
bool json_is(struct json, const char *text);
bool json_begins(struct json, const char *text);

/* Is the value a number?  Stores it. */
bool json_number(struct json, double *number);

#endif
