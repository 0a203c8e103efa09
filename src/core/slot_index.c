#include "core/slot_index.h"

#include <errno.h>
#include <search.h> /* tsearch(3): libc's balanced tree */
#include <stdio.h>
#include <string.h>

struct SlotIndex {
        void *tree;
        size_t count;
};

typedef struct Slot {
        size_t number;
        char key[]; /* "bitcoin/usd": no coin id has a slash */
} Slot;

static int compare_slots(const void *a, const void *b) {
        return strcmp(((const Slot *) a)->key, ((const Slot *) b)->key);
}

int slot_index_new(SlotIndex **ret) {
        SlotIndex *index = calloc(1, sizeof(*index));
        if (!index)
                return -ENOMEM;
        *ret = index;
        return 0;
}

void slot_index_free(SlotIndex *index) {
        if (!index)
                return;
        tdestroy(index->tree, free);
        free(index);
}

int slot_index_add(SlotIndex *index, const char *coin_id, const char *currency, size_t *ret_slot) {
        size_t size = strlen(coin_id) + 1 + strlen(currency) + 1;
        _cleanup_free_ Slot *slot = malloc(sizeof(*slot) + size);
        if (!slot)
                return -ENOMEM;
        snprintf(slot->key, size, "%s/%s", coin_id, currency);
        slot->number = index->count;

        Slot **found = tsearch(slot, &index->tree, compare_slots);
        if (!found)
                return -ENOMEM;
        if (*found == slot) {
                index->count++;
                (void) TAKE_PTR(slot);
        }
        *ret_slot = (*found)->number;
        return 0;
}

size_t slot_index_count(const SlotIndex *index) {
        return index->count;
}
