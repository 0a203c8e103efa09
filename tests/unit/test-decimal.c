/* Every form of a JSON number, and the text that PostgreSQL's numeric makes of it. */
#include "unit.h"

#include "core/decimal.h"

static void test_accepted(void **state) {
        static const struct {
                const char *source, *text;
        } rows[] = {
                { "0", "0" },
                { "7", "7" },
                { "10", "10" },
                { "-1", "-1" },
                { "43210.12", "43210.12" },
                { "2.0", "2.0" }, /* trailing zeros stay */
                { "20022396.0", "20022396.0" },
                { "0.10", "0.10" },
                { "-0.5", "-0.5" },
                { "1e0", "1" },
                { "1E2", "100" },
                { "1e+2", "100" },
                { "10e2", "1000" },
                { "0.05e2", "5" },
                { "0.05e1", "0.5" },
                { "0.05e3", "50" },
                { "12.34e1", "123.4" },
                { "12.34e2", "1234" },
                { "12.34e3", "12340" },
                { "12e-1", "1.2" },
                { "12e-2", "0.12" },
                { "1.0e-2", "0.010" },
                { "1.50e1", "15.0" },
                { "1.223e-09", "0.000000001223" },
                { "8.69e-05", "0.0000869" },
                { "8.69e-5", "0.0000869" },
                { "-5.935525522e-8", "-0.00000005935525522" },
                { "1.97e+37", "19700000000000000000000000000000000000" },
                { "1e+15", "1000000000000000" },
                /* PostgreSQL: zero has no sign, and no digits but those behind the point. */
                { "-0", "0" },
                { "-0.0", "0.0" },
                { "-0e3", "0" },
                { "0e5", "0" },
                { "0e400", "0" },
                { "0.00e1", "0.0" },
                { "0e-3", "0.000" },
                { "-0.000e-1", "0.0000" },
                /* The longest plain notation that fits, from both sides of the point. */
                { "1e62", "100000000000000000000000000000000000000000000000000000000000000" },
                { "-1e61", "-10000000000000000000000000000000000000000000000000000000000000" },
                { "1e-61", "0.0000000000000000000000000000000000000000000000000000000000001" },
                { "123456789012345678901234567890123456789012345678901234567890123",
                  "123456789012345678901234567890123456789012345678901234567890123" },
                { "0.1234567890123456789012345678901234567890123456789012345678901",
                  "0.1234567890123456789012345678901234567890123456789012345678901" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Decimal d;
                int r = decimal_parse(rows[i].source, strlen(rows[i].source), &d);
                if (r != 0 || strcmp(d.text, rows[i].text) != 0)
                        fail_row(i, "%s gives %d \"%s\"", rows[i].source, r, r ? "" : d.text);
                assert_true(decimal_is_json_number(rows[i].source, strlen(rows[i].source)));
        }
}

static void test_refused(void **state) {
        static const struct {
                const char *source;
                int error;
        } rows[] = {
                { "", -EINVAL },
                { "-", -EINVAL },
                { "+1", -EINVAL },
                { "1.", -EINVAL },
                { ".5", -EINVAL },
                { "-.5", -EINVAL },
                { "01", -EINVAL },
                { "-01", -EINVAL },
                { "00", -EINVAL },
                { "1e", -EINVAL },
                { "1e+", -EINVAL },
                { "1.e5", -EINVAL },
                { "1e5.0", -EINVAL },
                { "1ee5", -EINVAL },
                { "1-2", -EINVAL },
                { "--1", -EINVAL },
                { " 1", -EINVAL },
                { "1 ", -EINVAL },
                { "0x10", -EINVAL },
                { "1,5", -EINVAL },
                { "1_000", -EINVAL },
                { "NaN", -EINVAL },
                { "Infinity", -EINVAL },
                { "-Infinity", -EINVAL },
                { "1e400", -ERANGE },
                { "1e63", -ERANGE },
                { "-1e62", -ERANGE },
                { "1e-62", -ERANGE },
                { "1e-400", -ERANGE },
                { "1e99999999999999999999", -ERANGE },
                { "1e-99999999999999999999", -ERANGE },
                { "1234567890123456789012345678901234567890123456789012345678901234", -ERANGE },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Decimal d = { "untouched" };
                int r = decimal_parse(rows[i].source, strlen(rows[i].source), &d);
                if (r != rows[i].error)
                        fail_row(i, "%s gives %d", rows[i].source, r);
                assert_string_equal(d.text, "untouched");
                if (decimal_is_json_number(rows[i].source, strlen(rows[i].source)) !=
                    (r == -ERANGE))
                        fail_row(i, "%s as a number", rows[i].source);
        }
}

/* A megabyte of digits is a number, only not one that we keep. */
static void test_huge(void **state) {
        static char digits[1 << 20];
        Decimal d;

        (void) state;
        memset(digits, '9', sizeof(digits));
        assert_int_equal(decimal_parse(digits, sizeof(digits), &d), -ERANGE);
        assert_true(decimal_is_json_number(digits, sizeof(digits)));
}

/* The length counts, not a NUL: what stands behind it is not read. */
static void test_length(void **state) {
        Decimal d;

        (void) state;
        assert_int_equal(decimal_parse("123456", 3, &d), 0);
        assert_string_equal(d.text, "123");
        assert_int_equal(decimal_parse("1\0002", 3, &d), -EINVAL);
}

/* Moving the point with the exponent changes no digit. */
static void test_shifted(void **state) {
        uint64_t seed = 1;

        (void) state;
        for (int i = 0; i < 20000; i++) {
                char digits[20], source[64], plain[64];
                int n = snprintf(digits, sizeof(digits), "%d%llu",
                                 1 + (int) (unit_random(&seed) % 9),
                                 (unsigned long long) (unit_random(&seed) % 1000000000000));
                int point = 1 + (int) (unit_random(&seed) % (unsigned) (n - 1));
                int shift = (int) (unit_random(&seed) % 10) - 5;
                Decimal a, b;

                /* digits * 10^-(n - point), written with and without an exponent */
                snprintf(plain, sizeof(plain), "%.*s.%s", point, digits, digits + point);
                int p = point - shift;
                if (p <= 0 || p >= n)
                        continue;
                snprintf(source, sizeof(source), "%.*s.%se%+03d", p, digits, digits + p, shift);
                assert_int_equal(decimal_parse(plain, strlen(plain), &a), 0);
                assert_int_equal(decimal_parse(source, strlen(source), &b), 0);
                assert_string_equal(a.text, plain);
                assert_string_equal(b.text, plain);
        }
}

static void test_positive(void **state) {
        static const struct {
                const char *text;
                bool positive;
        } rows[] = { { "", false },   { "0", false },    { "0.000", false },
                     { "-1", false }, { "1", true },     { "0.00001", true },
                     { "10", true },  { "-0.5", false }, { "100.0", true } };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Decimal d;
                strcpy(d.text, rows[i].text);
                assert_int_equal(decimal_is_positive(&d), rows[i].positive);
                assert_int_equal(decimal_is_set(&d), rows[i].text[0] != '\0');
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepted), cmocka_unit_test(test_refused),
                cmocka_unit_test(test_huge),     cmocka_unit_test(test_length),
                cmocka_unit_test(test_shifted),  cmocka_unit_test(test_positive),
        };
        return cmocka_run_group_tests_name("decimal", tests, NULL, NULL);
}
