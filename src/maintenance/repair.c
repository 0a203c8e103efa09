#include "maintenance/repair.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "config.h"
#include "core/backoff.h"
#include "core/clock.h"
#include "core/price_codec.h"
#include "core/source.h"
#include "core/timestamp.h"
#include "io/events.h"
#include "io/http_client.h"
#include "io/journal.h"
#include "io/kafka_producer.h"
#include "io/notify.h"
#include "maintenance/history.h"

#define MAX_BODY_BYTES (16u << 20)
/* How long a broker may take: to be there, and to take the prices of one coin. */
#define KAFKA_TIMEOUT_MS 20000
#define RANGES_TIMEOUT_MS 5000
/* How long the persister may take to write what is in the topic. */
#define PERSISTER_TIMEOUT_MS 20000
/* How long it takes to look again. */
#define TURN_MS 200
/* So many answers in a row that are of no use, and the source is left alone. */
#define FAILURES_MAX 3
#define BACKOFF_MIN_MS 10000
#define BACKOFF_MAX_MS 300000
/* CoinGecko has its 5-minute points for the last day only: no older than that when it is asked. */
#define RANGE_MARGIN_MS 60000

struct Repair {
        const Config *config;
        int signal_fd;
        PgConn *conn;
        Notify notify;
        char status[256];
        Source source;
        HttpClient *http;
        Budget *budget;
        KafkaOptions kafka_options;
        KafkaTopicOptions topic_options;
        KafkaProducer *producer;
        bool topic_exists;
        int fatal;          /* negative errno: Kafka can take nothing more */
        char trouble[256];  /* why the topic is not there yet */
        int64_t give_up_ms; /* monotonic, like the next */
        int64_t next_call_ms;
        Backoff backoff;   /* for 429 without Retry-After, and for failures */
        size_t n_failures; /* in a row */
        size_t n_calls, n_points, n_filled, n_done, n_unknown;
};

/* ---- Kafka ----------------------------------------------------------------------------------- */

static void on_topic(int error, const char *reason, void *user) {
        Repair *p = user;
        p->topic_exists = error == 0 || error == -EEXIST;
        snprintf(p->trouble, sizeof(p->trouble), "%s", reason ? reason : "");
}

static void on_broker(bool up, const char *reason, void *user) {
        Repair *p = user;
        if (!up)
                snprintf(p->trouble, sizeof(p->trouble), "%s", reason);
}

static void on_failure(int error, const char *reason, void *user) {
        Repair *p = user;
        snprintf(p->trouble, sizeof(p->trouble), "%s", reason);
        if (error != -ECONNRESET)
                p->fatal = error;
}

static int open_kafka(Repair *p) {
        const KafkaProducerEvents events = {
                .on_topic = on_topic, .on_broker = on_broker, .on_failure = on_failure, .user = p
        };
        const Config *c = p->config;

        p->kafka_options = (KafkaOptions){ .brokers = c->kafka_brokers,
                                           .client_id = "crypto-pulse-maintenance" };
        p->topic_options = (KafkaTopicOptions){ .topic = c->kafka_topic,
                                                .partitions = (int32_t) c->kafka_partitions,
                                                .replication = (int32_t) c->kafka_replication,
                                                .retention_ms = c->kafka_retention_ms };
        snprintf(p->trouble, sizeof(p->trouble), "no answer");
        return kafka_producer_new(&p->producer, &p->kafka_options, &p->topic_options,
                                  c->kafka_buffer_messages, &events, p->trouble,
                                  sizeof(p->trouble));
}

/* Waits for something to happen, or until UNTIL_MS. 0 or -ECANCELED. */
static int wait_for_events(Repair *p, int64_t until_ms) {
        struct pollfd fds[] = {
                { .fd = p->signal_fd, .events = POLLIN },
                { .fd = kafka_producer_fd(p->producer), .events = POLLIN },
        };
        int64_t left_ms = MAX_OF(until_ms - clock_monotonic_ms(), INT64_C(0));

        if (poll(fds, ELEMENTS(fds), (int) MIN_OF(left_ms, INT64_C(1000))) < 0)
                return errno == EINTR ? 0 : -errno;
        kafka_producer_dispatch(p->producer);
        notify_status(&p->notify, "%s", p->status);
        return fds[0].revents ? -ECANCELED : 0;
}

