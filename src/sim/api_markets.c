/* /coins/markets (https://docs.coingecko.com/reference/coins-markets). */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/timestamp.h"
#include "sim/api.h"
#include "sim/noise.h"
#include "sim/number.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
#define PER_PAGE_MAX 250
#define SPARKLINE_POINTS 168

typedef struct Row {
        size_t coin;
        int rank; /* by market capitalisation, from 1 */
        double market_cap, volume;
} Row;

typedef struct MarketsQuery {
        const char *currency, *ids, *order, *changes;
        size_t per_page, page;
        bool sparkline;
        int precision;
} MarketsQuery;

/* ---- which coins, in which order ------------------------------------------------------------ */

static int compare_caps(const void *a, const void *b) {
        const Row *x = a, *y = b;

        return x->market_cap < y->market_cap ? 1 : x->market_cap > y->market_cap ? -1 : 0;
}

static int compare_caps_up(const void *a, const void *b) {
        return compare_caps(b, a);
}

static int compare_volumes(const void *a, const void *b) {
        const Row *x = a, *y = b;

        return x->volume < y->volume ? 1 : x->volume > y->volume ? -1 : 0;
}

static int compare_volumes_up(const void *a, const void *b) {
        return compare_volumes(b, a);
}

static int compare_ids_up(const void *a, const void *b, void *market) {
        return strcmp(market_coin(market, ((const Row *) a)->coin)->id,
                      market_coin(market, ((const Row *) b)->coin)->id);
}

static int compare_ids_down(const void *a, const void *b, void *market) {
        return compare_ids_up(b, a, market);
}

static void sort_rows(Row *rows, size_t n, const MarketsQuery *q, Market *market) {
        const char *order = q->order ? q->order : "";

        if (strcmp(order, "market_cap_asc") == 0)
                qsort(rows, n, sizeof(*rows), compare_caps_up);
        else if (strcmp(order, "volume_desc") == 0)
                qsort(rows, n, sizeof(*rows), compare_volumes);
        else if (strcmp(order, "volume_asc") == 0)
                qsort(rows, n, sizeof(*rows), compare_volumes_up);
        else if (strcmp(order, "id_asc") == 0)
                qsort_r(rows, n, sizeof(*rows), compare_ids_up, market);
        else if (strcmp(order, "id_desc") == 0)
                qsort_r(rows, n, sizeof(*rows), compare_ids_down, market);
}

/* All coins, ranked. */
static void rank_rows(const ApiContext *c, Row *rows, size_t n) {
        for (size_t i = 0; i < n; i++) {
                int64_t renewed_ms;
                const double price = market_quote(c->market, i, "usd", c->now_ms, &renewed_ms);

                rows[i] = (Row){ .coin = i,
                                 .market_cap = price * market_coin(c->market, i)->circulating };
                rows[i].volume = rows[i].market_cap * market_turnover(c->market, i, renewed_ms);
        }
        qsort(rows, n, sizeof(*rows), compare_caps);
        for (size_t i = 0; i < n; i++)
                rows[i].rank = (int) i + 1;
}

static size_t filter_rows(const ApiContext *c, Row *rows, size_t n, const char *ids) {
        size_t kept = 0;

        for (size_t i = 0; i < n; i++) {
                if (ids && !params_list_has(ids, market_coin(c->market, rows[i].coin)->id))
                        continue;
                if (market_trouble(c->market, rows[i].coin) & COIN_MISSING)
                        continue;
                rows[kept++] = rows[i];
        }
        return kept;
}

/* ---- one coin -------------------------------------------------------------------------------- */

typedef struct Stats {
        double price, before; /* now, a day ago */
        double high, low;     /* of the day */
        double ath, atl;      /* all-time high and low */
        int64_t ath_ms, atl_ms;
        int64_t renewed_ms;
} Stats;

/* The extremes of years that this market never walked through: made up once per coin. */
static void invent_extremes(const Market *market, size_t i, const char *currency, Stats *s) {
        const Coin *coin = market_coin(market, i);
        const double reach = MIN_OF(coin->volatility * 30, 2.5);
        const double scale = s->price / market_price(market, i, "usd", s->renewed_ms);
        const double up = noise_uniform(0xa7b, i, 1), down = noise_uniform(0xa7b, i, 2);

        (void) currency;
        s->ath = MAX_OF(coin->base_usd * scale * exp(reach * (0.2 + up)), s->high);
        s->atl = MIN_OF(coin->base_usd * scale * exp(-reach * (0.3 + 1.4 * down)), s->low);
        s->ath_ms = 1609459200000 + (int64_t) (up * 150e9);
        s->atl_ms = 1420070400000 + (int64_t) (down * 180e9);
}

static void read_stats(const ApiContext *c, size_t i, const char *currency, Stats *s) {
        s->price = market_quote(c->market, i, currency, c->now_ms, &s->renewed_ms);
        s->before = market_price(c->market, i, currency, s->renewed_ms - DAY_MS);
        s->high = s->low = s->price;
        for (int hour = 0; hour < 24; hour++) {
                const double price = market_price(c->market, i, currency,
                                                  s->renewed_ms - hour * HOUR_MS);

                s->high = MAX_OF(s->high, price);
                s->low = MIN_OF(s->low, price);
        }
        invent_extremes(c->market, i, currency, s);
}

