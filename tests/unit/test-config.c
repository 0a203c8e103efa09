/* The table of options: is it sound, and do the file and the man page that describe it agree? */
#include "unit.h"

#include <ctype.h>
#include <stdlib.h>

#include "core/config.h"

static int set(Config *config, const char *path, const char *text, char error[256]) {
        const Option *option = config_option_find(path);
        assert_non_null(option);
        error[0] = '\0';
        return config_set_text(config, option, text, error, 256);
}

/* An option's value as the environment would write it. */
static char *value_of(const Config *config, const Option *option) {
        const char *field = (const char *) config + option->offset;
        char *text = NULL;

        if (option->type == OPTION_INTEGER) {
                assert_true(asprintf(&text, "%lld", (long long) *(const int64_t *) field) > 0);
        } else if (option->type == OPTION_TEXT) {
                text = strdup(*(char *const *) field);
        } else {
                text = strdup("");
                for (char **p = *(char **const *) field; *p; p++) {
                        char *longer;
                        assert_true(asprintf(&longer, "%s%s%s", text, *text ? "," : "", *p) > 0);
                        free(text);
                        text = longer;
                }
        }
        assert_non_null(text);
        return text;
}

/* ---- the table --------------------------------------------------------------------------------
 */

static bool looks_like_variable(const char *name) {
        return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0' && *name;
}

static bool looks_like_path(const char *path) {
        const char *dot = strchr(path, '.');
        return path[strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789_.")] == '\0' &&
               isalpha((unsigned char) *path) && (!dot || !strchr(dot + 1, '.'));
}

static void test_table(void **state) {
        size_t n;
        const Option *o = config_options(&n);

        (void) state;
        assert_in_range(n, 30, 200);
        for (size_t i = 0; i < n; i++) {
                if (!looks_like_path(o[i].path) || !looks_like_variable(o[i].environment) ||
                    !o[i].help || !*o[i].help || o[i].min > o[i].max ||
                    (o[i].valid && !o[i].expects) || (o[i].credential && o[i].type != OPTION_TEXT))
                        fail_row(i, "%s is badly described", o[i].path);
                assert_ptr_equal(config_option_find(o[i].path), &o[i]);
                for (size_t k = 0; k < i; k++)
                        if (!strcmp(o[i].path, o[k].path) ||
                            !strcmp(o[i].environment, o[k].environment) ||
                            o[i].offset == o[k].offset ||
                            (o[i].credential && o[k].credential &&
                             !strcmp(o[i].credential, o[k].credential)))
                                fail_row(i, "%s collides with %s", o[i].path, o[k].path);
        }
        assert_null(config_option_find("kafka"));
        assert_null(config_option_find("kafka.topics"));
        assert_null(config_option_find(""));
}

/* The names that users of containers know. */
static void test_known_variables(void **state) {
        static const char *const names[] = {
                "COINGECKO_API_KEY", "COINGECKO_BASE_URL", "TRACKED_COIN_IDS", "FETCH_INTERVAL_MS",
                "DEFAULT_CURRENCY",  "KAFKA_BROKER",       "KAFKA_TOPIC",      "KAFKA_GROUP_ID",
                "POSTGRES_HOST",     "POSTGRES_PORT",      "POSTGRES_USER",    "POSTGRES_PASSWORD",
                "POSTGRES_DB",       "REDIS_HOST",         "REDIS_PORT",       "REDIS_PASSWORD",
                "WEBSOCKET_PORT",    "API_PORT",           "FRONTEND_PORT",    "CORS_ORIGIN",
        };
        size_t n;
        const Option *o = config_options(&n);

        (void) state;
        for (size_t i = 0; i < ELEMENTS(names); i++) {
                size_t k = 0;
                while (k < n && strcmp(o[k].environment, names[i]) != 0)
                        k++;
                if (k == n)
                        fail_row(i, "%s is not there", names[i]);
        }
}

static void test_defaults(void **state) {
        _cleanup_(config_freep) Config *config = NULL;
        size_t n;
        const Option *o = config_options(&n);

        (void) state;
        config_free(NULL);
        assert_int_equal(config_new(&config), 0);
        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *value = value_of(config, &o[i]);
                assert_string_equal(value, o[i].default_text);
        }
}

