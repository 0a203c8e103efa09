/* A fuzzer: libFuzzer calls it with one input after the other and looks for crashes, sanitizer
 * reports and broken promises (must()). */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/macro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* assert(3) that no NDEBUG takes away. */
#define must(condition)                                                                            \
        do {                                                                                       \
                if (!(condition))                                                                  \
                        abort();                                                                   \
        } while (0)

/* The input as a C string; the caller frees it. */
static inline char *fuzz_text(const uint8_t *data, size_t size) {
        char *text = malloc(size + 1);
        must(text);
        if (size > 0)
                memcpy(text, data, size);
        text[size] = '\0';
        return text;
}
