#include "unit.h"
#include "websocket/rejects.h"

#include "io/journal.h"

static void note(Rejects *r, int64_t now_ms) {
        rejects_note(r, "topic", 0, 7, "no price", now_ms);
}

static void test_window(void **state) {
        Rejects r = { .total = 0 };

        (void) state;
        for (int i = 0; i < REJECTS_PER_WINDOW + 5; i++)
                note(&r, 1000 + i);
        assert_int_equal(r.total, REJECTS_PER_WINDOW + 5);
        assert_int_equal(r.in_window, REJECTS_PER_WINDOW);
        assert_int_equal(r.silent, 5);

        rejects_turn(&r, 1000 + REJECTS_WINDOW_MS - 1);
        assert_int_equal(r.silent, 5);
        rejects_turn(&r, 1000 + REJECTS_WINDOW_MS);
        assert_int_equal(r.in_window, 0);
        assert_int_equal(r.silent, 0);
        assert_int_equal(r.total, REJECTS_PER_WINDOW + 5);
}

/* The next message ends a window that nobody has looked after. */
static void test_next_window(void **state) {
        Rejects r = { .total = 0 };

        (void) state;
        for (int i = 0; i < REJECTS_PER_WINDOW + 1; i++)
                note(&r, 0);
        note(&r, REJECTS_WINDOW_MS);
        assert_int_equal(r.in_window, 1);
        assert_int_equal(r.silent, 0);
        assert_int_equal(r.window_ms, REJECTS_WINDOW_MS);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_window),
                cmocka_unit_test(test_next_window),
        };
        journal_open("test-rejects");
        journal_set_level("error");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
