#include "unit.h"

#include "core/buffer.h"

static void test_append(void **state) {
        _cleanup_buffer_ Buffer b = { .data = NULL };

        (void) state;
        assert_int_equal(buffer_append(&b, NULL, 0), 0);
        assert_string_equal(b.data, "");
        assert_int_equal(buffer_append_text(&b, "one "), 0);
        assert_int_equal(buffer_append_format(&b, "%d %s", 2, "three"), 0);
        assert_int_equal(buffer_append(&b, "\0x", 2), 0);
        assert_int_equal(b.length, 13);
        assert_memory_equal(b.data, "one 2 three\0x", 14);
        buffer_clear(&b);
        assert_string_equal(b.data, "");
        assert_int_equal(b.length, 0);
}

static void test_growth(void **state) {
        _cleanup_buffer_ Buffer b = { .data = NULL };

        (void) state;
        for (int i = 0; i < 10000; i++) {
                assert_int_equal(buffer_append_format(&b, "%04d", i), 0);
                assert_true(b.length <= b.capacity);
                assert_int_equal(b.data[b.length], '\0');
        }
        assert_int_equal(b.length, 40000);
        assert_memory_equal(b.data + 4 * 1234, "1234", 4);
        assert_true(b.capacity <= 2 * b.length);
}

/* A refused append changes nothing; up to the bound all is well. */
static void test_bound(void **state) {
        _cleanup_buffer_ Buffer b = { .max = 10 };

        (void) state;
        assert_int_equal(buffer_append_text(&b, "12345678901"), -EMSGSIZE);
        assert_int_equal(b.length, 0);
        assert_int_equal(buffer_append_text(&b, "1234567"), 0);
        assert_int_equal(buffer_append_text(&b, "8901"), -EMSGSIZE);
        assert_int_equal(buffer_append_format(&b, "%d", 8901), -EMSGSIZE);
        assert_int_equal(buffer_append_json_string(&b, "89"), -EMSGSIZE);
        assert_string_equal(b.data, "1234567");
        assert_int_equal(buffer_append_json_string(&b, "8"), 0);
        assert_string_equal(b.data, "1234567\"8\"");
        assert_int_equal(buffer_append(&b, "", 0), 0);
        assert_int_equal(buffer_append_text(&b, "x"), -EMSGSIZE);
        assert_int_equal(b.length, 10);
        assert_int_equal(b.capacity, 10);
        buffer_done(&b);
        assert_int_equal(b.max, 10);
        assert_int_equal(buffer_append_text(&b, "again"), 0);
}

static void test_absurd(void **state) {
        _cleanup_buffer_ Buffer b = { .data = NULL };

        (void) state;
        assert_int_equal(buffer_reserve(&b, SIZE_MAX), -EMSGSIZE);
        assert_int_equal(buffer_reserve(&b, SIZE_MAX / 2), -EMSGSIZE);
        assert_null(b.data);
}

static void test_json_string(void **state) {
        static const struct {
                const char *source, *text;
        } rows[] = {
                { "", "\"\"" },
                { "Bitcoin", "\"Bitcoin\"" },
                { "a\"b\\c/d", "\"a\\\"b\\\\c/d\"" },
                { "\n\t\x01", "\"\\n\\t\\u0001\"" },
                { "\xe2\x80\x8b\xf0\x9f\x9a\x80", "\"\xe2\x80\x8b\xf0\x9f\x9a\x80\"" },
                { "</script>", "\"</script>\"" },
        };
        _cleanup_buffer_ Buffer b = { .data = NULL };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                buffer_clear(&b);
                assert_int_equal(buffer_append_json_string(&b, rows[i].source), 0);
                if (strcmp(b.data, rows[i].text) != 0)
                        fail_row(i, "%s", b.data);
        }
        assert_int_equal(buffer_append_json_string(&b, "\xff"), -EILSEQ);
        assert_int_equal(buffer_append_json_string(&b, "\xc3"), -EILSEQ);
        assert_string_equal(b.data, "\"</script>\"");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_append),      cmocka_unit_test(test_growth),
                cmocka_unit_test(test_bound),       cmocka_unit_test(test_absurd),
                cmocka_unit_test(test_json_string),
        };
        return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
