#include "unit.h"

#include <stdlib.h>

#include "core/price_codec.h"
#include "core/timestamp.h"

#define NOW INT64_C(1795346553123) /* 2026-11-22T11:22:33.123Z */

static PriceUpdate full_update(void) {
        return (PriceUpdate){
                .coin_id = "bitcoin",
                .currency = "usd",
                .timestamp_ms = NOW,
                .price = { "43210.12" },
                .symbol = "btc",
                .name = "Bit\"coin\" \xe2\x80\x8b",
                .market_cap_rank = 1,
                .market_cap = { "845000000000.0" },
                .volume_24h = { "0" },
                .high_24h = { "44000" },
                .low_24h = { "0.000000001223" },
                .change_24h = { "-12.50" },
                .change_percent_24h = { "19700000000000000000000000000000000000" },
        };
}

static void assert_same(const PriceUpdate *a, const PriceUpdate *b) {
        assert_string_equal(a->coin_id, b->coin_id);
        assert_string_equal(a->currency, b->currency);
        assert_int_equal(a->timestamp_ms, b->timestamp_ms);
        assert_string_equal(a->price.text, b->price.text);
        assert_string_equal(a->symbol, b->symbol);
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->market_cap_rank, b->market_cap_rank);
        assert_string_equal(a->market_cap.text, b->market_cap.text);
        assert_string_equal(a->volume_24h.text, b->volume_24h.text);
        assert_string_equal(a->high_24h.text, b->high_24h.text);
        assert_string_equal(a->low_24h.text, b->low_24h.text);
        assert_string_equal(a->change_24h.text, b->change_24h.text);
        assert_string_equal(a->change_percent_24h.text, b->change_percent_24h.text);
}

static int decode(const char *key, const char *value, PriceUpdate *ret, const char **ret_reason) {
        return price_decode_message(key, strlen(key), value, strlen(value), NOW, ret, ret_reason);
}

static void test_round_trip(void **state) {
        const PriceUpdate update = full_update();
        _cleanup_buffer_ Buffer b = { .data = NULL };
        PriceUpdate back;
        const char *reason;

        (void) state;
        assert_int_equal(price_encode_message(&b, &update), 0);
        assert_string_equal(b.data,
                            "{\"price\":43210.12,\"currency\":\"usd\","
                            "\"timestamp\":\"2026-11-22T11:22:33.123Z\",\"symbol\":\"btc\","
                            "\"name\":\"Bit\\\"coin\\\" \xe2\x80\x8b\",\"marketCapRank\":1,"
                            "\"marketCap\":845000000000.0,\"volume24h\":0,\"high24h\":44000,"
                            "\"low24h\":0.000000001223,\"change24h\":-12.50,"
                            "\"changePercent24h\":19700000000000000000000000000000000000}");
        assert_int_equal(decode("bitcoin", b.data, &back, &reason), 0);
        assert_same(&update, &back);
}

static void test_plain(void **state) {
        const PriceUpdate update = {
                .coin_id = "x-[y]", .currency = "eth", .timestamp_ms = NOW, .price = { "2.0" }
        };
        _cleanup_buffer_ Buffer b = { .data = NULL };
        PriceUpdate back;
        const char *reason;

        (void) state;
        assert_int_equal(price_encode_message(&b, &update), 0);
        assert_string_equal(b.data, "{\"price\":2.0,\"currency\":\"eth\","
                                    "\"timestamp\":\"2026-11-22T11:22:33.123Z\"}");
        assert_int_equal(decode("x-[y]", b.data, &back, &reason), 0);
        assert_same(&update, &back);
        buffer_clear(&b);
        assert_int_equal(price_encode_live(&b, &update), 0);
        assert_string_equal(b.data, "{\"coinId\":\"x-[y]\",\"price\":2.0,\"currency\":\"eth\","
                                    "\"timestamp\":\"2026-11-22T11:22:33.123Z\"}");
}

