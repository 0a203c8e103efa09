/* The ids of src/io/events.h and the catalog's: the same, each once, each explained. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/macro.h"
#include "io/events.h"

static const char *const ids[] = {
        EVENT_SOURCE_UNREACHABLE, EVENT_RATE_LIMITED,           EVENT_KEY_REFUSED,
        EVENT_SOURCE_STALE,       EVENT_BUDGET_RUNNING_OUT,     EVENT_BROKER_UNREACHABLE,
        EVENT_BUFFER_FULL,        EVENT_DATABASE_UNREACHABLE,   EVENT_CACHE_UNREACHABLE,
        EVENT_POISON_MESSAGE,     EVENT_CONFIGURATION_REJECTED, EVENT_CLIENTS_REFUSED,
        EVENT_CANNOT_LISTEN,      EVENT_CLOCK_BEHIND,           EVENT_SETUP_REFUSED,
        EVENT_DATABASE_WENT_BACK, EVENT_MESSAGES_EXPIRED,       EVENT_GAP_DETECTED,
        EVENT_GAP_REPAIRED,       EVENT_CANNOT_ACCEPT,          EVENT_CALL_REFUSED,
};

static void read_file(const char *name, Buffer *ret) {
        char path[4096], chunk[4096];
        const char *top = getenv("top_srcdir");

        snprintf(path, sizeof(path), "%s/%s", top ? top : ".", name);
        FILE *f = fopen(path, "re");
        assert_non_null(f);
        for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
                assert_int_equal(buffer_append(ret, chunk, n), 0);
        fclose(f);
}

static size_t count(const char *text, const char *what) {
        size_t n = 0;
        for (; (text = strstr(text, what)); text++)
                n++;
        return n;
}

static void test_ids(void **state) {
        _cleanup_buffer_ Buffer header = { .max = 0 };

        (void) state;
        read_file("src/io/events.h", &header);
        assert_int_equal(count(header.data, "#define EVENT_"), ELEMENTS(ids));
        for (size_t i = 0; i < ELEMENTS(ids); i++) {
                assert_int_equal(strlen(ids[i]), 32);
                assert_int_equal(strspn(ids[i], "0123456789abcdef"), 32);
                assert_int_equal(count(header.data, ids[i]), 1);
        }
}

static void test_catalog(void **state) {
        _cleanup_buffer_ Buffer catalog = { .max = 0 };
        char start[64];

        (void) state;
        read_file("units/crypto-pulse.catalog", &catalog);
        assert_int_equal(count(catalog.data, "\n-- "), ELEMENTS(ids));
        for (size_t i = 0; i < ELEMENTS(ids); i++) {
                snprintf(start, sizeof(start), "\n-- %s\nSubject: ", ids[i]);
                const char *entry = strstr(catalog.data, start);
                assert_non_null(entry);
                const char *next = strstr(entry + 1, "\n-- ");
                size_t length = next ? (size_t) (next - entry) : strlen(entry);
                assert_true(length > 300);
                assert_non_null(memmem(entry, length, "\nDefined-By: Crypto Pulse\n", 26));
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_ids),
                                            cmocka_unit_test(test_catalog) };
        return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
