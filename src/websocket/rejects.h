/* Messages that are no price updates: every one is counted, the first of each spell are logged
 * one by one with where they are, the rest as a number. One thread. */
#pragma once

#include <stdint.h>

#define REJECTS_PER_WINDOW 10
#define REJECTS_WINDOW_MS INT64_C(60000)

typedef struct Rejects {
        uint64_t total;
        int64_t window_ms; /* when the current window began */
        unsigned in_window;
        uint64_t silent; /* of this window, not logged one by one */
} Rejects;

/* Notes one and logs it or not. REASON is a static text. */
void rejects_note(Rejects *r, const char *topic, int32_t partition, int64_t offset,
                  const char *reason, int64_t now_ms);
/* To be called now and then: ends a window that is over and logs how many were left out. */
void rejects_turn(Rejects *r, int64_t now_ms);
