/* Answers of /coins/markets and of everything that may come in their place. */
#include "unit.h"

#include <dirent.h>
#include <stdlib.h>

#include "core/buffer.h"
#include "core/coingecko.h"

#define NOW INT64_C(1795346553123) /* 2026-11-22T11:22:33.123Z */
#define UPDATED "\"last_updated\":\"2026-11-22T11:22:00.000Z\""

static const MarketsReader in_usd = { .currency = "usd", .now_ms = NOW };

static int parse(const char *body, MarketsPage *ret) {
        return coingecko_parse_markets(body, strlen(body), &in_usd, ret);
}

static void test_page(void **state) {
        static const char body[] =
                        "[{\"id\":\"bitcoin\",\"symbol\":\"btc\",\"name\":\"Bitcoin\",\"image\":"
                        "\"https://x/1.png?1\",\"current_price\":43210.0,\"market_cap\":1e+15,"
                        "\"market_cap_rank\":1.0,\"fully_diluted_valuation\":null,"
                        "\"total_volume\":0,\"high_24h\":null,\"low_24h\":-8.271e-5,"
                        "\"price_change_24h\":-12,\"price_change_percentage_24h\":1.97e+37,"
                        "\"roi\":{\"times\":1.5,\"currency\":\"btc\"}," UPDATED "},"
                        "{\"id\":\"tiny\",\"symbol\":\"\",\"name\":\"\\u3000\","
                        "\"current_price\":1.223e-09,\"market_cap_rank\":null," UPDATED "}]";
        MarketsPage page;

        (void) state;
        assert_int_equal(parse(body, &page), 0);
        assert_int_equal(page.n_listed, 2);
        assert_int_equal(page.n_updates, 2);
        assert_int_equal(page.n_skipped, 0);
        const PriceUpdate *u = &page.updates[0];
        assert_string_equal(u->coin_id, "bitcoin");
        assert_string_equal(u->currency, "usd");
        assert_string_equal(u->symbol, "btc");
        assert_string_equal(u->name, "Bitcoin");
        assert_string_equal(u->price.text, "43210.0");
        assert_string_equal(u->market_cap.text, "1000000000000000");
        assert_int_equal(u->market_cap_rank, 1);
        assert_string_equal(u->volume_24h.text, "0");
        assert_string_equal(u->high_24h.text, "");
        assert_string_equal(u->low_24h.text, "-0.00008271");
        assert_string_equal(u->change_24h.text, "-12");
        assert_string_equal(u->change_percent_24h.text, "19700000000000000000000000000000000000");
        assert_int_equal(u->timestamp_ms, INT64_C(1795346520000));
        u = &page.updates[1];
        assert_string_equal(u->price.text, "0.000000001223");
        assert_string_equal(u->name, "\xe3\x80\x80");
        assert_int_equal(u->market_cap_rank, 0);
        markets_page_done(&page);
        assert_null(page.updates);
}

