#include "api/route.h"

#include <stdlib.h>
#include <string.h>

#define API_PREFIX "/api/"
#define BASE "/api/v1"
#define HISTORY_PREFIX BASE "/cryptos/"
#define HISTORY_SUFFIX "/history"

static bool has_prefix(const char *text, const char *prefix) {
        return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* "/api/v1/cryptos/bitcoin/history": ids have no slash, so the rest must be one part. */
static bool match_history(const char *path, char *coin_id) {
        if (!has_prefix(path, HISTORY_PREFIX))
                return false;
        const char *id = path + strlen(HISTORY_PREFIX);
        const char *slash = strchr(id, '/');
        if (!slash || strcmp(slash, HISTORY_SUFFIX) != 0)
                return false;

        size_t n = (size_t) (slash - id);
        coin_id[0] = '\0';
        if (n <= COIN_ID_MAX) {
                memcpy(coin_id, id, n);
                coin_id[n] = '\0';
        }
        if (!coin_id_is_valid(coin_id))
                coin_id[0] = '\0';
        return true;
}

Resource route_find(const char *path, char coin_id[COIN_ID_MAX + 1]) {
        if (!has_prefix(path, API_PREFIX) && strcmp(path, "/api") != 0)
                return RESOURCE_PAGE;
        if (strcmp(path, BASE "/health") == 0)
                return RESOURCE_HEALTH;
        if (strcmp(path, BASE "/cryptos") == 0)
                return RESOURCE_CRYPTOS;
        if (match_history(path, coin_id))
                return RESOURCE_HISTORY;
        return RESOURCE_NONE;
}

static bool parse_limit(const char *text, int *ret) {
        if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 9)
                return false;
        int limit = atoi(text);
        *ret = limit;
        return limit >= 1 && limit <= HISTORY_LIMIT_MAX;
}

const char *history_query_parse(HistoryQuery *ret, const char *limit_text,
                                const char *currency_text, const char *default_currency) {
        HistoryQuery q = { .limit = HISTORY_LIMIT_DEFAULT };

        if (limit_text && !parse_limit(limit_text, &q.limit))
                return "limit must be a whole number from 1 to 10000";
        const char *currency = currency_text ? currency_text : default_currency;
        if (!currency_is_valid(currency))
                return "currency must be a code in lower case such as usd";
        strcpy(q.currency, currency);
        *ret = q;
        return NULL;
}
