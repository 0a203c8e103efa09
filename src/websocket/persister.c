#include "websocket/persister.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include "core/backoff.h"
#include "core/clock.h"
#include "core/episode.h"
#include "core/price_codec.h"
#include "io/events.h"
#include "io/journal.h"
#include "io/kafka_consumer.h"
#include "websocket/rejects.h"
#include "websocket/store.h"

/* The first bounds the time until a stop is noticed, the second how long the first message of a
 * batch waits for company. */
#define READ_MS 100
#define BATCH_MS 50
#define RETRY_MIN_MS 250
#define RETRY_MAX_MS 5000

struct Persister {
        const Config *config;
        Handover *handover;
        KafkaOptions kafka_options;
        KafkaConsumer *consumer; /* NULL: to be made */
        Store *store;            /* NULL: not connected */
        Worker worker;
        int cancel_fd;

        Backoff backoff;
        Episode away; /* the database or, rarely, the consumer */
        int64_t retry_ms;
        bool seeded;
        KafkaPast told; /* since a batch was written: a try that is repeated finds the same */

        /* The batch: updates[i] came from origins[i]; next[] is where to go on after it. */
        size_t n_updates, n_next;
        PriceUpdate *updates;
        KafkaPosition origins[KAFKA_BATCH_MAX];
        KafkaPosition next[KAFKA_BATCH_MAX];

        Rejects rejects;
        pthread_mutex_t trouble_lock;
        char trouble[PERSISTER_TROUBLE_SIZE];
        _Atomic int64_t lag;
        _Atomic uint64_t written;
};

/* ---- the newest prices, once ----------------------------------------------------------------- */

typedef struct Seeding {
        Persister *persister;
        UpdateBatch *batch;
} Seeding;

static void give_seeds(Seeding *s) {
        if (s->batch)
                (void) handover_give(s->persister->handover, TAKE_PTR(s->batch));
}

static void take_seed(const PriceUpdate *update, void *user) {
        Seeding *s = user;

        if (!s->batch)
                s->batch = update_batch_new(UPDATE_BATCH_MAX);
        if (!s->batch)
                return; /* the stream will bring it */
        s->batch->updates[s->batch->n++] = *update;
        if (s->batch->n == UPDATE_BATCH_MAX)
                give_seeds(s);
}

static int seed_broadcast(Persister *p) {
        Seeding seeding = { .persister = p };

        if (p->seeded)
                return 0;
        int r = store_load_latest(p->store, take_seed, &seeding);
        give_seeds(&seeding);
        p->seeded = r == 0;
        return r;
}

/* ---- one batch ------------------------------------------------------------------------------- */

static void note_position(Persister *p, const KafkaMessage *m) {
        for (size_t i = 0; i < p->n_next; i++)
                if (p->next[i].partition == m->partition) {
                        p->next[i].offset = m->offset + 1;
                        return;
                }
        p->next[p->n_next++] =
                        (KafkaPosition){ .partition = m->partition, .offset = m->offset + 1 };
}

static void reject(Persister *p, KafkaPosition where, const char *reason) {
        rejects_note(&p->rejects, p->config->kafka_topic, where.partition, where.offset, reason,
                     clock_monotonic_ms());
}

static int decode_batch(Persister *p, const KafkaBatch *batch) {
        int64_t now_ms = clock_realtime_ms();
        const char *reason;

        p->n_updates = p->n_next = 0;
        for (size_t i = 0; i < batch->n; i++) {
                const KafkaMessage *m = &batch->messages[i];
                KafkaPosition where = { .partition = m->partition, .offset = m->offset };
                int r = price_decode_message(m->key, m->key_length, m->value, m->value_length,
                                             now_ms, &p->updates[p->n_updates], &reason);
                if (r == -EBADMSG)
                        reject(p, where, reason);
                else if (r < 0)
                        return r;
                else
                        p->origins[p->n_updates++] = where;
                note_position(p, m);
        }
        return 0;
}

