#include "websocket/feed.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "core/clock.h"
#include "core/episode.h"
#include "core/price_codec.h"
#include "io/events.h"
#include "io/journal.h"
#include "io/kafka_consumer.h"

/* Bounds the time until a stop is noticed. */
#define READ_MS 100
#define REOPEN_MS 1000

struct Feed {
        const Config *config;
        Handover *handover;
        KafkaOptions kafka_options;
        KafkaConsumer *consumer;
        Worker worker;
        Episode kafka_away;
        atomic_bool caught_up;
};

static void on_kafka_log(int priority, const char *text, void *user) {
        (void) user;
        /* librdkafka repeats itself; what matters is told by tell_state(). */
        journal_log(priority < LOG_ERR ? LOG_WARNING : LOG_DEBUG, NULL, "librdkafka: %s", text);
}

/* Hands MESSAGES[0..n) over, n at most UPDATE_BATCH_MAX. */
static int hand_over(Feed *f, const KafkaMessage *messages, size_t n) {
        UpdateBatch *batch = update_batch_new(n);
        int64_t now_ms = clock_realtime_ms();
        const char *reason;

        if (!batch)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const KafkaMessage *m = &messages[i];
                if (price_decode_message(m->key, m->key_length, m->value, m->value_length, now_ms,
                                         &batch->updates[batch->n], &reason) == 0)
                        batch->n++;
        }
        return handover_give(f->handover, batch);
}

static int hand_over_all(Feed *f, const KafkaBatch *batch) {
        int r = 0;

        for (size_t i = 0; i < batch->n && r == 0; i += UPDATE_BATCH_MAX)
                r = hand_over(f, batch->messages + i,
                              MIN_OF(batch->n - i, (size_t) UPDATE_BATCH_MAX));
        return r;
}

static void tell_state(Feed *f, const char *waits_for) {
        int64_t now_ms = clock_monotonic_ms(), duration_ms;

        if (waits_for && episode_fail(&f->kafka_away, now_ms))
                journal_log(LOG_WARNING,
                            LOG_FIELDS(LOG_EVENT(BROKER_UNREACHABLE),
                                       LOG_TEXT("KAFKA_TOPIC", f->config->kafka_topic)),
                            "Waiting for %s (%s at %s): no new prices until it is there.",
                            waits_for, f->config->kafka_topic, f->config->kafka_brokers);
        if (!waits_for && episode_end(&f->kafka_away, now_ms, &duration_ms))
                journal_log(LOG_NOTICE,
                            LOG_FIELDS(LOG_TEXT("KAFKA_TOPIC", f->config->kafka_topic),
                                       LOG_NUMBER("DURATION_MS", duration_ms)),
                            "Reading topic %s again, after %" PRId64 " s.", f->config->kafka_topic,
                            duration_ms / 1000);
}

static void note_state(Feed *f) {
        const char *waits_for = kafka_consumer_waits_for(f->consumer);

        worker_turn(&f->worker, waits_for);
        tell_state(f, waits_for);
        if (kafka_consumer_is_caught_up(f->consumer) && !atomic_exchange(&f->caught_up, true))
                handover_wake(f->handover);
}

static int turn(Feed *f) {
        KafkaBatch batch;

        int r = kafka_consumer_read(f->consumer, READ_MS, 0, &batch);
        if (r == 0)
                r = hand_over_all(f, &batch);
        if (r == 0)
                note_state(f);
        return r;
}

static int open_consumer(Feed *f) {
        char error[256];

        int r = kafka_consumer_follow(&f->consumer, &f->kafka_options, f->config->kafka_topic,
                                      f->config->kafka_group_id, FEED_TAIL_MESSAGES, error,
                                      sizeof(error));
        if (r < 0)
                log_error("The Kafka consumer of the broadcast cannot be made: %s", error);
        return r;
}

static void pause_ms(Feed *f, int64_t delay_ms) {
        int64_t until_ms = clock_monotonic_ms() + delay_ms;

        while (!worker_is_stopping(&f->worker) && clock_monotonic_ms() < until_ms) {
                worker_turn(&f->worker, "the Kafka client");
                nanosleep(&(struct timespec){ .tv_nsec = READ_MS * 1000000 }, NULL);
        }
}

static void run(void *user) {
        Feed *f = user;

        while (!worker_is_stopping(&f->worker)) {
                int r = turn(f);
                if (r == 0 || r == -ESHUTDOWN)
                        continue;
                log_error("The broadcast cannot read Kafka (%s), beginning anew.", strerror(-r));
                kafka_consumer_free(TAKE_PTR(f->consumer));
                do
                        pause_ms(f, REOPEN_MS);
                while (!worker_is_stopping(&f->worker) && open_consumer(f) < 0);
        }
        kafka_consumer_free(TAKE_PTR(f->consumer));
}

int feed_new(Feed **ret, const Config *config, Handover *handover) {
        _cleanup_(feed_freep) Feed *f = calloc(1, sizeof(*f));

        if (!f)
                return -ENOMEM;
        f->config = config;
        f->handover = handover;
        f->kafka_options = (KafkaOptions){ .brokers = config->kafka_brokers,
                                           .client_id = "crypto-pulse-broadcast",
                                           .log = on_kafka_log };
        int r = open_consumer(f);
        if (r == 0)
                r = worker_start(&f->worker, "feed", run, f);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(f);
        return 0;
}

void feed_free(Feed *feed) {
        if (!feed)
                return;
        worker_stop(&feed->worker);
        worker_join(&feed->worker);
        kafka_consumer_free(feed->consumer);
        free(feed);
}

Worker *feed_worker(Feed *feed) {
        return &feed->worker;
}

bool feed_is_caught_up(const Feed *feed) {
        return atomic_load(&feed->caught_up);
}
