/* Publishing to one Kafka topic so that nothing is lost and nothing is doubled: an idempotent
 * producer, acks=all, messages that never expire. While the broker is away they wait in memory,
 * up to the bound, and leave in order when it is back; one that the broker refuses is sent again
 * behind the others. The topic is created if it is missing,
 * also when someone deletes it later; until it is there messages are held back, because
 * librdkafka would give up on a topic that does not exist. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/macro.h"
#include "io/kafka_client.h"

typedef struct KafkaProducer KafkaProducer;

/* Called from kafka_producer_dispatch(). */
typedef struct KafkaProducerEvents {
        /* The topic is there (error 0: just created; -EEXIST: it was there already), or the try
         * to create it failed for REASON and another one follows. */
        void (*on_topic)(int error, const char *reason, void *user);
        /* No broker can be reached (again and again while that lasts), or one took a message
         * again (REASON is NULL, once). */
        void (*on_broker)(bool up, const char *reason, void *user);
        /* A message was refused for good (-EMSGSIZE); or the client had to start anew, without
         * loss (-ECONNRESET); or it could not, and the process should (-ECONNABORTED). */
        void (*on_failure)(int error, const char *reason, void *user);
        void *user;
} KafkaProducerEvents;

/* OPTIONS and TOPIC are borrowed until the producer is freed. BUFFER_MESSAGES bounds what waits.
 * Does not wait for the broker. -EINVAL with a text in ERROR, -ENOMEM. */
_must_check_ int kafka_producer_new(KafkaProducer **ret, const KafkaOptions *options,
                                    const KafkaTopicOptions *topic, int64_t buffer_messages,
                                    const KafkaProducerEvents *events, char *error,
                                    size_t error_size);
void kafka_producer_free(KafkaProducer *producer); /* accepts NULL; what still waits is lost */
DEFINE_CLEANUP(KafkaProducer *, kafka_producer_free)

/* Queues one message, copied. -ENOBUFS: the bound is reached; -EMSGSIZE. */
_must_check_ int kafka_producer_send(KafkaProducer *producer, const void *key, size_t key_length,
                                     const void *value, size_t value_length);

/* Readable when kafka_producer_dispatch() has something to do, which should be called about once
 * a second in any case. Owned by the producer. */
int kafka_producer_fd(const KafkaProducer *producer);
void kafka_producer_dispatch(KafkaProducer *producer);

/* What one partition holds. */
typedef struct KafkaRange {
        int32_t partition;
        int64_t begin, end; /* offsets of its first message and behind its last one */
} KafkaRange;

/* Asks the broker what the topic holds, in at most about TIMEOUT_MS. The caller frees *ret.
 * -ENOENT: there is no such topic; -ENOMEM, -ETIMEDOUT, ... */
_must_check_ int kafka_producer_ranges(KafkaProducer *producer, int timeout_ms, KafkaRange **ret,
                                       size_t *ret_n);

/* How many messages wait or are on their way. */
size_t kafka_producer_pending(const KafkaProducer *producer);
/* Waits until all have been delivered. 0 or -ETIMEDOUT. */
_must_check_ int kafka_producer_flush(KafkaProducer *producer, int timeout_ms);
