/* A growable byte buffer with an upper bound; also the way JSON text is put together.
 *
 * Invariant: length <= capacity <= max, and data[length] is NUL once anything was appended.
 * After a failed append the buffer holds what it held before. Not thread-safe. */
#pragma once

#include <stddef.h>

#include "core/macro.h"

typedef struct Buffer {
        char *data;
        size_t length;
        size_t capacity;
        size_t max; /* bytes; 0: no bound */
} Buffer;

void buffer_done(Buffer *b); /* frees the bytes; the Buffer itself may be reused */
static inline void buffer_clear(Buffer *b) {
        b->length = 0;
        if (b->data)
                b->data[0] = '\0';
}

/* All appends: 0, -ENOMEM, or -EMSGSIZE if the bound would be exceeded. */
_must_check_ int buffer_reserve(Buffer *b, size_t extra);
_must_check_ int buffer_append(Buffer *b, const void *data, size_t length);
_must_check_ int buffer_append_text(Buffer *b, const char *text);
_must_check_ _printf_(2, 3) int buffer_append_format(Buffer *b, const char *format, ...);
/* TEXT with what may not stand in a part of a URL percent-encoded (RFC 3986 section 2.3). */
_must_check_ int buffer_append_encoded(Buffer *b, const char *text);
/* TEXT (UTF-8) as a quoted, escaped JSON string. -EILSEQ if it is not UTF-8. */
_must_check_ int buffer_append_json_string(Buffer *b, const char *text);

#define _cleanup_buffer_ _cleanup_(buffer_done)
