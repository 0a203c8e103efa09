/* Where CoinGecko is and how it wants to be asked, for each plan. Pure.
 * Source: https://docs.coingecko.com/reference/authentication */
#pragma once

#include <stddef.h>

#include "core/config.h"

#define SOURCE_HEADER_MAX 512

typedef struct Source {
        const char *base_url;               /* without a final slash; borrowed or a literal */
        char key_header[SOURCE_HEADER_MAX]; /* "x-cg-demo-api-key: ..."; "" without a key */
} Source;

/* NULL, or why this configuration cannot work, for an error message. */
const char *source_init(Source *ret, const Config *config);
