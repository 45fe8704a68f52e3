/* json.c - see json.h: a strict reader of JSON. */
#include "config.h"

#include "json.h"

#include <stdlib.h>
#include <string.h>

/* Values in values; more is taken for an error. */
#define DEPTH_MOST 64

static bool skip_value(struct json *j, int depth);

static void skip_space(struct json *j)
{
	while (j->at < j->end && strchr(" \t\n\r", *j->at) != NULL &&
	    *j->at != '\0')
		j->at++;
}

/* Skips a byte.  Returns false if another is there. */
static bool skip_byte(struct json *j, char byte)
{
	if (j->at == j->end || *j->at != byte)
		return false;
	j->at++;
	return true;
}

static bool skip_word(struct json *j, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(j->end - j->at) < n || memcmp(j->at, word, n) != 0)
		return false;
	j->at += n;
	return true;
}

static bool is_digit(const struct json *j)
{
	return j->at < j->end && *j->at >= '0' && *j->at <= '9';
}

static bool skip_digits(struct json *j)
{
	bool any = is_digit(j);

	while (is_digit(j))
		j->at++;
	return any;
}

static bool skip_number(struct json *j)
{
	skip_byte(j, '-');
	if (!skip_byte(j, '0') && !skip_digits(j))
		return false;
	if (skip_byte(j, '.') && !skip_digits(j))
		return false;
	if (!skip_byte(j, 'e') && !skip_byte(j, 'E'))
		return true;
	if (!skip_byte(j, '+'))
		skip_byte(j, '-');
	return skip_digits(j);
}

static bool skip_escape(struct json *j)
{
	if (!skip_byte(j, 'u'))
		return j->at < j->end && *j->at != '\0' &&
		    strchr("\"\\/bfnrt", *j->at++) != NULL;
	for (int i = 0; i < 4; i++, j->at++)
		if (j->at == j->end || *j->at == '\0' ||
		    strchr("0123456789abcdefABCDEF", *j->at) == NULL)
			return false;
	return true;
}

static bool skip_string(struct json *j)
{
	if (!skip_byte(j, '"'))
		return false;
	while (j->at < j->end && *j->at != '"') {
		unsigned char byte = (unsigned char)*j->at++;

		/* The library writes ASCII only. */
		if (byte < ' ' || byte > '~' ||
		    (byte == '\\' && !skip_escape(j)))
			return false;
	}
	return skip_byte(j, '"');
}

/* Skips what is between two brackets; members: with names. */
static bool skip_list(struct json *j, char last, bool members, int depth)
{
	j->at++;
	skip_space(j);
	if (skip_byte(j, last))
		return true;
	do {
		skip_space(j);
		if (members && !skip_string(j))
			return false;
		skip_space(j);
		if (members && !skip_byte(j, ':'))
			return false;
		if (!skip_value(j, depth + 1))
			return false;
	} while (skip_byte(j, ','));
	return skip_byte(j, last);
}

/* Skips a value, and the white space around it. */
static bool skip_value(struct json *j, int depth)
{
	bool valid;

	skip_space(j);
	if (j->at == j->end || depth > DEPTH_MOST)
		return false;
	switch (*j->at) {
	case '{':
		valid = skip_list(j, '}', true, depth);
		break;
	case '[':
		valid = skip_list(j, ']', false, depth);
		break;
	case '"':
		valid = skip_string(j);
		break;
	case 't':
		valid = skip_word(j, "true");
		break;
	case 'f':
		valid = skip_word(j, "false");
		break;
	case 'n':
		valid = skip_word(j, "null");
		break;
	default:
		valid = skip_number(j);
	}
	skip_space(j);
	return valid;
}

bool json_is_valid(struct json j)
{
	return skip_value(&j, 0) && j.at == j.end;
}

/* Takes a value and what separates it from the next. */
static struct json take_value(struct json *j)
{
	struct json value;

	skip_space(j);
	value = *j;
	skip_value(j, 0);
	value.end = j->at;
	while (value.end > value.at && strchr(" \t\n\r", value.end[-1]) != NULL)
		value.end--;
	skip_byte(j, ',');
	return value;
}

/* Returns what is between the brackets of a list. */
static struct json inside(struct json list)
{
	skip_space(&list);
	list.at++;
	while (list.end[-1] != ']' && list.end[-1] != '}')
		list.end--;
	list.end--;
	return list;
}

struct json json_elements(struct json array)
{
	return inside(array);
}

bool json_next(struct json *elements, struct json *element)
{
	skip_space(elements);
	if (elements->at == elements->end)
		return false;
	*element = take_value(elements);
	return true;
}

bool json_member(struct json object, const char *name, struct json *value)
{
	struct json left = inside(object), key;

	for (skip_space(&left); left.at < left.end; skip_space(&left)) {
		key = left;
		skip_string(&left);
		key.end = left.at;
		skip_space(&left);
		skip_byte(&left, ':');
		*value = take_value(&left);
		if (json_is(key, name))
			return true;
	}
	return false;
}

bool json_begins(struct json value, const char *text)
{
	size_t n = strlen(text);

	return (size_t)(value.end - value.at) > n && *value.at == '"' &&
	    memcmp(value.at + 1, text, n) == 0;
}

bool json_is(struct json value, const char *text)
{
	return json_begins(value, text) &&
	    (size_t)(value.end - value.at) == strlen(text) + 2;
}

bool json_number(struct json value, double *number)
{
	struct json rest = value;

	if (!skip_number(&rest) || rest.at != value.end)
		return false;
	*number = strtod(value.at, NULL);
	return true;
}