/* One bad element costs itself, not its neighbours. */
static void test_skipped(void **state) {
        static const struct {
                const char *element, *id, *reason;
        } rows[] = {
                { "null", "", "not an object" },
                { "7", "", "not an object" },
                { "[]", "", "not an object" },
                { "{}", "", "null" },
                { "{\"id\":\"a\",\"current_price\":null," UPDATED "}", "a", "null" },
                { "{\"id\":\"a\"," UPDATED "}", "a", "null" },
                { "{\"id\":\"a\",\"current_price\":\"1\"," UPDATED "}", "a", "not a number" },
                { "{\"id\":\"a\",\"current_price\":1e99," UPDATED "}", "a", "out of range" },
                { "{\"id\":\"a\",\"current_price\":0," UPDATED "}", "a", "positive" },
                { "{\"id\":\"a\",\"current_price\":-1," UPDATED "}", "a", "positive" },
                { "{\"id\":\"a\",\"current_price\":1}", "a", "last_updated" },
                { "{\"id\":\"a\",\"current_price\":1,\"last_updated\":null}", "a", "last_updated" },
                { "{\"id\":\"a\",\"current_price\":1,\"last_updated\":\"\"}", "a", "last_updated" },
                { "{\"id\":\"a\",\"current_price\":1,\"last_updated\":\"2036-01-01T00:00:00Z\"}",
                  "a", "ahead" },
                { "{\"current_price\":1," UPDATED "}", "", "coin id" },
                { "{\"id\":5,\"current_price\":1," UPDATED "}", "", "coin id" },
                { "{\"id\":\"a/b\",\"current_price\":1," UPDATED "}", "a/b", "coin id" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char body[1024];
                MarketsPage page;
                snprintf(body, sizeof(body),
                         "[{\"id\":\"x\",\"current_price\":1," UPDATED "},%s,"
                         "{\"id\":\"y\",\"current_price\":2," UPDATED "}]",
                         rows[i].element);
                assert_int_equal(parse(body, &page), 0);
                if (page.n_listed != 3 || page.n_updates != 2 || page.n_skipped != 1 ||
                    strcmp(page.updates[1].coin_id, "y") != 0 ||
                    strcmp(page.skipped_coin_id, rows[i].id) != 0 ||
                    !strstr(page.skipped_reason, rows[i].reason))
                        fail_row(i, "%s: %zu good, %zu skipped, %s: %s", rows[i].element,
                                 page.n_updates, page.n_skipped, page.skipped_coin_id,
                                 page.skipped_reason ? page.skipped_reason : "no reason");
                markets_page_done(&page);
        }
}

static void test_no_page(void **state) {
        static const char *const rows[] = {
                "",
                "{}",
                "null",
                "Throttled",
                "{\"error\":\"coin not found\"}",
                "{\"status\":{\"error_code\":429,\"error_message\":\"x\"}}",
                "{\"bitcoin\":{\"usd\":1}}",
                "[{\"id\":\"a\",\"current_price\":1," UPDATED "}",
                "[{\"id\":\"a\",\"current_price\":1.," UPDATED "}]",
                "<!DOCTYPE html><html></html>",
        };
        static const MarketsReader wrong = { .currency = "U/D", .now_ms = NOW };
        MarketsPage page = { .n_listed = 42 };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (parse(rows[i], &page) != -EBADMSG)
                        fail_row(i, "%s is accepted", rows[i]);
        assert_int_equal(coingecko_parse_markets("[]", 2, &wrong, &page), -EBADMSG);
        assert_int_equal(page.n_listed, 42);
        assert_int_equal(parse("[]", &page), 0);
        assert_int_equal(page.n_listed, 0);
        markets_page_done(&page);
}

static void note_taken(const PriceUpdate *update, void *user) {
        Buffer *taken = user;
        assert_int_equal(buffer_append_format(taken, "%s=%s ", update->coin_id, update->price.text),
                         0);
}

/* Each good coin is handed out once, in order, also those before a syntax error. */
static void test_taken(void **state) {
        static const struct {
                const char *body;
                int r;
                const char *taken;
        } rows[] = {
                { "[]", 0, "" },
                { "[{\"id\":\"a\",\"current_price\":1," UPDATED "},"
                  "{\"id\":\"x\",\"current_price\":null," UPDATED "},"
                  "{\"id\":\"b\",\"current_price\":2.50," UPDATED "}]",
                  0, "a=1 b=2.50 " },
                { "[{\"id\":\"a\",\"current_price\":1," UPDATED "},"
                  "{\"id\":\"b\",\"current_price\":2",
                  -EBADMSG, "a=1 " },
                { "[{\"id\":\"a\",\"current_price\":1," UPDATED "}", -EBADMSG, "a=1 " },
                { "[{\"id\":\"a\",\"current_price\":1," UPDATED "}] {", -EBADMSG, "a=1 " },
                { "{\"error\":\"none\"}", -EBADMSG, "" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                _cleanup_buffer_ Buffer taken = { .max = 0 };
                const MarketsReader reader = {
                        .currency = "usd", .now_ms = NOW, .take = note_taken, .user = &taken
                };
                MarketsPage page;
                int r = coingecko_parse_markets(rows[i].body, strlen(rows[i].body), &reader, &page);
                if (r != rows[i].r || strcmp(taken.data ? taken.data : "", rows[i].taken) != 0)
                        fail_row(i, "%d %s", r, taken.data ? taken.data : "");
                if (r == 0)
                        markets_page_done(&page);
        }
}

static int parse_chart(const char *body, MarketChart *ret) {
        return coingecko_parse_market_chart(body, strlen(body), ret);
}

/* Numbers keep their digits; what one series lacks the others do not pay for. */
static void test_chart(void **state) {
        static const char body[] =
                        "{\"prices\":[[1795340000123,43210.0],[1795340300456.0,1.223e-09],"
                        "[1795340600000,null],[1795340900000,-1],[1795341200000,0],[null,5],"
                        "[1795341500000],7,[1795341800000,6],[1795342100000,\"8\"],"
                        "[1795342400000,9.90]],"
                        "\"market_caps\":[[1795340000123,8.45e+11],[1795340300000,1],"
                        "[1795341800000,null],[1795342400000,2.50]],"
                        "\"total_volumes\":[[1795330000000,3],[1795340300456,0.0],"
                        "[1795342400000,4]],\"more\":1}";
        static const struct {
                int64_t at_ms;
                const char *price, *cap, *volume;
        } rows[] = {
                { INT64_C(1795340000123), "43210.0", "845000000000", "" },
                { INT64_C(1795340300456), "0.000000001223", "", "0.0" },
                { INT64_C(1795341800000), "6", "", "" },
                { INT64_C(1795342400000), "9.90", "2.50", "4" },
        };
        MarketChart chart;

        (void) state;
        assert_int_equal(parse_chart(body, &chart), 0);
        assert_int_equal(chart.n_points, ELEMENTS(rows));
        assert_int_equal(chart.n_skipped, 7);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                const ChartPoint *p = &chart.points[i];
                if (p->timestamp_ms != rows[i].at_ms || strcmp(p->price.text, rows[i].price) != 0 ||
                    strcmp(p->market_cap.text, rows[i].cap) != 0 ||
                    strcmp(p->volume_24h.text, rows[i].volume) != 0)
                        fail_row(i, "%lld %s %s %s", (long long) p->timestamp_ms, p->price.text,
                                 p->market_cap.text, p->volume_24h.text);
        }
        market_chart_done(&chart);
        assert_null(chart.points);
}

static void test_empty_chart(void **state) {
        static const char *const rows[] = {
                "{\"prices\":[]}",
                "{\"prices\":[[]],\"market_caps\":null,\"total_volumes\":7}",
                "{\"prices\":[null,{},\"\"],\"market_caps\":[[]]}",
        };
        MarketChart chart;

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                assert_int_equal(parse_chart(rows[i], &chart), 0);
                if (chart.n_points != 0)
                        fail_row(i, "%zu points", chart.n_points);
                market_chart_done(&chart);
        }
}

