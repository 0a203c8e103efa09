#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/http_internal.h"

/* The value of a header that was asked for: libwebsockets has them in pieces, and not for long. */
struct HeaderCopy {
        struct HeaderCopy *next;
        char *value;
        char name[];
};
typedef struct HeaderCopy HeaderCopy;

void http_request_free(HttpRequest *r) {
        if (!r)
                return;
        while (r->headers) {
                HeaderCopy *copy = r->headers;

                r->headers = copy->next;
                free(copy->value);
                free(copy);
        }
        free(r->parameters);
        free(r->path);
        buffer_done(&r->body);
        free(r);
}
DEFINE_CLEANUP(HttpRequest *, http_request_free)

static const char *method_name(int method) {
        switch (method) {
        case LWSHUMETH_GET:
                return "GET";
        case LWSHUMETH_HEAD:
                return "HEAD";
        case LWSHUMETH_POST:
                return "POST";
        case LWSHUMETH_PUT:
                return "PUT";
        case LWSHUMETH_PATCH:
                return "PATCH";
        case LWSHUMETH_DELETE:
                return "DELETE";
        case LWSHUMETH_OPTIONS:
                return "OPTIONS";
        default:
                return "";
        }
}

/* Copies the path and each query parameter into one block. */
static int request_copy_uri(HttpRequest *r, struct lws *wsi, const char *path, size_t length) {
        size_t n = 0, total = length + 1;
        char *at;
        int l;

        while ((l = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, (int) n)) > 0) {
                total += (size_t) l + 1;
                n++;
        }
        r->path = malloc(total);
        r->parameters = calloc(n + 1, sizeof(*r->parameters));
        if (!r->path || !r->parameters)
                return -ENOMEM;
        memcpy(r->path, path, length);
        r->path[length] = '\0';
        at = r->path + length + 1;
        for (size_t i = 0, k = 0; i < n; i++) {
                int room = (int) (r->path + total - at);

                l = lws_hdr_copy_fragment(wsi, at, room, WSI_TOKEN_HTTP_URI_ARGS, (int) i);
                if (l < 0)
                        continue;
                r->parameters[k++] = at;
                at += l + 1;
        }
        return 0;
}

bool http_header_is(struct lws *wsi, enum lws_token_indexes token, const char *value) {
        char text[64];

        return lws_hdr_copy(wsi, text, sizeof(text), token) > 0 && strcasecmp(text, value) == 0;
}

/* As libwebsockets decides it for itself. */
static void request_read_version(HttpRequest *r, struct lws *wsi) {
        r->http_1_0 = !http_header_is(wsi, WSI_TOKEN_HTTP, "HTTP/1.1");
        r->keep_alive = !r->http_1_0;
        if (http_header_is(wsi, WSI_TOKEN_CONNECTION, "keep-alive"))
                r->keep_alive = true;
        else if (http_header_is(wsi, WSI_TOKEN_CONNECTION, "close"))
                r->keep_alive = false;
}

int http_request_new(HttpRequest **ret, const WebConn *conn, const char *path, size_t length) {
        _cleanup_(http_request_freep) HttpRequest *r = NULL;
        char *uri;
        int uri_length, k;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->method = method_name(lws_http_get_uri_and_method(conn->wsi, &uri, &uri_length));
        r->head = strcmp(r->method, "HEAD") == 0;
        r->body.max = HTTP_BODY_MAX;
        memcpy(r->peer, conn->peer, sizeof(r->peer));
        request_read_version(r, conn->wsi);
        k = request_copy_uri(r, conn->wsi, path, length);
        if (k < 0)
                return k;
        r->wsi = conn->wsi;
        *ret = TAKE_PTR(r);
        return 0;
}

const char *http_request_method(const HttpRequest *r) {
        return r->method;
}

const char *http_request_path(const HttpRequest *r) {
        return r->path;
}

const char *http_request_peer(const HttpRequest *r) {
        return r->peer;
}

uint64_t http_request_connection(const HttpRequest *r) {
        return r->connection;
}

const char *http_request_parameter(const HttpRequest *r, size_t i) {
        for (size_t k = 0; k < i; k++)
                if (!r->parameters[k])
                        return NULL;
        return r->parameters[i];
}

