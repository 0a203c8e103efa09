#include "websocket/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/timestamp.h"
#include "io/pg.h"
#include "io/pg_array.h"

#define FIRST_YEAR 2009 /* of TIMESTAMP_MIN_MS */
#define MONTHS (12 * 100)

/* The parameters of a batch, one array per column. */
typedef enum Column {
        COIN,
        CURRENCY,
        TIME,
        PRICE,
        MARKET_CAP,
        VOLUME,
        HIGH,
        LOW,
        CHANGE,
        CHANGE_PERCENT,
        SYMBOL,
        NAME,
        RANK,
        N_COLUMNS,
} Column;

struct Store {
        PgConn *conn;
        void (*on_statement)(void *user);
        void *user;
        char *group, *topic;
        /* What kafka_offsets says of our partitions, as far as we know; KAFKA_OFFSET_EARLIEST: it
         * has no row. */
        KafkaPosition *known;
        size_t n_known;
        bool has_partition[MONTHS]; /* months whose partition is known to exist */
        Buffer columns[N_COLUMNS];
        char error[STORE_ERROR_SIZE];
};

int store_open(Store **ret, const Config *config, int cancel_fd, void (*on_statement)(void *user),
               void *user, char error[STORE_ERROR_SIZE]) {
        _cleanup_(store_closep) Store *store = calloc(1, sizeof(*store));

        snprintf(error, STORE_ERROR_SIZE, "out of memory");
        if (!store)
                return -ENOMEM;
        store->on_statement = on_statement;
        store->user = user;
        store->group = strdup(config->kafka_group_id);
        store->topic = strdup(config->kafka_topic);
        if (!store->group || !store->topic)
                return -ENOMEM;
        int r = pg_connect_cancelable(&store->conn, config, "crypto-pulse-websocket", cancel_fd,
                                      error, STORE_ERROR_SIZE);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(store);
        return 0;
}

void store_close(Store *store) {
        if (!store)
                return;
        pg_close(store->conn);
        for (int i = 0; i < N_COLUMNS; i++)
                buffer_done(&store->columns[i]);
        free(store->group);
        free(store->topic);
        free(store->known);
        free(store);
}

const char *store_error(const Store *store) {
        return store->error;
}

bool store_is_lost(Store *store) {
        if (!pg_is_lost(store->conn))
                return false;
        snprintf(store->error, sizeof(store->error), "the server has closed the connection");
        return true;
}

static int query(Store *store, const char *sql, const char *const *params, size_t n,
                 PgRows **ret_rows) {
        store->on_statement(store->user);
        store->error[0] = '\0';
        return pg_query(store->conn, sql, params, n, ret_rows, store->error, sizeof(store->error));
}

static int command(Store *store, const char *sql) {
        return query(store, sql, NULL, 0, NULL);
}

/* ---- positions ------------------------------------------------------------------------------- */

static void apply_position(KafkaPosition *positions, size_t n, const char *partition,
                           const char *offset) {
        for (size_t i = 0; i < n; i++)
                if (positions[i].partition == strtol(partition, NULL, 10))
                        positions[i].offset = strtoll(offset, NULL, 10);
}

static int remember_positions(Store *store, const KafkaPosition *positions, size_t n) {
        KafkaPosition *known = calloc(MAX_OF(n, (size_t) 1), sizeof(*known));

        if (!known)
                return -ENOMEM;
        memcpy(known, positions, n * sizeof(*known));
        free(store->known);
        store->known = known;
        store->n_known = n;
        return 0;
}

static KafkaPosition *find_known(Store *store, int32_t partition) {
        for (size_t i = 0; i < store->n_known; i++)
                if (store->known[i].partition == partition)
                        return &store->known[i];
        return NULL;
}

int store_load_positions(Store *store, KafkaPosition *positions, size_t n) {
        _cleanup_(pg_rows_freep) PgRows *rows = NULL;
        const char *params[] = { store->group, store->topic };

        int r = query(store,
                      "SELECT partition, next_offset FROM kafka_offsets"
                      " WHERE group_id = $1 AND topic = $2",
                      params, ELEMENTS(params), &rows);
        if (r < 0)
                return r;
        for (size_t i = 0; i < n; i++)
                positions[i].offset = KAFKA_OFFSET_EARLIEST;
        for (size_t row = 0; row < pg_rows_count(rows); row++)
                apply_position(positions, n, pg_rows_text(rows, row, 0),
                               pg_rows_text(rows, row, 1));
        return remember_positions(store, positions, n);
}

static int add_number(Buffer *b, int64_t number) {
        char text[24];
        snprintf(text, sizeof(text), "%" PRId64, number);
        return pg_array_add(b, number == KAFKA_OFFSET_EARLIEST ? NULL : text);
}

