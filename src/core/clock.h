/* The two clocks, for those outside core (core itself takes the time as an argument). */
#pragma once

#include <stdint.h>
#include <time.h>

static inline int64_t clock_ms(clockid_t id) {
        struct timespec t;
        clock_gettime(id, &t);
        return (int64_t) t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
/* Milliseconds since 1970 UTC. */
static inline int64_t clock_realtime_ms(void) {
        return clock_ms(CLOCK_REALTIME);
}
/* Milliseconds that only go forward. */
static inline int64_t clock_monotonic_ms(void) {
        return clock_ms(CLOCK_MONOTONIC);
}
