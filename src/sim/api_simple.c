/* /simple/price (https://docs.coingecko.com/reference/simple-price). */
#include <string.h>

#include "sim/api.h"
#include "sim/number.h"

#define DAY_MS INT64_C(86400000)

typedef struct SimpleQuery {
        const char *ids, *currencies;
        bool market_cap, volume, change, last_updated;
        int precision;
} SimpleQuery;

static int append_extra(Buffer *b, const char *currency, const char *what, double value) {
        int r = buffer_append_format(b, ",\"%s_%s\":", currency, what);

        return r < 0 ? r : number_append_exact(b, value);
}

static int append_currency(Buffer *b, const ApiContext *c, size_t i, const char *currency,
                           const SimpleQuery *q, int64_t *ret_renewed_ms) {
        const double price = market_quote(c->market, i, currency, c->now_ms, ret_renewed_ms);
        const double before = market_price(c->market, i, currency, *ret_renewed_ms - DAY_MS);
        const double cap = price * market_coin(c->market, i)->circulating;
        int r = buffer_append_format(b, "\"%s\":", currency);

        if (r == 0)
                r = api_append_price(b, price, q->precision);
        if (r == 0 && q->market_cap)
                r = append_extra(b, currency, "market_cap", cap);
        if (r == 0 && q->volume)
                r = append_extra(b, currency, "24h_vol",
                                 cap * market_turnover(c->market, i, *ret_renewed_ms));
        if (r == 0 && q->change)
                r = append_extra(b, currency, "24h_change", (price / before - 1) * 100);
        return r;
}

/* A currency that is not known is left out, without a word. */
static int append_coin(Buffer *b, const ApiContext *c, size_t i, const SimpleQuery *q) {
        const char *at = q->currencies;
        char currency[16];
        int64_t renewed_ms = 0;
        int n = 0, r = 0;

        while (r == 0 && params_next_entry(&at, false, currency, sizeof(currency))) {
                if (!market_has_currency(currency))
                        continue;
                if (n++ > 0)
                        r = buffer_append_text(b, ",");
                if (r == 0)
                        r = append_currency(b, c, i, currency, q, &renewed_ms);
        }
        if (r == 0 && n > 0 && q->last_updated)
                r = buffer_append_format(b, ",\"last_updated_at\":%lld",
                                         (long long) (renewed_ms / 1000));
        return r;
}

int api_simple_price(const ApiContext *c, ApiAnswer *ret) {
        const SimpleQuery q = {
                .ids = params_text(&c->params, "ids"),
                .currencies = params_text(&c->params, "vs_currencies"),
                .market_cap = params_true(&c->params, "include_market_cap"),
                .volume = params_true(&c->params, "include_24hr_vol"),
                .change = params_true(&c->params, "include_24hr_change"),
                .last_updated = params_true(&c->params, "include_last_updated_at"),
                .precision = params_precision(&c->params),
        };
        const char *at = q.ids;
        Buffer *b = &ret->body;
        char id[SIM_TEXT_MAX + 1];
        int n = 0, r, i;

        if (!q.ids)
                return api_error(ret, 422, "Missing parameter ids");
        if (!q.currencies)
                return api_error(ret, 422, "Missing parameter vs_currencies");
        r = buffer_append_text(b, "{");
        /* "bitcoin, ethereum" is a known coin and an unknown one, " ethereum", to the real API. */
        while (r == 0 && params_next_entry(&at, false, id, sizeof(id))) {
                i = market_find(c->market, id);
                if (i < 0 || market_trouble(c->market, (size_t) i) & COIN_MISSING)
                        continue;
                r = buffer_append_format(b, "%s\"%s\":{", n++ > 0 ? "," : "", id);
                if (r == 0 && !(market_trouble(c->market, (size_t) i) & COIN_NULL))
                        r = append_coin(b, c, (size_t) i, &q);
                if (r == 0)
                        r = buffer_append_text(b, "}");
        }
        return r < 0 ? r : buffer_append_text(b, "}");
}
