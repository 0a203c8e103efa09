/* What a service manager receives, over a real datagram socket. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "io/notify.h"

static int manager;
static char address[108];

static int set_up(void **state) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };

        (void) state;
        snprintf(address, sizeof(address), "/tmp/test-notify-%d", (int) getpid());
        memcpy(a.sun_path, address, sizeof(a.sun_path));
        unlink(address);
        manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        setenv("NOTIFY_SOCKET", address, 1);
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
        return bind(manager, (struct sockaddr *) &a, sizeof(a));
}

static int tear_down(void **state) {
        (void) state;
        close(manager);
        unsetenv("NOTIFY_SOCKET");
        unsetenv("WATCHDOG_USEC");
        return unlink(address);
}

/* The next datagram, "" if there is none. Unix datagrams arrive at once. */
static const char *received(void) {
        static char text[4096];
        ssize_t n = recv(manager, text, sizeof(text) - 1, 0);
        text[n < 0 ? 0 : n] = '\0';
        return text;
}

static void test_ready(void **state) {
        Notify n;

        (void) state;
        notify_init(&n);
        notify_ready(&n, "Polling %d calls.", 3);
        assert_string_equal(received(), "READY=1\nSTATUS=Polling 3 calls.");
        notify_ready(&n, "Again.");
        assert_string_equal(received(), "");
        notify_stopping(&n);
        assert_string_equal(received(), "STOPPING=1\nSTATUS=Stopping.");
}

/* sd_notify(3) wants the time at which the reload began. */
static void test_reload(void **state) {
        long long began_us;
        Notify n;

        (void) state;
        notify_init(&n);
        notify_ready(&n, "Ready.");
        assert_string_equal(received(), "READY=1\nSTATUS=Ready.");
        notify_reloading(&n);
        assert_int_equal(sscanf(received(), "RELOADING=1\nMONOTONIC_USEC=%lld", &began_us), 1);
        assert_in_range(clock_monotonic_ms() - began_us / 1000, 0, 5000);
        notify_reloaded(&n);
        assert_string_equal(received(), "READY=1");
}

/* What others wrote and what was cut in the middle of a character still arrives. */
static void test_any_text(void **state) {
        static const struct {
                const char *text, *sent;
        } rows[] = {
                { "Preis: 1 €, 🪙.", "Preis: 1 €, 🪙." },
                { "cut \xe2\x82", "cut ??" },
                { "\xff\xc3.", "??." },
                { "two\nREADY=1\tlines", "two READY=1 lines" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char expected[64];
                Notify n;

                snprintf(expected, sizeof(expected), "STATUS=%s", rows[i].sent);
                notify_init(&n);
                notify_status(&n, "%s", rows[i].text);
                assert_string_equal(received(), expected);
                notify_failed(rows[i].text);
                assert_string_equal(received(), expected);
        }
}

/* The first at once, the same never twice, another at most once a second. */
static void test_status(void **state) {
        Notify n;

        (void) state;
        notify_init(&n);
        notify_status(&n, "Waiting for %s.", "Kafka");
        int64_t sent = clock_monotonic_ms();
        assert_string_equal(received(), "STATUS=Waiting for Kafka.");
        notify_status(&n, "Waiting for Kafka.");
        assert_string_equal(received(), "");
        struct pollfd fd = { .fd = manager, .events = POLLIN };
        do
                notify_status(&n, "%d prices tracked.", 250);
        while (poll(&fd, 1, 10) == 0);
        assert_in_range(clock_monotonic_ms() - sent, 990, 5000);
        assert_string_equal(received(), "STATUS=250 prices tracked.");
        assert_string_equal(received(), "");
}

/* Readiness does not wait for its turn, and cuts what is too long. */
static void test_long_status(void **state) {
        char text[1000];
        Notify n;

        (void) state;
        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        notify_init(&n);
        notify_status(&n, "Starting.");
        assert_string_equal(received(), "STATUS=Starting.");
        notify_ready(&n, "%s", text);
        assert_int_equal(strlen(received()), strlen("READY=1\nSTATUS=") + sizeof(n.status) - 1);
}

/* Every quarter of the manager's patience, no more often. */
static void test_watchdog(void **state) {
        Notify n;

        (void) state;
        setenv("WATCHDOG_USEC", "400000", 1);
        notify_init(&n);
        assert_int_equal(n.watchdog_ms, 200);
        notify_watchdog(&n);
        int64_t sent = clock_monotonic_ms();
        assert_string_equal(received(), "WATCHDOG=1");
        struct pollfd fd = { .fd = manager, .events = POLLIN };
        do
                notify_watchdog(&n);
        while (poll(&fd, 1, 5) == 0);
        assert_in_range(clock_monotonic_ms() - sent, 98, 200);
        assert_string_equal(received(), "WATCHDOG=1");
        assert_string_equal(received(), "");
}

/* While no descriptor is free nothing can be told; then it is at once. */
static void test_no_descriptor(void **state) {
        struct rlimit limit, none;
        Notify n;

        (void) state;
        setenv("WATCHDOG_USEC", "60000000", 1);
        notify_init(&n);
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        none = limit;
        none.rlim_cur = 0;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        notify_watchdog(&n);
        notify_status(&n, "Serving.");
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_string_equal(received(), "");
        notify_watchdog(&n);
        assert_string_equal(received(), "WATCHDOG=1");
        n.status_ms = 0; /* a second later */
        notify_status(&n, "Serving.");
        assert_string_equal(received(), "STATUS=Serving.");
}

static void test_no_watchdog(void **state) {
        static const char *const rows[] = { "", "0", "garbage", "-5" };
        Notify n;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                setenv("WATCHDOG_USEC", rows[i], 1);
                notify_init(&n);
                notify_watchdog(&n);
                if (*received())
                        fail_row(i, "%s feeds a watchdog", rows[i]);
        }
        setenv("WATCHDOG_USEC", "400000", 1);
        setenv("WATCHDOG_PID", "1", 1); /* another process's */
        notify_init(&n);
        notify_watchdog(&n);
        assert_string_equal(received(), "");
        unsetenv("WATCHDOG_PID");
}

