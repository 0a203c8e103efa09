#include "unit.h"
#include "websocket/board.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/timestamp.h"

static PriceUpdate update(const char *coin, int64_t second, const char *price) {
        PriceUpdate u = { .currency = "usd", .timestamp_ms = TIMESTAMP_MIN_MS + second * 1000 };

        snprintf(u.coin_id, sizeof(u.coin_id), "%s", coin);
        snprintf(u.price.text, sizeof(u.price.text), "%s", price);
        return u;
}

static int put(Board *board, const char *coin, int64_t second, const char *price, Buffer *tick) {
        PriceUpdate u = update(coin, second, price);
        return board_put(board, &u, tick);
}

/* "bitcoin=1 ether=2": what the frames say, in their order. */
static void read_frames(const Buffer *frames, char *ret, size_t size) {
        const unsigned char *p = (const unsigned char *) frames->data;
        const unsigned char *end = p + frames->length;
        size_t n = 0;

        ret[0] = '\0';
        while (p && p < end) {
                char coin[64], price[64], text[512];
                size_t length = p[1], header = 2;
                assert_int_equal(p[0], 0x81);
                if (length == 126) {
                        length = (size_t) p[2] << 8 | p[3];
                        header = 4;
                }
                assert_true(p + header + length <= end);
                snprintf(text, sizeof(text), "%.*s", (int) length, (const char *) p + header);
                assert_int_equal(sscanf(text, "{\"coinId\":\"%63[^\"]\",\"price\":%63[^,]", coin,
                                        price),
                                 2);
                n += (size_t) snprintf(ret + n, size - n, "%s%s=%s", n ? " " : "", coin, price);
                p += header + length;
        }
}

static void assert_frames(const Buffer *frames, const char *expected) {
        char text[512];
        read_frames(frames, text, sizeof(text));
        assert_string_equal(text, expected);
}

static void assert_catch_up(Board *board, uint64_t since, const char *expected) {
        const Buffer *frames;
        uint64_t until;
        assert_int_equal(board_catch_up(board, since, &frames, &until), 0);
        assert_int_equal(until, board_sequence(board));
        assert_frames(frames, expected);
}

static void test_empty(void **state) {
        _cleanup_(board_freep) Board *board = NULL;

        (void) state;
        assert_int_equal(board_new(&board), 0);
        assert_int_equal(board_sequence(board), 0);
        assert_int_equal(board_count(board), 0);
        assert_int_equal(board_newest_ms(board), 0);
        assert_catch_up(board, 0, "");
}

static void test_only_newer_is_taken(void **state) {
        _cleanup_(board_freep) Board *board = NULL;
        _cleanup_buffer_ Buffer tick = { .max = 0 };

        (void) state;
        assert_int_equal(board_new(&board), 0);
        assert_int_equal(put(board, "bitcoin", 10, "1", &tick), 1);
        assert_int_equal(put(board, "bitcoin", 10, "2", &tick), 0);
        assert_int_equal(put(board, "bitcoin", 9, "3", &tick), 0);
        assert_int_equal(put(board, "bitcoin", 11, "4", &tick), 1);
        assert_int_equal(board_sequence(board), 2);
        assert_int_equal(board_newest_ms(board), TIMESTAMP_MIN_MS + 11000);
        assert_frames(&tick, "bitcoin=1 bitcoin=4");
        assert_catch_up(board, 0, "bitcoin=4");
}

static void test_catch_up(void **state) {
        _cleanup_(board_freep) Board *board = NULL;

        (void) state;
        assert_int_equal(board_new(&board), 0);
        assert_int_equal(put(board, "a", 1, "1", NULL), 1); /* 1 */
        assert_int_equal(put(board, "b", 1, "2", NULL), 1); /* 2 */
        assert_int_equal(put(board, "c", 1, "3", NULL), 1); /* 3 */
        assert_catch_up(board, 0, "a=1 b=2 c=3");
        assert_catch_up(board, 2, "c=3");
        assert_catch_up(board, 3, "");
        assert_int_equal(put(board, "a", 2, "4", NULL), 1); /* 4 */
        assert_catch_up(board, 3, "a=4");
        assert_catch_up(board, 1, "b=2 c=3 a=4");
        assert_int_equal(put(board, "b", 2, "5", NULL), 1); /* 5 */
        assert_int_equal(put(board, "b", 3, "6", NULL), 1); /* 6 */
        assert_catch_up(board, 3, "a=4 b=6");
        assert_catch_up(board, 0, "c=3 a=4 b=6");
        assert_int_equal(board_count(board), 3);
}

