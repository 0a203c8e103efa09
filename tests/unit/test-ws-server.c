#include "web_fixture.h"

#include "io/ws_server.h"

#define HANDSHAKE_BEGIN "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
#define HANDSHAKE_END                                                                              \
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
#define HANDSHAKE HANDSHAKE_BEGIN HANDSHAKE_END
/* More than the kernel takes at once. */
#define MANY 3000
#define TEXT_BYTES 3000

typedef struct Fixture {
        WebLoop *loop;
        WsServer *server;
        pthread_t thread;
        uint16_t port;
        WsClient *client; /* the last one that was accepted */
        Buffer batch;     /* MANY frames */
        atomic_int opened, drained, closed;
        atomic_int sent; /* what ws_client_send() returned, and 100 */
        bool refuse;
} Fixture;

static bool on_open(WsClient *client, void *user, void **ret_client_user) {
        Fixture *f = user;

        f->client = client;
        *ret_client_user = f;
        atomic_fetch_add(&f->opened, 1);
        return !f->refuse;
}

static void on_drained(WsClient *client, void *client_user) {
        assert_true(ws_client_is_drained(client));
        atomic_fetch_add(&((Fixture *) client_user)->drained, 1);
}

static void on_close(WsClient *client, void *client_user) {
        Fixture *f = client_user;

        if (f->client == client)
                f->client = NULL;
        atomic_fetch_add(&f->closed, 1);
}

static const WsEvents events = { on_open, on_drained, on_close };

static void send_batch(void *user) {
        Fixture *f = user;

        if (f->client && ws_client_is_drained(f->client))
                atomic_store(&f->sent,
                             100 + ws_client_send(f->client, f->batch.data, f->batch.length));
}

static int set_up(void **state) {
        static char text[TEXT_BYTES];
        Fixture *f = calloc(1, sizeof(*f));
        int fd = open_port(&f->port);

        memset(text, 't', sizeof(text));
        for (int i = 0; i < MANY; i++)
                assert_int_equal(ws_frame_append_text(&f->batch, text, sizeof(text)), 0);
        assert_int_equal(web_loop_new(&f->loop), 0);
        assert_int_equal(web_loop_on_wake(f->loop, send_batch, f), 0);
        assert_int_equal(ws_server_new(&f->server, f->loop, fd, &events, f), 0);
        start_loop(f->loop, &f->thread);
        *state = f;
        return 0;
}

static int tear_down(void **state) {
        Fixture *f = *state;

        stop_loop(f->loop, f->thread);
        ws_server_free(f->server);
        assert_int_equal(f->closed, f->opened - (f->refuse ? 1 : 0));
        web_loop_free(f->loop);
        buffer_done(&f->batch);
        free(f);
        return 0;
}

