/* What the persister says to PostgreSQL: batches of prices in, positions and newest prices out.
 * Knows the schema of sql/. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/macro.h"
#include "core/price_update.h"
#include "io/kafka_consumer.h"

#define STORE_ERROR_SIZE 512

typedef struct Store Store;

/* All calls: 0 or a negative errno of io/pg.h, with one line in store_error() until the next call.
 * After anything but -EINVAL the store is of no more use: free it and open another one. */

/* Connects. CANCEL_FD: see pg_connect_cancelable(). ON_STATEMENT is called before each statement,
 * of which one call may need several, each as long as io/pg.h allows. Here the line is in ERROR. */
_must_check_ int store_open(Store **ret, const Config *config, int cancel_fd,
                            void (*on_statement)(void *user), void *user,
                            char error[STORE_ERROR_SIZE]);
void store_close(Store *store); /* accepts NULL */
DEFINE_CLEANUP(Store *, store_close)
const char *store_error(const Store *store);

/* Sets the offsets where positions[i].partition is to be read from: where the last commit left
 * it, or KAFKA_OFFSET_EARLIEST. To be called before anything of them is written. */
_must_check_ int store_load_positions(Store *store, KafkaPosition *positions, size_t n);

/* Writes UPDATES and where to go on afterwards in one transaction; either may be none.
 * -EINVAL: the server does not want some of the data, nothing was written. -EREMCHG: the positions
 * are not where they were loaded or written last, nothing was written. Rows that are there already
 * are left alone. When the connection breaks in the middle, it may or may not have
 * happened; doing it again is harmless. */
_must_check_ int store_write(Store *store, const PriceUpdate *updates, size_t n,
                             const KafkaPosition *next, size_t n_next);

/* Hands the newest price of every coin and currency to TAKE, which may keep nothing. */
_must_check_ int store_load_latest(Store *store,
                                   void (*take)(const PriceUpdate *update, void *user), void *user);

/* For a connection that waits: true if it is known to be lost, with a line in store_error(). Never
 * waits. */
bool store_is_lost(Store *store);
