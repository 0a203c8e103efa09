#include "fetcher/fetcher_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>

#include "config.h"
#include "core/clock.h"
#include "io/daemon.h"
#include "io/events.h"
#include "io/journal.h"

#define FLUSH_TIMEOUT_MS 4000
#define MAX_BODY_BYTES (16u << 20)
/* The longest sleep: STATUS= stays fresh and the watchdog fed. */
#define TURN_MS 1000

/* ---- Kafka ----------------------------------------------------------------------------------- */

static void on_kafka_log(int priority, const char *text, void *user) {
        (void) user;
        (void) priority;
        /* librdkafka repeats itself; what matters is told by the three below. */
        log_debug("librdkafka: %s", text);
}

static void on_failure(int error, const char *reason, void *user) {
        Fetcher *f = user;
        const char *consequence = "an update is lost";

        if (error == -ECONNRESET)
                consequence = "starting the producer anew and sending again what waits";
        if (error == -ECONNABORTED) {
                consequence = "the producer can do nothing more";
                f->fatal = error;
        }
        journal_log(error == -ECONNRESET ? LOG_WARNING : LOG_ERR,
                    LOG_FIELDS(LOG_TEXT("KAFKA_TOPIC", f->config->kafka_topic)),
                    "Kafka refused an update for good (%s), %s.", reason, consequence);
}

static void tell_broker(Fetcher *f, bool up, const char *reason) {
        int64_t duration_ms, now = clock_monotonic_ms();

        if (!up && episode_fail(&f->broker_down, now))
                journal_log(LOG_WARNING,
                            LOG_FIELDS(LOG_EVENT(BROKER_UNREACHABLE),
                                       LOG_TEXT("KAFKA_TOPIC", f->config->kafka_topic)),
                            "Kafka at %s cannot be used (%s), trying on; %zu updates wait in "
                            "memory, where %" PRId64 " have room.",
                            f->config->kafka_brokers, reason, kafka_producer_pending(f->producer),
                            f->config->kafka_buffer_messages);
        if (up && episode_end(&f->broker_down, now, &duration_ms))
                journal_log(LOG_NOTICE, LOG_FIELDS(LOG_NUMBER("DURATION_MS", duration_ms)),
                            "Kafka takes updates again, after %" PRId64 " s.", duration_ms / 1000);
}

static void on_broker(bool up, const char *reason, void *user) {
        tell_broker(user, up, reason);
}

static void on_topic(int error, const char *reason, void *user) {
        Fetcher *f = user;

        f->topic_exists = error == 0 || error == -EEXIST;
        /* Ready even without a broker: prices are fetched and wait in memory. */
        notify_ready(&f->notify, "Polling %zu calls every %" PRId64 " ms.", f->plan.n_calls,
                     f->schedule.interval_ms);
        if (error == 0)
                log_info("Created topic %s.", f->config->kafka_topic);
        tell_broker(f, f->topic_exists, reason);
}

/* ---- building -------------------------------------------------------------------------------- */

static void on_http_wait(void *user) {
        Fetcher *f = user;
        kafka_producer_dispatch(f->producer);
        notify_watchdog(&f->notify);
}

const char *fetcher_check_config(const Config *config) {
        Source source;
        const char *reason = source_init(&source, config);
        explicit_bzero(&source, sizeof(source));
        return reason;
}

/* What depends on reloadable options, made from CONFIG (checked before) and put in the place of
 * the old. On failure all stays as it is. */
