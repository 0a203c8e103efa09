#include "maintenance/history.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "io/pg_array.h"

int history_look_after(PgConn *conn, char *error, size_t error_size) {
        int r = pg_query(conn,
                         "SELECT ensure_prices_partition(now() + m * interval '1 month')"
                         " FROM generate_series(0, 1) AS m",
                         NULL, 0, NULL, error, error_size);
        return r < 0 ? r
                     : pg_query(conn,
                                "DELETE FROM gap_repairs WHERE tried_at < now() - interval '60 d'",
                                NULL, 0, NULL, error, error_size);
}

static int add_range(Buffer columns[3], const KafkaRange *range) {
        const int64_t numbers[3] = { range->partition, range->begin, range->end };
        char text[24];
        int r = 0;

        for (size_t i = 0; i < 3 && r == 0; i++) {
                snprintf(text, sizeof(text), "%" PRId64, numbers[i]);
                r = pg_array_add(&columns[i], text);
        }
        return r;
}

static int close_columns(Buffer columns[3]) {
        int r = 0;
        for (size_t i = 0; i < 3 && r == 0; i++)
                r = pg_array_end(&columns[i]);
        return r;
}

static void columns_done(Buffer (*columns)[3]) {
        for (size_t i = 0; i < 3; i++)
                buffer_done(&(*columns)[i]);
}
#define _cleanup_columns_ _cleanup_(columns_done)

int history_lag(PgConn *conn, const Config *config, const KafkaRange *ranges, size_t n,
                int64_t *ret_lag, char *error, size_t error_size) {
        _cleanup_columns_ Buffer columns[3] = { { .max = 0 }, { .max = 0 }, { .max = 0 } };
        _cleanup_(pg_rows_freep) PgRows *rows = NULL;
        int r = 0;

        snprintf(error, error_size, "out of memory");
        for (size_t i = 0; i < n && r == 0; i++)
                r = add_range(columns, &ranges[i]);
        if (r == 0)
                r = close_columns(columns);
        if (r < 0)
                return r;
        const char *params[] = { config->kafka_group_id, config->kafka_topic, columns[0].data,
                                 columns[1].data, columns[2].data };
        r = pg_query(conn,
                     "SELECT sum(greatest(u.ends - greatest(u.begins, o.next_offset), 0))"
                     " FROM unnest($3::integer[], $4::bigint[], $5::bigint[])"
                     "  AS u(partition, begins, ends)"
                     " LEFT JOIN kafka_offsets o ON o.group_id = $1 AND o.topic = $2"
                     "  AND o.partition = u.partition",
                     params, ELEMENTS(params), &rows, error, error_size);
        if (r == 0)
                *ret_lag = strtoll(pg_rows_text(rows, 0, 0), NULL, 10);
        return r;
}

/* $1: how far back, $2: how long a gap is (both in ms), $3: configured ids, $4: configured
 * currencies, $5: how many tries.
 *
 * A pair is looked after while it is among those that were renewed last, or is configured by name.
 * What came before its first price is no gap, so the price before the window counts, too. A spell
 * is a gap if it is also much longer than usual for the pair, as some coins are renewed rarely. The
 * prices that filled a gap say nothing about that: they lie close together, and would make gaps of
 * all spells between the others. The end that is still open is left out by some minutes, lest a
 * running fetcher be overtaken. Pair by pair, and what is usual only where it matters: a day of
 * thousands of pairs is not to be sorted as a whole. */
static const char find_gaps_sql[] =
                "WITH limits AS ("
                " SELECT now() - $1 * interval '1 ms' AS begins, $2 * interval '1 ms' AS gap_min,"
                "  (SELECT max(ts) FROM latest_prices) AS newest"
                "), pairs AS ("
                " SELECT l.coin_no, l.currency_no, c.id, k.code, c.market_cap_rank AS rank"
                " FROM latest_prices l JOIN coins c USING (coin_no)"
                "  JOIN currencies k USING (currency_no), limits"
                " WHERE l.ts > newest - interval '1 hour'"
                "  OR (c.id = ANY($3::text[]) AND k.code = ANY($4::text[]))"
                "), long AS ("
                " SELECT pairs.*, x.ts, next_ts, greatest(x.ts, begins) AS from_ts,"
                "  coalesce(next_ts, now()) - greatest(x.ts, begins) AS spell"
                " FROM pairs, limits, LATERAL ("
                "  SELECT ts, lead(ts) OVER (ORDER BY ts) AS next_ts FROM ("
                "   (SELECT ts FROM prices p WHERE p.coin_no = pairs.coin_no"
                "     AND p.currency_no = pairs.currency_no AND p.ts <= begins"
                "     ORDER BY ts DESC LIMIT 1)"
                "   UNION ALL"
                "   SELECT ts FROM prices p WHERE p.coin_no = pairs.coin_no"
                "    AND p.currency_no = pairs.currency_no AND p.ts > begins) AS prices) AS x"
                " WHERE coalesce(next_ts, now()) - greatest(x.ts, begins) > gap_min"
                "), filled AS ("
                " SELECT r.coin_no, r.currency_no, r.after_ts, max(x.ts) AS until"
                " FROM gap_repairs r, limits, LATERAL ("
                "  SELECT ts FROM prices p WHERE p.coin_no = r.coin_no"
                "   AND p.currency_no = r.currency_no AND p.ts > r.after_ts"
                "   ORDER BY ts LIMIT r.points) AS x"
                " WHERE r.tried_at > begins"
                " GROUP BY r.coin_no, r.currency_no, r.after_ts"
                "), usual AS ("
                " SELECT coin_no, currency_no, x.spell"
                " FROM (SELECT DISTINCT coin_no, currency_no FROM long) AS pairs, limits, LATERAL ("
                "  SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY spell) AS spell FROM ("
                "   SELECT lead(ts) OVER (ORDER BY ts) - ts AS spell FROM prices p"
                "   WHERE p.coin_no = pairs.coin_no AND p.currency_no = pairs.currency_no"
                "    AND p.ts > begins AND NOT EXISTS (SELECT FROM filled f"
                "     WHERE f.coin_no = pairs.coin_no AND f.currency_no = pairs.currency_no"
                "     AND p.ts > f.after_ts AND p.ts <= f.until)) AS spells"
                "  HAVING count(spell) >= 3) AS x"
                ") SELECT l.id, l.code, l.ts, (extract(epoch FROM from_ts) * 1000)::bigint,"
                " (extract(epoch FROM coalesce(next_ts, now() - interval '5 min'))"
                "  * 1000)::bigint, next_ts IS NULL"
                " FROM long l LEFT JOIN usual u USING (coin_no, currency_no)"
                " WHERE (u.spell IS NULL OR l.spell > 3 * u.spell)"
                "  AND NOT EXISTS (SELECT FROM gap_repairs r WHERE r.coin_no = l.coin_no"
                "   AND r.currency_no = l.currency_no AND r.after_ts = l.ts"
                "   AND r.still_open = (next_ts IS NULL) AND r.tries >= $5)"
                " ORDER BY l.rank NULLS LAST, l.id, l.code, l.ts";