/* With every possible bound the buffer ends up whole or as it was. */
static void test_all_or_nothing(void **state) {
        const PriceUpdate update = full_update();
        size_t n_whole = 0;

        (void) state;
        for (size_t max = 1; max < 500; max++) {
                _cleanup_buffer_ Buffer b = { .max = max };
                int r = buffer_append_text(&b, "[");
                assert_int_equal(r, 0);
                r = max % 2 ? price_encode_message(&b, &update) : price_encode_live(&b, &update);
                assert_true(r == 0 || r == -EMSGSIZE);
                assert_true((r == 0) == (b.length > 1));
                assert_int_equal(b.data[b.length], '\0');
                n_whole += r == 0;
        }
        assert_true(n_whole > 50);
}

#define TAIL "\"currency\":\"usd\",\"timestamp\":\"2026-11-22T11:22:33Z\"}"
#define HEAD "{\"price\":1.5,\"currency\":\"usd\""

static void test_poison(void **state) {
        static const struct {
                const char *key, *value, *reason;
        } rows[] = {
                { "", HEAD ",\"timestamp\":\"2026-11-22T11:22:33Z\"}", "no key" },
                { "a/b", "{\"price\":1," TAIL, "coin id" },
                { "a\nb", "{\"price\":1," TAIL, "coin id" },
                { "\xc3\xa9", "{\"price\":1," TAIL, "coin id" },
                { "bitcoin", "", "no value" },
                { "bitcoin", "hello", "not JSON" },
                { "bitcoin", "{\"price\":1", "not JSON" },
                { "bitcoin", "{\"price\":1.," TAIL, "not JSON" },
                { "bitcoin", "{\"price\":NaN," TAIL, "not JSON" },
                { "bitcoin", "{\"price\":Infinity," TAIL, "not JSON" },
                { "bitcoin", "{\"price\":1,\"price\":2," TAIL, "not JSON" },
                { "bitcoin", "[1]", "not a JSON object" },
                { "bitcoin", "[]", "not a JSON object" },
                { "bitcoin", "{" TAIL, "price is missing" },
                { "bitcoin", "{\"price\":null," TAIL, "price is missing" },
                { "bitcoin", "{\"price\":\"1\"," TAIL, "price is missing" },
                { "bitcoin", "{\"price\":\"\\u007f1\"," TAIL, "price is missing" },
                { "bitcoin", "{\"price\":1e400," TAIL, "price is missing" },
                { "bitcoin", "{\"price\":0," TAIL, "positive" },
                { "bitcoin", "{\"price\":0.000," TAIL, "positive" },
                { "bitcoin", "{\"price\":-1," TAIL, "positive" },
                { "bitcoin", "{\"price\":-0," TAIL, "positive" },
                { "bitcoin", "{\"price\":1,\"timestamp\":\"2026-11-22T11:22:33Z\"}", "currency" },
                { "bitcoin", "{\"price\":1,\"currency\":1,\"timestamp\":\"2026-11-22T11:22:33Z\"}",
                  "currency" },
                { "bitcoin",
                  "{\"price\":1,\"currency\":\"USD\",\"timestamp\":\"2026-11-22T11:22:33Z\"}",
                  "currency" },
                { "bitcoin",
                  "{\"price\":1,\"currency\":\"\",\"timestamp\":\"2026-11-22T11:22:33Z\"}",
                  "currency" },
                { "bitcoin",
                  "{\"price\":1,\"currency\":\"sixteen-letters-\","
                  "\"timestamp\":\"2026-11-22T11:22:33Z\"}",
                  "currency" },
                { "bitcoin", HEAD "}", "timestamp is missing" },
                { "bitcoin", HEAD ",\"timestamp\":1795346553}", "timestamp is missing" },
                { "bitcoin", HEAD ",\"timestamp\":\"yesterday\"}", "timestamp is missing" },
                { "bitcoin", HEAD ",\"timestamp\":\"2008-12-31T00:00:00Z\"}", "before 2009" },
                { "bitcoin", HEAD ",\"timestamp\":\"2036-12-31T00:00:00.000Z\"}", "ahead" },
                { "bitcoin", HEAD ",\"timestamp\":\"9999-11-22T12:22:33.124Z\"}", "ahead" },
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                PriceUpdate u = { .market_cap_rank = 77 };
                const char *reason = "none";
                int r = decode(rows[i].key, rows[i].value, &u, &reason);
                if (r != -EBADMSG || !strstr(reason, rows[i].reason))
                        fail_row(i, "%s: %d %s", rows[i].value, r, reason);
                assert_int_equal(u.market_cap_rank, 77);
        }
}

