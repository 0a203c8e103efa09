#include "web_fixture.h"

#include "io/http_server.h"

#define BIG_BYTES 4000000
#define HOST "Host: x\r\n\r\n"

typedef struct Fixture {
        WebLoop *loop;
        HttpServer *server;
        pthread_t thread;
        uint16_t port;
        char *big;
        _Atomic(HttpRequest *) kept; /* answered by the next request for /answer */
} Fixture;

static void respond(HttpRequest *request, const char *text) {
        const HttpResponse response = { .status = 200,
                                        .content_type = "text/plain",
                                        .body = text,
                                        .body_length = strlen(text) };

        http_request_respond(request, &response);
}

static void respond_info(HttpRequest *request) {
        const char *q = http_request_query(request, "q");
        const char *custom = http_request_header(request, "x-custom");
        const char *agent = http_request_header(request, "user-agent");
        char text[20000];
        size_t length;

        snprintf(text, sizeof(text), "%s %s q=%s custom=%s agent=%s second=%s body=%s from=%s\n",
                 http_request_method(request), http_request_path(request), q ? q : "(none)",
                 custom ? custom : "(none)", agent ? agent : "(none)",
                 http_request_parameter(request, 0) && http_request_parameter(request, 1)
                                 ? http_request_parameter(request, 1)
                                 : "(none)",
                 http_request_body(request, &length), http_request_peer(request));
        respond(request, text);
}

static void handle(HttpRequest *request, void *user) {
        Fixture *f = user;
        const char *path = http_request_path(request);
        HttpResponse response = { .status = 200, .content_type = "text/plain" };

        if (strcmp(path, "/big") == 0 || strcmp(path, "/cut") == 0) {
                response.body = f->big;
                response.body_length = BIG_BYTES;
                response.cut_after = path[1] == 'c' ? 100 : 0;
                http_request_respond(request, &response);
        } else if (strcmp(path, "/keep") == 0) {
                atomic_store(&f->kept, request);
        } else if (strcmp(path, "/answer") == 0) {
                respond(atomic_exchange(&f->kept, NULL), "kept\n");
                respond(request, "answered\n");
        } else if (strcmp(path, "/reset") == 0) {
                http_request_reset(request);
        } else if (strcmp(path, "/empty") == 0) {
                response.status = 304;
                http_request_respond(request, &response);
        } else {
                respond_info(request);
        }
}

static int set_up(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        int fd = open_port(&f->port);

        f->big = malloc(BIG_BYTES);
        memset(f->big, 'x', BIG_BYTES);
        assert_int_equal(web_loop_new(&f->loop), 0);
        assert_int_equal(http_server_new(&f->server, f->loop, fd, handle, f), 0);
        http_server_allow_bodies(f->server);
        start_loop(f->loop, &f->thread);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        Fixture *f = *state;

        stop_loop(f->loop, f->thread);
        http_server_free(f->server);
        web_loop_free(f->loop);
        free(f->big);
        free(f);
        return 0;
}

/* Asks, and checks that ANSWER comes. */
static void expect(Fixture *f, const char *question, const char *answer) {
        static char heard[40000];
        const int fd = connect_to(f->port);

        say(fd, question);
        if (hear(fd, heard, sizeof(heard), answer, 1) != 1)
                fail_msg("%.60s got %.400s", question, heard);
        close(fd);
}

static void test_request(void **state) {
        expect(*state,
               "GET /a%20b?q=1%2B1+%26&r=s HTTP/1.1\r\nX-Custom: c\r\nUser-Agent: u\r\n" HOST,
               "GET /a b q=1+1 & custom=c agent=u second=r=s body= from=127.0.0.1\n");
        expect(*state, "POST /p HTTP/1.1\r\nContent-Length: 5\r\nHost: x\r\n\r\nhello",
               "POST /p q=(none) custom=(none) agent=(none) second=(none) body=hello ");
        expect(*state, "GET /p HTTP/1.0\r\n\r\n", "HTTP/1.0 200 OK");
}

