#include "io/http_server.h"

#include <errno.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "io/http_internal.h"

/* Status line and headers of an answer; a handler's own headers must fit as well. */
#define RESPONSE_HEAD_MAX 8192
/* A refused body is read and thrown away up to here, so that the client can read the answer:
 * closing at once would reset the connection under it. */
#define REFUSED_BODY_MAX 1048576
/* How long a client may read nothing of an answer. */
#define DRAIN_TIMEOUT_MS 60000

typedef struct HttpConn {
        WebConn web; /* first */
        HttpServer *server;
        struct HttpConn *next, *prev;
        HttpRequest *request; /* not yet ended, or NULL */
        uint64_t number;
        size_t body_expected; /* as the request declared it */
        int64_t bytes_read;   /* when the last request was complete; only if bodies are allowed */
        size_t refused_bytes;
        /* An answer that is not all with the kernel yet; drain is NULL otherwise. */
        Buffer rest;
        size_t rest_sent;
        WebFd *drain;
        WebTimer *drain_timer;
        bool in_callback; /* inside one of this connection's own callbacks */
        bool throttled;   /* nothing is read while a request is worked on */
        bool draining;    /* an answer is not with the kernel yet */
        bool close_after; /* the answer is the last one */
        bool must_close;  /* to be closed as soon as its callback returns */
        bool refusing;    /* a body is being thrown away */
        bool used;        /* a request has come */
} HttpConn;

struct HttpServer {
        WebLoop *loop;
        WebListener *listeners;
        HttpHandler handler;
        void *user;
        bool bodies;
        bool stopping;
        HttpConn *conns;
        size_t n_conns;
        uint64_t n_accepted;
        time_t date_s; /* what date[] says */
        char date[sizeof("Sun, 06 Nov 1994 08:49:37 GMT")];
};

static int http_event(WebConn *web, enum lws_callback_reasons reason, void *in, size_t length);

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
        server->n_conns++;
        return &conn->web;
}

/* A request that the handler has goes on without its connection; one it never saw goes away. */
static void conn_drop_request(HttpConn *conn) {
        HttpRequest *r = TAKE_PTR(conn->request);

        if (!r)
                return;
        r->conn = NULL;
        r->wsi = NULL;
        if (!r->dispatched)
                http_request_free(r);
}

static void conn_drain_end(HttpConn *conn) {
        web_fd_free(TAKE_PTR(conn->drain));
        web_timer_free(TAKE_PTR(conn->drain_timer));
        buffer_done(&conn->rest);
}

