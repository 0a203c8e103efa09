#include "io/journal.h"

#include <errno.h>
#include <linux/sockios.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* The place in the code would always be send_entry(), and the builder's path. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "core/buffer.h"

#define MAX_FIELDS 24
#define MAX_MESSAGE 2048
#define MAX_JSON 32768
#define SETTLE_MAX_MS 1000

/* The process's log, as stderr is the process's. */
static struct {
        const char *identifier;
        bool to_journal;
        atomic_int level;
        atomic_bool json;
} journal = { "crypto-pulse", false, LOG_INFO, false };

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

void journal_set_format(const char *name) {
        atomic_store(&journal.json, strcmp(name, "json") == 0);
}

static const char *priority_prefix(int priority) {
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

static const char *priority_name(int priority) {
        static const char *const names[] = { [LOG_ERR] = "error",
                                             [LOG_WARNING] = "warning",
                                             [LOG_NOTICE] = "notice",
                                             [LOG_INFO] = "info",
                                             [LOG_DEBUG] = "debug" };

        return priority >= LOG_ERR && priority <= LOG_DEBUG ? names[priority] : "error";
}

/* What others wrote (a coin's name, a server's error) must not begin a line of its own. */
static void flatten(char *text) {
        for (; *text; text++)
                if ((unsigned char) *text < ' ' || *text == 0x7f)
                        *text = ' ';
}

static void format_now(char text[64]) {
        struct timespec now;
        struct tm utc;

        clock_gettime(CLOCK_REALTIME, &now);
        gmtime_r(&now.tv_sec, &utc);
        size_t n = strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &utc);
        snprintf(text + n, 64 - n, ".%03ldZ", now.tv_nsec / 1000000);
}

/* One write(2) per line, so that threads do not mix theirs. */
static void write_text(int priority, const LogField *fields, const char *message) {
        char line[MAX_MESSAGE + 1024];
        char now[64];

        format_now(now);
        size_t n = (size_t) snprintf(line, sizeof(line), "%s %s[%d]: %s%s", now, journal.identifier,
                                     (int) getpid(), priority_prefix(priority), message);
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

/* What is not UTF-8 cannot stand in JSON: then only its ASCII does. */
static int append_string(Buffer *b, const char *text) {
        char plain[MAX_MESSAGE];
        size_t n;

        int r = buffer_append_json_string(b, text);
        if (r != -EILSEQ)
                return r;
        for (n = 0; n < sizeof(plain) - 1 && text[n]; n++)
                plain[n] = (unsigned char) text[n] < 0x80 ? text[n] : '?';
        plain[n] = '\0';
        return buffer_append_json_string(b, plain);
}

static int append_field(Buffer *b, const LogField *f) {
        int r = buffer_append_format(b, ",\"%s\":", f->name);
        if (r < 0)
                return r;
        return f->text ? append_string(b, f->text)
                       : buffer_append_format(b, "%lld", (long long) f->number);
}

static int append_entry(Buffer *b, int priority, const LogField *fields, const char *message) {
        char now[64];

        format_now(now);
        int r = buffer_append_format(b,
                                     "{\"time\":\"%s\",\"level\":\"%s\",\"service\":\"%s\","
                                     "\"pid\":%d,\"message\":",
                                     now, priority_name(priority), journal.identifier,
                                     (int) getpid());
        if (r == 0)
                r = append_string(b, message);
        for (const LogField *f = fields; r == 0 && f && f->name; f++)
                r = append_field(b, f);
        return r == 0 ? buffer_append_text(b, "}\n") : r;
}

/* One object a line; what is too much for that, or for the memory, is told in text. */
static int write_json(int priority, const LogField *fields, const char *message) {
        _cleanup_buffer_ Buffer b = { .max = MAX_JSON };

        int r = append_entry(&b, priority, fields, message);
        if (r == 0) {
                ssize_t written = write(STDERR_FILENO, b.data, b.length);
                (void) written;
        }
        return r;
}

static void write_line(int priority, const LogField *fields, const char *message) {
        if (!atomic_load_explicit(&journal.json, memory_order_relaxed) ||
            write_json(priority, fields, message) < 0)
                write_text(priority, fields, message);
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

/* An empty datagram is no entry, and journald reads it when it is done with those before. Its
 * memory is the sender's until then (unix(7), SIOCOUTQ). */
void journal_settle(void) {
        static const struct sockaddr_un journald = { .sun_family = AF_UNIX,
                                                     .sun_path = "/run/systemd/journal/socket" };
        const struct timespec pause = { .tv_nsec = 1000000 };
        int unread = 0;

        if (!journal.to_journal)
                return;
        int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return;
        ssize_t sent = sendto(fd, "", 0, MSG_DONTWAIT | MSG_NOSIGNAL,
                              (const struct sockaddr *) &journald, sizeof(journald));
        for (int ms = 0; sent == 0 && ms < SETTLE_MAX_MS; ms++) {
                if (ioctl(fd, SIOCOUTQ, &unread) < 0 || unread == 0)
                        break;
                nanosleep(&pause, NULL);
        }
        close(fd);
}