/* Bytes that are no C strings: NULL, a NUL in the key, keys and values of absurd size. */
static void test_poison_bytes(void **state) {
        static char big[10 << 20];
        static const char good[] = "{\"price\":1," TAIL;
        PriceUpdate u;
        const char *reason;

        (void) state;
        memset(big, 'a', sizeof(big));
        assert_int_equal(price_decode_message(NULL, 0, good, strlen(good), NOW, &u, &reason),
                         -EBADMSG);
        assert_int_equal(price_decode_message("a\0b", 3, good, strlen(good), NOW, &u, &reason),
                         -EBADMSG);
        assert_int_equal(price_decode_message(big, COIN_ID_MAX + 1, good, strlen(good), NOW, &u,
                                              &reason),
                         -EBADMSG);
        assert_int_equal(price_decode_message(big, COIN_ID_MAX, good, strlen(good), NOW, &u,
                                              &reason),
                         0);
        assert_int_equal(price_decode_message("a", 1, NULL, 0, NOW, &u, &reason), -EBADMSG);
        assert_string_equal(reason, "no value");
        assert_int_equal(price_decode_message("a", 1, big, sizeof(big), NOW, &u, &reason),
                         -EBADMSG);
        assert_non_null(strstr(reason, "larger"));

        /* 64 kB of blanks behind a good message are still one message, a byte more is not. */
        memset(big, ' ', sizeof(big));
        memcpy(big, good, strlen(good));
        assert_int_equal(price_decode_message("a", 1, big, PRICE_MESSAGE_MAX, NOW, &u, &reason), 0);
        assert_int_equal(price_decode_message("a", 1, big, PRICE_MESSAGE_MAX + 1, NOW, &u, &reason),
                         -EBADMSG);
}

/* Decoration that cannot be used is left out; the price stays. */
static void test_details(void **state) {
        static const char value[] =
                        "{\"price\":1.50,\"unknown\":{\"x\":[1,2]},\"symbol\":5,\"name\":null,"
                        "\"marketCapRank\":-3,\"marketCap\":\"7\",\"volume24h\":1e400,"
                        "\"high24h\":null,\"low24h\":3e-2,\"change24h\":false," TAIL;
        PriceUpdate u;
        const char *reason;

        (void) state;
        assert_int_equal(decode("bitcoin", value, &u, &reason), 0);
        assert_string_equal(u.price.text, "1.50");
        assert_string_equal(u.symbol, "");
        assert_string_equal(u.name, "");
        assert_int_equal(u.market_cap_rank, 0);
        assert_string_equal(u.market_cap.text, "");
        assert_string_equal(u.volume_24h.text, "");
        assert_string_equal(u.high_24h.text, "");
        assert_string_equal(u.low_24h.text, "0.03");
        assert_string_equal(u.change_24h.text, "");
}

static void test_long_texts(void **state) {
        char value[512], name[NAME_MAX_BYTES + 2];
        PriceUpdate u;
        const char *reason;

        (void) state;
        for (size_t length = NAME_MAX_BYTES; length <= NAME_MAX_BYTES + 1; length++) {
                memset(name, 'n', length);
                name[length] = '\0';
                snprintf(value, sizeof(value), "{\"price\":1,\"name\":\"%s\"," TAIL, name);
                assert_int_equal(decode("bitcoin", value, &u, &reason), 0);
                assert_string_equal(u.name, length > NAME_MAX_BYTES ? "" : name);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_plain),
                cmocka_unit_test(test_all_or_nothing), cmocka_unit_test(test_poison),
                cmocka_unit_test(test_poison_bytes),   cmocka_unit_test(test_details),
                cmocka_unit_test(test_long_texts),
        };
        return cmocka_run_group_tests_name("price-codec", tests, NULL, NULL);
}
