#include "io/kafka_producer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "io/kafka_internal.h"

struct KafkaProducer {
        rd_kafka_t *rk;
        rd_kafka_queue_t *events;
        int event_fd; /* librdkafka writes to it when events has something */
        KafkaProducerEvents handlers;
        char *topic;
};

static int make_conf(rd_kafka_conf_t **ret, const KafkaOptions *options, int64_t buffer_messages,
                     char *error, size_t error_size) {
        char messages[32];
        const KafkaSetting settings[] = {
                { "enable.idempotence", "true" }, /* implies acks=all and order */
                { "message.timeout.ms", "0" },    /* wait for the broker for ever */
                { "topic.metadata.propagation.max.ms", "3600000" }, /* and for the topic */
                { "queue.buffering.max.messages", messages },
                { "queue.buffering.max.kbytes", "2097151" }, /* the count is the bound */
                { "linger.ms", "2" }, /* one poll's prices in one batch, soon */
                { "compression.type", "lz4" },
                { NULL, NULL },
        };
        rd_kafka_conf_t *conf;

        snprintf(messages, sizeof(messages), "%lld", (long long) buffer_messages);
        int r = kafka_conf_new(&conf, options, error, error_size);
        if (r < 0)
                return r;
        r = kafka_conf_set_all(conf, settings, error, error_size);
        if (r < 0) {
                rd_kafka_conf_destroy(conf);
                return r;
        }
        rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
        *ret = conf;
        return 0;
}

static int watch_events(KafkaProducer *p) {
        static const uint64_t one = 1;

        p->events = rd_kafka_queue_get_main(p->rk);
        p->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (p->event_fd < 0)
                return -errno;
        rd_kafka_queue_io_event_enable(p->events, p->event_fd, &one, sizeof(one));
        return 0;
}

int kafka_producer_new(KafkaProducer **ret, const KafkaOptions *options, const char *topic,
                       int64_t buffer_messages, const KafkaProducerEvents *events, char *error,
                       size_t error_size) {
        _cleanup_(kafka_producer_freep) KafkaProducer *p = calloc(1, sizeof(*p));
        rd_kafka_conf_t *conf;

        if (!p)
                return -ENOMEM;
        p->event_fd = -1;
        p->handlers = *events;
        p->topic = strdup(topic);
        if (!p->topic)
                return -ENOMEM;
        int r = make_conf(&conf, options, buffer_messages, error, error_size);
        if (r < 0)
                return r;
        p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, error_size);
        if (!p->rk) {
                rd_kafka_conf_destroy(conf);
                return -EINVAL;
        }
        r = watch_events(p);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(p);
        return 0;
}

void kafka_producer_free(KafkaProducer *producer) {
        if (!producer)
                return;
        if (producer->events) {
                rd_kafka_queue_io_event_enable(producer->events, -1, NULL, 0);
                rd_kafka_queue_destroy(producer->events);
        }
        if (producer->rk) {
                /* Otherwise destroying waits for the broker. */
                rd_kafka_purge(producer->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                                             RD_KAFKA_PURGE_F_NON_BLOCKING);
                rd_kafka_destroy(producer->rk);
        }
        if (producer->event_fd >= 0)
                close(producer->event_fd);
        free(producer->topic);
        free(producer);
}

