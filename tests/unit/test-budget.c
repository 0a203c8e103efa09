#include "unit.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/timestamp.h"
#include "io/budget.h"

#define DAY INT64_C(86400000)

static int64_t at(const char *text) {
        int64_t ms = 0;
        assert_int_equal(timestamp_parse(text, &ms), 0);
        return ms;
}

static int make_folder(void **state) {
        char *folder = strdup("/tmp/test-budget-XXXXXX");
        *state = folder;
        return folder && mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
        char path[256];
        snprintf(path, sizeof(path), "%s/calls-this-month", (char *) *state);
        unlink(path);
        int r = rmdir(*state); /* fails if a temporary file was left behind */
        free(*state);
        return r;
}

static void write_file(const char *folder, const char *text) {
        char path[256];
        snprintf(path, sizeof(path), "%s/calls-this-month", folder);
        FILE *f = fopen(path, "we");
        assert_non_null(f);
        fputs(text, f);
        fclose(f);
}

static void test_none(void **state) {
        Budget b;

        (void) state;
        assert_int_equal(budget_open(&b, 0, "/nonexistent", 0), 0);
        assert_int_equal(budget_spend(&b, 0), 0);
        assert_int_equal(budget_spacing_ms(&b, 0), 0);
        assert_false(budget_is_exhausted(&b, 0));
        budget_done(&b);
}

static void test_spacing(void **state) {
        static const struct {
                const char *now;
                int64_t calls, spacing;
        } rows[] = {
                { "2026-11-01T00:00:00Z", 30, DAY },      { "2026-02-01T00:00:00Z", 28, DAY },
                { "2024-02-01T00:00:00Z", 29, DAY },      { "2026-12-01T00:00:00Z", 31, DAY },
                { "2026-12-31T00:00:00Z", 24, DAY / 24 }, { "2026-11-30T23:59:59.999Z", 1, 1 },
                { "2026-11-16T00:00:00Z", 15, DAY },      { "2026-11-30T23:59:59.999Z", 2, 0 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Budget b;
                int64_t now = at(rows[i].now);
                assert_int_equal(budget_open(&b, rows[i].calls, "", now), 0);
                if (budget_spacing_ms(&b, now) != rows[i].spacing)
                        fail_row(i, "%lld", (long long) budget_spacing_ms(&b, now));
                budget_done(&b);
        }
}

/* A round of calls, all paid for, and no sooner than it is wanted. */
static void test_interval(void **state) {
        int64_t now = at("2026-11-16T00:00:00Z");
        Budget b;

        (void) state;
        assert_int_equal(budget_open(&b, 15 * 24, NULL, now), 0);
        assert_int_equal(budget_interval_ms(&b, now, 3, 60000), DAY / 8);
        assert_int_equal(budget_interval_ms(&b, now, 3, DAY), DAY);
        budget_done(&b);
        assert_int_equal(budget_open(&b, 0, NULL, now), 0);
        assert_int_equal(budget_interval_ms(&b, now, 3, 60000), 60000);
        budget_done(&b);
}

/* Used up: nothing until the month's end, and all of it again in the next month. */
static void test_exhausted(void **state) {
        int64_t november = at("2026-11-30T00:00:00Z"), december = at("2026-12-01T00:00:00Z");
        Budget b;

        (void) state;
        assert_int_equal(budget_open(&b, 3, NULL, november), 0);
        for (int i = 0; i < 3; i++) {
                assert_false(budget_is_exhausted(&b, november));
                assert_int_equal(budget_spend(&b, november), 0);
        }
        assert_true(budget_is_exhausted(&b, november));
        assert_int_equal(budget_spacing_ms(&b, november), DAY);
        assert_true(budget_is_exhausted(&b, december - 1));
        assert_false(budget_is_exhausted(&b, december));
        assert_int_equal(budget_spacing_ms(&b, december), 31 * DAY / 3);
        assert_int_equal(budget_spend(&b, december), 0);
        assert_int_equal(b.used, 1);
        budget_done(&b);
}

/* A month of polling as the spacing allows it: the budget lasts, and nearly all of it is used. */
static void test_month(void **state) {
        int64_t now = at("2026-11-01T00:00:00Z"), end = at("2026-12-01T00:00:00Z");
        int64_t last = 0;
        Budget b;

        (void) state;
        assert_int_equal(budget_open(&b, 10000, NULL, now), 0);
        while (now < end && !budget_is_exhausted(&b, now)) {
                assert_int_equal(budget_spend(&b, now), 0);
                last = now;
                now += MAX_OF(budget_spacing_ms(&b, now), INT64_C(60000));
        }
        assert_in_range(b.used, 9990, 10000);
        assert_true(end - last < DAY / 100);
        budget_done(&b);
}

static void test_restart(void **state) {
        int64_t now = at("2026-11-22T11:22:33Z"), december = at("2026-12-01T00:00:00Z");
        Budget b;

        assert_int_equal(budget_open(&b, 5, *state, now), 0);
        assert_int_equal(b.used, 0);
        for (int i = 0; i < 4; i++)
                assert_int_equal(budget_spend(&b, now), 0);
        budget_done(&b);
        assert_int_equal(budget_open(&b, 5, *state, now + DAY), 0);
        assert_int_equal(b.used, 4);
        assert_int_equal(budget_spend(&b, now + DAY), 0);
        assert_true(budget_is_exhausted(&b, now + DAY));
        budget_done(&b);
        assert_int_equal(budget_open(&b, 5, *state, december), 0);
        assert_int_equal(b.used, 0);
        budget_done(&b);
}

/* Two programs with the same folder: what one spends the other knows with its next call. */
static void test_shared(void **state) {
        int64_t now = at("2026-11-22T11:22:33Z");
        Budget a, b;

        assert_int_equal(budget_open(&a, 10, *state, now), 0);
        assert_int_equal(budget_open(&b, 10, *state, now), 0);
        for (int i = 0; i < 3; i++)
                assert_int_equal(budget_spend(&a, now), 0);
        assert_int_equal(budget_spend(&b, now), 0);
        assert_int_equal(b.used, 4);
        assert_int_equal(budget_spend(&a, now), 0);
        assert_int_equal(a.used, 5);
        assert_int_equal(budget_spend(&b, at("2026-12-01T00:00:00Z")), 0);
        assert_int_equal(b.used, 1);
        budget_done(&a);
        budget_done(&b);
}

/* Whatever stands in the file: an error, a count of 0, and the next call writes a good one. */
static void test_corrupt(void **state) {
        static const char *const rows[] = {
                "",
                "\n",
                "hello",
                "2026-11",
                "2026-11 x",
                "2026-11 -4",
                "2026-13 4",
                "2026-00 4",
                "99999999999-11 4",
                "2026-99999999999999999999 4",
                "\xff\xff\xff\xff",
        };
        int64_t now = at("2026-11-22T11:22:33Z");

        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Budget b;
                write_file(*state, rows[i]);
                int r = budget_open(&b, 5, *state, now);
                if (r != -EBADMSG || b.used != 0 || b.monthly_calls != 5)
                        fail_row(i, "%s: %d, %lld used", rows[i], r, (long long) b.used);
                assert_int_equal(budget_spend(&b, now), 0);
                budget_done(&b);
                assert_int_equal(budget_open(&b, 5, *state, now), 0);
                assert_int_equal(b.used, 1);
                budget_done(&b);
        }
        Budget b;
        write_file(*state, "2026-11 999999999999999999999999");
        (void) !budget_open(&b, 5, *state, now);
        assert_true(b.used >= 0);
        budget_done(&b);
}

