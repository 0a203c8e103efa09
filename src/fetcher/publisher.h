/* From parsed answers to Kafka messages: only prices that the source has renewed. One thread. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/macro.h"
#include "core/price_update.h"
#include "io/kafka_producer.h"

typedef struct Publisher Publisher;

/* PRODUCER is borrowed. 0 or -ENOMEM. */
_must_check_ int publisher_new(Publisher **ret, KafkaProducer *producer);
void publisher_free(Publisher *publisher); /* accepts NULL */
DEFINE_CLEANUP(Publisher *, publisher_free)

/* Publishes the update if its timestamp is newer than the last one published for its coin and
 * currency. 1: published; 0: not renewed; -ENOBUFS: no room, the update counts as not published
 * and will be taken again; -ENOMEM. */
_must_check_ int publisher_publish(Publisher *publisher, const PriceUpdate *update);

size_t publisher_n_coins(const Publisher *publisher); /* pairs of coin and currency seen */
/* Others are tracked now: publisher_n_coins() begins at 0. */
void publisher_count_anew(Publisher *publisher);
int64_t publisher_newest_ms(const Publisher *publisher); /* newest timestamp published; 0: none */
