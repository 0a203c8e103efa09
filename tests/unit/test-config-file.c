/* Files, environment and credentials as an operator writes them, and the messages he gets. */
#include "unit.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/config_file.h"

static char folder[64];

static void path_of(const char *name, char path[256]) {
        snprintf(path, 256, "%s/%s", folder, name);
}

static void write_file(const char *name, const char *text) {
        char path[256];
        path_of(name, path);
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        assert_true(fputs(text, f) >= 0);
        assert_int_equal(fclose(f), 0);
}

static int load(const char *text, Config **ret, char error[1024]) {
        char path[256];
        write_file("crypto-pulse.conf", text);
        path_of("crypto-pulse.conf", path);
        return config_load(path, ret, error, 1024);
}

/* Nothing of the tester's own environment. */
static void clear_environment(void) {
        size_t n;
        const Option *o = config_options(&n);
        char name[128];

        for (size_t i = 0; i < n; i++) {
                unsetenv(o[i].environment);
                snprintf(name, sizeof(name), "%s_FILE", o[i].environment);
                unsetenv(name);
        }
        unsetenv("CREDENTIALS_DIRECTORY");
}

static int set_up(void **state) {
        (void) state;
        strcpy(folder, "/tmp/test-config-XXXXXX");
        clear_environment();
        return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
        static const char *const names[] = { "crypto-pulse.conf", "included.conf", "secret",
                                             "coingecko-api-key", "postgres-password" };
        char path[256];

        (void) state;
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                path_of(names[i], path);
                unlink(path);
        }
        clear_environment();
        return rmdir(folder);
}

static void test_values(void **state) {
        static const char text[] = "// the file of a test\n"
                                   "coins = [\"bitcoin\", \"top:250\"]; # two\n"
                                   "currencies = \"usd, eur\"\n"
                                   "fetcher: { fetch_interval_ms = 30000; }\n"
                                   "kafka = {\n"
                                   "  topic: \"other\"\n"
                                   "  retention_ms = 2592000000;\n" /* more than 32 bits */
                                   "  partitions = 0x10;\n"
                                   "};\n"
                                   "api: { cors_origin = \"\"; port = 0; };\n"
                                   "redis: { };\n";
        _cleanup_(config_freep) Config *config = NULL;
        char error[1024];

        (void) state;
        if (load(text, &config, error) < 0)
                fail_msg("%s", error);
        assert_string_equal(config->coins[0], "bitcoin");
        assert_string_equal(config->coins[1], "top:250");
        assert_null(config->coins[2]);
        assert_string_equal(config->currencies[1], "eur");
        assert_int_equal(config->fetch_interval_ms, 30000);
        assert_string_equal(config->kafka_topic, "other");
        assert_int_equal(config->kafka_retention_ms, 2592000000);
        assert_int_equal(config->kafka_partitions, 16);
        assert_string_equal(config->cors_origin, "");
        assert_int_equal(config->api_port, 0);
        assert_int_equal(config->frontend_port, 3000);
}

