/* One call: ask, tell the kinds of failure apart, publish what is new. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/clock.h"
#include "fetcher/fetcher_internal.h"
#include "io/events.h"
#include "io/journal.h"

/* CoinGecko renews its prices every minute or faster. */
#define STALE_MIN_MS 600000
/* More than clocks differ that are kept right. */
#define CLOCK_BEHIND_MS 60000

static uint32_t random_bits(void) {
        uint32_t bits = 0;
        if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) < 0)
                bits = (uint32_t) clock_monotonic_ms(); /* jitter needs no more */
        return bits;
}

static void tell_end(Episode *e, const char *what) {
        int64_t duration_ms;
        if (episode_end(e, clock_monotonic_ms(), &duration_ms))
                journal_log(LOG_NOTICE, LOG_FIELDS(LOG_NUMBER("DURATION_MS", duration_ms)),
                            "%s, after %" PRId64 " s.", what, duration_ms / 1000);
}

/* Several calls can be in the same trouble: it lasts as long as one of them is. True if it goes
 * on. */
static bool note_trouble(Fetcher *f, MarketsCall *call, unsigned int trouble, bool has_it) {
        if (has_it)
                call->troubles |= trouble;
        else
                call->troubles &= ~trouble;
        for (size_t i = 0; i < f->plan.n_calls; i++)
                if (f->plan.calls[i].troubles & trouble)
                        return true;
        return false;
}

/* ---- failures -------------------------------------------------------------------------------- */

static void retry_later(Fetcher *f, size_t call, int http_status, const char *reason) {
        int64_t now = clock_monotonic_ms();
        int64_t delay = schedule_failed(&f->schedule, call, now, random_bits());

        note_trouble(f, &f->plan.calls[call], TROUBLE_NO_ANSWER, true);
        if (episode_fail(&f->source_down, now))
                journal_log(LOG_WARNING,
                            LOG_FIELDS(LOG_EVENT(SOURCE_UNREACHABLE),
                                       LOG_NUMBER("HTTP_STATUS", http_status),
                                       LOG_TEXT("URL", f->plan.calls[call].target)),
                            "CoinGecko gives no usable answer (%s), trying again in %" PRId64
                            " ms.%s",
                            reason, delay,
                            http_status == 0 ? " Check the network and coingecko.base_url." : "");
}

static void pause_for_limit(Fetcher *f, const HttpAnswer *answer, const char *reason) {
        /* The clock cuts off what is less than a millisecond: none of them is to be missing. */
        int64_t now = clock_monotonic_ms() + 1;
        int64_t delay = schedule_pause(&f->schedule, now, answer->retry_after_ms, random_bits());

        if (episode_fail(&f->rate_limited, now))
                journal_log(LOG_WARNING,
                            LOG_FIELDS(LOG_EVENT(RATE_LIMITED),
                                       LOG_NUMBER("HTTP_STATUS", answer->status),
                                       LOG_NUMBER("DELAY_MS", delay)),
                            "CoinGecko limits the rate of calls (%s), waiting %" PRId64
                            " ms%s. A longer fetch_interval_ms or a key would help.",
                            reason, delay, answer->retry_after_ms > 0 ? " as it asks" : "");
}

/* What this call asks for CoinGecko does not have, say a currency: no matter of the others. */
static void put_off_call(Fetcher *f, size_t i, const HttpAnswer *answer, const char *reason) {
        MarketsCall *call = &f->plan.calls[i];
        int64_t now = clock_monotonic_ms();
        int64_t delay = schedule_failed(&f->schedule, i, now, random_bits());

        note_trouble(f, call, TROUBLE_CALL_REFUSED, true);
        if (episode_fail(&f->call_refused, now))
                journal_log(LOG_WARNING,
                            LOG_FIELDS(LOG_EVENT(CALL_REFUSED),
                                       LOG_TEXT("CURRENCY", call->currency),
                                       LOG_NUMBER("HTTP_STATUS", answer->status),
                                       LOG_TEXT("URL", call->target)),
                            "CoinGecko gives no prices in %s (%s), trying this call alone again "
                            "in %" PRId64 " ms.",
                            call->currency, reason, delay);
}

/* Asking again at once would not help, whichever call it is; then it is another one's turn. */
static void pause_for_key(Fetcher *f, size_t call, const HttpAnswer *answer, const char *reason) {
        int64_t now = clock_monotonic_ms();
        int64_t delay = schedule_pause(&f->schedule, now, -1, random_bits());

        schedule_failed(&f->schedule, call, now, random_bits());
        note_trouble(f, &f->plan.calls[call], TROUBLE_KEY_REFUSED, true);
        if (episode_fail(&f->key_refused, now))
                journal_log(LOG_ERR,
                            LOG_FIELDS(LOG_EVENT(KEY_REFUSED),
                                       LOG_NUMBER("HTTP_STATUS", answer->status)),
                            "CoinGecko refuses us (%s); check coingecko.api_key and "
                            "coingecko.plan. Trying again in %" PRId64 " ms.",
                            reason, delay);
}

