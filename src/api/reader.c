#include "api/reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/timestamp.h"

/* TEXT: milliseconds since 1970. */
static const char *format_ms(const char *text, char buffer[TIMESTAMP_TEXT_SIZE]) {
        return timestamp_format(strtoll(text, NULL, 10), buffer);
}

/* ---- /cryptos -------------------------------------------------------------------------------- */

enum { COL_ID, COL_SYMBOL, COL_NAME, COL_RANK, COL_CURRENCY, COL_TIME, COL_PRICE, COL_NUMBERS };

/* The optional numbers, in the order of the columns from COL_NUMBERS on. */
static const char *const number_names[] = { "marketCap", "volume24h", "high24h",
                                            "low24h",    "change24h", "changePercent24h" };

/* A coin that is no longer asked for, or no longer traded, keeps the rank that it had last, which
 * is another one's now. After an outage of the source all are equally old. */
static const PgStatement cryptos_statement = {
        "cryptos",
        "WITH renewals AS ("
        " SELECT coin_no, max(ts) > max(max(ts)) OVER () - interval '1 day' AS recent"
        " FROM latest_prices GROUP BY coin_no"
        ") SELECT c.id, c.symbol, c.name, CASE WHEN r.recent THEN c.market_cap_rank END, q.code,"
        " (extract(epoch FROM l.ts) * 1000)::bigint, l.price, l.market_cap, l.volume_24h,"
        " l.high_24h, l.low_24h, l.change_24h, l.change_percent_24h"
        " FROM coins c JOIN renewals r USING (coin_no) JOIN latest_prices l USING (coin_no)"
        "  JOIN currencies q USING (currency_no)"
        " ORDER BY r.recent DESC, c.market_cap_rank NULLS LAST, c.id, l.currency_no",
};

static int append_text_or_null(Buffer *b, const char *prefix, const char *text) {
        int r = buffer_append_text(b, prefix);
        if (r < 0)
                return r;
        return text ? buffer_append_json_string(b, text) : buffer_append_text(b, "null");
}

static int append_coin_start(Buffer *b, const PgRows *rows, size_t row) {
        const char *rank = pg_rows_text(rows, row, COL_RANK);
        int r = append_text_or_null(b, "{\"id\":", pg_rows_text(rows, row, COL_ID));
        if (r == 0)
                r = append_text_or_null(b, ",\"symbol\":", pg_rows_text(rows, row, COL_SYMBOL));
        if (r == 0)
                r = append_text_or_null(b, ",\"name\":", pg_rows_text(rows, row, COL_NAME));
        if (r == 0)
                r = buffer_append_format(b, ",\"marketCapRank\":%s,\"prices\":[",
                                         rank ? rank : "null");
        return r;
}

static int append_price(Buffer *b, const PgRows *rows, size_t row) {
        char time[TIMESTAMP_TEXT_SIZE];
        int r = buffer_append_format(b, "{\"currency\":\"%s\",\"price\":%s,\"timestamp\":\"%s\"",
                                     pg_rows_text(rows, row, COL_CURRENCY),
                                     pg_rows_text(rows, row, COL_PRICE),
                                     format_ms(pg_rows_text(rows, row, COL_TIME), time));
        for (size_t i = 0; i < ELEMENTS(number_names) && r == 0; i++) {
                const char *number = pg_rows_text(rows, row, COL_NUMBERS + (int) i);
                if (number)
                        r = buffer_append_format(b, ",\"%s\":%s", number_names[i], number);
        }
        return r < 0 ? r : buffer_append_text(b, "}");
}

/* Rows of one coin follow each other; each new id closes the last coin's object. */
static int append_coins(Buffer *b, const PgRows *rows, size_t *ret_count) {
        const char *last_id = NULL;
        size_t count = 0;
        int r = 0;

        for (size_t row = 0; row < pg_rows_count(rows) && r == 0; row++) {
                const char *id = pg_rows_text(rows, row, COL_ID);
                bool same = last_id && strcmp(last_id, id) == 0;
                if (!same && last_id)
                        r = buffer_append_text(b, "]},");
                else if (same)
                        r = buffer_append_text(b, ",");
                if (r == 0 && !same) {
                        r = append_coin_start(b, rows, row);
                        count++;
                }
                if (r == 0)
                        r = append_price(b, rows, row);
                last_id = id;
        }
        *ret_count = count;
        return r < 0 || !last_id ? r : buffer_append_text(b, "]}");
}

