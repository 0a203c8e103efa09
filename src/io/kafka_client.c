#include "io/kafka_client.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/kafka_internal.h"

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text) {
        const KafkaOptions *options = rd_kafka_opaque(rk);
        (void) facility;
        if (options && options->log)
                options->log(level, text, options->log_user);
}

int kafka_conf_set(rd_kafka_conf_t *conf, const char *name, const char *value, char *error,
                   size_t error_size) {
        return rd_kafka_conf_set(conf, name, value, error, error_size) == RD_KAFKA_CONF_OK
                               ? 0
                               : -EINVAL;
}

int kafka_conf_set_all(rd_kafka_conf_t *conf, const KafkaSetting *settings, char *error,
                       size_t error_size) {
        for (; settings->name; settings++) {
                int r = kafka_conf_set(conf, settings->name, settings->value, error, error_size);
                if (r < 0)
                        return r;
        }
        return 0;
}

int kafka_conf_new(rd_kafka_conf_t **ret, const KafkaOptions *options, char *error,
                   size_t error_size) {
        const KafkaSetting settings[] = {
                { "bootstrap.servers", options->brokers },
                { "client.id", options->client_id },
                /* A broker that comes back should be found soon, by whoever is left waiting. */
                { "reconnect.backoff.ms", "100" },
                { "reconnect.backoff.max.ms", "2000" },
                { "socket.nagle.disable", "true" },
                { "socket.keepalive.enable", "true" },
                { "allow.auto.create.topics", "false" },
                { NULL, NULL },
        };
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        if (!conf)
                return -ENOMEM;

        int r = kafka_conf_set_all(conf, settings, error, error_size);
        if (r < 0) {
                rd_kafka_conf_destroy(conf);
                return r;
        }
        rd_kafka_conf_set_opaque(conf, (void *) options);
        rd_kafka_conf_set_log_cb(conf, on_log);
        *ret = conf;
        return 0;
}

int kafka_errno(rd_kafka_resp_err_t error) {
        switch (error) {
        case RD_KAFKA_RESP_ERR_NO_ERROR:
                return 0;
        case RD_KAFKA_RESP_ERR__QUEUE_FULL:
                return -ENOBUFS;
        case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
        case RD_KAFKA_RESP_ERR__TIMED_OUT:
        case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
        case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
                return -ETIMEDOUT;
        case RD_KAFKA_RESP_ERR__TRANSPORT:
        case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        case RD_KAFKA_RESP_ERR__RESOLVE:
                return -ECONNREFUSED;
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
                return -ENOENT;
        case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
                return -EEXIST;
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
                return -EMSGSIZE;
        default:
                return -EIO;
        }
}
