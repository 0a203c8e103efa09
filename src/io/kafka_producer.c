#include "io/kafka_producer.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "io/kafka_internal.h"

/* So many of what rd_kafka_outq_len() counts may be no messages but events that wait for us; for
 * its messages librdkafka has the bound itself. */
#define EVENTS_MAX 16
#define TOPIC_TIMEOUT_MS 5000
#define TOPIC_RETRY_MS 1000
/* When nothing was delivered for so long the topic may have been deleted. */
#define STALL_MS 10000
/* So long a message waits that the broker has refused. */
#define REFUSED_PAUSE_MS 1000

/* A message that waits for the topic. */
typedef struct Held {
        struct Held *next;
        size_t key_length, value_length;
        char bytes[]; /* the key, then the value */
} Held;

struct KafkaProducer {
        rd_kafka_t *rk;
        rd_kafka_queue_t *events;
        int event_fd; /* librdkafka writes to it when events has something */
        KafkaProducerEvents handlers;
        const KafkaOptions *options;
        const KafkaTopicOptions *topic;
        size_t max_messages;

        bool broker_down;     /* or it refuses, and nobody has taken a message since */
        bool topic_ready;     /* messages go to librdkafka; else they are held */
        bool topic_lost;      /* it was there before: librdkafka has to forget that it went */
        bool topic_requested; /* the answer to the last request is still to come */
        bool topic_doubted;   /* the last request failed, and nothing was delivered since */
        bool fatal;           /* librdkafka refuses everything: it has to start anew */
        int64_t request_topic_at_ms;
        int64_t release_at_ms;   /* not before that: a message was refused */
        int64_t progress_ms;     /* when a message was delivered last, or none was waiting */
        Held *held, **held_tail; /* in order; the tail is where the next one goes */
        size_t n_held;
};

/* ---- holding messages back ------------------------------------------------------------------- */

static int hold(KafkaProducer *p, const void *key, size_t key_length, const void *value,
                size_t value_length) {
        if (p->n_held >= p->max_messages)
                return -ENOBUFS;
        Held *held = malloc(sizeof(*held) + key_length + value_length);
        if (!held)
                return -ENOMEM;
        *held = (Held){ .key_length = key_length, .value_length = value_length };
        memcpy(held->bytes, key, key_length);
        memcpy(held->bytes + key_length, value, value_length);
        *p->held_tail = held;
        p->held_tail = &held->next;
        p->n_held++;
        return 0;
}

static void drop_first_held(KafkaProducer *p) {
        Held *first = p->held;
        p->held = first->next;
        if (!p->held)
                p->held_tail = &p->held;
        p->n_held--;
        free(first);
}

static int produce(KafkaProducer *p, const void *key, size_t key_length, const void *value,
                   size_t value_length) {
        return kafka_errno(rd_kafka_producev(p->rk, RD_KAFKA_V_TOPIC(p->topic->topic),
                                             RD_KAFKA_V_KEY((void *) key, key_length),
                                             RD_KAFKA_V_VALUE((void *) value, value_length),
                                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                             RD_KAFKA_V_END));
}

/* Stops at the first one that librdkafka does not take yet; the next dispatch goes on. */
static void release_held(KafkaProducer *p) {
        if (clock_monotonic_ms() < p->release_at_ms)
                return;
        while (p->topic_ready && !p->fatal && p->held) {
                const Held *h = p->held;
                int r = produce(p, h->bytes, h->key_length, h->bytes + h->key_length,
                                h->value_length);
                if (r < 0 && r != -EMSGSIZE)
                        return;
                if (r == -EMSGSIZE)
                        p->handlers.on_failure(r, "the message is too large", p->handlers.user);
                drop_first_held(p);
        }
}

/* ---- building -------------------------------------------------------------------------------- */

static int make_conf(rd_kafka_conf_t **ret, const KafkaProducer *p, char *error,
                     size_t error_size) {
        char messages[32];
        const KafkaSetting settings[] = {
                { "enable.idempotence", "true" }, /* implies acks=all and order */
                { "message.timeout.ms", "0" },    /* wait for the broker for ever */
                { "queue.buffering.max.messages", messages },
                { "queue.buffering.max.kbytes", "2097151" }, /* the count is the bound */
                { "linger.ms", "2" }, /* one poll's prices in one batch, soon */
                { "compression.type", "lz4" },
                { NULL, NULL },
        };
        rd_kafka_conf_t *conf;

        snprintf(messages, sizeof(messages), "%zu", p->max_messages);
        int r = kafka_conf_new(&conf, p->options, error, error_size);
        if (r < 0)
                return r;
        r = kafka_conf_set_all(conf, settings, error, error_size);
        if (r < 0) {
                rd_kafka_conf_destroy(conf);
                return r;
        }
        rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_ERROR);
        *ret = conf;
        return 0;
}

