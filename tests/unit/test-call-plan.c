#include "unit.h"

#include <stdlib.h>

#include "core/call_plan.h"
#include "core/price_update.h"

/* A configuration whose lists are set from texts, as the environment would. */
static Config *configure(const char *coins, const char *currencies) {
        char error[256];
        Config *config = NULL;

        assert_int_equal(config_new(&config), 0);
        assert_int_equal(config_set_text(config, config_option_find("coins"), coins, error,
                                         sizeof(error)),
                         0);
        assert_int_equal(config_set_text(config, config_option_find("currencies"), currencies,
                                         error, sizeof(error)),
                         0);
        return config;
}

static void test_targets(void **state) {
        static const struct {
                const char *coins, *currencies, *targets[4];
        } rows[] = {
                { "top:100",
                  "usd",
                  { "vs_currency=usd&order=market_cap_desc&per_page=100&page=1&sparkline=false" } },
                { "top:10,top:20,top:5",
                  "usd,eur",
                  { "vs_currency=usd&order=market_cap_desc&per_page=20&page=1&sparkline=false",
                    "vs_currency=eur&order=market_cap_desc&per_page=20&page=1&sparkline=false" } },
                { "top:300",
                  "usd",
                  { "vs_currency=usd&order=market_cap_desc&per_page=150&page=1&sparkline=false",
                    "vs_currency=usd&order=market_cap_desc&per_page=150&page=2&sparkline=false" } },
                { "bitcoin, boringdao-[old] ,1move token",
                  "usd",
                  { "vs_currency=usd&order=market_cap_desc&per_page=250&page=1&sparkline=false"
                    "&ids=bitcoin%2Cboringdao-%5Bold%5D%2C1move%20token" } },
                { "a&b=c,d+e,f#g",
                  "usd",
                  { "vs_currency=usd&order=market_cap_desc&per_page=250&page=1&sparkline=false"
                    "&ids=a%26b%3Dc%2Cd%2Be%2Cf%23g" } },
                { "bitcoin,top:2,dai",
                  "usd,eth",
                  { "vs_currency=usd&order=market_cap_desc&per_page=2&page=1&sparkline=false",
                    "vs_currency=usd&order=market_cap_desc&per_page=250&page=1&sparkline=false"
                    "&ids=bitcoin%2Cdai",
                    "vs_currency=eth&order=market_cap_desc&per_page=2&page=1&sparkline=false",
                    "vs_currency=eth&order=market_cap_desc&per_page=250&page=1&sparkline=false"
                    "&ids=bitcoin%2Cdai" } },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Config *config = configure(rows[i].coins, rows[i].currencies);
                CallPlan plan;
                size_t n = 0;

                assert_int_equal(call_plan_make(&plan, config), 0);
                while (n < 4 && rows[i].targets[n])
                        n++;
                assert_int_equal(plan.n_calls, n);
                for (size_t k = 0; k < n; k++) {
                        static const char path[] = "/coins/markets?";
                        assert_memory_equal(plan.calls[k].target, path, sizeof(path) - 1);
                        assert_string_equal(plan.calls[k].target + sizeof(path) - 1,
                                            rows[i].targets[k]);
                }
                call_plan_done(&plan);
                config_free(config);
        }
}