/* Three arrays: the partitions, where to go on, and where the table is known to stand. */
static int fill_positions(Store *store, Buffer arrays[3], const KafkaPosition *next, size_t n) {
        int r = 0;

        for (size_t i = 0; i < n && r == 0; i++) {
                const KafkaPosition *known = find_known(store, next[i].partition);
                r = add_number(&arrays[0], next[i].partition);
                if (r == 0)
                        r = add_number(&arrays[1], next[i].offset);
                if (r == 0)
                        r = add_number(&arrays[2], known ? known->offset : KAFKA_OFFSET_EARLIEST);
        }
        for (int i = 0; i < 3 && r == 0; i++)
                r = pg_array_end(&arrays[i]);
        return r;
}

/* Only from where they are known to stand: who has set them back (a backup was restored) wants the
 * rows read again, and another persister that moved them has written those rows itself. */
static int move_positions(Store *store, const Buffer arrays[3], size_t n) {
        _cleanup_(pg_rows_freep) PgRows *rows = NULL;
        const char *params[] = { store->group, store->topic, arrays[0].data, arrays[1].data,
                                 arrays[2].data };

        int r = query(store,
                      "WITH u AS ("
                      " SELECT * FROM unnest($3::integer[], $4::bigint[], $5::bigint[])"
                      "  AS u(p, next, known) ORDER BY p"
                      "), added AS ("
                      " INSERT INTO kafka_offsets (group_id, topic, partition, next_offset)"
                      " SELECT $1, $2, p, next FROM u WHERE known IS NULL"
                      " ON CONFLICT DO NOTHING RETURNING partition"
                      "), moved AS ("
                      " UPDATE kafka_offsets SET next_offset = next, updated_at = now() FROM u"
                      " WHERE group_id = $1 AND topic = $2 AND partition = p"
                      "  AND next_offset = known RETURNING partition"
                      ") SELECT partition FROM added UNION ALL SELECT partition FROM moved",
                      params, ELEMENTS(params), &rows);
        if (r < 0)
                return r;
        if (pg_rows_count(rows) == n)
                return 0;
        snprintf(store->error, sizeof(store->error),
                 "the positions in the database are not those that were written last");
        return -EREMCHG;
}

static int write_positions(Store *store, const KafkaPosition *next, size_t n) {
        Buffer arrays[3] = { 0 };

        int r = fill_positions(store, arrays, next, n);
        if (r == 0)
                r = move_positions(store, arrays, n);
        for (int i = 0; i < 3; i++)
                buffer_done(&arrays[i]);
        return r;
}

static void note_written(Store *store, const KafkaPosition *next, size_t n) {
        for (size_t i = 0; i < n; i++) {
                KafkaPosition *known = find_known(store, next[i].partition);
                if (known)
                        known->offset = next[i].offset;
        }
}

/* ---- prices ---------------------------------------------------------------------------------- */

static const char *text_or_null(const char *text) {
        return text[0] ? text : NULL;
}

static int add_row(Buffer *columns, const PriceUpdate *u) {
        char time[TIMESTAMP_TEXT_SIZE], rank[16] = "";

        if (u->market_cap_rank > 0)
                snprintf(rank, sizeof(rank), "%" PRId32, u->market_cap_rank);
        const char *values[N_COLUMNS] = {
                [COIN] = u->coin_id,
                [CURRENCY] = u->currency,
                [TIME] = timestamp_format(u->timestamp_ms, time),
                [PRICE] = u->price.text,
                [MARKET_CAP] = u->market_cap.text,
                [VOLUME] = u->volume_24h.text,
                [HIGH] = u->high_24h.text,
                [LOW] = u->low_24h.text,
                [CHANGE] = u->change_24h.text,
                [CHANGE_PERCENT] = u->change_percent_24h.text,
                [SYMBOL] = u->symbol,
                [NAME] = u->name,
                [RANK] = rank,
        };
        for (int i = 0; i < N_COLUMNS; i++) {
                int r = pg_array_add(&columns[i], text_or_null(values[i]));
                if (r < 0)
                        return r;
        }
        return 0;
}

static int fill_columns(Store *store, const PriceUpdate *updates, size_t n) {
        int r = 0;

        for (int i = 0; i < N_COLUMNS; i++)
                buffer_clear(&store->columns[i]);
        for (size_t i = 0; i < n && r == 0; i++)
                r = add_row(store->columns, &updates[i]);
        for (int i = 0; i < N_COLUMNS && r == 0; i++)
                r = pg_array_end(&store->columns[i]);
        if (r < 0)
                snprintf(store->error, sizeof(store->error), "%s", strerror(-r));
        return r;
}