static int add_row(const PgRows *rows, size_t row, GapList *list) {
        Gap gap = {
                .from_ms = strtoll(pg_rows_text(rows, row, 3), NULL, 10),
                .to_ms = strtoll(pg_rows_text(rows, row, 4), NULL, 10),
                .still_open = strcmp(pg_rows_text(rows, row, 5), "t") == 0,
        };
        const char *after = pg_rows_text(rows, row, 2);

        if (strlen(after) > GAP_AFTER_MAX)
                return -EINVAL;
        strcpy(gap.after, after);
        return gap_list_add(list, pg_rows_text(rows, row, 0), pg_rows_text(rows, row, 1), &gap);
}

static int read_rows(const PgRows *rows, GapList *ret) {
        int r = gap_list_init(ret, pg_rows_count(rows));
        /* What somebody else put there and CoinGecko cannot be asked for is left out. */
        for (size_t row = 0; r == 0 && row < pg_rows_count(rows); row++)
                (void) !add_row(rows, row, ret);
        return r;
}

static int list_to_array(Buffer *ret, char *const *list) {
        int r = 0;
        for (; *list && r == 0; list++)
                r = pg_array_add(ret, *list);
        return r < 0 ? r : pg_array_end(ret);
}

int history_find_gaps(PgConn *conn, const Config *config, int64_t gap_min_ms, GapList *ret,
                      char *error, size_t error_size) {
        _cleanup_buffer_ Buffer ids = { .max = 0 };
        _cleanup_buffer_ Buffer currencies = { .max = 0 };
        _cleanup_(pg_rows_freep) PgRows *rows = NULL;
        char window[24], gap_min[24], tries[24];

        snprintf(error, error_size, "out of memory");
        snprintf(window, sizeof(window), "%" PRId64, config->repair_window_ms);
        snprintf(gap_min, sizeof(gap_min), "%" PRId64, gap_min_ms);
        snprintf(tries, sizeof(tries), "%d", HISTORY_TRIES_MAX);
        int r = list_to_array(&ids, config->coins); /* no coin is called top:100 */
        if (r == 0)
                r = list_to_array(&currencies, config->currencies);
        if (r < 0)
                return r;
        const char *params[] = { window, gap_min, ids.data, currencies.data, tries };
        r = pg_query(conn, find_gaps_sql, params, ELEMENTS(params), &rows, error, error_size);
        return r < 0 ? r : read_rows(rows, ret);
}

static int add_gap(Buffer columns[3], const Gap *gap) {
        char points[24];

        snprintf(points, sizeof(points), "%zu", gap->n_points);
        int r = pg_array_add(&columns[0], gap->after);
        if (r == 0)
                r = pg_array_add(&columns[1], gap->still_open ? "t" : "f");
        return r < 0 ? r : pg_array_add(&columns[2], points);
}

int history_note_tries(PgConn *conn, const GapSet *set, char *error, size_t error_size) {
        _cleanup_columns_ Buffer columns[3] = { { .max = 0 }, { .max = 0 }, { .max = 0 } };
        int r = 0;

        snprintf(error, error_size, "out of memory");
        for (size_t i = 0; i < set->n_gaps && r == 0; i++)
                r = add_gap(columns, &set->gaps[i]);
        if (r == 0)
                r = close_columns(columns);
        if (r < 0)
                return r;
        const char *params[] = { set->coin_id, set->currency, columns[0].data, columns[1].data,
                                 columns[2].data };
        return pg_query(conn,
                        "INSERT INTO gap_repairs AS g (coin_no, currency_no, after_ts, still_open,"
                        "  tries, points)"
                        " SELECT coin_no, currency_no, u.after_ts, u.still_open, 1, u.points"
                        " FROM coins c, currencies k, unnest($3::timestamptz[], $4::boolean[],"
                        "  $5::integer[]) AS u(after_ts, still_open, points)"
                        " WHERE c.id = $1 AND k.code = $2"
                        " ON CONFLICT (coin_no, currency_no, after_ts, still_open) DO UPDATE"
                        " SET tries = g.tries + 1, points = g.points + excluded.points,"
                        "  tried_at = now()",
                        params, ELEMENTS(params), NULL, error, error_size);
}
