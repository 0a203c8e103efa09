/* cmocka needs these four before its own header; and what most of the tests use. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/macro.h"

/* Says which row of a table a failure is about, and fails. */
#define fail_row(i, ...)                                                                           \
        do {                                                                                       \
                print_error("row %zu: ", (size_t) (i));                                            \
                fail_msg(__VA_ARGS__);                                                             \
        } while (0)

/* A small reproducible random source (xorshift64*). */
static inline uint64_t unit_random(uint64_t *state) {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        return *state * UINT64_C(2685821657736338717);
}
