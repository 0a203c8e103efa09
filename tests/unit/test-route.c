#include "unit.h"

#include "api/route.h"

#define LONGEST                                                                                    \
        "0123456789012345678901234567890123456789012345678901234567890123"                         \
        "012345678901234567890123456789012345678901234567890123456789012"

static void test_find(void **state) {
        static const struct {
                const char *path;
                Resource resource;
                const char *coin_id; /* NULL: not looked at */
        } rows[] = {
                { "/api/v1/health", RESOURCE_HEALTH, NULL },
                { "/api/v1/cryptos", RESOURCE_CRYPTOS, NULL },
                { "/api/v1/cryptos/bitcoin/history", RESOURCE_HISTORY, "bitcoin" },
                { "/api/v1/cryptos/1move token/history", RESOURCE_HISTORY, "1move token" },
                { "/api/v1/cryptos/[bold]/history", RESOURCE_HISTORY, "[bold]" },
                { "/api/v1/cryptos/history/history", RESOURCE_HISTORY, "history" },
                { "/api/v1/cryptos/../history", RESOURCE_HISTORY, ".." },
                { "/api/v1/cryptos/" LONGEST "/history", RESOURCE_HISTORY, LONGEST },
                /* It is the history of something, which cannot be a coin. */
                { "/api/v1/cryptos/" LONGEST "x/history", RESOURCE_HISTORY, "" },
                { "/api/v1/cryptos//history", RESOURCE_HISTORY, "" },
                { "/api/v1/cryptos/a\"b/history", RESOURCE_HISTORY, "" },
                { "/api/v1/cryptos/a%b/history", RESOURCE_HISTORY, "" },
                { "/api/v1/cryptos/caf\xc3\xa9/history", RESOURCE_HISTORY, "" },
                { "/api/v1/cryptos/a\nb/history", RESOURCE_HISTORY, "" },
                { "/api/v1/cryptos/a/b/history", RESOURCE_NONE, NULL },
                { "/api/v1/cryptos/bitcoin", RESOURCE_NONE, NULL },
                { "/api/v1/cryptos/bitcoin/histor", RESOURCE_NONE, NULL },
                { "/api/v1/cryptos/bitcoin/history/", RESOURCE_NONE, NULL },
                { "/api/v1/cryptos/", RESOURCE_NONE, NULL },
                { "/api/v1/health/", RESOURCE_NONE, NULL },
                { "/api/v1", RESOURCE_NONE, NULL },
                { "/api/", RESOURCE_NONE, NULL },
                { "/api", RESOURCE_NONE, NULL },
                { "/apis", RESOURCE_PAGE, NULL },
                { "/", RESOURCE_PAGE, NULL },
                { "", RESOURCE_PAGE, NULL },
                { "/API/v1/health", RESOURCE_PAGE, NULL },
                { "/coin/bitcoin", RESOURCE_PAGE, NULL },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char coin_id[COIN_ID_MAX + 1] = "untouched";
                if (route_find(rows[i].path, coin_id) != rows[i].resource)
                        fail_row(i, "%s is resource %d", rows[i].path,
                                 (int) route_find(rows[i].path, coin_id));
                if (rows[i].coin_id && strcmp(coin_id, rows[i].coin_id) != 0)
                        fail_row(i, "%s is of \"%s\"", rows[i].path, coin_id);
        }
}

static void test_query(void **state) {
        static const struct {
                const char *limit, *currency;
                int expected_limit; /* 0: refused */
                const char *expected;
        } rows[] = {
                { NULL, NULL, 100, "usd" },
                { "1", NULL, 1, "usd" },
                { "10000", "eur", 10000, "eur" },
                { "000000042", NULL, 42, "usd" },
                { NULL, "bits-2", 100, "bits-2" },
                { NULL, "abcdefghijklmno", 100, "abcdefghijklmno" },
                { "0", NULL, 0, "limit" },
                { "10001", NULL, 0, "limit" },
                { "", NULL, 0, "limit" },
                { "-1", NULL, 0, "limit" },
                { "+1", NULL, 0, "limit" },
                { " 1", NULL, 0, "limit" },
                { "1 ", NULL, 0, "limit" },
                { "1.0", NULL, 0, "limit" },
                { "4294967297", NULL, 0, "limit" }, /* 2^32 + 1 */
                { "99999999999999999999999", NULL, 0, "limit" },
                { NULL, "", 0, "currency" },
                { NULL, "USD", 0, "currency" },
                { NULL, "us d", 0, "currency" },
                { NULL, "abcdefghijklmnop", 0, "currency" },
                { "x", "X", 0, "limit" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                HistoryQuery q = { .limit = -7 };
                const char *wrong = history_query_parse(&q, rows[i].limit, rows[i].currency, "usd");
                if (rows[i].expected_limit == 0) {
                        if (!wrong || !strstr(wrong, rows[i].expected) || q.limit != -7)
                                fail_row(i, "%s", wrong ? wrong : "taken");
                } else if (wrong || q.limit != rows[i].expected_limit ||
                           strcmp(q.currency, rows[i].expected) != 0)
                        fail_row(i, "%s, %d %s", wrong ? wrong : "taken", q.limit, q.currency);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_find),
                                            cmocka_unit_test(test_query) };
        return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
