/* The simulated market: what each coin costs at any time, as a function of time and seed.
 *
 * A price is renewed every renew_ms and stands still in between, as CoinGecko's do; renewals of
 * different coins are spread over that time unless renew_together is set. Past and present come
 * from the same function, so histories agree with what was served, also after a restart with the
 * same seed. What market_set_price() sets stays until market_reset(). One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/macro.h"
#include "sim/catalog.h"

typedef struct Market Market;

typedef struct MarketOptions {
        uint64_t seed;
        size_t n_coins;
        int64_t renew_ms;
        bool renew_together;
} MarketOptions;

_must_check_ int market_new(Market **ret, const MarketOptions *options);
void market_free(Market *market); /* accepts NULL */
DEFINE_CLEANUP(Market *, market_free)

size_t market_count(const Market *market);
const Coin *market_coin(const Market *market, size_t i);
/* The number of the coin with this id, or -ENOENT. */
int market_find(const Market *market, const char *id);

/* The quote currencies; NULL after the last one. */
const char *market_currency(size_t i);
bool market_has_currency(const char *currency);

/* When coin I's price was last renewed. Milliseconds since 1970. */
int64_t market_renewed_ms(const Market *market, size_t i, int64_t now_ms);
/* Its price at that time, unrounded. CURRENCY must be one that market_has_currency(). */
double market_price(const Market *market, size_t i, const char *currency, int64_t at_ms);
/* The price that is shown at NOW_MS, and when it was renewed. */
double market_quote(const Market *market, size_t i, const char *currency, int64_t now_ms,
                    int64_t *ret_renewed_ms);
/* The part of its market capitalisation that is traded in a day. */
double market_turnover(const Market *market, size_t i, int64_t at_ms);

/* -EINVAL: unknown currency or not a positive number; -ENOMEM. */
_must_check_ int market_set_price(Market *market, size_t i, const char *currency, double price,
                                  int64_t now_ms);
/* What may be wrong with a coin, for tests. */
typedef enum CoinTrouble {
        COIN_MISSING = 1 << 0, /* answers leave it out */
        COIN_NULL = 1 << 1,    /* price, market cap and all that follows from them are null */
} CoinTrouble;
void market_set_trouble(Market *market, size_t i, unsigned int trouble);
unsigned int market_trouble(const Market *market, size_t i);
/* The coin is not renewed any more after that time; 0: it is. */
void market_set_stale(Market *market, size_t i, int64_t since_ms);
/* As it was when it was made. */
void market_reset(Market *market);