static int aim(Fetcher *f, const Config *config) {
        const HttpClientOptions options = {
                .timeout_ms = config->coingecko_timeout_ms,
                .max_body = MAX_BODY_BYTES,
                .user_agent = "crypto-pulse/" PACKAGE_VERSION,
                .on_wait = on_http_wait,
                .user = f,
        };
        _cleanup_(http_client_freep) HttpClient *http = NULL;
        CallPlan plan;
        Schedule schedule;

        int r = http_client_new(&http, &options);
        if (r == 0)
                r = call_plan_make(&plan, config);
        if (r < 0)
                return r;
        r = schedule_init(&schedule, plan.n_calls, config->fetch_interval_ms, clock_monotonic_ms());
        if (r < 0) {
                call_plan_done(&plan);
                return r;
        }
        /* What CoinGecko asked for still holds; a key that it refused may be another one now. */
        if (f->rate_limited.failures > 0)
                schedule.paused_until_ms = f->schedule.paused_until_ms;
        http_client_free(f->http);
        call_plan_done(&f->plan);
        schedule_done(&f->schedule);
        f->http = TAKE_PTR(http);
        f->plan = plan;
        f->schedule = schedule;
        (void) source_init(&f->source, config);
        return 0;
}

static int open_kafka(Fetcher *f) {
        const KafkaProducerEvents events = {
                .on_topic = on_topic, .on_broker = on_broker, .on_failure = on_failure, .user = f
        };
        char error[512];

        f->kafka_options = (KafkaOptions){ .brokers = f->config->kafka_brokers,
                                           .client_id = "crypto-pulse-fetcher",
                                           .log = on_kafka_log,
                                           .log_user = f };
        f->topic_options = (KafkaTopicOptions){
                .topic = f->config->kafka_topic,
                .partitions = (int32_t) f->config->kafka_partitions,
                .replication = (int32_t) f->config->kafka_replication,
                .retention_ms = f->config->kafka_retention_ms,
        };
        int r = kafka_producer_new(&f->producer, &f->kafka_options, &f->topic_options,
                                   f->config->kafka_buffer_messages, &events, error, sizeof(error));
        if (r < 0) {
                log_error("The Kafka producer cannot be made: %s", error);
                return r;
        }
        r = publisher_new(&f->publisher, f->producer);
        if (r < 0)
                log_error("Cannot start: %s", strerror(-r));
        return r;
}

static void open_budget(Fetcher *f) {
        const char *directory = f->config->fetcher_state_directory;
        if (!*directory)
                directory = getenv("STATE_DIRECTORY");
        int r = budget_open(&f->budget, f->config->coingecko_monthly_calls, directory,
                            clock_realtime_ms());
        if (r < 0)
                log_warning("What this month has used of the call budget is not known (%s), "
                            "counting from 0.",
                            strerror(-r));
}

int fetcher_new(Fetcher **ret, Config *config, int signal_fd) {
        _cleanup_(fetcher_freep) Fetcher *f = calloc(1, sizeof(*f));
        if (!f) {
                log_error("Cannot start: %s", strerror(ENOMEM));
                return -ENOMEM;
        }
        f->config = config;
        f->signal_fd = signal_fd;
        notify_init(&f->notify);

        int r = aim(f, config);
        if (r < 0)
                log_error("Cannot start: %s", strerror(-r));
        else
                r = open_kafka(f);
        if (r < 0) {
                f->config = NULL; /* stays the caller's */
                return r;
        }
        open_budget(f);
        *ret = TAKE_PTR(f);
        return 0;
}

void fetcher_free(Fetcher *fetcher) {
        if (!fetcher)
                return;
        publisher_free(fetcher->publisher);
        kafka_producer_free(fetcher->producer);
        http_client_free(fetcher->http);
        budget_done(&fetcher->budget);
        schedule_done(&fetcher->schedule);
        call_plan_done(&fetcher->plan);
        explicit_bzero(&fetcher->source, sizeof(fetcher->source));
        config_free(fetcher->config);
        free(fetcher);
}

/* ---- running --------------------------------------------------------------------------------- */

bool fetcher_is_full(const Fetcher *f) {
        return kafka_producer_pending(f->producer) + MARKETS_PAGE_MAX >
               (size_t) f->config->kafka_buffer_messages;
}