/* The server refuses something in updates[FIRST..FIRST+N): halves it until what it refuses is
 * alone, and passes over that. The positions come last, so a crash on the way loses nothing. */
static int write_divided(Persister *p, size_t first, size_t n) {
        int r = store_write(p->store, p->updates + first, n, NULL, 0);
        if (r != -EINVAL)
                return r;
        if (n == 1) {
                reject(p, p->origins[first], store_error(p->store));
                return 0;
        }
        r = write_divided(p, first, n / 2);
        return r < 0 ? r : write_divided(p, first + n / 2, n - n / 2);
}

static int write_batch(Persister *p) {
        int r = store_write(p->store, p->updates, p->n_updates, p->next, p->n_next);

        if (r == -EINVAL && p->n_updates > 0) {
                r = write_divided(p, 0, p->n_updates);
                if (r == 0)
                        r = store_write(p->store, NULL, 0, p->next, p->n_next);
        }
        return r;
}

static void tell_past(Persister *p, const KafkaPast *past) {
        const char *topic = p->config->kafka_topic;

        if (past->renewed > 0)
                journal_log(LOG_NOTICE,
                            LOG_FIELDS(LOG_TEXT("KAFKA_TOPIC", topic),
                                       LOG_NUMBER("PARTITIONS", past->renewed)),
                            "Kafka knows of nothing that was read from %" PRId64
                            " partitions of topic %s, as when it was made anew; reading them from "
                            "their beginning, nothing is doubled.",
                            past->renewed, topic);
        if (past->reread > 0)
                journal_log(LOG_WARNING,
                            LOG_FIELDS(LOG_EVENT(DATABASE_WENT_BACK),
                                       LOG_TEXT("KAFKA_TOPIC", topic),
                                       LOG_NUMBER("MESSAGES", past->reread)),
                            "PostgreSQL stands %" PRId64
                            " messages before what it had been told already, as after the restore "
                            "of a backup; reading them again, nothing is doubled.",
                            past->reread);
        if (past->expired > 0)
                journal_log(LOG_ERR,
                            LOG_FIELDS(LOG_EVENT(MESSAGES_EXPIRED), LOG_TEXT("KAFKA_TOPIC", topic),
                                       LOG_NUMBER("MESSAGES", past->expired)),
                            "%" PRId64 " messages had left topic %s before they were written (see "
                            "kafka.retention_ms), going on with what is there.",
                            past->expired, topic);
}

static int start_reading(Persister *p) {
        const int32_t *partitions;
        size_t n = kafka_consumer_pending(p->consumer, &partitions);

        if (n == 0)
                return 0;
        _cleanup_free_ KafkaPosition *starts = calloc(n, sizeof(*starts));
        if (!starts)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                starts[i].partition = partitions[i];
        int r = store_load_positions(p->store, starts, n);
        if (r < 0)
                return r;
        KafkaPast past;
        /* A broker that is slow or away: nothing is started, the next turn asks again. */
        if (kafka_consumer_past(p->consumer, starts, n, &past) < 0)
                return 0;
        if (memcmp(&past, &p->told, sizeof(past)) != 0)
                tell_past(p, &past);
        p->told = past;
        r = kafka_consumer_start(p->consumer, starts, n);
        /* While it is in trouble this is one more try. */
        if (r == 0)
                journal_log(p->away.failures > 0 ? LOG_DEBUG : LOG_INFO,
                            LOG_FIELDS(LOG_TEXT("KAFKA_TOPIC", p->config->kafka_topic)),
                            "Persisting %zu partitions of topic %s.", n, p->config->kafka_topic);
        return r;
}

/* What Kafka has and what is in hand. */
static void note_lag(Persister *p, size_t in_hand) {
        if (p->consumer)
                atomic_store(&p->lag, kafka_consumer_lag(p->consumer) + (int64_t) in_hand);
}

