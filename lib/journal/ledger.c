/* ledger.c - see ledger.h: the finished inputs of earlier runs. */
#include "config.h"

#include "journal/ledger.h"

#include <errno.h>
#include <stdlib.h>

#include "base/base.h"

#define SLOTS_LEAST 64
#define ITEMS_LEAST 64

/* Items of a key form a list, whose first item knows the last. */
struct ledger_item {
	struct digest key;
	uint64_t at;		/* 0: all items of the key are taken out */
	uint32_t next;		/* 1 + number of the key's next item; 0: none */
	uint32_t last;		/* first of a key: 1 + number of its last */
};

/* Returns the slot of a key: empty, or with its first item. */
static uint32_t *find_slot(const struct ledger *l, const struct digest *key)
{
	uint32_t i = (uint32_t)key->word[0] & (l->slot_count - 1);

	while (l->slots[i] != 0 &&
	    !digest_is(&l->items[l->slots[i] - 1].key, key))
		i = (i + 1) & (l->slot_count - 1);
	return &l->slots[i];
}

/* Makes the table larger if three quarters of it are used. */
static int widen(struct ledger *l)
{
	struct ledger wide = *l;

	if (l->used < l->slot_count / 4 * 3)
		return 0;
	if (l->slot_count > UINT32_MAX / 2)
		return -ENOMEM;
	wide.slot_count = MAX(2 * l->slot_count, SLOTS_LEAST);
	wide.slots = calloc(wide.slot_count, sizeof *wide.slots);
	if (wide.slots == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->slot_count; i++)
		if (l->slots[i] != 0)
			*find_slot(&wide, &l->items[l->slots[i] - 1].key) =
			    l->slots[i];
	free(l->slots);
	*l = wide;
	return 0;
}

/* Makes room for another item. */
static int lengthen(struct ledger *l)
{
	uint32_t cap = MAX(l->cap + l->cap / 2, ITEMS_LEAST);
	struct ledger_item *items;

	if (l->count < l->cap)
		return 0;
	if (cap < l->cap || cap * (uint64_t)sizeof *items > SIZE_MAX / 2)
		return -ENOMEM;
	items = realloc(l->items, (size_t)cap * sizeof *items);
	if (items == NULL)
		return -ENOMEM;
	l->items = items;
	l->cap = cap;
	return 0;
}

int ledger_add(struct ledger *l, const struct digest *key, uint64_t at)
{
	struct ledger_item *first;
	uint32_t *slot;

	if (widen(l) < 0 || lengthen(l) < 0)
		return -ENOMEM;
	slot = find_slot(l, key);
	l->count++;
	l->items[l->count - 1] = (struct ledger_item){ .key = *key, .at = at,
		.last = l->count };
	if (*slot != 0 && l->items[*slot - 1].at != 0) {
		first = &l->items[*slot - 1];
		l->items[first->last - 1].next = l->count;
		first->last = l->count;
		return 0;
	}
	l->used += *slot == 0;
	*slot = l->count;
	return 0;
}

uint64_t ledger_find(const struct ledger *l, const struct digest *key)
{
	uint32_t number = l->slot_count > 0 ? *find_slot(l, key) : 0;

	return number > 0 ? l->items[number - 1].at : 0;
}

void ledger_take(struct ledger *l, const struct digest *key)
{
	uint32_t *slot = find_slot(l, key);
	struct ledger_item *first = &l->items[*slot - 1];

	if (first->next == 0) {
		first->at = 0;
		return;
	}
	l->items[first->next - 1].last = first->last;
	*slot = first->next;
}

void ledger_release(struct ledger *l)
{
	free(l->items);
	free(l->slots);
	*l = (struct ledger){ .items = NULL };
}
