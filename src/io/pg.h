/* PostgreSQL, for a thread of its own that asks and waits. The only file that knows libpq.
 * A PgConn belongs to one thread at a time.
 *
 * Nothing here waits for ever: connecting has PG_CONNECT_TIMEOUT_MS (the server's name is looked up
 * in that time, too), a statement
 * PG_STATEMENT_TIMEOUT_MS at the server and a little more here, so that a server which hangs is
 * noticed as well as one which is gone. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/macro.h"

#define PG_CONNECT_TIMEOUT_MS 5000
#define PG_STATEMENT_TIMEOUT_MS 20000
#define PG_STATEMENTS_MAX 8 /* of one connection */

typedef struct PgConn PgConn;
typedef struct PgRows PgRows;

/* A statement that is run again and again: planning it takes longer than running it where a table
 * has many partitions. Static; known by its address. */
typedef struct PgStatement {
        const char *name; /* for the server, which needs one per connection */
        const char *sql;
} PgStatement;

/* Connects with the postgres_* options. -ECONNREFUSED, -ETIMEDOUT and the like: try again later.
 * One line in ERROR, without the password. */
_must_check_ int pg_connect(PgConn **ret, const Config *config, const char *application_name,
                            char *error, size_t error_size);
/* The same for a thread that must be able to stop soon: as soon as CANCEL_FD becomes readable,
 * this and every later pg_query() of the connection give up with -ECANCELED (and the connection
 * is of no more use than after -ENOTCONN). It stays the caller's. */
_must_check_ int pg_connect_cancelable(PgConn **ret, const Config *config,
                                       const char *application_name, int cancel_fd, char *error,
                                       size_t error_size);
void pg_close(PgConn *conn); /* accepts NULL */
DEFINE_CLEANUP(PgConn *, pg_close)

/* Runs one statement with text parameters (NULL is SQL NULL). ret_rows may be NULL.
 * -ENOTCONN: the connection is lost, pg_close() and connect again; -EINVAL: the server refused
 * the data (SQLSTATE class 22 or 23): the statement, not the connection, is at fault; -EAGAIN:
 * a deadlock or the like, the same transaction may work now; -EIO: any other refusal (a missing
 * table, a full disk, ...). One line in ERROR. */
_must_check_ int pg_query(PgConn *conn, const char *sql, const char *const *params, size_t n_params,
                          PgRows **ret_rows, char *error, size_t error_size);

/* The same for a statement that the connection prepares when it first runs it. */
_must_check_ int pg_query_prepared(PgConn *conn, const PgStatement *statement,
                                   const char *const *params, size_t n_params, PgRows **ret_rows,
                                   char *error, size_t error_size);

/* A descriptor that becomes readable when the server says something unasked, which it does when
 * it goes away; for a thread that keeps a connection it does not use. Borrowed. */
int pg_fd(const PgConn *conn);
/* True if the connection is known to be lost. Never waits. */
bool pg_is_lost(PgConn *conn);

void pg_rows_free(PgRows *rows); /* accepts NULL */
DEFINE_CLEANUP(PgRows *, pg_rows_free)
size_t pg_rows_count(const PgRows *rows);
/* The value's text, or NULL for SQL NULL. Borrowed from the rows. */
const char *pg_rows_text(const PgRows *rows, size_t row, int column);
/* How many rows the statement inserted, updated or deleted. */
uint64_t pg_rows_affected(const PgRows *rows);
