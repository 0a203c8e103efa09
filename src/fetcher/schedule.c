#include "fetcher/schedule.h"

#include <errno.h>

#define RETRY_MIN_MS 1000
#define RETRY_MAX_MS INT64_C(60000)
#define PAUSE_MIN_MS 5000
#define PAUSE_MAX_MS 300000
/* A Retry-After beyond this is taken for a mistake. */
#define RETRY_AFTER_MAX_MS INT64_C(3600000)

int schedule_init(Schedule *s, size_t n_calls, int64_t interval_ms, int64_t now_ms) {
        *s = (Schedule){
                .calls = calloc(n_calls, sizeof(ScheduledCall)),
                .n_calls = n_calls,
                .interval_ms = interval_ms,
                .pause_backoff = { .min_ms = PAUSE_MIN_MS, .max_ms = PAUSE_MAX_MS },
        };
        if (!s->calls)
                return -ENOMEM;
        for (size_t i = 0; i < n_calls; i++)
                s->calls[i] = (ScheduledCall){
                        .since_ms = now_ms,
                        .backoff = { .min_ms = RETRY_MIN_MS, .max_ms = RETRY_MAX_MS },
                };
        return 0;
}

void schedule_done(Schedule *s) {
        free(s->calls);
        s->calls = NULL;
}

static int64_t due_ms(const Schedule *s, size_t call) {
        const ScheduledCall *c = &s->calls[call];
        return c->since_ms + (c->wait_ms < 0 ? s->interval_ms : c->wait_ms);
}

size_t schedule_next(const Schedule *s, int64_t *ret_due_ms) {
        size_t next = 0;
        for (size_t i = 1; i < s->n_calls; i++)
                if (due_ms(s, i) < due_ms(s, next))
                        next = i;
        *ret_due_ms = MAX_OF(due_ms(s, next), s->paused_until_ms);
        return next;
}

void schedule_succeeded(Schedule *s, size_t call, int64_t now_ms) {
        ScheduledCall *c = &s->calls[call];

        /* The beat is kept, but rounds that were missed are not made up for. */
        int64_t due = due_ms(s, call);
        c->since_ms = due < now_ms - s->interval_ms / 2 ? now_ms : due;
        c->wait_ms = -1;
        backoff_reset(&c->backoff);
        backoff_reset(&s->pause_backoff);
}

int64_t schedule_failed(Schedule *s, size_t call, int64_t now_ms, uint32_t random) {
        ScheduledCall *c = &s->calls[call];

        /* In a long trouble an interval that a call budget has stretched holds for retries too. */
        c->backoff.max_ms =
                        (uint32_t) MAX_OF(RETRY_MAX_MS, MIN_OF(s->interval_ms, RETRY_AFTER_MAX_MS));
        int64_t delay = backoff_next_ms(&c->backoff, random);
        c->since_ms = now_ms;
        c->wait_ms = delay;
        return delay;
}

int64_t schedule_pause(Schedule *s, int64_t now_ms, int64_t delay_ms, uint32_t random) {
        /* "Retry-After: 0" or a date that has passed: asking at once is what led here. */
        if (delay_ms <= 0)
                delay_ms = backoff_next_ms(&s->pause_backoff, random);
        delay_ms = MIN_OF(delay_ms, RETRY_AFTER_MAX_MS);
        s->paused_until_ms = MAX_OF(s->paused_until_ms, now_ms + delay_ms);
        return delay_ms;
}
