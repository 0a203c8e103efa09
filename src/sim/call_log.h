/* What the simulator was asked: the last CALL_LOG_MAX requests, for tests to count and look at.
 * Keys are never kept, only the name of the header or parameter they came in. One thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/macro.h"

#define CALL_LOG_MAX 10000

typedef struct Call {
        uint64_t number; /* from 1 */
        int64_t time_ms;
        uint64_t connection;
        int64_t duration_ms; /* until the answer was handed over */
        int status;          /* 0: not answered yet; -1: the connection was reset */
        char method[8];
        char *path;
        char *query;           /* decoded; "" if there was none */
        char *user_agent;      /* or NULL */
        char *accept_encoding; /* or NULL */
        const char *key_name;  /* static: "x-cg-demo-api-key", ...; or NULL */
        char fault[32];        /* what was done to it; "" nothing */
} Call;

typedef struct CallLog CallLog;

_must_check_ int call_log_new(CallLog **ret);
void call_log_free(CallLog *log); /* accepts NULL */
DEFINE_CLEANUP(CallLog *, call_log_free)

/* Takes over what CALL points to, also on failure; number is filled in here. Returns the number,
 * or 0 when memory is short. */
uint64_t call_log_add(CallLog *log, const Call *call);
/* NULL if it has been forgotten since. */
Call *call_log_find(CallLog *log, uint64_t number);
void call_log_clear(CallLog *log);
/* Appends {"count":N,"requests":[...]} with those numbered above SINCE. */
_must_check_ int call_log_append_json(const CallLog *log, Buffer *b, uint64_t since);