static void conn_free(HttpConn *conn) {
        conn_drop_request(conn);
        conn_drain_end(conn);
        if (conn->prev)
                conn->prev->next = conn->next;
        else
                conn->server->conns = conn->next;
        if (conn->next)
                conn->next->prev = conn->prev;
        conn->server->n_conns--;
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

/* SENT: what conn_send() returned. */
static void conn_answered(HttpConn *conn, int sent) {
        if (sent < 0)
                conn_close(conn);
        else if (sent == 0 && !conn->refusing)
                conn_next(conn);
}

/* ---- answers that the kernel does not take at once ------------------------------------------ */

static void conn_drain_timeout(void *user) {
        HttpConn *conn = user;

        conn_drain_end(conn);
        conn_close(conn);
}

static void conn_drain_event(void *user, short events) {
        HttpConn *conn = user;
        const struct iovec part = { conn->rest.data + conn->rest_sent,
                                    conn->rest.length - conn->rest_sent };
        ssize_t sent = events == POLLOUT ? web_socket_try_send(conn->web.wsi, &part, 1) : -EPIPE;

        if (sent >= 0) {
                conn->rest_sent += (size_t) sent;
                web_timer_set(conn->drain_timer, DRAIN_TIMEOUT_MS);
                if (conn->rest_sent < conn->rest.length)
                        return;
        }
        conn_drain_end(conn);
        conn_answered(conn, sent < 0 ? (int) sent : 0);
}

/* libwebsockets 4.1 does not look at a connection's writability while its reading is held back
 * (conn_throttle()), so the rest is sent by an eye of our own on the same socket. */
static int conn_drain_begin(HttpConn *conn, const struct iovec parts[2], size_t sent) {
        WebLoop *loop = conn->server->loop;
        int r = 0;

        conn->rest_sent = 0;
        for (size_t i = 0; i < 2 && r == 0; i++) {
                const size_t skip = MIN_OF(sent, parts[i].iov_len);

                r = buffer_append(&conn->rest, (const char *) parts[i].iov_base + skip,
                                  parts[i].iov_len - skip);
                sent -= skip;
        }
        if (r == 0)
                r = web_timer_new(&conn->drain_timer, loop, conn_drain_timeout, conn);
        if (r == 0)
                r = web_fd_new(&conn->drain, loop, lws_get_socket_fd(conn->web.wsi),
                               conn_drain_event, conn);
        if (r < 0)
                return r;
        conn_throttle(conn, true);
        lws_set_timeout(conn->web.wsi, NO_PENDING_TIMEOUT, 0);
        web_timer_set(conn->drain_timer, DRAIN_TIMEOUT_MS);
        web_fd_want_read(conn->drain, false);
        web_fd_want_write(conn->drain, true);
        return 1;
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

/* 0: sent; 1: a rest is being sent; negative errno. */
static int conn_send(HttpConn *conn, const HttpRequest *r, const HttpResponse *response) {
        unsigned char head[LWS_PRE + RESPONSE_HEAD_MAX];
        struct iovec parts[2];
        size_t body = response->body_length;
        ssize_t sent;
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
        sent = web_socket_try_send(conn->web.wsi, parts, 2);
        if (sent < 0)
                return (int) sent;
        if ((size_t) sent == (size_t) n + body)
                return 0;
        return conn_drain_begin(conn, parts, (size_t) sent);
}

void http_request_respond(HttpRequest *r, const HttpResponse *response) {
        HttpConn *conn = r->conn;

        if (conn) {
                conn->request = NULL;
                if (!r->keep_alive || response->close || response->cut_after > 0 ||
                    conn->server->stopping)
                        conn->close_after = true;
                conn_answered(conn, conn_send(conn, r, response));
        }
        http_request_free(r);
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
        http_request_free(r);
}

/* ---- libwebsockets' events ----------------------------------------------------------------- */

static int conn_dispatch(HttpConn *conn) {
        HttpRequest *r = conn->request;

        r->dispatched = true;
        conn->used = true;
        lws_set_timeout(conn->web.wsi, NO_PENDING_TIMEOUT, 0);
        conn->server->handler(r, conn->server->user);
        if (conn->request)
                conn_throttle(conn, true);
        return conn->must_close ? -1 : 0;
}

/* Answers without the handler, and closes: at once, or when the body that is still coming has
 * been thrown away. */
static int conn_refuse(HttpConn *conn, int status, bool await_body) {
        HttpRequest *r = TAKE_PTR(conn->request);
        char body[16];
        HttpResponse response = { .status = status, .content_type = "text/plain", .body = body };

        response.body_length = (size_t) snprintf(body, sizeof(body), "%d\n", status);
        conn->close_after = true;
        conn->refusing = await_body && http_body_length(conn->web.wsi) > 0;
        conn_answered(conn, conn_send(conn, r, &response));
        http_request_free(r);
        return conn->refusing && !conn->must_close ? 0 : -1;
}

/* Between which bounds the number of bytes lies that have been read from the connection so far:
 * what the kernel has got less what waits. More may arrive while this asks. */
static void conn_bytes_read(const HttpConn *conn, int64_t *ret_low, int64_t *ret_high) {
        const int fd = lws_get_socket_fd(conn->web.wsi);
        struct tcp_info info;
        socklen_t size = sizeof(info);
        int before = 0, after = 0;

        memset(&info, 0, sizeof(info));
        (void) ioctl(fd, FIONREAD, &before);
        (void) getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
        (void) ioctl(fd, FIONREAD, &after);
        *ret_low = (int64_t) info.tcpi_bytes_received - after;
        *ret_high = (int64_t) info.tcpi_bytes_received - before;
}

/* A request with a body that came together with the one before it sends libwebsockets (4.1 and
 * 4.3) into an endless loop: it takes the headers, still in its buffer, for the body. So it must
 * not go on with such a request. True if nothing was read since the last request: then this one
 * came with it. (One byte may be the peer's FIN, which the kernel counts.) */
static bool conn_is_pipelined(HttpConn *conn) {
        const int64_t before = conn->bytes_read;
        int64_t low;

        if (!conn->server->bodies)
                return true; /* not known */
        conn_bytes_read(conn, &low, &conn->bytes_read);
        return low <= before + 1;
}

/* True if nothing can follow this request on its connection, and its body (if it has one) is none
 * of the handler's business: libwebsockets waits for the body of a POST, PUT or PATCH even if no
 * length says that there is one; and without bodies only the method tells the handler that it is
 * to refuse. */
static bool conn_is_last(const HttpConn *conn, int64_t length) {
        const char *method = conn->request->method;

        if (http_headers_too_large(conn->web.wsi, conn->request))
                return false;
        if (!conn->server->bodies && strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
                return length > 0 || length == -ENODATA || method[0] == 'P';
        return length == 0 && method[0] == 'P' &&
               lws_hdr_total_length(conn->web.wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH) <= 0;
}

/* libwebsockets goes on to read a body once this returns 0, into the loop above if the request was
 * pipelined: so it never does, even if the handler wants to answer later. */
static int conn_dispatch_last(HttpConn *conn) {
        conn->close_after = true;
        (void) conn_dispatch(conn);
        conn_drop_request(conn);
        return -1;
}

/* The status to refuse a request with, for its head; 0: it is fine. */
static int conn_check(HttpConn *conn, int64_t length, bool pipelined) {
        if (http_headers_too_large(conn->web.wsi, conn->request))
                return 431;
        if (length == -ENODATA)
                return 411;
        if (length < 0 || (length > 0 && conn->server->bodies && pipelined))
                return 400;
        if (length > (conn->server->bodies ? HTTP_BODY_MAX : 0))
                return 413;
        return 0;
}

static int conn_go_on(HttpConn *conn) {
        static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
        const struct iovec part = { text, sizeof(text) - 1 };

        if (!http_header_is(conn->web.wsi, WSI_TOKEN_HTTP_EXPECT, "100-continue"))
                return 0;
        return web_socket_try_send(conn->web.wsi, &part, 1) == (ssize_t) part.iov_len ? 0 : -1;
}

static int conn_begin(HttpConn *conn, const char *path, size_t path_length) {
        const bool pipelined = conn_is_pipelined(conn);
        int64_t length;
        int status;

        conn->refusing = false;
        conn->refused_bytes = 0;
        if (http_request_new(&conn->request, &conn->web, path, path_length) < 0)
                return -1;
        conn->request->conn = conn;
        conn->request->connection = conn->number;
        length = http_body_length(conn->web.wsi);
        if (conn_is_last(conn, length))
                return conn_dispatch_last(conn);
        status = conn_check(conn, length, pipelined);
        if (status != 0)
                return conn_refuse(conn, status, !pipelined && length <= REFUSED_BODY_MAX);
        conn->body_expected = (size_t) length;
        return length == 0 ? conn_dispatch(conn) : conn_go_on(conn);
}

static int conn_body(HttpConn *conn, const void *bytes, size_t length) {
        size_t take;

        if (conn->refusing) {
                conn->refused_bytes += length;
                return conn->refused_bytes > REFUSED_BODY_MAX ? -1 : 0;
        }
        if (!conn->request || conn->request->dispatched || length == 0)
                return 0;
        take = MIN_OF(length, conn->body_expected - conn->request->body.length);
        if (buffer_append(&conn->request->body, bytes, take) < 0)
                return -1;
        if (take == length)
                return 0;
        /* libwebsockets 4.3 takes what follows the body for a part of it, and waits for ever. */
        conn->close_after = true;
        return conn_dispatch(conn);
}

static int conn_body_complete(HttpConn *conn) {
        if (conn->refusing) {
                conn->refusing = false;
                return conn->drain ? 0 : -1;
        }
        /* A POST of zero bytes was dispatched before this came; nothing else should have been. */
        if (!conn->request || conn->request->dispatched)
                return conn->body_expected > 0 ? -1 : 0;
        return conn_dispatch(conn);
}

static int conn_event(HttpConn *conn, enum lws_callback_reasons reason, void *in, size_t length) {
        switch (reason) {
        case LWS_CALLBACK_HTTP:
                return conn_begin(conn, in, length);
        case LWS_CALLBACK_HTTP_BODY:
                return conn_body(conn, in, length);
        case LWS_CALLBACK_HTTP_BODY_COMPLETION:
                return conn_body_complete(conn);
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

int http_server_listen(HttpServer *server, int listen_fd) {
        return web_listener_add(&server->listeners, server->loop, listen_fd, conn_accept, server);
}

int http_server_new(HttpServer **ret, WebLoop *loop, int listen_fd, HttpHandler handler,
                    void *user) {
        HttpServer *server = calloc(1, sizeof(*server));
        int r;

        if (!server) {
                close(listen_fd);
                return -ENOMEM;
        }
        server->loop = loop;
        server->handler = handler;
        server->user = user;
        r = http_server_listen(server, listen_fd);
        if (r < 0) {
                free(server);
                return r;
        }
        *ret = server;
        return 0;
}

void http_server_allow_bodies(HttpServer *server) {
        server->bodies = true;
}

void http_server_stop(HttpServer *server) {
        server->stopping = true;
        web_listener_free(TAKE_PTR(server->listeners));
}

size_t http_server_count(const HttpServer *server) {
        return server->n_conns;
}

/* A request that the kernel has got already counts: closing would reset the connection under it. */
static bool conn_is_idle(const HttpConn *conn) {
        int waiting = 0;

        (void) ioctl(lws_get_socket_fd(conn->web.wsi), FIONREAD, &waiting);
        return !conn->request && !conn->drain && waiting == 0;
}

void http_server_drop_idle(HttpServer *server, bool also_unused) {
        /* They are closed later, so the list stays as it is. */
        for (HttpConn *conn = server->conns; conn; conn = conn->next)
                if ((conn->used || also_unused) && conn_is_idle(conn))
                        conn_close(conn);
}

void http_server_free(HttpServer *server) {
        if (!server)
                return;
        web_listener_free(server->listeners);
        while (server->conns) {
                web_conn_abandon(&server->conns->web);
                conn_free(server->conns);
        }
        free(server);
}
