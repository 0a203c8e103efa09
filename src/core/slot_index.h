/* Numbers for pairs of coin and currency: 0, 1, 2, ... in the order of their first appearance,
 * so that whatever is known per pair can live in plain arrays. Not thread-safe. */
#pragma once

#include <stddef.h>

#include "core/macro.h"

typedef struct SlotIndex SlotIndex;

_must_check_ int slot_index_new(SlotIndex **ret);
void slot_index_free(SlotIndex *index); /* accepts NULL */
DEFINE_CLEANUP(SlotIndex *, slot_index_free)

/* The pair's number, made now if it is new. 0 or -ENOMEM. */
_must_check_ int slot_index_add(SlotIndex *index, const char *coin_id, const char *currency,
                                size_t *ret_slot);
size_t slot_index_count(const SlotIndex *index);
