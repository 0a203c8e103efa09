#include "web_fixture.h"

static void count_up(void *user) {
        atomic_fetch_add((atomic_int *) user, 1);
}

static void test_listen(void **state) {
        char error[300] = "";
        uint16_t port;
        int fd = open_port(&port), other;

        (void) state;
        assert_true(port > 0);
        assert_int_equal(listen_open(NULL, "127.0.0.1", port, &other, error, sizeof(error)),
                         -EADDRINUSE);
        assert_non_null(strstr(error, "is taken by another program"));
        assert_int_equal(listen_open(NULL, "192.0.2.1", 0, &other, error, sizeof(error)),
                         -EADDRNOTAVAIL);
        assert_non_null(strstr(error, "is not an address of this host"));
        close(fd);
        assert_int_equal(listen_open(NULL, "*", 0, &fd, error, sizeof(error)), 0);
        other = connect_to((uint16_t) listen_port(fd));
        close(other);
        close(fd);
}

/* A child with descriptor 3 and the environment that systemd would give it. */
static int inherited(int fd, const char *names, const char *name, char *error, size_t size) {
        char pid[16];
        int r, found = -1;

        assert_int_equal(dup2(fd, 3), 3);
        snprintf(pid, sizeof(pid), "%d", getpid());
        setenv("LISTEN_PID", pid, 1);
        setenv("LISTEN_FDS", "1", 1);
        setenv("LISTEN_FDNAMES", names, 1);
        r = listen_open(name, "127.0.0.1", 0, &found, error, size);
        unsetenv("LISTEN_PID");
        unsetenv("LISTEN_FDS");
        unsetenv("LISTEN_FDNAMES");
        if (r == 0 && found != 3)
                close(found);
        return r < 0 ? r : found == 3;
}

static void test_inherited(void **state) {
        const int saved = fcntl(3, F_DUPFD_CLOEXEC, 10);
        char error[300] = "";
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        (void) state;
        assert_int_equal(listen(fd, 1), 0);
        assert_int_equal(inherited(fd, "web", "web", error, sizeof(error)), 1);
        assert_int_equal(inherited(fd, "other", "web", error, sizeof(error)), 0);
        assert_true(fcntl(3, F_GETFL) & O_NONBLOCK);
        close(fd);
        fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(inherited(fd, "web", "web", error, sizeof(error)), -ENOTSOCK);
        assert_non_null(strstr(error, "not a listening stream socket"));
        close(fd);
        close(3);
        if (saved >= 0) {
                dup2(saved, 3);
                close(saved);
        }
}

static void test_stop_before_run(void **state) {
        _cleanup_(web_loop_freep) WebLoop *loop = NULL;

        (void) state;
        assert_int_equal(web_loop_new(&loop), 0);
        web_loop_stop(loop);
        assert_int_equal(web_loop_run(loop), 0);
}

static void test_wake(void **state) {
        _cleanup_(web_loop_freep) WebLoop *loop = NULL;
        atomic_int one = 0, two = 0;
        pthread_t thread;

        (void) state;
        assert_int_equal(web_loop_new(&loop), 0);
        assert_int_equal(web_loop_on_wake(loop, count_up, &one), 0);
        assert_int_equal(web_loop_on_wake(loop, count_up, &two), 0);
        start_loop(loop, &thread);
        for (int i = 1; i <= 100; i++) {
                web_loop_wake(loop);
                await_value(&one, i);
                await_value(&two, i);
        }
        stop_loop(loop, thread);
        assert_int_equal(one, 100);
        for (int i = 2; i < 8; i++)
                assert_int_equal(web_loop_on_wake(loop, count_up, &one), 0);
        assert_int_equal(web_loop_on_wake(loop, count_up, &one), -ENOSPC);
}

typedef struct Ticker {
        WebTimer *timer;
        WebLoop *loop;
        int left;
} Ticker;

static void tick(void *user) {
        Ticker *t = user;

        if (--t->left == 0)
                web_loop_stop(t->loop);
        else
                web_timer_set(t->timer, 0);
}

static void test_timer(void **state) {
        _cleanup_(web_loop_freep) WebLoop *loop = NULL;
        _cleanup_(web_timer_freep) WebTimer *never = NULL;
        Ticker t = { .left = 5 };
        atomic_int wrong = 0;

        (void) state;
        assert_int_equal(web_loop_new(&loop), 0);
        t.loop = loop;
        assert_int_equal(web_timer_new(&t.timer, loop, tick, &t), 0);
        assert_int_equal(web_timer_new(&never, loop, count_up, &wrong), 0);
        web_timer_set(never, 1);
        web_timer_cancel(never);
        web_timer_set(t.timer, 20);
        assert_int_equal(web_loop_run(loop), 0);
        assert_int_equal(t.left, 0);
        assert_int_equal(wrong, 0);
        web_timer_free(t.timer);
}

/* ---- foreign descriptors ------------------------------------------------------------------- */

typedef struct Echo {
        WebLoop *loop;
        WebFd *watch;
        int fd;
        int writable, readable, hung_up;
} Echo;

static void echo_event(void *user, short events) {
        Echo *e = user;
        char buffer[16];

        if (events == POLLOUT) {
                /* Comes again and again until it is not wanted any more. */
                if (++e->writable == 3)
                        web_fd_want_write(e->watch, false);
                if (e->writable <= 3)
                        assert_int_equal(write(e->fd, "x", 1), 1);
        } else if (events == POLLIN) {
                ssize_t n = read(e->fd, buffer, sizeof(buffer));

                e->readable += n > 0 ? (int) n : 0;
                if (n == 0) {
                        e->hung_up++;
                        web_fd_free(TAKE_PTR(e->watch));
                        web_loop_stop(e->loop);
                }
        }
}

static void test_fd(void **state) {
        _cleanup_(web_loop_freep) WebLoop *loop = NULL;
        Echo e = { 0 };
        char buffer[16];
        pthread_t thread;
        int pair[2];
        void *result;

        (void) state;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
        assert_int_equal(web_loop_new(&loop), 0);
        e.loop = loop;
        e.fd = pair[0];
        assert_int_equal(web_fd_new(&e.watch, loop, pair[0], echo_event, &e), 0);
        web_fd_want_write(e.watch, true);
        start_loop(loop, &thread);
        assert_int_equal(recv(pair[1], buffer, 3, MSG_WAITALL), 3);
        assert_int_equal(write(pair[1], "hello", 5), 5);
        close(pair[1]);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_int_equal(e.writable, 3);
        assert_int_equal(e.readable, 5);
        assert_int_equal(e.hung_up, 1);
        close(pair[0]);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_listen),          cmocka_unit_test(test_inherited),
                cmocka_unit_test(test_stop_before_run), cmocka_unit_test(test_wake),
                cmocka_unit_test(test_timer),           cmocka_unit_test(test_fd),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