static void await_handshake(int fd) {
        char heard[1000] = "";

        /* One by one: the first frame may be right behind. */
        for (size_t n = 0; !strstr(heard, "\r\n\r\n"); n++)
                assert_int_equal(recv(fd, heard + n, 1, 0), 1);
        assert_memory_equal(heard, "HTTP/1.1 101", 12);
        /* The example of RFC 6455 section 1.3. */
        assert_non_null(strstr(heard, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
}

static int shake_hands(Fixture *f) {
        const int fd = connect_to(f->port);

        say(fd, HANDSHAKE);
        await_handshake(fd);
        return fd;
}

static void read_exactly(int fd, void *buffer, size_t length) {
        assert_int_equal(recv(fd, buffer, length, MSG_WAITALL), (ssize_t) length);
}

/* The next frame's opcode; its payload's length in ret_length, its first bytes in PAYLOAD. */
static int read_frame(int fd, unsigned char payload[256], size_t *ret_length) {
        static unsigned char rest[70000];
        unsigned char head[4];
        size_t length;

        read_exactly(fd, head, 2);
        assert_int_equal(head[0] & 0xf0, 0x80); /* final */
        assert_int_equal(head[1] & 0x80, 0);    /* a server does not mask */
        length = head[1];
        if (length == 126) {
                read_exactly(fd, head + 2, 2);
                length = (size_t) head[2] << 8 | head[3];
        }
        assert_true(length <= sizeof(rest));
        read_exactly(fd, rest, length);
        memcpy(payload, rest, MIN_OF(length, 256U));
        *ret_length = length;
        return head[0] & 0x0f;
}

/* A masked control frame with the mask 0, which changes nothing. */
static void send_control(int fd, unsigned char opcode, const char *payload, size_t length) {
        unsigned char frame[140] = { (unsigned char) (0x80 | opcode),
                                     (unsigned char) (0x80 | length) };

        memcpy(frame + 6, payload, length);
        assert_int_equal(send(fd, frame, length + 6, MSG_NOSIGNAL), (ssize_t) length + 6);
}

static void test_frame_lengths(void **state) {
        static const struct {
                size_t length, head;
                unsigned char bytes[10];
        } cases[] = {
                { 0, 2, { 0x81, 0 } },
                { 125, 2, { 0x81, 125 } },
                { 126, 4, { 0x81, 126, 0, 126 } },
                { 65535, 4, { 0x81, 126, 0xff, 0xff } },
                { 65536, 10, { 0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0 } },
        };
        static char text[65536];

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                Buffer b = { 0 };

                assert_int_equal(ws_frame_append_text(&b, text, cases[i].length), 0);
                assert_int_equal(b.length, cases[i].head + cases[i].length);
                assert_memory_equal(b.data, cases[i].bytes, cases[i].head);
                buffer_done(&b);
        }
}

static void test_no_handshake(void **state) {
        Fixture *f = *state;
        char heard[1000];
        const int fd = connect_to(f->port);

        say(fd, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        hear(fd, heard, sizeof(heard), "never", 1);
        assert_memory_equal(heard, "HTTP/1.1 426", 12);
        assert_non_null(strstr(heard, "upgrade: websocket\r\n"));
        close(fd);
}

/* Pings and their pongs must not land inside the frames that a slow reader still gets. */
static void test_slow_reader_that_pings(void **state) {
        Fixture *f = *state;
        const int fd = shake_hands(f);
        unsigned char payload[256];
        size_t length;
        int texts = 0, pongs = 0;

        await_value(&f->opened, 1);
        web_loop_wake(f->loop);
        await_value(&f->sent, 100);
        assert_int_equal(f->sent, 101);
        send_control(fd, 0x9, "early", 5);
        while (texts < MANY) {
                const int opcode = read_frame(fd, payload, &length);

                if (opcode == 0xa) {
                        pongs++;
                        continue;
                }
                assert_int_equal(opcode, 0x1);
                assert_int_equal(length, TEXT_BYTES);
                assert_int_equal(payload[0], 't');
                if (++texts == MANY / 2)
                        send_control(fd, 0x9, "late", 4);
        }
        await_value(&f->drained, 1);
        while (pongs == 0) {
                assert_int_equal(read_frame(fd, payload, &length), 0xa);
                pongs++;
        }
        close(fd);
        await_value(&f->closed, 1);
}

static void test_clients_talk_and_leave(void **state) {
        Fixture *f = *state;
        const int fd = shake_hands(f);
        static unsigned char message[8 + 60000] = { 0x82, 0xfe, 60000 >> 8, 60000 & 0xff };
        unsigned char payload[256];
        size_t length;

        for (int i = 0; i < 20; i++)
                assert_int_equal(send(fd, message, sizeof(message), MSG_NOSIGNAL), sizeof(message));
        send_control(fd, 0x9, "still here?", 11);
        assert_int_equal(read_frame(fd, payload, &length), 0xa);
        assert_int_equal(length, 11);
        send_control(fd, 0x8, "\x03\xe8", 2);
        assert_int_equal(read_frame(fd, payload, &length), 0x8);
        assert_memory_equal(payload, "\x03\xe8", 2);
        await_value(&f->closed, 1);
        close(fd);
}

static void test_refused(void **state) {
        Fixture *f = *state;
        unsigned char payload[256];
        size_t length;
        int fd;

        f->refuse = true;
        fd = shake_hands(f);
        assert_int_equal(read_frame(fd, payload, &length), 0x8);
        assert_int_equal(payload[0] << 8 | payload[1], 1013);
        close(fd);
}

/* The close code of a client, and of one whose handshake comes when the server is stopping. */
static void check_goodbye(Fixture *f, bool restarting, int code) {
        const int late = connect_to(f->port); /* accepted before the next one */
        const int fds[] = { shake_hands(f), late };
        unsigned char payload[256];
        size_t length;

        await_value(&f->opened, 1);
        say(late, HANDSHAKE_BEGIN);
        stop_loop(f->loop, f->thread);
        ws_server_stop(f->server, restarting);
        say(late, HANDSHAKE_END);
        ws_server_free(TAKE_PTR(f->server));
        await_handshake(late);
        for (size_t i = 0; i < ELEMENTS(fds); i++) {
                assert_int_equal(read_frame(fds[i], payload, &length), 0x8);
                assert_int_equal(payload[0] << 8 | payload[1], code);
                close(fds[i]);
        }
        assert_int_equal(f->opened, 1);
        assert_int_equal(f->closed, 1);
        start_loop(f->loop, &f->thread);
}

static void test_going_away(void **state) {
        check_goodbye(*state, false, 1001);
}

static void test_restart(void **state) {
        check_goodbye(*state, true, 1012);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_frame_lengths),
                cmocka_unit_test_setup_teardown(test_no_handshake, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_slow_reader_that_pings, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_clients_talk_and_leave, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_going_away, set_up, tear_down),
                cmocka_unit_test_setup_teardown(test_restart, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
