#include "maintenance/gaps.h"

#include <errno.h>
#include <string.h>

int gap_list_init(GapList *ret, size_t max_gaps) {
        GapList list = { .max_gaps = max_gaps };

        list.sets = calloc(MAX_OF(max_gaps, (size_t) 1), sizeof(GapSet));
        list.gaps = calloc(MAX_OF(max_gaps, (size_t) 1), sizeof(Gap));
        if (!list.sets || !list.gaps) {
                gap_list_done(&list);
                return -ENOMEM;
        }
        *ret = list;
        return 0;
}

void gap_list_done(GapList *list) {
        free(list->sets);
        free(list->gaps);
        *list = (GapList){ .sets = NULL };
}

static GapSet *set_for(GapList *list, const char *coin_id, const char *currency) {
        GapSet *set = list->n_sets > 0 ? &list->sets[list->n_sets - 1] : NULL;

        if (set && strcmp(set->coin_id, coin_id) == 0 && strcmp(set->currency, currency) == 0)
                return set;
        set = &list->sets[list->n_sets++];
        strcpy(set->coin_id, coin_id);
        strcpy(set->currency, currency);
        set->gaps = list->gaps + list->n_gaps;
        return set;
}

int gap_list_add(GapList *list, const char *coin_id, const char *currency, const Gap *gap) {
        if (list->n_gaps >= list->max_gaps || !coin_id_is_valid(coin_id) ||
            !currency_is_valid(currency))
                return -EINVAL;
        GapSet *set = set_for(list, coin_id, currency);
        list->gaps[list->n_gaps++] = *gap;
        set->n_gaps++;
        return 0;
}

const Gap *gap_list_longest(const GapList *list, const GapSet **ret_set) {
        const Gap *longest = NULL;

        for (size_t i = 0; i < list->n_sets; i++) {
                const GapSet *set = &list->sets[i];
                for (size_t k = 0; k < set->n_gaps; k++) {
                        const Gap *gap = &set->gaps[k];
                        if (longest &&
                            gap->to_ms - gap->from_ms <= longest->to_ms - longest->from_ms)
                                continue;
                        longest = gap;
                        *ret_set = set;
                }
        }
        return longest;
}

Gap *gap_set_take(const GapSet *set, const ChartPoint *point, PriceUpdate *ret) {
        for (size_t i = 0; i < set->n_gaps; i++) {
                Gap *gap = &set->gaps[i];
                if (point->timestamp_ms <= gap->from_ms || point->timestamp_ms >= gap->to_ms)
                        continue;
                *ret = (PriceUpdate){ .timestamp_ms = point->timestamp_ms,
                                      .price = point->price,
                                      .market_cap = point->market_cap,
                                      .volume_24h = point->volume_24h };
                strcpy(ret->coin_id, set->coin_id);
                strcpy(ret->currency, set->currency);
                return gap;
        }
        return NULL;
}
