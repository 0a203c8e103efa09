#include "io/pg_array.h"

#include <string.h>

/* Quotes every element: then only these two characters mean anything in it. */
static int append_quoted(Buffer *b, const char *text) {
        int r = buffer_append(b, "\"", 1);

        while (r == 0 && *text) {
                size_t plain = strcspn(text, "\"\\");
                r = buffer_append(b, text, plain);
                text += plain;
                if (r == 0 && *text) {
                        const char escaped[2] = { '\\', *text++ };
                        r = buffer_append(b, escaped, sizeof(escaped));
                }
        }
        return r < 0 ? r : buffer_append(b, "\"", 1);
}

int pg_array_add(Buffer *b, const char *text) {
        size_t before = b->length;
        int r = buffer_append(b, before == 0 ? "{" : ",", 1);

        if (r == 0)
                r = text ? append_quoted(b, text) : buffer_append_text(b, "NULL");
        /* As buffer_append() itself: what fails leaves nothing behind. */
        if (r < 0) {
                b->length = before;
                if (b->data)
                        b->data[before] = '\0';
        }
        return r;
}

int pg_array_end(Buffer *b) {
        return buffer_append_text(b, b->length == 0 ? "{}" : "}");
}
