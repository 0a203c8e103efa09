/* sd_notify(3): what the service manager is told. Every call is harmless without one.
 *
 * Where there is none, as in a container, NOTIFY_FILE may name a file that then says the same:
 * READY=0 or 1, STATUS=, and by its age that the daemon is alive. notify_check() reads it.
 *
 * A Notify belongs to the daemon's main thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/macro.h"

typedef struct Notify {
        char status[256];    /* the last STATUS= that was asked for */
        int64_t status_ms;   /* and when (monotonic) */
        int64_t watchdog_ms; /* half of WATCHDOG_USEC: WATCHDOG=1 is sent twice in it; 0: never */
        int64_t watchdog_due_ms;
        bool ready;
} Notify;

void notify_init(Notify *n);
/* READY=1, once, with the status as one message. */
_printf_(2, 3) void notify_ready(Notify *n, const char *status_format, ...);
/* STATUS=, only if it changed and at most once a second (a status lost to that is sent by the
 * next call). */
_printf_(2, 3) void notify_status(Notify *n, const char *format, ...);
/* WATCHDOG=1 if it is due. Call it only after progress of every thread has been seen. */
void notify_watchdog(Notify *n);
/* RELOADING=1, and READY=1 when that is over; in between the new configuration is taken over. */
void notify_reloading(Notify *n);
void notify_reloaded(Notify *n);
void notify_stopping(Notify *n);
/* STATUS= of a program that ends because of REASON; it stays to be seen in systemctl status. */
void notify_failed(const char *reason);
/* What the daemon that NOTIFY_FILE belongs to has said: 0 and its status if it is ready; -EAGAIN if
 * it is not (yet), -ETIME if it shows no life, or the error of reading the file, with a reason. */
_must_check_ int notify_check(char *text, size_t size);
