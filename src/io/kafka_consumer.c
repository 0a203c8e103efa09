#include "io/kafka_consumer.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "io/kafka_internal.h"

#define BATCH_MAX_BYTES (4 * 1024 * 1024)
#define TOPIC_CHECK_MS 500 /* while it is missing or the broker is away */
#define NEW_PARTITIONS_CHECK_MS 10000
#define REQUEST_TIMEOUT_MS 500
#define CLOSE_TIMEOUT_MS 1500
#define DESTROY_TIMEOUT_MS 1000
#define POSITION_UNKNOWN INT64_C(-1)

typedef struct Partition {
        int32_t id;
        int64_t next; /* the offset after the last message returned, or POSITION_UNKNOWN */
        int64_t end;  /* what is to be read until all is that was there when reading began */
} Partition;

struct KafkaConsumer {
        KafkaOptions options; /* first: librdkafka's opaque is both this and the consumer */
        rd_kafka_t *rk;
        rd_kafka_topic_t *topic;
        bool grouped;
        int64_t tail; /* followers */

        bool begun; /* subscribed, or following at least one partition */
        bool topic_missing, brokers_down, broken;
        int64_t next_check_ms; /* when to look at the topic again */

        /* Group members: what is ours; read once STARTED. Followers: all partitions, by id. */
        Partition *partitions;
        size_t n_partitions;
        int32_t n_first;        /* followers: as many partitions there were when following began */
        int32_t *partition_ids; /* of the same, for kafka_consumer_pending() */
        bool started;
        uint64_t generation; /* counts the rebalances */

        size_t n_messages;
        rd_kafka_message_t *held[KAFKA_BATCH_MAX]; /* what messages[] point into */
        KafkaMessage messages[KAFKA_BATCH_MAX];
};

static void release_messages(KafkaConsumer *c) {
        for (size_t i = 0; i < c->n_messages; i++)
                rd_kafka_message_destroy(c->held[i]);
        c->n_messages = 0;
}

static Partition *find_partition(KafkaConsumer *c, int32_t id) {
        /* Followers have all of them in order, so this is mostly a single step. */
        if (id >= 0 && (size_t) id < c->n_partitions && c->partitions[id].id == id)
                return &c->partitions[id];
        for (size_t i = 0; i < c->n_partitions; i++)
                if (c->partitions[i].id == id)
                        return &c->partitions[i];
        return NULL;
}

/* Makes room for N partitions in both arrays. */
static int reserve_partitions(KafkaConsumer *c, size_t n) {
        Partition *partitions = realloc(c->partitions, MAX_OF(n, (size_t) 1) * sizeof(*partitions));
        if (!partitions)
                return -ENOMEM;
        c->partitions = partitions;
        int32_t *ids = realloc(c->partition_ids, MAX_OF(n, (size_t) 1) * sizeof(*ids));
        if (!ids)
                return -ENOMEM;
        c->partition_ids = ids;
        return 0;
}

static void add_partition(KafkaConsumer *c, int32_t id, int64_t next, int64_t end) {
        c->partition_ids[c->n_partitions] = id;
        c->partitions[c->n_partitions++] = (Partition){ .id = id, .next = next, .end = end };
}

/* ---- assignment ---------------------------------------------------------------------------- */

/* Reads the partitions from where they stand; the ones without a position from their beginning. */
static int assign_partitions(KafkaConsumer *c) {
        rd_kafka_topic_partition_list_t *list =
                        rd_kafka_topic_partition_list_new((int) c->n_partitions);
        const char *topic = rd_kafka_topic_name(c->topic);

        for (size_t i = 0; i < c->n_partitions; i++) {
                const Partition *p = &c->partitions[i];
                rd_kafka_topic_partition_list_add(list, topic, p->id)->offset =
                                p->next == POSITION_UNKNOWN ? RD_KAFKA_OFFSET_BEGINNING : p->next;
        }
        rd_kafka_resp_err_t err = rd_kafka_assign(c->rk, list);
        rd_kafka_topic_partition_list_destroy(list);
        return err ? -ESTALE : 0;
}

/* Stays in the group, reads nothing. */
static rd_kafka_resp_err_t assign_nothing(rd_kafka_t *rk) {
        rd_kafka_topic_partition_list_t *none = rd_kafka_topic_partition_list_new(0);
        rd_kafka_resp_err_t err = rd_kafka_assign(rk, none);
        rd_kafka_topic_partition_list_destroy(none);
        return err;
}

