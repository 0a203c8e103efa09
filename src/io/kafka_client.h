/* What Kafka's producer and consumer share: connecting, and the topic itself. Only
 * src/io/kafka_*.c include librdkafka. Any thread, each object one at a time. */
#pragma once

#include <stdint.h>

#include "core/macro.h"

/* Called by librdkafka's threads with what it would have logged, e.g. "broker is down".
 * PRIORITY as in syslog. Must not block. */
typedef void (*KafkaLog)(int priority, const char *text, void *user);

typedef struct KafkaOptions {
        const char *brokers; /* "host:port,host:port" */
        const char *client_id;
        KafkaLog log; /* may be NULL */
        void *log_user;
} KafkaOptions;

typedef struct KafkaTopicOptions {
        const char *topic;
        int32_t partitions;
        int32_t replication;
        int64_t retention_ms; /* -1: for ever */
} KafkaTopicOptions;
