#include "unit.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "sim/market.h"

#define NOW INT64_C(1795376364123)
#define DAY INT64_C(86400000)

static Market *make(uint64_t seed, size_t coins, int64_t renew_ms, bool together) {
        const MarketOptions options = { seed, coins, renew_ms, together };
        Market *market;

        assert_int_equal(market_new(&market, &options), 0);
        return market;
}

static void test_reproducible(void **state) {
        _cleanup_(market_freep) Market *a = make(1, 300, 10000, false);
        _cleanup_(market_freep) Market *b = make(1, 300, 10000, false);
        _cleanup_(market_freep) Market *c = make(2, 300, 10000, false);
        size_t differ = 0;

        (void) state;
        for (size_t i = 0; i < 300; i++) {
                const double price = market_price(a, i, "usd", NOW - (int64_t) i * DAY);

                assert_true(price == market_price(b, i, "usd", NOW - (int64_t) i * DAY));
                if (price != market_price(c, i, "usd", NOW - (int64_t) i * DAY))
                        differ++;
        }
        assert_int_equal(differ, 300);
}

static void test_bounds(void **state) {
        _cleanup_(market_freep) Market *m = make(7, 2000, 1000, false);
        double lowest = 1, highest = 1;

        (void) state;
        for (size_t i = 0; i < 2000; i++)
                for (int64_t day = 0; day < 2000; day += 97) {
                        const double price = market_price(m, i, "usd", NOW - day * DAY);

                        lowest = fmin(lowest, price);
                        highest = fmax(highest, price);
                        assert_true(price >= 1e-9 && price <= 1e5);
                }
        /* Both ends are reached. */
        assert_true(lowest < 1e-8);
        assert_true(highest > 5e4);
}

/* Like a random walk: far apart in time means far apart in price. */
static void test_walk(void **state) {
        _cleanup_(market_freep) Market *m = make(1, 250, 60000, false);
        double hour = 0, week = 0;

        (void) state;
        for (size_t i = 0; i < 250; i++) {
                const double now = market_price(m, i, "usd", NOW);

                hour += fabs(log(market_price(m, i, "usd", NOW - DAY / 24) / now));
                week += fabs(log(market_price(m, i, "usd", NOW - 7 * DAY) / now));
        }
        assert_true(hour / 250 > 0.0005 && hour / 250 < 0.02);
        assert_true(week / 250 > 0.02 && week / 250 < 0.4);
        assert_true(week > 5 * hour);
}

static void test_renewal(void **state) {
        _cleanup_(market_freep) Market *spread = make(1, 250, 10000, false);
        _cleanup_(market_freep) Market *together = make(1, 250, 10000, true);
        size_t same = 0;

        (void) state;
        for (size_t i = 0; i < 250; i++) {
                const int64_t at = market_renewed_ms(spread, i, NOW);

                assert_true(at <= NOW && at > NOW - 10000);
                assert_int_equal(market_renewed_ms(spread, i, at), at);
                assert_int_equal(market_renewed_ms(spread, i, at - 1), at - 10000);
                /* Between renewals it stands still, and each brings a new price. */
                assert_true(market_price(spread, i, "usd", at) ==
                            market_price(spread, i, "usd", at + 9999));
                assert_true(market_price(spread, i, "usd", at) !=
                            market_price(spread, i, "usd", at + 10000));
                if (at == market_renewed_ms(spread, 0, NOW))
                        same++;
                assert_int_equal(market_renewed_ms(together, i, NOW), NOW - NOW % 10000);
        }
        assert_true(same < 10);
}

static void test_coins(void **state) {
        _cleanup_(market_freep) Market *m = make(1, 3000, 1000, false);

        (void) state;
        assert_int_equal(market_find(m, "bitcoin"), 0);
        assert_int_equal(market_find(m, "nix"), -ENOENT);
        for (size_t i = 0; i < 3000; i++) {
                const Coin *coin = market_coin(m, i);

                /* Also: no id twice. */
                assert_int_equal(market_find(m, coin->id), i);
                assert_true(strlen(coin->symbol) >= 2);
                assert_int_equal(strspn(coin->id, "abcdefghijklmnopqrstuvwxyz0123456789-"),
                                 strlen(coin->id));
                assert_true(coin->circulating > 0 && coin->total >= coin->circulating);
        }
}

static void test_currencies(void **state) {
        _cleanup_(market_freep) Market *m = make(1, 300, 1000, true);
        const size_t ethereum = (size_t) market_find(m, "ethereum");
        size_t n = 0;

        (void) state;
        while (market_currency(n))
                n++;
        assert_true(n >= 61);
        assert_false(market_has_currency("nix"));
        assert_true(market_price(m, 0, "btc", NOW) == 1);
        assert_true(fabs(market_price(m, 0, "sats", NOW) - 1e8) < 1);
        assert_true(fabs(market_price(m, ethereum, "btc", NOW) * market_price(m, 0, "usd", NOW) /
                                         market_price(m, ethereum, "usd", NOW) -
                         1) < 1e-9);
}

static void test_set_price(void **state) {
        _cleanup_(market_freep) Market *m = make(1, 10, 1000, true);
        int64_t renewed;
        double before;

        (void) state;
        before = market_quote(m, 0, "usd", NOW, &renewed);
        assert_int_equal(market_set_price(m, 0, "usd", 123.45, NOW), 0);
        assert_true(market_quote(m, 0, "usd", NOW + DAY, &renewed) == 123.45);
        assert_int_equal(renewed, NOW);
        assert_int_equal(market_set_price(m, 0, "usd", 5, NOW + 1), 0);
        assert_true(market_quote(m, 0, "usd", NOW + DAY, &renewed) == 5);
        assert_int_equal(market_set_price(m, 0, "nix", 5, NOW), -EINVAL);
        assert_int_equal(market_set_price(m, 0, "usd", 0, NOW), -EINVAL);
        assert_int_equal(market_set_price(m, 0, "usd", NAN, NOW), -EINVAL);
        market_set_stale(m, 1, NOW - DAY);
        assert_true(market_renewed_ms(m, 1, NOW) <= NOW - DAY);
        market_reset(m);
        assert_true(market_renewed_ms(m, 1, NOW) > NOW - 1000);
        assert_true(market_quote(m, 0, "usd", NOW, &renewed) == before);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_reproducible), cmocka_unit_test(test_bounds),
                cmocka_unit_test(test_walk),         cmocka_unit_test(test_renewal),
                cmocka_unit_test(test_coins),        cmocka_unit_test(test_currencies),
                cmocka_unit_test(test_set_price),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
