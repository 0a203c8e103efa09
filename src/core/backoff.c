#include "core/backoff.h"

uint32_t backoff_next_ms(Backoff *b, uint32_t random) {
        uint64_t delay = b->min_ms;

        for (uint32_t i = 0; i < b->attempts && delay < b->max_ms; i++)
                delay *= 2;
        if (delay > b->max_ms)
                delay = b->max_ms;
        if (b->attempts < UINT32_MAX)
                b->attempts++;
        /* Half fixed, half random: never at once, and no two clients in step. */
        return (uint32_t) (delay - delay / 2 * (random % 1024) / 1024);
}
