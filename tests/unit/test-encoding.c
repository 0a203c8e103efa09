#include "unit.h"

#include "api/encoding.h"

static void test_accepted(void **state) {
        static const struct {
                const char *header;
                bool gzip, br;
        } rows[] = {
                { NULL, false, false },
                { "", false, false },
                { "identity", false, false },
                { "gzip", true, false },
                { "br", false, true },
                { "gzip, deflate, br, zstd", true, true },
                { "GZip,BR", true, true },
                { "deflate;q=1.0, gzip;q=0.5", true, false },
                { "gzip;q=0", false, false },
                { "gzip;q=0.0, br", false, true },
                { "gzip;q=0.000,br;q=0.001", false, true },
                { "gzip ; q=0 , br ; q=1", false, true },
                { "gzip;q=", true, false }, /* no number, no refusal */
                { "gzipx, xgzip, brotli, b", false, false },
                { ",,  ,\tgzip", true, false },
                { "gzip;", true, false },
                { ";q=0", false, false },
                { "br;q=0, br", false, false }, /* the first counts */
                { "   ", false, false },
                { ",", false, false },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (encoding_is_accepted(rows[i].header, "gzip") != rows[i].gzip ||
                    encoding_is_accepted(rows[i].header, "br") != rows[i].br)
                        fail_row(i, "%s", rows[i].header ? rows[i].header : "(none)");
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_accepted) };
        return cmocka_run_group_tests_name("encoding", tests, NULL, NULL);
}
