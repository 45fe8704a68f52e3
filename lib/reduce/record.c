/* record.c - see record.h: writes and reads runs of records. */
#include "config.h"

#include "reduce/record.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "reduce/hash.h"

/* Bytes that are written and sealed at once. */
#define BLOCK ((size_t)64 * 1024)

/* ---- records in a buffer ---- */

static void put_head(unsigned char *at, const struct record *r)
{
	const uint32_t sizes[] = { r->key_size,
		r->apart ? RECORD_APART : r->body_size };

	memcpy(at, sizes, sizeof sizes);
}

int record_append(struct buf *b, const struct record *r)
{
	size_t length = RECORD_HEAD + (size_t)r->key_size + r->body_size;
	int e = buf_reserve(b, length);
	unsigned char *at;

	if (e < 0)
		return e;
	at = b->data + b->len;
	put_head(at, r);
	buf_copy(at + RECORD_HEAD, r->key, r->key_size);
	buf_copy(at + RECORD_HEAD + r->key_size, r->body, r->body_size);
	b->len += length;
	return 0;
}

/* Parses the head; sets all but the pointers and the size of a body apart. */
static void get_head(const unsigned char *at, struct record *r)
{
	uint32_t sizes[2];

	memcpy(sizes, at, sizeof sizes);
	r->key_size = sizes[0];
	r->body_size = sizes[1];
	r->apart = sizes[1] == RECORD_APART;
}

/* Sets the pointers.  Returns the length, or 0 if the record is incomplete. */
static int64_t get_bytes(const unsigned char *at, size_t size,
    struct record *r)
{
	const size_t length = RECORD_HEAD + (size_t)r->key_size + r->body_size;

	if (size < length)
		return 0;
	r->key = at + RECORD_HEAD;
	r->body = r->key + r->key_size;
	return (int64_t)length;
}

int64_t record_read(const unsigned char *at, size_t size, size_t key_most,
    struct record *r)
{
	if (size < RECORD_HEAD)
		return 0;
	get_head(at, r);
	if (r->apart)
		r->body_size = sizeof(struct run);
	if (r->key_size > key_most || r->body_size > RECORD_LARGE)
		return -EBADMSG;
	return get_bytes(at, size, r);
}

int64_t record_read_whole(const unsigned char *at, size_t size, size_t most,
    struct record *r)
{
	if (size < RECORD_HEAD)
		return 0;
	get_head(at, r);
	if (r->apart || r->key_size > most || r->body_size > most)
		return -EBADMSG;
	return get_bytes(at, size, r);
}

int record_compare(const void *a, size_t a_size, const void *b,
    size_t b_size)
{
	int r = memcmp(a, b, MIN(a_size, b_size));

	if (r != 0)
		return r;
	return (a_size > b_size) - (a_size < b_size);
}

/* ---- writing a run ---- */

/* Adds the hash of a block to a seal. */
static uint64_t sealed(uint64_t seal, const void *block, size_t size)
{
	return hash_word(seal, hash_bytes(block, size));
}

int sink_open(struct sink *s, struct store *store, size_t place,
    uint64_t most)
{
	int r;

	*s = (struct sink){ .store = store, .seal = HASH_START };
	buf_init(&s->buf, BLOCK);
	r = store_take(store, place, most, &s->extent);
	if (r == 0)
		r = buf_reserve(&s->buf, (size_t)MIN(most, BLOCK));
	return r;
}

static int flush(struct sink *s)
{
	int r;

	if (s->buf.len > s->extent.size - s->written)
		return -ENOSPC;
	r = store_write(s->store, s->extent.at + s->written, s->buf.data,
	    s->buf.len);
	if (r < 0)
		return r;
	s->seal = sealed(s->seal, s->buf.data, s->buf.len);
	s->written += s->buf.len;
	s->buf.len = 0;
	return 0;
}

