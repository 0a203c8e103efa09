#include "core/json_exact.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

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

/* What mark_numbers() writes to. Without bytes it only counts. */
typedef struct Output {
        char *bytes;
        size_t length;
} Output;

static void put(Output *o, const char *bytes, size_t length) {
        if (o->bytes)
                memcpy(o->bytes + o->length, bytes, length);
        o->length += length;
}

/* A string that begins with the mark would pass for a number: a blank takes its first place. */
static void put_string(Output *o, const char *p, size_t length) {
        bool raw = length > 1 && p[1] == NUMBER_MARK;
        bool escaped = length > 6 && strncasecmp(p + 1, "\\u007f", 6) == 0;

        if (raw || escaped) {
                put(o, "\" ", 2);
                put(o, p + 1, length - 1);
        } else {
                put(o, p, length);
        }
}

/* Marks what is a number and stands where a value may stand. All else, such as 1. or 01 or
 * {1:2}, stays as it is, for jansson to refuse. */
static void put_number(Output *o, const char *p, size_t length, const char *end) {
        static const char prefix[] = { '"', NUMBER_MARK };
        const char *next = p + length;

        while (next < end && strchr(" \t\r\n", *next) && *next)
                next++;
        if ((next < end && *next == ':') || !decimal_is_json_number(p, length)) {
                put(o, p, length);
                return;
        }
        put(o, prefix, sizeof(prefix));
        put(o, p, length);
        put(o, "\"", 1);
}

static bool begins_number(char c) {
        return c == '-' || (c >= '0' && c <= '9');
}

static void mark_numbers(const char *text, size_t length, Output *o) {
        const char *p = text, *end = text + length;

        while (p < end) {
                const char *from = p;
                if (*p == '"') {
                        p = skip_string(p, end);
                        put_string(o, from, (size_t) (p - from));
                } else if (begins_number(*p)) {
                        while (p < end && is_number_char(*p))
                                p++;
                        put_number(o, from, (size_t) (p - from), end);
                } else {
                        while (p < end && *p != '"' && !begins_number(*p))
                                p++;
                        put(o, from, (size_t) (p - from));
                }
        }
}

/* TEXT with its numbers marked; the caller frees the bytes. */
static int mark(const char *text, size_t length, Output *ret) {
        Output marked = { .bytes = NULL };

        if (length > SIZE_MAX / 8)
                return -ENOMEM;
        mark_numbers(text, length, &marked);
        marked.bytes = malloc(marked.length + 1);
        if (!marked.bytes)
                return -ENOMEM;
        marked.length = 0;
        mark_numbers(text, length, &marked);
        *ret = marked;
        return 0;
}

/* jansson takes a failed malloc() for a syntax error, or even drops the character that it had no
 * room for and goes on (lex_save() in its load.c); errno tells. */
static int load(const char *bytes, size_t length, size_t flags, json_t **ret,
                json_error_t *ret_error) {
        errno = 0;
        json_t *root = json_loadb(bytes, length, JSON_REJECT_DUPLICATES | flags, ret_error);
        if (errno == ENOMEM) {
                json_decref(root);
                return -ENOMEM;
        }
        if (!root)
                return -EBADMSG;
        *ret = root;
        return 0;
}

int json_exact_parse(const char *text, size_t length, json_t **ret, json_error_t *ret_error) {
        Output marked;

        *ret_error = (json_error_t){ .line = -1 };
        int r = mark(text, length, &marked);
        if (r < 0)
                return r;
        r = load(marked.bytes, marked.length, 0, ret, ret_error);
        free(marked.bytes);
        return r;
}

static const char *skip_space(const char *p, const char *end) {
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
                p++;
        return p;
}

/* Takes the element that begins at *P and moves behind it. */
static int take_element(const char **p, const char *end,
                        int (*take)(const json_t *element, void *user), void *user) {
        json_error_t error;
        json_t *element;

        int r = load(*p, (size_t) (end - *p), JSON_DISABLE_EOF_CHECK | JSON_DECODE_ANY, &element,
                     &error);
        if (r < 0)
                return r;
        r = take(element, user);
        json_decref(element);
        *p = skip_space(*p + error.position, end);
        return r;
}

static int take_elements(const char *p, const char *end,
                         int (*take)(const json_t *element, void *user), void *user) {
        p = skip_space(p, end);
        if (p == end || *p != '[')
                return -EBADMSG;
        p = skip_space(p + 1, end);
        if (p < end && *p == ']')
                return skip_space(p + 1, end) == end ? 0 : -EBADMSG;
        for (;;) {
                int r = take_element(&p, end, take, user);
                if (r != 0)
                        return r;
                if (p == end || (*p != ',' && *p != ']'))
                        return -EBADMSG;
                if (*p++ == ']')
                        return skip_space(p, end) == end ? 0 : -EBADMSG;
        }
}

int json_exact_each(const char *text, size_t length, int (*take)(const json_t *element, void *user),
                    void *user) {
        Output marked;

        int r = mark(text, length, &marked);
        if (r < 0)
                return r;
        r = take_elements(marked.bytes, marked.bytes + marked.length, take, user);
        free(marked.bytes);
        return r;
}

int json_exact_to_decimal(const json_t *value, Decimal *ret) {
        if (!value || json_is_null(value))
                return -ENODATA;
        const char *text = json_string_value(value);
        if (!text || text[0] != NUMBER_MARK)
                return -EINVAL;
        return decimal_parse(text + 1, json_string_length(value) - 1, ret);
}

int json_exact_decimal(const json_t *object, const char *key, Decimal *ret) {
        return json_exact_to_decimal(json_object_get(object, key), ret);
}

int json_exact_to_int(const json_t *value, int64_t *ret) {
        Decimal d;
        int r = json_exact_to_decimal(value, &d);
        if (r < 0)
                return r;

        char *end;
        errno = 0;
        long long number = strtoll(d.text, &end, 10);
        if (errno == ERANGE)
                return -ERANGE;
        if (*end == '.') /* 12.0 is an integer too, as the collectors of 2025 write them */
                end += 1 + strspn(end + 1, "0");
        if (*end != '\0')
                return -EINVAL;
        *ret = number;
        return 0;
}

int json_exact_int(const json_t *object, const char *key, int64_t *ret) {
        return json_exact_to_int(json_object_get(object, key), ret);
}

const char *json_exact_string(const json_t *object, const char *key) {
        const char *text = json_string_value(json_object_get(object, key));
        return text && text[0] != NUMBER_MARK ? text : NULL;
}