static void handle_refusal(Fetcher *f, size_t call, const HttpAnswer *answer) {
        const char *body = answer->body.data ? answer->body.data : "";
        Refusal refusal = coingecko_refusal(answer->status, body, answer->body.length);
        char text[200], reason[256];

        coingecko_error_text(body, answer->body.length, text, sizeof(text));
        snprintf(reason, sizeof(reason), "HTTP %d: %s", answer->status, text);
        if (answer->status == 429)
                pause_for_limit(f, answer, reason);
        else if (refusal == REFUSAL_KEY)
                pause_for_key(f, call, answer, reason);
        else if (refusal == REFUSAL_CALL)
                put_off_call(f, call, answer, reason);
        else
                retry_later(f, call, answer->status, reason);
}

/* ---- answers --------------------------------------------------------------------------------- */

static void tell_skipped(Fetcher *f, MarketsCall *call, const MarketsPage *page) {
        if (!note_trouble(f, call, TROUBLE_BAD_COINS, page->n_skipped > 0))
                tell_end(&f->bad_coins, "All coins of the answers can be used again");
        if (page->n_skipped > 0 && episode_fail(&f->bad_coins, clock_monotonic_ms()))
                journal_log(LOG_INFO, LOG_FIELDS(LOG_TEXT("COIN_ID", page->skipped_coin_id)),
                            "%zu of %zu coins in an answer have no usable price, passing over "
                            "them; the first is %s: %s.",
                            page->n_skipped, page->n_listed,
                            *page->skipped_coin_id ? page->skipped_coin_id : "without an id",
                            page->skipped_reason);
}

static bool page_has(const MarketsPage *page, const char *id) {
        for (size_t i = 0; i < page->n_listed; i++)
                if (strcmp(page->updates[i].coin_id, id) == 0)
                        return true;
        return false;
}

/* CoinGecko leaves out ids that it does not know without a word; a typing error shows here. */
static void tell_missing(Fetcher *f, MarketsCall *call, const MarketsPage *page) {
        const char *first = NULL;

        if (!call->ids)
                return;
        for (size_t i = 0; i < call->n_wanted && !first && page->n_listed < call->n_wanted; i++)
                if (!page_has(page, call->ids[i]))
                        first = call->ids[i];
        if (!note_trouble(f, call, TROUBLE_MISSING_COINS, first))
                tell_end(&f->missing_coins, "CoinGecko lists all coins that were asked for again");
        if (first && episode_fail(&f->missing_coins, clock_monotonic_ms()))
                journal_log(LOG_WARNING, LOG_FIELDS(LOG_TEXT("COIN_ID", first)),
                            "CoinGecko lists only %zu of %zu coins that were asked for; %s is "
                            "missing. Is it the coin's API id?",
                            page->n_listed, call->n_wanted, first);
}

/* Answers come, but nothing in them is new: CoinGecko's own trouble. */
static void tell_stale(Fetcher *f) {
        int64_t newest_ms = publisher_newest_ms(f->publisher);
        int64_t age_ms = clock_realtime_ms() - newest_ms;
        int64_t limit_ms = MAX_OF((int64_t) STALE_MIN_MS, 3 * f->schedule.interval_ms);

        if (newest_ms == 0)
                return;
        if (age_ms <= limit_ms)
                tell_end(&f->source_stale, "CoinGecko renews its prices again");
        else if (episode_fail(&f->source_stale, clock_monotonic_ms()))
                journal_log(LOG_WARNING,
                            LOG_FIELDS(LOG_EVENT(SOURCE_STALE), LOG_NUMBER("AGE_S", age_ms / 1000)),
                            "CoinGecko answers, but its newest price is %" PRId64
                            " s old; there is nothing new to publish.",
                            age_ms / 1000);
}

static void tell_clock(Fetcher *f) {
        int64_t ahead_ms = publisher_newest_ms(f->publisher) - clock_realtime_ms();

        if (ahead_ms <= CLOCK_BEHIND_MS)
                tell_end(&f->clock_behind, "The clock of this host agrees with CoinGecko's again");
        else if (episode_fail(&f->clock_behind, clock_monotonic_ms()))
                journal_log(LOG_WARNING,
                            LOG_FIELDS(LOG_EVENT(CLOCK_BEHIND),
                                       LOG_NUMBER("AHEAD_S", ahead_ms / 1000)),
                            "CoinGecko's newest price is %" PRId64
                            " s ahead of this host's clock, which must be wrong; prices keep "
                            "CoinGecko's time.",
                            ahead_ms / 1000);
}

