#include "captured.h"
#include "unit.h"
#include "websocket/rejects.h"

#include "io/journal.h"

#define MINUTE REJECTS_QUIET_MS

static void note(Rejects *r, int64_t offset, int64_t now_ms) {
        rejects_note(r, "topic", 3, offset, "no price", now_ms);
}

/* How many lines TEXT has that contain PART. */
static int lines_with(const char *text, const char *part) {
        int n = 0;
        for (; (text = strstr(text, part)); text += strlen(part))
                n++;
        return n;
}

static void test_one_when_it_begins(void **state) {
        Rejects r = { .last_ms = 0 };

        (void) state;
        capture_begin();
        for (int i = 0; i < 1000; i++)
                note(&r, 7 + i, 5000 + i);
        const char *text = capture_end();
        assert_int_equal(lines_with(text, "\n"), 1);
        assert_non_null(strstr(text, "Message at topic/3 offset 7 is no price update (no price)"));
}

static void test_one_a_minute(void **state) {
        Rejects r = { .last_ms = 0 };

        (void) state;
        capture_begin();
        for (int64_t i = 0; i < 3 * MINUTE; i += 100) {
                note(&r, i, i);
                rejects_turn(&r, i + 50);
        }
        const char *text = capture_end();
        assert_int_equal(lines_with(text, "\n"), 3);
        assert_int_equal(lines_with(text, "(601 of them so far)"), 1);
        assert_int_equal(lines_with(text, "(1201 of them so far)"), 1);
}

/* After a minute without any; whether somebody has looked meanwhile or the next one shows it. */
static void test_one_when_it_ends(void **state) {
        (void) state;
        for (int looked = 0; looked < 2; looked++) {
                Rejects r = { .last_ms = 0 };

                capture_begin();
                note(&r, 1, 0);
                note(&r, 2, 30000);
                rejects_turn(&r, 30000 + MINUTE - 1);
                assert_int_equal(r.episode.failures, 2);
                if (looked)
                        rejects_turn(&r, 30000 + MINUTE);
                note(&r, 3, 30000 + MINUTE);
                const char *text = capture_end();
                assert_int_equal(lines_with(text, "passed over 2 within 30 s."), 1);
                assert_int_equal(lines_with(text, "offset 3 is no price update"), 1);
                assert_int_equal(lines_with(text, "\n"), 3);
        }
}

static void test_each_for_debug(void **state) {
        Rejects r = { .last_ms = 0 };

        (void) state;
        journal_set_level("debug");
        capture_begin();
        for (int i = 0; i < 10; i++)
                note(&r, i, i);
        assert_int_equal(lines_with(capture_end(), "is no price update"), 10);
        journal_set_level("info");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_one_when_it_begins),
                cmocka_unit_test(test_one_a_minute),
                cmocka_unit_test(test_one_when_it_ends),
                cmocka_unit_test(test_each_for_debug),
        };
        journal_open("test-rejects");
        journal_set_level("info");
        return cmocka_run_group_tests(tests, NULL, NULL);
}
