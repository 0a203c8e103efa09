#include "unit.h"

#include "core/backoff.h"

/* Without jitter: the sequence; with the most jitter: half of it. */
static void test_sequence(void **state) {
        static const uint32_t delays[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
        Backoff plain = { .min_ms = 1000, .max_ms = 60000 }, jitter = plain;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(delays); i++) {
                assert_int_equal(backoff_next_ms(&plain, 0), delays[i]);
                assert_in_range(backoff_next_ms(&jitter, 1023), delays[i] / 2, delays[i] / 2 + 64);
        }
        backoff_reset(&plain);
        assert_int_equal(backoff_next_ms(&plain, 0), 1000);
}

static void test_bounds(void **state) {
        Backoff b = { .min_ms = 1, .max_ms = UINT32_MAX };
        uint64_t seed = 3;

        (void) state;
        for (int i = 0; i < 10000; i++) {
                Backoff before = b;
                uint32_t most = backoff_next_ms(&before, 0);
                uint32_t delay = backoff_next_ms(&b, (uint32_t) unit_random(&seed));
                assert_in_range(delay, most / 2, most);
        }
        b.attempts = UINT32_MAX;
        assert_int_equal(backoff_next_ms(&b, 0), UINT32_MAX);
        assert_int_equal(b.attempts, UINT32_MAX);
}

/* Clients that failed together do not come back together. */
static void test_spread(void **state) {
        bool seen[1024] = { false };
        size_t n = 0;

        (void) state;
        for (uint32_t i = 0; i < 1024; i++) {
                Backoff b = { .min_ms = 2048, .max_ms = 2048 };
                uint32_t delay = backoff_next_ms(&b, i);
                assert_in_range(delay, 1024, 2048);
                n += !seen[delay % 1024];
                seen[delay % 1024] = true;
        }
        assert_true(n > 1000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_sequence),
                cmocka_unit_test(test_bounds),
                cmocka_unit_test(test_spread),
        };
        return cmocka_run_group_tests_name("backoff", tests, NULL, NULL);
}
