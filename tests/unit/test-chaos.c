/* Every allocation fails in turn: the first, then only the second, and so on until an operation
 * gets through without one failing. Each run ends with -ENOMEM or the whole result, and leaves
 * nothing behind (which the sanitizer build sees). The linker puts the functions below in the
 * place of malloc() and the like (--wrap in Makefile.inc); jansson takes its own from them. */
#include "unit.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/call_plan.h"
#include "core/coingecko.h"
#include "core/json_exact.h"
#include "core/price_codec.h"
#include "core/queue.h"
#include "core/slot_index.h"
#include "io/budget.h"
#include "io/config_file.h"
#include "io/http_client.h"

#define NOW INT64_C(1795346553123) /* 2026-11-22T11:22:33.123Z */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_reallocarray(void *p, size_t n, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_reallocarray(void *p, size_t n, size_t size);
char *__wrap_strdup(const char *text);

static long countdown; /* the allocation that fails; 0: none */
static long n_json_blocks;

static bool fails(void) {
        if (countdown == 0 || --countdown > 0)
                return false;
        errno = ENOMEM;
        return true;
}

void *__wrap_malloc(size_t size) {
        return fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t n, size_t size) {
        return fails() ? NULL : __real_calloc(n, size);
}
void *__wrap_realloc(void *p, size_t size) {
        return fails() ? NULL : __real_realloc(p, size);
}
void *__wrap_reallocarray(void *p, size_t n, size_t size) {
        return fails() ? NULL : __real_reallocarray(p, n, size);
}
char *__wrap_strdup(const char *text) {
        return fails() ? NULL : __real_strdup(text);
}

static void *json_malloc(size_t size) {
        void *p = __wrap_malloc(size);
        n_json_blocks += p != NULL;
        return p;
}
static void json_free(void *p) {
        n_json_blocks -= p != NULL;
        free(p);
}

/* Runs OPERATION with every allocation failing in turn. It returns 0 or a negative errno. */
static void run_chaos(int (*operation)(void), long at_least) {
        long n = 1;

        for (;; n++) {
                countdown = n;
                int r = operation();
                bool failed = countdown == 0;
                countdown = 0;
                assert_int_equal(n_json_blocks, 0);
                if (!failed) {
                        assert_int_equal(r, 0);
                        break;
                }
                if (r != 0 && r != -ENOMEM)
                        fail_msg("allocation %ld fails, and that is told as %d", n, r);
        }
        if (n <= at_least)
                fail_msg("only %ld allocations", n - 1);
        assert_int_equal(operation(), 0); /* and all is well again */
}

/* ---- operations -------------------------------------------------------------------------------
 */

static int parse_markets(void) {
        static const char body[] =
                        "[{\"id\":\"bitcoin\",\"symbol\":\"btc\",\"name\":\"Bit\\u00e9\","
                        "\"current_price\":43210.0,\"market_cap_rank\":1,\"high_24h\":null,"
                        "\"roi\":{\"times\":1.5,\"currency\":\"btc\"},\"sparkline\":[1,2,3],"
                        "\"last_updated\":\"2026-11-22T11:22:00.000Z\"},"
                        "{\"id\":\"none\",\"current_price\":null}]";
        MarketsPage page;

        const MarketsReader reader = { .currency = "usd", .now_ms = NOW };
        int r = coingecko_parse_markets(body, strlen(body), &reader, &page);
        if (r < 0)
                return r;
        assert_int_equal(page.n_updates, 1);
        assert_int_equal(page.n_skipped, 1);
        assert_string_equal(page.updates[0].name, "Bit\xc3\xa9");
        assert_string_equal(page.updates[0].price.text, "43210.0");
        markets_page_done(&page);
        return 0;
}

/* The times have a digit more than usual: jansson grows its buffer at the 16th byte of a string,
 * and cannot stand a failure of that at the closing quote. */
static int parse_chart(void) {
        static const char body[] = "{\"prices\":[[1795340000123.0,43210.0],[1795340300456.0,null]],"
                                   "\"market_caps\":[[1795340000123.0,8.45e+11]]}";
        MarketChart chart;

        int r = coingecko_parse_market_chart(body, strlen(body), &chart);
        if (r < 0)
                return r;
        assert_int_equal(chart.n_points, 1);
        assert_int_equal(chart.n_skipped, 1);
        assert_string_equal(chart.points[0].market_cap.text, "845000000000");
        market_chart_done(&chart);
        return 0;
}

/* Without memory the body is quoted as it is. */
static int read_error(void) {
        static const char body[] = "{\"error\":{\"status\":{\"error_message\":\"Sorry\"}}}";
        char text[200];

        coingecko_error_text(body, strlen(body), text, sizeof(text));
        assert_true(strcmp(text, "Sorry") == 0 || strcmp(text, body) == 0);
        return 0;
}

static int encode(void) {
        static const PriceUpdate update = { .coin_id = "bitcoin",
                                            .currency = "usd",
                                            .timestamp_ms = NOW,
                                            .price = { "43210.0" },
                                            .name = "Bit\"coin" };
        _cleanup_buffer_ Buffer b = { .data = NULL };

        for (int i = 0; i < 4; i++) { /* the buffer has to grow on the way */
                size_t before = b.length;
                int r = i % 2 ? price_encode_live(&b, &update) : price_encode_message(&b, &update);
                if (r < 0) {
                        assert_int_equal(b.length, before);
                        return r;
                }
        }
        assert_int_equal(b.data[b.length - 1], '}');
        return 0;
}

