/* Where CoinGecko is and how it wants to be asked, for each plan. Pure.
 * Source: https://docs.coingecko.com/reference/authentication */
#pragma once

#include <stddef.h>

#include "core/config.h"

#define SOURCE_HEADER_MAX 512
#define SOURCE_URL_MAX 2049

typedef struct Source {
        char base_url[SOURCE_URL_MAX];      /* without a final slash */
        char key_header[SOURCE_HEADER_MAX]; /* "x-cg-demo-api-key: ..."; "" without a key */
} Source;

/* NULL, or why this configuration cannot work, for an error message (a static text). */
const char *source_init(Source *ret, const Config *config);