/* 1: it works, because a batch was written or there is none to write; 0: that is not known yet. */
static int persist_next(Persister *p) {
        KafkaBatch batch;

        int r = start_reading(p);
        if (r == 0)
                r = kafka_consumer_read(p->consumer, READ_MS, BATCH_MS, &batch);
        if (r < 0)
                return r;
        if (batch.n == 0 && store_is_lost(p->store))
                return -ENOTCONN;
        if (batch.n == 0)
                return kafka_consumer_is_caught_up(p->consumer);
        note_lag(p, batch.n);
        worker_turn(&p->worker, NULL);
        r = decode_batch(p, &batch);
        if (r == 0)
                r = write_batch(p);
        if (r < 0)
                return r;
        kafka_consumer_report(p->consumer, p->next, p->n_next);
        atomic_fetch_add(&p->written, p->n_updates);
        p->told = (KafkaPast){ .reread = 0 };
        return 1;
}

/* ---- connecting and going on anyway ---------------------------------------------------------- */

static void set_trouble(Persister *p, const char *text) {
        pthread_mutex_lock(&p->trouble_lock);
        snprintf(p->trouble, sizeof(p->trouble), "%s", text);
        pthread_mutex_unlock(&p->trouble_lock);
}

/* EVENT: which of the two is in trouble. */
static void retry_later(Persister *p, const char *event, const char *reason) {
        uint32_t random;

        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
                random = (uint32_t) clock_monotonic_ms();
        p->retry_ms = clock_monotonic_ms() + backoff_next_ms(&p->backoff, random);
        set_trouble(p, reason);
        if (episode_fail(&p->away, clock_monotonic_ms()))
                journal_log(LOG_WARNING,
                            LOG_FIELDS(LOG_TEXT("MESSAGE_ID", event),
                                       LOG_TEXT("KAFKA_TOPIC", p->config->kafka_topic)),
                            "Prices cannot be persisted now (%s), trying again every few seconds; "
                            "the broadcast goes on, and what is not yet written waits in Kafka.",
                            reason);
}

static void tell_back(Persister *p) {
        int64_t duration_ms;

        backoff_reset(&p->backoff);
        if (!episode_end(&p->away, clock_monotonic_ms(), &duration_ms))
                return;
        set_trouble(p, "");
        journal_log(LOG_NOTICE, LOG_FIELDS(LOG_NUMBER("DURATION_MS", duration_ms)),
                    "Prices are persisted again, after %" PRId64 " s.", duration_ms / 1000);
}

/* Back to the state where only PostgreSQL knows how far we are. */
static void give_up_batch(Persister *p, int code) {
        const char *reason = strerror(-code);

        if (code != -ESTALE && *store_error(p->store))
                reason = store_error(p->store);
        retry_later(p, code == -ESTALE ? EVENT_BROKER_UNREACHABLE : EVENT_DATABASE_UNREACHABLE,
                    reason);
        store_close(TAKE_PTR(p->store));
        if (code == -ESTALE || kafka_consumer_rewind(p->consumer) < 0)
                kafka_consumer_free(TAKE_PTR(p->consumer));
}

static int open_consumer(Persister *p) {
        char error[256];

        if (p->consumer)
                return 0;
        int r = kafka_consumer_join(&p->consumer, &p->kafka_options, p->config->kafka_topic,
                                    p->config->kafka_group_id, error, sizeof(error));
        if (r < 0)
                retry_later(p, EVENT_BROKER_UNREACHABLE, error);
        return r;
}

/* Several slow ones in a row are not a thread that hangs. */
static void note_statement(void *user) {
        Persister *p = user;

        worker_turn(&p->worker, worker_waits_for(&p->worker));
}

static int open_store(Persister *p) {
        char error[STORE_ERROR_SIZE];

        if (p->store)
                return 0;
        int r = store_open(&p->store, p->config, p->cancel_fd, note_statement, p, error);
        if (r < 0)
                retry_later(p, EVENT_DATABASE_UNREACHABLE, error);
        return r;
}

