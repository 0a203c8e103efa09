#include "core/timestamp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Days since 1970-01-01 of a date in the Gregorian calendar (Howard Hinnant, "chrono-Compatible
 * Low-Level Date Algorithms", days_from_civil): timegm(3) without its libc and its time zone. */
static int64_t days_from_civil(int year, int month, int day) {
        int y = month <= 2 ? year - 1 : year;
        int era = (y >= 0 ? y : y - 399) / 400;
        int year_of_era = y - era * 400;
        int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        return (int64_t) era * 146097 + day_of_era - 719468;
}

static void civil_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day) {
        days += 719468;
        int64_t era = (days >= 0 ? days : days - 146096) / 146097;
        int doe = (int) (days - era * 146097);
        int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
        int doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        int mp = (5 * doy + 2) / 153;
        *ret_day = doy - (153 * mp + 2) / 5 + 1;
        *ret_month = mp < 10 ? mp + 3 : mp - 9;
        *ret_year = (int) (era * 400) + yoe + (*ret_month <= 2);
}

static int days_in_month(int year, int month) {
        static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        return days[month - 1] + (month == 2 && leap);
}

/* Exactly N digits. */
static bool read_digits(const char **p, int n, int *ret) {
        int value = 0;
        for (int i = 0; i < n; i++) {
                char c = (*p)[i];
                if (c < '0' || c > '9')
                        return false;
                value = value * 10 + (c - '0');
        }
        *p += n;
        *ret = value;
        return true;
}

static bool read_char(const char **p, const char *allowed) {
        if (**p == '\0' || !strchr(allowed, **p))
                return false;
        (*p)++;
        return true;
}

static bool read_fraction_ms(const char **p, int *ret_ms) {
        int ms = 0, digits = 0;
        for (; **p >= '0' && **p <= '9'; (*p)++, digits++)
                if (digits < 3)
                        ms = ms * 10 + (**p - '0');
        for (int i = digits; i < 3; i++)
                ms *= 10;
        *ret_ms = ms;
        return digits > 0;
}

static bool read_offset_minutes(const char **p, int *ret) {
        int hours, minutes;
        *ret = 0;
        if (read_char(p, "Zz"))
                return true;
        bool west = **p == '-';
        if (!read_char(p, "+-") || !read_digits(p, 2, &hours) || !read_char(p, ":") ||
            !read_digits(p, 2, &minutes) || hours > 23 || minutes > 59)
                return false;
        *ret = (west ? -1 : 1) * (hours * 60 + minutes);
        return true;
}

int timestamp_parse(const char *text, int64_t *ret_ms) {
        const char *p = text;
        int year, month, day, hour, minute, second, ms = 0, offset;

        if (!read_digits(&p, 4, &year) || !read_char(&p, "-") || !read_digits(&p, 2, &month) ||
            !read_char(&p, "-") || !read_digits(&p, 2, &day) || !read_char(&p, "Tt ") ||
            !read_digits(&p, 2, &hour) || !read_char(&p, ":") || !read_digits(&p, 2, &minute) ||
            !read_char(&p, ":") || !read_digits(&p, 2, &second))
                return -EINVAL;
        if (read_char(&p, ".") && !read_fraction_ms(&p, &ms))
                return -EINVAL;
        if (!read_offset_minutes(&p, &offset) || *p != '\0')
                return -EINVAL;
        /* Second 60 is a leap second; it counts as the next minute's first. */
        if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
            minute > 59 || second > 60)
                return -EINVAL;

        int64_t minutes = (days_from_civil(year, month, day) * 24 + hour) * 60 + minute - offset;
        *ret_ms = (minutes * 60 + second) * 1000 + ms;
        return 0;
}

char *timestamp_format(int64_t ms, char buffer[TIMESTAMP_TEXT_SIZE]) {
        int64_t days = ms / 86400000;
        int64_t rest = ms % 86400000;
        int year, month, day;

        if (rest < 0) {
                days--;
                rest += 86400000;
        }
        civil_from_days(days, &year, &month, &day);
        /* The modulos change nothing; they tell the compiler how wide each number can be. */
        snprintf(buffer, TIMESTAMP_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
                 (unsigned) year % 10000, (unsigned) month % 100, (unsigned) day % 100,
                 (unsigned) (rest / 3600000) % 100, (unsigned) (rest / 60000) % 60,
                 (unsigned) (rest / 1000) % 60, (unsigned) (rest % 1000));
        return buffer;
}