/* ---- setting values ---------------------------------------------------------------------------
 */

static void test_accepted(void **state) {
        static const struct {
                const char *path, *text, *value;
        } rows[] = {
                { "api.port", "0", "0" },
                { "api.port", "65535", "65535" },
                { "kafka.retention_ms", "-1", "-1" },
                { "kafka.retention_ms", "2592000000", "2592000000" },
                { "coins", "bitcoin", "bitcoin" },
                { "coins", " bitcoin ,\tethereum,\n", "bitcoin,ethereum" },
                { "coins", "top:1,top:10000,1move token", "top:1,top:10000,1move token" },
                { "currencies", "usd,eur,xag,bits,usd-2", "usd,eur,xag,bits,usd-2" },
                { "log_level", "debug", "debug" },
                { "log_format", "json", "json" },
                { "coingecko.base_url", "http://127.0.0.1:8000/api/v3",
                  "http://127.0.0.1:8000/api/v3" },
                { "coingecko.api_key", "CG-abcdef", "CG-abcdef" },
                { "api.cors_origin", "", "" },
                { "api.websocket_url", "wss://example.org/live", "wss://example.org/live" },
                { "redis.host", "/run/redis/redis.sock", "/run/redis/redis.sock" },
        };
        _cleanup_(config_freep) Config *config = NULL;
        char error[256];

        (void) state;
        assert_int_equal(config_new(&config), 0);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                if (set(config, rows[i].path, rows[i].text, error) < 0)
                        fail_row(i, "%s", error);
                _cleanup_free_ char *value = value_of(config, config_option_find(rows[i].path));
                assert_string_equal(value, rows[i].value);
        }
}

static void test_refused(void **state) {
        static const struct {
                const char *path, *text;
                int r;
                const char *error;
        } rows[] = {
                { "api.port", "65536", -ERANGE,
                  "api.port: 65536 is out of range, 0 to 65535 is allowed" },
                { "api.port", "-1", -ERANGE,
                  "api.port: -1 is out of range, 0 to 65535 is allowed" },
                { "api.port", "", -EINVAL,
                  "api.port: \"\" is not a whole number, 0 to 65535 is allowed" },
                { "api.port", "80a", -EINVAL,
                  "api.port: \"80a\" is not a whole number, 0 to 65535 is allowed" },
                { "api.port", "99999999999999999999", -EINVAL,
                  "api.port: \"99999999999999999999\" is not a whole number, 0 to 65535 is "
                  "allowed" },
                { "log_level", "loud", -EINVAL,
                  "log_level: \"loud\" is not one of error, warning, info, debug" },
                { "log_format", "xml", -EINVAL, "log_format: \"xml\" is not one of text, json" },
                { "log_level", "", -ERANGE,
                  "log_level: the value is empty, 1 to 16 characters are allowed" },
                { "coins", "", -ERANGE, "coins: 0 entries, 1 to 1024 are allowed" },
                { "coins", " , ,", -ERANGE, "coins: 0 entries, 1 to 1024 are allowed" },
                { "coins", "bitcoin,a/b", -EINVAL,
                  "coins: \"a/b\" is not allowed, expected is a CoinGecko coin id such as "
                  "bitcoin, or top:N with N from 1 to 10000" },
                { "coins", "top:0", -EINVAL, NULL },
                { "coins", "top:10001", -EINVAL, NULL },
                { "coins", "top:", -EINVAL, NULL },
                { "coins", "top:1x", -EINVAL, NULL },
                { "coins", "top:+5", -EINVAL, NULL },
                { "coins", "top:99999999999999999999", -EINVAL, NULL },
                { "currencies", "USD", -EINVAL, NULL },
                { "currencies", "usd;eur", -EINVAL, NULL },
                { "kafka.topic", "a b", -EINVAL, NULL },
                { "kafka.brokers", "", -ERANGE, NULL },
                { "coingecko.base_url", "ftp://x", -EINVAL, NULL },
                { "coingecko.base_url", "api.coingecko.com", -EINVAL, NULL },
                { "coingecko.plan", "gold", -EINVAL, NULL },
                { "api.websocket_url", "http://x", -EINVAL, NULL },
                { "api.cors_origin", "a\r\nSet-Cookie: b", -EINVAL, NULL },
        };
        _cleanup_(config_freep) Config *config = NULL;
        char error[256];

        (void) state;
        assert_int_equal(config_new(&config), 0);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const Option *option = config_option_find(rows[i].path);
                _cleanup_free_ char *before = value_of(config, option);
                int r = set(config, rows[i].path, rows[i].text, error);
                if (r != rows[i].r || (rows[i].error && strcmp(error, rows[i].error) != 0) ||
                    strncmp(error, rows[i].path, strlen(rows[i].path)) != 0)
                        fail_row(i, "%d: %s", r, error);
                _cleanup_free_ char *after = value_of(config, option);
                assert_string_equal(before, after);
        }
}