/* Whatever a client has seen and wherever it stops, it ends with the newest of every slot. */
static void test_any_client_ends_up_to_date(void **state) {
        enum { UPDATES = 300, COINS = 7 };
        _cleanup_(board_freep) Board *board = NULL;
        char newest[UPDATES + 1][COINS] = { { 0 } }; /* by sequence */
        unsigned random = 1;

        (void) state;
        assert_int_equal(board_new(&board), 0);
        for (int i = 1; i <= UPDATES; i++) {
                random = random * 1103515245u + 12345u;
                unsigned coin = random >> 16 & 0x7fff;
                char name[] = { (char) ('a' + coin % COINS), '\0' }, price[16];
                snprintf(price, sizeof(price), "%d", i % 100 + 1);
                assert_int_equal(put(board, name, i, price, NULL), 1);
                memcpy(newest[i], newest[i - 1], COINS);
                newest[i][coin % COINS] = (char) (i % 100 + 1);
        }
        for (unsigned since = 0; since <= UPDATES; since++) {
                char seen[COINS], text[512];
                const Buffer *frames;
                uint64_t until;
                memcpy(seen, newest[since], COINS);
                assert_int_equal(board_catch_up(board, since, &frames, &until), 0);
                read_frames(frames, text, sizeof(text));
                for (char *save, *word = strtok_r(text, " ", &save); word;
                     word = strtok_r(NULL, " ", &save))
                        seen[word[0] - 'a'] = (char) atoi(word + 2);
                assert_memory_equal(seen, newest[UPDATES], COINS);
        }
}

/* A large board comes in pieces, of which none is much larger than allowed. */
static void test_catch_up_in_pieces(void **state) {
        enum { COINS = 2000 };
        _cleanup_(board_freep) Board *board = NULL;
        uint64_t since = 0, until, pieces = 0;
        size_t total = 0, expected = 0;

        (void) state;
        assert_int_equal(board_new(&board), 0);
        for (int i = 0; i < COINS; i++) {
                _cleanup_buffer_ Buffer tick = { .max = 0 };
                char coin[16];
                snprintf(coin, sizeof(coin), "coin-%d", i);
                assert_int_equal(put(board, coin, 1, "1", &tick), 1);
                expected += tick.length;
        }
        for (; since < board_sequence(board); since = until, pieces++) {
                const Buffer *frames;
                assert_int_equal(board_catch_up(board, since, &frames, &until), 0);
                assert_true(until > since);
                assert_true(frames->length < BOARD_CATCH_UP_BYTES + 200);
                total += frames->length;
        }
        assert_int_equal(total, expected);
        assert_int_equal(pieces, expected / BOARD_CATCH_UP_BYTES + 1);
}

static void test_failed_put_changes_nothing(void **state) {
        _cleanup_(board_freep) Board *board = NULL;
        _cleanup_buffer_ Buffer tick = { .max = 10 };

        (void) state;
        assert_int_equal(board_new(&board), 0);
        assert_int_equal(put(board, "bitcoin", 1, "1", &tick), -EMSGSIZE);
        assert_int_equal(board_sequence(board), 0);
        assert_catch_up(board, 0, "");
        assert_int_equal(put(board, "bitcoin", 1, "1", NULL), 1);
        assert_catch_up(board, 0, "bitcoin=1");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_empty),
                cmocka_unit_test(test_only_newer_is_taken),
                cmocka_unit_test(test_catch_up),
                cmocka_unit_test(test_any_client_ends_up_to_date),
                cmocka_unit_test(test_catch_up_in_pieces),
                cmocka_unit_test(test_failed_put_changes_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