static void test_no_chart(void **state) {
        static const char *const rows[] = {
                "",
                "[]",
                "{}",
                "Throttled",
                "{\"prices\":null}",
                "{\"prices\":{}}",
                "{\"prices\":[[1795340000123,1]}",
                "{\"error\":\"coin not found\"}",
                "{\"status\":{\"error_code\":429,\"error_message\":\"x\"}}",
        };
        MarketChart chart = { .n_points = 42 };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (parse_chart(rows[i], &chart) != -EBADMSG)
                        fail_row(i, "%s is accepted", rows[i]);
        assert_int_equal(chart.n_points, 42);
}

static void test_error_text(void **state) {
        static const struct {
                const char *body, *text;
        } rows[] = {
                { "{\"status\":{\"error_code\":429,\"error_message\":\"You've exceeded\"}}",
                  "You've exceeded" },
                { "{\"error\":\"coin not found\"}", "coin not found" },
                { "{\"error\":{\"status\":{\"error_code\":10012,\"error_message\":\"Too long\"}}}",
                  "Too long" },
                { "{\"status\":500,\"error\":\"Internal Server Error\"}", "Internal Server Error" },
                { "{\"error_code\":10010,\"status\":{\"error_message\":\"Change your URL\"}}",
                  "Change your URL" },
                { "{\"status\":{\"error_code\":1}}", "{\"status\":{\"error_code\":1}}" },
                { "{\"error\":\"two\\nlines\\u0007 \\u00e9\"}", "two lines" },
                { "{\"error\":\"\"}", "no text in the answer" },
                { "Throttled", "Throttled" },
                { "  Throttled\r\n", "Throttled" },
                { "<html><head><title>502 Bad Gateway</title></head>\r\n<body>\n"
                  "<h1>502 Bad Gateway</h1>",
                  "502 Bad Gateway 502 Bad Gateway" },
                { "<html><style>p { color: red }</style><script>var x = 1;</script>Sorry</html>",
                  "Sorry" },
                { "<!-- a > b --><p>Sorry", "Sorry" },
                { "", "no text in the answer" },
                { "<p>", "no text in the answer" },
                { "\x1b[31m", "[31m" },
                { "[1,2]", "[1,2]" },
                { "1 < 2 <", "1 < 2 <" },
                { "<script>if (a </b", "no text in the answer" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                char text[200];
                const char *back = coingecko_error_text(rows[i].body, strlen(rows[i].body), text,
                                                        sizeof(text));
                assert_ptr_equal(back, text);
                if (strcmp(text, rows[i].text) != 0)
                        fail_row(i, "%s gives \"%s\"", rows[i].body, text);
        }
}

static void test_refusal(void **state) {
        static const struct {
                int status;
                const char *body;
                Refusal refusal;
        } rows[] = {
                { 401, "{\"status\":{\"error_code\":10002,\"error_message\":\"Missing\"}}",
                  REFUSAL_KEY },
                { 400, "{\"error_code\":10010,\"status\":{\"error_message\":\"Pro\"}}",
                  REFUSAL_KEY },
                { 400, "{\"error_code\":10011,\"status\":{\"error_message\":\"Demo\"}}",
                  REFUSAL_KEY },
                { 401, "{\"status\":{\"error_code\":401,\"error_message\":\"No\"}}", REFUSAL_KEY },
                { 401, "", REFUSAL_KEY },
                { 403, "<html><title>Access denied</title></html>", REFUSAL_KEY },
                { 400, "{\"error\":\"invalid vs_currency\"}", REFUSAL_CALL },
                { 400, "", REFUSAL_CALL },
                { 404, "{\"error\":\"coin not found\"}", REFUSAL_CALL },
                { 422, "{\"error\":\"Missing parameter ids\"}", REFUSAL_CALL },
                { 401, "{\"error\":{\"status\":{\"error_code\":10012}}}", REFUSAL_NONE },
                { 403, "{\"status\":{\"error_code\":403,\"error_message\":\"Later\"}}",
                  REFUSAL_NONE },
                { 429, "{\"status\":{\"error_code\":429}}", REFUSAL_NONE },
                { 500, "{\"status\":500,\"error\":\"Internal Server Error\"}", REFUSAL_NONE },
                { 502, "<html>", REFUSAL_NONE },
                { 200, "[1]", REFUSAL_NONE },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                Refusal refusal = coingecko_refusal(rows[i].status, rows[i].body,
                                                    strlen(rows[i].body));
                if (refusal != rows[i].refusal)
                        fail_row(i, "%d %s gives %d", rows[i].status, rows[i].body, (int) refusal);
        }
}

static void test_error_text_bound(void **state) {
        char small[8], one[1];

        (void) state;
        coingecko_error_text("0123456789", 10, small, sizeof(small));
        assert_string_equal(small, "0123456");
        coingecko_error_text("0123456789", 10, one, sizeof(one));
        assert_string_equal(one, "");
}

/* ---- recorded bodies --------------------------------------------------------------------------
 */

static void read_whole(const char *path, Buffer *b) {
        char chunk[65536];
        FILE *f = fopen(path, "re");

        assert_non_null(f);
        for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
                assert_int_equal(buffer_append(b, chunk, n), 0);
        fclose(f);
}

/* Every file, and every file cut at many places: -EBADMSG or a clean page, never a crash.
 * tests/integration/test_recorded_markets.py compares what the whole ones give. */
static void try_body(const char *name, const Buffer *b) {
        bool markets = strncmp(name, "markets_", 8) == 0;
        char text[200];
        MarketsPage page;
        MarketChart chart;

        int r = coingecko_parse_market_chart(b->data, b->length, &chart);
        assert_int_equal(r, strncmp(name, "market_chart_", 13) == 0 ? 0 : -EBADMSG);
        if (r == 0) {
                assert_true(chart.n_points > 0);
                market_chart_done(&chart);
        }
        r = coingecko_parse_markets(b->data, b->length, &in_usd, &page);
        if (markets)
                assert_int_equal(r, 0);
        if (r == 0)
                markets_page_done(&page);
        else
                assert_int_equal(r, -EBADMSG);
        for (size_t i = 1; i < 20; i++) {
                r = coingecko_parse_markets(b->data, b->length * i / 20, &in_usd, &page);
                assert_int_equal(r, -EBADMSG);
                coingecko_error_text(b->data, b->length * i / 20, text, sizeof(text));
                (void) coingecko_refusal(400, b->data, b->length * i / 20);
                assert_true(strlen(text) > 0);
        }
}

static void test_recorded(void **state) {
        const char *folder = getenv("CRYPTO_PULSE_FIXTURES");
        size_t n = 0;

        (void) state;
        DIR *dir = opendir(folder);
        assert_non_null(dir);
        for (struct dirent *e; (e = readdir(dir));) {
                char path[4096];
                _cleanup_buffer_ Buffer b = { .data = NULL };
                size_t length = strlen(e->d_name);
                if (length < 5 || strcmp(e->d_name + length - 5, ".json") != 0)
                        continue;
                snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
                read_whole(path, &b);
                try_body(e->d_name, &b);
                n++;
        }
        closedir(dir);
        assert_true(n > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_page),     cmocka_unit_test(test_skipped),
                cmocka_unit_test(test_no_page),  cmocka_unit_test(test_taken),
                cmocka_unit_test(test_chart),    cmocka_unit_test(test_empty_chart),
                cmocka_unit_test(test_no_chart), cmocka_unit_test(test_error_text),
                cmocka_unit_test(test_refusal),  cmocka_unit_test(test_error_text_bound),
                cmocka_unit_test(test_recorded), /* last: left out without a folder */
        };
        size_t n = ELEMENTS(tests);

        if (!getenv("CRYPTO_PULSE_FIXTURES")) {
                print_message("# CRYPTO_PULSE_FIXTURES is not set: no recorded bodies are tried\n");
                n--;
        }
        return _cmocka_run_group_tests("coingecko", tests, n, NULL, NULL);
}