static void test_list_bound(void **state) {
        _cleanup_(config_freep) Config *config = NULL;
        char text[2 * (CONFIG_LIST_MAX + 1) + 1] = "", error[256];

        (void) state;
        assert_int_equal(config_new(&config), 0);
        for (size_t i = 0; i < CONFIG_LIST_MAX; i++)
                memcpy(text + 2 * i, "a,", 3);
        assert_int_equal(set(config, "coins", text, error), 0);
        strcat(text, "a,");
        assert_int_equal(set(config, "coins", text, error), -ERANGE);
        assert_string_equal(error, "coins: 1025 entries, 1 to 1024 are allowed");
}

static void test_wrong_type(void **state) {
        static const char *const entries[] = { "a" };
        _cleanup_(config_freep) Config *config = NULL;
        char error[256];

        (void) state;
        assert_int_equal(config_new(&config), 0);
        assert_int_equal(config_set_integer(config, config_option_find("kafka.topic"), 5, error,
                                            sizeof(error)),
                         -EINVAL);
        assert_int_equal(config_set_list(config, config_option_find("kafka.topic"), entries, 1,
                                         error, sizeof(error)),
                         -EINVAL);
        assert_int_equal(config_set_list(config, config_option_find("api.port"), entries, 1, error,
                                         sizeof(error)),
                         -EINVAL);
        assert_string_equal(config->kafka_topic, "crypto-updates");
}

/* Every secret, with every kind of mistake: the message has no byte of it. */
static void test_secrets(void **state) {
        static const char secret[] = "Gar-sehr-geheim\x01";
        _cleanup_(config_freep) Config *config = NULL;
        static char long_secret[8192];
        char error[256];
        size_t n, n_secrets = 0;
        const Option *o = config_options(&n);

        (void) state;
        for (size_t i = 0; i + sizeof(secret) < sizeof(long_secret); i += sizeof(secret) - 1)
                memcpy(long_secret + i, secret, sizeof(secret));
        assert_int_equal(config_new(&config), 0);
        for (size_t i = 0; i < n; i++) {
                if (!o[i].credential)
                        continue;
                n_secrets++;
                int r = config_set_text(config, &o[i], long_secret, error, sizeof(error));
                assert_int_equal(r, -ERANGE);
                assert_null(strstr(error, "geheim"));
                r = config_set_text(config, &o[i], secret, error, sizeof(error));
                if (r < 0)
                        assert_null(strstr(error, "geheim"));
        }
        assert_int_equal(n_secrets, 3);
        assert_int_equal(set(config, "coingecko.api_key", secret, error), -EINVAL);
        assert_string_equal(error, "coingecko.api_key: the value is not allowed, expected is "
                                   "printable characters only");
}

