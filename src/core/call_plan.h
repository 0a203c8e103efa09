/* Which calls one round of polling takes: the tracked coins, cut into calls of /coins/markets
 * that CoinGecko answers (at most 250 coins each), for every quote currency.
 * The fetcher makes them, maintenance knows from their number how often the budget lets it. Pure.
 */
#pragma once

#include <stddef.h>

#include "core/config.h"
#include "core/macro.h"

/* Servers and proxies refuse longer request lines (nginx from 8 kB on). */
#define MARKETS_TARGET_MAX 6000
#define MARKETS_PAGE_MAX 250 /* per_page, https://docs.coingecko.com/reference/coins-markets */

typedef struct MarketsCall {
        char *target; /* at most MARKETS_TARGET_MAX bytes: "/coins/markets?vs_currency=usd&..." */
        const char *currency;  /* borrowed from the configuration */
        size_t n_wanted;       /* how many coins of the answer are wanted, from its beginning */
        char **ids;            /* the ids that were asked for, borrowed; NULL: by market cap */
        unsigned int troubles; /* the caller's; 0 at first */
} MarketsCall;

typedef struct CallPlan {
        MarketsCall *calls;
        size_t n_calls;
        char **ids; /* the configured ids without the top:N entries, borrowed strings */
} CallPlan;

/* CONFIG is borrowed until call_plan_done(). 0 or -ENOMEM. */
_must_check_ int call_plan_make(CallPlan *ret, const Config *config);
void call_plan_done(CallPlan *plan);
