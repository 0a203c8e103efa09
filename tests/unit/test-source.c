#include "unit.h"

#include "core/source.h"

#define PUBLIC "https://api.coingecko.com/api/v3"
#define PRO "https://pro-api.coingecko.com/api/v3"

static void set(Config *config, const char *path, const char *text) {
        char error[256];
        assert_int_equal(config_set_text(config, config_option_find(path), text, error,
                                         sizeof(error)),
                         0);
}

static void test_plans(void **state) {
        static const struct {
                const char *plan, *key, *url, *expected_url, *header;
        } rows[] = {
                { "auto", "", "", PUBLIC, "" },
                { "auto", "CG-x", "", PUBLIC, "x-cg-demo-api-key: CG-x" },
                { "keyless", "", "", PUBLIC, "" },
                { "keyless", "CG-x", "", PUBLIC, "" },
                { "demo", "CG-x", "", PUBLIC, "x-cg-demo-api-key: CG-x" },
                { "pro", "CG-x", "", PRO, "x-cg-pro-api-key: CG-x" },
                { "pro", "CG-x", "http://[::1]:9/api/v3", "http://[::1]:9/api/v3",
                  "x-cg-pro-api-key: CG-x" },
                { "auto", "", "http://127.0.0.1:9/api/v3/", "http://127.0.0.1:9/api/v3", "" },
                { "auto", "", "http://127.0.0.1:9//", "http://127.0.0.1:9", "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                _cleanup_(config_freep) Config *config = NULL;
                Source source;
                assert_int_equal(config_new(&config), 0);
                set(config, "coingecko.plan", rows[i].plan);
                set(config, "coingecko.api_key", rows[i].key);
                set(config, "coingecko.base_url", rows[i].url);
                assert_null(source_init(&source, config));
                if (strcmp(source.base_url, rows[i].expected_url) != 0 ||
                    strcmp(source.key_header, rows[i].header) != 0)
                        fail_row(i, "%s, %s", source.base_url, source.key_header);
        }
}

static void test_key_missing(void **state) {
        static const char *const plans[] = { "demo", "pro" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(plans); i++) {
                _cleanup_(config_freep) Config *config = NULL;
                Source source;
                assert_int_equal(config_new(&config), 0);
                set(config, "coingecko.plan", plans[i]);
                const char *reason = source_init(&source, config);
                assert_non_null(reason);
                assert_non_null(strstr(reason, "coingecko.api_key"));
        }
}

/* The longest values that the configuration allows fit. */
static void test_longest(void **state) {
        _cleanup_(config_freep) Config *config = NULL;
        char url[2049] = "http://", key[257];
        Source source;

        (void) state;
        memset(url + 7, 'u', sizeof(url) - 8);
        url[sizeof(url) - 1] = '\0';
        memset(key, 'k', sizeof(key) - 1);
        key[sizeof(key) - 1] = '\0';
        assert_int_equal(config_new(&config), 0);
        set(config, "coingecko.base_url", url);
        set(config, "coingecko.api_key", key);
        assert_null(source_init(&source, config));
        assert_string_equal(source.base_url, url);
        assert_string_equal(source.key_header + strlen("x-cg-demo-api-key: "), key);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_plans),
                                            cmocka_unit_test(test_key_missing),
                                            cmocka_unit_test(test_longest) };
        return cmocka_run_group_tests_name("source", tests, NULL, NULL);
}
