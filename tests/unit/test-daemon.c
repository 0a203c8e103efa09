/* Command lines as they are typed, and signals as they come. */
#include "unit.h"

#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "io/daemon.h"

static const char *check_result;

static const char *check(const Config *config) {
        assert_non_null(config);
        return check_result;
}

/* Runs daemon_begin() with what it writes on both streams in TEXT. */
static int begin(const char *const *arguments, Config **ret, char text[65536]) {
        static const DaemonInfo info = { .name = "test-daemon",
                                         .summary = "Tests.",
                                         .check = check };
        char *argv[8] = { (char *) "test-daemon" };
        char path[] = "/tmp/test-daemon-XXXXXX";
        int argc = 1, file = mkostemp(path, O_CLOEXEC), saved[2] = { dup(1), dup(2) };

        assert_true(file >= 0);
        unlink(path);
        for (; arguments[argc - 1]; argc++)
                argv[argc] = (char *) arguments[argc - 1];
        fflush(NULL);
        dup2(file, 1);
        dup2(file, 2);
        optind = 0; /* glibc: begin anew */
        int r = daemon_begin(&info, argc, argv, ret);
        fflush(NULL);
        for (int i = 0; i < 2; i++) {
                dup2(saved[i], i + 1);
                close(saved[i]);
        }
        ssize_t n = pread(file, text, 65535, 0);
        text[n < 0 ? 0 : n] = '\0';
        close(file);
        return r;
}

static void test_command_lines(void **state) {
        static const struct {
                const char *arguments[4];
                int r;
                const char *text;
        } rows[] = {
                { { NULL }, 0, "" },
                { { "--check-config" }, 1, "The configuration is valid.\n" },
                { { "--config", "/dev/null" }, 0, "" },
                { { "--config=/dev/null", "--check-config" }, 1, "The configuration is valid.\n" },
                { { "-c", "/dev/null", "--check-config" }, 1, "The configuration is valid.\n" },
                { { "--version" }, 1, "test-daemon 0." },
                { { "-V" }, 1, "test-daemon 0." },
                { { "--help" }, 1, "Usage: test-daemon [--config FILE] [--check-config" },
                { { "--check-ready" }, -EINVAL, "NOTIFY_FILE does not say" },
                { { "-h", "--config", "/nonexistent" }, 1, "Usage: test-daemon" },
                { { "--config", "/nonexistent" }, -ENOTRECOVERABLE, "/nonexistent cannot be read" },
                { { "--config" }, -EINVAL, "test-daemon: option '--config' requires an argument" },
                { { "--frobnicate" }, -EINVAL, "test-daemon: unrecognized option" },
                { { "-x" }, -EINVAL, "test-daemon: invalid option" },
                { { "now" }, -EINVAL, "test-daemon: unexpected argument \"now\", see --help\n" },
                { { "--check-config", "now" }, -EINVAL, "test-daemon: unexpected argument" },
        };
        static char text[65536];

        (void) state;
        check_result = NULL;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Config *config = NULL;
                int r = begin(rows[i].arguments, &config, text);
                if (r != rows[i].r || !strstr(text, rows[i].text) || (*text && !*rows[i].text) ||
                    (r == 0) != (config != NULL))
                        fail_row(i, "%d %s", r, text);
                config_free(config);
        }
}

/* What the options say together is looked at by --check-config and at the start. */
static void test_check(void **state) {
        static const char *const rows[][2] = { { "--check-config" }, { NULL } };
        static char text[65536];

        (void) state;
        check_result = "coingecko.plan needs a key";
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Config *config = NULL;
                assert_int_equal(begin(rows[i], &config, text), -ENOTRECOVERABLE);
                assert_non_null(strstr(text, "error: The configuration cannot be used: "
                                             "coingecko.plan needs a key.\n"));
                assert_null(config);
        }
        check_result = NULL;
}

static void write_config(const char *path, const char *text) {
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        fputs(text, f);
        assert_int_equal(fclose(f), 0);
}

