/* The price history in PostgreSQL, as maintenance sees it. One thread. All return what pg_query()
 * returns, with one line in ERROR. */
#pragma once

#include "core/config.h"
#include "io/kafka_producer.h"
#include "io/pg.h"
#include "maintenance/gaps.h"

/* How often the source is asked for the same gap. */
#define HISTORY_TRIES_MAX 3

/* Makes the partitions of this and the next month, and forgets tries of long ago. */
_must_check_ int history_look_after(PgConn *conn, char *error, size_t error_size);
/* How many of the messages in RANGES the persister has not yet written to the database. */
_must_check_ int history_lag(PgConn *conn, const Config *config, const KafkaRange *ranges, size_t n,
                             int64_t *ret_lag, char *error, size_t error_size);
/* The gaps of at least GAP_MIN_MS that are still to be tried, the largest coins' first. The caller
 * calls gap_list_done(). */
_must_check_ int history_find_gaps(PgConn *conn, const Config *config, int64_t gap_min_ms,
                                   GapList *ret, char *error, size_t error_size);
/* Remembers that the source was asked for these gaps, and what it had. */
_must_check_ int history_note_tries(PgConn *conn, const GapSet *set, char *error,
                                    size_t error_size);
