/* The Redis client against a server whose words the test itself speaks. */
#include "web_fixture.h"

#include "io/redis.h"

#define TIMEOUT_MS 150
#define PING "*1\r\n$4\r\nPING\r\n"

typedef struct Fixture {
        WebLoop *loop;
        RedisClient *redis;
        pthread_t thread;
        int listen_fd, peer; /* peer: the server's end of the newest connection */
        uint16_t port;
        atomic_int n_up, n_down, n_values;
        atomic_int n_refused; /* requests that were not sent at all */
        char reason[200];     /* of the last time that it went down */
        char value[100];
        size_t length;
        bool missed;
} Fixture;

static void on_state(bool connected, const char *reason, void *user) {
        Fixture *f = user;

        if (!connected)
                snprintf(f->reason, sizeof(f->reason), "%s", reason);
        atomic_fetch_add(connected ? &f->n_up : &f->n_down, 1);
}

static void on_value(const char *value, size_t length, void *user) {
        Fixture *f = user;

        f->missed = !value;
        f->length = length;
        if (value)
                memcpy(f->value, value, MIN_OF(length, sizeof(f->value)));
        atomic_fetch_add(&f->n_values, 1);
}

/* What a wake-up of the loop does. */
static void on_wake(void *user) {
        Fixture *f = user;

        redis_client_set(f->redis, "k", "a\r\n", 3, 1500);
        if (redis_client_get(f->redis, "key", on_value, f) == -ENOTCONN)
                atomic_fetch_add(&f->n_refused, 1);
}

static void begin_at(Fixture *f, const char *host, uint16_t port, const char *password) {
        const RedisOptions options = { .host = host,
                                       .port = port,
                                       .password = password,
                                       .timeout_ms = TIMEOUT_MS,
                                       .on_state = on_state,
                                       .user = f };

        assert_int_equal(web_loop_new(&f->loop), 0);
        assert_int_equal(web_loop_on_wake(f->loop, on_wake, f), 0);
        assert_int_equal(redis_client_new(&f->redis, f->loop, &options), 0);
        start_loop(f->loop, &f->thread);
}

static void begin(Fixture *f, const char *password) {
        *f = (Fixture){ .peer = -1 };
        f->listen_fd = open_port(&f->port);
        begin_at(f, "127.0.0.1", f->port, password);
}

static void end(Fixture *f) {
        stop_loop(f->loop, f->thread);
        redis_client_free(f->redis);
        web_loop_free(f->loop);
        if (f->peer >= 0)
                close(f->peer);
        if (f->listen_fd > 0)
                close(f->listen_fd);
}

