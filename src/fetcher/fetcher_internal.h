/* The fetcher's root object, shared by fetcher.c (the loop) and poll.c (one call). */
#pragma once

#include <stdbool.h>

#include "core/call_plan.h"
#include "core/coingecko.h"
#include "core/episode.h"
#include "core/source.h"
#include "fetcher/fetcher.h"
#include "fetcher/publisher.h"
#include "fetcher/schedule.h"
#include "io/budget.h"
#include "io/http_client.h"
#include "io/kafka_producer.h"
#include "io/notify.h"

/* What was wrong with a call's last answer: MarketsCall.troubles, kept by fetcher_poll(). */
enum {
        TROUBLE_NO_ANSWER = 1 << 0,
        TROUBLE_BAD_COINS = 1 << 1,
        TROUBLE_MISSING_COINS = 1 << 2,
        TROUBLE_CALL_REFUSED = 1 << 3,
        TROUBLE_KEY_REFUSED = 1 << 4,
};

struct Fetcher {
        Config *config;
        int signal_fd;
        Notify notify;

        Source source;
        CallPlan plan;
        Schedule schedule;
        Budget budget;
        HttpClient *http;

        KafkaOptions kafka_options;
        KafkaTopicOptions topic_options;
        KafkaProducer *producer;
        Publisher *publisher;
        bool topic_exists;
        int fatal; /* negative errno: the producer can do nothing more */

        /* Spells of trouble, each told once when it begins and once when it ends. */
        Episode source_down, source_stale, clock_behind, rate_limited, key_refused, call_refused,
                        bad_coins, missing_coins, broker_down, buffer_full, budget_used,
                        state_unwritable;

        bool budget_low;        /* and that was told */
        int64_t answered_at_ms; /* monotonic; 0: not yet */
        uint64_t n_published;
};

/* Makes call number CALL of the plan and publishes what is new in its answer. All that can go
 * wrong with it is logged and scheduled for another try. -ECANCELED: a signal came meanwhile. */
int fetcher_poll(Fetcher *fetcher, size_t call);

/* Whether another answer might not fit into memory, because Kafka is away: nothing is asked then.
 */
bool fetcher_is_full(const Fetcher *fetcher);
