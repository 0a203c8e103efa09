/* When each call is due. Pure: the caller brings the monotonic time and the randomness.
 *
 * Every call keeps a time of its own, so that one which fails is tried again soon without
 * asking the others more often; a pause (429, a refused key) holds all of them. After a refused
 * key it is another call's turn: it may be answered. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/backoff.h"
#include "core/macro.h"

typedef struct ScheduledCall {
        int64_t since_ms; /* when it was made, on the beat */
        /* How long after that it is due; -1: the schedule's interval, whatever it is by then. */
        int64_t wait_ms;
        Backoff backoff;
} ScheduledCall;

typedef struct Schedule {
        ScheduledCall *calls;
        size_t n_calls;
        int64_t interval_ms; /* may change at any time and holds for all calls that succeeded */
        int64_t paused_until_ms;
        Backoff pause_backoff; /* for 429 without Retry-After */
} Schedule;

/* All calls are due at NOW_MS. 0 or -ENOMEM. */
_must_check_ int schedule_init(Schedule *s, size_t n_calls, int64_t interval_ms, int64_t now_ms);
void schedule_done(Schedule *s);

/* The call to make next, and when it may be made (not before now or a pause's end). */
size_t schedule_next(const Schedule *s, int64_t *ret_due_ms);

/* The call succeeded: it is due one interval after it was due, or after now if it was late. A new
 * month's budget may shorten the interval until then. */
void schedule_succeeded(Schedule *s, size_t call, int64_t now_ms);
/* It failed: due again after its backoff, which grows to a minute, or to the interval if that is
 * longer. Returns the delay in milliseconds. */
int64_t schedule_failed(Schedule *s, size_t call, int64_t now_ms, uint32_t random);
/* Nobody is asked for DELAY_MS (what Retry-After said, at most an hour), or if it is 0 or negative
 * for the pause's own backoff. Returns the delay. */
int64_t schedule_pause(Schedule *s, int64_t now_ms, int64_t delay_ms, uint32_t random);
