/* What CoinGecko answers, made into price updates. Pure: bytes in, records out. Any thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/price_update.h"

typedef struct MarketsPage {
        /* The good ones, in the answer's order; behind them, up to n_listed, the skipped ones, of
         * which only the id (or "") means anything. */
        PriceUpdate *updates;
        size_t n_updates;
        size_t n_listed;  /* elements in the answer's array */
        size_t n_skipped; /* n_listed - n_updates: null price, no timestamp, out of range, ... */
        /* Why the first one was skipped: its id (or "") and a static text. */
        char skipped_coin_id[COIN_ID_MAX + 1];
        const char *skipped_reason;
} MarketsPage;

void markets_page_done(MarketsPage *page);

typedef struct MarketsReader {
        const char *currency; /* which the call asked for */
        int64_t now_ms;
        /* Gets each good one at once, before the rest of the body is looked at: parsing a page
         * takes as long as sending it on. NULL: not wanted. */
        void (*take)(const PriceUpdate *update, void *user);
        void *user;
} MarketsReader;

/* Parses the body of /coins/markets (https://docs.coingecko.com/reference/coins-markets).
 * A coin that cannot be used is skipped and counted, the rest is kept.
 * -EBADMSG: the body as a whole is not such an array (the coins before a syntax error have been
 * taken: they are complete); -ENOMEM. ret is only touched on success. */
_must_check_ int coingecko_parse_markets(const char *body, size_t length,
                                         const MarketsReader *reader, MarketsPage *ret);

typedef struct ChartPoint {
        int64_t timestamp_ms;
        Decimal price;
        Decimal market_cap, volume_24h; /* not set if the source said nothing for this moment */
} ChartPoint;

typedef struct MarketChart {
        ChartPoint *points; /* in the answer's order */
        size_t n_points;
        size_t n_skipped; /* null or no usable number, in place of the time or the price */
} MarketChart;

void market_chart_done(MarketChart *chart);

/* Parses the body of /coins/{id}/market_chart and /coins/{id}/market_chart/range
 * (https://docs.coingecko.com/reference/coins-id-market-chart-range). -EBADMSG: it is none;
 * -ENOMEM. ret is only touched on success. */
_must_check_ int coingecko_parse_market_chart(const char *body, size_t length, MarketChart *ret);

typedef enum Refusal {
        REFUSAL_NONE, /* its own trouble, or a limit (429): the same call may be answered later */
        REFUSAL_CALL, /* it does not have what this call asks for; others may be answered */
        REFUSAL_KEY,  /* the key is wrong or missing, or we are shut out: so would be any call */
} Refusal;

/* What an answer with this HTTP status and error body refuses
 * (https://docs.coingecko.com/docs/common-errors-rate-limit). */
Refusal coingecko_refusal(int http_status, const char *body, size_t length);

/* Finds the message in an error body, whichever of CoinGecko's shapes it has (see the function),
 * or quotes the beginning of a plain text. Always NUL-terminates BUFFER, control characters and
 * HTML left out; returns it. */
char *coingecko_error_text(const char *body, size_t length, char *buffer, size_t size);
