#include "captured.h"
#include "web_fixture.h"
#include "websocket/hub.h"

#include "core/timestamp.h"
#include "io/journal.h"
#include "io/ws_server.h"

#define MAX_CLIENTS 3
#define COINS 3000 /* more than the kernel holds for a client that does not read */
#define HANDSHAKE                                                                                  \
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"               \
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

typedef struct Fixture {
        WebLoop *loop;
        Hub *hub;
        WsServer *server;
        pthread_t thread;
        uint16_t port;
        int fds[MAX_CLIENTS];
} Fixture;

static int shake_hands(const Fixture *f) {
        char heard[1000] = "";
        const int fd = connect_to(f->port);

        say(fd, HANDSHAKE);
        /* One by one: the first frame may be right behind. */
        for (size_t n = 0; !strstr(heard, "\r\n\r\n"); n++)
                assert_int_equal(recv(fd, heard + n, 1, 0), 1);
        return fd;
}

/* With as many clients as there is room for. */
static int set_up(void **state) {
        Fixture *f = calloc(1, sizeof(*f));
        int fd = open_port(&f->port);

        assert_int_equal(web_loop_new(&f->loop), 0);
        assert_int_equal(hub_new(&f->hub, MAX_CLIENTS), 0);
        assert_int_equal(ws_server_new(&f->server, f->loop, fd, &hub_events, f->hub), 0);
        hub_begin(f->hub);
        start_loop(f->loop, &f->thread);
        for (int i = 0; i < MAX_CLIENTS; i++)
                f->fds[i] = shake_hands(f);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        Fixture *f = *state;

        for (int i = 0; i < MAX_CLIENTS; i++)
                close(f->fds[i]);
        ws_server_free(f->server);
        assert_int_equal(hub_state(f->hub).clients, 0);
        hub_free(f->hub);
        web_loop_free(f->loop);
        free(f);
        return 0;
}

static void test_refused(void **state) {
        Fixture *f = *state;
        char byte;

        capture_begin();
        for (int i = 0; i < 5; i++) {
                const int fd = shake_hands(f);
                assert_int_equal(recv(fd, &byte, 1, 0), 1); /* the close frame */
                close(fd);
        }
        stop_loop(f->loop, f->thread);
        const int64_t now_ms = clock_monotonic_ms();
        hub_turn(f->hub, now_ms + HUB_QUIET_MS - WAIT_S * 1000);
        const char *text = capture_end();
        assert_non_null(strstr(text, "3 clients are connected"));
        assert_null(strstr(strchr(text, '\n') + 1, "\n"));

        capture_begin();
        hub_turn(f->hub, now_ms + HUB_QUIET_MS);
        hub_turn(f->hub, now_ms + HUB_QUIET_MS);
        text = capture_end();
        assert_non_null(strstr(text, "No client has been refused for a minute; 5 were"));
        assert_null(strstr(strchr(text, '\n') + 1, "\n"));
}

static void put_prices(Hub *hub) {
        UpdateBatch *batch = update_batch_new(UPDATE_BATCH_MAX);

        for (int i = 0; i < COINS; i++) {
                PriceUpdate *u = &batch->updates[batch->n++];
                *u = (PriceUpdate){ .currency = "usd", .timestamp_ms = TIMESTAMP_MIN_MS };
                snprintf(u->coin_id, sizeof(u->coin_id), "coin-%d", i);
                snprintf(u->name, sizeof(u->name), "The name of coin %d", i);
                snprintf(u->price.text, sizeof(u->price.text), "%d", i + 1);
                if (batch->n < UPDATE_BATCH_MAX && i + 1 < COINS)
                        continue;
                hub_put(hub, batch);
                batch->n = 0;
        }
        free(batch);
        hub_flush(hub);
}

/* One entry, however many they are. */
static void test_stalled(void **state) {
        Fixture *f = *state;

        stop_loop(f->loop, f->thread);
        put_prices(f->hub);
        const int64_t now_ms = clock_monotonic_ms();
        hub_turn(f->hub, now_ms);
        capture_begin();
        hub_turn(f->hub, now_ms + HUB_STALL_MAX_MS - 1);
        assert_string_equal(capture_end(), "");
        capture_begin();
        hub_turn(f->hub, now_ms + HUB_STALL_MAX_MS);
        const char *text = capture_end();
        assert_non_null(strstr(text, "Dropped 3 clients that took nothing for 30 s."));
        assert_null(strstr(strchr(text, '\n') + 1, "\n"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_stalled, set_up, tear_down),
        };

        journal_open("test-hub");
        journal_set_level("info");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
