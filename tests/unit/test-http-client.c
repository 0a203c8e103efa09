/* The HTTP client against a real server on the loopback: a thread with a socket, which answers
 * according to the path. */
#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "io/http_client.h"

#define MAX_BODY 100000
#define SECRET "x-cg-demo-api-key: CG-geheim"

/* "hello, market\n", as gzip writes it */
static const unsigned char gzip_hello[] = { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02,
                                            0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0xd7, 0x51, 0xc8,
                                            0x4d, 0x2c, 0xca, 0x4e, 0x2d, 0xe1, 0x02, 0x00, 0xaf,
                                            0x86, 0x4c, 0x14, 0x0e, 0x00, 0x00, 0x00 };

/* ---- the server -------------------------------------------------------------------------------
 */

static int listen_fd;
static uint16_t port;
static atomic_int n_connections, n_requests;
static char last_request[8192];

static void send_all(int fd, const void *data, size_t length) {
        for (const char *p = data; length > 0;) {
                ssize_t n = send(fd, p, length, MSG_NOSIGNAL);
                if (n <= 0)
                        return;
                p += n;
                length -= (size_t) n;
        }
}

static void answer(int fd, const char *status, const char *headers, const void *body,
                   size_t length) {
        char head[1024];
        int n = snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n", status,
                         length, headers);
        send_all(fd, head, (size_t) n);
        send_all(fd, body, length);
}

/* A megabyte of zeros in 7 kB: deflate's fixed codes, a literal 0 and then "258 bytes from one
 * byte ago" (RFC 1951 section 3.2.6) again and again. */
