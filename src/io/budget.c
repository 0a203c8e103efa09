#include "io/budget.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define FILE_NAME "calls-this-month"

static int month_of(int64_t ms) {
        time_t seconds = (time_t) (ms / 1000);
        struct tm utc;
        gmtime_r(&seconds, &utc);
        return (utc.tm_year + 1900) * 12 + utc.tm_mon;
}

static int64_t ms_to_month_end(int64_t now_ms) {
        int month = month_of(now_ms) + 1;
        struct tm first = { .tm_year = month / 12 - 1900, .tm_mon = month % 12, .tm_mday = 1 };
        return (int64_t) timegm(&first) * 1000 - now_ms;
}

/* The file is one line: "2026-11 1234". */
static int read_count(Budget *b) {
        int year, month;
        long long used;
        FILE *f = fopen(b->path, "re");
        if (!f)
                return errno == ENOENT ? 0 : -errno;
        int n = fscanf(f, "%4d-%2d %18lld", &year, &month, &used);
        fclose(f);
        if (n != 3 || year < 0 || month < 1 || month > 12 || used < 0)
                return -EBADMSG;
        if (year * 12 + month - 1 == b->month)
                b->used = used;
        return 0;
}

/* Written beside the old one and renamed over it: never half a file. */
static int write_count(const Budget *b) {
        char temporary[4096 + 16], line[64];

        snprintf(temporary, sizeof(temporary), "%s.new", b->path);
        int n = snprintf(line, sizeof(line), "%04d-%02d %lld\n", b->month / 12, b->month % 12 + 1,
                         (long long) b->used);
        int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
        if (fd < 0)
                return -errno;
        ssize_t written = write(fd, line, (size_t) n);
        int r = written == n ? 0 : written < 0 ? -errno : -ENOSPC;
        if (r == 0 && fsync(fd) < 0)
                r = -errno;
        if (close(fd) < 0 && r == 0)
                r = -errno;
        if (r == 0 && rename(temporary, b->path) < 0)
                r = -errno;
        if (r < 0)
                unlink(temporary);
        return r;
}

int budget_open(Budget *ret, int64_t monthly_calls, const char *directory, int64_t now_ms) {
        Budget b = { .monthly_calls = monthly_calls, .month = month_of(now_ms) };
        int r = 0;

        if (directory && *directory) {
                if (strlen(directory) + sizeof("/" FILE_NAME) > 4096) {
                        r = -ENAMETOOLONG;
                } else if (asprintf(&b.path, "%s/" FILE_NAME, directory) < 0) {
                        b.path = NULL;
                        r = -ENOMEM;
                } else {
                        r = read_count(&b);
                }
        }
        *ret = b;
        return r;
}

void budget_done(Budget *b) {
        free(b->path);
        b->path = NULL;
}

/* The file itself is replaced with each write, so the folder is what is locked. A descriptor to
 * close, or negative errno. */
static int lock_folder(const Budget *b) {
        char folder[4096 + 16];

        snprintf(folder, sizeof(folder), "%.*s", (int) (strrchr(b->path, '/') - b->path + 1),
                 b->path);
        int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        int r;
        while ((r = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
                ;
        if (r == 0)
                return fd;
        r = -errno;
        close(fd);
        return r;
}

/* Whoever shares the file may have counted on. A file that cannot be read changes nothing. */
static void take_over_count(Budget *b) {
        Budget noted = { .month = b->month, .path = b->path };
        if (read_count(&noted) == 0)
                b->used = MAX_OF(b->used, noted.used);
}

int budget_spend(Budget *b, int64_t now_ms) {
        int month = month_of(now_ms);

        if (month != b->month) {
                b->month = month;
                b->used = 0;
        }
        if (!b->path || b->monthly_calls == 0) {
                b->used++;
                return 0;
        }
        int lock = lock_folder(b);
        if (lock >= 0)
                take_over_count(b);
        b->used++;
        int r = lock < 0 ? lock : write_count(b);
        if (lock >= 0)
                close(lock);
        return r;
}

/* What the month of NOW_MS has used: nothing, if the count is an earlier month's. */
static int64_t used_by(const Budget *b, int64_t now_ms) {
        return b->month == month_of(now_ms) ? b->used : 0;
}

bool budget_is_exhausted(const Budget *b, int64_t now_ms) {
        return b->monthly_calls > 0 && used_by(b, now_ms) >= b->monthly_calls;
}

int64_t budget_spacing_ms(const Budget *b, int64_t now_ms) {
        if (b->monthly_calls == 0)
                return 0;
        int64_t used = used_by(b, now_ms);
        int64_t left = MAX_OF(b->monthly_calls - used, INT64_C(0));
        return left > 0 ? ms_to_month_end(now_ms) / left : ms_to_month_end(now_ms);
}

int64_t budget_interval_ms(const Budget *b, int64_t now_ms, size_t n_calls, int64_t least_ms) {
        return MAX_OF(least_ms, budget_spacing_ms(b, now_ms) * (int64_t) n_calls);
}