/* The time until the next call may be made; -1: not until something changes. */
static int64_t ms_until_due(Fetcher *f, size_t *ret_call) {
        int64_t now = clock_monotonic_ms(), due, duration_ms;

        *ret_call = schedule_next(&f->schedule, &due);
        if (fetcher_is_full(f)) {
                if (episode_fail(&f->buffer_full, now))
                        journal_log(LOG_WARNING, LOG_FIELDS(LOG_EVENT(BUFFER_FULL)),
                                    "%zu updates wait for Kafka and no more fit into memory; "
                                    "polling pauses until it is back, nothing fetched is lost.",
                                    kafka_producer_pending(f->producer));
                return -1;
        }
        if (episode_end(&f->buffer_full, now, &duration_ms))
                journal_log(LOG_NOTICE, LOG_FIELDS(LOG_NUMBER("DURATION_MS", duration_ms)),
                            "There is room for updates again, after %" PRId64 " s.",
                            duration_ms / 1000);
        return MAX_OF(due - now, INT64_C(0));
}

/* Once a month when nine tenths are gone; while nothing is left, as any spell of trouble. */
static void tell_budget(Fetcher *f, bool exhausted) {
        int64_t duration_ms, now = clock_monotonic_ms();
        const Budget *b = &f->budget;
        bool low = b->monthly_calls > 0 && b->used >= b->monthly_calls - b->monthly_calls / 10;

        if (!exhausted && episode_end(&f->budget_used, now, &duration_ms))
                journal_log(LOG_NOTICE, LOG_FIELDS(LOG_NUMBER("DURATION_MS", duration_ms)),
                            "A new month, a new budget: polling goes on, after %" PRId64 " s.",
                            duration_ms / 1000);
        if (exhausted ? episode_fail(&f->budget_used, now) : low && !f->budget_low)
                journal_log(LOG_WARNING,
                            LOG_FIELDS(LOG_EVENT(BUDGET_RUNNING_OUT),
                                       LOG_NUMBER("CALLS_USED", b->used)),
                            exhausted ? "All %" PRId64 " of the %" PRId64
                                        " calls of this month's budget are used; the next one is "
                                        "made next month. Raise coingecko.monthly_calls to go on."
                                      : "%" PRId64 " of the %" PRId64
                                        " calls of this month's budget are used; the rest is "
                                        "spread over the days that are left.",
                            b->used, b->monthly_calls);
        f->budget_low = low;
}

static void apply_budget(Fetcher *f) {
        int64_t now = clock_realtime_ms();
        bool exhausted = budget_is_exhausted(&f->budget, now);

        f->schedule.interval_ms = budget_interval_ms(&f->budget, now, f->plan.n_calls,
                                                     f->config->fetch_interval_ms);
        if (exhausted)
                schedule_pause(&f->schedule, clock_monotonic_ms(),
                               MIN_OF(budget_spacing_ms(&f->budget, now), INT64_C(60000)), 0);
        tell_budget(f, exhausted);
}

/* The worst first; "" if all is well. */
static const char *trouble(const Fetcher *f) {
        const struct {
                const Episode *episode;
                const char *text;
        } rows[] = {
                { &f->key_refused, "CoinGecko refuses the key; " },
                { &f->source_down, "CoinGecko gives no usable answer; " },
                { &f->call_refused, "CoinGecko refuses a call; " },
                { &f->buffer_full, "Memory is full, polling pauses; " },
                { &f->broker_down, "Kafka cannot be used; " },
                { &f->rate_limited, "CoinGecko limits the rate of calls; " },
                { &f->budget_used, "The month's budget of calls is used up; " },
                { &f->clock_behind, "This host's clock is behind CoinGecko's; " },
                { &f->source_stale, "CoinGecko's prices are stale; " },
        };

        for (size_t i = 0; i < ELEMENTS(rows); i++)
                if (rows[i].episode->failures > 0)
                        return rows[i].text;
        return "";
}