/* Without a manager, or with one that is gone, nothing happens. */
static void test_without_manager(void **state) {
        Notify n;

        (void) state;
        unsetenv("NOTIFY_SOCKET");
        notify_init(&n);
        notify_ready(&n, "Ready.");
        notify_status(&n, "Going on.");
        notify_watchdog(&n);
        notify_stopping(&n);
        assert_string_equal(received(), "");
        setenv("NOTIFY_SOCKET", "/nonexistent/socket", 1);
        notify_init(&n);
        notify_ready(&n, "Ready.");
        assert_true(n.ready);
}

/* What a health check sees of a daemon without a manager. */
static void test_file(void **state) {
        static const struct timespec old[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };
        char path[] = "/tmp/test-notify-file-XXXXXX", text[400];
        int file = mkstemp(path);
        Notify n;

        (void) state;
        close(file);
        unsetenv("NOTIFY_SOCKET");
        assert_int_equal(notify_check(text, sizeof(text)), -EINVAL);
        setenv("NOTIFY_FILE", path, 1);
        assert_int_equal(notify_check(text, sizeof(text)), -ETIME); /* an empty one */
        notify_init(&n);
        assert_int_equal(notify_check(text, sizeof(text)), -EAGAIN);
        assert_string_equal(text, "Starting.");
        notify_ready(&n, "Polling.");
        assert_int_equal(notify_check(text, sizeof(text)), 0);
        assert_string_equal(text, "Polling.");
        assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
        assert_int_equal(notify_check(text, sizeof(text)), -ETIME);
        assert_non_null(strstr(text, "Polling."));
        notify_watchdog(&n); /* a sign of life */
        assert_int_equal(notify_check(text, sizeof(text)), 0);
        notify_stopping(&n);
        assert_int_equal(notify_check(text, sizeof(text)), -EAGAIN);
        notify_failed("The configuration is wrong.");
        assert_int_equal(notify_check(text, sizeof(text)), -EAGAIN);
        assert_string_equal(text, "The configuration is wrong.");
        unlink(path);
        assert_int_equal(notify_check(text, sizeof(text)), -ENOENT);
        assert_non_null(strstr(text, path));
        unsetenv("NOTIFY_FILE");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_ready),         TEST(test_reload),      TEST(test_any_text),
                TEST(test_status),        TEST(test_long_status), TEST(test_watchdog),
                TEST(test_no_descriptor), TEST(test_no_watchdog), TEST(test_without_manager),
                TEST(test_file),
        };
        return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