/* Also when no time is left a signal counts. */
static int wait_until(Repair *p, int64_t until_ms) {
        int r;
        do
                r = wait_for_events(p, until_ms);
        while (r == 0 && clock_monotonic_ms() < until_ms);
        return r;
}

static int tell_broker(const Repair *p, int r) {
        journal_log(LOG_ERR,
                    LOG_FIELDS(LOG_EVENT(BROKER_UNREACHABLE),
                               LOG_TEXT("KAFKA_TOPIC", p->config->kafka_topic)),
                    "Kafka at %s cannot be used (%s); the gaps are left to the next run.",
                    p->config->kafka_brokers, p->trouble);
        return r;
}

static bool topic_is_there(const Repair *p) {
        return p->topic_exists;
}

static bool all_is_delivered(const Repair *p) {
        return kafka_producer_pending(p->producer) == 0;
}

/* 0, -ECANCELED, or a negative errno that was logged. */
static int wait_for_kafka(Repair *p, bool (*condition)(const Repair *p)) {
        int64_t until_ms = clock_monotonic_ms() + KAFKA_TIMEOUT_MS;
        int r = 0;

        kafka_producer_dispatch(p->producer);
        while (!condition(p) && p->fatal == 0 && clock_monotonic_ms() < until_ms) {
                r = wait_for_events(p, until_ms);
                if (r < 0)
                        return r;
        }
        if (condition(p) && p->fatal == 0)
                return 0;
        return tell_broker(p, p->fatal < 0 ? p->fatal : -ETIMEDOUT);
}

/* ---- PostgreSQL ------------------------------------------------------------------------------ */

static int tell_database(const Repair *p, int r, const char *error) {
        if (r != -ECANCELED)
                journal_log(LOG_ERR, LOG_FIELDS(LOG_EVENT(DATABASE_UNREACHABLE)),
                            "PostgreSQL at %s port %" PRId64
                            " can no longer be used (%s); the gaps are left to the next run.",
                            p->config->postgres_host, p->config->postgres_port, error);
        return r;
}

/* What the topic holds; a topic that was just created has no leader for a moment. */
static int read_ranges(Repair *p, KafkaRange **ret, size_t *ret_n) {
        int64_t until_ms = clock_monotonic_ms() + KAFKA_TIMEOUT_MS;

        for (;;) {
                int r = kafka_producer_ranges(p->producer, RANGES_TIMEOUT_MS, ret, ret_n);
                if (r == 0)
                        return 0;
                if (clock_monotonic_ms() >= until_ms) {
                        snprintf(p->trouble, sizeof(p->trouble), "%s", strerror(-r));
                        return tell_broker(p, r);
                }
                r = wait_until(p, clock_monotonic_ms() + TURN_MS);
                if (r < 0)
                        return r;
        }
}