/* librdkafka wants its answer inside this callback, while the positions come from elsewhere and
 * may take long. So the answer is "nothing for now"; kafka_consumer_start() assigns the rest. */
static void on_rebalance(rd_kafka_t *rk, rd_kafka_resp_err_t err,
                         rd_kafka_topic_partition_list_t *list, void *user) {
        KafkaConsumer *c = user;

        c->generation++;
        c->started = false;
        c->n_partitions = 0;
        if (err != RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
                rd_kafka_assign(rk, NULL);
                return;
        }
        if (reserve_partitions(c, (size_t) list->cnt) < 0)
                c->broken = true;
        else
                for (int i = 0; i < list->cnt; i++)
                        add_partition(c, list->elems[i].partition, POSITION_UNKNOWN, INT64_MAX);
        c->topic_missing = list->cnt == 0 && c->topic_missing;
        assign_nothing(rk);
}

size_t kafka_consumer_pending(const KafkaConsumer *c, const int32_t **ret_partitions) {
        *ret_partitions = c->partition_ids;
        return c->grouped && !c->started ? c->n_partitions : 0;
}

int kafka_consumer_start(KafkaConsumer *c, const KafkaPosition *starts, size_t n) {
        for (size_t i = 0; i < n; i++) {
                Partition *p = find_partition(c, starts[i].partition);
                if (!p)
                        return -EINVAL;
                p->next = starts[i].offset < 0 ? POSITION_UNKNOWN : starts[i].offset;
                p->end = INT64_MAX; /* until librdkafka says so */
        }
        int r = assign_partitions(c);
        if (r == 0)
                c->started = true;
        return r;
}

int kafka_consumer_past(KafkaConsumer *c, KafkaPosition *starts, size_t n, KafkaPast *ret) {
        return kafka_past_find(c->rk, rd_kafka_topic_name(c->topic), starts, n, ret);
}

int kafka_consumer_rewind(KafkaConsumer *c) {
        if (!c->started)
                return 0;
        c->started = false;
        for (size_t i = 0; i < c->n_partitions; i++) {
                c->partitions[i].next = POSITION_UNKNOWN;
                c->partitions[i].end = INT64_MAX;
        }
        return assign_nothing(c->rk) ? -ESTALE : 0;
}

void kafka_consumer_report(KafkaConsumer *c, const KafkaPosition *next, size_t n) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int) n);
        const char *topic = rd_kafka_topic_name(c->topic);

        for (size_t i = 0; i < n; i++)
                rd_kafka_topic_partition_list_add(list, topic, next[i].partition)->offset =
                                next[i].offset;
        (void) rd_kafka_commit(c->rk, list, 1 /* do not wait */);
        rd_kafka_topic_partition_list_destroy(list);
}

/* ---- the topic ----------------------------------------------------------------------------- */

/* How many partitions the topic has. -ENOENT: there is no such topic; -EAGAIN: nobody to ask. */
static int count_partitions(KafkaConsumer *c, int32_t *ret) {
        const struct rd_kafka_metadata *metadata;
        int r = -ENOENT;

        if (rd_kafka_metadata(c->rk, 0, c->topic, &metadata, REQUEST_TIMEOUT_MS))
                return -EAGAIN;
        if (metadata->topic_cnt == 1 && metadata->topics[0].partition_cnt > 0) {
                *ret = metadata->topics[0].partition_cnt;
                r = 0;
        }
        rd_kafka_metadata_destroy(metadata);
        return r;
}

/* Where to begin to follow partition ID: near the end, but a partition that has been added since
 * from its beginning. */
static int follow_partition(KafkaConsumer *c, int32_t id, int timeout_ms) {
        int64_t low, high;

        if (rd_kafka_query_watermark_offsets(c->rk, rd_kafka_topic_name(c->topic), id, &low, &high,
                                             timeout_ms))
                return -EAGAIN;
        add_partition(c, id, id >= c->n_first ? low : MAX_OF(low, high - c->tail), high);
        return 0;
}

/* Follows the first N partitions, of which some may be followed already. One that does not answer,
 * because the broker that leads it is away, holds up no other; the next check asks for it again. */
