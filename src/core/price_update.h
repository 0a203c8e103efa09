/* A price update: what one coin costs in one currency at one point of the source's time.
 * The record that travels from CoinGecko through Kafka to PostgreSQL and the browsers.
 * A plain value, copied by assignment. Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/decimal.h"

#define COIN_ID_MAX 127
#define CURRENCY_MAX 15
#define SYMBOL_MAX 63
#define NAME_MAX_BYTES 127

typedef struct PriceUpdate {
        char coin_id[COIN_ID_MAX + 1];   /* CoinGecko's API id: "bitcoin" */
        char currency[CURRENCY_MAX + 1]; /* the quote currency: "usd" */
        int64_t timestamp_ms; /* the source's last_updated, never the time of the fetch */
        Decimal price;

        /* What else the source said; empty or 0 if it said nothing. */
        char symbol[SYMBOL_MAX + 1];   /* "btc" */
        char name[NAME_MAX_BYTES + 1]; /* UTF-8 */
        int32_t market_cap_rank;       /* 1 is the largest */
        Decimal market_cap;            /* in the quote currency, like the next four */
        Decimal volume_24h, high_24h, low_24h;
        Decimal change_24h;
        Decimal change_percent_24h;
} PriceUpdate;

/* Printable ASCII, 1 to COIN_ID_MAX bytes, without quote, backslash, slash, comma or percent. */
bool coin_id_is_valid(const char *id);
/* a-z and 0-9 and '-', 1 to CURRENCY_MAX bytes. */
bool currency_is_valid(const char *currency);

/* NULL if the update may be published and stored, else the reason why not, for a log entry.
 * TIMESTAMP_MIN_MS and LATEST_MS bound the timestamp. */
const char *price_update_check(const PriceUpdate *update, int64_t latest_ms);
