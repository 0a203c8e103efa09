#include "sim/call_log.h"

#include <errno.h>
#include <stdlib.h>

#include "core/timestamp.h"

struct CallLog {
        uint64_t count;
        Call calls[CALL_LOG_MAX]; /* number n is at (n - 1) % CALL_LOG_MAX */
};

int call_log_new(CallLog **ret) {
        CallLog *log = calloc(1, sizeof(*log));

        if (!log)
                return -ENOMEM;
        *ret = log;
        return 0;
}

static void call_done(Call *call) {
        free(call->path);
        free(call->query);
        free(call->user_agent);
        free(call->accept_encoding);
        *call = (Call){ 0 };
}

void call_log_clear(CallLog *log) {
        for (size_t i = 0; i < CALL_LOG_MAX; i++)
                call_done(&log->calls[i]);
        log->count = 0;
}

void call_log_free(CallLog *log) {
        if (!log)
                return;
        call_log_clear(log);
        free(log);
}

uint64_t call_log_add(CallLog *log, const Call *call) {
        Call *place = &log->calls[log->count % CALL_LOG_MAX];

        call_done(place);
        *place = *call;
        if (!place->path || !place->query) {
                call_done(place);
                return 0;
        }
        place->number = ++log->count;
        return place->number;
}

Call *call_log_find(CallLog *log, uint64_t number) {
        Call *call = &log->calls[(number - 1) % CALL_LOG_MAX];

        return number > 0 && call->number == number ? call : NULL;
}

static int append_text(Buffer *b, const char *name, const char *value) {
        int r = buffer_append_format(b, ",\"%s\":", name);

        if (r < 0)
                return r;
        r = value ? buffer_append_json_string(b, value) : buffer_append_text(b, "null");
        /* Nothing keeps a client from sending what is not UTF-8. */
        return r == -EILSEQ ? buffer_append_text(b, "\"?\"") : r;
}

static int append_call(Buffer *b, const Call *call) {
        char time[TIMESTAMP_TEXT_SIZE];
        int r = buffer_append_format(
                        b,
                        "{\"number\":%llu,\"time\":\"%s\",\"connection\":%llu,\"status\":%d,"
                        "\"durationMs\":%lld,\"method\":\"%s\"",
                        (unsigned long long) call->number, timestamp_format(call->time_ms, time),
                        (unsigned long long) call->connection, call->status,
                        (long long) call->duration_ms, call->method);

        if (r == 0)
                r = append_text(b, "path", call->path);
        if (r == 0)
                r = append_text(b, "query", call->query);
        if (r == 0)
                r = append_text(b, "key", call->key_name);
        if (r == 0)
                r = append_text(b, "acceptEncoding", call->accept_encoding);
        if (r == 0)
                r = append_text(b, "userAgent", call->user_agent);
        if (r == 0)
                r = append_text(b, "fault", *call->fault ? call->fault : NULL);
        return r < 0 ? r : buffer_append_text(b, "}");
}

int call_log_append_json(const CallLog *log, Buffer *b, uint64_t since) {
        const uint64_t oldest = log->count > CALL_LOG_MAX ? log->count - CALL_LOG_MAX : 0;
        int r = buffer_append_format(b, "{\"count\":%llu,\"requests\":[",
                                     (unsigned long long) log->count);
        bool first = true;

        for (uint64_t n = MAX_OF(since, oldest); r == 0 && n < log->count; n++) {
                if (!first)
                        r = buffer_append_text(b, ",");
                first = false;
                if (r == 0)
                        r = append_call(b, &log->calls[n % CALL_LOG_MAX]);
        }
        return r < 0 ? r : buffer_append_text(b, "]}");
}
