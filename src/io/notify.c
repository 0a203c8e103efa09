#include "io/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <systemd/sd-daemon.h>

#include "core/clock.h"

#define STATUS_INTERVAL_MS 1000
/* A sign of life in the file so often, and how old it may be. */
#define FILE_INTERVAL_MS 10000
#define FILE_LIMIT_MS 60000

static const char *file_path(void) {
        const char *path = getenv("NOTIFY_FILE");

        return path && *path ? path : NULL;
}

/* Renamed into its place, so that a reader finds a whole one. Whoever reads it finds out if that
 * has failed: by its age. */
static void write_file(bool ready, const char *status) {
        const char *path = file_path();
        char new_path[4096];

        if (!path || snprintf(new_path, sizeof(new_path), "%s.new", path) >= (int) sizeof(new_path))
                return;
        FILE *file = fopen(new_path, "we");
        if (!file)
                return;
        fprintf(file, "READY=%d\nSTATUS=%s\n", ready, status);
        if (fclose(file) == 0)
                (void) rename(new_path, path);
}

/* What others wrote (a server's error), and was cut somewhere, in one line of UTF-8: the service
 * manager takes nothing else. */
static void clean(char *text) {
        for (unsigned char *p = (unsigned char *) text; *p;) {
                size_t n = *p < 0x80             ? 1
                           : (*p & 0xe0) == 0xc0 ? 2
                           : (*p & 0xf0) == 0xe0 ? 3
                           : (*p & 0xf8) == 0xf0 ? 4
                                                 : 0;
                size_t whole = 1;
                while (whole < n && (p[whole] & 0xc0) == 0x80)
                        whole++;
                if (*p < ' ')
                        *p = ' ';
                if (whole != n) {
                        *p = '?';
                        n = 1;
                }
                p += n;
        }
}

void notify_init(Notify *n) {
        uint64_t watchdog_us = 0;

        *n = (Notify){ .ready = false };
        if (sd_watchdog_enabled(0, &watchdog_us) > 0)
                n->watchdog_ms = (int64_t) (watchdog_us / 2000);
        else if (file_path())
                n->watchdog_ms = FILE_INTERVAL_MS;
        write_file(false, "Starting.");
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
        clean(text);
        take_status(n, text, true);
        sd_notifyf(0, "READY=1\nSTATUS=%s", text);
        n->ready = true;
        write_file(true, text);
}

void notify_status(Notify *n, const char *format, ...) {
        char text[sizeof(n->status)];
        va_list ap;

        va_start(ap, format);
        vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        clean(text);
        if (!take_status(n, text, false))
                return;
        if (sd_notifyf(0, "STATUS=%s", text) < 0)
                *n->status = '\0';
        write_file(n->ready, text);
}

void notify_watchdog(Notify *n) {
        if (n->watchdog_ms == 0)
                return;
        int64_t now = clock_monotonic_ms();
        if (now < n->watchdog_due_ms)
                return;
        if (sd_notify(0, "WATCHDOG=1") < 0)
                return; /* not told, as without a free descriptor: the next turn tries again */
        n->watchdog_due_ms = now + n->watchdog_ms / 2;
        if (file_path())
                (void) utimensat(AT_FDCWD, file_path(), NULL, 0);
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

void notify_failed(const char *reason) {
        char text[1024];

        snprintf(text, sizeof(text), "%s", reason);
        clean(text);
        sd_notifyf(0, "STATUS=%s", text);
        write_file(false, text);
}

void notify_stopping(Notify *n) {
        (void) n;
        sd_notify(0, "STOPPING=1\nSTATUS=Stopping.");
        write_file(false, "Stopping.");
}

int notify_check(char *text, size_t size) {
        const char *path = file_path();
        char status[256] = "";
        struct stat st = { .st_size = 0 };
        int ready = 0;

        if (!path) {
                snprintf(text, size, "NOTIFY_FILE does not say where the daemon's status is.");
                return -EINVAL;
        }
        FILE *file = fopen(path, "re");
        if (!file) {
                int r = -errno;
                snprintf(text, size, "%s: %s", path, strerror(-r));
                return r;
        }
        int n = fscanf(file, "READY=%d STATUS=%255[^\n]", &ready, status);
        int r = fstat(fileno(file), &st);
        fclose(file);
        int64_t age_ms = clock_realtime_ms() - (int64_t) st.st_mtim.tv_sec * 1000;
        if (n != 2 || r < 0 || age_ms > FILE_LIMIT_MS) {
                snprintf(text, size, "No sign of life for %" PRId64 " s; the last: %s",
                         age_ms / 1000, status);
                return -ETIME;
        }
        snprintf(text, size, "%s", status);
        return ready ? 0 : -EAGAIN;
}
