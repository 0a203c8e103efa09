/* Log entries: to the journal with fields when systemd connected stderr to it, else readable
 * lines, or JSON objects, on stderr. The only file that knows sd-journal. State is the process's,
 * as stderr is: journal_open() once, before the first thread; everything else from any thread.
 *
 * daemons log; core and io return errors instead. */
#pragma once

#include <stdint.h>
#include <syslog.h> /* LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG */

#include "core/macro.h"

typedef struct LogField {
        const char *name; /* "COIN_ID" */
        const char *text; /* or, if NULL, the number */
        int64_t number;
} LogField;

#define LOG_TEXT(field, value)                                                                     \
        { .name = (field), .text = (value) }
#define LOG_NUMBER(field, value)                                                                   \
        { .name = (field), .number = (int64_t) (value) }
/* journal_log(LOG_WARNING, LOG_FIELDS(LOG_NUMBER("HTTP_STATUS", 429)), "CoinGecko ...", ...); */
#define LOG_FIELDS(...) ((const LogField[]){ __VA_ARGS__, { .name = NULL } })

/* IDENTIFIER is borrowed for ever: a literal. */
void journal_open(const char *identifier);
/* "error", "warning", "info" or "debug": what is less important is not written. */
void journal_set_level(const char *name);
/* "text" or "json": what a line looks like where it does not go to the journal. */
void journal_set_format(const char *name);

/* FIELDS may be NULL. A sentence that says what happened and what follows from it. */
_printf_(3, 4) void journal_log(int priority, const LogField *fields, const char *format, ...);

/* For the end of a process: waits until journald has read what was logged, for a second at most. It
 * looks up a sender's unit after that, so that `journalctl -u` would not show the last words of one
 * that is gone by then. */
void journal_settle(void);

#define log_error(...) journal_log(LOG_ERR, NULL, __VA_ARGS__)
#define log_warning(...) journal_log(LOG_WARNING, NULL, __VA_ARGS__)
#define log_info(...) journal_log(LOG_INFO, NULL, __VA_ARGS__)
#define log_debug(...) journal_log(LOG_DEBUG, NULL, __VA_ARGS__)
