/* Spells without a price, put together by coin and currency, and what of an answer fills them.
 * Pure; one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/coingecko.h"
#include "core/macro.h"
#include "core/price_update.h"

#define GAP_AFTER_MAX 63

typedef struct Gap {
        int64_t from_ms, to_ms; /* what lies strictly between them is missing */
        /* The price before the gap, as PostgreSQL writes its time: with still_open what the gap
         * is remembered by, also when from_ms moves on with the window. */
        char after[GAP_AFTER_MAX + 1];
        bool still_open; /* no price has come since */
        size_t n_points; /* that were published for it */
} Gap;

/* The gaps of one coin in one currency: one call asks for all of them. */
typedef struct GapSet {
        char coin_id[COIN_ID_MAX + 1];
        char currency[CURRENCY_MAX + 1];
        Gap *gaps; /* in the order of time; in the list's array */
        size_t n_gaps;
} GapSet;

typedef struct GapList {
        GapSet *sets;
        size_t n_sets;
        Gap *gaps;
        size_t n_gaps;
        size_t max_gaps;
} GapList;

/* A list with room for MAX_GAPS. 0 or -ENOMEM. */
_must_check_ int gap_list_init(GapList *ret, size_t max_gaps);
void gap_list_done(GapList *list);
/* The gaps of one coin and currency must come in a row. -EINVAL: no valid coin or currency, or no
 * room. */
_must_check_ int gap_list_add(GapList *list, const char *coin_id, const char *currency,
                              const Gap *gap);
/* The longest gap and its set, of a list that is not empty. */
const Gap *gap_list_longest(const GapList *list, const GapSet **ret_set);

/* The gap that POINT lies strictly within, or NULL; then ret becomes the update to publish. */
Gap *gap_set_take(const GapSet *set, const ChartPoint *point, PriceUpdate *ret);