static void tell_status(Fetcher *f) {
        size_t pending = kafka_producer_pending(f->producer);
        int64_t now = clock_monotonic_ms();

        if (!f->topic_exists)
                notify_status(&f->notify, "Waiting for Kafka at %s; %zu updates wait in memory.",
                              f->config->kafka_brokers, pending);
        else if (f->answered_at_ms == 0)
                notify_status(&f->notify, "%sWaiting for the first answer of %s.", trouble(f),
                              f->source.base_url);
        else
                notify_status(&f->notify,
                              "%s%zu prices tracked, last answer %" PRId64 " s ago, %" PRIu64
                              " updates published, %zu waiting for Kafka.",
                              trouble(f), publisher_n_coins(f->publisher),
                              (now - f->answered_at_ms) / 1000, f->n_published, pending);
}

static int wait_for_events(Fetcher *f, int64_t timeout_ms) {
        struct pollfd fds[] = {
                { .fd = f->signal_fd, .events = POLLIN },
                { .fd = kafka_producer_fd(f->producer), .events = POLLIN },
        };
        int timeout = timeout_ms < 0 || timeout_ms > TURN_MS ? TURN_MS : (int) timeout_ms;
        if (poll(fds, ELEMENTS(fds), timeout) < 0 && errno != EINTR)
                return -errno;
        kafka_producer_dispatch(f->producer);
        return 0;
}

/* One turn of the loop: wait, and make a call if one is due. */
static int turn(Fetcher *f) {
        size_t call;

        if (f->fatal < 0)
                return f->fatal;
        apply_budget(f);
        tell_status(f);
        notify_watchdog(&f->notify);
        int64_t wait_ms = ms_until_due(f, &call);
        if (wait_ms == 0)
                return fetcher_poll(f, call);
        return wait_for_events(f, wait_ms);
}

static int stop(Fetcher *f) {
        notify_stopping(&f->notify);
        int r = kafka_producer_flush(f->producer, FLUSH_TIMEOUT_MS);
        size_t left = kafka_producer_pending(f->producer);
        if (r < 0)
                log_error("Stopping while Kafka is away: %zu fetched updates were not delivered.",
                          left);
        else
                log_info("Stopped; every fetched update was delivered.");
        return 0;
}

static void reload(Fetcher *f) {
        _cleanup_(config_freep) Config *fresh = NULL;

        notify_reloading(&f->notify);
        int r = daemon_reload_begin(f->config, fetcher_check_config, &fresh);
        if (r == 0) {
                r = aim(f, fresh);
                if (r < 0)
                        log_error("The configuration is not reloaded, the old one stays: %s",
                                  strerror(-r));
        }
        if (r == 0) {
                daemon_reload_end(f->config, TAKE_PTR(fresh));
                f->budget.monthly_calls = f->config->coingecko_monthly_calls;
                publisher_count_anew(f->publisher);
        }
        notify_reloaded(&f->notify);
}

/* 1: it is time to end. */
static int handle_signals(Fetcher *f) {
        for (int number; (number = daemon_next_signal(f->signal_fd)) != 0;) {
                if (number < 0)
                        return number;
                if (number == SIGHUP)
                        reload(f);
                else
                        return 1;
        }
        return 0;
}

int fetcher_run(Fetcher *f) {
        log_info("Polling %s, %zu calls every %" PRId64 " ms, for topic %s.", f->source.base_url,
                 f->plan.n_calls, f->schedule.interval_ms, f->config->kafka_topic);
        for (;;) {
                int r = handle_signals(f);
                if (r > 0)
                        return stop(f);
                if (r == 0)
                        r = turn(f);
                if (r < 0 && r != -ECANCELED) {
                        log_error("Cannot go on (%s); the service manager starts anew.",
                                  strerror(-r));
                        notify_stopping(&f->notify);
                        return r;
                }
        }
}