static void test_refusals(void **state) {
        static char large[20000];

        snprintf(large, sizeof(large), "GET /?q=%017000d HTTP/1.1\r\n" HOST, 0);
        expect(*state, large, " 431 ");
        expect(*state, "POST / HTTP/1.1\r\nContent-Length: 5x\r\n" HOST, " 400 ");
        expect(*state, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" HOST, " 411 ");
        expect(*state, "POST / HTTP/1.1\r\nContent-Length: 99999999\r\n" HOST, " 413 ");
        expect(*state, "GET nonsense HTTP/1.1\r\n" HOST, " 403 ");
        expect(*state, "GET http://host/echo HTTP/1.1\r\n" HOST, " 403 ");
        expect(*state, "OPTIONS * HTTP/1.1\r\n" HOST, " 403 ");
        expect(*state, "TRACE /echo HTTP/1.1\r\n" HOST, " 403 ");
        expect(*state, "GET /%zz HTTP/1.1\r\n" HOST, " 403 ");
}

static void test_large_headers(void **state) {
        static char large[20000];

        snprintf(large, sizeof(large), "GET / HTTP/1.1\r\nX-Custom: %012000d\r\n" HOST, 0);
        expect(*state, large, "00 agent=");
}

static void test_keep_alive(void **state) {
        Fixture *f = *state;
        static char heard[2000000];
        const int fd = connect_to(f->port);
        size_t length = 0;

        for (int i = 0; i < 1000; i++)
                length += (size_t) sprintf(heard + length, "GET /?q=%d HTTP/1.1\r\n" HOST, i);
        say(fd, heard);
        assert_int_equal(hear(fd, heard, sizeof(heard), "from=127.0.0.1\n", 1000), 1000);
        assert_non_null(strstr(heard, "q=999 "));
        close(fd);
}

static void test_head(void **state) {
        Fixture *f = *state;
        char heard[2000];
        const int fd = connect_to(f->port);

        say(fd, "HEAD /big HTTP/1.1\r\n" HOST "GET /empty HTTP/1.1\r\n" HOST
                "GET /last HTTP/1.1\r\nConnection: close\r\n" HOST);
        assert_int_equal(hear(fd, heard, sizeof(heard), "GET /last", 1), 1);
        assert_non_null(strstr(heard, "content-length: 4000000"));
        assert_null(strstr(heard, "xxx"));
        assert_non_null(strstr(heard, "connection: close"));
        assert_int_equal(recv(fd, heard, 1, 0), 0);
        close(fd);
}

/* More than the kernel takes at once, to a client that does not read at first. */
static void test_slow_reader(void **state) {
        Fixture *f = *state;
        char *heard = malloc(BIG_BYTES + 2000);
        const int fd = connect_to(f->port);

        say(fd, "GET /big HTTP/1.1\r\n" HOST "GET /next HTTP/1.1\r\n" HOST);
        expect(f, "GET /meanwhile HTTP/1.1\r\n" HOST, "GET /meanwhile");
        assert_int_equal(hear(fd, heard, BIG_BYTES + 2000, "GET /next", 1), 1);
        assert_int_equal(strspn(strstr(heard, "\r\n\r\n") + 4, "x"), BIG_BYTES);
        close(fd);
        free(heard);
}

/* Connections are served in any order. */
static void await_kept(Fixture *f) {
        const int64_t end = clock_monotonic_ms() + WAIT_S * 1000;

        while (!atomic_load(&f->kept) && clock_monotonic_ms() < end)
                usleep(1000);
        assert_non_null(atomic_load(&f->kept));
}

static void test_later(void **state) {
        Fixture *f = *state;
        char heard[1000];
        const int fd = connect_to(f->port);

        say(fd, "GET /keep HTTP/1.1\r\n" HOST "GET /next HTTP/1.1\r\n" HOST);
        await_kept(f);
        expect(f, "GET /answer HTTP/1.1\r\n" HOST, "answered\n");
        assert_int_equal(hear(fd, heard, sizeof(heard), "GET /next", 1), 1);
        assert_true(strstr(heard, "kept\n") < strstr(heard, "GET /next"));
        close(fd);
}

static void test_gone_before_the_answer(void **state) {
        Fixture *f = *state;
        const struct linger reset = { .l_onoff = 1 };
        const int fd = connect_to(f->port);

        say(fd, "GET /keep HTTP/1.1\r\n" HOST);
        await_kept(f);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(fd);
        expect(f, "GET /seen HTTP/1.1\r\n" HOST, "GET /seen");
        expect(f, "GET /answer HTTP/1.1\r\n" HOST, "answered\n");
}

static void test_faults(void **state) {
        Fixture *f = *state;
        char heard[1000];
        int fd = connect_to(f->port);

        say(fd, "GET /reset HTTP/1.1\r\n" HOST);
        assert_int_equal(recv(fd, heard, sizeof(heard), 0), -1);
        assert_int_equal(errno, ECONNRESET);
        close(fd);
        fd = connect_to(f->port);
        say(fd, "GET /cut HTTP/1.1\r\n" HOST);
        hear(fd, heard, sizeof(heard), "never", 1);
        assert_int_equal(strlen(strstr(heard, "\r\n\r\n") + 4), 100);
        close(fd);
}

/* Without this one, such a request would make libwebsockets spin for ever. */
static void test_pipelined_body(void **state) {
        Fixture *f = *state;
        char heard[2000];
        const int fd = connect_to(f->port);

        say(fd, "GET /one HTTP/1.1\r\n" HOST
                "POST /two HTTP/1.1\r\nContent-Length: 5\r\nHost: x\r\n\r\nhello");
        assert_int_equal(hear(fd, heard, sizeof(heard), " 400 ", 1), 1);
        close(fd);
        expect(f, "GET /alive HTTP/1.1\r\n" HOST, "GET /alive");
}

static void test_upgrade_is_ignored(void **state) {
        expect(*state,
               "GET /plain HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" HOST,
               "GET /plain");
        expect(*state,
               "GET /plain HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
               "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n" HOST,
               "GET /plain");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_request),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_large_headers),
                cmocka_unit_test(test_keep_alive),
                cmocka_unit_test(test_head),
                cmocka_unit_test(test_slow_reader),
                cmocka_unit_test(test_later),
                cmocka_unit_test(test_gone_before_the_answer),
                cmocka_unit_test(test_faults),
                cmocka_unit_test(test_pipelined_body),
                cmocka_unit_test(test_upgrade_is_ignored),
        };

        return cmocka_run_group_tests(tests, set_up, tear_down);
}
