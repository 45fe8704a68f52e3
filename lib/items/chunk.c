/* chunk.c - see chunk.h: inputs packed in a buffer as the frames to send. */
#include "config.h"

#include "items/chunk.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "items/freelist.h"
#include "wire/frame.h"

struct chunk *chunk_new(struct freelist *freelist, uint64_t index, uint64_t seq,
    void *tag)
{
	struct chunk *c = freelist_take_chunk(freelist);

	if (c == NULL)
		return NULL;
	*c = (struct chunk){ .refs = 1, .freelist = freelist, .index = index,
		.seq = seq, .tag = tag, .items = c->items,
		.heads = c->heads, .tags = c->tags, .keys = c->keys };
	c->items.max = c->heads.max = c->tags.max = SIZE_MAX / 4;
	c->keys.max = SIZE_MAX / 4;
	return c;
}

void chunk_expect(struct chunk *c, size_t bytes)
{
	buf_reserve(&c->items, FRAME_START + bytes);
}

struct chunk *chunk_hold(struct chunk *c)
{
	c->refs++;
	return c;
}

void chunk_drop(struct chunk *c)
{
	if (c == NULL || --c->refs > 0)
		return;
	if (c->where == CHUNK_PLACED)
		buf_init(&c->items, 0);
	region_drop(c->region);
	freelist_put_chunk(c->freelist, c);
}

size_t chunk_skip(const struct chunk *c, size_t at, uint32_t items)
{
	const void *input;
	size_t size;

	if (c->where == CHUNK_PLACED)
		return at + items;
	if (c->each != 0)
		return at + items * c->each;
	while (items-- > 0)
		at = chunk_unpack(c, at, &input, &size);
	return at;
}

int chunk_expect_run(struct chunk *c, size_t n, size_t size)
{
	assert(c->where == CHUNK_PACKED && c->count > 0);
	return buf_reserve(&c->items, n * frame_length(size));
}

/* Writes the frames of inputs.  Inline, for a size known to the compiler. */
static inline void write_run(unsigned char *at, const unsigned char *items,
    size_t n, size_t size)
{
	for (size_t i = 0; i < n; i++)
		frame_write(at + i * frame_length(size), FRAME_ITEM,
		    items + i * size, size);
}

void chunk_pack_run(struct chunk *c, const void *items, size_t n, size_t size)
{
	const size_t length = frame_length(size);
	unsigned char *at = c->items.data + c->items.len;

	if (size == 8)
		write_run(at, items, n, 8);
	else
		write_run(at, items, n, size);
	c->items.len += n * length;
	c->items.data[c->items.len] = 0;
	c->each = c->each != 0 && c->size == size ? length : 0;
	c->size = size;
	c->count += (uint32_t)n;
	c->untaken = c->count;
}

void chunk_count(struct chunk *c, size_t n)
{
	c->items.len += n * c->each;
	c->items.data[c->items.len] = 0;
	if (c->tags.len > 0)
		c->tags.len += n * sizeof(void *);
	c->count += (uint32_t)n;
	c->untaken = c->count;
}

int chunk_expect_tags(struct chunk *c, size_t n)
{
	return c->tags.len == 0 ? 0 :
	    buf_reserve(&c->tags, n * sizeof(void *));
}

int chunk_expect_tag(struct chunk *c, const void *tag)
{
	int r;

	if (c->tags.len > 0 || c->count == 0 || c->tag == tag)
		return chunk_expect_tags(c, 1);
	r = buf_reserve(&c->tags, (c->count + 1) * sizeof tag);
	for (uint32_t nth = 0; r == 0 && nth < c->count; nth++)
		memcpy(c->tags.data + nth * sizeof tag, &c->tag, sizeof tag);
	c->tags.len = r == 0 ? c->count * sizeof tag : 0;
	return r;
}

void chunk_keep_tag(struct chunk *c, void *tag)
{
	if (c->tags.len > 0) {
		memcpy(c->tags.data + c->tags.len, &tag, sizeof tag);
		c->tags.len += sizeof tag;
	} else {
		c->tag = tag;
	}
}

int chunk_expect_key(struct chunk *c)
{
	return buf_reserve(&c->keys, sizeof(struct digest));
}

void chunk_keep_key(struct chunk *c, const struct digest *key)
{
	memcpy(c->keys.data + c->keys.len, key, sizeof *key);
	c->keys.len += sizeof *key;
}

const struct digest *chunk_key(const struct chunk *c, uint64_t nth)
{
	return c->keys.len == 0 ? NULL :
	    (const struct digest *)(void *)c->keys.data + nth;
}

/* ---- chunks in shared memory ---- */

int chunk_expect_head(struct chunk *c)
{
	return buf_reserve(&c->heads, sizeof(struct chunk_head));
}

void chunk_keep_head(struct chunk *c, size_t at, size_t size)
{
	struct chunk_head h = { .at = at };

	frame_head(h.head, FRAME_ITEM, size);
	memcpy(c->heads.data + c->heads.len, &h, sizeof h);
	c->heads.len += sizeof h;
}

size_t chunk_unpack_placed(const struct chunk *c, size_t item,
    const void **input, size_t *size)
{
	struct chunk_head h = *chunk_head(c, item);
	struct frame f;

	frame_look(h.head, &f);
	*input = c->items.data + h.at + FRAME_HEAD;
	*size = f.size;
	return item + 1;
}

/* Returns the offset of an item's frame, or the end of the last frame. */
static size_t frame_at(const struct chunk *c, size_t item)
{
	return item < c->count ? chunk_head(c, item)->at : c->items.len;
}

/* ---- all chunks ---- */

void chunk_inherit(struct chunk *c, const unsigned char *array,
    uint32_t count, size_t size)
{
	assert(c->count == 0 && count > 0);
	c->where = CHUNK_INHERITED;
	c->array = array;
	c->each = c->size = size;
	c->count = c->untaken = count;
}

size_t chunk_bytes(const struct chunk *c, size_t at, uint32_t items)
{
	if (c->where == CHUNK_INHERITED)
		return 0;
	if (c->where == CHUNK_PLACED)
		return frame_at(c, at + items) - frame_at(c, at);
	return chunk_skip(c, at, items) - at;
}

void chunk_place(struct chunk *c, struct region *r, unsigned char *at)
{
	size_t room = (size_t)(r->to - r->from) - 1;

	assert(c->count == 0);
	buf_release(&c->items);
	c->where = CHUNK_PLACED;
	c->region = r;
	c->items = (struct buf){ .data = at, .cap = room, .max = room };
}

bool chunk_fits(const struct chunk *c, size_t size)
{
	size_t length = frame_length(size) + (c->count == 0 ? FRAME_START : 0);

	return c->where != CHUNK_PLACED ||
	    length <= c->items.cap - c->items.len;
}
