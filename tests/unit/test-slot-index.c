#include "unit.h"

#include "core/slot_index.h"

static void test_numbers(void **state) {
        static const struct {
                const char *coin, *currency;
                size_t slot;
        } rows[] = {
                { "bitcoin", "usd", 0 },  { "bitcoin", "eur", 1 }, { "ethereum", "usd", 2 },
                { "bitcoin", "usd", 0 },  { "bit", "coinusd", 3 }, { "bitcoin", "us", 4 },
                { "ethereum", "usd", 2 }, { "", "", 5 },
        };
        _cleanup_(slot_index_freep) SlotIndex *index = NULL;

        (void) state;
        slot_index_free(NULL);
        assert_int_equal(slot_index_new(&index), 0);
        assert_int_equal(slot_index_count(index), 0);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                size_t slot = 99;
                assert_int_equal(slot_index_add(index, rows[i].coin, rows[i].currency, &slot), 0);
                if (slot != rows[i].slot)
                        fail_row(i, "%s/%s is %zu", rows[i].coin, rows[i].currency, slot);
        }
        assert_int_equal(slot_index_count(index), 6);
}

/* 10,000 coins in two currencies, in rising order (a tree's worst case), each asked twice. */
static void test_many(void **state) {
        _cleanup_(slot_index_freep) SlotIndex *index = NULL;

        (void) state;
        assert_int_equal(slot_index_new(&index), 0);
        for (int round = 0; round < 2; round++)
                for (size_t i = 0; i < 10000; i++) {
                        char coin[32];
                        size_t usd, eur;
                        snprintf(coin, sizeof(coin), "coin-%05zu", i);
                        assert_int_equal(slot_index_add(index, coin, "usd", &usd), 0);
                        assert_int_equal(slot_index_add(index, coin, "eur", &eur), 0);
                        assert_int_equal(usd, 2 * i);
                        assert_int_equal(eur, 2 * i + 1);
                }
        assert_int_equal(slot_index_count(index), 20000);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_numbers),
                                            cmocka_unit_test(test_many) };
        return cmocka_run_group_tests_name("slot-index", tests, NULL, NULL);
}
