#include "io/notify.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <systemd/sd-daemon.h>

#include "core/clock.h"

#define STATUS_INTERVAL_MS 1000

void notify_init(Notify *n) {
        uint64_t watchdog_us = 0;

        *n = (Notify){ .ready = false };
        if (sd_watchdog_enabled(0, &watchdog_us) > 0)
                n->watchdog_ms = (int64_t) (watchdog_us / 2000);
}

/* Remembers the text as sent; false if it is what was sent last or comes too early. */
static bool take_status(Notify *n, const char *text, bool at_once) {
        int64_t now = clock_monotonic_ms();

        if (strcmp(n->status, text) == 0)
                return false;
        if (!at_once && n->status_ms && now - n->status_ms < STATUS_INTERVAL_MS)
                return false;
        snprintf(n->status, sizeof(n->status), "%s", text);
        n->status_ms = now;
        return true;
}

void notify_ready(Notify *n, const char *status_format, ...) {
        char text[sizeof(n->status)];
        va_list ap;

        if (n->ready)
                return;
        va_start(ap, status_format);
        vsnprintf(text, sizeof(text), status_format, ap);
        va_end(ap);
        take_status(n, text, true);
        sd_notifyf(0, "READY=1\nSTATUS=%s", text);
        n->ready = true;
}

void notify_status(Notify *n, const char *format, ...) {
        char text[sizeof(n->status)];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (take_status(n, text, false))
                sd_notifyf(0, "STATUS=%s", text);
}

void notify_watchdog(Notify *n) {
        if (n->watchdog_ms == 0)
                return;
        int64_t now = clock_monotonic_ms();
        if (now < n->watchdog_due_ms)
                return;
        n->watchdog_due_ms = now + n->watchdog_ms / 2;
        sd_notify(0, "WATCHDOG=1");
}

/* Type=notify-reload wants the time, so that it does not take an old message for a new one. */
void notify_reloading(Notify *n) {
        struct timespec now;

        (void) n;
        clock_gettime(CLOCK_MONOTONIC, &now);
        sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long) now.tv_sec * 1000000 + now.tv_nsec / 1000);
}

void notify_reloaded(Notify *n) {
        if (n->ready)
                sd_notify(0, "READY=1");
}

void notify_failed(const char *text) {
        sd_notifyf(0, "STATUS=%s", text);
}

void notify_stopping(Notify *n) {
        (void) n;
        sd_notify(0, "STOPPING=1\nSTATUS=Stopping.");
}
