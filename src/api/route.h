/* Which resource a request asks for, and whether its parameters make sense. Pure. */
#pragma once

#include <stdbool.h>

#include "core/config.h"
#include "core/macro.h"
#include "core/price_update.h"

#define HISTORY_LIMIT_DEFAULT 100
#define HISTORY_LIMIT_MAX 10000

typedef enum Resource {
        RESOURCE_NONE,    /* no such path under /api/ */
        RESOURCE_HEALTH,  /* /api/v1/health */
        RESOURCE_CRYPTOS, /* /api/v1/cryptos */
        RESOURCE_HISTORY, /* /api/v1/cryptos/{id}/history */
        RESOURCE_PAGE,    /* anything outside of /api/: the dashboard's */
} Resource;

/* PATH is percent-decoded. For RESOURCE_HISTORY the coin's id goes to COIN_ID, "" if it cannot
 * be one. */
Resource route_find(const char *path, char coin_id[COIN_ID_MAX + 1]);

typedef struct HistoryQuery {
        char currency[CURRENCY_MAX + 1];
        int limit;
} HistoryQuery;

/* LIMIT_TEXT and CURRENCY_TEXT as in the query, NULL if absent. NULL, or what is wrong with
 * them, for the problem document. */
const char *history_query_parse(HistoryQuery *ret, const char *limit_text,
                                const char *currency_text, const char *default_currency);
