/* Which points of an answer fill which gap. */
#include "unit.h"

#include "maintenance/gaps.h"

static Gap gap(int64_t from_ms, int64_t to_ms) {
        return (Gap){ .from_ms = from_ms, .to_ms = to_ms };
}

static void add(GapList *list, const char *coin_id, const char *currency, Gap g) {
        assert_int_equal(gap_list_add(list, coin_id, currency, &g), 0);
}

static void make_list(GapList *list) {
        assert_int_equal(gap_list_init(list, 4), 0);
        add(list, "bitcoin", "usd", gap(1000, 2000));
        add(list, "bitcoin", "usd", gap(5000, 9000));
        add(list, "bitcoin", "eur", gap(1000, 3000));
        add(list, "ethereum", "eur", gap(4000, 8000));
}

static void test_sets(void **state) {
        static const struct {
                const char *coin_id, *currency;
                size_t n_gaps;
        } rows[] = { { "bitcoin", "usd", 2 }, { "bitcoin", "eur", 1 }, { "ethereum", "eur", 1 } };
        GapList list;

        (void) state;
        make_list(&list);
        assert_int_equal(list.n_gaps, 4);
        assert_int_equal(list.n_sets, ELEMENTS(rows));
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (strcmp(list.sets[i].coin_id, rows[i].coin_id) != 0 ||
                    strcmp(list.sets[i].currency, rows[i].currency) != 0 ||
                    list.sets[i].n_gaps != rows[i].n_gaps)
                        fail_row(i, "%s %s %zu", list.sets[i].coin_id, list.sets[i].currency,
                                 list.sets[i].n_gaps);
        assert_int_equal(list.sets[1].gaps[0].to_ms, 3000);
        gap_list_done(&list);
        assert_null(list.sets);
        gap_list_done(&list);
}

static void test_refused(void **state) {
        GapList list;
        Gap g = gap(1, 2);

        (void) state;
        assert_int_equal(gap_list_init(&list, 1), 0);
        assert_int_equal(gap_list_add(&list, "a/b", "usd", &g), -EINVAL);
        assert_int_equal(gap_list_add(&list, "", "usd", &g), -EINVAL);
        assert_int_equal(gap_list_add(&list, "a", "USD", &g), -EINVAL);
        assert_int_equal(list.n_sets, 0);
        assert_int_equal(gap_list_add(&list, "a", "usd", &g), 0);
        assert_int_equal(gap_list_add(&list, "a", "usd", &g), -EINVAL); /* no room */
        assert_int_equal(list.n_gaps, 1);
        gap_list_done(&list);
        assert_int_equal(gap_list_init(&list, 0), 0);
        gap_list_done(&list);
}

/* Of two that are equally long the first. */
static void test_longest(void **state) {
        const GapSet *set = NULL;
        GapList list;

        (void) state;
        make_list(&list);
        const Gap *longest = gap_list_longest(&list, &set);
        assert_int_equal(longest->from_ms, 5000);
        assert_ptr_equal(set, &list.sets[0]);
        gap_list_done(&list);
}

/* The prices on both sides of a gap are there already. */
static void test_take(void **state) {
        static const struct {
                int64_t at_ms;
                int gap; /* -1: none */
        } rows[] = {
                { INT64_MIN, -1 }, { 999, -1 },  { 1000, -1 }, { 1001, 0 },
                { 1999, 0 },       { 2000, -1 }, { 3000, -1 }, { 5000, -1 },
                { 5001, 1 },       { 8999, 1 },  { 9000, -1 }, { INT64_MAX, -1 },
        };
        GapList list;

        (void) state;
        make_list(&list);
        const GapSet *set = &list.sets[0];
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                ChartPoint point = { .timestamp_ms = rows[i].at_ms,
                                     .price = { "1.50" },
                                     .market_cap = { "7" } };
                PriceUpdate u;
                const Gap *found = gap_set_take(set, &point, &u);
                if (found != (rows[i].gap < 0 ? NULL : &set->gaps[rows[i].gap]))
                        fail_row(i, "%lld", (long long) rows[i].at_ms);
                if (!found)
                        continue;
                assert_string_equal(u.coin_id, "bitcoin");
                assert_string_equal(u.currency, "usd");
                assert_int_equal(u.timestamp_ms, rows[i].at_ms);
                assert_string_equal(u.price.text, "1.50");
                assert_string_equal(u.market_cap.text, "7");
                assert_string_equal(u.volume_24h.text, "");
                assert_string_equal(u.symbol, "");
        }
        gap_list_done(&list);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sets),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_longest),
                cmocka_unit_test(test_take),
        };
        return cmocka_run_group_tests_name("gaps", tests, NULL, NULL);
}
