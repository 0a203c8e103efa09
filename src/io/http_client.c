#include "io/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"

/* What newer versions of curl take for the most, too. */
#define RETRY_AFTER_MAX_S 21600

struct HttpClient {
        CURLM *multi; /* drives the one easy handle, because curl_multi_poll() can be interrupted */
        CURL *easy;
        HttpClientOptions options;
        char curl_error[CURL_ERROR_SIZE];
};

void http_answer_done(HttpAnswer *answer) {
        buffer_done(&answer->body);
}

/* One answer on its way. */
typedef struct Transfer {
        HttpAnswer answer;
        int body_error; /* why the body was not taken: -EMSGSIZE, -ENOMEM */
} Transfer;

static size_t on_body(char *data, size_t size, size_t n, void *user) {
        Transfer *t = user;
        t->body_error = buffer_append(&t->answer.body, data, size * n);
        /* A short count makes curl give up with CURLE_WRITE_ERROR. */
        return t->body_error < 0 ? 0 : size * n;
}

static bool set_options(HttpClient *c, const HttpClientOptions *o) {
        CURL *e = c->easy;
        return !curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body) &&
               !curl_easy_setopt(e, CURLOPT_ERRORBUFFER, c->curl_error) &&
               !curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L) &&
               !curl_easy_setopt(e, CURLOPT_ACCEPT_ENCODING, "gzip") &&
               !curl_easy_setopt(e, CURLOPT_USERAGENT, o->user_agent) &&
               /* Who gives up does not wait for the thread that looks a name up. */
               !curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L) &&
               !curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long) o->timeout_ms) &&
               !curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t) o->max_body) &&
               !curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L) &&
               !curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
}

int http_client_new(HttpClient **ret, const HttpClientOptions *options) {
        _cleanup_(http_client_freep) HttpClient *c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        c->options = *options;
        c->multi = curl_multi_init();
        c->easy = curl_easy_init();
        if (!c->multi || !c->easy || !set_options(c, options))
                return -ENOMEM;
        *ret = TAKE_PTR(c);
        return 0;
}

void http_client_free(HttpClient *client) {
        if (!client)
                return;
        curl_easy_cleanup(client->easy);
        curl_multi_cleanup(client->multi);
        free(client);
}

/* Runs the transfer until it ends. 0, -ECANCELED, or -EIO for what curl_multi itself refused. */
static int drive(HttpClient *c, int cancel_fd, CURLcode *ret) {
        struct curl_waitfd cancel = { .fd = cancel_fd, .events = CURL_WAIT_POLLIN };
        int running = 1;

        for (;;) {
                if (curl_multi_perform(c->multi, &running))
                        return -EIO;
                if (!running)
                        break;
                cancel.revents = 0;
                if (curl_multi_poll(c->multi, &cancel, cancel_fd >= 0 ? 1 : 0, 1000, NULL))
                        return -EIO;
                if (cancel.revents)
                        return -ECANCELED;
                if (c->options.on_wait)
                        c->options.on_wait(c->options.user);
        }
        int left;
        const CURLMsg *message = curl_multi_info_read(c->multi, &left);
        if (!message || message->msg != CURLMSG_DONE)
                return -EIO;
        *ret = message->data.result;
        return 0;
}

static int errno_of_curl(CURLcode code) {
        switch (code) {
        case CURLE_OPERATION_TIMEDOUT:
                return -ETIMEDOUT;
        case CURLE_COULDNT_CONNECT:
                return -ECONNREFUSED;
        case CURLE_COULDNT_RESOLVE_HOST:
        case CURLE_COULDNT_RESOLVE_PROXY:
                return -EHOSTUNREACH;
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CONNECT_ERROR:
                return -EKEYREJECTED;
        default:
                return -EIO;
        }
}

static int64_t monotonic_ns(void) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return (int64_t) t.tv_sec * 1000000000 + t.tv_nsec;
}

/* curl reads both forms of Retry-After (RFC 9110 section 10.2.3) and gives 0 for none; a header
 * that says 0 is told apart by asking for it. */