static int open_client(KafkaProducer *p, char *error, size_t error_size) {
        static const uint64_t one = 1;
        rd_kafka_conf_t *conf;

        int r = make_conf(&conf, p, error, error_size);
        if (r < 0)
                return r;
        p->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, error_size);
        if (!p->rk) {
                rd_kafka_conf_destroy(conf);
                return -EINVAL;
        }
        p->events = rd_kafka_queue_get_main(p->rk);
        rd_kafka_queue_io_event_enable(p->events, p->event_fd, &one, sizeof(one));
        return 0;
}

static void close_client(KafkaProducer *p) {
        if (p->events) {
                rd_kafka_queue_io_event_enable(p->events, -1, NULL, 0);
                rd_kafka_queue_destroy(p->events);
        }
        if (p->rk) {
                /* Otherwise destroying waits for the broker. */
                rd_kafka_purge(p->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                                      RD_KAFKA_PURGE_F_NON_BLOCKING);
                rd_kafka_destroy(p->rk);
        }
        p->events = NULL;
        p->rk = NULL;
}

static void care_for_topic(KafkaProducer *p);

int kafka_producer_new(KafkaProducer **ret, const KafkaOptions *options,
                       const KafkaTopicOptions *topic, int64_t buffer_messages,
                       const KafkaProducerEvents *events, char *error, size_t error_size) {
        _cleanup_(kafka_producer_freep) KafkaProducer *p = calloc(1, sizeof(*p));

        snprintf(error, error_size, "out of memory");
        if (!p)
                return -ENOMEM;
        p->handlers = *events;
        p->options = options;
        p->topic = topic;
        p->max_messages = (size_t) buffer_messages;
        p->held_tail = &p->held;
        p->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (p->event_fd < 0)
                return -errno;
        int r = open_client(p, error, error_size);
        if (r < 0)
                return r;
        /* Not with kafka_producer_dispatch(): the caller's handlers have no producer yet. */
        care_for_topic(p);
        *ret = TAKE_PTR(p);
        return 0;
}

void kafka_producer_free(KafkaProducer *producer) {
        if (!producer)
                return;
        close_client(producer);
        if (producer->event_fd >= 0)
                close(producer->event_fd);
        while (producer->held)
                drop_first_held(producer);
        free(producer);
}

/* ---- the topic ------------------------------------------------------------------------------- */

static rd_kafka_NewTopic_t *describe_topic(const KafkaTopicOptions *topic) {
        char retention[32], error[256];
        rd_kafka_NewTopic_t *new_topic = rd_kafka_NewTopic_new(
                        topic->topic, topic->partitions, topic->replication, error, sizeof(error));
        if (!new_topic)
                return NULL;
        snprintf(retention, sizeof(retention), "%lld", (long long) topic->retention_ms);
        rd_kafka_NewTopic_set_config(new_topic, "retention.ms", retention);
        return new_topic;
}

/* The answer comes as an event, at the latest after TOPIC_TIMEOUT_MS. */
static void request_topic(KafkaProducer *p) {
        char error[256];
        rd_kafka_NewTopic_t *new_topic = describe_topic(p->topic);
        rd_kafka_AdminOptions_t *options =
                        rd_kafka_AdminOptions_new(p->rk, RD_KAFKA_ADMIN_OP_CREATETOPICS);

        if (new_topic && options) {
                rd_kafka_AdminOptions_set_request_timeout(options, TOPIC_TIMEOUT_MS, error,
                                                          sizeof(error));
                rd_kafka_CreateTopics(p->rk, &new_topic, 1, options, p->events);
                p->topic_requested = true;
        }
        if (new_topic)
                rd_kafka_NewTopic_destroy(new_topic);
        if (options)
                rd_kafka_AdminOptions_destroy(options);
}

/* Asks the broker anew which topics there are. Waits up to a second for it, which happens only
 * after someone deleted the topic, or where creating topics is forbidden. */
static bool refresh_metadata(KafkaProducer *p) {
        const rd_kafka_metadata_t *metadata;
        bool found = false;

        if (rd_kafka_metadata(p->rk, 1, NULL, &metadata, TOPIC_RETRY_MS))
                return false;
        for (int i = 0; i < metadata->topic_cnt; i++)
                if (strcmp(metadata->topics[i].topic, p->topic->topic) == 0)
                        found = metadata->topics[i].err == RD_KAFKA_RESP_ERR_NO_ERROR &&
                                metadata->topics[i].partition_cnt > 0;
        rd_kafka_metadata_destroy(metadata);
        return found;
}