static void test_top_n(void **state) {
        (void) state;
        assert_int_equal(config_coin_top_n("top:1"), 1);
        assert_int_equal(config_coin_top_n("top:10000"), 10000);
        assert_int_equal(config_coin_top_n("bitcoin"), -EINVAL);
        assert_int_equal(config_coin_top_n("top:01"), -EINVAL);
        assert_int_equal(config_coin_top_n("TOP:1"), -EINVAL);
}

/* ---- what describes the table -----------------------------------------------------------------
 */

static FILE *open_source(const char *name) {
        const char *folder = getenv("top_srcdir");
        char path[4096];
        snprintf(path, sizeof(path), "%s/%s", folder ? folder : ".", name);
        FILE *f = fopen(path, "re");
        if (!f)
                fail_msg("%s cannot be read; top_srcdir names the source folder", path);
        return f;
}

/* As the installed files write it: they know no other prefix than /usr. */
static char *documented_default(const Option *option) {
        char *text;
        size_t n = strlen(PKGDATADIR);
        if (strncmp(option->default_text, PKGDATADIR, n) == 0)
                assert_true(asprintf(&text, "/usr/share/crypto-pulse%s", option->default_text + n) >
                            0);
        else
                text = strdup(option->default_text);
        assert_non_null(text);
        return text;
}

/* The value in the file's syntax, as the environment would write it: ["a", "b"] is a,b. */
static void strip_syntax(char *value) {
        char *out = value;
        for (const char *p = value; *p; p++)
                if (!strchr("[]\"; \n", *p))
                        *out++ = *p;
        *out = '\0';
}

/* Every option once, in its group, commented out, with its default and variable; no other. */
static void test_file(void **state) {
        char line[512], group[64] = "", path[600], name[128], value[256], variable[256] = "";
        bool seen[200] = { false };
        size_t n, n_seen = 0;
        const Option *o = config_options(&n);
        FILE *f = open_source("etc/crypto-pulse.conf");

        (void) state;
        while (fgets(line, sizeof(line), f)) {
                const char *p = line + strspn(line, " ");
                const char *bracket = strrchr(p, '[');
                if (sscanf(p, "%63[a-z_]: {", group) == 1)
                        continue;
                if (strcmp(p, "};\n") == 0) {
                        group[0] = '\0';
                } else if (sscanf(p, "# %127[a-z_] = %255[^\n]", name, value) == 2) {
                        snprintf(path, sizeof(path), "%s%s%s", group, *group ? "." : "", name);
                        const Option *option = config_option_find(path);
                        if (!option)
                                fail_msg("crypto-pulse.conf has an unknown option %s", path);
                        assert_false(seen[option - o]);
                        seen[option - o] = true;
                        n_seen++;
                        _cleanup_free_ char *expected = documented_default(option);
                        strip_syntax(value);
                        if (strcmp(value, expected) != 0)
                                fail_msg("%s: %s, not %s", path, value, expected);
                        if (strcmp(variable, option->environment) != 0)
                                fail_msg("%s: %s, not %s", path, variable, option->environment);
                } else if (*p != '#' && *p != '\n') {
                        fail_msg("crypto-pulse.conf sets something: %s", line);
                } else if (bracket) {
                        sscanf(bracket, "[%255[A-Z0-9_]]", variable);
                }
        }
        fclose(f);
        for (size_t i = 0; i < n; i++)
                if (!seen[i])
                        fail_row(i, "%s is not in crypto-pulse.conf", o[i].path);
        assert_int_equal(n_seen, n);
}

/* The entry of a man page that is being read. */
typedef struct Entry {
        char path[128], variable[128], value[256];
        bool reloadable;
} Entry;