static int64_t read_retry_after_ms(CURL *easy) {
        struct curl_header *header;
        curl_off_t seconds = 0;

        if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header))
                return -1;
        if (curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &seconds) || seconds < 0)
                return -1;
        return (int64_t) MIN_OF(seconds, (curl_off_t) RETRY_AFTER_MAX_S) * 1000;
}

/* RFC 9110 section 6.6.1. */
static int64_t read_date_ms(CURL *easy) {
        struct curl_header *header;

        if (curl_easy_header(easy, "Date", 0, CURLH_HEADER, -1, &header))
                return 0;
        time_t seconds = curl_getdate(header->value, NULL);
        return seconds < 0 ? 0 : (int64_t) seconds * 1000;
}

static int fail_transfer(const HttpClient *c, CURLcode code, const Transfer *t, char *error,
                         size_t error_size) {
        if (code == CURLE_FILESIZE_EXCEEDED || t->body_error == -EMSGSIZE) {
                snprintf(error, error_size, "the answer has more than %zu bytes",
                         c->options.max_body);
                return -EMSGSIZE;
        }
        if (code == CURLE_OUT_OF_MEMORY || t->body_error == -ENOMEM) {
                snprintf(error, error_size, "out of memory");
                return -ENOMEM;
        }
        snprintf(error, error_size, "%s",
                 *c->curl_error ? c->curl_error : curl_easy_strerror(code));
        return errno_of_curl(code);
}

static void finish(HttpClient *c, int64_t began_ms, HttpAnswer *answer) {
        long status = 0;

        curl_easy_getinfo(c->easy, CURLINFO_RESPONSE_CODE, &status);
        answer->status = (int) status;
        answer->received_at_ns = monotonic_ns();
        answer->duration_ms = clock_monotonic_ms() - began_ms;
        answer->date_ms = read_date_ms(c->easy);
        answer->retry_after_ms = read_retry_after_ms(c->easy);
}

static int make_headers(const char *const *headers, struct curl_slist **ret) {
        struct curl_slist *list = NULL;
        for (size_t i = 0; headers && headers[i]; i++) {
                struct curl_slist *longer = curl_slist_append(list, headers[i]);
                if (!longer) {
                        curl_slist_free_all(list);
                        return -ENOMEM;
                }
                list = longer;
        }
        *ret = list;
        return 0;
}

/* With the easy handle set up: asks, and fills the transfer. */
static int transfer(HttpClient *c, int cancel_fd, Transfer *t, char *error, size_t error_size) {
        CURLcode code = CURLE_OK;
        int64_t began_ms = clock_monotonic_ms();

        c->curl_error[0] = '\0';
        if (curl_multi_add_handle(c->multi, c->easy))
                return -ENOMEM;
        int r = drive(c, cancel_fd, &code);
        if (r == -EIO)
                snprintf(error, error_size, "the HTTP client failed");
        else if (r == 0 && code)
                r = fail_transfer(c, code, t, error, error_size);
        else if (r == 0)
                finish(c, began_ms, &t->answer);
        curl_multi_remove_handle(c->multi, c->easy);
        return r;
}

int http_client_get(HttpClient *client, const char *url, const char *const *headers, int cancel_fd,
                    HttpAnswer *ret, char *error, size_t error_size) {
        Transfer t = { .answer = { .body = { .max = client->options.max_body },
                                   .retry_after_ms = -1 } };
        struct curl_slist *list = NULL;

        snprintf(error, error_size, "out of memory");
        int r = make_headers(headers, &list);
        if (r < 0)
                return r;
        r = -ENOMEM;
        if (!curl_easy_setopt(client->easy, CURLOPT_URL, url) &&
            !curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, list) &&
            !curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, &t))
                r = transfer(client, cancel_fd, &t, error, error_size);
        curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, NULL);
        curl_slist_free_all(list);

        if (r < 0) {
                http_answer_done(&t.answer);
                return r;
        }
        *ret = t.answer;
        return 0;
}
