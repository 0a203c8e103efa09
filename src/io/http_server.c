#include "io/http_server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/buffer.h"
#include "io/web_internal.h"

/* Status line and headers of an answer; a handler's own headers must fit as well. */
#define RESPONSE_HEAD_MAX 8192
/* A refused body is read and thrown away up to here, so that the client can read the answer:
 * closing at once would reset the connection under it. */
#define REFUSED_BODY_MAX 1048576
/* How long a client may take to read an answer. */
#define DRAIN_TIMEOUT_S 60

typedef struct HttpConn {
        WebConn web; /* first */
        HttpServer *server;
        struct HttpConn *next, *prev;
        HttpRequest *request; /* not yet ended, or NULL */
        uint64_t number;
        size_t refused_bytes;
        bool in_callback; /* inside one of this connection's own callbacks */
        bool throttled;   /* nothing is read while a request is worked on */
        bool draining;    /* an answer is not with the kernel yet */
        bool close_after; /* the answer is the last one */
        bool must_close;  /* to be closed as soon as its callback returns */
        bool refusing;    /* a body is being thrown away */
} HttpConn;

typedef struct HeaderCopy {
        struct HeaderCopy *next;
        char *value;
        char name[];
} HeaderCopy;

struct HttpRequest {
        HttpConn *conn; /* NULL once the client has gone */
        const char *method;
        char *path;        /* owns the memory of the parameters, too */
        char **parameters; /* NULL-terminated */
        HeaderCopy *headers;
        Buffer body;
        uint64_t connection;
        char peer[WEB_PEER_SIZE];
        bool http_1_0;
        bool keep_alive;
        bool head;
        bool dispatched;
};

struct HttpServer {
        WebListener *listener;
        HttpHandler handler;
        void *user;
        HttpConn *conns;
        uint64_t n_accepted;
        time_t date_s; /* what date[] says */
        char date[sizeof("Sun, 06 Nov 1994 08:49:37 GMT")];
};

static int http_event(WebConn *web, enum lws_callback_reasons reason, void *in, size_t length);

/* ---- requests ------------------------------------------------------------------------------ */