/* A message must not be passed over because memory was short. */
static int decode(void) {
        static const char value[] = "{\"price\":123456789012345678901234567890.50,\"currency\":"
                                    "\"usd\",\"name\":\"Bitcoin\","
                                    "\"timestamp\":\"2026-11-22T11:22:33Z\",\"more\":[1,{}]}";
        PriceUpdate u;
        const char *reason;

        int r = price_decode_message("bitcoin", 7, value, strlen(value), NOW, &u, &reason);
        if (r == 0) {
                assert_string_equal(u.name, "Bitcoin");
                assert_string_equal(u.price.text, "123456789012345678901234567890.50");
        }
        return r;
}

static int make_config(void) {
        static const char *const coins[] = { "bitcoin", "top:10" };
        _cleanup_(config_freep) Config *config = NULL;
        char error[256];

        int r = config_new(&config);
        if (r == 0)
                r = config_set_text(config, config_option_find("coins"), "a,b,c", error,
                                    sizeof(error));
        if (r == 0)
                r = config_set_list(config, config_option_find("coins"), coins, 2, error,
                                    sizeof(error));
        if (r == 0)
                r = config_set_text(config, config_option_find("redis.password"), "secret", error,
                                    sizeof(error));
        return r;
}

static char config_path[64];

static int load_config(void) {
        _cleanup_(config_freep) Config *config = NULL;
        char error[1024] = "";

        int r = config_load(config_path, &config, error, sizeof(error));
        if (r < 0)
                assert_string_equal(error, "out of memory");
        else
                assert_string_equal(config->coins[1], "top:10");
        return r;
}

static int make_plan(void) {
        static char *coins[] = { (char *) "top:600", (char *) "a", (char *) "b", NULL };
        static char *currencies[] = { (char *) "usd", (char *) "eur", NULL };
        const Config config = { .coins = coins, .currencies = currencies };
        CallPlan plan;

        int r = call_plan_make(&plan, &config);
        if (r < 0)
                return r;
        assert_int_equal(plan.n_calls, 8);
        call_plan_done(&plan);
        return 0;
}

static int fill_index(void) {
        _cleanup_(slot_index_freep) SlotIndex *index = NULL;
        size_t slot;

        int r = slot_index_new(&index);
        for (size_t i = 0; i < 20 && r == 0; i++) {
                char coin[8];
                snprintf(coin, sizeof(coin), "c%zu", i % 10);
                r = slot_index_add(index, coin, "usd", &slot);
                assert_true(r < 0 || slot == i % 10);
        }
        return r;
}

static int make_queue(void) {
        _cleanup_(queue_freep) Queue *q = NULL;
        return queue_new(&q, 10, free);
}

/* Usable even if its path has no room. */
static int open_budget(void) {
        Budget b;
        int r = budget_open(&b, 5, "/nonexistent", NOW);
        assert_int_equal(b.monthly_calls, 5);
        budget_done(&b);
        return r;
}

static int make_client(void) {
        const HttpClientOptions options = { .timeout_ms = 1000,
                                            .max_body = 1000,
                                            .user_agent = "test" };
        _cleanup_(http_client_freep) HttpClient *client = NULL;
        return http_client_new(&client, &options);
}

/* ---- the tests --------------------------------------------------------------------------------
 */

#define CHAOS_TEST(operation, at_least)                                                            \
        static void test_##operation(void **state) {                                               \
                (void) state;                                                                      \
                run_chaos(operation, at_least);                                                    \
        }
CHAOS_TEST(parse_markets, 40)
CHAOS_TEST(parse_chart, 10)
CHAOS_TEST(read_error, 10)
CHAOS_TEST(encode, 5)
CHAOS_TEST(decode, 20)
CHAOS_TEST(make_config, 35)
CHAOS_TEST(load_config, 30)
CHAOS_TEST(make_plan, 10)
CHAOS_TEST(fill_index, 20)
CHAOS_TEST(make_queue, 1)
CHAOS_TEST(open_budget, 0)
CHAOS_TEST(make_client, 1)

static int set_up(void **state) {
        static const char text[] = "coins = [\"bitcoin\", \"top:10\"];\n"
                                   "kafka: { topic = \"x\"; retention_ms = 2592000000; };\n"
                                   "redis: { password = \"y\"; };\n";
        (void) state;
        json_set_alloc_funcs(json_malloc, json_free);
        strcpy(config_path, "/tmp/test-chaos-XXXXXX");
        int fd = mkstemp(config_path);
        return fd >= 0 && write(fd, text, strlen(text)) > 0 ? close(fd) : -1;
}

static int tear_down(void **state) {
        (void) state;
        return unlink(config_path);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_parse_markets), cmocka_unit_test(test_parse_chart),
                cmocka_unit_test(test_read_error),    cmocka_unit_test(test_encode),
                cmocka_unit_test(test_decode),        cmocka_unit_test(test_make_config),
                cmocka_unit_test(test_load_config),   cmocka_unit_test(test_make_plan),
                cmocka_unit_test(test_fill_index),    cmocka_unit_test(test_make_queue),
                cmocka_unit_test(test_open_budget),   cmocka_unit_test(test_make_client),
        };
        return cmocka_run_group_tests_name("chaos", tests, set_up, tear_down);
}
