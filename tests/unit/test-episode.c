#include "unit.h"

#include "core/episode.h"

static void test_told(void **state) {
        /* Failures every ten seconds: told at the beginning, then once a minute. */
        Episode e = { .failures = 0 };
        int64_t duration = -1;

        (void) state;
        assert_false(episode_end(&e, 5, &duration));
        assert_int_equal(duration, -1);
        for (int64_t now = 1000; now <= 301000; now += 10000)
                assert_int_equal(episode_fail(&e, now), (now - 1000) % 60000 == 0);
        assert_int_equal(e.failures, 31);
        assert_true(episode_end(&e, 311000, &duration));
        assert_int_equal(duration, 310000);
        assert_false(episode_end(&e, 312000, &duration));
        assert_int_equal(e.failures, 0);
}

/* A new episode is told at once, however soon after the last. */
static void test_again(void **state) {
        Episode e = { .failures = 0 };
        int64_t duration;

        (void) state;
        for (int64_t now = 0; now < 10; now++) {
                assert_true(episode_fail(&e, now));
                assert_false(episode_fail(&e, now));
                assert_true(episode_end(&e, now, &duration));
                assert_int_equal(duration, 0);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_told),
                                            cmocka_unit_test(test_again) };
        return cmocka_run_group_tests_name("episode", tests, NULL, NULL);
}
