#include "api/reply.h"

#include <stdio.h>
#include <string.h>

#include "core/buffer.h"

#define MAX_HEADERS 8

typedef struct Headers {
        HttpHeader list[MAX_HEADERS + 1];
        size_t n;
} Headers;

static void add(Headers *h, const char *name, const char *value) {
        if (value && h->n < MAX_HEADERS)
                h->list[h->n++] = (HttpHeader){ name, value };
}

static void add_common(Headers *h, const Config *config) {
        add(h, "x-content-type-options", "nosniff");
        if (*config->cors_origin) {
                add(h, "access-control-allow-origin", config->cors_origin);
                add(h, "access-control-expose-headers", "X-Cache, Retry-After");
                if (strcmp(config->cors_origin, "*") != 0)
                        add(h, "vary", "origin");
        }
}

static const char *cache_text(CacheUse cache) {
        static const char *const texts[] = { [CACHE_NONE] = NULL,
                                             [CACHE_HIT] = "HIT",
                                             [CACHE_STALE] = "STALE",
                                             [CACHE_MISS] = "MISS",
                                             [CACHE_BYPASS] = "BYPASS" };
        return texts[cache];
}

void reply_json(HttpRequest *r, const Config *config, int status, const void *body, size_t length,
                CacheUse cache) {
        Headers h = { .n = 0 };

        /* Prices change: whoever wants the newest asks us, and Redis is our own affair. */
        add(&h, "cache-control", "no-cache");
        add(&h, "x-cache", cache_text(cache));
        add_common(&h, config);
        http_request_respond(r, &(HttpResponse){ .status = status,
                                                 .content_type = "application/json",
                                                 .headers = h.list,
                                                 .body = body,
                                                 .body_length = length });
}

static const char *title_of(int status) {
        switch (status) {
        case 400:
                return "Bad Request";
        case 404:
                return "Not Found";
        case 405:
                return "Method Not Allowed";
        case 503:
                return "Service Unavailable";
        default:
                return "Internal Server Error";
        }
}

static int build_problem(Buffer *b, int status, const char *detail, const char *path) {
        int r = buffer_append_format(
                        b, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":",
                        title_of(status), status);
        if (r == 0)
                r = buffer_append_json_string(b, detail);
        if (r == 0)
                r = buffer_append_text(b, ",\"instance\":");
        /* A path that is no UTF-8 cannot stand in JSON. */
        if (r == 0 && buffer_append_json_string(b, path) < 0)
                r = buffer_append_text(b, "\"\"");
        return r < 0 ? r : buffer_append_text(b, "}");
}

void reply_problem(HttpRequest *r, const Config *config, int status, const char *detail,
                   const char *allow, int retry_after_s) {
        _cleanup_buffer_ Buffer body = { .data = NULL };
        char retry_after[16];
        Headers h = { .n = 0 };

        snprintf(retry_after, sizeof(retry_after), "%d", retry_after_s);
        add(&h, "cache-control", "no-store");
        add(&h, "allow", allow);
        add(&h, "retry-after", retry_after_s > 0 ? retry_after : NULL);
        add_common(&h, config);
        if (build_problem(&body, status, detail, http_request_path(r)) < 0)
                buffer_clear(&body);
        http_request_respond(r, &(HttpResponse){ .status = status,
                                                 .content_type = "application/problem+json",
                                                 .headers = h.list,
                                                 .body = body.data,
                                                 .body_length = body.length });
}

void reply_preflight(HttpRequest *r, const Config *config) {
        Headers h = { .n = 0 };

        add(&h, "allow", "GET, HEAD, OPTIONS");
        if (*config->cors_origin) {
                add(&h, "access-control-allow-methods", "GET, HEAD");
                add(&h, "access-control-max-age", "86400");
        }
        add_common(&h, config);
        http_request_respond(r, &(HttpResponse){ .status = 204, .headers = h.list });
}
