/* librdkafka's side of kafka_client.h, for src/io/kafka_*.c alone. */
#pragma once

#include <librdkafka/rdkafka.h>
#include <stddef.h>

#include "core/macro.h"
#include "io/kafka_client.h"
#include "io/kafka_consumer.h"

typedef struct KafkaSetting {
        const char *name, *value;
} KafkaSetting;

/* A configuration with what both sides have in common. OPTIONS is borrowed until the client made
 * from it is gone: it is its opaque. -EINVAL with a text in ERROR. */
_must_check_ int kafka_conf_new(rd_kafka_conf_t **ret, const KafkaOptions *options, char *error,
                                size_t error_size);
_must_check_ int kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value,
                                char *error, size_t error_size);
/* SETTINGS is ended by a NULL name. */
_must_check_ int kafka_conf_set_all(rd_kafka_conf_t *conf, const KafkaSetting *settings,
                                    char *error, size_t error_size);
/* kafka_consumer_past() of the group member RK. */
_must_check_ int kafka_past_find(rd_kafka_t *rk, const char *topic, KafkaPosition *starts, size_t n,
                                 KafkaPast *ret);
/* The nearest negative errno. */
int kafka_errno(rd_kafka_resp_err_t error);
