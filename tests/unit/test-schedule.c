#include "unit.h"

#include "fetcher/schedule.h"
#include "io/budget.h"

#define HOUR INT64_C(3600000)

static void test_beat(void **state) {
        Schedule s;
        int64_t due;

        (void) state;
        assert_int_equal(schedule_init(&s, 2, 60000, 1000), 0);
        assert_int_equal(schedule_next(&s, &due), 0);
        assert_int_equal(due, 1000);
        schedule_succeeded(&s, 0, 1200); /* the beat is the due time's, not the answer's */
        assert_int_equal(schedule_next(&s, &due), 1);
        assert_int_equal(due, 1000);
        schedule_succeeded(&s, 1, 1400);
        assert_int_equal(schedule_next(&s, &due), 0);
        assert_int_equal(due, 61000);
        schedule_succeeded(&s, 0, 61500);
        assert_int_equal(schedule_next(&s, &due), 1);
        assert_int_equal(due, 61000);
        schedule_succeeded(&s, 1, 61600);
        schedule_next(&s, &due);
        assert_int_equal(due, 121000);
        schedule_done(&s);
}

/* After a long sleep there is one call, not one for each that was missed. */
static void test_late(void **state) {
        Schedule s;
        int64_t due;

        (void) state;
        assert_int_equal(schedule_init(&s, 1, 1000, 0), 0);
        schedule_succeeded(&s, 0, 10 * HOUR);
        assert_int_equal(schedule_next(&s, &due), 0);
        assert_int_equal(due, 10 * HOUR + 1000);
        /* A little late: the beat is kept. */
        schedule_succeeded(&s, 0, due + 400);
        schedule_next(&s, &due);
        assert_int_equal(due, 10 * HOUR + 2000);
        schedule_done(&s);
}

/* One call's failures delay that call alone, longer and longer, up to a minute. */
static void test_failures(void **state) {
        static const int64_t delays[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };
        Schedule s;
        int64_t due;

        (void) state;
        assert_int_equal(schedule_init(&s, 1, 5000, 0), 0);
        for (size_t i = 0; i < ELEMENTS(delays); i++) {
                assert_int_equal(schedule_failed(&s, 0, 100, 0), delays[i]);
                schedule_next(&s, &due);
                assert_int_equal(due, 100 + delays[i]);
        }
        schedule_done(&s);
        assert_int_equal(schedule_init(&s, 2, 5000, 0), 0);
        assert_int_equal(schedule_failed(&s, 0, 100, 0), 1000);
        assert_int_equal(schedule_next(&s, &due), 1);
        assert_int_equal(due, 0);
        schedule_succeeded(&s, 0, 100000);
        assert_int_equal(schedule_failed(&s, 0, 100000, 0), 1000);
        schedule_done(&s);
}

/* A budget of one call in ten minutes is not eaten up by an outage. */
static void test_failures_in_budget(void **state) {
        Schedule s;
        int64_t delay = 0;

        (void) state;
        assert_int_equal(schedule_init(&s, 1, 600000, 0), 0);
        for (int i = 0; i < 20; i++)
                delay = schedule_failed(&s, 0, 0, 0);
        assert_int_equal(delay, 600000);
        s.interval_ms = INT64_C(31) * 24 * HOUR;
        for (int i = 0; i < 20; i++)
                delay = schedule_failed(&s, 0, 0, 0);
        assert_int_equal(delay, HOUR);
        schedule_done(&s);
}

static void test_pause(void **state) {
        static const struct {
                int64_t asked, delay;
        } rows[] = {
                { 119000, 119000 }, /* what Retry-After says */
                { 1, 1 },
                { -1, 5000 }, /* nothing: a backoff of its own */
                { -1, 10000 },
                { 0, 20000 }, /* "0" would be answered with 429 again */
                { 0, 40000 },
                { HOUR, HOUR },
                { 24 * HOUR, HOUR }, /* a mistake */
                { INT64_MAX, HOUR },
        };
        Schedule s;
        int64_t due;

        (void) state;
        assert_int_equal(schedule_init(&s, 3, 60000, 1000), 0);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                int64_t delay = schedule_pause(&s, 1000, rows[i].asked, 0);
                if (delay != rows[i].delay)
                        fail_row(i, "%lld", (long long) delay);
        }
        schedule_next(&s, &due);
        assert_int_equal(due, 1000 + HOUR); /* a shorter pause does not end a longer one */
        schedule_pause(&s, 1000, 5, 0);
        schedule_next(&s, &due);
        assert_int_equal(due, 1000 + HOUR);
        schedule_succeeded(&s, 0, 1000 + HOUR);
        assert_int_equal(schedule_pause(&s, 0, -1, 0), 5000);
        schedule_done(&s);
}

/* What the interval is when the time comes counts, not what it was when the call was made. */
static void test_interval_changes(void **state) {
        Schedule s;
        int64_t due;

        (void) state;
        assert_int_equal(schedule_init(&s, 1, 40 * 24 * HOUR, 0), 0);
        schedule_next(&s, &due);
        assert_int_equal(due, 0);
        schedule_succeeded(&s, 0, 0);
        schedule_next(&s, &due);
        assert_int_equal(due, 40 * 24 * HOUR);
        s.interval_ms = HOUR;
        schedule_next(&s, &due);
        assert_int_equal(due, HOUR);
        s.interval_ms = 2 * HOUR;
        schedule_next(&s, &due);
        assert_int_equal(due, 2 * HOUR);
        schedule_done(&s);
}

/* Fewer calls are left than a round needs: no call waits beyond the month's end, none of the calls
 * that are left is kept back, and the new month's budget counts at once. */
static void test_last_calls_of_a_month(void **state) {
        enum { N_CALLS = 20, BEGIN_DAY = 10, END_DAY = 40 };
        static const int64_t november = INT64_C(1793491200000), minute = 60000, day = 24 * HOUR;
        int64_t last[N_CALLS] = { 0 }, worst = 0, due, used_in_november = 0;
        Schedule s;
        Budget b;

        (void) state;
        assert_int_equal(budget_open(&b, 10000, NULL, november + BEGIN_DAY * day), 0);
        b.used = 9990;
        assert_int_equal(schedule_init(&s, N_CALLS, minute, 0), 0);
        for (int64_t now = 0; now < (END_DAY - BEGIN_DAY) * day;) {
                int64_t time = november + BEGIN_DAY * day + now;
                s.interval_ms = MAX_OF(minute, budget_spacing_ms(&b, time) * N_CALLS);
                size_t call = schedule_next(&s, &due);
                if (due > now || budget_is_exhausted(&b, time)) {
                        now += minute;
                        continue;
                }
                budget_spend(&b, time);
                schedule_succeeded(&s, call, now);
                worst = MAX_OF(worst, now - last[call]);
                last[call] = now;
                if (time < november + 30 * day)
                        used_in_november = b.used;
        }
        assert_int_equal(used_in_november, 10000);
        assert_in_range(worst, 19 * day, 20 * day + HOUR);
        for (size_t i = 0; i < N_CALLS; i++)
                assert_in_range(last[i], (END_DAY - BEGIN_DAY) * day - 2 * HOUR, INT64_MAX);
        schedule_done(&s);
        budget_done(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_beat),
                cmocka_unit_test(test_late),
                cmocka_unit_test(test_failures),
                cmocka_unit_test(test_failures_in_budget),
                cmocka_unit_test(test_pause),
                cmocka_unit_test(test_interval_changes),
                cmocka_unit_test(test_last_calls_of_a_month),
        };
        return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