static int append_name(Buffer *b, const Coin *coin, size_t i) {
        int r = buffer_append_format(b, "{\"id\":\"%s\",\"symbol\":\"%s\",\"name\":", coin->id,
                                     coin->symbol);

        if (r == 0)
                r = buffer_append_json_string(b, coin->name);
        if (r == 0)
                r = buffer_append_format(
                                b,
                                ",\"image\":\"https://coin-images.example.com/coins/images/"
                                "%zu/large/%s.png?1696501400\"",
                                i + 1, coin->id);
        return r;
}

typedef int (*Append)(Buffer *b, double value);

static int append_field(Buffer *b, const char *name, double value, Append append) {
        int r = buffer_append_format(b, ",\"%s\":", name);

        if (r < 0)
                return r;
        return isnan(value) ? buffer_append_text(b, "null") : append(b, value);
}

static int append_percent(Buffer *b, double value) {
        return number_append_rounded(b, value, 5);
}

static int append_time(Buffer *b, const char *name, int64_t ms) {
        char time[TIMESTAMP_TEXT_SIZE];

        return buffer_append_format(b, ",\"%s\":\"%s\"", name, timestamp_format(ms, time));
}

static int append_current(Buffer *b, const Coin *coin, const Row *row, const Stats *s,
                          const MarketsQuery *q) {
        const double valuation = s->price * (coin->max > 0 ? coin->max : coin->total);
        int r = buffer_append_text(b, ",\"current_price\":");

        if (r == 0)
                r = api_append_price(b, s->price, q->precision);
        if (r == 0)
                r = append_field(b, "market_cap", s->price * coin->circulating,
                                 number_append_price);
        if (r == 0)
                r = buffer_append_format(b, ",\"market_cap_rank\":%d", row->rank);
        if (r == 0)
                r = append_field(b, "fully_diluted_valuation", valuation, number_append_price);
        if (r == 0)
                r = append_field(b, "total_volume",
                                 s->price * coin->circulating * row->volume / row->market_cap,
                                 number_append_price);
        return r;
}

static int append_day(Buffer *b, const Coin *coin, const Stats *s) {
        const double change = s->price - s->before;
        int r = append_field(b, "high_24h", s->high, number_append_price);

        if (r == 0)
                r = append_field(b, "low_24h", s->low, number_append_price);
        if (r == 0)
                r = append_field(b, "price_change_24h", change, number_append_change);
        if (r == 0)
                r = append_field(b, "price_change_percentage_24h", change / s->before * 100,
                                 append_percent);
        if (r == 0)
                r = append_field(b, "market_cap_change_24h", change * coin->circulating,
                                 number_append_change);
        if (r == 0)
                r = append_field(b, "market_cap_change_percentage_24h", change / s->before * 100,
                                 append_percent);
        return r;
}

/* What a coin without a market has. */
static int append_nothing(Buffer *b) {
        return buffer_append_text(
                        b,
                        ",\"current_price\":null,\"market_cap\":null,\"market_cap_rank\":null,"
                        "\"fully_diluted_valuation\":null,\"total_volume\":null,\"high_24h\":null,"
                        "\"low_24h\":null,\"price_change_24h\":null,"
                        "\"price_change_percentage_24h\":null,\"market_cap_change_24h\":null,"
                        "\"market_cap_change_percentage_24h\":null");
}

static int append_supply(Buffer *b, const Coin *coin) {
        int r = append_field(b, "circulating_supply", coin->circulating, number_append_exact);

        if (r == 0)
                r = append_field(b, "total_supply", coin->total, number_append_exact);
        if (r == 0)
                r = append_field(b, "max_supply", coin->max > 0 ? coin->max : NAN,
                                 number_append_exact);
        return r;
}

static int append_extremes(Buffer *b, const Stats *s) {
        int r = append_field(b, "ath", s->ath, number_append_price);

        if (r == 0)
                r = append_field(b, "ath_change_percentage", (s->price / s->ath - 1) * 100,
                                 append_percent);
        if (r == 0)
                r = append_time(b, "ath_date", s->ath_ms);
        if (r == 0)
                r = append_field(b, "atl", s->atl, number_append_price);
        if (r == 0)
                r = append_field(b, "atl_change_percentage", (s->price / s->atl - 1) * 100,
                                 append_percent);
        if (r == 0)
                r = append_time(b, "atl_date", s->atl_ms);
        return r;
}