/* Waits a little, and stays a member of the group meanwhile. */
static void idle(Persister *p) {
        KafkaBatch nothing;

        if (!p->consumer)
                nanosleep(&(struct timespec){ .tv_nsec = READ_MS * 1000000 }, NULL);
        else if (kafka_consumer_read(p->consumer, READ_MS, 0, &nothing) == -ESTALE)
                kafka_consumer_free(TAKE_PTR(p->consumer));
}

static void turn(Persister *p) {
        if (clock_monotonic_ms() < p->retry_ms) {
                idle(p);
                return;
        }
        if (open_consumer(p) < 0 || open_store(p) < 0)
                return;
        int r = seed_broadcast(p);
        if (r == 0)
                r = persist_next(p);
        if (r > 0)
                tell_back(p);
        else if (r < 0 && !worker_is_stopping(&p->worker))
                give_up_batch(p, r);
}

static const char *waits_for(const Persister *p) {
        const int32_t *pending;

        if (!p->store)
                return "PostgreSQL";
        if (!p->consumer)
                return "the Kafka client";
        const char *text = kafka_consumer_waits_for(p->consumer);
        if (!text && kafka_consumer_pending(p->consumer, &pending) > 0)
                text = "the Kafka consumer group";
        return text;
}

static void run(void *user) {
        Persister *p = user;

        while (!worker_is_stopping(&p->worker)) {
                turn(p);
                rejects_turn(&p->rejects, clock_monotonic_ms());
                note_lag(p, 0);
                worker_turn(&p->worker, waits_for(p));
        }
        store_close(TAKE_PTR(p->store));
        kafka_consumer_free(TAKE_PTR(p->consumer));
}

/* ---- making and unmaking --------------------------------------------------------------------- */

static void on_kafka_log(int priority, const char *text, void *user) {
        (void) user;
        /* The feed tells what matters of Kafka's state. */
        journal_log(priority < LOG_ERR ? LOG_WARNING : LOG_DEBUG, NULL, "librdkafka: %s", text);
}

int persister_new(Persister **ret, const Config *config, Handover *handover) {
        _cleanup_(persister_freep) Persister *p = calloc(1, sizeof(*p));

        if (!p)
                return -ENOMEM;
        p->config = config;
        p->handover = handover;
        p->kafka_options = (KafkaOptions){ .brokers = config->kafka_brokers,
                                           .client_id = "crypto-pulse-persister",
                                           .log = on_kafka_log };
        p->backoff = (Backoff){ .min_ms = RETRY_MIN_MS, .max_ms = RETRY_MAX_MS };
        pthread_mutex_init(&p->trouble_lock, NULL);
        p->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        p->updates = calloc(KAFKA_BATCH_MAX, sizeof(p->updates[0]));
        if (p->cancel_fd < 0 || !p->updates)
                return -ENOMEM;
        int r = worker_start(&p->worker, "persister", run, p);
        if (r < 0) {
                log_error("The persister's thread cannot be started: %s", strerror(-r));
                return r;
        }
        *ret = TAKE_PTR(p);
        return 0;
}

void persister_free(Persister *p) {
        if (!p)
                return;
        worker_stop(&p->worker);
        worker_join(&p->worker);
        if (p->cancel_fd >= 0)
                close(p->cancel_fd);
        pthread_mutex_destroy(&p->trouble_lock);
        free(p->updates);
        free(p);
}

Worker *persister_worker(Persister *p) {
        return &p->worker;
}

void persister_cancel(Persister *p) {
        (void) eventfd_write(p->cancel_fd, 1);
}

void persister_trouble(Persister *p, char ret[PERSISTER_TROUBLE_SIZE]) {
        pthread_mutex_lock(&p->trouble_lock);
        memcpy(ret, p->trouble, PERSISTER_TROUBLE_SIZE);
        pthread_mutex_unlock(&p->trouble_lock);
}

int64_t persister_lag(const Persister *p) {
        return atomic_load(&p->lag);
}

uint64_t persister_written(const Persister *p) {
        return atomic_load(&p->written);
}