int reader_cryptos(PgConn *pg, Buffer *body, char *error, size_t error_size) {
        _cleanup_(pg_rows_freep) PgRows *rows = NULL;
        size_t count;

        int r = pg_query_prepared(pg, &cryptos_statement, NULL, 0, &rows, error, error_size);
        if (r < 0)
                return r;
        r = buffer_append_text(body, "{\"trackedCoins\":[");
        if (r == 0)
                r = append_coins(body, rows, &count);
        if (r == 0)
                r = buffer_append_format(body, "],\"count\":%zu}", count);
        return r;
}

/* ---- /cryptos/{id}/history ------------------------------------------------------------------- */

static const PgStatement history_statement = {
        "history",
        "SELECT price, (extract(epoch FROM ts) * 1000)::bigint FROM prices"
        " WHERE coin_no = (SELECT coin_no FROM coins WHERE id = $1)"
        "  AND currency_no = (SELECT currency_no FROM currencies WHERE code = $2)"
        " ORDER BY ts DESC LIMIT $3::int",
};

static const PgStatement coin_statement = { "coin", "SELECT 1 FROM coins WHERE id = $1" };

/* No rows: is it the coin that is unknown, or has it no price in this currency? */
static int explain_absence(PgConn *pg, const char *coin_id, const char *currency, char *error,
                           size_t error_size) {
        _cleanup_(pg_rows_freep) PgRows *rows = NULL;
        int r = pg_query_prepared(pg, &coin_statement, &coin_id, 1, &rows, error, error_size);
        if (r < 0)
                return r;
        if (pg_rows_count(rows) > 0)
                snprintf(error, error_size, "There are no prices of %s in %s.", coin_id, currency);
        else
                snprintf(error, error_size,
                         "The coin %s is not tracked here; /api/v1/cryptos lists those that are.",
                         coin_id);
        return -ENOENT;
}

static int append_history(Buffer *b, const PgRows *rows, const char *currency) {
        char time[TIMESTAMP_TEXT_SIZE];
        size_t n = pg_rows_count(rows);
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                size_t row = n - 1 - i; /* the query gives the newest first */
                r = buffer_append_format(
                                b, "%s{\"price\":%s,\"currency\":\"%s\",\"timestamp\":\"%s\"}",
                                i > 0 ? "," : "", pg_rows_text(rows, row, 0), currency,
                                format_ms(pg_rows_text(rows, row, 1), time));
        }
        return r < 0 ? r : buffer_append_format(b, "],\"count\":%zu}", n);
}

int reader_history(PgConn *pg, const char *coin_id, const HistoryQuery *query, Buffer *body,
                   char *error, size_t error_size) {
        _cleanup_(pg_rows_freep) PgRows *rows = NULL;
        char limit[16];
        const char *params[] = { coin_id, query->currency, limit };

        snprintf(limit, sizeof(limit), "%d", query->limit);
        int r = pg_query_prepared(pg, &history_statement, params, ELEMENTS(params), &rows, error,
                                  error_size);
        if (r < 0)
                return r;
        if (pg_rows_count(rows) == 0)
                return explain_absence(pg, coin_id, query->currency, error, error_size);

        r = buffer_append_text(body, "{\"coinId\":");
        if (r == 0)
                r = buffer_append_json_string(body, coin_id);
        if (r == 0)
                r = buffer_append_format(body, ",\"currency\":\"%s\",\"priceHistory\":[",
                                         query->currency);
        return r < 0 ? r : append_history(body, rows, query->currency);
}

static const PgStatement ping_statement = { "ping", "SELECT FROM latest_prices LIMIT 1" };

int reader_ping(PgConn *pg, char *error, size_t error_size) {
        return pg_query_prepared(pg, &ping_statement, NULL, 0, NULL, error, error_size);
}