/* Only names that are really new reach the INSERT, as each try would use up an identity number. */
static int write_currencies(Store *store) {
        const char *params[] = { store->columns[CURRENCY].data };

        return query(store,
                     "INSERT INTO currencies (code)"
                     " SELECT DISTINCT code FROM unnest($1::text[]) AS u(code)"
                     " WHERE NOT EXISTS (SELECT FROM currencies c WHERE c.code = u.code)"
                     " ON CONFLICT (code) DO NOTHING",
                     params, ELEMENTS(params), NULL);
}

static int write_coins(Store *store) {
        const Buffer *c = store->columns;
        const char *params[] = { c[COIN].data, c[SYMBOL].data, c[NAME].data, c[RANK].data,
                                 c[TIME].data };

        return query(store,
                     "WITH u AS ("
                     " SELECT DISTINCT ON (id) * FROM unnest($1::text[], $2::text[], $3::text[],"
                     "  $4::integer[], $5::timestamptz[]) AS u(id, symbol, name, rank, ts)"
                     " ORDER BY id, ts DESC"
                     "), added AS ("
                     " INSERT INTO coins (id, symbol, name, market_cap_rank, details_at)"
                     " SELECT * FROM u WHERE NOT EXISTS (SELECT FROM coins c WHERE c.id = u.id)"
                     " ON CONFLICT (id) DO NOTHING"
                     ") UPDATE coins c SET symbol = COALESCE(u.symbol, c.symbol),"
                     " name = COALESCE(u.name, c.name),"
                     " market_cap_rank = COALESCE(u.rank, c.market_cap_rank), details_at = u.ts"
                     " FROM u WHERE c.id = u.id AND u.ts > c.details_at"
                     " AND (COALESCE(u.symbol, c.symbol), COALESCE(u.name, c.name),"
                     "  COALESCE(u.rank, c.market_cap_rank))"
                     " IS DISTINCT FROM (c.symbol, c.name, c.market_cap_rank)",
                     params, ELEMENTS(params), NULL);
}

/* The arrays are taken apart once for both tables. In the order of their keys, so that two
 * persisters that overlap wait for each other rather than deadlock. */
static int write_prices(Store *store) {
        const Buffer *c = store->columns;
        const char *params[] = { c[COIN].data,          c[CURRENCY].data,   c[TIME].data,
                                 c[PRICE].data,         c[MARKET_CAP].data, c[VOLUME].data,
                                 c[HIGH].data,          c[LOW].data,        c[CHANGE].data,
                                 c[CHANGE_PERCENT].data };

        return query(store,
                     "WITH u AS MATERIALIZED ("
                     " SELECT coins.coin_no, currencies.currency_no, u.* FROM unnest($1::text[],"
                     "  $2::text[], $3::timestamptz[], $4::numeric[], $5::numeric[],"
                     "  $6::numeric[], $7::numeric[], $8::numeric[], $9::numeric[],"
                     "  $10::numeric[]) AS u(id, code, ts, price, market_cap, volume, high, low,"
                     "  change, change_percent)"
                     " JOIN coins USING (id) JOIN currencies USING (code)"
                     "), added AS ("
                     " INSERT INTO prices (coin_no, currency_no, ts, price, market_cap, volume_24h)"
                     " SELECT coin_no, currency_no, ts, price, market_cap, volume FROM u"
                     " ORDER BY coin_no, currency_no, ts"
                     " ON CONFLICT (coin_no, currency_no, ts) DO NOTHING"
                     ") INSERT INTO latest_prices AS l (coin_no, currency_no, ts, price,"
                     "  market_cap, volume_24h, high_24h, low_24h, change_24h, change_percent_24h)"
                     " SELECT DISTINCT ON (coin_no, currency_no) coin_no, currency_no, ts, price,"
                     "  market_cap, volume, high, low, change, change_percent FROM u"
                     " ORDER BY coin_no, currency_no, ts DESC"
                     " ON CONFLICT (coin_no, currency_no) DO UPDATE SET ts = excluded.ts,"
                     "  price = excluded.price, market_cap = excluded.market_cap,"
                     "  volume_24h = excluded.volume_24h, high_24h = excluded.high_24h,"
                     "  low_24h = excluded.low_24h, change_24h = excluded.change_24h,"
                     "  change_percent_24h = excluded.change_percent_24h"
                     " WHERE excluded.ts > l.ts",
                     params, ELEMENTS(params), NULL);
}

/* The month's number, or -1 if it is none that a valid update can have. */
static int month_of(int64_t timestamp_ms) {
        time_t seconds = timestamp_ms / 1000;
        struct tm t;

        if (!gmtime_r(&seconds, &t))
                return -1;
        int month = (t.tm_year + 1900 - FIRST_YEAR) * 12 + t.tm_mon;
        return month >= 0 && month < MONTHS ? month : -1;
}