/* A good file is taken over, as far as it can be; a bad one changes nothing. */
static void test_reload(void **state) {
        char path[] = "/tmp/test-daemon-XXXXXX";
        int fd = mkstemp(path);
        const char *const arguments[] = { "--config", path, NULL };
        static char text[65536];
        _cleanup_(config_freep) Config *config = NULL;
        Config *fresh = NULL;

        (void) state;
        assert_true(fd >= 0);
        close(fd);
        write_config(path, "log_level = \"error\"; coins = [\"a\"]; kafka: { topic = \"x\"; };");
        assert_int_equal(begin(arguments, &config, text), 0);

        static const char *const bad[] = { "coins = [];", "coins = ", "api: { port = 70000; };" };
        for (size_t i = 0; i < ELEMENTS(bad); i++) {
                write_config(path, bad[i]);
                assert_true(daemon_reload_begin(config, check, &fresh) < 0);
                assert_null(fresh);
        }
        check_result = "the options contradict each other";
        write_config(path, "");
        assert_int_equal(daemon_reload_begin(config, check, &fresh), -EINVAL);
        assert_null(fresh);
        check_result = NULL;
        unlink(path);
        assert_true(daemon_reload_begin(config, check, &fresh) < 0);
        assert_string_equal(config->coins[0], "a");

        write_config(path,
                     "log_level = \"error\"; coins = [\"b\", \"c\"]; kafka: { topic = \"y\"; };");
        assert_int_equal(daemon_reload_begin(config, check, &fresh), 0);
        daemon_reload_end(config, fresh);
        assert_string_equal(config->coins[1], "c");
        assert_string_equal(config->kafka_topic, "x"); /* waits for a restart */
        unlink(path);
}

static void test_help(void **state) {
        static const char *const arguments[] = { "--help", NULL };
        static char text[65536];
        Config *config = NULL;
        size_t n;
        const Option *o = config_options(&n);

        (void) state;
        assert_int_equal(begin(arguments, &config, text), 1);
        for (size_t i = 0; i < n; i++)
                if (!strstr(text, o[i].path) || !strstr(text, o[i].environment) ||
                    !strstr(text, o[i].help))
                        fail_row(i, "--help says nothing of %s", o[i].path);
}

static int wait_for_signal(int fd) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        assert_int_equal(poll(&p, 1, 5000), 1);
        return daemon_next_signal(fd);
}

static void test_signals(void **state) {
        static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, DAEMON_SIGNAL_RESTART };
        int fd = daemon_signals(), pipe_fds[2];

        (void) state;
        assert_true(fd >= 0);
        assert_int_equal(daemon_next_signal(fd), 0);
        for (size_t i = 0; i < ELEMENTS(numbers); i++) {
                assert_int_equal(kill(getpid(), numbers[i]), 0);
                assert_int_equal(wait_for_signal(fd), numbers[i]);
                assert_int_equal(daemon_next_signal(fd), 0);
        }
        /* A broken pipe is an error of write(2), no end. */
        assert_int_equal(pipe(pipe_fds), 0);
        close(pipe_fds[0]);
        assert_int_equal(write(pipe_fds[1], "x", 1), -1);
        assert_int_equal(errno, EPIPE);
        close(pipe_fds[1]);
        close(fd);
        assert_true(daemon_next_signal(fd) < 0);
}

static void test_exit_status(void **state) {
        (void) state;
        assert_int_equal(daemon_exit_status(0), 0);
        assert_int_equal(daemon_exit_status(1), 0);
        assert_int_equal(daemon_exit_status(-EIO), 1);
        assert_int_equal(daemon_exit_status(-ENOTRECOVERABLE), 78);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_command_lines), cmocka_unit_test(test_check),
                cmocka_unit_test(test_reload),        cmocka_unit_test(test_help),
                cmocka_unit_test(test_signals),       cmocka_unit_test(test_exit_status),
        };
        return cmocka_run_group_tests_name("daemon", tests, NULL, NULL);
}