static int read_ranges(KafkaProducer *p, const rd_kafka_metadata_topic_t *topic,
                       int64_t deadline_ms, KafkaRange *ranges) {
        rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;

        for (int i = 0; i < topic->partition_cnt && !code; i++) {
                KafkaRange *range = &ranges[i];
                int64_t left_ms = MAX_OF(deadline_ms - clock_monotonic_ms(), INT64_C(1));
                range->partition = topic->partitions[i].id;
                code = rd_kafka_query_watermark_offsets(p->rk, p->topic->topic, range->partition,
                                                        &range->begin, &range->end, (int) left_ms);
        }
        return kafka_errno(code);
}

int kafka_producer_ranges(KafkaProducer *producer, int timeout_ms, KafkaRange **ret,
                          size_t *ret_n) {
        int64_t deadline_ms = clock_monotonic_ms() + timeout_ms;
        const rd_kafka_metadata_t *metadata;
        int r = -ENOENT;

        rd_kafka_resp_err_t code = rd_kafka_metadata(producer->rk, 1, NULL, &metadata, timeout_ms);
        if (code)
                return kafka_errno(code);
        for (int i = 0; i < metadata->topic_cnt && r == -ENOENT; i++) {
                const rd_kafka_metadata_topic_t *topic = &metadata->topics[i];
                if (strcmp(topic->topic, producer->topic->topic) != 0 || topic->partition_cnt < 1)
                        continue;
                _cleanup_free_ KafkaRange *ranges =
                                calloc((size_t) topic->partition_cnt, sizeof(*ranges));
                r = ranges ? read_ranges(producer, topic, deadline_ms, ranges) : -ENOMEM;
                if (r < 0)
                        break;
                *ret_n = (size_t) topic->partition_cnt;
                *ret = TAKE_PTR(ranges);
        }
        rd_kafka_metadata_destroy(metadata);
        return r;
}

static rd_kafka_resp_err_t topic_result(rd_kafka_event_t *event, const char **ret_text) {
        const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
        rd_kafka_resp_err_t code = rd_kafka_event_error(event);
        size_t n = 0;

        *ret_text = rd_kafka_event_error_string(event);
        if (!code && result) {
                const rd_kafka_topic_result_t **topics =
                                rd_kafka_CreateTopics_result_topics(result, &n);
                if (n > 0) {
                        code = rd_kafka_topic_result_error(topics[0]);
                        *ret_text = rd_kafka_topic_result_error_string(topics[0]);
                }
        }
        if (!*ret_text)
                *ret_text = rd_kafka_err2str(code);
        return code;
}

static void settle_topic(KafkaProducer *p, rd_kafka_event_t *event) {
        const char *text;
        int error = kafka_errno(topic_result(event, &text));
        bool refused = error < 0 && error != -EEXIST && error != -ETIMEDOUT;

        p->topic_requested = false;
        /* Whoever may not create topics may still find one that somebody else has made. */
        if (refused && refresh_metadata(p))
                error = -EEXIST;
        if ((error == 0 || error == -EEXIST) && p->topic_lost)
                refresh_metadata(p);
        p->topic_doubted = error != 0 && error != -EEXIST;
        if (!p->topic_doubted) {
                p->topic_ready = true;
                p->topic_lost = false;
        } else
                p->request_topic_at_ms = clock_monotonic_ms() + TOPIC_RETRY_MS;
        p->handlers.on_topic(error, text, p->handlers.user);
}

/* ---- messages -------------------------------------------------------------------------------- */

int kafka_producer_send(KafkaProducer *producer, const void *key, size_t key_length,
                        const void *value, size_t value_length) {
        if (kafka_producer_pending(producer) >= producer->max_messages + EVENTS_MAX)
                return -ENOBUFS;
        /* Behind those that are held, also when the topic is there: order. */
        if (!producer->topic_ready || producer->held || producer->fatal)
                return hold(producer, key, key_length, value, value_length);
        int r = produce(producer, key, key_length, value, value_length);
        if (r != -ENOENT)
                return r;
        producer->topic_ready = false;
        producer->topic_lost = true;
        return hold(producer, key, key_length, value, value_length);
}