/* The next connection, up to the first thing that the client says. */
static void accept_next(Fixture *f, const char *expected) {
        const struct timeval patience = { .tv_sec = WAIT_S };
        char buffer[1000];

        if (f->peer >= 0)
                close(f->peer);
        setsockopt(f->listen_fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        fcntl(f->listen_fd, F_SETFL, fcntl(f->listen_fd, F_GETFL) & ~O_NONBLOCK);
        f->peer = accept(f->listen_fd, NULL, NULL);
        assert_true(f->peer >= 0);
        setsockopt(f->peer, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        assert_int_equal(hear(f->peer, buffer, sizeof(buffer), expected, 1), 1);
}

static void ask(Fixture *f) {
        web_loop_wake(f->loop);
}

/* Asks, and gives this answer to the GET. */
static void answer(Fixture *f, const char *words) {
        static const char set[] = "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na\r\n\r\n"
                                  "$2\r\nPX\r\n$4\r\n1500\r\n";
        const int before = atomic_load(&f->n_values);
        char buffer[1000];

        ask(f);
        assert_int_equal(hear(f->peer, buffer, sizeof(buffer), "GET\r\n$3\r\nkey\r\n", 1), 1);
        /* The value with its length, for it may hold anything; then its time to live. */
        assert_non_null(memmem(buffer, sizeof(buffer), set, sizeof(set) - 1));
        say(f->peer, "+OK\r\n");
        say(f->peer, words);
        await_value(&f->n_values, before + 1);
        assert_int_equal(atomic_load(&f->n_values), before + 1);
}

static void test_values(void **state) {
        Fixture f;

        (void) state;
        begin(&f, "");
        accept_next(&f, PING);
        assert_int_equal(atomic_load(&f.n_up), 0); /* connected is not enough */
        say(f.peer, "+PONG\r\n");
        await_value(&f.n_up, 1);

        answer(&f, "$5\r\nvalue\r\n");
        assert_false(f.missed);
        assert_int_equal(f.length, 5);
        assert_memory_equal(f.value, "value", 5);
        answer(&f, "$0\r\n\r\n");
        assert_false(f.missed);
        assert_int_equal(f.length, 0);
        answer(&f, "$-1\r\n");
        assert_true(f.missed);
        answer(&f, "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
        assert_true(f.missed);
        answer(&f, "*1\r\n$1\r\nx\r\n");
        assert_true(f.missed);
        answer(&f, ":5\r\n");
        assert_true(f.missed);
        assert_int_equal(atomic_load(&f.n_down), 0);
        end(&f);
}

static void test_password(void **state) {
        static const struct {
                const char *words, *reason; /* NULL: connected */
        } rows[] = {
                { "+OK\r\n+PONG\r\n", NULL },
                { "-ERR Client sent AUTH, but no password is set\r\n+PONG\r\n", NULL },
                { "-WRONGPASS invalid password\r\n-NOAUTH Authentication required.\r\n",
                  "WRONGPASS invalid password" },
                { "+OK\r\n-LOADING Redis is loading the dataset in memory\r\n",
                  "LOADING Redis is loading the dataset in memory" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Fixture f;
                begin(&f, "secret %s %n");
                accept_next(&f, "AUTH\r\n$12\r\nsecret %s %n\r\n" PING);
                say(f.peer, rows[i].words);
                await_value(rows[i].reason ? &f.n_down : &f.n_up, 1);
                if (rows[i].reason && strcmp(f.reason, rows[i].reason) != 0)
                        fail_row(i, "%s", f.reason);
                end(&f);
        }
}

/* Nobody waits for a server that says nothing, and it is tried again. */
static void test_silence(void **state) {
        Fixture f;

        (void) state;
        begin(&f, "");
        accept_next(&f, PING);
        await_value(&f.n_down, 1);
        assert_string_equal(f.reason, "it does not answer in time");
        ask(&f);
        await_value(&f.n_refused, 1);
        accept_next(&f, PING);
        say(f.peer, "+PONG\r\n");
        await_value(&f.n_up, 1);

        ask(&f);
        await_value(&f.n_values, 1); /* without any answer */
        assert_true(f.missed);
        await_value(&f.n_down, 2);
        accept_next(&f, PING);
        say(f.peer, "+PONG\r\n");
        await_value(&f.n_up, 2);
        answer(&f, "$5\r\nvalue\r\n");
        assert_false(f.missed);
        end(&f);
}

/* A connection that ends, in whatever way, ends what was asked of it. */
static void test_lost(void **state) {
        static const char *const last_words[] = { "", "$100\r\nhalf of", "nonsense\r\n",
                                                  "+OK\r\n" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(last_words); i++) {
                Fixture f;
                char buffer[1000];
                begin(&f, "");
                accept_next(&f, PING);
                say(f.peer, "+PONG\r\n");
                await_value(&f.n_up, 1);
                ask(&f);
                assert_int_equal(hear(f.peer, buffer, sizeof(buffer), "key\r\n", 1), 1);
                say(f.peer, last_words[i]);
                close(f.peer);
                f.peer = -1;
                await_value(&f.n_values, 1);
                assert_true(f.missed);
                await_value(&f.n_down, 1);
                accept_next(&f, PING);
                assert_int_equal(atomic_load(&f.n_values), 1);
                end(&f);
        }
}

static void test_freed_while_asking(void **state) {
        Fixture f;
        char buffer[1000];

        (void) state;
        begin(&f, "");
        accept_next(&f, PING);
        say(f.peer, "+PONG\r\n");
        await_value(&f.n_up, 1);
        ask(&f);
        assert_int_equal(hear(f.peer, buffer, sizeof(buffer), "key\r\n", 1), 1);
        end(&f);
        assert_int_equal(atomic_load(&f.n_values), 1);
        assert_true(f.missed);
        assert_int_equal(atomic_load(&f.n_down), 0); /* nobody is there to be told */
}

static void test_nobody_there(void **state) {
        static const char *const hosts[] = { "127.0.0.1", "/no/such/socket",
                                             "no-such-host.invalid" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(hosts); i++) {
                Fixture f = { .peer = -1 };
                uint16_t port;
                close(open_port(&port));
                begin_at(&f, hosts[i], port, "");
                await_value(&f.n_down, 1);
                assert_true(strlen(f.reason) > 0);
                end(&f);
                assert_int_equal(atomic_load(&f.n_down), 1); /* told once, however often tried */
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_password),
                cmocka_unit_test(test_silence),
                cmocka_unit_test(test_lost),
                cmocka_unit_test(test_freed_while_asking),
                cmocka_unit_test(test_nobody_there),
        };
        return cmocka_run_group_tests_name("redis", tests, NULL, NULL);
}