int sink_put(struct sink *s, const void *from, size_t size)
{
	const unsigned char *at = from;
	size_t n;
	int r = 0;

	while (r == 0 && size > 0) {
		n = MIN(size, BLOCK - s->buf.len);
		r = buf_append(&s->buf, at, n);
		if (r == 0 && s->buf.len == BLOCK)
			r = flush(s);
		at += n;
		size -= n;
	}
	return r;
}

int sink_put_record(struct sink *s, const struct record *record)
{
	unsigned char head[RECORD_HEAD];
	int r;

	put_head(head, record);
	r = sink_put(s, head, sizeof head);
	if (r == 0)
		r = sink_put(s, record->key, record->key_size);
	if (r == 0)
		r = sink_put(s, record->body, record->body_size);
	return r;
}

uint64_t sink_at(const struct sink *s)
{
	return s->extent.at + s->written + s->buf.len;
}

int sink_close(struct sink *s, struct run *run)
{
	int r = s->buf.len > 0 ? flush(s) : 0;

	store_shorten(s->store, &s->extent, s->written);
	*run = (struct run){ s->extent, s->seal };
	return r;
}

void sink_release(struct sink *s)
{
	buf_release(&s->buf);
}

int run_write(struct store *s, size_t place, const void *from, size_t size,
    struct run *run)
{
	const unsigned char *at = from;
	int r = store_take(s, place, size, &run->extent);

	if (r == 0)
		r = store_write(s, run->extent.at, from, size);
	run->seal = HASH_START;
	for (size_t n; r == 0 && size > 0; at += n, size -= n) {
		n = MIN(size, BLOCK);
		run->seal = sealed(run->seal, at, n);
	}
	return r;
}

int run_read(const struct store *s, const struct run *run, void *to)
{
	unsigned char *at = to;
	uint64_t left = run->extent.size, seal = HASH_START;
	int r = store_read(s, run->extent.at, to, (size_t)left);

	for (size_t n; r == 0 && left > 0; at += n, left -= n) {
		n = (size_t)MIN(left, BLOCK);
		seal = sealed(seal, at, n);
	}
	return r == 0 && seal != run->seal ? -EBADMSG : r;
}

/* ---- reading a run ---- */

int scan_open(struct scan *s, const struct store *store,
    const struct run *run, size_t key_most)
{
	*s = (struct scan){
		.store = store,
		.run = *run,
		.seal = HASH_START,
		.key_most = key_most,
	};
	buf_init(&s->buf, SIZE_MAX / 4);
	return 0;
}

/* Appends the next block to the bytes in the buffer that are not parsed yet.
   Returns 1, 0 at the end, or -errno. */
static int read_block(struct scan *s)
{
	uint64_t left = s->run.extent.size - s->read;
	size_t n = (size_t)MIN(left, BLOCK);
	int r;

	if (n == 0)
		return s->seal == s->run.seal ? 0 : -EBADMSG;
	s->buf.len -= s->from;
	if (s->buf.data != NULL)
		memmove(s->buf.data, s->buf.data + s->from, s->buf.len);
	s->from = 0;
	r = buf_reserve(&s->buf, n);
	if (r == 0)
		r = store_read(s->store, s->run.extent.at + s->read,
		    s->buf.data + s->buf.len, n);
	if (r < 0)
		return r;
	s->seal = sealed(s->seal, s->buf.data + s->buf.len, n);
	s->buf.len += n;
	s->read += n;
	return 1;
}

int scan_next(struct scan *s)
{
	int64_t length;
	int r;

	for (;;) {
		length = s->buf.data == NULL ? 0 : record_read(s->buf.data +
		    s->from, s->buf.len - s->from, s->key_most, &s->now);
		if (length < 0)
			return (int)length;
		if (length > 0) {
			s->from += (size_t)length;
			return 1;
		}
		r = read_block(s);
		if (r < 0)
			return r;
		if (r == 0)
			return s->buf.len == s->from ? 0 : -EBADMSG;
	}
}

void scan_release(struct scan *s)
{
	buf_release(&s->buf);
}
