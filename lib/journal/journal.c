/* journal.c - see journal.h: the file of finished inputs. */
#include "config.h"

#include "journal/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "journal/little.h"
#include "os/fdlist.h"
#include "os/sys.h"

/* The first line: MAGIC, version, kind, and the secret in hexadecimal. */
#define MAGIC "#vimap-journal "
#define FORMAT "1 "
#define LINE MAGIC FORMAT "outputs=%d key=%016llx%016llx\n"
#define LINE_SIZE 64
/* Bytes read at once while heads are looked at. */
#define PAGE ((size_t)64 * 1024)
/* A worker's name and version have no more, each with a 0 byte. */
#define NAMES_MOST ((size_t)1024)

/* ---- entries ---- */

/* Reads size bytes at a position.  Returns 0, -EPROTO if the file ends before,
   or -errno. */
static int read_all(const struct journal *j, uint64_t at, void *to,
    size_t size)
{
	unsigned char *p = to;

	while (size > 0) {
		ssize_t r = sys_pread(j->out.fd, p, size, at);

		if (r <= 0)
			return r < 0 ? (int)r : -EPROTO;
		p += r;
		at += (uint64_t)r;
		size -= (size_t)r;
	}
	return 0;
}

int journal_read(const struct journal *j, uint64_t at, struct entry *e)
{
	unsigned char head[ENTRY_HEAD];
	int r = read_all(j, at, head, sizeof head);

	return r == 0 ? entry_read(e, head, &j->secret) : r;
}

int journal_read_data(const struct journal *j, uint64_t at,
    const struct entry *e, void *to)
{
	const size_t size = (size_t)e->size;
	int r = read_all(j, at + ENTRY_HEAD, to, size);

	if (r == 0 && entry_check(&j->secret, to, size) != e->check)
		r = -EPROTO;
	return r;
}

/* Appends an entry behind the first line, if that is given. */
static int add(struct journal *j, const char *line, struct entry *e,
    const void *data)
{
	unsigned char head[ENTRY_HEAD];
	struct iovec parts[] = {
		{ (void *)(uintptr_t)line, line != NULL ? LINE_SIZE : 0 },
		{ head, sizeof head },
		{ (void *)(uintptr_t)data, (size_t)e->size },
	};

	e->check = entry_check(&j->secret, data, (size_t)e->size);
	entry_write(head, e, &j->secret);
	return outfile_append(&j->out, parts, COUNTOF(parts));
}

int journal_add(struct journal *j, struct entry *e, const void *data)
{
	return add(j, NULL, e, data);
}

/* ---- the worker ---- */

/* Makes the data of a BEGIN.  Returns their size. */
static size_t write_names(char to[NAMES_MOST], const struct journal_wants *w)
{
	size_t name = strlen(w->name) + 1, version = strlen(w->version) + 1;

	memcpy(to, w->name, name);
	memcpy(to + name, w->version, version);
	return name + version;
}

/* Has the keys of this worker's inputs differ from those of all other workers,
   so that no result of theirs is used if their BEGIN is lost. */
static void make_secret(struct journal *j, const struct journal_wants *w)
{
	char names[NAMES_MOST];
	size_t size = write_names(names, w);

	j->keys = digest_of(&j->secret, names, size);
}

/* ---- a new journal ---- */

/* Nobody who gives us inputs may guess the secret. */
static void draw_secret(struct journal *j)
{
	const struct digest zero = { { 0, 0 } };
	unsigned char from[32];

	sys_random(from);
	little_put64(from + 16, sys_date());
	little_put64(from + 24, (uint64_t)sys_getpid());
	j->secret = digest_of(&zero, from, sizeof from);
}

/* Appends a BEGIN; fresh: behind the first line. */
static int begin(struct journal *j, const struct journal_wants *w, bool fresh)
{
	struct entry e = { .type = ENTRY_BEGIN };
	char names[NAMES_MOST], line[LINE_SIZE + 1];

	e.size = write_names(names, w);
	if (!fresh)
		return add(j, NULL, &e, names);
	draw_secret(j);
	make_secret(j, w);
	snprintf(line, sizeof line, LINE, w->outputs,
	    (unsigned long long)j->secret.word[0],
	    (unsigned long long)j->secret.word[1]);
	return add(j, line, &e, names);
}

/* ---- a journal that exists ---- */

/* The heads of a file, one after the other. */
struct scan {
	const struct journal *j;
	const struct journal_wants *wants;
	unsigned char *page;	/* a part of the file, */
	uint64_t from;		/* its position, */
	size_t have;		/* and bytes */
	bool any;		/* there was a head */
	bool mine;		/* the entries may be of this worker */
	bool begun;		/* they are: the last BEGIN names it */
};

/* Returns a pointer to the head at a position; NULL if the file ends before
   its end, or sets *r to -errno. */
static const unsigned char *look(struct scan *s, uint64_t at, int *r)
{
	size_t size = (size_t)MIN(PAGE, s->j->out.size - at);

	if (size < ENTRY_HEAD)
		return NULL;
	if (at < s->from || at + ENTRY_HEAD > s->from + s->have) {
		s->have = 0;
		s->from = at;
		*r = read_all(s->j, at, s->page, size);
		s->have = *r == 0 ? size : 0;
	}
	return *r == 0 ? s->page + (at - s->from) : NULL;
}

/* What follows may be of any worker, as a part of the file is damaged. */
static void lose_track(struct scan *s)
{
	s->mine = true;
	s->begun = false;
}

