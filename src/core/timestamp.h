/* Points in time: milliseconds since 1970-01-01 UTC, and their RFC 3339 text. Pure; any thread. */
#pragma once

#include <stdint.h>

#include "core/macro.h"

#define TIMESTAMP_TEXT_SIZE sizeof("2026-11-22T11:22:33.123Z")

/* No market existed before Bitcoin's first block, 2009-01-03. */
#define TIMESTAMP_MIN_MS INT64_C(1230940800000)
/* How far a source's clock may run ahead of ours before its time is called absurd. Ours may be the
 * one that is wrong, by a time zone or after a jump, and no price may be lost to that. */
#define TIMESTAMP_AHEAD_MAX_MS INT64_C(86400000)

/* Parses RFC 3339 ("2026-11-22T11:22:33.123Z", any number of fraction digits, Z or an offset;
 * digits beyond the millisecond are cut). -EINVAL if it is anything else. */
_must_check_ int timestamp_parse(const char *text, int64_t *ret_ms);

/* Writes UTC with three fraction digits and Z into BUFFER (years 0000 to 9999). Returns BUFFER. */
char *timestamp_format(int64_t ms, char buffer[TIMESTAMP_TEXT_SIZE]);