static int follow_partitions(KafkaConsumer *c, int32_t n) {
        int64_t until_ms = clock_monotonic_ms() + REQUEST_TIMEOUT_MS;
        size_t before = c->n_partitions;

        if ((size_t) n <= c->n_partitions)
                return 0;
        if (reserve_partitions(c, (size_t) n) < 0)
                return -ENOMEM;
        if (!c->begun)
                c->n_first = n;
        for (int32_t id = 0; id < n; id++) {
                int64_t left_ms = MAX_OF(until_ms - clock_monotonic_ms(), INT64_C(1));
                if (!find_partition(c, id))
                        (void) follow_partition(c, id, (int) left_ms);
        }
        if (c->n_partitions == 0)
                return -EAGAIN;
        return c->n_partitions > before ? assign_partitions(c) : 0;
}

static int subscribe(KafkaConsumer *c) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);

        rd_kafka_topic_partition_list_add(list, rd_kafka_topic_name(c->topic),
                                          RD_KAFKA_PARTITION_UA);
        rd_kafka_resp_err_t err = rd_kafka_subscribe(c->rk, list);
        rd_kafka_topic_partition_list_destroy(list);
        return err ? -ESTALE : 0;
}

/* Asks the broker about the topic and begins to read when it is there. 0 or what went wrong. */
static int check_topic(KafkaConsumer *c) {
        int32_t n = 0;
        int r = count_partitions(c, &n);

        c->brokers_down = r == -EAGAIN;
        if (r != -EAGAIN)
                c->topic_missing = r == -ENOENT;
        if (r == 0)
                r = c->grouped ? (c->begun ? 0 : subscribe(c)) : follow_partitions(c, n);
        if (r == 0)
                c->begun = true;
        c->next_check_ms =
                        clock_monotonic_ms() + (r == 0 ? NEW_PARTITIONS_CHECK_MS : TOPIC_CHECK_MS);
        return r;
}

static bool is_check_due(const KafkaConsumer *c) {
        bool wanted = !c->begun || c->brokers_down || c->topic_missing || !c->grouped;
        return wanted && clock_monotonic_ms() >= c->next_check_ms;
}

/* ---- reading ------------------------------------------------------------------------------- */

static void on_error(rd_kafka_t *rk, int err, const char *reason, void *user) {
        KafkaConsumer *c = user;

        (void) rk;
        (void) reason;
        if (err == RD_KAFKA_RESP_ERR__FATAL)
                c->broken = true;
        if (err == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN) {
                c->brokers_down = true;
                c->next_check_ms = 0;
        }
}

/* What librdkafka says in place of a message. Whatever is not named here it deals with itself. */
static void handle_event(KafkaConsumer *c, const rd_kafka_message_t *m) {
        Partition *p;

        switch (m->err) {
        case RD_KAFKA_RESP_ERR__PARTITION_EOF:
                p = find_partition(c, m->partition);
                if (p)
                        p->end = POSITION_UNKNOWN;
                break;
        case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
        case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
                /* Deleted. Another one of the same name is a new one to followers. */
                c->topic_missing = true;
                c->next_check_ms = 0;
                if (!c->grouped) {
                        c->n_partitions = 0;
                        c->begun = false;
                        assign_nothing(c->rk);
                }
                break;
        case RD_KAFKA_RESP_ERR__FATAL:
                c->broken = true;
                break;
        default:
                break;
        }
}

static void hold_message(KafkaConsumer *c, rd_kafka_message_t *m) {
        Partition *p = find_partition(c, m->partition);

        if (p)
                p->next = m->offset + 1;
        c->topic_missing = c->brokers_down = false;
        c->messages[c->n_messages] = (KafkaMessage){
                .key = m->key,
                .key_length = m->key_len,
                .value = m->payload,
                .value_length = m->len,
                .partition = m->partition,
                .offset = m->offset,
        };
        c->held[c->n_messages++] = m;
}

/* The bytes of one more message, 0 if something else came, -1 if nothing did. */
static ssize_t read_one(KafkaConsumer *c, int timeout_ms) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(c->rk, timeout_ms);

        if (!m)
                return -1;
        if (m->err) {
                handle_event(c, m);
                rd_kafka_message_destroy(m);
                return 0;
        }
        size_t size = m->len + m->key_len + 1;
        hold_message(c, m);
        return (ssize_t) size;
}

