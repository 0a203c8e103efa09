#include "io/pg.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "core/buffer.h"
#include "core/clock.h"
#include "io/resolver.h"

/* The server gives up first and says so; this is for a server that says nothing. */
#define ANSWER_GRACE_MS 2000
#define RESOLVE_POLL_MS 5

struct PgConn {
        PGconn *pq;
        int cancel_fd; /* -1: none */
        const PgStatement *prepared[PG_STATEMENTS_MAX];
        size_t n_prepared;
};

/* PgRows is libpq's result by another name; nothing is added to it. */
static PGresult *rows_result(const PgRows *rows) {
        return (PGresult *) (uintptr_t) rows;
}

/* libpq's messages have several lines and a trailing newline; a log entry has one line. */
static void copy_line(char *error, size_t size, const char *text) {
        size_t n = 0;

        if (size == 0)
                return;
        for (const char *p = text; *p && n + 1 < size; p++) {
                bool space = isspace((unsigned char) *p);
                if (space && (n == 0 || error[n - 1] == ' '))
                        continue;
                error[n++] = space ? ' ' : *p;
        }
        while (n > 0 && error[n - 1] == ' ')
                n--;
        error[n] = '\0';
}

/* Waits until the socket allows EVENTS. 0, -ETIMEDOUT or -ECANCELED. */
static int wait_socket(const PgConn *conn, short events, int64_t deadline_ms) {
        struct pollfd fds[] = {
                { .fd = PQsocket(conn->pq), .events = events },
                { .fd = conn->cancel_fd, .events = POLLIN },
        };

        for (;;) {
                int64_t left_ms = deadline_ms - clock_monotonic_ms();
                if (left_ms <= 0)
                        return -ETIMEDOUT;
                int r = poll(fds, ELEMENTS(fds), (int) left_ms);
                if (r < 0 && errno != EINTR)
                        return -errno;
                if (r <= 0)
                        continue;
                return fds[1].revents ? -ECANCELED : 0;
        }
}

/* ---- the server's address ------------------------------------------------------------------- */

/* libpq's options of these names: as many of the one as of the other, with commas in between. */
typedef struct Place {
        Buffer host, hostaddr;
} Place;

static void place_done(Place *p) {
        buffer_done(&p->host);
        buffer_done(&p->hostaddr);
}

static int await_addresses(const Resolver *resolver, const char *host, int cancel_fd,
                           int64_t deadline_ms, ResolverAddresses *ret, char *error,
                           size_t error_size) {
        struct pollfd cancel = { .fd = cancel_fd, .events = POLLIN };
        const char *reason;
        int r;

        snprintf(error, error_size, "no name server answers");
        while ((r = resolver_result(resolver, ret, &reason)) == -EINPROGRESS) {
                if (poll(&cancel, 1, RESOLVE_POLL_MS) > 0)
                        return -ECANCELED;
                if (clock_monotonic_ms() >= deadline_ms)
                        return -ETIMEDOUT;
        }
        if (r < 0)
                snprintf(error, error_size, "%s: %s", host, reason);
        return r;
}

static int place_add(Place *p, const char *host, const char *address) {
        const char *comma = p->host.length > 0 ? "," : "";
        int r = buffer_append_format(&p->host, "%s%s", comma, host);

        return r < 0 ? r : buffer_append_format(&p->hostaddr, "%s%s", comma, address);
}

/* libpq would look a name up on the spot, however long that takes. (A list of hosts is left to
 * it.) */
static int find_server(const char *host, int cancel_fd, int64_t deadline_ms, Place *p, char *error,
                       size_t error_size) {
        _cleanup_(resolver_freep) Resolver *resolver = NULL;
        ResolverAddresses addresses;

        snprintf(error, error_size, "out of memory");
        if (!resolver_is_name(host) || strpbrk(host, ",@"))
                return place_add(p, host, "");
        int r = resolver_new(&resolver, host);
        if (r == 0)
                r = await_addresses(resolver, host, cancel_fd, deadline_ms, &addresses, error,
                                    error_size);
        for (size_t i = 0; r == 0 && i < addresses.n; i++)
                r = place_add(p, host, addresses.text[i]);
        return r;
}

/* ---- connecting ---------------------------------------------------------------------------- */

static int connect_failure(PgConn *conn, char *error, size_t error_size) {
        const char *text = PQerrorMessage(conn->pq);

        copy_line(error, error_size, text[0] ? text : "out of memory");
        return -ECONNREFUSED;
}

static int finish_connecting(PgConn *conn, int64_t deadline_ms, char *error, size_t error_size) {
        PostgresPollingStatusType status = PGRES_POLLING_WRITING;

        while (status != PGRES_POLLING_OK) {
                if (status == PGRES_POLLING_FAILED)
                        return connect_failure(conn, error, error_size);
                int r = wait_socket(conn, status == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                                    deadline_ms);
                if (r < 0) {
                        snprintf(error, error_size, "no answer from the server within %d s",
                                 PG_CONNECT_TIMEOUT_MS / 1000);
                        return r;
                }
                status = PQconnectPoll(conn->pq);
        }
        return 0;
}