/* A folder that is not there or no folder: counted in memory, told by an error at each call. */
static void test_unwritable(void **state) {
        static char too_long[5000];
        int64_t now = at("2026-11-22T11:22:33Z");
        Budget b;

        (void) state;
        assert_int_equal(budget_open(&b, 2, "/nonexistent/folder", now), 0);
        assert_int_equal(budget_spend(&b, now), -ENOENT);
        assert_int_equal(budget_spend(&b, now), -ENOENT);
        assert_true(budget_is_exhausted(&b, now));
        budget_done(&b);
        assert_int_equal(budget_open(&b, 2, "/dev/null", now), -ENOTDIR);
        assert_int_equal(budget_spend(&b, now), -ENOTDIR);
        assert_int_equal(b.used, 1);
        budget_done(&b);
        memset(too_long, 'x', sizeof(too_long) - 1);
        assert_int_equal(budget_open(&b, 2, too_long, now), -ENAMETOOLONG);
        assert_int_equal(b.monthly_calls, 2);
        assert_int_equal(budget_spend(&b, now), 0);
        budget_done(&b);
}

/* A disk without room leaves the old count, not half a file. */
static void test_full_disk(void **state) {
        int64_t now = at("2026-11-22T11:22:33Z");
        char path[256];
        Budget b;

        assert_int_equal(budget_open(&b, 5, *state, now), 0);
        assert_int_equal(budget_spend(&b, now), 0);
        snprintf(path, sizeof(path), "%s/calls-this-month.new", (char *) *state);
        assert_int_equal(symlink("/dev/full", path), 0);
        assert_int_equal(budget_spend(&b, now), -ENOSPC);
        budget_done(&b);
        assert_int_equal(budget_open(&b, 5, *state, now), 0);
        assert_int_equal(b.used, 1);
        budget_done(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_none),
                cmocka_unit_test(test_spacing),
                cmocka_unit_test(test_interval),
                cmocka_unit_test(test_exhausted),
                cmocka_unit_test(test_month),
                cmocka_unit_test_setup_teardown(test_restart, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(test_shared, make_folder, remove_folder),
                cmocka_unit_test_setup_teardown(test_corrupt, make_folder, remove_folder),
                cmocka_unit_test(test_unwritable),
                cmocka_unit_test_setup_teardown(test_full_disk, make_folder, remove_folder),
        };
        return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
