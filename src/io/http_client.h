/* One HTTP connection that is kept alive, for one thread that asks and waits. The only file that
 * knows libcurl: TLS verified, gzip accepted, redirects not followed. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/buffer.h"
#include "core/macro.h"

typedef struct HttpClient HttpClient;

typedef struct HttpAnswer {
        int status; /* 200, 429, ... */
        Buffer body;
        int64_t retry_after_ms; /* at most six hours; -1 if the answer did not say */
        int64_t date_ms;        /* when the server says that it was (Date); 0 if it does not */
        int64_t duration_ms;
        int64_t received_at_ns; /* CLOCK_MONOTONIC, when the last byte had come */
} HttpAnswer;

void http_answer_done(HttpAnswer *answer);

typedef struct HttpClientOptions {
        int64_t timeout_ms; /* for a whole exchange */
        size_t max_body;    /* bytes, decompressed */
        const char *user_agent;
        /* Called about once a second while waiting, e.g. to feed a watchdog; may be NULL. */
        void (*on_wait)(void *user);
        void *user;
} HttpClientOptions;

_must_check_ int http_client_new(HttpClient **ret, const HttpClientOptions *options);
void http_client_free(HttpClient *client); /* accepts NULL */
DEFINE_CLEANUP(HttpClient *, http_client_free)

/* GET. HEADERS: "name: value" lines, ended by NULL; never part of an error message, they may
 * hold a key. Returns 0 when there was any HTTP answer; -ECANCELED as soon as CANCEL_FD (or -1)
 * becomes readable; -EMSGSIZE, -ENOMEM, -ETIMEDOUT, -ECONNREFUSED, -EHOSTUNREACH, -EKEYREJECTED
 * (TLS) or -EIO with one line in ERROR. */
_must_check_ int http_client_get(HttpClient *client, const char *url, const char *const *headers,
                                 int cancel_fd, HttpAnswer *ret, char *error, size_t error_size);