/* A message that was taken proves that the topic is there: no other request may follow. */
static void note_delivery(KafkaProducer *p) {
        p->progress_ms = clock_monotonic_ms();
        if (p->topic_doubted) {
                p->topic_doubted = false;
                p->handlers.on_topic(-EEXIST, NULL, p->handlers.user);
        }
        if (!p->broker_down)
                return;
        p->broker_down = false;
        p->handlers.on_broker(true, NULL, p->handlers.user);
}

static void settle_error(KafkaProducer *p, rd_kafka_event_t *event) {
        if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
                return; /* what matters of the others shows in the messages' fate */
        p->broker_down = true;
        p->handlers.on_broker(false, rd_kafka_event_error_string(event), p->handlers.user);
}

/* Refused, but it may be taken later: e.g. when the broker's clock and ours agree again. */
static void note_refusal(KafkaProducer *p, const char *reason) {
        p->release_at_ms = clock_monotonic_ms() + REFUSED_PAUSE_MS;
        p->broker_down = true;
        p->handlers.on_broker(false, reason, p->handlers.user);
}

/* What failed is held and sent again: what was fetched must not be lost. */
static void settle_message(KafkaProducer *p, const rd_kafka_message_t *m) {
        int error = kafka_errno(m->err);

        if (error == 0) {
                note_delivery(p);
                return;
        }
        if (rd_kafka_fatal_error(p->rk, NULL, 0))
                p->fatal = true;
        if (error == -ENOENT) {
                p->topic_ready = false;
                p->topic_lost = true;
        } else if (error != -EMSGSIZE && !p->fatal) {
                note_refusal(p, rd_kafka_err2str(m->err));
        }
        if (error == -EMSGSIZE || hold(p, m->key, m->key_len, m->payload, m->len) < 0)
                p->handlers.on_failure(-EMSGSIZE, rd_kafka_err2str(m->err), p->handlers.user);
}

static void settle_messages(KafkaProducer *p, rd_kafka_event_t *event) {
        const rd_kafka_message_t *message;
        while ((message = rd_kafka_event_message_next(event)))
                settle_message(p, message);
}

int kafka_producer_fd(const KafkaProducer *producer) {
        return producer->event_fd;
}

/* After a fatal error, e.g. because the broker lost its log and with it the sequence of our
 * messages: all of them have come back by now and are held for the next client. */
static void start_anew(KafkaProducer *p) {
        char reason[256] = "", error[256];

        rd_kafka_fatal_error(p->rk, reason, sizeof(reason));
        close_client(p);
        p->fatal = p->topic_ready = p->topic_requested = p->topic_lost = false;
        int r = open_client(p, error, sizeof(error));
        p->handlers.on_failure(r < 0 ? -ECONNABORTED : -ECONNRESET, r < 0 ? error : reason,
                               p->handlers.user);
}

/* The topic is asked for until it is there, and again when nothing gets through any more: then
 * it may have been deleted, which librdkafka would wait out for ever. */
static void care_for_topic(KafkaProducer *p) {
        int64_t now = clock_monotonic_ms();

        if (rd_kafka_outq_len(p->rk) == 0)
                p->progress_ms = now;
        bool stalled = now - p->progress_ms > STALL_MS;
        if (p->topic_requested || now < p->request_topic_at_ms || (p->topic_ready && !stalled))
                return;
        p->request_topic_at_ms = now + (p->topic_ready ? STALL_MS : 0);
        request_topic(p);
}

static void settle_event(KafkaProducer *p, rd_kafka_event_t *event) {
        switch (rd_kafka_event_type(event)) {
        case RD_KAFKA_EVENT_DR:
                settle_messages(p, event);
                break;
        case RD_KAFKA_EVENT_CREATETOPICS_RESULT:
                settle_topic(p, event);
                break;
        case RD_KAFKA_EVENT_ERROR:
                settle_error(p, event);
                break;
        default:
                break;
        }
}

void kafka_producer_dispatch(KafkaProducer *producer) {
        uint64_t count;
        ssize_t n = read(producer->event_fd, &count, sizeof(count));
        (void) n; /* only to make it unreadable again */

        for (rd_kafka_event_t *event; (event = rd_kafka_queue_poll(producer->events, 0));) {
                settle_event(producer, event);
                rd_kafka_event_destroy(event);
        }
        if (producer->fatal && rd_kafka_outq_len(producer->rk) == 0)
                start_anew(producer);
        if (!producer->rk)
                return;
        release_held(producer);
        care_for_topic(producer);
}

size_t kafka_producer_pending(const KafkaProducer *producer) {
        int n = producer->rk ? rd_kafka_outq_len(producer->rk) : 0;
        return producer->n_held + (n > 0 ? (size_t) n : 0);
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
