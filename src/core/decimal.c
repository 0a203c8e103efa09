#include "core/decimal.h"

#include <errno.h>
#include <string.h>

/* The parts of a JSON number, as spans of the source text. */
typedef struct NumberSpan {
        bool negative;
        const char *integer, *fraction;
        size_t n_integer, n_fraction;
        long exponent;
} NumberSpan;

static bool is_digit(char c) {
        return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *p, const char *end) {
        while (p < end && is_digit(*p))
                p++;
        return p;
}

/* "e-09" and the like; beyond a few digits the exponent's size no longer matters. */
static int parse_exponent(const char **p, const char *end, long *ret) {
        bool negative = false;
        long value = 0;

        if (*p < end && (**p == '+' || **p == '-'))
                negative = *(*p)++ == '-';
        if (*p == end || !is_digit(**p))
                return -EINVAL;
        for (; *p < end && is_digit(**p); (*p)++)
                value = value < 100000 ? value * 10 + (**p - '0') : value;

        *ret = negative ? -value : value;
        return 0;
}

/* The grammar of RFC 8259 section 6. */
static int parse_span(const char *p, const char *end, NumberSpan *ret) {
        NumberSpan s = { 0 };

        if (p < end && *p == '-') {
                s.negative = true;
                p++;
        }

        s.integer = p;
        p = skip_digits(p, end);
        s.n_integer = (size_t) (p - s.integer);
        if (s.n_integer == 0 || (s.n_integer > 1 && s.integer[0] == '0'))
                return -EINVAL;

        if (p < end && *p == '.') {
                s.fraction = ++p;
                p = skip_digits(p, end);
                s.n_fraction = (size_t) (p - s.fraction);
                if (s.n_fraction == 0)
                        return -EINVAL;
        }
        if (p < end && (*p == 'e' || *p == 'E')) {
                p++;
                int r = parse_exponent(&p, end, &s.exponent);
                if (r < 0)
                        return r;
        }
        if (p != end)
                return -EINVAL;

        *ret = s;
        return 0;
}

static bool is_zero(const NumberSpan *s) {
        for (size_t i = 0; i < s->n_integer; i++)
                if (s->integer[i] != '0')
                        return false;
        for (size_t i = 0; i < s->n_fraction; i++)
                if (s->fraction[i] != '0')
                        return false;
        return true;
}

static char digit_at(const NumberSpan *s, long i) {
        if (i < 0 || i >= (long) (s->n_integer + s->n_fraction))
                return '0';
        return i < (long) s->n_integer ? s->integer[i] : s->fraction[i - (long) s->n_integer];
}

/* Writes the digits around the point, which stands before digit number POINT. */
static int write_plain(const NumberSpan *s, Decimal *ret) {
        long n_digits = (long) (s->n_integer + s->n_fraction);
        long point = (long) s->n_integer + s->exponent;
        long first = point > 0 ? 0 : point - 1; /* always one digit before the point */
        long last = point > n_digits ? point : n_digits;

        /* Expanding 10e2 must not leave zeros in front: 0.05e2 is 5, not 005. */
        while (first < point - 1 && digit_at(s, first) == '0')
                first++;

        long length = last - first + (last > point) + s->negative;
        if (length > DECIMAL_TEXT_MAX)
                return -ERANGE;

        char *out = ret->text;
        if (s->negative)
                *out++ = '-';
        for (long i = first; i < last; i++) {
                if (i == point)
                        *out++ = '.';
                *out++ = digit_at(s, i);
        }
        *out = '\0';
        return 0;
}

bool decimal_is_json_number(const char *text, size_t length) {
        NumberSpan span;
        return parse_span(text, text + length, &span) == 0;
}

int decimal_parse(const char *text, size_t length, Decimal *ret) {
        NumberSpan span;
        Decimal result;

        int r = parse_span(text, text + length, &span);
        if (r < 0)
                return r;
        if (span.n_integer + span.n_fraction > 2 * DECIMAL_TEXT_MAX)
                return -ERANGE;
        if (is_zero(&span))
                span.negative = false; /* PostgreSQL's numeric has no -0 */
        r = write_plain(&span, &result);
        if (r < 0)
                return r;

        *ret = result;
        return 0;
}

bool decimal_is_positive(const Decimal *d) {
        return d->text[0] != '-' && strpbrk(d->text, "123456789");
}
