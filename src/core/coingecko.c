#include "core/coingecko.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/json_exact.h"
#include "core/timestamp.h"

void markets_page_done(MarketsPage *page) {
        free(page->updates);
        *page = (MarketsPage){ .updates = NULL };
}

static void copy_text(const json_t *coin, const char *key, char *ret, size_t size) {
        const char *text = json_exact_string(coin, key);
        if (text && strlen(text) < size)
                strcpy(ret, text);
}

static void copy_decimal(const json_t *coin, const char *key, Decimal *ret) {
        if (json_exact_decimal(coin, key, ret) < 0)
                ret->text[0] = '\0';
}

static void read_details(const json_t *coin, PriceUpdate *u) {
        int64_t rank;

        copy_text(coin, "symbol", u->symbol, sizeof(u->symbol));
        copy_text(coin, "name", u->name, sizeof(u->name));
        if (json_exact_int(coin, "market_cap_rank", &rank) == 0 && rank > 0 && rank <= INT32_MAX)
                u->market_cap_rank = (int32_t) rank;
        copy_decimal(coin, "market_cap", &u->market_cap);
        copy_decimal(coin, "total_volume", &u->volume_24h);
        copy_decimal(coin, "high_24h", &u->high_24h);
        copy_decimal(coin, "low_24h", &u->low_24h);
        copy_decimal(coin, "price_change_24h", &u->change_24h);
        copy_decimal(coin, "price_change_percentage_24h", &u->change_percent_24h);
}

/* One element of the array. NULL, or why it cannot be used; the id is set if there is one. */
static const char *read_coin(const json_t *coin, const char *currency, int64_t now_ms,
                             PriceUpdate *u) {
        if (!json_is_object(coin))
                return "not an object";
        copy_text(coin, "id", u->coin_id, sizeof(u->coin_id));
        strcpy(u->currency, currency);

        int r = json_exact_decimal(coin, "current_price", &u->price);
        if (r < 0)
                return r == -ENODATA  ? "current_price is null"
                       : r == -ERANGE ? "current_price is out of range"
                                      : "current_price is not a number";
        const char *updated = json_exact_string(coin, "last_updated");
        if (!updated || timestamp_parse(updated, &u->timestamp_ms) < 0)
                return "last_updated is null or no timestamp";
        read_details(coin, u);
        return price_update_check(u, now_ms + TIMESTAMP_AHEAD_MAX_MS);
}

static void note_skipped(MarketsPage *page, const PriceUpdate *u, const char *reason) {
        if (page->n_skipped++ > 0)
                return;
        strcpy(page->skipped_coin_id, u->coin_id);
        page->skipped_reason = reason;
}

typedef struct Reading {
        const MarketsReader *reader;
        MarketsPage page;
        size_t room; /* of page.updates */
} Reading;

/* The next place in the page's array, or NULL. */
static PriceUpdate *next_place(Reading *reading) {
        MarketsPage *page = &reading->page;

        if (page->n_listed == reading->room) {
                size_t room = MAX_OF(reading->room * 2, (size_t) 256);
                PriceUpdate *grown = realloc(page->updates, room * sizeof(PriceUpdate));
                if (!grown)
                        return NULL;
                page->updates = grown;
                reading->room = room;
        }
        return &page->updates[page->n_listed];
}

static int take_coin(const json_t *coin, void *user) {
        Reading *reading = user;
        MarketsPage *page = &reading->page;
        PriceUpdate *u = next_place(reading);

        if (!u)
                return -ENOMEM;
        *u = (PriceUpdate){ .market_cap_rank = 0 };
        const char *reason = read_coin(coin, reading->reader->currency, reading->reader->now_ms, u);
        page->n_listed++;
        if (reason) {
                note_skipped(page, u, reason);
                return 0;
        }
        if (reading->reader->take)
                reading->reader->take(u, reading->reader->user);
        /* The skipped ones stay behind. */
        PriceUpdate good = *u;
        *u = page->updates[page->n_updates];
        page->updates[page->n_updates++] = good;
        return 0;
}

int coingecko_parse_markets(const char *body, size_t length, const MarketsReader *reader,
                            MarketsPage *ret) {
        Reading reading = { .reader = reader };

        int r = currency_is_valid(reader->currency)
                                ? json_exact_each(body, length, take_coin, &reading)
                                : -EBADMSG;
        if (r < 0) {
                markets_page_done(&reading.page);
                return r;
        }
        *ret = reading.page;
        return 0;
}

/* ---- /coins/{id}/market_chart ---------------------------------------------------------------- */

void market_chart_done(MarketChart *chart) {
        free(chart->points);
        *chart = (MarketChart){ .points = NULL };
}

static int point_time(const json_t *series, size_t i, int64_t *ret_ms) {
        return json_exact_to_int(json_array_get(json_array_get(series, i), 0), ret_ms);
}

static int point_value(const json_t *series, size_t i, Decimal *ret) {
        return json_exact_to_decimal(json_array_get(json_array_get(series, i), 1), ret);
}

/* Whether SERIES has TIME_MS at INDEX; then its value, not set if it is null, is in ret. */
static bool read_at(const json_t *series, size_t index, int64_t time_ms, Decimal *ret) {
        int64_t ms;

        if (point_time(series, index, &ms) < 0 || ms != time_ms)
                return false;
        if (point_value(series, index, ret) < 0)
                ret->text[0] = '\0';
        return true;
}

/* What SERIES says for TIME_MS, which is point number I of the prices. Mostly it has the same
 * times, also when the last one, "now", lies before the one before it; where it has not, it is
 * searched from *AT on, in the order of time. */
