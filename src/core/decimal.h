/* Decimal numbers as text, so that no digit of a price is ever changed.
 *
 * A double would keep the value but not the text (2.0 becomes 2), and another producer's thirty
 * digits would not survive it. A Decimal holds the canonical text: plain notation, every digit
 * and trailing zero of the source kept, exponents expanded (1.223e-09 is 0.000000001223), the
 * same text that PostgreSQL's numeric gives back. Pure; any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/macro.h"

#define DECIMAL_TEXT_MAX 63

typedef struct Decimal {
        char text[DECIMAL_TEXT_MAX + 1]; /* "" means: no value (JSON null) */
} Decimal;

/* Parses one JSON number (RFC 8259 section 6) of LENGTH bytes.
 * -EINVAL: not a JSON number; -ERANGE: its plain notation exceeds DECIMAL_TEXT_MAX. */
_must_check_ int decimal_parse(const char *text, size_t length, Decimal *ret);

/* True if it is a JSON number at all, however large. */
bool decimal_is_json_number(const char *text, size_t length);

static inline bool decimal_is_set(const Decimal *d) {
        return d->text[0] != '\0';
}

/* True for a set value greater than zero. */
bool decimal_is_positive(const Decimal *d);
