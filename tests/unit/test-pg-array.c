#include "io/pg_array.h"
#include "unit.h"

#include <errno.h>

static const struct {
        const char *elements[4];
        size_t n;
        const char *expected;
} cases[] = {
        { { NULL }, 0, "{}" },
        { { "a" }, 1, "{\"a\"}" },
        { { "a", "b" }, 2, "{\"a\",\"b\"}" },
        { { NULL, "NULL", "" }, 3, "{NULL,\"NULL\",\"\"}" },
        { { "a\"b", "c\\d", "{e,f}" }, 3, "{\"a\\\"b\",\"c\\\\d\",\"{e,f}\"}" },
        { { "\\", "\"" }, 2, "{\"\\\\\",\"\\\"\"}" },
        { { "\xc3\xa9 \n" }, 1, "{\"\xc3\xa9 \n\"}" },
};

static void test_elements(void **state) {
        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_buffer_ Buffer b = { 0 };
                for (size_t k = 0; k < cases[i].n; k++)
                        assert_int_equal(pg_array_add(&b, cases[i].elements[k]), 0);
                assert_int_equal(pg_array_end(&b), 0);
                assert_string_equal(b.data, cases[i].expected);
        }
}

static void test_bound(void **state) {
        (void) state;
        _cleanup_buffer_ Buffer b = { .max = 10 };

        assert_int_equal(pg_array_add(&b, "abc"), 0);
        assert_int_equal(pg_array_add(&b, "abcdef"), -EMSGSIZE);
        assert_string_equal(b.data, "{\"abc\"");
        assert_int_equal(pg_array_end(&b), 0);
        assert_string_equal(b.data, "{\"abc\"}");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_elements),
                cmocka_unit_test(test_bound),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