/* Each mistake: the line it is in, and what is wrong or allowed. %s is the file. */
static void test_mistakes(void **state) {
        static const struct {
                const char *text, *error;
        } rows[] = {
                { "\napi: { port = 70000; };",
                  "%s:2: api.port: 70000 is out of range, 0 to 65535" },
                { "api: {\n  port = -1;\n};", "%s:2: api.port: -1 is out of range" },
                { "api: { port = 4294967297; };", "%s:1: api.port: 4294967297 is out of range" },
                { "api: { port = 0x100000001; };", "%s:1: api.port: 4294967297 is out of range" },
                /* Which words it takes depends on libconfig. */
                { "api: { port = 99999999999999999999; };", "%s:1: " },
                { "api: { port = \"5001\"; };",
                  "%s:1: api.port: a whole number without quotes is expected, 0 to 65535" },
                { "api: { port = 5001.5; };", "%s:1: api.port: a whole number" },
                { "api: { port = true; };", "%s:1: api.port: a whole number" },
                { "api: { port = [5001]; };", "%s:1: api.port: a whole number" },
                { "api: { port = { a = 1; }; };", "%s:1: api.port: a whole number" },
                { "log_level = 5;", "%s:1: log_level: a text in quotes is expected" },
                { "log_level = \"loud\";",
                  "%s:1: log_level: \"loud\" is not one of error, warning, info, debug" },
                { "log_level = [\"info\"];", "%s:1: log_level: a text in quotes is expected" },
                { "coins = 5;", "%s:1: coins: a list such as [\"a\", \"b\"] is expected" },
                { "coins = [1, 2];", "%s:1: coins: entry 1 is not a text in quotes" },
                { "coins = (\"a\", 5);", "%s:1: coins: entry 2 is not a text in quotes" },
                { "coins = [];", "%s:1: coins: 0 entries, 1 to 1024 are allowed" },
                { "coins = [\"a/b\"];", "%s:1: coins: \"a/b\" is not allowed, expected is" },
                { "\n\nkafka: { topics = \"a\"; };",
                  "%s:3: kafka.topics: no such option, see crypto-pulse.conf(5)" },
                { "topic = \"a\";", "%s:1: topic: no such option" },
                { "kafka = 5;", "%s:1: kafka: no such option" },
                { "foo: { bar = 1; };", "%s:1: foo: no such option" },
                { "foo: { };", "%s:1: foo: no such option" },
                { "coins: { };", "%s:1: coins: a list such as" },
                { "kafka: { more: { topic = \"a\"; }; };", "%s:1: kafka.more: no such option" },
                { "kafka: { topic = \"a\"; topic = \"b\"; };", "%s:1: duplicate setting name" },
                { "log_level = \"info\"\n = 5", "%s:2: syntax error" },
                { "coins = [\"a\"\n", "%s:" },
                { "coingecko: { api_key_file = 5; };",
                  "%s:1: coingecko.api_key_file: a path in quotes is expected" },
                { "coingecko: { plan_file = \"/dev/null\"; };",
                  "%s:1: coingecko.plan_file: no such option" },
                { "coingecko: { api_key_file = \"/nonexistent\"; };",
                  "%s:1: coingecko.api_key: the file /nonexistent cannot be read: No such file" },
                { "coingecko: { api_key_file = \"/tmp\"; };",
                  "%s:1: coingecko.api_key: the file /tmp cannot be read: Is a directory" },
                { "@include \"included.conf\"", "%s" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Config *config = NULL;
                char error[1024], path[256], expected[1024];
                int r = load(rows[i].text, &config, error);
                path_of("crypto-pulse.conf", path);
                const char *percent = strstr(rows[i].error, "%s");
                snprintf(expected, sizeof(expected), "%s%s", path, percent + 2);
                if (r >= 0 || config || strncmp(error, expected, strlen(expected)) != 0)
                        fail_row(i, "%d %s\ninstead of %s", r, error, expected);
                assert_null(strchr(error, '\n'));
        }
}

static void test_included(void **state) {
        _cleanup_(config_freep) Config *config = NULL;
        char error[1024], text[512], path[256], expected[300];

        (void) state;
        path_of("included.conf", path);
        snprintf(text, sizeof(text), "log_level = \"debug\";\n@include \"%s\"\n", path);
        write_file("included.conf", "\nkafka: { topic = \"x\"; };\n");
        if (load(text, &config, error) < 0)
                fail_msg("%s", error);
        assert_string_equal(config->kafka_topic, "x");

        Config *none = NULL;
        write_file("included.conf", "\nkafka: { topic = \"a b\"; };\n");
        assert_int_equal(load(text, &none, error), -EINVAL);
        snprintf(expected, sizeof(expected), "%s:2: kafka.topic: ", path);
        assert_memory_equal(error, expected, strlen(expected));
        write_file("included.conf", "\n\nkafka: { topic = = \"a b\"; };\n");
        assert_int_equal(load(text, &none, error), -EINVAL);
        snprintf(expected, sizeof(expected), "%s:3: syntax error", path);
        assert_string_equal(error, expected);
}

static void test_files(void **state) {
        char error[1024];
        Config *config = NULL;

        (void) state;
        assert_int_equal(config_load("/nonexistent/x.conf", &config, error, sizeof(error)),
                         -ENOENT);
        assert_string_equal(error, "/nonexistent/x.conf cannot be read: No such file or directory");
        assert_int_equal(config_load(folder, &config, error, sizeof(error)), -EINVAL);
        assert_non_null(strstr(error, "cannot be read"));
        assert_int_equal(load("", &config, error), 0);
        config_free(config);
        config = NULL;
        /* The default place may be empty. */
        assert_int_equal(config_load(NULL, &config, error, sizeof(error)), 0);
        config_free(config);
}

static void test_environment(void **state) {
        _cleanup_(config_freep) Config *config = NULL;
        char error[1024];
        Config *none = NULL;

        (void) state;
        setenv("TRACKED_COIN_IDS", "dai, tether", 1);
        setenv("API_PORT", "6001", 1);
        setenv("KAFKA_TOPIC", "", 1); /* as Compose leaves what is not set */
        if (load("api: { port = 7001; }; kafka: { topic = \"file\"; };", &config, error) < 0)
                fail_msg("%s", error);
        assert_string_equal(config->coins[1], "tether");
        assert_int_equal(config->api_port, 6001);
        assert_string_equal(config->kafka_topic, "file");

        setenv("API_PORT", "http", 1);
        assert_int_equal(load("", &none, error), -EINVAL);
        assert_string_equal(error, "environment variable API_PORT: api.port: \"http\" is not a "
                                   "whole number, 0 to 65535 is allowed");
        setenv("API_PORT", "65536", 1);
        assert_int_equal(load("", &none, error), -EINVAL);
        assert_string_equal(error, "environment variable API_PORT: api.port: 65536 is out of "
                                   "range, 0 to 65535 is allowed");
}

/* A secret from each place; later places win. */
static void test_secrets(void **state) {
        char error[1024], path[256], text[512];
        Config *config = NULL;

        (void) state;
        write_file("secret", "from-file\r\nsecond line\n");
        path_of("secret", path);
        snprintf(text, sizeof(text), "coingecko: { api_key_file = \"%s\"; };", path);
        assert_int_equal(load(text, &config, error), 0);
        assert_string_equal(config->coingecko_api_key, "from-file");
        config_free(config);

        setenv("COINGECKO_API_KEY", "from-environment", 1);
        assert_int_equal(load(text, &config, error), 0);
        assert_string_equal(config->coingecko_api_key, "from-environment");
        config_free(config);

        setenv("COINGECKO_API_KEY_FILE", path, 1);
        assert_int_equal(load("", &config, error), 0);
        assert_string_equal(config->coingecko_api_key, "from-file");
        config_free(config);

        write_file("coingecko-api-key", "from-credential\n");
        write_file("postgres-password", "pass word ");
        setenv("CREDENTIALS_DIRECTORY", folder, 1);
        assert_int_equal(load("", &config, error), 0);
        assert_string_equal(config->coingecko_api_key, "from-credential");
        assert_string_equal(config->postgres_password, "pass word ");
        assert_string_equal(config->redis_password, "");
        config_free(config);
}

/* Wherever a bad secret comes from: the message names the place, and has nothing of the secret. */
static void test_secret_mistakes(void **state) {
        static const char secret[] = "ge\x01heim";
        char error[1024], path[256], text[512];
        Config *config = NULL;

        (void) state;
        path_of("secret", path);
        write_file("secret", secret);
        snprintf(text, sizeof(text), "coingecko: { api_key_file = \"%s\"; };", path);
        assert_int_equal(load(text, &config, error), -EINVAL);
        assert_non_null(strstr(error, "crypto-pulse.conf:1: coingecko.api_key: "));
        assert_non_null(strstr(error, path));
        assert_null(strstr(error, "heim"));

        snprintf(text, sizeof(text), "coingecko: { api_key = \"%s\"; };", "ge\\x01heim");
        assert_int_equal(load(text, &config, error), -EINVAL);
        assert_null(strstr(error, "heim"));

        setenv("COINGECKO_API_KEY", secret, 1);
        assert_int_equal(load("", &config, error), -EINVAL);
        assert_non_null(strstr(error, "environment variable COINGECKO_API_KEY: "));
        assert_null(strstr(error, "heim"));
        unsetenv("COINGECKO_API_KEY");

        setenv("REDIS_PASSWORD_FILE", "/nonexistent", 1);
        assert_int_equal(load("", &config, error), -EINVAL);
        assert_string_equal(error, "environment variable REDIS_PASSWORD_FILE: redis.password: the "
                                   "file /nonexistent cannot be read: No such file or directory");
        unsetenv("REDIS_PASSWORD_FILE");

        write_file("coingecko-api-key", secret);
        setenv("CREDENTIALS_DIRECTORY", folder, 1);
        assert_int_equal(load("", &config, error), -EINVAL);
        assert_non_null(strstr(error, "coingecko-api-key"));
        assert_null(strstr(error, "heim"));
        assert_null(config);
}

/* A key of absurd size, and one that is a whole binary file. */
static void test_secret_sizes(void **state) {
        char text[8192], error[1024];
        Config *config = NULL;

        (void) state;
        memset(text, 'k', sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        write_file("coingecko-api-key", text);
        setenv("CREDENTIALS_DIRECTORY", folder, 1);
        assert_int_equal(load("", &config, error), -EINVAL);
        assert_non_null(strstr(error, "too long, 0 to 256 characters"));
        write_file("coingecko-api-key", "");
        assert_int_equal(load("", &config, error), 0);
        assert_string_equal(config->coingecko_api_key, "");
        config_free(config);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(test_values),          TEST(test_mistakes),     TEST(test_included),
                TEST(test_files),           TEST(test_environment),  TEST(test_secrets),
                TEST(test_secret_mistakes), TEST(test_secret_sizes),
        };
        return cmocka_run_group_tests_name("config-file", tests, NULL, NULL);
}