/* Outside of the batch's transaction, so that nobody has to wait for that. */
static int ensure_partitions(Store *store, const PriceUpdate *updates, size_t n) {
        for (size_t i = 0; i < n; i++) {
                char time[TIMESTAMP_TEXT_SIZE];
                int month = month_of(updates[i].timestamp_ms);
                if (month >= 0 && store->has_partition[month])
                        continue;
                const char *params[] = { timestamp_format(updates[i].timestamp_ms, time) };
                int r = query(store, "SELECT ensure_prices_partition($1)", params, 1, NULL);
                if (r < 0)
                        return r;
                if (month >= 0)
                        store->has_partition[month] = true;
        }
        return 0;
}

static int write_rows(Store *store) {
        int r = write_currencies(store);
        if (r == 0)
                r = write_coins(store);
        return r < 0 ? r : write_prices(store);
}

static int write_transaction(Store *store, bool with_rows, const KafkaPosition *next,
                             size_t n_next) {
        int r = command(store, "BEGIN");
        if (r == 0 && with_rows)
                r = write_rows(store);
        if (r == 0 && n_next > 0)
                r = write_positions(store, next, n_next);
        return r < 0 ? r : command(store, "COMMIT");
}

/* Ends a transaction that the server refused; the reason stays in store->error. */
static int undo(Store *store, int code) {
        char ignored[STORE_ERROR_SIZE];

        /* Somebody may have dropped a partition (retention): that, too, is refused data. */
        memset(store->has_partition, 0, sizeof(store->has_partition));
        if (code != -EINVAL)
                return code;
        int r = pg_query(store->conn, "ROLLBACK", NULL, 0, NULL, ignored, sizeof(ignored));
        return r < 0 ? r : code;
}

int store_write(Store *store, const PriceUpdate *updates, size_t n, const KafkaPosition *next,
                size_t n_next) {
        int r = ensure_partitions(store, updates, n);
        if (r == 0)
                r = fill_columns(store, updates, n);
        if (r == 0)
                r = write_transaction(store, n > 0, next, n_next);
        if (r < 0)
                return undo(store, r);
        note_written(store, next, n_next);
        return 0;
}

/* ---- the newest ------------------------------------------------------------------------------ */

static void copy_text(char *ret, size_t size, const char *text) {
        if (text && strlen(text) < size)
                strcpy(ret, text);
}

static int parse_latest(const PgRows *rows, size_t row, PriceUpdate *ret) {
        PriceUpdate u = { .market_cap_rank = 0 };
        Decimal *const numbers[] = { &u.price,   &u.market_cap, &u.volume_24h,        &u.high_24h,
                                     &u.low_24h, &u.change_24h, &u.change_percent_24h };
        const char *rank = pg_rows_text(rows, row, 5);

        copy_text(u.coin_id, sizeof(u.coin_id), pg_rows_text(rows, row, 0));
        copy_text(u.currency, sizeof(u.currency), pg_rows_text(rows, row, 1));
        copy_text(u.symbol, sizeof(u.symbol), pg_rows_text(rows, row, 3));
        copy_text(u.name, sizeof(u.name), pg_rows_text(rows, row, 4));
        u.market_cap_rank = rank ? (int32_t) strtol(rank, NULL, 10) : 0;
        for (size_t i = 0; i < ELEMENTS(numbers); i++)
                copy_text(numbers[i]->text, sizeof(numbers[i]->text),
                          pg_rows_text(rows, row, 6 + (int) i));
        int r = timestamp_parse(pg_rows_text(rows, row, 2), &u.timestamp_ms);
        if (r < 0 || price_update_check(&u, u.timestamp_ms))
                return -EBADMSG;
        *ret = u;
        return 0;
}

int store_load_latest(Store *store, void (*take)(const PriceUpdate *update, void *user),
                      void *user) {
        _cleanup_(pg_rows_freep) PgRows *rows = NULL;
        PriceUpdate update;

        /* The rank as in the api's list of coins. */
        int r = query(store,
                      "SELECT c.id, k.code,"
                      " to_char(l.ts AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'),"
                      " c.symbol, c.name, CASE WHEN max(l.ts) OVER (PARTITION BY l.coin_no)"
                      "  > max(l.ts) OVER () - interval '1 day' THEN c.market_cap_rank END,"
                      " l.price, l.market_cap, l.volume_24h,"
                      " l.high_24h, l.low_24h, l.change_24h, l.change_percent_24h"
                      " FROM latest_prices l JOIN coins c USING (coin_no)"
                      " JOIN currencies k USING (currency_no) ORDER BY l.ts",
                      NULL, 0, &rows);
        if (r < 0)
                return r;
        /* What somebody else put there and no client could read is left out. */
        for (size_t row = 0; row < pg_rows_count(rows); row++)
                if (parse_latest(rows, row, &update) == 0)
                        take(&update, user);
        return 0;
}
