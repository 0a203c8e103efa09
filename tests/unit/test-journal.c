/* What is logged without a journal: lines on stderr, which is a pipe here. */
#include "captured.h"
#include "unit.h"

#include <jansson.h>
#include <stdlib.h>

#include "io/journal.h"

static void test_levels(void **state) {
        static const struct {
                const char *level;
                const char *shown;
        } rows[] = {
                { "error", "E" },     { "warning", "EW" },     { "info", "EWNI" },
                { "debug", "EWNID" }, { "nonsense", "EWNID" }, /* changes nothing */
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char shown[8] = "";
                journal_set_level(rows[i].level);
                capture_begin();
                log_error("[E]");
                log_warning("[W]");
                journal_log(LOG_NOTICE, NULL, "[N]");
                log_info("[I]");
                log_debug("[D]");
                for (const char *p = capture_end(); (p = strstr(p, ": [")); p += 3)
                        strncat(shown, p + 3, 1);
                if (strcmp(shown, rows[i].shown) != 0)
                        fail_row(i, "%s shows %s", rows[i].level, shown);
        }
        journal_set_level("info");
}

static void test_line(void **state) {
        int year;
        char rest[512];

        (void) state;
        capture_begin();
        errno = EAGAIN;
        journal_log(LOG_WARNING,
                    LOG_FIELDS(LOG_NUMBER("HTTP_STATUS", 429), LOG_TEXT("COIN_ID", "bitcoin")),
                    "CoinGecko limits us, waiting %d s.", 5);
        assert_int_equal(errno, EAGAIN); /* logging changes no error that is being handled */
        assert_int_equal(
                        sscanf(capture_end(), "%d-%*d-%*dT%*d:%*d:%*d.%*dZ %511[^\1]", &year, rest),
                        2);
        assert_in_range(year, 2020, 9999);
        char expected[512];
        snprintf(expected, sizeof(expected),
                 "test-journal[%d]: warning: CoinGecko limits us, waiting 5 s. HTTP_STATUS=429 "
                 "COIN_ID=bitcoin\n",
                 (int) getpid());
        assert_string_equal(rest, expected);
}

/* Whatever comes from outside, an entry stays one line, whole up to a bound. */
static void test_hostile(void **state) {
        static char huge[10000];
        const char *text;

        (void) state;
        memset(huge, 'x', sizeof(huge) - 1);
        capture_begin();
        journal_log(LOG_ERR, LOG_FIELDS(LOG_TEXT("COIN_ID", "a\nb\x1b[2J")), "one\ntwo\r\x7f%s",
                    "%s%n");
        text = capture_end();
        assert_non_null(strstr(text, "one two  %s%n COIN_ID=a b [2J\n"));
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);

        capture_begin();
        journal_log(LOG_ERR, LOG_FIELDS(LOG_TEXT("A", huge), LOG_TEXT("B", huge)), "%s", huge);
        text = capture_end();
        assert_in_range(strlen(text), 2000, 4000);
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

/* One object, whatever the texts are. */
static void test_json(void **state) {
        static const char *const rows[][2] = {
                { "\"quoted\"\n\\", "\"quoted\"\n\\" },
                { "zl\u0142oty", "zl\u0142oty" },
                { "latin\xe9", "latin?" },
        };

        (void) state;
        journal_set_format("json");
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                json_t *entry;
                capture_begin();
                journal_log(LOG_NOTICE,
                            LOG_FIELDS(LOG_NUMBER("HTTP_STATUS", 429),
                                       LOG_TEXT("COIN_ID", rows[i][0])),
                            "%s", rows[i][0]);
                const char *text = capture_end();
                assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
                entry = json_loads(text, 0, NULL);
                if (!entry)
                        fail_row(i, "no JSON: %s", text);
                assert_string_equal(json_string_value(json_object_get(entry, "level")), "notice");
                assert_string_equal(json_string_value(json_object_get(entry, "service")),
                                    "test-journal");
                assert_string_equal(json_string_value(json_object_get(entry, "message")),
                                    rows[i][1]);
                assert_string_equal(json_string_value(json_object_get(entry, "COIN_ID")),
                                    rows[i][1]);
                assert_int_equal(json_integer_value(json_object_get(entry, "HTTP_STATUS")), 429);
                assert_int_equal(json_integer_value(json_object_get(entry, "pid")), getpid());
                json_decref(entry);
        }
        journal_set_format("text");
}

/* A closed stderr is no reason to end. */
static void test_closed(void **state) {
        (void) state;
        capture_begin();
        close(STDERR_FILENO);
        log_error("nobody hears this");
        assert_string_equal(capture_end(), "");
}

/* JOURNAL_STREAM counts only if stderr is that very stream. */
static void test_foreign_stream(void **state) {
        static const char *const rows[] = { "1:1", "", "garbage", "99999999999999999999:1" };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                setenv("JOURNAL_STREAM", rows[i], 1);
                capture_begin();
                journal_open("test-journal");
                log_error("here");
                assert_non_null(strstr(capture_end(), ": error: here\n"));
        }
        unsetenv("JOURNAL_STREAM");
        journal_open("test-journal");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_levels),         cmocka_unit_test(test_line),
                cmocka_unit_test(test_hostile),        cmocka_unit_test(test_closed),
                cmocka_unit_test(test_foreign_stream), cmocka_unit_test(test_json),
        };
        journal_open("test-journal");
        return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