static void read_batch(KafkaConsumer *c, int first_ms, int more_ms) {
        uint64_t generation = c->generation;
        ssize_t size = read_one(c, first_ms);
        int64_t until_ms = clock_monotonic_ms() + more_ms;
        size_t total = 0;

        while (size >= 0 && !c->broken) {
                total += (size_t) size;
                if (c->n_messages == KAFKA_BATCH_MAX || total >= BATCH_MAX_BYTES)
                        break;
                int64_t left_ms = more_ms == 0 ? 0 : until_ms - clock_monotonic_ms();
                size = read_one(c, (int) MAX_OF(left_ms, 0));
        }
        if (c->generation != generation)
                release_messages(c);
}

int kafka_consumer_read(KafkaConsumer *c, int first_ms, int more_ms, KafkaBatch *ret) {
        int r = 0;

        release_messages(c);
        if (is_check_due(c))
                r = check_topic(c);
        if (r == 0 || r == -EAGAIN || r == -ENOENT)
                read_batch(c, first_ms, more_ms);
        if (c->broken)
                r = -ESTALE;
        *ret = (KafkaBatch){ .messages = c->messages, .n = c->n_messages };
        return r == -EAGAIN || r == -ENOENT ? 0 : r;
}

/* ---- state --------------------------------------------------------------------------------- */

bool kafka_consumer_is_caught_up(const KafkaConsumer *c) {
        if (!c->begun || (c->grouped && c->generation == 0))
                return c->topic_missing;
        for (size_t i = 0; i < c->n_partitions; i++)
                if (c->partitions[i].next < c->partitions[i].end)
                        return false;
        return true;
}

const char *kafka_consumer_waits_for(const KafkaConsumer *c) {
        if (c->brokers_down)
                return "the Kafka broker";
        if (c->topic_missing)
                return "the Kafka topic";
        if (!c->begun)
                return "the Kafka broker";
        if (c->grouped && c->generation == 0)
                return "the Kafka consumer group";
        return NULL;
}

int64_t kafka_consumer_lag(const KafkaConsumer *c) {
        int64_t lag = 0;

        for (size_t i = 0; i < c->n_partitions; i++) {
                const Partition *p = &c->partitions[i];
                int64_t low, high;
                if (rd_kafka_get_watermark_offsets(c->rk, rd_kafka_topic_name(c->topic), p->id,
                                                   &low, &high) ||
                    high < 0)
                        continue;
                int64_t next = p->next == POSITION_UNKNOWN ? MAX_OF(low, 0) : p->next;
                lag += MAX_OF(high - next, 0);
        }
        return lag;
}

/* ---- making and unmaking ------------------------------------------------------------------- */

static const KafkaSetting common_settings[] = {
        { "enable.auto.commit", "false" },
        { "enable.auto.offset.store", "false" },
        { "enable.partition.eof", "true" },
        { "auto.offset.reset", "earliest" },
        /* A fetch answers as soon as there is a byte; this bounds the wait when there is none,
         * and with it the time until newly assigned partitions join the fetch. */
        { "fetch.wait.max.ms", "100" },
        { "fetch.error.backoff.ms", "100" },
        /* What librdkafka holds ready. When that is full, its older versions pause for up to a
         * second before they fetch again: it has to last that long. A larger message that the
         * topic may have comes all the same, alone. */
        { "queued.min.messages", "10000" },
        { "queued.max.messages.kbytes", "8192" },
        { "fetch.message.max.bytes", "524288" },
        { "topic.metadata.refresh.interval.ms", "10000" },
        { NULL, NULL },
};

static const KafkaSetting group_settings[] = {
        /* After a crash the partitions stand still for so long; brokers allow no less. */
        { "session.timeout.ms", "6000" },
        { "heartbeat.interval.ms", "2000" },
        { "max.poll.interval.ms", "300000" },
        { "partition.assignment.strategy", "range" },
        { NULL, NULL },
};

static int make_conf(rd_kafka_conf_t **ret, const KafkaConsumer *c, const char *group_id,
                     char *error, size_t error_size) {
        const KafkaSetting names[] = { { "group.id", group_id }, { NULL, NULL } };
        rd_kafka_conf_t *conf;

        int r = kafka_conf_new(&conf, &c->options, error, error_size);
        if (r < 0)
                return r;
        r = kafka_conf_set_all(conf, common_settings, error, error_size);
        if (r == 0)
                r = kafka_conf_set_all(conf, names, error, error_size);
        if (r == 0 && c->grouped)
                r = kafka_conf_set_all(conf, group_settings, error, error_size);
        if (r < 0) {
                rd_kafka_conf_destroy(conf);
                return r;
        }
        /* Newer librdkafka only; its default of a second is for the older one a constant. */
        (void) rd_kafka_conf_set(conf, "fetch.queue.backoff.ms", "20", NULL, 0);
        *ret = conf;
        return 0;
}

