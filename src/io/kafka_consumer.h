/* Reading a Kafka topic, for a thread of its own that asks and waits.
 *
 * Two ways. As a member of a group, which shares the partitions: kafka_consumer_join(). The
 * caller, not Kafka, knows where each partition is to be read from; until it says so nothing is
 * read. Or all partitions, alone, beginning near their ends: kafka_consumer_follow().
 *
 * A missing topic and a broker that is away are waited for inside kafka_consumer_read(), which
 * returns with nothing meanwhile; kafka_consumer_waits_for() tells what for. All calls belong to
 * one thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/macro.h"
#include "io/kafka_client.h"

typedef struct KafkaConsumer KafkaConsumer;

typedef struct KafkaMessage {
        const void *key; /* NULL: none */
        size_t key_length;
        const void *value; /* NULL: none */
        size_t value_length;
        int32_t partition;
        int64_t offset;
} KafkaMessage;

#define KAFKA_OFFSET_EARLIEST INT64_C(-2)

typedef struct KafkaPosition {
        int32_t partition;
        int64_t offset; /* of the next message to read, or KAFKA_OFFSET_EARLIEST */
} KafkaPosition;

typedef struct KafkaBatch {
        const KafkaMessage *messages; /* borrowed until the next kafka_consumer_read() */
        size_t n;
} KafkaBatch;

/* Becomes a member of group GROUP_ID for TOPIC. */
_must_check_ int kafka_consumer_join(KafkaConsumer **ret, const KafkaOptions *options,
                                     const char *topic, const char *group_id, char *error,
                                     size_t error_size);
/* Reads all partitions of TOPIC, also those that are added later, from the last TAIL messages of
 * each on. CLIENT_GROUP is a group name that the client shows but never joins. */
_must_check_ int kafka_consumer_follow(KafkaConsumer **ret, const KafkaOptions *options,
                                       const char *topic, const char *client_group, int64_t tail,
                                       char *error, size_t error_size);
/* Leaves the group; takes at most about 2.5 seconds, and if that does not do leaves the client's
 * memory and threads to the end of the program. Accepts NULL. */
void kafka_consumer_free(KafkaConsumer *c);
DEFINE_CLEANUP(KafkaConsumer *, kafka_consumer_free)

/* Waits up to FIRST_MS for a message, then up to MORE_MS for more (0: only what is there), and
 * returns at most KAFKA_BATCH_MAX of them, of about 4 MB together, in each partition's order.
 * 0, also for an empty batch; -ESTALE: the consumer is broken for good, free it and make another
 * one; -ENOMEM. Must be called again within five minutes, or the group goes on without us. */
#define KAFKA_BATCH_MAX 1000
_must_check_ int kafka_consumer_read(KafkaConsumer *c, int first_ms, int more_ms, KafkaBatch *ret);

/* Group members. The partitions that are ours but of which nothing is read yet, because the
 * position is not known; borrowed until the next read. 0: there is none of that kind. */
size_t kafka_consumer_pending(const KafkaConsumer *c, const int32_t **ret_partitions);
/* Says where to begin. STARTS must name just the pending partitions. */
_must_check_ int kafka_consumer_start(KafkaConsumer *c, const KafkaPosition *starts, size_t n);
typedef struct KafkaPast {
        int64_t reread;  /* messages after the starts that the group had been past already */
        int64_t expired; /* messages after the starts that the topic no longer holds */
        int64_t renewed; /* partitions of which Kafka knows that the group has read nothing */
} KafkaPast;
/* What Kafka knows about beginning at STARTS. Kafka forgets what kafka_consumer_report() told it
 * together with the topic: an offset that was in a topic of the same name says nothing about this
 * one, and is replaced by KAFKA_OFFSET_EARLIEST. -EAGAIN: it does not answer within half a second,
 * so that is not known; try again. */
_must_check_ int kafka_consumer_past(KafkaConsumer *c, KafkaPosition *starts, size_t n,
                                     KafkaPast *ret);
/* Reads nothing more until the next kafka_consumer_start(), which may begin anywhere: all of our
 * partitions are pending again. The last batch stays valid. */
_must_check_ int kafka_consumer_rewind(KafkaConsumer *c);
/* Tells Kafka how far we are, for tools that show the lag and for kafka_consumer_past(). Does not
 * wait; may fail silently. */
void kafka_consumer_report(KafkaConsumer *c, const KafkaPosition *next, size_t n);

/* True once everything was returned that was there when reading began; a topic that does not exist
 * has nothing. Group members: of the partitions that are theirs. */
bool kafka_consumer_is_caught_up(const KafkaConsumer *c);

/* What keeps messages from coming: "the Kafka broker", "the Kafka topic", ...; NULL: nothing.
 * A static text. */
const char *kafka_consumer_waits_for(const KafkaConsumer *c);
/* Messages that are there and not yet returned, as far as is known without asking. */
int64_t kafka_consumer_lag(const KafkaConsumer *c);