static PGconn *start_connecting(const Config *config, const Place *place,
                                const char *application_name) {
        char port[24];
        snprintf(port, sizeof(port), "%lld", (long long) config->postgres_port);

        const char *const options[][2] = {
                { "host", place->host.data },
                { "hostaddr", place->hostaddr.data },
                { "port", port },
                { "user", config->postgres_user },
                { "password", config->postgres_password },
                { "dbname", config->postgres_database },
                { "application_name", application_name },
                { "client_encoding", "UTF8" },
                { "tcp_user_timeout", "10000" },
                { "keepalives_idle", "10" },
                { "keepalives_interval", "5" },
                { "keepalives_count", "3" },
        };
        const char *keys[ELEMENTS(options) + 1] = { NULL };
        const char *values[ELEMENTS(options) + 1] = { NULL };
        for (size_t i = 0; i < ELEMENTS(options); i++) {
                keys[i] = options[i][0];
                values[i] = options[i][1];
        }
        return PQconnectStartParams(keys, values, 0);
}

static void ignore_notice(void *user, const PGresult *result) {
        (void) user;
        (void) result;
}

/* As SET, not as a connection option: a connection pooler refuses those. */
static int set_session(PgConn *conn, char *error, size_t error_size) {
        char sql[160];

        snprintf(sql, sizeof(sql),
                 "SELECT set_config('statement_timeout', '%d', false),"
                 " set_config('lock_timeout', '%d', false),"
                 " set_config('timezone', 'UTC', false)",
                 PG_STATEMENT_TIMEOUT_MS, PG_STATEMENT_TIMEOUT_MS / 2);
        return pg_query(conn, sql, NULL, 0, NULL, error, error_size);
}

int pg_connect_cancelable(PgConn **ret, const Config *config, const char *application_name,
                          int cancel_fd, char *error, size_t error_size) {
        _cleanup_(pg_closep) PgConn *conn = calloc(1, sizeof(*conn));
        _cleanup_(place_done) Place place = { .host = { .max = 0 } };
        int64_t deadline_ms = clock_monotonic_ms() + PG_CONNECT_TIMEOUT_MS;

        int r = find_server(config->postgres_host, cancel_fd, deadline_ms, &place, error,
                            error_size);
        if (r < 0)
                return r;
        if (!conn || !(conn->pq = start_connecting(config, &place, application_name))) {
                snprintf(error, error_size, "out of memory");
                return -ENOMEM;
        }
        conn->cancel_fd = cancel_fd;
        PQsetNoticeReceiver(conn->pq, ignore_notice, NULL);
        if (PQstatus(conn->pq) == CONNECTION_BAD)
                return connect_failure(conn, error, error_size);
        r = finish_connecting(conn, deadline_ms, error, error_size);
        if (r < 0)
                return r;
        PQsetErrorVerbosity(conn->pq, PQERRORS_DEFAULT);
        if (PQsetnonblocking(conn->pq, 1) < 0)
                return -ENOMEM;
        r = set_session(conn, error, error_size);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(conn);
        return 0;
}

int pg_connect(PgConn **ret, const Config *config, const char *application_name, char *error,
               size_t error_size) {
        return pg_connect_cancelable(ret, config, application_name, -1, error, error_size);
}

void pg_close(PgConn *conn) {
        if (!conn)
                return;
        PQfinish(conn->pq);
        free(conn);
}

/* ---- asking -------------------------------------------------------------------------------- */

static int lost(PgConn *conn, int code, char *error, size_t error_size) {
        if (code == -ETIMEDOUT)
                snprintf(error, error_size, "no answer from the server within %d s",
                         (PG_STATEMENT_TIMEOUT_MS + ANSWER_GRACE_MS) / 1000);
        else if (code == -ECANCELED)
                snprintf(error, error_size, "given up because the program is stopping");
        else
                copy_line(error, error_size, PQerrorMessage(conn->pq));
        return code == -ECANCELED ? code : -ENOTCONN;
}

/* Sends what libpq holds. It also reads meanwhile: the server may not take more before its own
 * words are read. 0, or what wait_socket() returns, or -EIO. */
static int flush_request(PgConn *conn, int64_t deadline_ms) {
        for (;;) {
                int r = PQflush(conn->pq);
                if (r <= 0)
                        return r < 0 ? -EIO : 0;
                r = wait_socket(conn, POLLIN | POLLOUT, deadline_ms);
                if (r < 0)
                        return r;
                if (!PQconsumeInput(conn->pq))
                        return -EIO;
        }
}

