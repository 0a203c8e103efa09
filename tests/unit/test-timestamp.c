#include "unit.h"

#include <time.h>

#include "core/timestamp.h"

static void test_accepted(void **state) {
        static const struct {
                const char *source, *text;
        } rows[] = {
                { "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z" },
                { "2026-11-22T11:22:33.123Z", "2026-11-22T11:22:33.123Z" },
                { "2026-11-22T11:22:33Z", "2026-11-22T11:22:33.000Z" },
                { "2026-11-22t11:22:33z", "2026-11-22T11:22:33.000Z" },
                { "2026-11-22 11:22:33Z", "2026-11-22T11:22:33.000Z" },
                { "2026-11-22T11:22:33.1Z", "2026-11-22T11:22:33.100Z" },
                { "2026-11-22T11:22:33.01Z", "2026-11-22T11:22:33.010Z" },
                { "2026-11-22T11:22:33.1239999999999999999999Z", "2026-11-22T11:22:33.123Z" },
                { "2024-03-30T07:22:29.427+00:00", "2024-03-30T07:22:29.427Z" },
                { "2024-03-30T07:22:29-00:00", "2024-03-30T07:22:29.000Z" },
                { "2026-01-01T00:30:00+01:00", "2025-12-31T23:30:00.000Z" },
                { "2025-12-31T20:00:00-05:30", "2026-01-01T01:30:00.000Z" },
                { "2024-02-29T12:00:00Z", "2024-02-29T12:00:00.000Z" },
                { "2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z" },
                { "2024-02-28T23:59:59+00:00", "2024-02-28T23:59:59.000Z" },
                { "2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z" }, /* leap second */
                { "1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z" },
                { "0000-01-01T00:00:00Z", "0000-01-01T00:00:00.000Z" },
                { "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char text[TIMESTAMP_TEXT_SIZE];
                int64_t ms;
                if (timestamp_parse(rows[i].source, &ms) < 0)
                        fail_row(i, "%s is refused", rows[i].source);
                if (strcmp(timestamp_format(ms, text), rows[i].text) != 0)
                        fail_row(i, "%s gives %s", rows[i].source, text);
        }
}

static void test_refused(void **state) {
        static const char *const rows[] = {
                "",
                "2026",
                "2026-11-22",
                "2026-11-22T11:22",
                "2026-11-22T11:22:33",
                "2026-11-22T11:22:33.Z",
                "2026-11-22T11:22:33.123",
                "2026-11-22T11:22:33,123Z",
                "2026-11-22T11:22:33.12-Z",
                "2026-11-22T11:22:33ZZ",
                "2026-11-22T11:22:33Z ",
                " 2026-11-22T11:22:33Z",
                "2026-11-22T11:22:33+1:00",
                "2026-11-22T11:22:33+0100",
                "2026-11-22T11:22:33+24:00",
                "2026-11-22T11:22:33+01:60",
                "2026-11-22X11:22:33Z",
                "2026-13-22T11:22:33Z",
                "2026-00-22T11:22:33Z",
                "2026-11-00T11:22:33Z",
                "2026-11-31T11:22:33Z",
                "2026-02-29T11:22:33Z",
                "1900-02-29T00:00:00Z",
                "2100-02-29T00:00:00Z",
                "2026-11-22T24:00:00Z",
                "2026-11-22T11:60:33Z",
                "2026-11-22T11:22:61Z",
                "+026-11-22T11:22:33Z",
                "-026-11-22T11:22:33Z",
                "20261-11-22T11:22:33Z",
                "1795346553",
                "null",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                int64_t ms = 42;
                if (timestamp_parse(rows[i], &ms) != -EINVAL)
                        fail_row(i, "%s is accepted", rows[i]);
                assert_int_equal(ms, 42);
        }
}

/* Against libc: 200,000 points from the year 1 to 9999, written, read and compared. */
static void test_round_trip(void **state) {
        const int64_t first = INT64_C(-62135596800000), last = INT64_C(253402300799999);
        uint64_t seed = 2;

        (void) state;
        for (int i = 0; i < 200000; i++) {
                int64_t ms = first + (int64_t) (unit_random(&seed) % (uint64_t) (last - first)),
                        back;
                int64_t floored = ms >= 0 ? ms / 1000 : -((999 - ms) / 1000);
                time_t seconds = (time_t) floored;
                char text[TIMESTAMP_TEXT_SIZE], expected[64];
                struct tm tm;

                gmtime_r(&seconds, &tm);
                snprintf(expected, sizeof(expected), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
                         tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                         tm.tm_sec, (int) (ms - floored * 1000));
                assert_string_equal(timestamp_format(ms, text), expected);
                assert_int_equal(timestamp_parse(text, &back), 0);
                assert_int_equal(back, ms);
        }
}

/* What lies beyond year 9999 has no text, but formatting it is harmless. */
static void test_extremes(void **state) {
        static const int64_t rows[] = { INT64_MIN, INT64_MIN + 1, INT64_MAX, -1, 0, 1 };
        char text[TIMESTAMP_TEXT_SIZE];

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                assert_int_equal(strlen(timestamp_format(rows[i], text)), TIMESTAMP_TEXT_SIZE - 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepted),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_round_trip),
                cmocka_unit_test(test_extremes),
        };
        return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
