/* What the API reads from PostgreSQL, made into JSON bodies. For a worker thread. */
#pragma once

#include "api/route.h"
#include "core/buffer.h"
#include "io/pg.h"

/* All: 0 with the body appended; a negative errno as pg_query() gives it, with a text in ERROR. */

/* {"trackedCoins":[...],"count":N}, by market capitalisation; last and without a
 * rank those that have not been renewed for a day when the newest price came. */
_must_check_ int reader_cryptos(PgConn *pg, Buffer *body, char *error, size_t error_size);

/* {"coinId":..,"currency":..,"priceHistory":[..],"count":N}, oldest first. -ENOENT: no such coin
 * or none of its prices is in this currency; ERROR says which. */
_must_check_ int reader_history(PgConn *pg, const char *coin_id, const HistoryQuery *query,
                                Buffer *body, char *error, size_t error_size);

/* Whether prices can be read: a server without their tables is of no use. */
_must_check_ int reader_ping(PgConn *pg, char *error, size_t error_size);