/* The last result of the statement, or NULL when the connection is lost (*ret_code says how). */
static PGresult *await_result(PgConn *conn, int64_t deadline_ms, int *ret_code) {
        PGresult *last = NULL;

        for (;;) {
                while (PQisBusy(conn->pq)) {
                        int r = wait_socket(conn, POLLIN, deadline_ms);
                        if (r == 0 && !PQconsumeInput(conn->pq))
                                r = -EIO;
                        if (r < 0) {
                                PQclear(last);
                                *ret_code = r;
                                return NULL;
                        }
                }
                PGresult *next = PQgetResult(conn->pq);
                if (!next)
                        return last;
                PQclear(last);
                last = next;
        }
}

static int classify(PgConn *conn, const char *sqlstate) {
        if (PQstatus(conn->pq) == CONNECTION_BAD)
                return -ENOTCONN;
        if (!sqlstate)
                return -EIO;
        if (strncmp(sqlstate, "22", 2) == 0 || strncmp(sqlstate, "23", 2) == 0)
                return -EINVAL;
        if (strncmp(sqlstate, "40", 2) == 0 || strcmp(sqlstate, "55P03") == 0)
                return -EAGAIN;
        /* 57P01 to 57P03: the server is shutting down or starting. 25006: it has become a
         * read-only standby, the primary is elsewhere. */
        if (strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "57P0", 4) == 0 ||
            strcmp(sqlstate, "25006") == 0)
                return -ENOTCONN;
        /* What was prepared gives other columns since a migration: a new connection prepares it
         * anew. */
        if (strcmp(sqlstate, "0A000") == 0 && conn->n_prepared > 0)
                return -ENOTCONN;
        return -EIO;
}

static int check_result(PgConn *conn, const PGresult *result, char *error, size_t error_size) {
        ExecStatusType status = PQresultStatus(result);

        if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK)
                return 0;
        const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        copy_line(error, error_size, message ? message : PQresultErrorMessage(result));
        return classify(conn, PQresultErrorField(result, PG_DIAG_SQLSTATE));
}

/* After a request was handed to libpq (SENT): sends it and awaits its end. */
static int finish_request(PgConn *conn, int sent, PgRows **ret_rows, char *error,
                          size_t error_size) {
        int64_t deadline_ms = clock_monotonic_ms() + PG_STATEMENT_TIMEOUT_MS + ANSWER_GRACE_MS;
        PGresult *result;
        int r;

        if (!sent)
                return lost(conn, -EIO, error, error_size);
        r = flush_request(conn, deadline_ms);
        if (r < 0)
                return lost(conn, r, error, error_size);
        result = await_result(conn, deadline_ms, &r);
        if (!result)
                return lost(conn, r < 0 ? r : -EIO, error, error_size);
        r = check_result(conn, result, error, error_size);
        if (r == 0 && ret_rows) {
                *ret_rows = (PgRows *) result;
                return 0;
        }
        PQclear(result);
        return r;
}

int pg_query(PgConn *conn, const char *sql, const char *const *params, size_t n_params,
             PgRows **ret_rows, char *error, size_t error_size) {
        int sent = PQsendQueryParams(conn->pq, sql, (int) n_params, NULL, params, NULL, NULL, 0);

        return finish_request(conn, sent, ret_rows, error, error_size);
}

static int prepare_if_needed(PgConn *conn, const PgStatement *statement, char *error,
                             size_t error_size) {
        for (size_t i = 0; i < conn->n_prepared; i++)
                if (conn->prepared[i] == statement)
                        return 0;
        assert(conn->n_prepared < PG_STATEMENTS_MAX);
        int sent = PQsendPrepare(conn->pq, statement->name, statement->sql, 0, NULL);
        int r = finish_request(conn, sent, NULL, error, error_size);
        if (r == 0)
                conn->prepared[conn->n_prepared++] = statement;
        return r;
}

int pg_query_prepared(PgConn *conn, const PgStatement *statement, const char *const *params,
                      size_t n_params, PgRows **ret_rows, char *error, size_t error_size) {
        int r = prepare_if_needed(conn, statement, error, error_size);
        if (r < 0)
                return r;
        int sent = PQsendQueryPrepared(conn->pq, statement->name, (int) n_params, params, NULL,
                                       NULL, 0);
        return finish_request(conn, sent, ret_rows, error, error_size);
}

int pg_fd(const PgConn *conn) {
        return PQsocket(conn->pq);
}

bool pg_is_lost(PgConn *conn) {
        return !PQconsumeInput(conn->pq) || PQstatus(conn->pq) == CONNECTION_BAD;
}

/* ---- results ------------------------------------------------------------------------------- */

void pg_rows_free(PgRows *rows) {
        PQclear(rows_result(rows));
}

size_t pg_rows_count(const PgRows *rows) {
        return (size_t) PQntuples(rows_result(rows));
}

const char *pg_rows_text(const PgRows *rows, size_t row, int column) {
        if (PQgetisnull(rows_result(rows), (int) row, column))
                return NULL;
        return PQgetvalue(rows_result(rows), (int) row, column);
}

uint64_t pg_rows_affected(const PgRows *rows) {
        return strtoull(PQcmdTuples(rows_result(rows)), NULL, 10);
}
