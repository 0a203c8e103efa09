#include "core/episode.h"

bool episode_fail(Episode *e, int64_t now_ms) {
        bool begins = e->failures == 0;

        e->failures++;
        if (begins)
                e->since_ms = now_ms;
        else if (now_ms - e->told_ms < EPISODE_REMIND_MS)
                return false;
        e->told_ms = now_ms;
        return true;
}

bool episode_end(Episode *e, int64_t now_ms, int64_t *ret_duration_ms) {
        if (e->failures == 0)
                return false;
        *ret_duration_ms = now_ms - e->since_ms;
        *e = (Episode){ .failures = 0 };
        return true;
}
