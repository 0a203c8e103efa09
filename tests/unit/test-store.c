/* With a PostgreSQL that notes what it is told and answers what a test wants (--wrap in
 * Makefile.inc); the real one is asked in tests/integration. */
#include "unit.h"
#include "websocket/store.h"

#include <stdlib.h>

#include "core/timestamp.h"
#include "io/pg.h"

static int n_noted, n_statements;
static char last_statement[16], known[64];
static int next_result;           /* of the next statement that writes prices */
static const char *const *answer; /* rows of two columns */
static size_t n_answer;
static bool is_lost;

int __wrap_pg_connect_cancelable(PgConn **ret, const Config *config, const char *application_name,
                                 int cancel_fd, char *error, size_t error_size);
int __wrap_pg_query(PgConn *conn, const char *sql, const char *const *params, size_t n_params,
                    PgRows **ret_rows, char *error, size_t error_size);
void __wrap_pg_close(PgConn *conn);
bool __wrap_pg_is_lost(PgConn *conn);
void __wrap_pg_rows_free(PgRows *rows);
size_t __wrap_pg_rows_count(const PgRows *rows);
const char *__wrap_pg_rows_text(const PgRows *rows, size_t row, int column);

int __wrap_pg_connect_cancelable(PgConn **ret, const Config *config _unused_,
                                 const char *application_name _unused_, int cancel_fd _unused_,
                                 char *error _unused_, size_t error_size _unused_) {
        *ret = NULL;
        return 0;
}

int __wrap_pg_query(PgConn *conn _unused_, const char *sql, const char *const *params,
                    size_t n_params, PgRows **ret_rows, char *error, size_t error_size) {
        int r = 0;

        /* ROLLBACK comes at once after the statement that failed. */
        if (strcmp(sql, "ROLLBACK") != 0)
                assert_int_equal(++n_statements, n_noted);
        snprintf(last_statement, sizeof(last_statement), "%s", sql);
        if (strstr(sql, "INTO kafka_offsets")) {
                assert_int_equal(n_params, 5);
                snprintf(known, sizeof(known), "%s", params[4]);
        }
        if (strstr(sql, "INTO prices")) {
                r = next_result;
                next_result = 0;
        }
        if (r < 0)
                snprintf(error, error_size, "refused");
        if (r == 0 && ret_rows)
                *ret_rows = NULL;
        return r;
}

void __wrap_pg_close(PgConn *conn _unused_) {
}

bool __wrap_pg_is_lost(PgConn *conn _unused_) {
        return is_lost;
}

void __wrap_pg_rows_free(PgRows *rows _unused_) {
}

size_t __wrap_pg_rows_count(const PgRows *rows _unused_) {
        return n_answer;
}

const char *__wrap_pg_rows_text(const PgRows *rows _unused_, size_t row, int column) {
        return answer[row * 2 + (size_t) column];
}

static void note_statement(void *user) {
        ++*(int *) user;
}

static Store *open_store(void) {
        static const Config config = { .kafka_group_id = (char *) "group",
                                       .kafka_topic = (char *) "topic" };
        char error[STORE_ERROR_SIZE];
        Store *store;

        n_noted = n_statements = 0;
        assert_int_equal(store_open(&store, &config, -1, note_statement, &n_noted, error), 0);
        return store;
}

static int write_positions(Store *store, const KafkaPosition *next, size_t n, size_t n_moved) {
        n_answer = n_moved;
        return store_write(store, NULL, 0, next, n);
}

static void test_positions_move_from_where_they_are_known_to_stand(void **state) {
        static const char *const rows[] = { "1", "40", "3", "7" };
        KafkaPosition loaded[] = { { .partition = 1 }, { .partition = 2 }, { .partition = 3 } };
        const KafkaPosition next[] = { { 2, 5 }, { 1, 50 } }, later[] = { { 1, 60 }, { 3, 8 } };
        _cleanup_(store_closep) Store *store = open_store();

        (void) state;
        answer = rows;
        n_answer = 2;
        assert_int_equal(store_load_positions(store, loaded, 3), 0);
        assert_int_equal(loaded[0].offset, 40);
        assert_int_equal(loaded[1].offset, KAFKA_OFFSET_EARLIEST);
        assert_int_equal(write_positions(store, next, 2, 2), 0);
        assert_string_equal(known, "{NULL,\"40\"}");
        /* One of the two stands elsewhere. */
        assert_int_equal(write_positions(store, later, 2, 1), -EREMCHG);
        assert_string_equal(known, "{\"50\",\"7\"}");
        assert_string_not_equal(last_statement, "COMMIT");
        assert_string_not_equal(store_error(store), "");
        assert_int_equal(write_positions(store, later, 2, 2), 0);
        assert_string_equal(known, "{\"50\",\"7\"}");
        assert_string_equal(last_statement, "COMMIT");
}

static PriceUpdate update(void) {
        return (PriceUpdate){ .coin_id = "bitcoin",
                              .currency = "usd",
                              .timestamp_ms = TIMESTAMP_MIN_MS,
                              .price = { "1" } };
}

/* __wrap_pg_query() looks at each. */
static void test_every_statement_is_told(void **state) {
        const PriceUpdate u = update();
        _cleanup_(store_closep) Store *store = open_store();

        (void) state;
        assert_int_equal(store_write(store, &u, 1, NULL, 0), 0);
        assert_int_equal(n_statements, 6);
}

static void test_error_of_the_last_call(void **state) {
        const PriceUpdate u = update();
        _cleanup_(store_closep) Store *store = open_store();

        (void) state;
        next_result = -EINVAL;
        assert_int_equal(store_write(store, &u, 1, NULL, 0), -EINVAL);
        assert_string_equal(last_statement, "ROLLBACK");
        assert_string_equal(store_error(store), "refused");
        is_lost = true;
        assert_true(store_is_lost(store));
        assert_string_equal(store_error(store), "the server has closed the connection");
        assert_int_equal(store_write(store, &u, 1, NULL, 0), 0);
        assert_string_equal(store_error(store), "");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_positions_move_from_where_they_are_known_to_stand),
                cmocka_unit_test(test_every_statement_is_told),
                cmocka_unit_test(test_error_of_the_last_call),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
