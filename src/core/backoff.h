/* Exponential backoff with jitter. Pure (the caller brings the randomness); not thread-safe. */
#pragma once

#include <stdint.h>

typedef struct Backoff {
        uint32_t min_ms, max_ms;
        uint32_t attempts; /* failures in a row */
} Backoff;

/* The delay before the next try after one more failure: min_ms doubled per failure up to
 * max_ms, of which a random part up to one half is taken away (RANDOM: any 32 bits). */
uint32_t backoff_next_ms(Backoff *b, uint32_t random);
static inline void backoff_reset(Backoff *b) {
        b->attempts = 0;
}
