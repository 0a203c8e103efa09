#include "unit.h"

#include <math.h>
#include <string.h>

#include "sim/number.h"

typedef int (*Append)(Buffer *b, double value);

static void expect(Append append, double value, const char *text) {
        _cleanup_buffer_ Buffer b = { 0 };

        assert_int_equal(append(&b, value), 0);
        assert_string_equal(b.data, text);
}

static void test_exact(void **state) {
        (void) state;
        expect(number_append_exact, 20000546, "20000546.0");
        expect(number_append_exact, 2, "2.0");
        expect(number_append_exact, 0, "0.0");
        expect(number_append_exact, 8.69e-05, "8.69e-05");
        expect(number_append_exact, 1.206e-09, "1.206e-09");
        expect(number_append_exact, 0.1 + 0.2, "0.30000000000000004");
        expect(number_append_exact, 56.43210012345678, "56.43210012345678");
        expect(number_append_exact, -9201.401993217689, "-9201.401993217689");
        expect(number_append_exact, 1.97e37, "1.97e+37");
}

/* As in the real API's answers. */
static void test_display(void **state) {
        (void) state;
        expect(number_append_price, 70052.31, "70052");
        expect(number_append_price, 10000.4, "10000");
        expect(number_append_price, 9999.996, "10000");
        expect(number_append_price, 2034.789, "2034.79");
        expect(number_append_price, 4094.1, "4094.1");
        expect(number_append_price, 1.0027, "1.003");
        expect(number_append_price, 1, "1.0");
        expect(number_append_price, 0.9999071, "0.999907");
        expect(number_append_price, 0.0320607349, "0.03206073");
        expect(number_append_price, 5.6312e-06, "5.63e-06");
        expect(number_append_price, 1.20649e-09, "1.206e-09");
        expect(number_append_price, 0, "0.0");
        expect(number_append_price, 1401262872851.4, "1401262872851");
}

static void test_change(void **state) {
        (void) state;
        expect(number_append_change, 1080.341, "1080.34");
        expect(number_append_change, -8.9295431786596e-05, "-8.9295431786596e-05");
        expect(number_append_change, -178386023085.12598, "-178386023085.12598");
}

static void test_rounded(void **state) {
        static const struct {
                double value;
                int decimals;
                const char *text;
        } cases[] = {
                { 1.566374, 5, "1.56637" }, { -0.008933, 5, "-0.00893" }, { 70052.5, 2, "70052.5" },
                { 70051.9, 0, "70052" },    { 5.63e-06, 2, "0.0" },       { 2, 3, "2.0" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(cases); i++) {
                _cleanup_buffer_ Buffer b = { 0 };

                assert_int_equal(number_append_rounded(&b, cases[i].value, cases[i].decimals), 0);
                assert_string_equal(b.data, cases[i].text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_exact),
                cmocka_unit_test(test_display),
                cmocka_unit_test(test_change),
                cmocka_unit_test(test_rounded),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
