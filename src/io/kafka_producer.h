/* Publishing to a Kafka topic so that nothing is lost and nothing is doubled: an idempotent
 * producer, acks=all, messages that never expire. While the broker is away they wait in memory,
 * up to the bound, and leave in order when it is back. One thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/macro.h"
#include "io/kafka_client.h"

typedef struct KafkaProducer KafkaProducer;

/* Called from kafka_producer_dispatch(). ERROR 0, or a negative errno with its reason. */
typedef struct KafkaProducerEvents {
        /* How a message ended. After -ECONNABORTED the producer can do nothing more (librdkafka
         * calls it fatal) and the process should start anew; after any other error but
         * -EMSGSIZE the message has been queued again, nothing is lost. */
        void (*on_delivery)(int error, const char *reason, void *user);
        /* How kafka_producer_create_topic() ended; -EEXIST: the topic was there already. */
        void (*on_topic)(int error, const char *reason, void *user);
        void *user;
} KafkaProducerEvents;

/* OPTIONS is borrowed until the producer is freed. BUFFER_MESSAGES bounds what waits. */
_must_check_ int kafka_producer_new(KafkaProducer **ret, const KafkaOptions *options,
                                    const char *topic, int64_t buffer_messages,
                                    const KafkaProducerEvents *events, char *error,
                                    size_t error_size);
void kafka_producer_free(KafkaProducer *producer); /* accepts NULL; what still waits is lost */
DEFINE_CLEANUP(KafkaProducer *, kafka_producer_free)

/* Asks the broker to create the topic unless it exists; on_topic tells the end, at the latest
 * after TIMEOUT_MS. Until then messages only wait. Returns 0 or -EINVAL with a text in ERROR. */
_must_check_ int kafka_producer_create_topic(KafkaProducer *producer,
                                             const KafkaTopicOptions *topic, int timeout_ms,
                                             char *error, size_t error_size);

/* Queues one message, copied. -ENOBUFS: the bound is reached; -EMSGSIZE. */
_must_check_ int kafka_producer_send(KafkaProducer *producer, const void *key, size_t key_length,
                                     const void *value, size_t value_length);

/* Readable when kafka_producer_dispatch() has something to do. Owned by the producer. */
int kafka_producer_fd(const KafkaProducer *producer);
void kafka_producer_dispatch(KafkaProducer *producer);

/* How many messages wait or are on their way. */
size_t kafka_producer_pending(const KafkaProducer *producer);
/* Waits until all have been delivered. 0 or -ETIMEDOUT. */
_must_check_ int kafka_producer_flush(KafkaProducer *producer, int timeout_ms);
