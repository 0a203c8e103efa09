/* Creates the topic, for crypto-pulse-setup, which is a shell script. The fetcher does the same
 * when it finds no topic; here it is done before the first daemon starts. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "io/config_file.h"
#include "io/events.h"
#include "io/journal.h"
#include "io/kafka_producer.h"

#define TURN_MS 1000

typedef struct Topic {
        bool exists, created;
        char trouble[256];
} Topic;

static void on_topic(int error, const char *reason, void *user) {
        Topic *t = user;

        t->created = error == 0;
        t->exists = error == 0 || error == -EEXIST;
        snprintf(t->trouble, sizeof(t->trouble), "%s", reason ? reason : "");
}

static void on_broker(bool up, const char *reason, void *user) {
        Topic *t = user;
        if (!up)
                snprintf(t->trouble, sizeof(t->trouble), "%s", reason);
}

static void on_failure(int error, const char *reason, void *user) {
        Topic *t = user;
        (void) error;
        snprintf(t->trouble, sizeof(t->trouble), "%s", reason);
}

static int await_topic(KafkaProducer *producer, const Topic *t, int64_t wait_ms) {
        int64_t until_ms = clock_monotonic_ms() + wait_ms;

        for (;;) {
                kafka_producer_dispatch(producer);
                int64_t left_ms = until_ms - clock_monotonic_ms();
                if (t->exists)
                        return 0;
                if (left_ms <= 0)
                        return -ETIMEDOUT;
                struct pollfd fd = { .fd = kafka_producer_fd(producer), .events = POLLIN };
                (void) poll(&fd, 1, (int) MIN_OF(left_ms, (int64_t) TURN_MS));
        }
}

static int make_topic(const Config *config, int64_t wait_ms) {
        _cleanup_(kafka_producer_freep) KafkaProducer *producer = NULL;
        const KafkaOptions options = { .brokers = config->kafka_brokers,
                                       .client_id = "crypto-pulse-setup" };
        const KafkaTopicOptions topic = { .topic = config->kafka_topic,
                                          .partitions = (int32_t) config->kafka_partitions,
                                          .replication = (int32_t) config->kafka_replication,
                                          .retention_ms = config->kafka_retention_ms };
        Topic state = { .trouble = "no answer" };
        char error[sizeof(state.trouble)];
        const KafkaProducerEvents events = { .on_topic = on_topic,
                                             .on_broker = on_broker,
                                             .on_failure = on_failure,
                                             .user = &state };

        int r = kafka_producer_new(&producer, &options, &topic, config->kafka_buffer_messages,
                                   &events, error, sizeof(error));
        if (r < 0)
                snprintf(state.trouble, sizeof(state.trouble), "%s", error);
        else
                r = await_topic(producer, &state, wait_ms);
        if (r < 0)
                journal_log(LOG_WARNING,
                            LOG_FIELDS(LOG_EVENT(BROKER_UNREACHABLE),
                                       LOG_TEXT("KAFKA_TOPIC", config->kafka_topic)),
                            "Kafka at %s cannot be used (%s); the fetcher creates topic %s as soon "
                            "as it can.",
                            config->kafka_brokers, state.trouble, config->kafka_topic);
        else if (state.created)
                journal_log(LOG_INFO, LOG_FIELDS(LOG_TEXT("KAFKA_TOPIC", config->kafka_topic)),
                            "Created topic %s.", config->kafka_topic);
        return r;
}

/* make-topic SECONDS [FILE]: how long to wait for Kafka, and the configuration. */
static int run(int argc, char **argv) {
        _cleanup_(config_freep) Config *config = NULL;
        char error[1024];

        if (argc < 2 || argc > 3) {
                fprintf(stderr, "usage: make-topic SECONDS [FILE]\n");
                return -EINVAL;
        }
        journal_open("crypto-pulse-setup");
        int r = config_load(argc > 2 ? argv[2] : NULL, &config, error, sizeof(error));
        if (r < 0) {
                log_error("The configuration cannot be used: %s", error);
                return r;
        }
        journal_set_level(config->log_level);
        journal_set_format(config->log_format);
        return make_topic(config, strtoll(argv[1], NULL, 10) * 1000);
}

int main(int argc, char **argv) {
        return run(argc, argv) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