static void request_free(HttpRequest *r) {
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
DEFINE_CLEANUP(HttpRequest *, request_free)

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

static bool header_is(struct lws *wsi, enum lws_token_indexes token, const char *value) {
        char text[64];

        return lws_hdr_copy(wsi, text, sizeof(text), token) > 0 && strcasecmp(text, value) == 0;
}

/* As libwebsockets decides it for itself. */
static void request_read_version(HttpRequest *r, struct lws *wsi) {
        r->http_1_0 = !header_is(wsi, WSI_TOKEN_HTTP, "HTTP/1.1");
        r->keep_alive = !r->http_1_0;
        if (header_is(wsi, WSI_TOKEN_CONNECTION, "keep-alive"))
                r->keep_alive = true;
        else if (header_is(wsi, WSI_TOKEN_CONNECTION, "close"))
                r->keep_alive = false;
}

static int request_new(HttpRequest **ret, HttpConn *conn, const char *path, size_t length) {
        _cleanup_(request_freep) HttpRequest *r = NULL;
        char *uri;
        int uri_length, k;

        r = calloc(1, sizeof(*r));
        if (!r)
                return -ENOMEM;
        r->method = method_name(lws_http_get_uri_and_method(conn->web.wsi, &uri, &uri_length));
        r->head = strcmp(r->method, "HEAD") == 0;
        r->connection = conn->number;
        r->body.max = HTTP_BODY_MAX;
        memcpy(r->peer, conn->web.peer, sizeof(r->peer));
        request_read_version(r, conn->web.wsi);
        k = request_copy_uri(r, conn->web.wsi, path, length);
        if (k < 0)
                return k;
        r->conn = conn;
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
        if (!r->conn)
                return NULL;
        token = header_token(name);
        value = token >= 0 ? header_copy_known(r->conn->web.wsi, (enum lws_token_indexes) token)
                           : header_copy_other(r->conn->web.wsi, name);
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

/* ---- connections --------------------------------------------------------------------------- */

static WebConn *conn_accept(void *user) {
        HttpServer *server = user;
        HttpConn *conn = calloc(1, sizeof(*conn));

        if (!conn)
                return NULL;
        conn->web.event = http_event;
        conn->server = server;
        conn->number = ++server->n_accepted;
        conn->next = server->conns;
        if (conn->next)
                conn->next->prev = conn;
        server->conns = conn;
        return &conn->web;
}

/* A request that the handler has goes on without its connection; one it never saw goes away. */
static void conn_drop_request(HttpConn *conn) {
        HttpRequest *r = TAKE_PTR(conn->request);

        if (!r)
                return;
        r->conn = NULL;
        if (!r->dispatched)
                request_free(r);
}

static void conn_free(HttpConn *conn) {
        conn_drop_request(conn);
        if (conn->prev)
                conn->prev->next = conn->next;
        else
                conn->server->conns = conn->next;
        if (conn->next)
                conn->next->prev = conn->prev;
        free(conn);
}

/* Nothing is read from the connection while one of its requests is worked on: libwebsockets would
 * spin over what it may not read yet. */
static void conn_throttle(HttpConn *conn, bool throttle) {
        if (conn->throttled == throttle)
                return;
        conn->throttled = throttle;
        lws_rx_flow_control(conn->web.wsi, !throttle);
}

/* Inside of the connection's callback its return value closes it. */
static void conn_close(HttpConn *conn) {
        conn->must_close = true;
        if (!conn->in_callback)
                web_socket_kill(conn->web.wsi);
}

/* The answer is with the kernel: on to the next request. */
static void conn_next(HttpConn *conn) {
        if (conn->close_after) {
                conn_close(conn);
                return;
        }
        conn_throttle(conn, false);
        if (lws_http_transaction_completed(conn->web.wsi))
                conn_close(conn);
}

static void conn_answered(HttpConn *conn, int sent) {
        if (sent < 0) {
                conn_close(conn);
        } else if (sent > 0) {
                conn->draining = true;
                conn_throttle(conn, true);
                lws_set_timeout(conn->web.wsi, PENDING_TIMEOUT_HTTP_CONTENT, DRAIN_TIMEOUT_S);
        } else if (!conn->refusing) {
                conn_next(conn);
        }
}

/* ---- responses ----------------------------------------------------------------------------- */

static const char *server_date(HttpServer *server) {
        const time_t now = time(NULL);
        struct tm tm;

        if (now != server->date_s) {
                server->date_s = now;
                strftime(server->date, sizeof(server->date), "%a, %d %b %Y %H:%M:%S GMT",
                         gmtime_r(&now, &tm));
        }
        return server->date;
}

typedef struct Head {
        struct lws *wsi;
        unsigned char *at, *end;
        bool overflow;
} Head;

static void head_add(Head *h, const char *name, const char *value) {
        char with_colon[128];

        if (snprintf(with_colon, sizeof(with_colon), "%s:", name) >= (int) sizeof(with_colon) ||
            lws_add_http_header_by_name(h->wsi, (const unsigned char *) with_colon,
                                        (const unsigned char *) value, (int) strlen(value), &h->at,
                                        h->end))
                h->overflow = true;
}

static bool status_has_body(int status) {
        return status >= 200 && status != 204 && status != 304;
}

/* Status line and headers into BUFFER; their length, or -EMSGSIZE. */
static int response_head(HttpConn *conn, const HttpRequest *r, const HttpResponse *response,
                         unsigned char *buffer, size_t size) {
        Head h = { .wsi = conn->web.wsi, .at = buffer, .end = buffer + size };
        const unsigned int status = (unsigned int) response->status | LWSAHH_FLAG_NO_SERVER_NAME;
        char length[24];

        if (lws_add_http_header_status(conn->web.wsi, status, &h.at, h.end))
                return -EMSGSIZE;
        head_add(&h, "date", server_date(conn->server));
        if (response->content_type)
                head_add(&h, "content-type", response->content_type);
        if (status_has_body(response->status)) {
                snprintf(length, sizeof(length), "%zu", response->body_length);
                head_add(&h, "content-length", length);
        }
        if (conn->close_after)
                head_add(&h, "connection", "close");
        else if (r->http_1_0)
                head_add(&h, "connection", "keep-alive");
        for (const HttpHeader *header = response->headers; header && header->name; header++)
                head_add(&h, header->name, header->value);
        if (h.overflow || lws_finalize_http_header(conn->web.wsi, &h.at, h.end))
                return -EMSGSIZE;
        return (int) (h.at - buffer);
}

static int conn_send(HttpConn *conn, const HttpRequest *r, const HttpResponse *response) {
        unsigned char head[LWS_PRE + RESPONSE_HEAD_MAX];
        struct iovec parts[2];
        size_t body = response->body_length;
        int n;

        n = response_head(conn, r, response, head + LWS_PRE, RESPONSE_HEAD_MAX);
        if (n < 0)
                return n;
        if (r->head || !status_has_body(response->status))
                body = 0;
        else if (response->cut_after > 0 && response->cut_after < body)
                body = response->cut_after;
        parts[0] = (struct iovec){ head + LWS_PRE, (size_t) n };
        parts[1] = (struct iovec){ (void *) response->body, body };
        return web_socket_send(conn->web.wsi, parts, body > 0 ? 2 : 1);
}

void http_request_respond(HttpRequest *r, const HttpResponse *response) {
        HttpConn *conn = r->conn;

        if (conn) {
                conn->request = NULL;
                if (!r->keep_alive || response->close || response->cut_after > 0)
                        conn->close_after = true;
                conn_answered(conn, conn_send(conn, r, response));
        }
        request_free(r);
}

void http_request_reset(HttpRequest *r) {
        static const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
        HttpConn *conn = r->conn;

        if (conn) {
                conn->request = NULL;
                /* Disconnecting a TCP socket sends a RST; libwebsockets' own closing would send a
                 * FIN first. */
                (void) connect(lws_get_socket_fd(conn->web.wsi), &nowhere, sizeof(nowhere));
                conn_close(conn);
        }
        request_free(r);
}

/* ---- libwebsockets' events ----------------------------------------------------------------- */

static int conn_dispatch(HttpConn *conn) {
        HttpRequest *r = conn->request;

        r->dispatched = true;
        lws_set_timeout(conn->web.wsi, NO_PENDING_TIMEOUT, 0);
        conn->server->handler(r, conn->server->user);
        if (conn->request)
                conn_throttle(conn, true);
        return conn->must_close ? -1 : 0;
}

/* Answers without the handler, and closes: at once, or when the body that is still coming has
 * been thrown away. */
static int conn_refuse(HttpConn *conn, int status, bool body_follows) {
        static const char *const format = "%d\n";
        HttpRequest *r = TAKE_PTR(conn->request);
        char body[16];
        HttpResponse response = { .status = status, .content_type = "text/plain", .body = body };

        response.body_length = (size_t) snprintf(body, sizeof(body), format, status);
        conn->close_after = true;
        conn->refusing = body_follows;
        conn_answered(conn, conn_send(conn, r, &response));
        request_free(r);
        return conn->must_close ? -1 : 0;
}

/* The declared length of the body: 0 if there is none; -EBADMSG, -ENODATA (not declared). */
static int64_t body_length(struct lws *wsi, const HttpRequest *r) {
        char text[24];
        size_t digits;

        if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING) > 0)
                return -ENODATA;
        /* Without a length libwebsockets waits for a body of a POST or PUT for ever. */
        if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
                return r->method[0] == 'P' ? -ENODATA : 0;
        if (lws_hdr_copy(wsi, text, sizeof(text), WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0)
                return -EBADMSG;
        digits = strspn(text, "0123456789");
        return digits > 0 && digits < 18 && !text[digits] ? atoll(text) : -EBADMSG;
}

static bool headers_too_large(struct lws *wsi) {
        for (int i = 0; i < WSI_TOKEN_COUNT; i++)
                if (lws_hdr_total_length(wsi, (enum lws_token_indexes) i) >= WEB_HEADER_MAX)
                        return true;
        return false;
}

static int conn_begin(HttpConn *conn, const char *path, size_t path_length) {
        int64_t length;

        conn->refusing = false;
        conn->refused_bytes = 0;
        if (request_new(&conn->request, conn, path, path_length) < 0)
                return -1;
        length = body_length(conn->web.wsi, conn->request);
        if (headers_too_large(conn->web.wsi))
                return conn_refuse(conn, 431, false);
        if (length == -EBADMSG)
                return conn_refuse(conn, 400, false);
        if (length == -ENODATA)
                return conn_refuse(conn, 411, false);
        if (length > HTTP_BODY_MAX)
                return conn_refuse(conn, 413, length <= REFUSED_BODY_MAX);
        if (length == 0)
                return conn_dispatch(conn);
        if (header_is(conn->web.wsi, WSI_TOKEN_HTTP_EXPECT, "100-continue")) {
                static char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
                const struct iovec part = { go_on, sizeof(go_on) - 1 };

                if (web_socket_send(conn->web.wsi, &part, 1) < 0)
                        return -1;
        }
        return 0;
}

static int conn_body(HttpConn *conn, const void *bytes, size_t length) {
        if (conn->refusing) {
                conn->refused_bytes += length;
                return conn->refused_bytes > REFUSED_BODY_MAX ? -1 : 0;
        }
        if (!conn->request || conn->request->dispatched || length == 0)
                return 0;
        return buffer_append(&conn->request->body, bytes, length) < 0 ? -1 : 0;
}

static int conn_body_complete(HttpConn *conn) {
        if (conn->refusing) {
                conn->refusing = false;
                return conn->draining ? 0 : -1;
        }
        if (!conn->request || conn->request->dispatched)
                return 0;
        return conn_dispatch(conn);
}

static int conn_writable(HttpConn *conn) {
        if (!conn->draining || lws_partial_buffered(conn->web.wsi))
                return 0;
        conn->draining = false;
        if (!conn->refusing)
                conn_next(conn);
        return conn->must_close ? -1 : 0;
}

static int conn_event(HttpConn *conn, enum lws_callback_reasons reason, void *in, size_t length) {
        switch (reason) {
        case LWS_CALLBACK_HTTP:
                return conn_begin(conn, in, length);
        case LWS_CALLBACK_HTTP_BODY:
                return conn_body(conn, in, length);
        case LWS_CALLBACK_HTTP_BODY_COMPLETION:
                return conn_body_complete(conn);
        case LWS_CALLBACK_HTTP_WRITEABLE:
                return conn_writable(conn);
        case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
                return web_upgrade_ignore(conn->web.wsi, in);
        default:
                return 0;
        }
}

static int http_event(WebConn *web, enum lws_callback_reasons reason, void *in, size_t length) {
        HttpConn *conn = (HttpConn *) web;
        int r;

        if (reason == LWS_CALLBACK_WSI_DESTROY) {
                conn_free(conn);
                return 0;
        }
        if (conn->must_close)
                return -1;
        conn->in_callback = true;
        r = conn_event(conn, reason, in, length);
        conn->in_callback = false;
        return r;
}

/* ---- the server ---------------------------------------------------------------------------- */

int http_server_new(HttpServer **ret, WebLoop *loop, int listen_fd, HttpHandler handler,
                    void *user) {
        HttpServer *server = calloc(1, sizeof(*server));
        int r;

        if (!server) {
                close(listen_fd);
                return -ENOMEM;
        }
        server->handler = handler;
        server->user = user;
        r = web_listener_new(&server->listener, loop, listen_fd, conn_accept, server);
        if (r < 0) {
                free(server);
                return r;
        }
        *ret = server;
        return 0;
}

void http_server_free(HttpServer *server) {
        if (!server)
                return;
        web_listener_free(server->listener);
        while (server->conns) {
                web_conn_abandon(&server->conns->web);
                conn_free(server->conns);
        }
        free(server);
}
