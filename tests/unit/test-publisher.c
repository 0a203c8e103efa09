/* Which prices become messages. No broker is needed: what is published waits in memory. */
#include "unit.h"

#include "fetcher/publisher.h"

#define T0 INT64_C(1795346553123)
/* librdkafka counts what it has to tell (that no broker is there) among what is pending. */
#define N_EVENTS 20

static void on_topic(int error, const char *reason, void *user) {
        (void) error, (void) reason, (void) user;
}

static void on_broker(bool up, const char *reason, void *user) {
        (void) up, (void) reason, (void) user;
}

static void on_log(int priority, const char *text, void *user) {
        (void) priority, (void) text, (void) user;
}

/* A producer with room for BUFFER messages and a broker that is never there. */
static KafkaProducer *new_producer(int64_t buffer) {
        static const KafkaOptions options = { .brokers = "127.0.0.1:1",
                                              .client_id = "test",
                                              .log = on_log };
        static const KafkaTopicOptions topic = {
                .topic = "test", .partitions = 1, .replication = 1, .retention_ms = 1000
        };
        const KafkaProducerEvents events = { .on_topic = on_topic,
                                             .on_broker = on_broker,
                                             .on_failure = on_topic };
        KafkaProducer *producer = NULL;
        char error[256];

        if (kafka_producer_new(&producer, &options, &topic, buffer, &events, error, sizeof(error)) <
            0)
                fail_msg("%s", error);
        return producer;
}

static PriceUpdate update_of(const char *coin, const char *currency, int64_t ms) {
        PriceUpdate u = { .timestamp_ms = ms, .price = { "1.5" } };
        snprintf(u.coin_id, sizeof(u.coin_id), "%s", coin);
        snprintf(u.currency, sizeof(u.currency), "%s", currency);
        return u;
}

/* Only what the source has renewed, for each pair of coin and currency on its own. */
static void test_renewed(void **state) {
        static const struct {
                const char *coin, *currency;
                int64_t ms;
                int r;
        } rows[] = {
                { "bitcoin", "usd", T0, 1 },
                { "bitcoin", "usd", T0, 0 },
                { "bitcoin", "eur", T0, 1 },
                { "ethereum", "usd", T0 - 1, 1 },
                { "bitcoin", "usd", T0 + 1, 1 },
                { "bitcoin", "usd", T0, 0 }, /* an older answer from another cache */
                { "bitcoin", "usd", T0 + 1, 0 },
                { "ethereum", "usd", T0, 1 },
        };
        KafkaProducer *producer = new_producer(1000);
        _cleanup_(publisher_freep) Publisher *publisher = NULL;
        size_t n_published = 0;

        (void) state;
        publisher_free(NULL);
        assert_int_equal(publisher_new(&publisher, producer), 0);
        assert_int_equal(publisher_newest_ms(publisher), 0);
        for (size_t i = 0; i < ELEMENTS(rows); i++) {
                PriceUpdate u = update_of(rows[i].coin, rows[i].currency, rows[i].ms);
                int r = publisher_publish(publisher, &u);
                if (r != rows[i].r)
                        fail_row(i, "%d", r);
                n_published += r == 1;
        }
        assert_in_range(kafka_producer_pending(producer), n_published, n_published + N_EVENTS);
        assert_int_equal(publisher_n_coins(publisher), 3);
        publisher_count_anew(publisher);
        assert_int_equal(publisher_n_coins(publisher), 0);
        for (int i = 0; i < 2; i++) {
                PriceUpdate u = update_of("bitcoin", "usd", T0); /* known, also if not renewed */
                assert_int_equal(publisher_publish(publisher, &u), 0);
                assert_int_equal(publisher_n_coins(publisher), 1);
        }
        assert_int_equal(publisher_newest_ms(publisher), T0 + 1);
        kafka_producer_free(producer);
}

/* What found no room counts as not published, so the next poll takes it up. */
static void test_no_room(void **state) {
        KafkaProducer *producer = new_producer(50);
        _cleanup_(publisher_freep) Publisher *publisher = NULL;
        PriceUpdate u;
        int i = 0, r;

        (void) state;
        assert_int_equal(publisher_new(&publisher, producer), 0);
        do {
                char coin[16];
                snprintf(coin, sizeof(coin), "coin-%d", i++);
                u = update_of(coin, "usd", T0);
        } while ((r = publisher_publish(publisher, &u)) == 1);
        assert_int_equal(r, -ENOBUFS);
        assert_in_range(i - 1, 50 - N_EVENTS, 50);
        assert_int_not_equal(publisher_publish(publisher, &u), 0);
        u = update_of("coin-0", "usd", T0);
        assert_int_equal(publisher_publish(publisher, &u), 0);
        kafka_producer_free(producer);
}

static void test_many(void **state) {
        KafkaProducer *producer = new_producer(100000);
        _cleanup_(publisher_freep) Publisher *publisher = NULL;

        (void) state;
        assert_int_equal(publisher_new(&publisher, producer), 0);
        for (int round = 0; round < 2; round++)
                for (int i = 0; i < 5000; i++) {
                        char coin[16];
                        snprintf(coin, sizeof(coin), "coin-%d", i);
                        PriceUpdate u = update_of(coin, "usd", T0 + i);
                        assert_int_equal(publisher_publish(publisher, &u), round == 0);
                }
        assert_int_equal(publisher_n_coins(publisher), 5000);
        assert_in_range(kafka_producer_pending(producer), 5000, 5000 + N_EVENTS);
        kafka_producer_free(producer);
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_renewed),
                                            cmocka_unit_test(test_no_room),
                                            cmocka_unit_test(test_many) };
        return cmocka_run_group_tests_name("publisher", tests, NULL, NULL);
}