static size_t make_bomb(unsigned char *out) {
        static const char head[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03";
        size_t bit = 0;

        memcpy(out, head, 10);
        memset(out + 10, 0, 8000);
#define PUT(value, count)                                                                          \
        for (int i_ = (count) -1; i_ >= 0; i_--, bit++)                                            \
        out[10 + bit / 8] |= (unsigned char) ((((value) >> i_) & 1) << bit % 8)
        PUT(6, 3);    /* the last block, fixed codes: 1, 10 */
        PUT(0x30, 8); /* literal 0 */
        for (int i = 0; i < 4065; i++) {
                PUT(0xc5, 8); /* length 258 */
                PUT(0, 5);    /* distance 1 */
        }
        PUT(0, 7); /* end of block */
#undef PUT
        return 10 + bit / 8 + 1;
}

static void answer_date(int fd, int seconds_ahead) {
        char header[128];
        time_t when = time(NULL) + seconds_ahead;
        struct tm utc;
        gmtime_r(&when, &utc);
        strftime(header, sizeof(header),
                 "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n"
                 "Date: %a, %d %b %Y %H:%M:%S GMT\r\n",
                 &utc);
        answer(fd, "429 Too Many Requests", header, "", 0);
}

static void answer_bomb(int fd) {
        static unsigned char bomb[8192];
        size_t n = make_bomb(bomb);
        answer(fd, "200 OK", "Content-Encoding: gzip\r\n", bomb, n);
}

/* Without a Content-Length, ended by closing. */
static void answer_endless(int fd) {
        static char chunk[65536];
        send_all(fd, "HTTP/1.1 200 OK\r\n\r\n", 19);
        for (int i = 0; i < 100; i++)
                send_all(fd, chunk, sizeof(chunk));
}

static void reset(int fd) {
        struct linger linger = { .l_onoff = 1, .l_linger = 0 };
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static const struct {
        const char *path, *status, *headers, *body;
} answers[] = {
        { "/hello", "200 OK", "", "hello" },
        { "/empty", "200 OK", "", "" },
        { "/none", "204 No Content", "", "" },
        { "/missing", "404 Not Found", "", "{\"error\":\"coin not found\"}" },
        { "/limit-119", "429 Too Many Requests", "Retry-After: 119\r\n", "Throttled" },
        { "/limit-lower", "429 Too Many Requests", "retry-after:   7  \r\n", "" },
        { "/limit-0", "429 Too Many Requests", "Retry-After: 0\r\n", "" },
        { "/limit-absent", "429 Too Many Requests", "", "" },
        { "/limit-huge", "429 Too Many Requests", "Retry-After: 9223372036854775807\r\n", "" },
        { "/limit-negative", "429 Too Many Requests", "Retry-After: -5\r\n", "" },
        { "/limit-garbage", "429 Too Many Requests", "Retry-After: soon\r\n", "" },
        { "/moved", "301 Moved Permanently", "Location: /hello\r\n", "" },
        { "/broken-gzip", "200 OK", "Content-Encoding: gzip\r\n", "this is not gzip" },
};

/* False if the connection is to be closed. */
static bool respond(int fd, const char *path) {
        static char big[MAX_BODY + 1];

        for (size_t i = 0; i < ELEMENTS(answers); i++)
                if (strcmp(answers[i].path, path) == 0) {
                        answer(fd, answers[i].status, answers[i].headers, answers[i].body,
                               strlen(answers[i].body));
                        return true;
                }
        if (strcmp(path, "/gzip") == 0)
                answer(fd, "200 OK", "Content-Encoding: gzip\r\n", gzip_hello, sizeof(gzip_hello));
        else if (strcmp(path, "/bomb") == 0)
                answer_bomb(fd);
        else if (strcmp(path, "/max") == 0)
                answer(fd, "200 OK", "", big, MAX_BODY);
        else if (strcmp(path, "/too-big") == 0)
                answer(fd, "200 OK", "", big, MAX_BODY + 1);
        else if (strcmp(path, "/date-60") == 0)
                answer_date(fd, 60);
        else if (strcmp(path, "/date-past") == 0)
                answer_date(fd, -3600);
        else if (strcmp(path, "/stall") == 0)
                return true;
        else if (strcmp(path, "/endless") == 0)
                answer_endless(fd);
        else if (strcmp(path, "/cut") == 0)
                send_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", 44);
        else if (strcmp(path, "/no-http") == 0)
                send_all(fd, "SSH-2.0-OpenSSH_9.2p1\r\n", 23);
        else if (strcmp(path, "/reset") == 0)
                reset(fd);
        return strcmp(path, "/endless") && strcmp(path, "/cut") && strcmp(path, "/no-http") &&
               strcmp(path, "/reset") && strcmp(path, "/close");
}

/* One connection at a time is all that the client makes, but a stalled one may still be open. */
static void *serve_connection(void *user) {
        int fd = (int) (intptr_t) user;
        char request[8192], path[256];
        size_t n = 0;

        for (;;) {
                ssize_t got = recv(fd, request + n, sizeof(request) - 1 - n, 0);
                if (got <= 0)
                        break;
                n += (size_t) got;
                request[n] = '\0';
                if (!strstr(request, "\r\n\r\n"))
                        continue;
                strcpy(last_request, request);
                n_requests++;
                n = 0;
                if (sscanf(request, "GET %255s", path) != 1 || !respond(fd, path))
                        break;
        }
        close(fd);
        return NULL;
}

static void *serve(void *user) {
        (void) user;
        for (int fd; (fd = accept(listen_fd, NULL, NULL)) >= 0;) {
                pthread_t thread;
                n_connections++;
                if (pthread_create(&thread, NULL, serve_connection, (void *) (intptr_t) fd) == 0)
                        pthread_detach(thread);
        }
        return NULL;
}

static pthread_t server;

static int start_server(void **state) {
        struct sockaddr_in a = { .sin_family = AF_INET,
                                 .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
        socklen_t length = sizeof(a);

        (void) state;
        setenv("no_proxy", "*", 1);
        listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (listen_fd < 0 || bind(listen_fd, (struct sockaddr *) &a, sizeof(a)) < 0 ||
            listen(listen_fd, 10) < 0 ||
            getsockname(listen_fd, (struct sockaddr *) &a, &length) < 0)
                return -1;
        port = ntohs(a.sin_port);
        return pthread_create(&server, NULL, serve, NULL) == 0 ? 0 : -1;
}

static int stop_server(void **state) {
        (void) state;
        shutdown(listen_fd, SHUT_RDWR);
        pthread_join(server, NULL);
        return close(listen_fd);
}

/* ---- the tests --------------------------------------------------------------------------------
 */

static int n_waits;

static void on_wait(void *user) {
        (void) user;
        n_waits++;
}

static HttpClient *new_client(int64_t timeout_ms) {
        const HttpClientOptions options = { .timeout_ms = timeout_ms,
                                            .max_body = MAX_BODY,
                                            .user_agent = "crypto-pulse/test",
                                            .on_wait = on_wait };
        HttpClient *client = NULL;
        assert_int_equal(http_client_new(&client, &options), 0);
        return client;
}

static int get(HttpClient *client, const char *path, int cancel_fd, HttpAnswer *ret,
               char error[256]) {
        static const char *const headers[] = { "Accept: application/json", SECRET, NULL };
        char url[256];
        snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
        return http_client_get(client, url, headers, cancel_fd, ret, error, 256);
}

static void test_answers(void **state) {
        static const struct {
                const char *path;
                int status;
                int64_t retry_after_ms;
                const char *body;
        } rows[] = {
                { "/hello", 200, -1, "hello" },
                { "/gzip", 200, -1, "hello, market\n" },
                { "/empty", 200, -1, "" },
                { "/none", 204, -1, "" },
                { "/missing", 404, -1, "{\"error\":\"coin not found\"}" },
                { "/limit-119", 429, 119000, "Throttled" },
                { "/limit-lower", 429, 7000, "" },
                { "/limit-0", 429, 0, "" },
                { "/limit-absent", 429, -1, "" },
                { "/limit-huge", 429, 6 * INT64_C(3600000), "" },
                { "/limit-garbage", 429, 0, "" },
                { "/moved", 301, -1, "" }, /* not followed */
                { "/hello", 200, -1, "hello" },
        };
        _cleanup_(http_client_freep) HttpClient *client = new_client(5000);
        int connections_before = n_connections;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                HttpAnswer a;
                char error[256];
                if (get(client, rows[i].path, -1, &a, error) < 0)
                        fail_row(i, "%s: %s", rows[i].path, error);
                if (a.status != rows[i].status || a.retry_after_ms != rows[i].retry_after_ms ||
                    strcmp(a.body.data ? a.body.data : "", rows[i].body) != 0)
                        fail_row(i, "%s: %d, %lld ms, %s", rows[i].path, a.status,
                                 (long long) a.retry_after_ms, a.body.data);
                assert_in_range(a.duration_ms, 0, 5000);
                assert_in_range(clock_monotonic_ms() - a.received_at_ns / 1000000, 0, 5000);
                http_answer_done(&a);
        }
        assert_int_equal(n_connections - connections_before, 1); /* kept alive */
}

static void test_request(void **state) {
        _cleanup_(http_client_freep) HttpClient *client = new_client(5000);
        HttpAnswer a;
        char error[256];

        (void) state;
        assert_int_equal(get(client, "/hello", -1, &a, error), 0);
        http_answer_done(&a);
        assert_non_null(strstr(last_request, "GET /hello HTTP/1.1\r\n"));
        assert_non_null(strstr(last_request, "\r\nUser-Agent: crypto-pulse/test\r\n"));
        assert_non_null(strstr(last_request, "\r\nAccept-Encoding: gzip\r\n"));
        assert_non_null(strstr(last_request, "\r\nAccept: application/json\r\n"));
        assert_non_null(strstr(last_request, "\r\n" SECRET "\r\n"));
}

static void test_dates(void **state) {
        _cleanup_(http_client_freep) HttpClient *client = new_client(5000);
        HttpAnswer a;
        char error[256];

        (void) state;
        assert_int_equal(get(client, "/date-60", -1, &a, error), 0);
        assert_in_range(a.retry_after_ms, 50000, 60000);
        assert_in_range(a.date_ms - clock_realtime_ms(), 50000, 60000);
        http_answer_done(&a);
        assert_int_equal(get(client, "/date-past", -1, &a, error), 0);
        assert_true(a.retry_after_ms <= 0);
        http_answer_done(&a);
        assert_int_equal(get(client, "/limit-negative", -1, &a, error), 0);
        assert_true(a.retry_after_ms <= 0);
        assert_int_equal(a.date_ms, 0);
        http_answer_done(&a);
}

/* Each ends with an error of its own and a text; the next request works again. */
static void test_failures(void **state) {
        static const struct {
                const char *path;
                int r;
                const char *error;
        } rows[] = {
                { "/stall", -ETIMEDOUT, "timed out" },
                { "/too-big", -EMSGSIZE, "more than 100000 bytes" },
                { "/endless", -EMSGSIZE, "more than 100000 bytes" },
                { "/bomb", -EMSGSIZE, "more than 100000 bytes" },
                { "/broken-gzip", -EIO, "" },
                { "/cut", -EIO, "" },
                { "/no-http", -EIO, "" },
                { "/reset", -EIO, "" },
                { "/close", -EIO, "" },
        };
        _cleanup_(http_client_freep) HttpClient *client =
                        new_client(1500); /* a busy host is no failure */

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                HttpAnswer a = { .status = 42 };
                char error[256] = "";
                int r = get(client, rows[i].path, -1, &a, error);
                if (r != rows[i].r || !strstr(error, rows[i].error) || strlen(error) < 8 ||
                    strcmp(error, "out of memory") == 0)
                        fail_row(i, "%s: %d %s", rows[i].path, r, error);
                assert_int_equal(a.status, 42);
                assert_null(strstr(error, "geheim"));
                assert_null(strchr(error, '\n'));
                assert_int_equal(get(client, "/hello", -1, &a, error), 0);
                assert_string_equal(a.body.data, "hello");
                http_answer_done(&a);
        }
}

static void test_bound(void **state) {
        _cleanup_(http_client_freep) HttpClient *client = new_client(5000);
        HttpAnswer a;
        char error[256];

        (void) state;
        assert_int_equal(get(client, "/max", -1, &a, error), 0);
        assert_int_equal(a.body.length, MAX_BODY);
        http_answer_done(&a);
}

static void test_unreachable(void **state) {
        static const struct {
                const char *url;
                int r;
        } rows[] = {
                { "http://127.0.0.1:1/", -ECONNREFUSED },
                { "http://"
                  "a-label-of-more-than-63-bytes-which-no-resolver-asks-anybody-for-at-all."
                  "invalid/",
                  -EHOSTUNREACH },
                { "file:///etc/passwd", -EIO },
                { "no url at all", -EIO },
                { "", -EIO },
        };
        _cleanup_(http_client_freep) HttpClient *client = new_client(5000);

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                HttpAnswer a;
                char error[256] = "";
                int r = http_client_get(client, rows[i].url, NULL, -1, &a, error, sizeof(error));
                if (r != rows[i].r || !*error)
                        fail_row(i, "%s: %d %s", rows[i].url, r, error);
        }
}