int repair_await_persister(Repair *p) {
        int64_t now_ms, until_ms = clock_monotonic_ms() + PERSISTER_TIMEOUT_MS, lag = 0;
        _cleanup_free_ KafkaRange *ranges = NULL;
        char error[512];
        size_t n;

        int r = read_ranges(p, &ranges, &n);
        if (r < 0)
                return r;
        for (;;) {
                r = history_lag(p->conn, p->config, ranges, n, &lag, error, sizeof(error));
                if (r < 0)
                        return tell_database(p, r, error);
                now_ms = clock_monotonic_ms();
                if (lag == 0)
                        return 0;
                if (now_ms >= until_ms)
                        break;
                r = wait_until(p, now_ms + TURN_MS);
                if (r < 0)
                        return r;
        }
        log_warning("%" PRId64 " prices wait in Kafka for crypto-pulse-websocket to write them; "
                    "what looks like a gap may be filled by them and is left to the next run.",
                    lag);
        return -EBUSY;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static void on_http_wait(void *user) {
        Repair *p = user;
        kafka_producer_dispatch(p->producer);
}

static int open_http(Repair *p) {
        const HttpClientOptions options = {
                .timeout_ms = p->config->coingecko_timeout_ms,
                .max_body = MAX_BODY_BYTES,
                .user_agent = "crypto-pulse/" PACKAGE_VERSION,
                .on_wait = on_http_wait,
                .user = p,
        };
        return http_client_new(&p->http, &options);
}

/* The last tenth of the month's calls is the fetcher's. */
static bool budget_allows(const Repair *p) {
        int64_t calls = p->budget->monthly_calls;
        return calls == 0 || p->budget->used < calls - calls / 10;
}

/* Up to now, because the points of the last day are as dense as it gets only "from current time"
 * (https://docs.coingecko.com/reference/coins-id-market-chart-range). */
static int make_url(const Repair *p, const GapSet *set, Buffer *ret) {
        int64_t now_ms = clock_realtime_ms();
        int64_t oldest_ms = now_ms - p->config->repair_window_ms + RANGE_MARGIN_MS;
        int64_t from_ms = MAX_OF(set->gaps[0].from_ms, oldest_ms);

        int r = buffer_append_format(ret, "%s/coins/", p->source.base_url);
        if (r == 0)
                r = buffer_append_encoded(ret, set->coin_id);
        if (r == 0)
                r = buffer_append_format(ret,
                                         "/market_chart/range?vs_currency=%s&from=%" PRId64
                                         "&to=%" PRId64,
                                         set->currency, from_ms / 1000, now_ms / 1000);
        return r;
}

/* 0 with an HTTP answer of any kind; else with one line in ERROR. */
static int ask(Repair *p, const GapSet *set, HttpAnswer *ret, char *error, size_t error_size) {
        const char *headers[] = { "Accept: application/json", NULL, NULL };
        _cleanup_buffer_ Buffer url = { .max = 0 };

        if (*p->source.key_header)
                headers[1] = p->source.key_header;
        int r = make_url(p, set, &url);
        if (r < 0) {
                snprintf(error, error_size, "%s", strerror(-r));
                return r;
        }
        r = budget_spend(p->budget, clock_realtime_ms());
        if (r < 0)
                log_debug("The count of this month's calls cannot be saved: %s", strerror(-r));
        p->n_calls++;
        p->next_call_ms = clock_monotonic_ms() + p->config->repair_call_interval_ms;
        return http_client_get(p->http, url.data, headers, p->signal_fd, ret, error, error_size);
}

/* ---- answers --------------------------------------------------------------------------------- */

static int64_t back_off(Repair *p) {
        uint32_t bits = 0;
        (void) !getrandom(&bits, sizeof(bits), GRND_NONBLOCK); /* jitter may be none */
        return backoff_next_ms(&p->backoff, bits);
}

/* One answer that is of no use costs its coin this run; several in a row end it. */
static int note_failure(Repair *p, const GapSet *set, int status, const char *reason) {
        p->n_failures++;
        p->next_call_ms = clock_monotonic_ms() + back_off(p);
        journal_log(p->n_failures == 1 ? LOG_WARNING : LOG_DEBUG,
                    LOG_FIELDS(LOG_TEXT("COIN_ID", set->coin_id),
                               LOG_NUMBER("HTTP_STATUS", status)),
                    "No prices for the gaps of %s in %s (%s); the next run tries again.",
                    set->coin_id, set->currency, reason);
        if (p->n_failures < FAILURES_MAX)
                return 0;
        journal_log(LOG_ERR,
                    LOG_FIELDS(LOG_EVENT(SOURCE_UNREACHABLE), LOG_NUMBER("HTTP_STATUS", status)),
                    "CoinGecko gives no usable answer (%s); the gaps are left to the next run.",
                    reason);
        return -EIO;
}

/* -EAGAIN: the same call again, at next_call_ms. */
static int note_limit(Repair *p, const HttpAnswer *answer, const char *reason) {
        int64_t delay_ms = answer->retry_after_ms > 0 ? answer->retry_after_ms : back_off(p);

        /* One more, because the clock cuts off what is less. */
        p->next_call_ms = MAX_OF(p->next_call_ms, clock_monotonic_ms() + delay_ms + 1);
        journal_log(LOG_INFO,
                    LOG_FIELDS(LOG_EVENT(RATE_LIMITED), LOG_NUMBER("HTTP_STATUS", answer->status),
                               LOG_NUMBER("DELAY_MS", delay_ms)),
                    "CoinGecko limits the rate of calls (%s), waiting %" PRId64 " ms.", reason,
                    delay_ms);
        return -EAGAIN;
}

static int note_key(const HttpAnswer *answer, const char *reason) {
        journal_log(LOG_ERR,
                    LOG_FIELDS(LOG_EVENT(KEY_REFUSED), LOG_NUMBER("HTTP_STATUS", answer->status)),
                    "CoinGecko refuses us (%s); check coingecko.api_key and coingecko.plan. The "
                    "gaps are left to the next run.",
                    reason);
        return -EACCES;
}

/* It does not know the coin or the currency (any more): an answer, too, and told once. */
static void note_unknown(Repair *p, const GapSet *set, int status, const char *reason) {
        journal_log(p->n_unknown++ == 0 ? LOG_INFO : LOG_DEBUG,
                    LOG_FIELDS(LOG_TEXT("COIN_ID", set->coin_id),
                               LOG_TEXT("CURRENCY", set->currency),
                               LOG_NUMBER("HTTP_STATUS", status)),
                    "CoinGecko gives no prices of %s in %s (%s).", set->coin_id, set->currency,
                    reason);
}

static int publish_update(Repair *p, const PriceUpdate *update) {
        _cleanup_buffer_ Buffer message = { .max = PRICE_MESSAGE_MAX };

        int r = price_encode_message(&message, update);
        return r < 0 ? r
                     : kafka_producer_send(p->producer, update->coin_id, strlen(update->coin_id),
                                           message.data, message.length);
}

static int publish_chart(Repair *p, const GapSet *set, const MarketChart *chart, int64_t now_ms) {
        PriceUpdate update;

        for (size_t i = 0; i < chart->n_points; i++) {
                Gap *gap = gap_set_take(set, &chart->points[i], &update);
                if (!gap || price_update_check(&update, now_ms + TIMESTAMP_AHEAD_MAX_MS))
                        continue;
                int r = publish_update(p, &update);
                if (r < 0) {
                        log_error("Cannot publish: %s", strerror(-r));
                        return r;
                }
                p->n_filled += gap->n_points++ == 0;
                p->n_points++;
        }
        return 0;
}

static int handle_answer(Repair *p, const GapSet *set, const HttpAnswer *answer) {
        const char *body = answer->body.data ? answer->body.data : "";
        MarketChart chart = { .n_points = 0 };
        char text[200], reason[256];

        coingecko_error_text(body, answer->body.length, text, sizeof(text));
        snprintf(reason, sizeof(reason), "HTTP %d: %s", answer->status, text);
        if (answer->status == 429)
                return note_limit(p, answer, reason);
        Refusal refusal = coingecko_refusal(answer->status, body, answer->body.length);
        if (refusal == REFUSAL_KEY)
                return note_key(answer, reason);
        if (refusal == REFUSAL_CALL)
                note_unknown(p, set, answer->status, reason);
        else if (answer->status != 200 ||
                 coingecko_parse_market_chart(body, answer->body.length, &chart) < 0)
                return note_failure(p, set, answer->status, reason);
        p->n_failures = 0;
        backoff_reset(&p->backoff);
        int r = publish_chart(p, set, &chart, MAX_OF(clock_realtime_ms(), answer->date_ms));
        log_debug("%s in %s: %zu prices since the first gap began.", set->coin_id, set->currency,
                  chart.n_points);
        market_chart_done(&chart);
        if (r == 0)
                r = wait_for_kafka(p, all_is_delivered);
        if (r < 0)
                return r;
        p->n_done++;
        r = history_note_tries(p->conn, set, text, sizeof(text));
        return r < 0 ? tell_database(p, r, text) : 0;
}

/* ---- the run --------------------------------------------------------------------------------- */

/* Until the next call may be made. -ETIME: that is not in this run. */
static int wait_for_turn(Repair *p) {
        if (!budget_allows(p)) {
                log_info("The rest of this month's calls is left to the fetcher.");
                return -ETIME;
        }
        if (MAX_OF(p->next_call_ms, clock_monotonic_ms()) > p->give_up_ms)
                return -ETIME;
        return wait_until(p, p->next_call_ms);
}

static int fill_set(Repair *p, const GapSet *set) {
        HttpAnswer answer;
        char error[512];
        int r;

        do {
                r = wait_for_turn(p);
                if (r < 0)
                        return r;
                r = ask(p, set, &answer, error, sizeof(error));
                if (r < 0)
                        return r == -ECANCELED ? r : note_failure(p, set, 0, error);
                r = handle_answer(p, set, &answer);
                http_answer_done(&answer);
        } while (r == -EAGAIN);
        return r;
}

static void tell_result(const Repair *p, const GapList *gaps) {
        const GapSet *first = &gaps->sets[0];

        if (p->n_points > 0)
                journal_log(LOG_NOTICE,
                            LOG_FIELDS(LOG_EVENT(GAP_REPAIRED), LOG_TEXT("COIN_ID", first->coin_id),
                                       LOG_TEXT("CURRENCY", first->currency),
                                       LOG_NUMBER("POINTS", p->n_points),
                                       LOG_NUMBER("GAPS", p->n_filled),
                                       LOG_NUMBER("CALLS", p->n_calls)),
                            "%zu prices fill %zu of %zu gaps; %zu calls were made.", p->n_points,
                            p->n_filled, gaps->n_gaps, p->n_calls);
        else if (p->n_done > 0)
                log_info("CoinGecko has no prices for the gaps that it was asked for; %zu calls "
                         "were made.",
                         p->n_calls);
        if (p->n_done < gaps->n_sets)
                log_info("The gaps of %zu of %zu pairs of coin and currency are left to the next "
                         "run.",
                         gaps->n_sets - p->n_done, gaps->n_sets);
}

int repair_fill(Repair *p, const GapList *gaps) {
        int r = 0;

        for (size_t i = 0; i < gaps->n_sets && r == 0; i++) {
                snprintf(p->status, sizeof(p->status), "Filling the gaps of %s in %s, %zu of %zu.",
                         gaps->sets[i].coin_id, gaps->sets[i].currency, i + 1, gaps->n_sets);
                r = fill_set(p, &gaps->sets[i]);
        }
        tell_result(p, gaps);
        return r == -ETIME ? 0 : r;
}

int repair_new(Repair **ret, const Config *config, int signal_fd, PgConn *conn, Budget *budget) {
        _cleanup_(repair_freep) Repair *p = calloc(1, sizeof(*p));
        if (!p) {
                log_error("Cannot fill gaps: %s", strerror(ENOMEM));
                return -ENOMEM;
        }
        p->config = config;
        p->signal_fd = signal_fd;
        p->conn = conn;
        p->budget = budget;
        p->give_up_ms = clock_monotonic_ms() + config->repair_max_run_ms;
        p->backoff = (Backoff){ .min_ms = BACKOFF_MIN_MS, .max_ms = BACKOFF_MAX_MS };
        notify_init(&p->notify);
        (void) source_init(&p->source, config); /* checked before */
        int r = open_http(p);
        if (r == 0)
                r = open_kafka(p);
        if (r < 0) {
                log_error("Cannot fill gaps: %s", *p->trouble ? p->trouble : strerror(-r));
                return r;
        }
        snprintf(p->status, sizeof(p->status), "Waiting for Kafka at %s.", config->kafka_brokers);
        r = wait_for_kafka(p, topic_is_there);
        if (r == 0)
                *ret = TAKE_PTR(p);
        return r;
}

void repair_free(Repair *repair) {
        if (!repair)
                return;
        kafka_producer_free(repair->producer);
        http_client_free(repair->http);
        explicit_bzero(&repair->source, sizeof(repair->source));
        free(repair);
}
