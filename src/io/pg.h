/* PostgreSQL, for a thread of its own that asks and waits. The only file that knows libpq.
 * A PgConn belongs to one thread at a time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/config.h"
#include "core/macro.h"

typedef struct PgConn PgConn;
typedef struct PgRows PgRows;

/* Connects with the postgres_* options. -ECONNREFUSED and the like: try again later;
 * -EACCES: wrong password or role. One line in ERROR, without the password. */
_must_check_ int pg_connect(PgConn **ret, const Config *config, const char *application_name,
                            char *error, size_t error_size);
void pg_close(PgConn *conn); /* accepts NULL */
DEFINE_CLEANUP(PgConn *, pg_close)

/* Runs one statement with text parameters (NULL is SQL NULL). ret_rows may be NULL.
 * -ENOTCONN: the connection is lost, pg_close() and connect again; -EINVAL: the server refused
 * the data (SQLSTATE class 22 or 23): the statement, not the connection, is at fault; -EIO: any
 * other refusal (a missing table, a full disk, ...). One line in ERROR. */
_must_check_ int pg_query(PgConn *conn, const char *sql, const char *const *params, size_t n_params,
                          PgRows **ret_rows, char *error, size_t error_size);

void pg_rows_free(PgRows *rows); /* accepts NULL */
DEFINE_CLEANUP(PgRows *, pg_rows_free)
size_t pg_rows_count(const PgRows *rows);
/* The value's text, or NULL for SQL NULL. Borrowed from the rows. */
const char *pg_rows_text(const PgRows *rows, size_t row, int column);