/* Does a BEGIN name this worker?  Returns 0 or -errno. */
static int begins(struct scan *s, uint64_t at, const struct entry *e)
{
	char mine[NAMES_MOST], theirs[NAMES_MOST];
	int r = e->size > sizeof theirs ? -EPROTO :
	    journal_read_data(s->j, at, e, theirs);

	if (r == -EPROTO) {
		lose_track(s);
		return 0;
	}
	s->mine = s->begun = r == 0 && e->size == write_names(mine, s->wants) &&
	    memcmp(mine, theirs, (size_t)e->size) == 0;
	return r;
}

/* Notes an entry in the ledgers.  Returns 0 or -errno. */
static int note(struct journal *j, struct scan *s, uint64_t at,
    const struct entry *e)
{
	if (e->type == ENTRY_BEGIN)
		return begins(s, at, e);
	if (!s->mine)
		return 0;
	if (e->replaces && ledger_find(&j->failed, &e->key) != 0)
		ledger_take(&j->failed, &e->key);
	return ledger_add(e->type == ENTRY_OUTPUT ? &j->done : &j->failed,
	    &e->key, at);
}

/*
 * Reads all heads.  Bytes that are no entry are passed over: no data of an
 * entry look like a head by chance, nor by the will of anybody who does not
 * know the secret.  Cuts off the file behind the last entry.  Returns 0; 1 if
 * the file has room for a head, and none; or -errno.
 */
static int read_heads(struct journal *j, struct scan *s)
{
	uint64_t at = LINE_SIZE, end = at;
	const unsigned char *head;
	struct entry e;
	int r = 0;

	while (r == 0 && (head = look(s, at, &r)) != NULL) {
		bool good = entry_read(&e, head, &j->secret) == 0;

		s->any |= good;
		if (!good || e.size > j->out.size - at - ENTRY_HEAD) {
			at++;
			continue;
		}
		if (at > end)
			lose_track(s);
		r = note(j, s, at, &e);
		at = end = at + ENTRY_HEAD + e.size;
	}
	if (r == 0 && !s->any && at > LINE_SIZE)
		return 1;
	return r == 0 && end < j->out.size ? outfile_cut(&j->out, end) : r;
}

static int refuse(const struct journal_wants *w, const char *what,
    struct words *words)
{
	return words_set(words, EINVAL, "%.200s is %s, and was left as it is; "
	    "vm_options.journal needs another path, or that file moved away.",
	    w->path, what);
}

/* Reads the first line.  Returns 0; 1 if there is none, or a part; -EINVAL with
   words; or -errno. */
static int read_line(struct journal *j, const struct journal_wants *w,
    struct words *words)
{
	const char *prefix = MAGIC FORMAT, *damaged = "a journal with a "
	    "damaged first line";
	const size_t known = strlen(MAGIC), size = known + strlen(FORMAT);
	size_t have = (size_t)MIN(j->out.size, LINE_SIZE);
	unsigned long long key[2];
	char line[LINE_SIZE + 1] = "", again[LINE_SIZE + 1];
	int outputs, r = read_all(j, 0, line, have);

	if (r < 0)
		return r;
	if (memcmp(line, prefix, MIN(have, known)) != 0)
		return refuse(w, "no journal of vimap", words);
	if (memcmp(line, prefix, MIN(have, size)) != 0)
		return refuse(w, "a journal of another version of vimap",
		    words);
	if (have < LINE_SIZE)
		return 1;
	if (sscanf(line, LINE, &outputs, &key[0], &key[1]) != 3)
		return refuse(w, damaged, words);
	snprintf(again, sizeof again, LINE, outputs != 0, key[0], key[1]);
	if (memcmp(line, again, LINE_SIZE) != 0)
		return refuse(w, damaged, words);
	if ((outputs != 0) != w->outputs)
		return refuse(w, w->outputs ? "a journal without outputs, with "
		    "VM_JOURNAL_OUTPUTS" : "a journal with outputs, without "
		    "VM_JOURNAL_OUTPUTS", words);
	j->secret = (struct digest){ { key[0], key[1] } };
	make_secret(j, w);
	return 0;
}

/* With a wrong secret all entries look damaged, and none may be cut off.
   Returns 0, or -errno, with words if the entries are refused. */
static int scan(struct journal *j, const struct journal_wants *w,
    struct words *words)
{
	struct scan s = { .j = j, .wants = w, .page = malloc(PAGE) };
	int r = s.page != NULL ? read_heads(j, &s) : -ENOMEM;

	free(s.page);
	if (r == 1)
		return refuse(w, "a journal with a damaged first line, or "
		    "without an entry that is whole", words);
	return r == 0 && !s.begun ? begin(j, w, false) : r;
}

static int open_file(struct journal *j, const struct journal_wants *w,
    struct words *words)
{
	int r = outfile_extend(&j->out, w->path);

	if (r == 0)
		r = read_line(j, w, words);
	if (r == 0)
		return scan(j, w, words);
	if (r == 1 && j->out.size > 0)
		r = outfile_cut(&j->out, 0);
	return r >= 0 ? begin(j, w, true) : r;
}

int journal_open(struct journal *j, const struct journal_wants *w,
    struct words *words)
{
	int r;

	*j = (struct journal){ .out.fd = -1 };
	if (strlen(w->name) + strlen(w->version) + 2 > NAMES_MOST)
		return words_set(words, EINVAL, "With vm_options.journal, "
		    "vm_worker.name and version must have %zu bytes at most.",
		    NAMES_MOST - 2);
	words->text[0] = '\0';
	r = open_file(j, w, words);
	if (r < 0 && words->text[0] == '\0')
		words_set(words, -r, "The journal %.200s cannot be used: %s.",
		    w->path, outfile_flaw(-r));
	if (r < 0)
		journal_close(j, fdlist_drop);
	return r;
}

void journal_close(struct journal *j, void (*close)(int *fd))
{
	outfile_close(&j->out, close);
	ledger_release(&j->done);
	ledger_release(&j->failed);
}