/* TLS is verified: a server that does not speak it is no source. */
static void test_tls(void **state) {
        _cleanup_(http_client_freep) HttpClient *client = new_client(2000);
        HttpAnswer a;
        char url[64], error[256] = "";

        (void) state;
        snprintf(url, sizeof(url), "https://127.0.0.1:%d/no-http", port);
        int r = http_client_get(client, url, NULL, -1, &a, error, sizeof(error));
        assert_true(r == -EKEYREJECTED || r == -ETIMEDOUT || r == -EIO);
        assert_true(strlen(error) > 0);
}

typedef struct Cancel {
        int fd, requests_before;
} Cancel;

/* As soon as the server has the request. */
static void *cancel_soon(void *user) {
        const Cancel *c = user;
        uint64_t one = 1;
        while (n_requests == c->requests_before)
                sched_yield();
        return write(c->fd, &one, sizeof(one)) == sizeof(one) ? user : NULL;
}

/* While the server says nothing, and already before the request. */
static void test_cancel(void **state) {
        _cleanup_(http_client_freep) HttpClient *client = new_client(60000);
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        HttpAnswer a;
        char error[256];
        pthread_t thread;
        void *result;

        (void) state;
        int64_t before = clock_monotonic_ms();
        Cancel cancel = { .fd = fd, .requests_before = n_requests };
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
        assert_int_equal(get(client, "/stall", fd, &a, error), -ECANCELED);
        pthread_join(thread, &result);
        assert_ptr_equal(result, &cancel);
        assert_int_equal(get(client, "/stall", fd, &a, error), -ECANCELED);
        assert_true(clock_monotonic_ms() - before < 10000);

        uint64_t count;
        assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
        assert_int_equal(get(client, "/hello", fd, &a, error), 0);
        http_answer_done(&a);
        close(fd);
}

static void test_on_wait(void **state) {
        _cleanup_(http_client_freep) HttpClient *client = new_client(1500);
        HttpAnswer a;
        char error[256];

        (void) state;
        n_waits = 0;
        assert_int_equal(get(client, "/stall", -1, &a, error), -ETIMEDOUT);
        assert_in_range(n_waits, 1, 100);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_answers), cmocka_unit_test(test_request),
                cmocka_unit_test(test_dates),   cmocka_unit_test(test_failures),
                cmocka_unit_test(test_bound),   cmocka_unit_test(test_unreachable),
                cmocka_unit_test(test_tls),     cmocka_unit_test(test_cancel),
                cmocka_unit_test(test_on_wait),
        };
        return cmocka_run_group_tests_name("http-client", tests, start_server, stop_server);
}
