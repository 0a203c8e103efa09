/* The CoinGecko v3 API over the simulated market: parameters in, JSON out, field for field in the
 * real one's order (https://docs.coingecko.com/reference). Pure; the market's thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "sim/market.h"
#include "sim/params.h"

typedef struct ApiAnswer {
        int status;
        Buffer body; /* JSON */
        /* For the headers of a paged answer; total 0: not paged. */
        size_t total, per_page;
} ApiAnswer;

void api_answer_done(ApiAnswer *answer);

typedef struct ApiContext {
        Market *market;
        Params params;
        int64_t now_ms;
        bool all_history; /* a paid plan: more than the last 365 days */
} ApiContext;

/* Answers a GET of PATH, which begins behind /api/v3 ("/ping"). -ENOMEM. */
_must_check_ int api_answer(const ApiContext *context, const char *path, ApiAnswer *ret);

/* {"error":TEXT} with a status, CoinGecko's most usual shape. */
_must_check_ int api_error(ApiAnswer *answer, int status, const char *text);

/* The endpoints, each in a file of its own. */
_must_check_ int api_markets(const ApiContext *c, ApiAnswer *ret);
_must_check_ int api_simple_price(const ApiContext *c, ApiAnswer *ret);
_must_check_ int api_market_chart(const ApiContext *c, const char *id, bool range, ApiAnswer *ret);

/* A number as "precision" (params_precision()) asks for. */
_must_check_ int api_append_price(Buffer *b, double value, int precision);
