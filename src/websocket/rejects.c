#include "websocket/rejects.h"

#include <inttypes.h>

#include "io/events.h"
#include "io/journal.h"

void rejects_turn(Rejects *r, int64_t now_ms) {
        if (r->in_window == 0 || now_ms - r->window_ms < REJECTS_WINDOW_MS)
                return;
        if (r->silent > 0)
                log_warning("Passed over %" PRIu64 " more messages that are no price updates, "
                            "%" PRIu64 " in all.",
                            r->silent, r->total);
        r->in_window = 0;
        r->silent = 0;
}

void rejects_note(Rejects *r, const char *topic, int32_t partition, int64_t offset,
                  const char *reason, int64_t now_ms) {
        rejects_turn(r, now_ms);
        r->total++;
        if (r->in_window == 0)
                r->window_ms = now_ms;
        if (r->in_window == REJECTS_PER_WINDOW) {
                r->silent++;
                return;
        }
        r->in_window++;
        journal_log(LOG_WARNING,
                    LOG_FIELDS(LOG_EVENT(POISON_MESSAGE), LOG_TEXT("KAFKA_TOPIC", topic),
                               LOG_NUMBER("KAFKA_PARTITION", partition),
                               LOG_NUMBER("KAFKA_OFFSET", offset)),
                    "Message at %s/%" PRId32 " offset %" PRId64 " is no price update (%s), "
                    "passing over it.",
                    topic, partition, offset, reason);
}
