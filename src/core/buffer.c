#include "core/buffer.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

void buffer_done(Buffer *b) {
        free(b->data);
        *b = (Buffer){ .max = b->max };
}

int buffer_reserve(Buffer *b, size_t extra) {
        assert(b->length <= b->capacity);

        if (extra > SIZE_MAX / 4 || b->length > SIZE_MAX / 4)
                return -EMSGSIZE;
        size_t need = b->length + extra;
        if (b->max && need > b->max)
                return -EMSGSIZE;
        if (need <= b->capacity && b->data)
                return 0;

        size_t capacity = MAX_OF(need, b->capacity * 2);
        capacity = MAX_OF(capacity, (size_t) 128);
        if (b->max)
                capacity = MIN_OF(capacity, b->max);
        char *data = realloc(b->data, capacity + 1);
        if (!data)
                return -ENOMEM;
        b->data = data;
        b->capacity = capacity;
        return 0;
}

int buffer_append(Buffer *b, const void *data, size_t length) {
        int r = buffer_reserve(b, length);
        if (r < 0)
                return r;
        if (length > 0)
                memcpy(b->data + b->length, data, length);
        b->length += length;
        b->data[b->length] = '\0';
        return 0;
}

int buffer_append_text(Buffer *b, const char *text) {
        return buffer_append(b, text, strlen(text));
}

int buffer_append_format(Buffer *b, const char *format, ...) {
        va_list ap;

        va_start(ap, format);
        int n = vsnprintf(NULL, 0, format, ap);
        va_end(ap);
        if (n < 0)
                return -EINVAL;
        int r = buffer_reserve(b, (size_t) n);
        if (r < 0)
                return r;

        va_start(ap, format);
        vsnprintf(b->data + b->length, (size_t) n + 1, format, ap);
        va_end(ap);
        b->length += (size_t) n;
        return 0;
}

int buffer_append_json_string(Buffer *b, const char *text) {
        errno = 0;
        json_t *string = json_string(text);
        if (!string)
                return errno == ENOMEM ? -ENOMEM : -EILSEQ;

        /* The first call measures; both leave the length out of the terminating NUL. */
        size_t n = json_dumpb(string, NULL, 0, JSON_ENCODE_ANY | JSON_COMPACT);
        int r = n > 0 ? buffer_reserve(b, n) : -ENOMEM;
        if (r == 0) {
                json_dumpb(string, b->data + b->length, n, JSON_ENCODE_ANY | JSON_COMPACT);
                b->length += n;
                b->data[b->length] = '\0';
        }
        json_decref(string);
        return r;
}

int buffer_append_encoded(Buffer *b, const char *text) {
        static const char unreserved[] =
                        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
        int r = 0;
        for (; *text && r == 0; text++)
                r = strchr(unreserved, *text)
                                    ? buffer_append(b, text, 1)
                                    : buffer_append_format(b, "%%%02X", (unsigned char) *text);
        return r;
}