int kafka_producer_send(KafkaProducer *producer, const void *key, size_t key_length,
                        const void *value, size_t value_length) {
        rd_kafka_resp_err_t error =
                        rd_kafka_producev(producer->rk, RD_KAFKA_V_TOPIC(producer->topic),
                                          RD_KAFKA_V_KEY((void *) key, key_length),
                                          RD_KAFKA_V_VALUE((void *) value, value_length),
                                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        return kafka_errno(error);
}

int kafka_producer_fd(const KafkaProducer *producer) {
        return producer->event_fd;
}

static int send_with(KafkaProducer *p, const rd_kafka_message_t *m) {
        return kafka_producer_send(p, m->key, m->key_len, m->payload, m->len);
}

/* A message whose time had come to fail, such as one for a topic that was deleted meanwhile, is
 * queued again: what was fetched must not be lost. */
static int settle_delivery(KafkaProducer *p, const rd_kafka_message_t *message) {
        if (message->err == RD_KAFKA_RESP_ERR__FATAL ||
            rd_kafka_fatal_error(p->rk, NULL, 0) != RD_KAFKA_RESP_ERR_NO_ERROR)
                return -ECONNABORTED;
        int error = kafka_errno(message->err);
        if (error < 0 && error != -EMSGSIZE && send_with(p, message) < 0)
                return -ENOBUFS;
        return error;
}

static void report_deliveries(KafkaProducer *p, rd_kafka_event_t *event) {
        const rd_kafka_message_t *message;
        while ((message = rd_kafka_event_message_next(event)))
                p->handlers.on_delivery(settle_delivery(p, message), rd_kafka_err2str(message->err),
                                        p->handlers.user);
}

static void report_topic(KafkaProducer *p, rd_kafka_event_t *event) {
        const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
        rd_kafka_resp_err_t code = rd_kafka_event_error(event);
        const char *text = rd_kafka_event_error_string(event);
        size_t n = 0;

        if (!code && result) {
                const rd_kafka_topic_result_t **topics =
                                rd_kafka_CreateTopics_result_topics(result, &n);
                if (n > 0) {
                        code = rd_kafka_topic_result_error(topics[0]);
                        text = rd_kafka_topic_result_error_string(topics[0]);
                }
        }
        p->handlers.on_topic(kafka_errno(code), text ? text : rd_kafka_err2str(code),
                             p->handlers.user);
}

void kafka_producer_dispatch(KafkaProducer *producer) {
        uint64_t count;
        ssize_t n = read(producer->event_fd, &count, sizeof(count));
        (void) n; /* only to make it unreadable again */

        for (rd_kafka_event_t *event; (event = rd_kafka_queue_poll(producer->events, 0));) {
                if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
                        report_deliveries(producer, event);
                else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_CREATETOPICS_RESULT)
                        report_topic(producer, event);
                rd_kafka_event_destroy(event);
        }
}

size_t kafka_producer_pending(const KafkaProducer *producer) {
        int n = rd_kafka_outq_len(producer->rk);
        return n > 0 ? (size_t) n : 0;
}

/* rd_kafka_flush() would wait for reports that only kafka_producer_dispatch() takes. */
int kafka_producer_flush(KafkaProducer *producer, int timeout_ms) {
        int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;

        while (kafka_producer_dispatch(producer), kafka_producer_pending(producer) > 0) {
                int64_t left_ms = deadline_ms - clock_monotonic_ms();
                if (left_ms <= 0)
                        return -ETIMEDOUT;
                struct pollfd fd = { .fd = producer->event_fd, .events = POLLIN };
                if (poll(&fd, 1, (int) MIN_OF(left_ms, INT64_C(100))) < 0 && errno != EINTR)
                        return -errno;
        }
        return 0;
}

/* ---- the topic ------------------------------------------------------------------------------ */

static rd_kafka_NewTopic_t *describe_topic(const KafkaTopicOptions *topic, char *error,
                                           size_t error_size) {
        char retention[32];
        rd_kafka_NewTopic_t *new_topic = rd_kafka_NewTopic_new(
                        topic->topic, topic->partitions, topic->replication, error, error_size);
        if (!new_topic)
                return NULL;
        snprintf(retention, sizeof(retention), "%lld", (long long) topic->retention_ms);
        rd_kafka_NewTopic_set_config(new_topic, "retention.ms", retention);
        return new_topic;
}

int kafka_producer_create_topic(KafkaProducer *producer, const KafkaTopicOptions *topic,
                                int timeout_ms, char *error, size_t error_size) {
        rd_kafka_AdminOptions_t *options =
                        rd_kafka_AdminOptions_new(producer->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);
        rd_kafka_NewTopic_t *new_topic = describe_topic(topic, error, error_size);
        int r = -EINVAL;

        if (options && new_topic &&
            !rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, error, error_size)) {
                rd_kafka_CreateTopics(producer->rk, &new_topic, 1, options, producer->events);
                r = 0;
        }
        if (new_topic)
                rd_kafka_NewTopic_destroy(new_topic);
        if (options)
                rd_kafka_AdminOptions_destroy(options);
        return r;
}