static int open_client(KafkaConsumer *c, rd_kafka_conf_t *conf, const char *topic, char *error,
                       size_t error_size) {
        rd_kafka_conf_set_error_cb(conf, on_error);
        if (c->grouped)
                rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
        c->rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, error_size);
        if (!c->rk) {
                rd_kafka_conf_destroy(conf);
                return -EINVAL;
        }
        rd_kafka_poll_set_consumer(c->rk);
        c->topic = rd_kafka_topic_new(c->rk, topic, NULL);
        return c->topic ? 0 : -ENOMEM;
}

static int consumer_new(KafkaConsumer **ret, const KafkaOptions *options, const char *topic,
                        const char *group_id, int64_t tail, char *error, size_t error_size) {
        _cleanup_(kafka_consumer_freep) KafkaConsumer *c = calloc(1, sizeof(*c));
        rd_kafka_conf_t *conf;

        snprintf(error, error_size, "out of memory");
        if (!c)
                return -ENOMEM;
        c->options = *options;
        c->grouped = tail < 0;
        c->tail = tail;
        int r = make_conf(&conf, c, group_id, error, error_size);
        if (r == 0)
                r = open_client(c, conf, topic, error, error_size);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

int kafka_consumer_join(KafkaConsumer **ret, const KafkaOptions *options, const char *topic,
                        const char *group_id, char *error, size_t error_size) {
        return consumer_new(ret, options, topic, group_id, -1, error, error_size);
}

int kafka_consumer_follow(KafkaConsumer **ret, const KafkaOptions *options, const char *topic,
                          const char *client_group, int64_t tail, char *error, size_t error_size) {
        return consumer_new(ret, options, topic, client_group, MAX_OF(tail, 0), error, error_size);
}

/* Leaves the group properly, but not at any price: a broker that is away, or that holds back its
 * answer until another member's session has ended, must not hold up the program's end. The
 * closing consumer wants its queue served, in which there may be messages. */
static bool leave_group(KafkaConsumer *c) {
        int64_t until_ms = clock_monotonic_ms() + CLOSE_TIMEOUT_MS;
        rd_kafka_queue_t *queue = rd_kafka_queue_new(c->rk);
        rd_kafka_error_t *error = rd_kafka_consumer_close_queue(c->rk, queue);

        while (!error && !rd_kafka_consumer_closed(c->rk) && clock_monotonic_ms() < until_ms) {
                ssize_t n = rd_kafka_consume_batch_queue(queue, 10, c->held, KAFKA_BATCH_MAX);
                c->n_messages = n > 0 ? (size_t) n : 0;
                release_messages(c);
        }
        bool left = !error && rd_kafka_consumer_closed(c->rk);
        rd_kafka_error_destroy(error);
        rd_kafka_queue_destroy(queue);
        return left;
}

static void *destroy(void *user) {
        KafkaConsumer *c = user;

        if (c->topic)
                rd_kafka_topic_destroy(c->topic);
        if (c->rk)
                rd_kafka_destroy_flags(c->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        free(c->partitions);
        free(c->partition_ids);
        free(c);
        return NULL;
}

/* rd_kafka_destroy() may wait for ever, in librdkafka 2.0 e.g. when the topic has been deleted. */
static void destroy_within(KafkaConsumer *c, int64_t max_ms) {
        struct timespec until;
        pthread_t thread;

        if (pthread_create(&thread, NULL, destroy, c) != 0)
                return;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += max_ms / 1000;
        if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) != 0)
                pthread_detach(thread);
}

void kafka_consumer_free(KafkaConsumer *c) {
        if (!c)
                return;
        release_messages(c);
        /* A client that does not end keeps what it uses, c included; the group finds out when the
         * session times out. */
        if (!c->rk)
                destroy(c);
        else if (leave_group(c))
                destroy_within(c, DESTROY_TIMEOUT_MS);
}
