#include "io/journal.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The place in the code would always be send_entry(), and the builder's path. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define MAX_FIELDS 24
#define MAX_MESSAGE 2048

/* The process's log, as stderr is the process's. */
static struct {
        const char *identifier;
        bool to_journal;
        atomic_int level;
} journal = { "crypto-pulse", false, LOG_INFO };

static const struct {
        const char *name;
        int priority;
} levels[] = { { "error", LOG_ERR },
               { "warning", LOG_WARNING },
               { "info", LOG_INFO },
               { "debug", LOG_DEBUG } };

/* $JOURNAL_STREAM names the socket that the service manager made our stderr (systemd.exec(5)). */
static bool stderr_is_journal(void) {
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void journal_open(const char *identifier) {
        journal.identifier = identifier;
        journal.to_journal = stderr_is_journal();
}

void journal_set_level(const char *name) {
        for (size_t i = 0; i < ELEMENTS(levels); i++)
                if (strcmp(levels[i].name, name) == 0)
                        atomic_store(&journal.level, levels[i].priority);
}

static const char *priority_name(int priority) {
        switch (priority) {
        case LOG_ERR:
                return "error: ";
        case LOG_WARNING:
                return "warning: ";
        case LOG_DEBUG:
                return "debug: ";
        default:
                return "";
        }
}

/* What others wrote (a coin's name, a server's error) must not begin a line of its own. */
static void flatten(char *text) {
        for (; *text; text++)
                if ((unsigned char) *text < ' ' || *text == 0x7f)
                        *text = ' ';
}

/* One write(2) per line, so that threads do not mix theirs. */
static void write_line(int priority, const LogField *fields, const char *message) {
        char line[MAX_MESSAGE + 1024];
        struct timespec now;
        struct tm utc;
        char time_text[32];

        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &utc);
        strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%S", &utc);
        size_t n = (size_t) snprintf(line, sizeof(line), "%s.%03ldZ %s[%d]: %s%s", time_text,
                                     now.tv_nsec / 1000000, journal.identifier, (int) getpid(),
                                     priority_name(priority), message);
        for (const LogField *f = fields; f && f->name && n < sizeof(line) - 64; f++) {
                if (strcmp(f->name, "MESSAGE_ID") == 0)
                        continue; /* for journalctl -x, not for the eye */
                if (f->text)
                        n += (size_t) snprintf(line + n, sizeof(line) - n, " %s=%s", f->name,
                                               f->text);
                else
                        n += (size_t) snprintf(line + n, sizeof(line) - n, " %s=%lld", f->name,
                                               (long long) f->number);
        }
        flatten(line);
        n = MIN_OF(n, sizeof(line) - 2);
        line[n++] = '\n';
        ssize_t written = write(STDERR_FILENO, line, n);
        (void) written; /* there is nowhere left to complain */
}

static void send_entry(int priority, const LogField *fields, const char *message) {
        char texts[MAX_FIELDS][512];
        struct iovec iov[MAX_FIELDS];
        int n = 0;

        char message_field[MAX_MESSAGE + 16];
        snprintf(message_field, sizeof(message_field), "MESSAGE=%s", message);
        iov[n++] = (struct iovec){ message_field, strlen(message_field) };
        snprintf(texts[n], sizeof(texts[n]), "PRIORITY=%d", priority);
        iov[n] = (struct iovec){ texts[n], strlen(texts[n]) };
        n++;
        snprintf(texts[n], sizeof(texts[n]), "SYSLOG_IDENTIFIER=%s", journal.identifier);
        iov[n] = (struct iovec){ texts[n], strlen(texts[n]) };
        n++;
        for (const LogField *f = fields; f && f->name && n < MAX_FIELDS; f++, n++) {
                if (f->text)
                        snprintf(texts[n], sizeof(texts[n]), "%s=%s", f->name, f->text);
                else
                        snprintf(texts[n], sizeof(texts[n]), "%s=%lld", f->name,
                                 (long long) f->number);
                iov[n] = (struct iovec){ texts[n], strlen(texts[n]) };
        }
        if (sd_journal_sendv(iov, n) < 0)
                write_line(priority, fields, message);
}

void journal_log(int priority, const LogField *fields, const char *format, ...) {
        char message[MAX_MESSAGE];
        va_list ap;

        if (priority > atomic_load_explicit(&journal.level, memory_order_relaxed))
                return;
        int saved_errno = errno;
        va_start(ap, format);
        vsnprintf(message, sizeof(message), format, ap);
        va_end(ap);
        if (journal.to_journal)
                send_entry(priority, fields, message);
        else
                write_line(priority, fields, message);
        errno = saved_errno;
}