/* Coins that were once sold for other coins have a return on investment. */
static int append_roi(Buffer *b, const ApiContext *c, size_t i, const Stats *s) {
        double times;
        int r;

        if (noise_uniform(0x401, i, 0) >= 0.08)
                return buffer_append_text(b, ",\"roi\":null");
        times = s->price / market_coin(c->market, i)->base_usd * 40 * noise_uniform(0x401, i, 1);
        r = buffer_append_text(b, ",\"roi\":{\"times\":");
        if (r == 0)
                r = number_append_exact(b, times);
        if (r == 0)
                r = buffer_append_text(b, ",\"currency\":\"usd\",\"percentage\":");
        if (r == 0)
                r = number_append_exact(b, times * 100);
        return r < 0 ? r : buffer_append_text(b, "}");
}

static int append_sparkline(Buffer *b, const ApiContext *c, size_t i, const char *currency,
                            const Stats *s) {
        int r = buffer_append_text(b, ",\"sparkline_in_7d\":{\"price\":[");

        for (int k = SPARKLINE_POINTS - 1; r == 0 && k >= 0; k--) {
                r = number_append_exact(b, market_price(c->market, i, currency,
                                                        s->renewed_ms - k * HOUR_MS));
                if (r == 0 && k > 0)
                        r = buffer_append_text(b, ",");
        }
        return r < 0 ? r : buffer_append_text(b, "]}");
}

/* In the order of their names, whatever the order they were asked for in. */
static int append_changes(Buffer *b, const ApiContext *c, size_t i, const MarketsQuery *q,
                          const Stats *s) {
        static const struct {
                const char *name;
                int64_t ms;
        } periods[] = {
                { "14d", 14 * DAY_MS },   { "1h", HOUR_MS }, { "1y", 365 * DAY_MS },
                { "200d", 200 * DAY_MS }, { "24h", DAY_MS }, { "30d", 30 * DAY_MS },
                { "7d", 7 * DAY_MS },
        };
        char name[64];
        int r = 0;

        for (size_t k = 0; r == 0 && q->changes && k < ELEMENTS(periods); k++) {
                const double before = market_price(c->market, i, q->currency,
                                                   s->renewed_ms - periods[k].ms);

                if (!params_list_has(q->changes, periods[k].name))
                        continue;
                snprintf(name, sizeof(name), "price_change_percentage_%s_in_currency",
                         periods[k].name);
                r = append_field(b, name, (s->price / before - 1) * 100, number_append_exact);
        }
        return r;
}

static int append_row(Buffer *b, const ApiContext *c, const Row *row, const MarketsQuery *q) {
        const Coin *coin = market_coin(c->market, row->coin);
        const bool null = market_trouble(c->market, row->coin) & COIN_NULL;
        Stats s;
        int r;

        read_stats(c, row->coin, q->currency, &s);
        r = append_name(b, coin, row->coin);
        if (r == 0)
                r = null ? append_nothing(b) : append_current(b, coin, row, &s, q);
        if (r == 0 && !null)
                r = append_day(b, coin, &s);
        if (r == 0)
                r = append_supply(b, coin);
        if (r == 0)
                r = append_extremes(b, &s);
        if (r == 0)
                r = append_roi(b, c, row->coin, &s);
        if (r == 0)
                r = null ? buffer_append_text(b, ",\"last_updated\":null")
                         : append_time(b, "last_updated", s.renewed_ms);
        if (r == 0 && q->sparkline)
                r = append_sparkline(b, c, row->coin, q->currency, &s);
        if (r == 0)
                r = append_changes(b, c, row->coin, q, &s);
        return r < 0 ? r : buffer_append_text(b, "}");
}

/* ---- the page -------------------------------------------------------------------------------- */

int api_markets(const ApiContext *c, ApiAnswer *ret) {
        const Params *p = &c->params;
        const MarketsQuery q = {
                .currency = params_text(p, "vs_currency"),
                .ids = params_text(p, "ids"),
                .order = params_text(p, "order"),
                .changes = params_text(p, "price_change_percentage"),
                .per_page = (size_t) params_integer(p, "per_page", 1, PER_PAGE_MAX, 100),
                .page = (size_t) params_integer(p, "page", 1, INT32_MAX, 1),
                .sparkline = params_true(p, "sparkline"),
                .precision = params_precision(p),
        };
        _cleanup_free_ Row *rows = NULL;
        size_t n = market_count(c->market), first;
        int r;

        if (!q.currency)
                return api_error(ret, 422, "Missing parameter vs_currency");
        if (!market_has_currency(q.currency))
                return api_error(ret, 422, "invalid vs_currency");
        rows = calloc(n, sizeof(*rows));
        if (!rows)
                return -ENOMEM;
        rank_rows(c, rows, n);
        n = filter_rows(c, rows, n, q.ids);
        sort_rows(rows, n, &q, c->market);
        ret->total = n;
        ret->per_page = q.per_page;
        first = (q.page - 1) * q.per_page;
        r = buffer_append_text(&ret->body, "[");
        for (size_t i = first; r == 0 && i < n && i < first + q.per_page; i++) {
                if (i > first)
                        r = buffer_append_text(&ret->body, ",");
                if (r == 0)
                        r = append_row(&ret->body, c, &rows[i], &q);
        }
        return r < 0 ? r : buffer_append_text(&ret->body, "]");
}
