#include "unit.h"

#include <stdlib.h>

#include "core/buffer.h"
#include "core/json_exact.h"

static int parse(const char *text, json_t **ret) {
        json_error_t error;
        return json_exact_parse(text, strlen(text), ret, &error);
}

/* The member "x" as its number's text, "" if it is none; fails on a syntax error. */
static void number_of(const char *text, int *ret_r, Decimal *ret) {
        json_t *root = NULL;

        assert_int_equal(parse(text, &root), 0);
        ret->text[0] = '\0';
        *ret_r = json_exact_decimal(root, "x", ret);
        json_decref(root);
}

static void test_numbers(void **state) {
        static const struct {
                const char *source;
                int r;
                const char *text;
        } rows[] = {
                { "{\"x\":1}", 0, "1" },
                { "{\"x\": -1.50 }", 0, "-1.50" },
                { "{\"x\"\t:\r\n1.223e-09,\"y\":[1,2]}", 0, "0.000000001223" },
                { "{\"y\":\"1,2:[3]\",\"x\":2.0}", 0, "2.0" },
                { "{\"y\":\"\\\\\",\"x\":3}", 0, "3" },
                { "{\"y\":\"\\\"4\\\"\",\"x\":5}", 0, "5" },
                { "{\"y\":{\"x\":1},\"x\":2}", 0, "2" },
                { "{\"1\":2,\"x\":12345678901234567890123}", 0, "12345678901234567890123" },
                { "{\"x\":1e400}", -ERANGE, "" },
                { "{\"x\":null}", -ENODATA, "" },
                { "{\"y\":1}", -ENODATA, "" },
                { "{\"x\":\"1\"}", -EINVAL, "" },
                { "{\"x\":\"\"}", -EINVAL, "" },
                { "{\"x\":true}", -EINVAL, "" },
                { "{\"x\":[1]}", -EINVAL, "" },
                { "{\"x\":{}}", -EINVAL, "" },
                /* A string is no number, even if it begins with the mark. */
                { "{\"x\":\"\x7f"
                  "1\"}",
                  -EINVAL, "" },
                { "{\"x\":\"\\u007f1\"}", -EINVAL, "" },
                { "{\"x\":\"\\u007F1\"}", -EINVAL, "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Decimal d;
                int r;
                number_of(rows[i].source, &r, &d);
                if (r != rows[i].r || strcmp(d.text, rows[i].text) != 0)
                        fail_row(i, "%s: %d \"%s\"", rows[i].source, r, d.text);
        }
}

static void test_syntax_errors(void **state) {
        static const char *const rows[] = {
                "",
                "x",
                "1",
                "\"a\"",
                "null",
                "{",
                "[",
                "[1",
                "[1,]",
                "[1 2]",
                "[1-2]",
                "[1.]",
                "[.5]",
                "[+1]",
                "[01]",
                "[--1]",
                "[-]",
                "[1e]",
                "[0x10]",
                "[NaN]",
                "[-Infinity]",
                "[1\"a\"]",
                "[\"a\"1]",
                "[true1]",
                "{1:2}",
                "{1 :2}",
                "{\"x\":1",
                "{\"x\":1,\"x\":2}",
                "{\"x\":\"unterminated}",
                "{\"x\":\"\\",
                "{\"x\":\"\\q\"}",
                "{\"x\":\"\\ud800\"}",
                "{\"x\":\"tab\tin it\"}",
                "[1]]",
                "[1] garbage",
                "[\"\xff\"]",
                "[\"\xc3\"]",
                "[\"\xed\xa0\x80\"]",
                "[\"\\u0000\"]",
                "\xef\xbb\xbf[1]",
                "<!DOCTYPE html><html lang=\"en\">429</html>",
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *root = NULL;
                if (parse(rows[i], &root) != -EBADMSG || root)
                        fail_row(i, "%s is accepted", rows[i]);
        }
}

static void test_error_position(void **state) {
        json_error_t error;
        json_t *root;

        (void) state;
        assert_int_equal(json_exact_parse("{\n\"a\":\n?}", 10, &root, &error), -EBADMSG);
        assert_int_equal(error.line, 3);
        assert_true(strlen(error.text) > 0);
}

static int note_element(const json_t *element, void *user) {
        Buffer *seen = user;
        Decimal number;

        if (json_exact_to_decimal(element, &number) == 0)
                return buffer_append_format(seen, "%s ", number.text);
        if (json_is_string(element) && strcmp(json_string_value(element), "stop") == 0)
                return 7;
        return buffer_append_format(seen, "%d ", json_typeof(element));
}

static void test_each(void **state) {
        static const struct {
                const char *text;
                int r;
                const char *seen;
        } rows[] = {
                { "[]", 0, "" },
                { " [ ] ", 0, "" },
                { "[1.50]", 0, "1.50 " },
                { "\n[ 1e2 , -3 ,\t{\"a\":[1]}, [] , \"x\",null ]\r\n", 0, "100 -3 0 1 2 7 " },
                { "[1,\"stop\",2]", 7, "1 " },
                { "", -EBADMSG, "" },
                { "{}", -EBADMSG, "" },
                { "7", -EBADMSG, "" },
                { "[", -EBADMSG, "" },
                { "[1", -EBADMSG, "1 " },
                { "[1,", -EBADMSG, "1 " },
                { "[1,]", -EBADMSG, "1 " },
                { "[,1]", -EBADMSG, "" },
                { "[1 2]", -EBADMSG, "1 " },
                { "[1:2]", -EBADMSG, "3 " }, /* left as it is, an integer to jansson */
                { "[1.,2]", -EBADMSG, "" },
                { "[01]", -EBADMSG, "" },
                { "[1][2]", -EBADMSG, "1 " },
                { "[1] x", -EBADMSG, "1 " },
                { "[{\"a\":1,\"a\":2}]", -EBADMSG, "" },
                { "[1,{\"a\":1]", -EBADMSG, "1 " },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                _cleanup_buffer_ Buffer seen = { .max = 0 };
                int r = json_exact_each(rows[i].text, strlen(rows[i].text), note_element, &seen);
                if (r != rows[i].r || strcmp(seen.data ? seen.data : "", rows[i].seen) != 0)
                        fail_row(i, "%s: %d %s", rows[i].text, r, seen.data ? seen.data : "");
        }
        /* An embedded NUL is no end. */
        _cleanup_buffer_ Buffer seen = { .max = 0 };
        assert_int_equal(json_exact_each("[1]\0", 4, note_element, &seen), -EBADMSG);
        assert_int_equal(json_exact_each("[1,\0002]", 6, note_element, &seen), -EBADMSG);
}

/* An embedded NUL is a syntax error, not an end. */
static void test_nul(void **state) {
        json_error_t error;
        json_t *root;

        (void) state;
        assert_int_equal(json_exact_parse("[1]\0[2]", 7, &root, &error), -EBADMSG);
        assert_int_equal(json_exact_parse("[1\0002]", 5, &root, &error), -EBADMSG);
        assert_int_equal(json_exact_parse("[\"\0\"]", 5, &root, &error), -EBADMSG);
}

static void test_int(void **state) {
        static const struct {
                const char *source;
                int r;
                int64_t value;
        } rows[] = {
                { "{\"x\":0}", 0, 0 },
                { "{\"x\":-12}", 0, -12 },
                { "{\"x\":12.0}", 0, 12 },
                { "{\"x\":1.2e1}", 0, 12 },
                { "{\"x\":9223372036854775807}", 0, INT64_MAX },
                { "{\"x\":9223372036854775808}", -ERANGE, 7 },
                { "{\"x\":1e30}", -ERANGE, 7 },
                { "{\"x\":1.5}", -EINVAL, 7 },
                { "{\"x\":\"1\"}", -EINVAL, 7 },
                { "{\"x\":null}", -ENODATA, 7 },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *root = NULL;
                int64_t value = 7;
                assert_int_equal(parse(rows[i].source, &root), 0);
                int r = json_exact_int(root, "x", &value);
                if (r != rows[i].r || value != rows[i].value)
                        fail_row(i, "%s: %d %lld", rows[i].source, r, (long long) value);
                json_decref(root);
        }
}

static void test_string(void **state) {
        json_t *root = NULL;

        (void) state;
        assert_int_equal(parse("{\"a\":\"1\",\"b\":1,\"c\":null,\"d\":\"\",\"e\":\"\\u00e9\"}",
                               &root),
                         0);
        assert_string_equal(json_exact_string(root, "a"), "1");
        assert_null(json_exact_string(root, "b"));
        assert_null(json_exact_string(root, "c"));
        assert_string_equal(json_exact_string(root, "d"), "");
        assert_string_equal(json_exact_string(root, "e"), "\xc3\xa9");
        assert_null(json_exact_string(root, "absent"));
        assert_null(json_exact_string(NULL, "a"));
        json_decref(root);
}

/* A million one-digit numbers: the worst case for the marks. */
static void test_many_numbers(void **state) {
        _cleanup_buffer_ Buffer b = { .data = NULL };
        json_error_t error;
        json_t *root = NULL;

        (void) state;
        assert_int_equal(buffer_append_text(&b, "[0"), 0);
        for (int i = 1; i < 1000000; i++)
                assert_int_equal(buffer_append_text(&b, ",7"), 0);
        assert_int_equal(buffer_append_text(&b, "]"), 0);
        assert_int_equal(json_exact_parse(b.data, b.length, &root, &error), 0);
        assert_int_equal(json_array_size(root), 1000000);
        json_decref(root);
}

/* Nesting is bounded by jansson; it must not exhaust the stack. */
static void test_deep(void **state) {
        size_t n = 1 << 20;
        _cleanup_free_ char *text = malloc(n);
        json_error_t error;
        json_t *root = NULL;

        (void) state;
        assert_non_null(text);
        memset(text, '[', n);
        assert_int_equal(json_exact_parse(text, n, &root, &error), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_numbers),        cmocka_unit_test(test_syntax_errors),
                cmocka_unit_test(test_error_position), cmocka_unit_test(test_nul),
                cmocka_unit_test(test_each),           cmocka_unit_test(test_int),
                cmocka_unit_test(test_string),         cmocka_unit_test(test_many_numbers),
                cmocka_unit_test(test_deep),
        };
        return cmocka_run_group_tests_name("json-exact", tests, NULL, NULL);
}
