/* Messages that are no price updates: every one is counted. A spell of them makes one entry when it
 * begins, one a minute while it lasts, and one when a minute has passed without any; log_level
 * debug shows each. One thread. */
#pragma once

#include "core/episode.h"

#define REJECTS_QUIET_MS INT64_C(60000)

typedef struct Rejects {
        Episode episode;
        int64_t last_ms;
} Rejects;

/* Notes one and logs it or not. REASON is a static text. */
void rejects_note(Rejects *r, const char *topic, int32_t partition, int64_t offset,
                  const char *reason, int64_t now_ms);
/* To be called now and then: logs the end of a spell. */
void rejects_turn(Rejects *r, int64_t now_ms);