static void read_beside(const json_t *series, size_t i, size_t *at, int64_t time_ms, Decimal *ret) {
        int64_t ms;

        if (read_at(series, i, time_ms, ret))
                return;
        while (*at < json_array_size(series) && (point_time(series, *at, &ms) < 0 || ms < time_ms))
                ++*at;
        (void) read_at(series, *at, time_ms, ret);
}

static int read_chart(const json_t *root, const json_t *prices, MarketChart *ret) {
        const json_t *caps = json_object_get(root, "market_caps");
        const json_t *volumes = json_object_get(root, "total_volumes");
        size_t n = json_array_size(prices), cap = 0, volume = 0;
        MarketChart chart = { .points = calloc(MAX_OF(n, (size_t) 1), sizeof(ChartPoint)) };

        if (!chart.points)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                ChartPoint p = { .timestamp_ms = 0 };
                if (point_time(prices, i, &p.timestamp_ms) < 0 ||
                    point_value(prices, i, &p.price) < 0 || !decimal_is_positive(&p.price)) {
                        chart.n_skipped++;
                        continue;
                }
                read_beside(caps, i, &cap, p.timestamp_ms, &p.market_cap);
                read_beside(volumes, i, &volume, p.timestamp_ms, &p.volume_24h);
                chart.points[chart.n_points++] = p;
        }
        *ret = chart;
        return 0;
}

int coingecko_parse_market_chart(const char *body, size_t length, MarketChart *ret) {
        json_error_t error;
        json_t *root;

        int r = json_exact_parse(body, length, &root, &error);
        if (r < 0)
                return r;
        const json_t *prices = json_object_get(root, "prices");
        r = json_is_array(prices) ? read_chart(root, prices, ret) : -EBADMSG;
        json_decref(root);
        return r;
}

/* ---- errors ---------------------------------------------------------------------------------- */

/* The shapes that were seen:
 *   {"status":{"error_code":429,"error_message":"..."}}       {"error":"coin not found"}
 *   {"error":{"status":{"error_code":..,"error_message":".."}}}   {"status":500,"error":"..."}
 *   {"error_code":10010,"status":{"error_message":"..."}} */
static const char *error_message(const json_t *root) {
        const json_t *error = json_object_get(root, "error");
        const char *text = json_exact_string(json_object_get(root, "status"), "error_message");

        if (!text)
                text = json_exact_string(json_object_get(error, "status"), "error_message");
        if (!text)
                text = json_exact_string(root, "error");
        return text;
}

/* 0 if it has none. */
static int64_t error_code(const json_t *root) {
        int64_t code = 0;

        if (json_exact_int(json_object_get(root, "status"), "error_code", &code) < 0 &&
            json_exact_int(json_object_get(json_object_get(root, "error"), "status"), "error_code",
                           &code) < 0)
                (void) !json_exact_int(root, "error_code", &code);
        return code;
}

Refusal coingecko_refusal(int http_status, const char *body, size_t length) {
        json_error_t error;
        json_t *root = NULL;
        int64_t code = 0;

        if (json_exact_parse(body, length, &root, &error) == 0)
                code = error_code(root);
        json_decref(root);
        switch (code) {
        case 401:
        case 10002: /* no such key */
        case 10010: /* a key for the other host */
        case 10011:
                return REFUSAL_KEY;
        default:
                break;
        }
        if (http_status == 400 || http_status == 404 || http_status == 422)
                return REFUSAL_CALL;
        /* With a code they say something else: "temporarily unavailable", a plan's limits. */
        return (http_status == 401 || http_status == 403) && code == 0 ? REFUSAL_KEY : REFUSAL_NONE;
}

/* The place behind the next END_MARK, or END. */
static const char *skip_past(const char *p, const char *end, const char *end_mark) {
        const char *found = memmem(p, (size_t) (end - p), end_mark, strlen(end_mark));
        return found ? found + strlen(end_mark) : end;
}

static bool begins_with(const char *p, const char *end, const char *prefix) {
        size_t n = strlen(prefix);
        return (size_t) (end - p) >= n && strncasecmp(p, prefix, n) == 0;
}

/* The end of the tag, comment, script or style sheet that begins at P; P itself if none does. */
static const char *skip_markup(const char *p, const char *end) {
        if (end - p < 2 || *p != '<' || !(isalpha((unsigned char) p[1]) || strchr("/!?", p[1])))
                return p;
        if (begins_with(p, end, "<!--"))
                return skip_past(p + 4, end, "-->");
        if (begins_with(p, end, "<script") || begins_with(p, end, "<style"))
                p = skip_past(p, end, "</");
        return skip_past(p, end, ">");
}

/* Printable ASCII only, markup left out, white space folded: fit for one line of a log. */
static void copy_readable(const char *text, size_t length, char *buffer, size_t size) {
        const char *p = text, *end = text + length;
        size_t n = 0;

        while (p < end && n + 1 < size) {
                const char *behind = skip_markup(p, end);
                char c = behind > p ? ' ' : *p;
                p = behind > p ? behind : p + 1;
                if ((unsigned char) c > '~')
                        continue;
                if (c > ' ')
                        buffer[n++] = c;
                else if (n > 0 && buffer[n - 1] != ' ')
                        buffer[n++] = ' ';
        }
        if (n > 0 && buffer[n - 1] == ' ')
                n--;
        buffer[n] = '\0';
}

char *coingecko_error_text(const char *body, size_t length, char *buffer, size_t size) {
        json_error_t error;
        json_t *root = NULL;
        const char *message = NULL;

        assert(size > 0);
        if (json_exact_parse(body, length, &root, &error) == 0)
                message = error_message(root);
        if (message)
                copy_readable(message, strlen(message), buffer, size);
        else
                copy_readable(body, length, buffer, size);
        if (buffer[0] == '\0')
                snprintf(buffer, size, "no text in the answer");
        json_decref(root);
        return buffer;
}
