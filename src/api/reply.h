/* The API's answers: JSON with its headers, and RFC 9457 problem documents. Loop thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/config.h"
#include "io/http_server.h"

/* What X-Cache says: where the answer comes from. */
typedef enum CacheUse {
        CACHE_NONE,   /* nothing to say: this answer is never cached */
        CACHE_HIT,    /* from Redis */
        CACHE_STALE,  /* from Redis, no longer fresh: PostgreSQL is away */
        CACHE_MISS,   /* from PostgreSQL, and now in Redis */
        CACHE_BYPASS, /* from PostgreSQL; Redis is off or away */
} CacheUse;

/* Ends the request with a JSON body. */
void reply_json(HttpRequest *r, const Config *config, int status, const void *body, size_t length,
                CacheUse cache);

/* Ends the request with application/problem+json. DETAIL says what to do about it. For 405 ALLOW
 * lists the methods, for 503 RETRY_AFTER_S is given; else NULL and 0. */
void reply_problem(HttpRequest *r, const Config *config, int status, const char *detail,
                   const char *allow, int retry_after_s);

/* Answers a CORS preflight (https://fetch.spec.whatwg.org/#cors-preflight-fetch). */
void reply_preflight(HttpRequest *r, const Config *config);
