#include "unit.h"

#include <string.h>

#include "core/macro.h"
#include "sim/params.h"

/* "name=value" in an array that ends with NULL. */
static const char *get(void *user, const char *name) {
        const size_t length = strlen(name);

        for (const char **at = user; *at; at++)
                if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
                        return *at + length + 1;
        return NULL;
}

static const char *parameters[] = { "empty=",         "yes=true",
                                    "no=True",        "n=42",
                                    "big=99999",      "minus=-3",
                                    "text=many",      "huge=99999999999999999999",
                                    "precision=full", NULL };

static void test_values(void **state) {
        const Params p = { get, parameters };

        (void) state;
        assert_null(params_text(&p, "empty"));
        assert_null(params_text(&p, "absent"));
        assert_string_equal(params_text(&p, "text"), "many");
        assert_true(params_true(&p, "yes"));
        assert_false(params_true(&p, "no"));
        assert_false(params_true(&p, "absent"));
        assert_int_equal(params_integer(&p, "n", 1, 250, 100), 42);
        assert_int_equal(params_integer(&p, "big", 1, 250, 100), 250);
        assert_int_equal(params_integer(&p, "minus", 1, 250, 100), 1);
        assert_int_equal(params_integer(&p, "text", 1, 250, 100), 100);
        assert_int_equal(params_integer(&p, "huge", 1, 250, 100), 100);
        assert_int_equal(params_integer(&p, "empty", 1, 250, 100), 100);
}

static void test_precision(void **state) {
        const char *three[] = { "precision=3", NULL }, *none[] = { NULL };
        const char *wild[] = { "precision=99", NULL };

        (void) state;
        assert_int_equal(params_precision(&(Params){ get, parameters }), PRECISION_FULL);
        assert_int_equal(params_precision(&(Params){ get, three }), 3);
        assert_int_equal(params_precision(&(Params){ get, wild }), 18);
        assert_int_equal(params_precision(&(Params){ get, none }), PRECISION_DISPLAY);
}

static void test_lists(void **state) {
        static const struct {
                const char *list;
                bool trim;
                const char *entries[5];
        } cases[] = {
                { "a", true, { "a" } },
                { "a,b", true, { "a", "b" } },
                { "a, b ,", true, { "a", "b", "" } },
                { "a, b", false, { "a", " b" } },
                { ",", true, { "", "" } },
                { "toolong,b", true, { "toolo", "b" } },
        };
        char entry[6];

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                const char *at = cases[i].list;
                size_t n = 0;

                while (params_next_entry(&at, cases[i].trim, entry, sizeof(entry))) {
                        assert_non_null(cases[i].entries[n]);
                        assert_string_equal(entry, cases[i].entries[n++]);
                }
                assert_null(cases[i].entries[n]);
        }
        assert_true(params_list_has("a, bitcoin", "bitcoin"));
        assert_false(params_list_has("a,bitcoin-cash", "bitcoin"));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_precision),
                cmocka_unit_test(test_lists),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