static void check_entry(const Entry *e, bool *seen) {
        const Option *option = config_option_find(e->path);
        size_t n;

        if (!option)
                fail_msg("crypto-pulse.conf(5) has an unknown option %s", e->path);
        _cleanup_free_ char *expected = documented_default(option);
        if (strcmp(e->variable, option->environment) != 0 || strcmp(e->value, expected) != 0)
                fail_msg("crypto-pulse.conf(5), %s: %s and \"%s\", not %s and \"%s\"", e->path,
                         e->variable, e->value, option->environment, expected);
        if (e->reloadable != option->reloadable)
                fail_msg("crypto-pulse.conf(5), %s: is it taken over by a reload?", e->path);
        size_t i = (size_t) (option - config_options(&n));
        if (seen[i])
                fail_msg("crypto-pulse.conf(5) has %s twice", e->path);
        seen[i] = true;
}

static void test_man_page(void **state) {
        bool seen[200] = { false };
        char line[512];
        size_t n;
        const Option *o = config_options(&n);
        Entry e = { .path = "" };
        FILE *f = open_source("etc/crypto-pulse.conf.5");

        (void) state;
        while (fgets(line, sizeof(line), f)) {
                if (sscanf(line, ".It Cm %127s Bq Ev %127s", e.path, e.variable) == 2) {
                        e.reloadable = false;
                } else if (strcmp(line, "A reload takes it over.\n") == 0) {
                        e.reloadable = true;
                } else if (strncmp(line, "Default:", 8) == 0) {
                        e.value[0] = '\0';
                        if (strcmp(line, "Default: empty.\n") != 0) {
                                assert_non_null(fgets(line, sizeof(line), f));
                                assert_int_equal(sscanf(line, ".Ql %255s .", e.value), 1);
                        }
                        check_entry(&e, seen);
                }
        }
        fclose(f);
        for (size_t i = 0; i < n; i++)
                if (!seen[i])
                        fail_row(i, "%s is not in crypto-pulse.conf(5)", o[i].path);
}

/* What a reload takes over, what it leaves, and whose the texts are afterwards. */
static void test_reload(void **state) {
        Config *config = NULL, *fresh = NULL;
        char error[256];

        (void) state;
        assert_int_equal(config_new(&config), 0);
        assert_int_equal(config_new(&fresh), 0);
        assert_null(config_fixed_change(config, fresh));
        assert_int_equal(config_set_text(fresh, config_option_find("coins"), "bitcoin,top:5", error,
                                         sizeof(error)),
                         0);
        assert_int_equal(config_set_text(fresh, config_option_find("fetcher.fetch_interval_ms"),
                                         "1234", error, sizeof(error)),
                         0);
        assert_null(config_fixed_change(config, fresh));
        assert_int_equal(config_set_text(fresh, config_option_find("kafka.topic"), "other", error,
                                         sizeof(error)),
                         0);
        assert_string_equal(config_fixed_change(config, fresh)->path, "kafka.topic");

        config_swap_reloadable(config, fresh);
        assert_string_equal(config->coins[1], "top:5");
        assert_int_equal(config->fetch_interval_ms, 1234);
        assert_string_equal(config->kafka_topic, "crypto-updates");
        assert_string_equal(fresh->coins[0], "top:100");
        assert_string_equal(fresh->kafka_topic, "other");
        config_free(fresh);
        assert_string_equal(config->coins[0], "bitcoin");
        config_free(config);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_table),      cmocka_unit_test(test_known_variables),
                cmocka_unit_test(test_defaults),   cmocka_unit_test(test_accepted),
                cmocka_unit_test(test_refused),    cmocka_unit_test(test_list_bound),
                cmocka_unit_test(test_wrong_type), cmocka_unit_test(test_secrets),
                cmocka_unit_test(test_top_n),      cmocka_unit_test(test_file),
                cmocka_unit_test(test_man_page),   cmocka_unit_test(test_reload),
        };
        return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
