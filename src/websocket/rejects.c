#include "websocket/rejects.h"

#include <inttypes.h>

#include "io/events.h"
#include "io/journal.h"

void rejects_note(Rejects *r, const char *topic, int32_t partition, int64_t offset,
                  const char *reason, int64_t now_ms) {
        rejects_turn(r, now_ms);
        r->last_ms = now_ms;
        int priority = episode_fail(&r->episode, now_ms) ? LOG_WARNING : LOG_DEBUG;
        journal_log(priority,
                    LOG_FIELDS(LOG_EVENT(POISON_MESSAGE), LOG_TEXT("KAFKA_TOPIC", topic),
                               LOG_NUMBER("KAFKA_PARTITION", partition),
                               LOG_NUMBER("KAFKA_OFFSET", offset)),
                    "Message at %s/%" PRId32 " offset %" PRId64 " is no price update (%s), "
                    "passing over it (%" PRIu64 " of them so far).",
                    topic, partition, offset, reason, r->episode.failures);
}

void rejects_turn(Rejects *r, int64_t now_ms) {
        uint64_t n = r->episode.failures;
        int64_t duration_ms;

        if (now_ms - r->last_ms < REJECTS_QUIET_MS ||
            !episode_end(&r->episode, now_ms, &duration_ms))
                return;
        duration_ms -= now_ms - r->last_ms;
        journal_log(LOG_NOTICE, LOG_FIELDS(LOG_NUMBER("DURATION_MS", duration_ms)),
                    "No more messages that are no price updates for a minute; passed over %" PRIu64
                    " within %" PRId64 " s.",
                    n, duration_ms / 1000);
}
