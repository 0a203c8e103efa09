/* What Kafka knows about where a group's reading begins: see kafka_consumer_past(). */
#include <errno.h>
#include <librdkafka/rdkafka.h>

#include "core/clock.h"
#include "io/kafka_internal.h"

#define REQUEST_TIMEOUT_MS 500

/* The offsets that kafka_consumer_report() has left, of N partitions; an error with those of which
 * it is not known. */
static rd_kafka_topic_partition_list_t *reported_positions(rd_kafka_t *rk, const char *topic,
                                                           const KafkaPosition *starts, size_t n) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int) n);

        for (size_t i = 0; i < n; i++)
                rd_kafka_topic_partition_list_add(list, topic, starts[i].partition);
        rd_kafka_resp_err_t err = rd_kafka_committed(rk, list, REQUEST_TIMEOUT_MS);
        for (int i = 0; err && i < list->cnt; i++)
                list->elems[i].err = err;
        return list;
}

static void note_past(rd_kafka_t *rk, const char *topic, KafkaPosition *start,
                      const rd_kafka_topic_partition_t *reported, int timeout_ms, KafkaPast *past) {
        int64_t low = 0, high;

        (void) rd_kafka_query_watermark_offsets(rk, topic, start->partition, &low, &high,
                                                timeout_ms);
        if (start->offset > 0 && !reported->err && reported->offset == RD_KAFKA_OFFSET_INVALID) {
                start->offset = KAFKA_OFFSET_EARLIEST;
                past->renewed++;
                return;
        }
        /* Without a position everything is read that is there. */
        int64_t begin = start->offset < 0 ? low : start->offset;
        past->reread += MAX_OF(reported->offset - begin, INT64_C(0));
        past->expired += MAX_OF(low - begin, INT64_C(0));
}

/* Without an answer nobody can say whether an offset is one of this topic. */
static bool is_answered(const KafkaPosition *starts, size_t n,
                        const rd_kafka_topic_partition_list_t *reported) {
        for (size_t i = 0; i < n; i++)
                if (starts[i].offset > 0 && reported->elems[i].err)
                        return false;
        return true;
}

int kafka_past_find(rd_kafka_t *rk, const char *topic, KafkaPosition *starts, size_t n,
                    KafkaPast *ret) {
        rd_kafka_topic_partition_list_t *reported = reported_positions(rk, topic, starts, n);
        bool answered = is_answered(starts, n, reported);
        int64_t until_ms = clock_monotonic_ms() + REQUEST_TIMEOUT_MS;
        KafkaPast past = { .reread = 0 };

        for (size_t i = 0; i < n && answered; i++) {
                int64_t left_ms = MAX_OF(until_ms - clock_monotonic_ms(), INT64_C(1));
                note_past(rk, topic, &starts[i], &reported->elems[i], (int) left_ms, &past);
        }
        rd_kafka_topic_partition_list_destroy(reported);
        if (!answered)
                return -EAGAIN;
        *ret = past;
        return 0;
}