const char *http_request_query(const HttpRequest *r, const char *name) {
        const size_t length = strlen(name);

        for (char **p = r->parameters; *p; p++) {
                if (strncmp(*p, name, length) != 0)
                        continue;
                if ((*p)[length] == '=')
                        return *p + length + 1;
                if ((*p)[length] == '\0')
                        return *p + length;
        }
        return NULL;
}

const char *http_request_body(const HttpRequest *r, size_t *ret_length) {
        *ret_length = r->body.length;
        return r->body.data ? r->body.data : "";
}

/* The known headers are numbered, by names that end in a colon. -1: not one of them. */
static int header_token(const char *name) {
        const size_t length = strlen(name);

        for (int i = 0; i < WSI_TOKEN_COUNT; i++) {
                const char *known = (const char *) lws_token_to_string((enum lws_token_indexes) i);

                if (known && strncmp(known, name, length) == 0 && known[length] == ':' &&
                    known[length + 1] == '\0')
                        return i;
        }
        return -1;
}

static char *header_copy_known(struct lws *wsi, enum lws_token_indexes token) {
        const int length = lws_hdr_total_length(wsi, token);
        char *value;

        if (length <= 0)
                return NULL;
        value = malloc((size_t) length + 1);
        if (value && lws_hdr_copy(wsi, value, length + 1, token) < 0) {
                free(value);
                return NULL;
        }
        return value;
}

static char *header_copy_other(struct lws *wsi, const char *name) {
        char with_colon[128], *value;
        int n, length;

        n = snprintf(with_colon, sizeof(with_colon), "%s:", name);
        if (n >= (int) sizeof(with_colon))
                return NULL;
        length = lws_hdr_custom_length(wsi, with_colon, n);
        if (length < 0)
                return NULL;
        value = malloc((size_t) length + 1);
        if (value && lws_hdr_custom_copy(wsi, value, length + 1, with_colon, n) < 0) {
                free(value);
                return NULL;
        }
        return value;
}

const char *http_request_header(HttpRequest *r, const char *name) {
        HeaderCopy *copy;
        char *value;
        int token;

        for (copy = r->headers; copy; copy = copy->next)
                if (strcmp(copy->name, name) == 0)
                        return copy->value;
        if (!r->wsi)
                return NULL;
        token = header_token(name);
        value = token >= 0 ? header_copy_known(r->wsi, (enum lws_token_indexes) token)
                           : header_copy_other(r->wsi, name);
        if (!value)
                return NULL;
        copy = malloc(sizeof(*copy) + strlen(name) + 1);
        if (!copy) {
                free(value);
                return NULL;
        }
        strcpy(copy->name, name);
        copy->value = value;
        copy->next = r->headers;
        r->headers = copy;
        return value;
}

int64_t http_body_length(struct lws *wsi) {
        char text[24];
        size_t digits;

        if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
                return -ENODATA;
        /* RFC 9112 section 6.3: then there is none. */
        if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
                return 0;
        if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
                return -EBADMSG;
        digits = strspn(text, "0123456789");
        return digits > 0 && digits < 18 && !text[digits] ? atoll(text) : -EBADMSG;
}

/* libwebsockets has cut off whatever is as long as this. Only those that clients make long. */
bool http_headers_too_large(struct lws *wsi, const HttpRequest *r) {
        static const enum lws_token_indexes tokens[] = {
                WSI_TOKEN_HTTP_URI_ARGS,      WSI_TOKEN_HTTP_COOKIE,        WSI_TOKEN_HTTP_REFERER,
                WSI_TOKEN_HTTP_USER_AGENT,    WSI_TOKEN_HTTP_AUTHORIZATION, WSI_TOKEN_HTTP_ACCEPT,
                WSI_TOKEN_HTTP_IF_NONE_MATCH,
        };

        for (size_t i = 0; i < ELEMENTS(tokens); i++)
                if (lws_hdr_total_length(wsi, tokens[i]) >= WEB_HEADER_MAX)
                        return true;
        return strlen(r->path) >= WEB_HEADER_MAX;
}