/* top:N: every rank once, in at most 250 a page, as few pages as possible. */
static void test_top(void **state) {
        static const size_t rows[] = { 1,   2,   249, 250,  251,  252,  499,  500,
                                       501, 750, 999, 1000, 1001, 9999, 10000 };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char coins[32];
                snprintf(coins, sizeof(coins), "top:%zu", rows[i]);
                Config *config = configure(coins, "usd");
                CallPlan plan;
                size_t wanted = 0, ranks = 0;

                assert_int_equal(call_plan_make(&plan, config), 0);
                assert_int_equal(plan.n_calls, (rows[i] + 249) / 250);
                for (size_t k = 0; k < plan.n_calls; k++) {
                        size_t per_page, page;
                        assert_int_equal(sscanf(strstr(plan.calls[k].target, "per_page="),
                                                "per_page=%zu&page=%zu", &per_page, &page),
                                         2);
                        assert_in_range(per_page, 1, 250);
                        assert_int_equal(page, k + 1);
                        assert_int_equal(per_page * (page - 1), wanted);
                        assert_in_range(plan.calls[k].n_wanted, 1, per_page);
                        assert_null(plan.calls[k].ids);
                        wanted += plan.calls[k].n_wanted;
                        ranks += per_page;
                }
                assert_int_equal(wanted, rows[i]);
                assert_true(ranks - wanted < plan.n_calls);
                call_plan_done(&plan);
                config_free(config);
        }
}

/* N ids of LENGTH bytes: each asked once, in order, in targets of bounded number and length. */
static size_t check_ids(size_t n, int length) {
        char *coins = malloc(n * ((size_t) length + 1) + 1), *end = coins;
        size_t seen = 0, n_calls;
        CallPlan plan;

        assert_non_null(coins);
        for (size_t i = 0; i < n; i++)
                end += sprintf(end, "%s%0*zu", i > 0 ? "," : "", length, i);
        Config *config = configure(coins, "usd");
        assert_int_equal(call_plan_make(&plan, config), 0);
        for (size_t k = 0; k < plan.n_calls; k++) {
                const MarketsCall *call = &plan.calls[k];
                assert_in_range(call->n_wanted, 1, MARKETS_PAGE_MAX);
                assert_true(strlen(call->target) <= MARKETS_TARGET_MAX);
                const char *p = strstr(call->target, "&ids=") + 5;
                for (size_t i = 0; i < call->n_wanted; i++, seen++) {
                        char id[200];
                        snprintf(id, sizeof(id), "%0*zu", length, seen);
                        assert_string_equal(call->ids[i], id);
                        assert_memory_equal(p, id, (size_t) length);
                        p += length;
                        if (i + 1 < call->n_wanted) {
                                assert_memory_equal(p, "%2C", 3);
                                p += 3;
                        }
                }
                assert_int_equal(*p, '\0');
        }
        assert_int_equal(seen, n);
        n_calls = plan.n_calls;
        call_plan_done(&plan);
        config_free(config);
        free(coins);
        return n_calls;
}

static void test_ids(void **state) {
        (void) state;
        assert_int_equal(check_ids(1, 10), 1);
        assert_int_equal(check_ids(249, 10), 1);
        assert_int_equal(check_ids(250, 10), 1);
        assert_int_equal(check_ids(251, 10), 2);
        assert_int_equal(check_ids(300, 10), 2);
        assert_int_equal(check_ids(500, 10), 2);
        assert_int_equal(check_ids(501, 10), 3);
        assert_int_equal(check_ids(1024, 10), 5);
        /* Ids as long as they may be: the target's length cuts first. */
        assert_int_equal(check_ids(250, 127), 6);
        assert_int_equal(check_ids(1024, 127), 23);
}

/* Every byte that an id may have, three bytes each when encoded. */
static void test_encoding(void **state) {
        char id[COIN_ID_MAX + 1];

        (void) state;
        memset(id, '[', sizeof(id) - 1);
        id[sizeof(id) - 1] = '\0';
        Config *config = configure(id, "usd");
        CallPlan plan;
        assert_int_equal(call_plan_make(&plan, config), 0);
        assert_int_equal(plan.n_calls, 1);
        assert_int_equal(strlen(strstr(plan.calls[0].target, "&ids=") + 5), 3 * strlen(id));
        call_plan_done(&plan);
        config_free(config);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_targets),
                cmocka_unit_test(test_top),
                cmocka_unit_test(test_ids),
                cmocka_unit_test(test_encoding),
        };
        return cmocka_run_group_tests_name("call-plan", tests, NULL, NULL);
}
