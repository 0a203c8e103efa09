#include "core/json_exact.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "core/buffer.h"

/* DEL: legal inside a JSON string, but nothing is ever called so. */
#define NUMBER_MARK '\x7f'

static bool is_number_char(char c) {
        return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* The end of the string literal that begins at P (its quote), or END. */
static const char *skip_string(const char *p, const char *end) {
        for (p++; p < end; p++) {
                if (*p == '\\')
                        p++;
                else if (*p == '"')
                        return p + 1;
        }
        return end;
}

/* A number begins where, outside of strings, a digit or a minus stands; it ends with the last
 * character that numbers are made of. Whether it is well-formed, decimal_parse() finds out. */
static const char *skip_number(const char *p, const char *end) {
        while (p < end && is_number_char(*p))
                p++;
        return p;
}

static char *mark_number(char *out, const char *number, size_t length) {
        *out++ = '"';
        *out++ = NUMBER_MARK;
        memcpy(out, number, length);
        out += length;
        *out++ = '"';
        return out;
}

/* OUT must have room for four times the text: each one-digit number grows by three. */
static size_t mark_numbers(const char *text, size_t length, char *out) {
        const char *p = text, *end = text + length;
        char *o = out;

        while (p < end) {
                const char *from = p;
                if (*p == '"') {
                        p = skip_string(p, end);
                } else if (*p == '-' || (*p >= '0' && *p <= '9')) {
                        p = skip_number(p, end);
                        o = mark_number(o, from, (size_t) (p - from));
                        continue;
                } else {
                        p++;
                }
                memcpy(o, from, (size_t) (p - from));
                o += p - from;
        }
        return (size_t) (o - out);
}

json_t *json_exact_parse(const char *text, size_t length, json_error_t *ret_error) {
        if (length > SIZE_MAX / 8)
                return NULL;
        _cleanup_free_ char *marked = malloc(length * 4 + 1);
        if (!marked) {
                strcpy(ret_error->text, "out of memory");
                return NULL;
        }
        size_t n = mark_numbers(text, length, marked);
        return json_loadb(marked, n, JSON_REJECT_DUPLICATES, ret_error);
}

int json_exact_decimal(const json_t *object, const char *key, Decimal *ret) {
        const json_t *value = json_object_get(object, key);
        if (!value || json_is_null(value))
                return -ENODATA;
        const char *text = json_string_value(value);
        if (!text || text[0] != NUMBER_MARK)
                return -EINVAL;
        return decimal_parse(text + 1, json_string_length(value) - 1, ret);
}

int json_exact_int(const json_t *object, const char *key, int64_t *ret) {
        Decimal d;
        int r = json_exact_decimal(object, key, &d);
        if (r < 0)
                return r;

        char *end;
        errno = 0;
        long long value = strtoll(d.text, &end, 10);
        if (errno == ERANGE)
                return -ERANGE;
        if (*end == '.') /* 12.0 is an integer too, as the collectors of 2025 write them */
                end += 1 + strspn(end + 1, "0");
        if (*end != '\0')
                return -EINVAL;
        *ret = value;
        return 0;
}

const char *json_exact_string(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));
        return text && text[0] != NUMBER_MARK ? text : NULL;
}