typedef struct Publishing {
        Fetcher *fetcher;
        size_t n_wanted;
        size_t n_taken, n_published;
} Publishing;

static void publish(const PriceUpdate *update, void *user) {
        Publishing *p = user;
        Fetcher *f = p->fetcher;

        if (p->n_taken++ >= p->n_wanted)
                return;
        int r = publisher_publish(f->publisher, update);
        if (r > 0)
                p->n_published++;
        else if (r < 0 && !fetcher_is_full(f) && /* polling pauses then, which is told */
                 episode_fail(&f->buffer_full, clock_monotonic_ms()))
                log_warning("No room for the update of %s (%s); it is taken up at the next poll.",
                            update->coin_id, strerror(-r));
}

static void handle_answer(Fetcher *f, size_t i, const HttpAnswer *answer) {
        MarketsCall *call = &f->plan.calls[i];
        Publishing publishing = { .fetcher = f, .n_wanted = call->n_wanted };
        /* Our clock may be behind by days: CoinGecko's own time bounds its prices', too. */
        const MarketsReader reader = { .currency = call->currency,
                                       .now_ms = MAX_OF(clock_realtime_ms(), answer->date_ms),
                                       .take = publish,
                                       .user = &publishing };
        MarketsPage page;
        char text[200], reason[256];

        int r = coingecko_parse_markets(answer->body.data ? answer->body.data : "",
                                        answer->body.length, &reader, &page);
        f->n_published += publishing.n_published;
        if (r < 0) {
                coingecko_error_text(answer->body.data ? answer->body.data : "",
                                     answer->body.length, text, sizeof(text));
                snprintf(reason, sizeof(reason), "a body of %zu bytes that is no list of coins: %s",
                         answer->body.length, r == -ENOMEM ? "out of memory" : text);
                retry_later(f, i, answer->status, reason);
                return;
        }
        schedule_succeeded(&f->schedule, i, clock_monotonic_ms());
        f->answered_at_ms = clock_monotonic_ms();
        journal_log(LOG_DEBUG,
                    LOG_FIELDS(LOG_NUMBER("RECEIVED_AT_NS", answer->received_at_ns),
                               LOG_NUMBER("DURATION_MS", answer->duration_ms)),
                    "%zu coins in %s, %zu of them renewed.", page.n_listed, call->currency,
                    publishing.n_published);
        tell_skipped(f, call, &page);
        tell_missing(f, call, &page);
        tell_stale(f);
        tell_clock(f);
        markets_page_done(&page);
        if (!note_trouble(f, call, TROUBLE_NO_ANSWER, false))
                tell_end(&f->source_down, "CoinGecko answers again");
        if (!note_trouble(f, call, TROUBLE_CALL_REFUSED, false))
                tell_end(&f->call_refused, "CoinGecko refuses no call any more");
        if (!note_trouble(f, call, TROUBLE_KEY_REFUSED, false))
                tell_end(&f->key_refused, "CoinGecko accepts us again");
        tell_end(&f->rate_limited, "CoinGecko no longer limits us");
}

static int ask(Fetcher *f, size_t call, HttpAnswer *ret, char *error, size_t error_size) {
        const char *headers[] = { "Accept: application/json", NULL, NULL };
        char url[SOURCE_URL_MAX + MARKETS_TARGET_MAX];

        if (*f->source.key_header)
                headers[1] = f->source.key_header;
        snprintf(url, sizeof(url), "%s%s", f->source.base_url, f->plan.calls[call].target);
        return http_client_get(f->http, url, headers, f->signal_fd, ret, error, error_size);
}

int fetcher_poll(Fetcher *f, size_t call) {
        HttpAnswer answer;
        char error[512];

        int r = budget_spend(&f->budget, clock_realtime_ms());
        if (r < 0 && episode_fail(&f->state_unwritable, clock_monotonic_ms()))
                log_warning("The count of this month's calls cannot be saved in %s (%s); after a "
                            "restart the budget would not know of them.",
                            f->budget.path, strerror(-r));

        r = ask(f, call, &answer, error, sizeof(error));
        if (r == -ECANCELED)
                return r;
        if (r < 0) {
                retry_later(f, call, 0, error);
                return 0;
        }
        if (answer.status == 200)
                handle_answer(f, call, &answer);
        else
                handle_refusal(f, call, &answer);
        http_answer_done(&answer);
        return 0;
}
