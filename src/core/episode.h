/* A spell of trouble, so that a failure which repeats is told once when it begins, once a minute
 * while it lasts and once when it ends. Pure (the caller brings the monotonic time); one thread. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define EPISODE_REMIND_MS INT64_C(60000)

typedef struct Episode {
        int64_t since_ms; /* when it began */
        int64_t told_ms;
        uint64_t failures; /* since it began; 0: all is well */
} Episode;

/* Notes a failure; true if it should be logged now (the first one, then one a minute). */
bool episode_fail(Episode *e, int64_t now_ms);
/* Notes a success; true if it ends an episode. ret_duration_ms is set then. */
bool episode_end(Episode *e, int64_t now_ms, int64_t *ret_duration_ms);
